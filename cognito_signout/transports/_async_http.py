"""The asyncio transport: HTTP/1.1 over pooled, kept-alive connections of an event loop.

The blocking transport's twin: the same requests, the same strict reader, the same routes, certificates and deadlines,
on asyncio's connections instead of sockets. Raises :class:`SignOutConnectionError`, :class:`SignOutTimeoutError`, and
:class:`ConfigurationError` for what can't be sent, and for certificates that can't be read. What may block, looking up
names and reading certificates, is done in threads.

Connections belong to the event loop and the process that made them. A loop that ends as :func:`asyncio.run` ends it
closes its asynchronous generators; one of them stands guard over the idle connections, and closes them then.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import TYPE_CHECKING, Any

from .._waiting import in_thread, within
from ._deadlines import left, sooner
from ._faults import Faults
from ._requests import Origin, check_tunnel, encode, encode_connect, locate
from ._response import reading_of_response
from ._routes import Routes
from ._tls import TlsLayer

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from . import HttpRequest, HttpResponse
    from ._proxies import Proxy

#: As good as no deadline, in seconds: a year.
NEVER = 365 * 24 * 3600.0

#: Connections of a parent process: to close them in a child would disturb the parent.
_of_parents: list[object] = []


class AsyncHttpTransport:
    """The transport of :class:`~cognito_signout.AsyncSignOutClient` where none is given: HTTP/1.1, kept alive, on
    asyncio. It may be used in one event loop after the other, and in those of several threads at once.

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
        self._routes = Routes(verify, client_cert, proxies, proxies_config)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._max_idle = max_pool_connections
        self._tcp_keepalive = tcp_keepalive
        self._guarded: dict[asyncio.AbstractEventLoop, tuple[_Pool, AsyncGenerator[None, None]]] = {}

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
        deadline = sooner(None, timeout)
        origin, netloc, target = locate(request.url)
        pool, _ = self._guarded.get(loop) or (None, None)
        if pool is None or pool.pid != os.getpid():
            pool = await self._new_pool(loop)
        connection = pool.take(origin)
        if connection is None:
            connection = await self._connect(loop, origin, netloc, sooner(deadline, self._connect_timeout))
        try:
            with Faults(f"no complete response from {self._routes.to(origin, netloc)}"):
                return await connection.exchange(request, target, sooner(deadline, self._read_timeout))
        finally:
            pool.put_back(connection, origin, self._max_idle)

    async def close(self) -> None:
        """Closes the idle connections, those of other event loops there; those in use are closed when their calls are
        done.
        """
        guarded, self._guarded = self._guarded, {}
        _of_parents.extend(of for of in guarded.values() if of[0].pid != os.getpid())
        pool, guard = guarded.pop(asyncio.get_running_loop(), (None, None))
        if pool is not None and guard is not None and pool.pid == os.getpid():
            await guard.aclose()

    async def _new_pool(self, loop: asyncio.AbstractEventLoop) -> _Pool:
        for other, (pool, guard) in list(self._guarded.items()):
            if pool.pid != os.getpid():
                _of_parents.append((pool, guard))
            if pool.pid != os.getpid() or not other.is_running():  # whose hook closes them there, if it runs again
                self._guarded.pop(other, None)  # which another thread may have done by now
        pool = _Pool()
        guard = _guard(pool)
        await guard.__anext__()
        self._guarded[loop] = pool, guard
        return pool

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, origin: Origin, netloc: str, deadline: float | None
    ) -> _Connection:
        route = self._routes.to(origin, netloc)
        connection = _Connection(loop)
        with Faults(f"could not connect to {route.first_hop}"):
            sock = await _open_socket(loop, route.hop, deadline, keepalive=self._tcp_keepalive)
            await loop.create_connection(lambda: connection, sock=sock)
        try:
            with Faults(f"could not connect to {route}"):
                if route.proxy is not None:
                    if route.proxy.scheme == "https":
                        context = await within(left(deadline), in_thread(self._routes.proxy_context))
                        await connection.secure(context, route.proxy.host, deadline)
                    if route.is_forwarded:
                        connection.forward_through(route.proxy)
                        return connection
                    await connection.tunnel(origin, route.proxy, deadline)
                if origin.scheme == "https":
                    context = await within(left(deadline), in_thread(self._routes.context))
                    await connection.secure(context, origin.host, deadline)
        except BaseException:
            connection.close()
            raise
        return connection


