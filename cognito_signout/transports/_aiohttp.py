"""An ``aiohttp.ClientSession`` for requests that are complete: no redirects, cookies, decompression, automatic headers.

Given an :class:`HttpRequest`, it sends it and returns the complete response. Raises :class:`SignOutConnectionError` and
:class:`SignOutTimeoutError`. The time-outs hold even if bytes arrive one at a time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from .._waiting import in_thread
from ..errors import SignOutConnectionError, SignOutError
from . import MAX_BODY, HttpResponse
from ._exchange import CUT_OFF, IncompleteResponse, checked_response, error_of, is_readable
from ._proxies import proxy_headers, wrong_password

if sys.version_info >= (3, 11):
    from asyncio import timeout as time_limit

    def _reschedule(limit: Any, when: float | None) -> None:
        limit.reschedule(when)

else:  # pragma: no cover -- .ci/run measures on another Python, and runs the transports' tests on 3.10, too
    time_limit: Any = import_module("async_timeout").timeout  # which aiohttp needs there, too

    def _reschedule(limit: Any, when: float | None) -> None:
        if when is None:
            limit.reject()
        else:
            limit.update(when)


if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import HttpRequest
    from ._exchange import Origin
    from ._proxies import Proxy

#: The packages whose exceptions become errors of this library. Those of a recorder, such as vcrpy, pass through.
OWN_FAULTS = frozenset({"aiohttp", "asyncio", "builtins", "cognito_signout", "concurrent", "socket", "ssl"})
#: The call that an ``aiohttp.ClientRequest`` belongs to.
_call: ContextVar[_Call] = ContextVar("_call")


class Session:
    """Sends requests in one event loop, over connections that it keeps.

    Args:
        connect_timeout: In seconds, for each address of the host; ``None`` for no limit.
        read_timeout: In seconds, from the request to the last byte of the response.
        max_idle: How many idle connections to keep.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.

    Attributes:
        is_retired: Whether another session must be used. This one is closed as soon as its calls are done.
    """

    def __init__(
        self, *, connect_timeout: float | None, read_timeout: float | None, max_idle: int, tcp_keepalive: bool
    ) -> None:
        self.is_retired = False
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.tcp_keepalive = tcp_keepalive
        self._max_idle = max_idle
        self._in_flight = 0
        self._connections: set[Any] = set()
        self._busy: set[Any] = set()
        self._session = aiohttp.ClientSession(
            # Its own limits would make calls wait; its cache would keep a dead address; aiodns would ignore /etc/hosts.
            connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False, resolver=_Resolver()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            request_class=_Request,
        )

    async def send(
        self,
        request: HttpRequest,
        headers: dict[str, str],
        origin: Origin,
        proxy: Proxy | None,
        *,
        context: ssl.SSLContext | None,
        timeout: float | None,
    ) -> HttpResponse:
        """Sends the request, once.

        Args:
            request: What to send.
            headers: Its headers.
            origin: The server that its URL leads to.
            proxy: The proxy to use.
            context: How to speak TLS.
            timeout: How many seconds it may take in all; ``None`` for no limit but the session's.
        """
        self._in_flight += 1
        try:
            while True:
                try:
                    return await _Call(self, origin, proxy, timeout).run(request, headers, context)
                except _Stale:  # nothing was sent on it
                    continue
        finally:
            self._in_flight -= 1
            if self.is_retired:
                await self.retire()
            if len(self._connections) - len(self._busy) > self._max_idle:
                self._close_surplus()

    @property
    def http(self) -> aiohttp.ClientSession:
        """aiohttp's session."""
        return self._session

    def use(self, connection: Any) -> bool:
        """Notes that a connection is in use. Returns whether it was used before."""
        is_reused = connection in self._connections
        self._connections.add(connection)
        self._busy.add(connection)
        return is_reused

    def release(self, connection: Any) -> None:
        """Notes that a connection is idle."""
        self._busy.discard(connection)

    async def retire(self) -> None:
        """Closes it, now or as soon as its calls are done."""
        self.is_retired = True
        if not self._in_flight:
            await self._session.close()

    def _close_surplus(self) -> None:
        idle = [each for each in self._connections - self._busy if each.is_connected()]
        for each in idle[self._max_idle :]:
            each.close()
        self._connections = self._busy.union(idle[: self._max_idle])


class _Stale(Exception):  # noqa: N818 -- it never leaves this module
    """An idle connection turns out to be unusable before anything is sent on it."""


class _Call:
    """One request and its response."""

    def __init__(self, session: Session, origin: Origin, proxy: Proxy | None, timeout: float | None) -> None:
        self._session = session
        self._origin = origin
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._deadline = None if timeout is None else self._loop.time() + timeout
        self._limit: Any = None
        self._connection: Any = None
        self._transport: Any = None
        self._is_reused = False
        self._has_begun = False

    async def run(self, request: HttpRequest, headers: dict[str, str], context: ssl.SSLContext | None) -> HttpResponse:
        """Sends the request and reads the response. Raises the library's errors, and :class:`_Stale`."""
        token = _call.set(self)
        try:
            # aiohttp applies its limit for connecting to each address, but not to the answer of a proxy.
            async with time_limit(None) as self._limit:
                if self._proxy is not None or self._deadline is not None:
                    self._limit_to(None if self._proxy is None else self._session.connect_timeout)
                return await self._exchange(request, headers, context)
        except _Stale:
            raise
        except Exception as fault:
            if type(fault).__module__.partition(".")[0] not in OWN_FAULTS:
                raise
            if self._transport is not None:
                self._transport.abort()  # to close it would wait for the server to end TLS, too
            if self._is_reused and not self._has_begun:
                self._session.is_retired = True  # its other idle connections may be as dead as this one
            error = self._error_of(fault)
            raise error from error.__cause__
        finally:
            _call.reset(token)
            self._session.release(self._connection)

    def connected(self, connection: aiohttp.connector.Connection) -> None:
        """There is a connection, and the request is about to be sent."""
        self._connection = protocol = connection.protocol
        self._transport = connection.transport
        sock = connection.transport.get_extra_info("socket") if connection.transport is not None else None
        self._is_reused = self._session.use(protocol)
        if self._is_reused and (protocol is None or protocol.should_close or is_readable(sock)):
            self._session.release(protocol)
            raise _Stale
        if self._session.tcp_keepalive and not self._is_reused and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._limit_to(self._session.read_timeout)

    def _limit_to(self, seconds: float | None) -> None:
        """Ends what comes next after so many seconds, and at the deadline in any case."""
        limit = self._deadline
        if seconds is not None:
            limit = self._loop.time() + seconds
            if self._deadline is not None:
                limit = min(limit, self._deadline)
        _reschedule(self._limit, limit)

    async def _exchange(
        self, request: HttpRequest, headers: dict[str, str], context: ssl.SSLContext | None
    ) -> HttpResponse:
        proxy, for_proxy = None, None
        if self._proxy is not None:
            proxy, for_proxy = URL(self._proxy.url, encoded=True).with_user(None), proxy_headers(self._proxy)
            if self._origin.scheme == "http":  # aiohttp would leave them out on a connection that is used again
                headers, for_proxy = {**headers, **for_proxy}, None
        response = await self._session.http.request(
            request.method,
            _url(request.url),
            headers=headers,
            data=request.body,
            allow_redirects=False,
            ssl=True if context is None else context,
            proxy=proxy,
            proxy_headers=for_proxy,
            skip_auto_headers=[name for name in ("Content-Type", "User-Agent") if name not in headers] or None,
        )
        try:
            self._has_begun = True
            if response.status == 407 and self._proxy is not None and self._origin.scheme == "http":
                raise wrong_password(self._proxy)
            body = await self._read_body(response)
            return checked_response(response.status, _headers(response), body)
        finally:
            response.release()  # which closes the connection unless the response was read to its end

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        try:
            if (length is not None and length <= MAX_BODY) or response.content.at_eof():
                return await response.read()
            body = bytearray()
            async for data in response.content.iter_any():
                body += data
                if len(body) > MAX_BODY:
                    break
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as fault:
            if response.status < 300 or isinstance(fault, asyncio.TimeoutError):
                raise
            return b""  # the status is enough
        return bytes(body)

    def _error_of(self, fault: Exception) -> SignOutError:
        to = str(self._origin) if self._proxy is None else f"{self._origin} through the proxy {self._proxy}"
        doing = f"could not connect to {to}" if self._connection is None else f"no complete response from {to}"
        if isinstance(fault, asyncio.TimeoutError):  # another class than TimeoutError before Python 3.11
            return error_of(TimeoutError(), doing)
        if isinstance(fault, (SignOutError, IncompleteResponse, RuntimeError)):
            return error_of(fault, doing)
        if self._proxy is not None:  # whose errors are not quoted: they may show its password
            status = f": HTTP {fault.status}" if isinstance(fault, aiohttp.ClientHttpProxyError) else ""
            return SignOutConnectionError(f"{doing} ({type(fault).__name__}{status})")
        is_lost = isinstance(fault, aiohttp.ClientOSError) and fault.errno is None
        if is_lost or isinstance(fault, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)):
            return error_of(IncompleteResponse(CUT_OFF), doing)
        cause: Any = fault
        if isinstance(fault, (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError)):
            cause = getattr(fault, "certificate_error", None) or getattr(fault, "os_error", fault)
        if isinstance(cause.__cause__, ssl.SSLError):  # aiohttp takes its number for one of the system's
            cause = cause.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and (cause.errno or 0) > 0:
            cause = OSError(cause.errno, os.strerror(cause.errno or 0))  # asyncio's words are its own
        return error_of(cause, doing)


def _headers(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    pairs = list(response.headers.items())
    if all(value.isascii() for _, value in pairs):
        return pairs
    # aiohttp decodes UTF-8, and leaves what is none as half of a character, which can't be printed.
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]


@lru_cache(maxsize=16)
def _url(url: str) -> URL:
    """The URL, to be sent as it was signed."""
    return URL(url, encoded=True)


class _Resolver(AbstractResolver):
    """Looks up names in threads of their own: asyncio's executor takes no more work when the interpreter is about to
    end, and ``asyncio.run`` waits for it, however long a name server takes.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As :class:`aiohttp.ThreadedResolver`."""
        found = await in_thread(lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        return [
            {
                "hostname": host,
                "host": str(address[0]),
                "port": int(address[1]),
                "family": kind,
                "proto": proto,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


class _Request(aiohttp.ClientRequest):
    """A request of aiohttp's that adds no headers, and tells its call when there is a connection."""

    DEFAULT_HEADERS: ClassVar[Mapping[str, str]] = {}  # type: ignore[assignment,misc]

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """As the parent's."""
        _call.get().connected(conn)
        return await super().send(conn)
