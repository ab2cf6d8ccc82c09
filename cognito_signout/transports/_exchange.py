"""What all transports share: where a URL leads, which requests can be sent, which responses are complete, which error
a fault becomes.

It parses no HTTP: it looks at requests before a library sends them and at responses after a library has read them.
"""

from __future__ import annotations

import re
import select
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from ..errors import ConfigurationError, SignOutConnectionError, SignOutError, SignOutTimeoutError
from . import MAX_BODY, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CUT_OFF = "the connection was closed before the response was complete"
NOT_HTTP = "the response is not valid HTTP"
TOO_LONG = "the response is too long"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LENGTH = re.compile(r"[0-9]{1,18}")


class IncompleteResponse(Exception):  # noqa: N818 -- it never leaves the transports
    """A response is cut off or badly framed. The message says why and quotes none of it."""


@frozen
class Origin:
    """The server that a connection leads to; the key of a pool of connections."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(maxsize=16)
def locate(url: str) -> tuple[Origin, str]:
    """The server that a URL leads to, and the path and query to ask it for.

    Raises:
        ConfigurationError: It is not an http:// or https:// URL with a host name.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the request's URL is malformed") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError("the request's URL must be an http:// or https:// URL with a host name")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]), target


def checked_headers(request: HttpRequest) -> dict[str, str]:
    """The headers of a request.

    Raises:
        ConfigurationError: A header can't be sent. It is not quoted.
    """
    headers = dict(request.headers.items())
    text = "".join([*headers, *headers.values()])
    if "\r" in text or "\n" in text or "\0" in text:
        raise ConfigurationError("the request can't be sent: a header contains a line break or a NUL")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:  # not chained: it shows the headers
        raise ConfigurationError("the request can't be sent: a header contains a character outside Latin-1") from None
    return headers


def checked_response(status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes) -> HttpResponse:
    """The response, if it is complete. A refusal's body may be cut off: its status and headers are enough.

    Raises:
        IncompleteResponse: A 2xx response is cut off or badly framed, or the response is an interim one.
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
    if response.status in (204, 304):
        return None
    if response.status < 200:
        return NOT_HTTP
    encoding, length = response.headers.get("transfer-encoding"), response.headers.get("content-length")
    if encoding is not None:
        return None if length is None and encoding.lower() == "chunked" else NOT_HTTP
    if length is None:
        return None if response.body else CUT_OFF
    lengths = {part.strip() for part in length.split(",")}  # a repeated length is harmless, two are not
    expected = lengths.pop()
    if lengths or not _LENGTH.fullmatch(expected):
        return NOT_HTTP
    return CUT_OFF if len(response.body) < min(int(expected), MAX_BODY + 1) else None


def sooner(deadline: float | None, seconds: float | None) -> float | None:
    """The deadline, or the instant so many seconds from now if that is earlier. ``None`` means no limit."""
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
    """Whether something has arrived on a socket. An idle connection with something to read is of no use any more: the
    server has closed it, or has sent bytes without a request.
    """
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def error_of(fault: BaseException, doing: str) -> SignOutError:
    """The error that a fault of a connection becomes.

    Args:
        fault: What a socket, a thread or an HTTP library raised.
        doing: What failed, such as ``could not connect to localhost:80``.
    """
    if isinstance(fault, SignOutError):
        return fault
    if isinstance(fault, TimeoutError):
        return _caused(SignOutTimeoutError(f"{doing}: it took too long"), fault)
    if isinstance(fault, (IncompleteResponse, RuntimeError)):  # RuntimeError: no thread can be started
        return SignOutConnectionError(f"{doing}: {fault}")
    if isinstance(fault, OSError):
        return _caused(
            SignOutConnectionError(f"{doing}: {fault.strerror or str(fault) or type(fault).__name__}"), fault
        )
    return SignOutConnectionError(f"{doing}: {NOT_HTTP}")  # not chained: parsers quote what they can't parse


def _caused(error: SignOutError, cause: BaseException) -> SignOutError:
    error.__cause__ = cause
    return error
