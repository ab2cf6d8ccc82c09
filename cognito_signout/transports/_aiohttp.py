"""The asyncio transport: HTTP/1.1 over kept-alive connections of aiohttp's.

Given a request, it sends it over an idle connection or a new one, and reads one response. It never follows a
redirect, and keeps every deadline however slowly the bytes drip in. Raises :class:`SignOutConnectionError`,
:class:`SignOutTimeoutError`, and :class:`ConfigurationError` for what can't be sent, and for certificates that can't
be read. aiohttp itself is imported when the first transport is made.

Idle connections belong to the event loop and the process that made them. A loop that ends as :func:`asyncio.run`
ends it closes its asynchronous generators; one of them stands guard over the connections, and closes them then.
"""

from __future__ import annotations

import asyncio
import os
import sys
from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, SignOutConnectionError, SignOutError, SignOutTimeoutError
from ._proxies import proxy_for
from ._requests import Origin, encode_head, locate
from ._tls import new_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from . import HttpRequest, HttpResponse
    from ._proxies import Proxy
    from ._sessions import Connection, Route

#: Whether asyncio can speak TLS with the service within the TLS to a proxy.
_HAS_TLS_IN_TLS = sys.version_info >= (3, 11)

#: Connections of a parent process: to close them in a child, or to have them collected, would disturb the parent.
_OF_PARENTS: list[object] = []


