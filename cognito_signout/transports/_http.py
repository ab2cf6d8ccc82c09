"""The blocking transport: HTTP/1.1 over pooled, kept-alive sockets.

Given a request, it writes it in one piece, and reads one response. It never follows a redirect, and keeps every
deadline however slowly the bytes drip in: each read of the socket gets what is left, not a fresh allowance.
Raises :class:`SignOutConnectionError`, :class:`SignOutTimeoutError`, and :class:`ConfigurationError` for what can't
be sent, and for certificates that can't be read.

Safe to share between threads, and between a process and its forks. Connections are idle in a list, whose
``append`` and ``pop`` are atomic: there is no lock that a fork could copy while it is held.
"""

from __future__ import annotations

import os
import socket
import ssl
import weakref
from typing import TYPE_CHECKING, Any

from ._deadlines import left, sooner
from ._faults import Faults
from ._requests import check_tunnel, encode, encode_connect, locate
from ._response import reading_of_response
from ._routes import Routes
from ._tls import TlsInTls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import HttpRequest, HttpResponse
    from ._proxies import Proxy
    from ._requests import Origin


#: How many bytes are received at once, at most.
MAX_RECEIVED = 65536


class HttpTransport:
    """The transport of :class:`~cognito_signout.SignOutClient` where none is given: HTTP/1.1, kept alive.

    Args:
        verify: ``True`` for the certificate authorities that botocore trusts, a path to a bundle of others, or
            ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or the two paths.
        connect_timeout: How many seconds connecting may take, TLS and proxy included. ``None``: no bound.
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
        self._pid = os.getpid()
        self._idle: dict[Origin, list[_Connection]] = {}

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status.

        Args:
            request: What to send, as it is.
            timeout: How many seconds are left for it; ``None`` for no bound but the transport's own.

        Raises:
            SignOutConnectionError: No complete response was had.
            SignOutTimeoutError: It took too long.
            ConfigurationError: The URL or a header can't be sent, or the certificate bundle, the client's
                certificate or the proxy's URL can't be used.
        """
        if self._pid != os.getpid():  # a fork: the sockets are the parent's
            self._idle, self._pid = {}, os.getpid()  # in this order: another thread may look in between
        deadline = sooner(None, timeout)
        origin, netloc, target = locate(request.url)
        pool = self._idle.setdefault(origin, [])
        connection = _take(pool) or self._connect(origin, netloc, sooner(deadline, self._connect_timeout))
        try:
            with Faults(f"no complete response from {self._routes.to(origin, netloc)}"):
                return connection.exchange(request, target, sooner(deadline, self._read_timeout))
        finally:
            if connection.reusable:
                self._keep(connection, origin, pool)
            else:
                connection.close()

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when their calls are done."""
        idle, self._idle = self._idle, {}
        for pool in idle.values():
            while connection := _pop(pool):
                connection.close()

    def _keep(self, connection: _Connection, origin: Origin, pool: list[_Connection]) -> None:
        pool.append(connection)
        # Looked at afterwards, lest another thread come between: it may have filled the pool, or emptied it for good.
        if (len(pool) > self._max_idle or self._idle.get(origin) is not pool) and (surplus := _pop(pool, 0)):
            surplus.close()

    def _connect(self, origin: Origin, netloc: str, deadline: float | None) -> _Connection:
        route = self._routes.to(origin, netloc)
        with Faults(f"could not connect to {route.first_hop}"):
            connection = _Connection(_open_socket(route.hop, deadline, keepalive=self._tcp_keepalive))
        try:
            with Faults(f"could not connect to {route}"):
                if route.proxy is not None:
                    if route.proxy.scheme == "https":
                        connection.secure(self._routes.proxy_context(), route.proxy.host, deadline)
                    if route.is_forwarded:
                        connection.forward_through(route.proxy)
                        return connection
                    connection.tunnel(origin, route.proxy, deadline)
                if origin.scheme == "https":
                    connection.secure(self._routes.context(), origin.host, deadline)
        except BaseException:
            connection.close()
            raise
        return connection


class _Connection:
    """One socket."""

    def __init__(self, sock: Any) -> None:
        self.reusable = False
        self._forwarding_proxy: Proxy | None = None
        self._use(sock)

    def _use(self, sock: Any) -> None:
        self._sock = sock
        # Not __del__: in a cycle of garbage it might come after the socket's own, which warns.
        weakref.finalize(self, sock.close)

    def secure(self, context: ssl.SSLContext, host: str, deadline: float | None) -> None:
        """Goes on in TLS, with the host that its certificate must name."""
        if isinstance(self._sock, ssl.SSLSocket):
            self._use(TlsInTls(self._sock, context, host))
        else:
            # The handshake comes later: an interrupt in it would otherwise lose the socket.
            self._use(context.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False))
        self._sock.settimeout(left(deadline))
        self._sock.do_handshake()

    def forward_through(self, proxy: Proxy) -> None:
        """Leaves it to the proxy to make the requests, which then name the whole URL."""
        self._forwarding_proxy = proxy

    def tunnel(self, origin: Origin, proxy: Proxy, deadline: float | None) -> None:
        """Asks the proxy for a tunnel to the origin."""
        self._write(encode_connect(origin, proxy), deadline)
        check_tunnel(self._read("CONNECT", deadline)[0])

    def exchange(self, request: HttpRequest, target: str, deadline: float | None) -> HttpResponse:
        """Sends the request and reads the response, both by the deadline."""
        self.reusable = False
        self._write(encode(request, target, self._forwarding_proxy), deadline)
        response, self.reusable = self._read(request.method, deadline)
        return response

    def is_stale(self) -> bool:
        """Whether the server has closed the connection, or said something that nobody asked for."""
        self._sock.settimeout(0.0)
        try:
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        return True

    def close(self) -> None:
        """Closes the socket. May be called again."""
        self._sock.close()

    def _write(self, message: bytes, deadline: float | None) -> None:
        self._sock.settimeout(left(deadline))
        self._sock.sendall(message)

    def _read(self, method: str, deadline: float | None) -> tuple[HttpResponse, bool]:
        reading = reading_of_response(method)
        next(reading)
        try:
            while True:
                self._sock.settimeout(left(deadline))
                reading.send(self._sock.recv(MAX_RECEIVED))
        except StopIteration as done:
            result: tuple[HttpResponse, bool] = done.value
            return result


def _take(pool: list[_Connection]) -> _Connection | None:
    while connection := _pop(pool):
        try:
            if not connection.is_stale():
                return connection
        except OSError:
            pass
        connection.close()
    return None


def _pop(pool: list[_Connection], index: int = -1) -> _Connection | None:
    try:
        return pool.pop(index)
    except IndexError:
        return None


def _open_socket(hop: Origin, deadline: float | None, *, keepalive: bool) -> socket.socket:
    failure: OSError = OSError("the name has no address")
    addresses = socket.getaddrinfo(hop.host, hop.port, 0, socket.SOCK_STREAM)
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # such as IPv6, where there is none
            failure = error
            continue
        try:
            # Without it, a small write waits for the answer to the one before it: 40 ms a call.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            time = left(deadline)  # shared out, lest an address that swallows packets use up that of the next
            sock.settimeout(None if time is None else time / (len(addresses) - tried))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure
