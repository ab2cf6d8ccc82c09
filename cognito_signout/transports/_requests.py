"""What transports look at in a request before they send it: whom it leads to, and whether it can be sent at all.

Does no I/O. Raises :class:`ConfigurationError` for what can't be sent, and shows none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class Origin:
    """Whom a connection leads to; the key of the pool."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def locate(url: str) -> tuple[Origin, str, str]:
    """Whom a URL leads to, that as it stands in the URL, and what to ask for there."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the request's URL is none") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError("the request's URL must be an http:// or https:// URL with a host name")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme]), parts.netloc, target


def encode_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The request line and the headers, as they are sent."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ConfigurationError("the request can't be sent: a header holds a line break or a NUL")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError:  # not shown, and not chained: it holds the whole head
        raise ConfigurationError("the request can't be sent: a header holds a character beyond Latin-1") from None
