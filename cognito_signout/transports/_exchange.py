"""What both transports share: their settings, the server of a URL, complete responses, and the errors of the network.

It parses no HTTP: it checks requests before a library sends them, and responses after a library has read them.
"""

from __future__ import annotations

import select
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from attrs import define

from .._concurrency import forks
from ..errors import ConfigurationError, SignOutConnectionError, SignOutError, SignOutTimeoutError
from . import MAX_BODY, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CUT_OFF = "the connection was closed before the response was complete"
NOT_HTTP = "the response is not valid HTTP"

_DEFAULT_PORTS = {"http": 80, "https": 443}


@define(kw_only=True, eq=False, repr=False, slots=False)
class TransportSettings:
    """The settings of a transport. :class:`HttpTransport` describes them."""

    verify: bool | str = True
    client_cert: str | tuple[str, str] | None = None
    connect_timeout: float | None = 60.0
    read_timeout: float | None = 60.0
    proxies: Mapping[str, str] | None = None
    proxies_config: Mapping[str, Any] | None = None
    max_pool_connections: int = 10
    tcp_keepalive: bool = False

    def __attrs_post_init__(self) -> None:
        self._start()
        forks.register(self)

    def _start(self) -> None:
        """Sets the state of a transport without connections."""

    def _after_fork(self) -> None:
        """In a forked child: starts again, without the parent's connections."""


class Origin(NamedTuple):
    """The server that a connection leads to; the key of a pool of connections."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class IncompleteResponse(Exception):  # noqa: N818 -- it never leaves the transports
    """A response is cut off or badly framed. The message says why, and does not quote the response."""


@lru_cache(maxsize=16)
def locate(url: str) -> tuple[Origin, str]:
    """The server that a URL leads to, and the path and query to ask it for.

    Raises:
        ConfigurationError: It is not an http:// or https:// URL with a host name.
    """
    try:
        parts = urlsplit(url)
        if parts.hostname:
            origin = Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
            return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    except (KeyError, ValueError):  # another scheme, or a malformed URL
        pass
    raise ConfigurationError("the request's URL must be an http:// or https:// URL with a host name")


def check_headers(request: HttpRequest) -> None:
    """Raises a :class:`ConfigurationError` if a header can't be sent. The error quotes no header.

    The transports keep no headers in local variables, which error trackers show.
    """
    text = "".join([name + value for name, value in request.headers.items()])
    is_latin = text.isascii() or len(text.encode("latin-1", "ignore")) == len(text)
    if not is_latin or "\r" in text or "\n" in text or "\0" in text:
        raise ConfigurationError("a header contains a line break, a NUL or a character outside Latin-1") from None


def checked_response(status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes) -> HttpResponse:
    """The response, if it is complete. An error response's body may be cut off: its status and headers are enough.

    Raises:
        IncompleteResponse: A 2xx response is cut off or badly framed.
    """
    response = HttpResponse(status, headers, body[: MAX_BODY + 1])
    fault = framing_fault(response)
    if fault is not None and status < 300:
        raise IncompleteResponse(fault)
    return response


def framing_fault(response: HttpResponse) -> str | None:
    """What is wrong with the framing of a response that a library has read; ``None`` if it is well framed.

    HTTP libraries are tolerant: some ignore a malformed length. And an empty body without any framing looks the same as
    a response that was cut off.
    """
    encoding, length = response.headers.get("transfer-encoding"), response.headers.get("content-length")
    if encoding is not None:
        return None if encoding.lower() == "chunked" and length is None else NOT_HTTP
    if response.status < 200 or (length is not None and not length.isdecimal()):
        return NOT_HTTP
    if response.status in (204, 304) or (length is None and response.body):
        return None
    return CUT_OFF if length is None or len(response.body) < min(int(length), MAX_BODY + 1) else None


def sooner(deadline: float | None, seconds: float | None) -> float | None:
    """The earlier of two instants: the deadline, and ``seconds`` from now. ``None`` means no limit."""
    if seconds is None:
        return deadline
    limit = monotonic() + seconds
    return limit if deadline is None else min(deadline, limit)


def left(deadline: float | None) -> float | None:
    """The seconds until a deadline, as a socket's time-out.

    Raises:
        TimeoutError: The deadline has passed.
    """
    if deadline is None:
        return None
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds


def is_readable(sock: Any) -> bool:
    """Whether something has arrived on a socket. An idle connection with something to read can't be used any more: the
    server has closed it, or has sent bytes without a request.
    """
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def error_of(fault: BaseException, doing: str) -> SignOutError:
    """The error that a fault of a connection becomes, with the fault as its cause where that is safe to show.

    The cause has no traceback: it would lead through an HTTP library, whose local variables hold the request.

    Args:
        fault: What a socket, a thread or an HTTP library raised.
        doing: What failed, such as ``could not connect to localhost:80``.
    """
    error: SignOutError
    if isinstance(fault, TimeoutError):
        error = SignOutTimeoutError(f"{doing}: it took too long")
    elif isinstance(fault, OSError):
        error = SignOutConnectionError(f"{doing}: {fault.strerror or str(fault) or type(fault).__name__}")
    elif isinstance(fault, (IncompleteResponse, RuntimeError)):  # RuntimeError: no thread can be started
        return SignOutConnectionError(f"{doing}: {fault}")
    else:  # not chained: parsers quote what they can't parse
        return SignOutConnectionError(f"{doing}: {NOT_HTTP}")
    error.__cause__ = fault.with_traceback(None)
    return error
