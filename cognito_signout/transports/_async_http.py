"""The asyncio transport: a thin adapter on ``aiohttp.ClientSession``, one session for each event loop.

A session belongs to its event loop. When :func:`asyncio.run` ends, it closes the loop's asynchronous generators. One of
them, :func:`_guard`, then closes the session. The time-outs hold even if bytes arrive one at a time.

Importing this module imports aiohttp, and raises a :class:`ConfigurationError` if aiohttp is not installed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from .._concurrency import forks
from .._concurrency.waiting import in_thread
from ..errors import ConfigurationError, SignOutConnectionError, SignOutError
from . import MAX_BODY, HttpRequest, HttpResponse, _exchange
from ._exchange import IncompleteResponse, TransportSettings
from ._proxies import Proxy, find_proxy, wrong_password
from ._tls import new_context

try:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult
    from yarl import URL
except ImportError as error:
    raise ConfigurationError(
        f"asyncio calls over the network need aiohttp: pip install 'cognito-signout[async]' ({error})"
    ) from error
if sys.version_info >= (3, 11):
    from asyncio import timeout_at

    reschedule: Any = asyncio.Timeout.reschedule
else:  # pragma: no cover -- .ci/run measures on another Python, and runs the transports' tests on 3.10, too
    timeout_at: Any = import_module("async_timeout").timeout_at  # which aiohttp needs there, too
    reschedule: Any = import_module("async_timeout").Timeout.update

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

#: What becomes an error of this library. The exceptions of a recorder, such as vcrpy, pass through.
FAULTS = (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError, TypeError, RuntimeError, IncompleteResponse)
#: The flags of a resolver's results: they are numeric addresses.
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
#: Called with the connection of an ``aiohttp.ClientRequest`` before the request is sent.
_connected: ContextVar[Any] = ContextVar("_connected")


class AsyncHttpTransport(TransportSettings):
    """The transport of :class:`~cognito_signout.AsyncSignOutClient` unless another one is given.

    It uses aiohttp (extra ``async``), and takes the arguments of :class:`HttpTransport`, with these differences:

    - behind a proxy, ``read_timeout`` is for the whole response, too, and ``connect_timeout`` is for all of the
      connecting together;
    - with an ``https://`` proxy, ``client_cert``, ``proxies_config`` and, before Python 3.11, an ``https://`` endpoint
      raise a ``ConfigurationError``, since aiohttp does not support them there;
    - ``max_pool_connections`` is not used: a connection is closed when it has been idle for 15 seconds.

    It can be used in one event loop after another, and in the loops of several threads at once.
    """

    def _start(self) -> None:
        self._found: dict[_exchange.Origin, tuple[Proxy | None, ssl.SSLContext | None]] = {}
        self._sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[None, None]]] = {}
        self._used: WeakSet[Any] = WeakSet()

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request once and returns the response, whatever its status.

        Args:
            request: The request, to be sent unchanged.
            timeout: The time left, in seconds; ``None`` for no limit except the transport's own.

        Raises:
            SignOutConnectionError: There was no complete response.
            SignOutTimeoutError: It took too long.
            ConfigurationError: aiohttp does not support the proxy; the URL or a header can't be sent; the CA bundle,
                the client certificate or the proxy's URL can't be used.
        """
        origin, _ = _exchange.locate(request.url)
        _exchange.check_headers(request)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        limit: Any = None
        transport: asyncio.Transport | None = None  # once there is a connection
        response: aiohttp.ClientResponse | None = None
        proxy: Proxy | None = None

        def limit_phase(seconds: float | None) -> None:
            now = loop.time()
            if deadline is not None and deadline <= now:
                raise asyncio.TimeoutError
            if seconds is not None:
                reschedule(limit, now + seconds if deadline is None else min(now + seconds, deadline))

        def connected(found: aiohttp.connector.Connection) -> None:
            nonlocal transport
            transport = self._checked(found)
            limit_phase(self.read_timeout)

        try:
            async with timeout_at(deadline) as limit:
                if origin not in self._found:
                    self._found[origin] = await in_thread(lambda: self._find(origin, request.url))
                proxy, context = self._found[origin]
                session = await self._session(loop)
                if proxy is not None:  # aiohttp limits each address, and not the proxy's answer
                    limit_phase(self.connect_timeout)
                _connected.set(connected)  # after _session(): its guard copies the context
                while response is None:
                    try:
                        response = await _request(session, request, proxy, context)
                    except _Stale:
                        continue
                if response.status == 407 and proxy is not None and origin.scheme == "http":
                    raise wrong_password(proxy)
                return _exchange.checked_response(response.status, _headers(response), await _read(response))
        except FAULTS as fault:
            if transport is not None:
                transport.abort()  # close() would wait for the server to end TLS
                if response is None:
                    self._close_idle(loop)  # which may be as dead as this one
            doing = "could not connect to" if transport is None else "no complete response from"
            by = "" if proxy is None else f" through the proxy {proxy.origin}"
            error = _error_of(fault, f"{doing} {origin}{by}", proxy)
            raise error from error.__cause__
        finally:
            _connected.set(None)
            if response is not None:
                response.release()  # which closes the connection unless the response was read to its end

    async def close(self) -> None:
        """Closes the connections of this event loop, those in use included. Other loops close theirs when they
        end.
        """
        _, guard = self._sessions.pop(asyncio.get_running_loop(), (None, None))
        if guard is not None:
            await guard.aclose()

    def _after_fork(self) -> None:
        """In a forked child: lets go of the sessions, whose event loops are the parent's."""
        forks.inherited.append(self._sessions)
        self._start()

    def _find(self, origin: _exchange.Origin, url: str) -> tuple[Proxy | None, ssl.SSLContext | None]:
        """The proxy and the TLS context; ``None`` for one that is not needed. Called in a thread: it reads files."""
        proxy = find_proxy(url, self.proxies)
        is_tls_proxy = proxy is not None and proxy.origin.scheme == "https"
        unsupported = [name for name, value in (self.proxies_config or {}).items() if value]
        unsupported += ["client_cert"] if self.client_cert else []  # aiohttp would present it to the proxy, too
        if origin.scheme == "https" and sys.version_info < (3, 11):  # pragma: no cover -- as above
            unsupported += ["an https:// endpoint before Python 3.11"]
        if is_tls_proxy and unsupported:
            names = ", ".join(unsupported)
            raise ConfigurationError(f"aiohttp does not support {names} with an https:// proxy; use SignOutClient")
        needs_tls = is_tls_proxy or origin.scheme == "https"
        return proxy, new_context(self.verify, self.client_cert) if needs_tls else None

    async def _session(self, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
        if loop not in self._sessions:
            session = aiohttp.ClientSession(
                # The connector's own limit would make calls wait, and its DNS cache would keep a dead address.
                connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False, resolver=_Resolver()),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=_Request,
            )
            guard = _guard(session)
            self._sessions = {other: each for other, each in self._sessions.items() if other.is_running()}
            self._sessions[loop] = session, guard
            await guard.__anext__()
        return self._sessions[loop][0]

    def _checked(self, connection: aiohttp.connector.Connection) -> asyncio.Transport:
        """The transport of a connection. Raises :class:`_Stale` for an idle connection that can't be reused."""
        protocol: Any = connection.protocol
        transport = connection.transport
        sock: Any = transport.get_extra_info("socket") if transport is not None else None
        is_reused = protocol in self._used
        if transport is None or (is_reused and (protocol.should_close or _exchange.is_readable(sock))):
            raise _Stale if is_reused else aiohttp.ServerDisconnectedError
        if not is_reused:
            self._used.add(protocol)
            if self.tcp_keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return transport

    def _close_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        session, _ = self._sessions.get(loop, (None, None))
        connector: Any = None if session is None else session.connector
        for connections in connector._conns.values() if connector is not None else ():  # noqa: SLF001 -- it has no public name
            for protocol, _ in connections:
                protocol.close()


