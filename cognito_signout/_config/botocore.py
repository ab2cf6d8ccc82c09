"""botocore, which ships no types: Protocols for the objects that users pass in, and a function that loads its modules.

Importing this imports no botocore; :func:`load` does.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

# pyright: reportUnusedImport=false
if TYPE_CHECKING:  # for programs that search code for imports, such as PyInstaller
    import botocore.awsrequest
    import botocore.configprovider
    import botocore.exceptions
    import botocore.httpsession
    import botocore.regions
    import botocore.session
    import botocore.utils  # noqa: F401


def load(name: str) -> Any:
    """A module of botocore, such as ``session``."""
    return import_module(f"botocore.{name}")


def environment_has_proxies() -> bool:
    """Whether the environment, or the system settings of macOS and Windows, name a proxy."""
    if any(
        value and name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name, value in os.environ.items()
    ):
        return True
    if sys.platform not in ("darwin", "win32"):
        return False
    from urllib.request import getproxies

    return bool(getproxies())


class StaticCredentials(Protocol):
    """AWS credentials as plain values: ``botocore.credentials.Credentials``, frozen credentials, or your own object."""

    @property
    def access_key(self) -> str | None:
        """The access key ID."""
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
    """Credentials that may be refreshed: those of ``botocore.credentials`` and of boto3 sessions."""

    def get_frozen_credentials(self) -> Any:
        """The current credentials, as a :class:`StaticCredentials`. Called for every request."""
        ...


class BotocoreSession(Protocol):
    """A ``botocore.session.Session`` or a ``boto3.Session``."""

    def get_credentials(self) -> Any:
        """The session's credentials."""
        ...


class BotocoreConfig(Protocol):
    """A ``botocore.config.Config``."""

    def merge(self, other_config: Any, /) -> Any:
        """A new config: this one, updated by the other one."""
        ...
