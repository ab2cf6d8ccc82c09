"""The seam between the protocol and the network: a request, a response, and who carries the one to the other.

Write a :class:`Transport` or an :class:`AsyncTransport` to fake the network, to audit what is sent, or to measure it;
wrap :class:`HttpTransport` or :class:`AsyncHttpTransport` to add to what the library does by itself.
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

#: No answer of this service comes near it; whatever does is not an answer of this service.
MAX_BODY = 1024 * 1024


class Headers(Mapping[str, str]):
    """HTTP headers: looked up without regard to case, shown as they were given. Immutable.

    Args:
        headers: A mapping, or pairs. The values of a name that is given more than once are joined by commas.

    >>> Headers({"X-Amzn-RequestId": "1"})["x-amzn-requestid"]
    '1'
    """

    __slots__ = ("_items",)

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in pairs:
            key = name.lower()
            self._items[key] = (name, f"{self._items[key][1]}, {value}" if key in self._items else value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    # Every call reads several headers, most of which are missing: the parent's would raise and catch an exception each.
    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header, or the default."""
        item = self._items.get(name.lower())
        return default if item is None else item[1]

    def items(self) -> ItemsView[str, str]:
        """The names with their values; without looking up each name, since every call goes through all of them."""
        return dict(self._items.values()).items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        others = cast("Mapping[str, str]", other).items()
        return {key: value for key, (_, value) in self._items.items()} == {key.lower(): value for key, value in others}

    def __hash__(self) -> int:
        return hash(frozenset((key, value) for key, (_, value) in self._items.items()))

    def __repr__(self) -> str:
        return f"Headers({list(self)})"  # names alone: the values hold the signature and the session token


def _headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Headers:
    return headers if isinstance(headers, Headers) else Headers(headers)


@frozen
class HttpRequest:
    """A request, signed and ready to be sent as it is.

    Attributes:
        method: ``POST``.
        url: Where to send it: scheme, host and path.
        headers: All of the headers, ``Host`` and ``Content-Length`` included.
        body: The JSON body. Not shown in ``repr``: it holds the username.
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
        body: The body. A transport need not read more than 1 MiB and one byte of it: a longer body is
            refused in any case. Not shown in ``repr``: it may echo the username.
    """

    status: int
    headers: Mapping[str, str] = field(converter=_headers, factory=Headers)
    body: bytes = field(repr=False, default=b"")


class Transport(Protocol):
    """Whoever carries a request to the service and brings back its response."""

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status. Follows no redirect.

        Args:
            request: What to send.
            timeout: How many seconds are left for it; ``None`` for no bound but the transport's own.

        Raises:
            SignOutConnectionError: No complete response was had. Any other ``OSError`` is taken for one.
            SignOutTimeoutError: It took too long. Any other ``TimeoutError`` is taken for one.
        """
        ...

    def close(self) -> None:
        """Releases the connections. What is sent afterwards opens new ones."""
        ...


class AsyncTransport(Protocol):
    """A :class:`Transport` for asynchronous calls."""

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status. Follows no redirect.

        Args:
            request: What to send.
            timeout: How many seconds are left for it; ``None`` for no bound but the transport's own.

        Raises:
            SignOutConnectionError: No complete response was had. Any other ``OSError`` is taken for one.
            SignOutTimeoutError: It took too long. Any other ``TimeoutError`` is taken for one.
        """
        ...

    async def close(self) -> None:
        """Releases the connections. What is sent afterwards opens new ones."""
        ...


def __getattr__(name: str) -> object:
    if name == "HttpTransport":  # it brings in ssl and sockets, which users of the seam need not have
        from ._http import HttpTransport

        return HttpTransport
    if name == "AsyncHttpTransport":  # it brings in asyncio
        from ._async_http import AsyncHttpTransport

        return AsyncHttpTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