async def _guard(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Closes the session when this generator is closed: explicitly, by its loop, or because nothing refers to it."""
    try:
        yield
    finally:
        with suppress(RuntimeError):  # the event loop is closed
            await session.close()


async def _request(
    session: aiohttp.ClientSession, request: HttpRequest, proxy: Proxy | None, context: Any
) -> aiohttp.ClientResponse:
    headers = dict(request.headers.items())
    for_proxy = None if proxy is None else proxy.headers
    # On a reused connection, aiohttp would leave out the proxy's headers.
    if for_proxy is not None and request.url.startswith("http:"):
        headers, for_proxy = {**headers, **for_proxy}, None
    return await session.request(
        request.method,
        _url(request.url),
        headers=headers,
        data=request.body,
        allow_redirects=False,
        ssl=context or True,
        proxy=None if proxy is None else _url(proxy.url).with_user(None),
        proxy_headers=for_proxy,
        skip_auto_headers=[name for name in ("Content-Type", "User-Agent") if name not in headers] or None,
    )


def _headers(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    pairs = list(response.headers.items())
    if "".join([value for _, value in pairs]).isascii():
        return pairs
    # aiohttp decodes UTF-8, and turns other bytes into surrogates.
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body, content = bytearray(), response.content
    try:
        if isinstance(content, aiohttp.StreamReader) and content.is_eof() and content.total_bytes <= MAX_BODY:
            return content.read_nowait()  # the usual case, and faster than a loop
        async for data in content.iter_any():
            body += data
            if len(body) > MAX_BODY:
                break
    except aiohttp.ClientError as fault:
        if response.status < 300 or isinstance(fault, asyncio.TimeoutError):
            raise
        body.clear()  # the status is enough
    return bytes(body)


def _error_of(fault: Exception, doing: str, proxy: Proxy | None) -> SignOutError:
    if isinstance(fault, SignOutError):
        return fault
    cause: Any = fault
    if isinstance(fault, (TimeoutError, asyncio.TimeoutError)):  # two classes before Python 3.11
        cause = TimeoutError()
    elif isinstance(fault, aiohttp.ClientError) and proxy is not None:  # it may show the proxy's password
        status = f": HTTP {fault.status}" if isinstance(fault, aiohttp.ClientHttpProxyError) else ""
        return SignOutConnectionError(f"{doing} ({type(fault).__name__}{status})")
    elif isinstance(fault, aiohttp.ClientConnectorCertificateError):
        cause = fault.certificate_error
    elif isinstance(fault, aiohttp.ClientConnectorError):
        cause = fault.os_error
    elif isinstance(fault, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)) or not getattr(
        fault, "errno", 1
    ):
        cause = IncompleteResponse(_exchange.CUT_OFF)
    if isinstance(cause.__cause__, ssl.SSLError):  # aiohttp takes its number for a system errno
        cause = cause.__cause__
    elif isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
        cause = OSError(cause.errno, os.strerror(cause.errno))  # messages of asyncio and aiohttp quote addresses
    return _exchange.error_of(cause, doing)


@lru_cache(maxsize=16)
def _url(url: str) -> URL:
    """The URL, to be sent as it was signed."""
    return URL(url, encoded=True)


class _Stale(Exception):  # noqa: N818 -- it never leaves this module
    """An idle connection turns out to be unusable before anything is sent on it."""


class _Resolver(AbstractResolver):
    """Looks up each name in a thread of its own. asyncio's executor fails if no thread can be started, or if the
    interpreter is about to end. And ``asyncio.run`` would wait for the executor, however long a name server takes.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As :class:`aiohttp.ThreadedResolver`."""
        found = await in_thread(lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        return [
            ResolveResult(hostname=host, host=str(at[0]), port=int(at[1]), family=kind, proto=proto, flags=NUMERIC)
            for kind, _, proto, _, at in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


class _Request(aiohttp.ClientRequest):
    """An aiohttp request that adds no headers, and tells its call when there is a connection."""

    DEFAULT_HEADERS: ClassVar[Mapping[str, str]] = {}  # type: ignore[assignment,misc]

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Tells the call about the connection, then sends the request."""
        _connected.get()(conn)
        return await super().send(conn)
