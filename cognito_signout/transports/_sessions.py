"""One connection of aiohttp's, in a session of its own, and how it leads to the service.

A session each, because the pool of a session shared by all would take out a connection without looking whether
anything had come in on it, and read that for the next answer; nor can it be told how many idle ones to keep. The
parser of aiohttp is more lenient than :mod:`._response`, whose checks are made here for what it has let pass.

The one module that imports aiohttp. Raises what aiohttp raises, ``ValueError`` and :class:`BadResponse`, and
:func:`explain` says what that means.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.http import HttpProcessingError
from attrs import frozen
from yarl import URL

from . import MAX_BODY, Headers, HttpResponse
from ._response import FIELD, MAX_OVERHEAD, BadResponse, framing

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from . import HttpRequest
    from ._proxies import Proxy

#: What can go wrong with an exchange, beside its being cancelled. A ValueError: a host name that can't be encoded.
FAULTS = (OSError, asyncio.TimeoutError, aiohttp.ClientError, HttpProcessingError, BadResponse, ValueError)

#: For how long, in seconds, a connection is kept idle: as a rule it is the server who ends it first.
_KEPT_FOR = 3600.0

# asyncio has it from Python 3.11 on; before, aiohttp brings it in.
timeout_at: Any = getattr(asyncio, "timeout_at", None) or import_module("async_timeout").timeout_at

_FIELDS = re.compile(rb"(?:%s\n)*" % FIELD.pattern)
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NO_TIMEOUT = aiohttp.ClientTimeout()  # the transport has its own


@frozen
class Route:
    """How to get to an origin.

    Attributes:
        proxy: The proxy on the way, if there is one.
        is_forwarded: Whether the proxy makes the request, and does not merely open a tunnel.
        context: How to speak TLS, with whomever it is spoken on the way.
    """

    proxy: Proxy | None
    is_forwarded: bool
    context: ssl.SSLContext | None


class TunnelContext(ssl.SSLContext):
    """How to speak TLS with a proxy, and within it with the service, where the two differ: aiohttp takes one for both.

    Args:
        proxy: How to speak it with the proxy.
        proxy_host: The proxy's name, which is not the service's.
        service: How to speak it with the service.
    """

    _proxy: ssl.SSLContext
    _proxy_host: str
    _service: ssl.SSLContext

    def __new__(cls, proxy: ssl.SSLContext, proxy_host: str, service: ssl.SSLContext) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._proxy, context._proxy_host, context._service = proxy, proxy_host, service
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begins to speak it, with the one whom the name tells."""
        context = self._proxy if server_hostname == self._proxy_host else self._service
        return context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Connection:
    """One connection, which is made by the first exchange, or made again.

    Args:
        route: How to get there.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.

    Attributes:
        reusable: Whether the last exchange has left it in order.
    """

    def __init__(self, route: Route, *, tcp_keepalive: bool) -> None:
        self.reusable = False
        self._connector = _Connector(limit=0, keepalive_timeout=_KEPT_FOR)
        self._connector.tcp_keepalive = tcp_keepalive
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_AUTOMATIC,
            timeout=_NO_TIMEOUT,
            auto_decompress=False,
            request_class=_ForwardedRequest if route.is_forwarded else aiohttp.ClientRequest,
        )
        self._options: dict[str, Any] = {"ssl": route.context or True}
        self._more_headers: list[tuple[str, str]] = []
        if route.proxy is not None:
            host = f"[{route.proxy.host}]" if ":" in route.proxy.host else route.proxy.host
            self._options["proxy"] = f"{route.proxy.scheme}://{host}:{route.proxy.port}"
            if route.is_forwarded:
                self._more_headers = [*route.proxy.headers.items()]
            else:
                self._options["proxy_headers"] = route.proxy.headers

    async def exchange(self, request: HttpRequest, when_connected: Callable[[], object]) -> HttpResponse:
        """Sends the request and reads the response, and calls the function in between, if it must connect."""
        self.reusable = False
        self._connector.when_connected = when_connected
        response = await self._session.request(
            request.method,
            _parse_url(request.url),
            headers=[*request.headers.items(), *self._more_headers],
            data=request.body,
            allow_redirects=False,
            **self._options,
        )
        try:
            answer = await _read(response, self._connector.protocol)
        except BaseException:
            response.close()
            raise
        self.reusable = response.closed and not self._is_spent()
        response.close()
        return answer

    def is_stale(self) -> bool:
        """Whether the server has closed the connection, or said something that nobody asked for."""
        return self._is_spent() or _has_come_in(self._connector.socket)

    async def close(self) -> None:
        """Closes it. May be called again."""
        await self._session.close()

    def abandon(self) -> None:
        """Closes it when its event loop is closed already, so that there is nothing to wait for."""
        closing = self._session.close()
        with suppress(StopIteration, RuntimeError):
            closing.send(None)
        closing.close()

    def _is_spent(self) -> bool:
        protocol = self._connector.protocol
        return protocol is None or protocol.should_close or not protocol.is_connected()


class _Connector(aiohttp.TCPConnector):
    """Says when it has connected, and what with."""

    when_connected: Callable[[], object]
    protocol: Any = None
    socket: Any = None
    tcp_keepalive = False

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection: Any = await super().connect(*args, **kwargs)
        if self.protocol is not connection.protocol:
            self.protocol = connection.protocol
            self.socket = connection.transport.get_extra_info("socket")
            if self.tcp_keepalive:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.when_connected()
        return connection


class _ForwardedRequest(aiohttp.ClientRequest):
    """A request for which no tunnel is made: what there is of TLS is the proxy's."""

    def is_ssl(self) -> bool:
        return False


@lru_cache(maxsize=64)
def _parse_url(url: str) -> URL:
    return URL(url, encoded=True).with_user(None)


async def _read(response: aiohttp.ClientResponse, protocol: Any) -> HttpResponse:
    """The response, read to its end, or to where it is longer than it may be."""
    fields = b"".join([b"%s:%s\n" % field for field in response.raw_headers])
    if len(fields) > MAX_OVERHEAD or not _FIELDS.fullmatch(fields):
        raise BadResponse("it has a malformed header, or too many")
    headers = Headers([(name.decode(), value.decode("latin-1")) for name, value in response.raw_headers])
    if response.status < 200 or "\0" in (response.reason or ""):
        raise BadResponse("its status is none that a response can end with")
    if response.status in (204, 304):
        return HttpResponse(response.status, headers)
    is_chunked, size = framing(headers, is_1_0=response.version == aiohttp.HttpVersion10)
    if size is not None and size <= MAX_BODY:
        return HttpResponse(response.status, headers, await response.read())
    try:
        body = await response.content.readexactly(MAX_BODY + 1)
    except asyncio.IncompleteReadError as error:  # as nearly always
        body = error.partial
        await response.read()
        # The end of the connection is that of the body only where the server has closed it, and did not break it off.
        if not is_chunked and not isinstance(protocol.exception(), aiohttp.ServerDisconnectedError):
            raise BadResponse("the connection was broken off") from None
    return HttpResponse(response.status, headers, body)


def _has_come_in(sock: Any) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def reschedule(timer: Any, deadline: float) -> None:
    """Moves the deadline of what :func:`timeout_at` has returned."""
    (getattr(timer, "reschedule", None) or timer.update)(deadline)


def is_of_proxy(error: BaseException) -> bool:
    """Whether the proxy itself could not be reached. It is its name alone that is looked up, if there is a proxy."""
    return isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError))


def explain(error: BaseException) -> tuple[str, OSError | None]:
    """What an error means, and the system's own behind it, if there is one: aiohttp's may hold the whole request."""
    if isinstance(error, (BadResponse, UnicodeError)):
        return str(error), None
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"it answered CONNECT with HTTP {error.status}", None
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before the response was complete", None
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its body is cut off, or badly framed", None
    if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
        return "it is no well-framed HTTP/1.1", None
    cause: BaseException | None = error
    while cause is not None and (isinstance(cause, aiohttp.ClientError) or not isinstance(cause, OSError)):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return type(error).__name__, None
    number = None if isinstance(cause, (ssl.SSLError, socket.gaierror)) else cause.errno
    return f"[Errno {number}] {os.strerror(number)}" if number else str(cause) or type(cause).__name__, cause
