"""botocore, which ships no types: the shapes of its objects that this library is given, and the door to its modules.

Importing this imports no botocore; :func:`load` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol


def load(name: str) -> Any:
    """A module of botocore, such as ``session``."""
    return import_module(f"botocore.{name}")


class StaticCredentials(Protocol):
    """AWS credentials as plain values: ``botocore.credentials.Credentials``, its frozen ones, or your own."""

    @property
    def access_key(self) -> str | None:
        """The access key id."""
        ...

    @property
    def secret_key(self) -> str | None:
        """The secret access key."""
        ...

    @property
    def token(self) -> str | None:
        """The session token of temporary credentials."""
        ...


class FrozenCredentialsSource(Protocol):
    """Credentials that may be refreshed: all of ``botocore.credentials``, and what boto3 sessions return."""

    def get_frozen_credentials(self) -> Any:
        """The credentials of this moment, as a :class:`StaticCredentials`. Called for every request."""
        ...


class BotocoreSession(Protocol):
    """A ``botocore.session.Session`` or a ``boto3.Session``."""

    def get_credentials(self) -> Any:
        """The session's credentials."""
        ...


class BotocoreConfig(Protocol):
    """A ``botocore.config.Config``."""

    def merge(self, other_config: Any, /) -> Any:
        """A new config, this one updated by the other."""
        ...