class _Connection(asyncio.Protocol):
    """One connection, and what came in on it and is not yet used."""

    _transport: Any

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.reusable = False
        self._loop = loop
        self._layers: list[TlsLayer] = []  # from the outside in
        self._received = bytearray()
        self._is_idle = False
        self._is_at_end = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._forwarding_proxy: Proxy | None = None

    async def secure(self, context: ssl.SSLContext, host: str, deadline: float | None) -> None:
        """Goes on in TLS, with the host that its certificate must name."""
        layer = TlsLayer(context, host)
        timer = self._start_timer(deadline)
        try:
            while not layer.shake_hands():
                self._write(layer.outgoing())
                layer.feed(await self._receive())
        finally:
            timer.cancel()
            self._write(layer.outgoing())  # the end of the handshake, or what was wrong with it
        self._layers.append(layer)
        self._take_in(layer.decrypt(b""))

    def forward_through(self, proxy: Proxy) -> None:
        """Leaves it to the proxy to make the requests, which then name the whole URL."""
        self._forwarding_proxy = proxy

    async def tunnel(self, origin: Origin, proxy: Proxy, deadline: float | None) -> None:
        """Asks the proxy for a tunnel to the origin."""
        response, _ = await self._exchange(encode_connect(origin, proxy), "CONNECT", deadline)
        check_tunnel(response)

    async def exchange(self, request: HttpRequest, target: str, deadline: float | None) -> HttpResponse:
        """Sends the request and reads the response, both by the deadline."""
        self.reusable = self._is_idle = False
        message = encode(request, target, self._forwarding_proxy)
        response, self.reusable = await self._exchange(message, request.method, deadline)
        self._is_idle = True
        return response

    async def _exchange(self, message: bytes, method: str, deadline: float | None) -> tuple[HttpResponse, bool]:
        reading = reading_of_response(method)
        next(reading)
        timer = self._start_timer(deadline)
        try:
            self._write(message)
            while True:
                reading.send(await self._receive())
        except StopIteration as done:
            result: tuple[HttpResponse, bool] = done.value
            return result
        finally:
            timer.cancel()

    def is_stale(self) -> bool:
        """Whether the server has closed the connection, or said something that nobody asked for."""
        if self._received or self._is_at_end:
            return True
        return _has_come_in(self._transport.get_extra_info("socket"))  # while the loop was busy with other things

    def close(self) -> None:
        """Closes the connection. May be called again."""
        self._transport.abort()

    def _write(self, data: bytes, depth: int | None = None) -> None:
        """Sends data through the outer layers, so many of them, by default all."""
        for layer in reversed(self._layers[:depth]):
            data = layer.encrypt(data)
        if data:
            self._transport.write(data)

    async def _receive(self) -> bytes:
        """What has come in, as soon as there is something; nothing at the end."""
        if not self._received and not self._is_at_end:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._received and self._failure is not None:
            raise self._failure
        data = bytes(self._received)
        self._received.clear()
        return data

    def _start_timer(self, deadline: float | None) -> asyncio.TimerHandle:
        """Has the connection end at the deadline, unless the timer is cancelled before."""
        seconds = left(deadline)
        return self._loop.call_later(NEVER if seconds is None else seconds, self._end, TimeoutError())

    def _take_in(self, data: bytes) -> None:
        self._received += data
        for layer in self._layers:
            if layer.is_at_end:
                self._end(layer.failure)
        if data and self._is_idle:  # nobody has asked for it, and there may be more than there is room for
            self.close()
        if data:
            self._wake()

    def _end(self, failure: Exception | None) -> None:
        self._is_at_end = True
        self._failure = self._failure or failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for depth, layer in enumerate(self._layers):
            data = layer.decrypt(data)
            self._write(layer.outgoing(), depth)  # such as new keys, which the other side has asked for
        self._take_in(data)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)


class _Pool:
    """The idle connections of an event loop.

    Attributes:
        pid: The process that they belong to.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._idle: dict[Origin, list[_Connection]] = {}
        self._is_closed = False

    def take(self, origin: Origin) -> _Connection | None:
        """An idle connection, the one that was used last, if there is any."""
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    def put_back(self, connection: _Connection, origin: Origin, max_idle: int) -> None:
        """Keeps a connection, or closes it if it can't be used again; and the one that was idle longest, if need be."""
        if self._is_closed or not connection.reusable:
            connection.close()
            return
        connections = self._idle.setdefault(origin, [])
        connections.append(connection)
        if len(connections) > max_idle:
            connections.pop(0).close()

    def close(self) -> None:
        """Closes the idle connections, and what is put back from now on."""
        self._is_closed = True
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()


async def _guard(pool: _Pool) -> AsyncGenerator[None, None]:
    """Closes the connections when it is closed itself: by hand, by its event loop, or because nobody refers to it."""
    try:
        yield
    finally:
        pool.close()


async def _open_socket(
    loop: asyncio.AbstractEventLoop, hop: Origin, deadline: float | None, *, keepalive: bool
) -> socket.socket:
    failure: OSError = OSError("the name has no address")
    addresses = await within(left(deadline), loop.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM))
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # such as IPv6, where there is none
            failure = error
            continue
        try:
            sock.setblocking(False)
            if keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            time = left(deadline)  # shared out, lest an address that swallows packets use up that of the next
            share = None if time is None else time / (len(addresses) - tried)
            await within(share, loop.sock_connect(sock, address))
        except OSError as error:
            sock.close()
            failure = error if error.errno is None else OSError(error.errno, os.strerror(error.errno))
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _has_come_in(sock: Any) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])
