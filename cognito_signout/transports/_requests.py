"""Requests as transports see them: whom they lead to, and their bytes.

Does no I/O. Raises :class:`ConfigurationError` for what can't be sent, and shows none of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

from ..errors import ConfigurationError
from ._response import BadResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import HttpRequest, HttpResponse
    from ._proxies import Proxy

DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class Origin:
    """Whom a connection leads to; the key of the pool."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(maxsize=16)
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


def encode(request: HttpRequest, target: str, forwarding_proxy: Proxy | None) -> bytes:
    """A request as it is sent; to a proxy that makes it in our place, with the whole URL, and what the proxy wants."""
    headers = request.headers
    if forwarding_proxy is not None:
        target, headers = request.url, {**headers, **forwarding_proxy.headers}
    return _encode_head(request.method, target, headers) + request.body


def encode_connect(origin: Origin, proxy: Proxy) -> bytes:
    """What asks a proxy for a tunnel to an origin."""
    return _encode_head("CONNECT", str(origin), {"Host": str(origin), **proxy.headers})


def check_tunnel(response: HttpResponse) -> None:
    """Raises :class:`BadResponse` for a proxy's answer that is no tunnel."""
    if response.status // 100 != 2:
        raise BadResponse(f"it answered CONNECT with HTTP {response.status}")


def _encode_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ConfigurationError("the request can't be sent: a header holds a line break or a NUL")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError:  # not shown, and not chained: it holds the whole head
        raise ConfigurationError("the request can't be sent: a header holds a character beyond Latin-1") from None
