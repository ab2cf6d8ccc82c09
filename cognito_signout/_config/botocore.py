"""botocore, which ships no types: Protocols for the objects that users pass in, and a function that loads its modules.

Importing this module does not import botocore; calling :func:`load` does.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

# pyright: reportUnusedImport=false
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

if TYPE_CHECKING:  # for programs that search code for imports, such as PyInstaller
    import botocore.awsrequest
    import botocore.configprovider
    import botocore.exceptions
    import botocore.handlers
    import botocore.httpsession
    import botocore.regions
    import botocore.session
    import botocore.utils  # noqa: F401


def load(name: str) -> Any:
    """A module of botocore, such as ``session``."""
    return import_module(f"botocore.{name}")


def new_session(profile: str | None) -> Any:
    """A new botocore session.

    Registering botocore's 120 handlers takes longer than all else. They are for clients, so they are registered when a
    credential provider creates a client, such as for STS. Those of ``before-send``, such as moto's, are registered at
    once.
    """
    cls, handlers = load("session").Session, load("handlers")
    if not hasattr(cls, "_register_builtin_handlers"):  # private: botocore may remove it
        return cls(profile=profile)
    session = cls(profile=profile, include_builtin_handlers=False)
    before_send = [spec for spec in handlers.BUILTIN_HANDLERS if spec[0].startswith("before-send")]
    for event, handler, *_ in before_send:
        session.register(event, handler)
    create_client, lock = session.create_client, threading.Lock()

    def create_client_with_handlers(*args: Any, **kwargs: Any) -> Any:
        with lock:
            if session.create_client is not create_client:
                for event, handler, *_ in before_send:
                    session.unregister(event, handler)
                session._register_builtin_handlers(session.get_component("event_emitter"))
                session.create_client = create_client
        return create_client(*args, **kwargs)

    session.create_client = create_client_with_handlers
    return session


def environment_has_proxies() -> bool:
    """Whether the environment, or the system settings of macOS and Windows, name a proxy."""
    if any(url and name.lower() != "no_proxy" for name, url in environment_proxies().items()):
        return True
    if sys.platform not in ("darwin", "win32"):
        return False
    from urllib.request import getproxies

    return bool(getproxies())


def environment_proxies() -> dict[str, str]:
    """The variables of the environment that may name a proxy."""
    return {name: url for name, url in os.environ.items() if name.lower().endswith("_proxy")}


def passwords_in(urls: Iterable[str | None]) -> Iterator[str]:
    """The passwords in URLs: as they are spelled there, decoded, and as a proxy gets them, with the user in base64."""
    for url in urls:
        before_host = str(url or "").rpartition("@")[0]
        user = before_host.partition("://")[2] or before_host
        password = user.partition(":")[2]
        if password:
            from base64 import b64encode
            from urllib.parse import unquote

            yield from (password, unquote(password))
            yield b64encode(unquote(user).encode("utf-8", "surrogatepass")).decode().rstrip("=")


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
