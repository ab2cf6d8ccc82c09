"""The seam between the protocol and the network: a request, a response, and the transport between them.

Write a :class:`Transport` or an :class:`AsyncTransport` to fake the network, to audit requests or to measure them. Wrap
:class:`HttpTransport` or :class:`AsyncHttpTransport` to add to their behaviour.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from attrs import field, frozen

if TYPE_CHECKING:
    from ._async_http import AsyncHttpTransport
    from ._http import HttpTransport

__all__ = [
    "AsyncHttpTransport",
    "AsyncTransport",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "HttpTransport",
    "Transport",
]

#: The maximum size of a response, in bytes. Cognito's responses are far smaller, so a longer one is not from Cognito.
MAX_BODY = 1024 * 1024


class Headers(Mapping[str, str]):
    """HTTP headers. Names are looked up without regard to case and shown as they were given. Immutable.

    Args:
        headers: A mapping, or pairs. If a name occurs more than once, its values are joined by commas.

    >>> Headers({"X-Amzn-RequestId": "1"})["x-amzn-requestid"]
    '1'
    """

    __slots__ = ("_items", "_values")

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = list(cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers)
        self._items = dict(pairs)
        self._values = {name.lower(): value for name, value in pairs}
        if len(self._values) < len(pairs):  # a name occurs more than once
            names = {name.lower(): name for name, _ in pairs}
            for key in names:
                self._values[key] = ", ".join([value for name, value in pairs if name.lower() == key])
            self._items = {name: self._values[key] for key, name in names.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    # Every call reads several headers, most of which are missing. The inherited method raises an exception for each.
    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header, or the default."""
        return self._values.get(name.lower(), default)

    def items(self) -> ItemsView[str, str]:
        """The names with their values. It does not look up each name, since every call iterates over all headers."""
        return self._items.items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        others = cast("Mapping[str, str]", other).items()
        return self._values == {name.lower(): value for name, value in others}

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Headers({list(self)})"  # names alone: the values hold the signature and the session token


def _headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Headers:
    return headers if isinstance(headers, Headers) else Headers(headers)


@frozen
class HttpRequest:
    """A signed request, to be sent unchanged.

    Attributes:
        method: ``POST``.
        url: The URL: scheme, host and path.
        headers: All of the headers, ``Host`` and ``Content-Length`` included.
        body: The JSON body. It is not in ``repr``, because it contains the username.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(converter=_headers)
    body: bytes = field(repr=False)


@frozen
class HttpResponse:
    """A complete, well-framed response.

    Attributes:
        status: The HTTP status.
        headers: The headers, looked up without regard to case.
        body: The body. A transport need not read more than 1 MiB and one byte: a longer body is refused. It is not in
            ``repr``, because it may contain the username.
    """

    status: int
    headers: Mapping[str, str] = field(converter=_headers, factory=Headers)
    body: bytes = field(repr=False, default=b"")


class Transport(Protocol):
    """Sends requests and returns responses. The default is :class:`HttpTransport`."""

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request once and returns the response, whatever its status. It follows no redirect.

        Args:
            request: The request, to be sent unchanged.
            timeout: The time left, in seconds; ``None`` for no limit except the transport's own.

        Raises:
            SignOutConnectionError: There was no complete response. Any other ``OSError`` is mapped to this error.
            SignOutTimeoutError: It took too long. Any other ``TimeoutError`` is mapped to this error.
        """
        ...

    def close(self) -> None:
        """Closes the connections. A later call opens new ones."""
        ...


class AsyncTransport(Protocol):
    """A :class:`Transport` for asyncio. The default is :class:`AsyncHttpTransport`."""

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """As :meth:`Transport.send`."""
        ...

    async def close(self) -> None:
        """As :meth:`Transport.close`."""
        ...


def __getattr__(name: str) -> object:
    if name == "HttpTransport":  # imports ssl and sockets
        from ._http import HttpTransport

        return HttpTransport
    if name == "AsyncHttpTransport":  # imports aiohttp
        from ._async_http import AsyncHttpTransport

        return AsyncHttpTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