class AiohttpTransport:
    """The transport of :class:`~cognito_signout.AsyncSignOutClient` where none is given: HTTP/1.1, kept alive, on
    asyncio. It may be used in one event loop after the other.

    Args:
        verify: ``True`` for the certificate authorities that botocore trusts, a path to a bundle of others, or
            ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or the two paths.
        connect_timeout: How many seconds connecting may take, name resolution, TLS and proxy included.
            ``None``: no bound.
        read_timeout: How many seconds the response may take, from the request to its last byte.
            ``None``: no bound.
        proxies: Proxy URLs by the scheme that they are for (``http``, ``https``). ``None`` for what the
            environment says (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``).
        proxies_config: botocore's ``proxy_ca_bundle``, ``proxy_client_cert`` and
            ``proxy_use_forwarding_for_https``.
        max_pool_connections: How many idle connections are kept for a host. More may be open while more calls
            are under way.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.

    Raises:
        ConfigurationError: aiohttp is not installed.
    """

    def __init__(
        self,
        *,
        verify: bool | str = True,
        client_cert: str | tuple[str, str] | None = None,
        connect_timeout: float | None = 60.0,
        read_timeout: float | None = 60.0,
        proxies: Mapping[str, str] | None = None,
        proxies_config: Mapping[str, Any] | None = None,
        max_pool_connections: int = 10,
        tcp_keepalive: bool = False,
    ) -> None:
        try:
            from . import _sessions
        except ImportError as error:
            text = "the asyncio transport needs aiohttp: pip install 'cognito-signout[async]'"
            raise ConfigurationError(text) from error
        self._sessions = _sessions
        self._verify = verify
        self._client_cert = client_cert
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._proxies = proxies
        self._proxies_config = proxies_config or {}
        self._max_idle = max_pool_connections
        self._tcp_keepalive = tcp_keepalive
        self._contexts: dict[object, ssl.SSLContext] = {}
        self._proxy_of: dict[Origin, Proxy | None] = {}
        self._routes: dict[Origin, Route] = {}
        self._pool: _Pool | None = None
        self._guard: AsyncGenerator[None, None] | None = None

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status.

        Args:
            request: What to send, as it is.
            timeout: How many seconds are left for it; ``None`` for no bound but the transport's own.

        Raises:
            SignOutConnectionError: No complete response was had.
            SignOutTimeoutError: It took too long.
            ConfigurationError: The URL or a header can't be sent, or the certificate bundle, the client's
                certificate or the proxy can't be used.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _or_inf(timeout)
        origin, netloc, target = locate(request.url)
        encode_head(request.method, target, request.headers)  # for what it refuses
        pool = self._pool
        if pool is None or not pool.is_of(loop):
            pool = await self._open_pool(loop)
        if origin not in self._proxy_of:  # as botocore, which looks once
            self._proxy_of[origin] = proxy_for(origin.scheme, netloc, self._proxies)
        now = loop.time()
        connection = await pool.take(origin) if now < deadline else None
        connects = connection is None
        limit = min(deadline, now + _or_inf(self._connect_timeout if connects else self._read_timeout))

        def when_connected() -> None:
            nonlocal connects, limit
            connects, limit = False, min(deadline, loop.time() + _or_inf(self._read_timeout))
            self._sessions.reschedule(timer, limit)

        failure: BaseException
        try:
            if deadline <= now:
                raise asyncio.TimeoutError  # before anything is sent
            async with self._sessions.timeout_at(limit) as timer:
                connection = connection or await self._new_connection(origin, pool)
                try:
                    return await connection.exchange(request, when_connected)
                finally:
                    await pool.put_back(connection, origin, self._max_idle)
        except SignOutError:
            raise
        except self._sessions.FAULTS as error:
            failure = error
        # Raised out here, so that it is not chained: aiohttp's errors may hold the whole request.
        raise self._fault(failure, origin, connects=connects, is_late=limit <= loop.time())

    async def close(self) -> None:
        """Closes the idle connections; those in use are closed when their calls are done."""
        pool, guard = self._pool, self._guard
        self._pool = self._guard = None
        if pool is not None and guard is not None and pool.is_of(asyncio.get_running_loop()):
            await guard.aclose()

    async def _open_pool(self, loop: asyncio.AbstractEventLoop) -> _Pool:
        if self._pool is not None and self._pool.pid != os.getpid():
            _OF_PARENTS.append((self._pool, self._guard))
        pool = self._pool = _Pool(loop)
        self._guard = _guard(pool)  # the one before closes there what it guards, if its loop still runs
        await self._guard.__anext__()
        return pool

    async def _new_connection(self, origin: Origin, pool: _Pool) -> Connection:
        if origin not in self._routes:
            async with pool.lock:
                if origin not in self._routes:
                    self._routes[origin] = await asyncio.to_thread(self._find_route, origin)
        return self._sessions.Connection(self._routes[origin], tcp_keepalive=self._tcp_keepalive)

    def _find_route(self, origin: Origin) -> Route:
        """How to get to an origin. It reads files, and is for another thread."""
        proxy = self._proxy_of[origin]
        if proxy is None or proxy.scheme == "http":
            is_forwarded = proxy is not None and origin.scheme == "http"
            context = self._context(self._verify, self._client_cert) if origin.scheme == "https" else None
            return self._sessions.Route(proxy, is_forwarded, context)
        context = self._proxy_context()
        if origin.scheme == "http" or self._proxies_config.get("proxy_use_forwarding_for_https"):
            return self._sessions.Route(proxy, True, context)
        if not _HAS_TLS_IN_TLS:
            raise ConfigurationError("asyncio can't use an https:// proxy before Python 3.11, the blocking client can")
        service = self._context(self._verify, self._client_cert)
        if context is not service:
            if proxy.host == origin.host:
                raise ConfigurationError("a proxy on the service's own host can't have certificates of its own")
            service = self._sessions.TunnelContext(context, proxy.host, service)
        return self._sessions.Route(proxy, False, service)

    def _proxy_context(self) -> ssl.SSLContext:
        verify = self._proxies_config.get("proxy_ca_bundle") or self._verify
        return self._context(verify, self._proxies_config.get("proxy_client_cert"))

    def _context(self, verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
        key = (verify, client_cert)
        if key not in self._contexts:
            self._contexts[key] = new_context(verify, client_cert)
        return self._contexts[key]

    def _fault(self, error: BaseException, origin: Origin, *, connects: bool, is_late: bool) -> SignOutError:
        proxy = self._proxy_of[origin]
        hop = proxy and Origin(proxy.scheme, proxy.host, proxy.port)
        if not connects:
            doing = f"no complete response from {origin}"
        elif hop is not None and self._sessions.is_of_proxy(error):
            doing = f"could not connect to the proxy {hop}"
        else:
            doing = f"could not connect to {origin}" + (f" through the proxy {hop}" if hop else "")
        text, cause = self._sessions.explain(error)
        if is_late or isinstance(cause or error, (TimeoutError, asyncio.TimeoutError)):
            fault: SignOutError = SignOutTimeoutError(f"{doing}: it took too long")
        else:
            fault = SignOutConnectionError(f"{doing}: {text}")
        fault.__cause__ = cause
        return fault


class _Pool:
    """The idle connections of an event loop, in a process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = os.getpid()
        self.lock = asyncio.Lock()
        self._loop = loop
        self._idle: dict[Origin, list[Connection]] = {}
        self._is_closed = False

    def __del__(self) -> None:
        if self._loop.is_closed():  # and nobody has closed them when it was time
            for connection in self._drain():
                connection.abandon()

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it is the one for this event loop, in this process."""
        return self._loop is loop and self.pid == os.getpid()

    async def take(self, origin: Origin) -> Connection | None:
        """An idle connection, the one that was used last, if there is any."""
        connections = self._idle.get(origin, [])
        while connections:
            connection = connections.pop()
            if not connection.is_stale():
                return connection
            await connection.close()
        return None

    async def put_back(self, connection: Connection, origin: Origin, max_idle: int) -> None:
        """Keeps a connection, or closes it if it can't be used again; and the one that was idle longest, if need be."""
        if self._is_closed or not connection.reusable:
            await connection.close()
            return
        connections = self._idle.setdefault(origin, [])
        connections.append(connection)
        if len(connections) > max_idle:
            await connections.pop(0).close()

    async def close(self) -> None:
        """Closes the idle connections, and what is put back from now on."""
        self._is_closed = True
        for connection in self._drain():
            await connection.close()

    def _drain(self) -> list[Connection]:
        idle, self._idle = self._idle, {}
        return [connection for connections in idle.values() for connection in connections]


async def _guard(pool: _Pool) -> AsyncGenerator[None, None]:
    """Closes the connections when it is closed itself: by hand, by its event loop, or because nobody refers to it."""
    try:
        yield
    finally:
        await pool.close()


def _or_inf(seconds: float | None) -> float:
    return inf if seconds is None else seconds
