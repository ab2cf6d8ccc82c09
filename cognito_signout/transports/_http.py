"""The blocking transport: ``http.client`` for direct connections, botocore's HTTP session behind a proxy.

It keeps idle connections, and checks each before it uses it again. Every read of the socket gets the time that is left,
so a response that arrives one byte at a time still ends at the deadline.

Safe to share between threads. Idle connections are in lists, whose ``append`` and ``pop`` are atomic, so no lock can be
held at a fork.
"""

from __future__ import annotations

import http.client
import io
import socket
import weakref
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from .._concurrency import forks
from . import MAX_BODY, _exchange
from ._exchange import CUT_OFF, IncompleteResponse, Origin, TransportSettings
from ._proxies import ProxySessions, find_proxy
from ._tls import new_context

if TYPE_CHECKING:
    import ssl

    from . import HttpRequest, HttpResponse

#: The shortest time-out that a socket is given, in seconds: 0 would mean not to wait at all.
MIN_TIMEOUT = 0.001


class HttpTransport(TransportSettings):
    """The transport of :class:`~cognito_signout.SignOutClient` unless another one is given.

    It uses ``http.client``; behind a proxy, ``botocore.httpsession.URLLib3Session``.

    Args:
        verify: ``True`` for the certificate authorities that botocore trusts, a path to a bundle of others, or
            ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or a tuple of two paths: certificate and key.
        connect_timeout: How many seconds connecting may take, for each address of the host. ``None``: no limit.
        read_timeout: How many seconds the response may take, from the request to its last byte. Behind a proxy, how
            long each read may take. ``None``: no limit.
        proxies: Proxy URLs by the scheme that they are for (``http``, ``https``). ``None`` for those of the
            environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``, system settings).
        proxies_config: botocore's ``proxy_ca_bundle``, ``proxy_client_cert`` and
            ``proxy_use_forwarding_for_https``.
        max_pool_connections: How many idle connections are kept for a host. More may be open while more calls
            are in flight.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.
    """

    def _start(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._sessions: dict[Origin, ProxySessions | None] = {}  # None for a direct connection
        self._idle: dict[Origin, list[Any]] = {}
        weakref.finalize(self, _close_pools, self._idle)  # sockets that are only dropped cause a ResourceWarning

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request once and returns the response, whatever its status.

        Args:
            request: The request, to be sent unchanged.
            timeout: The time left, in seconds; ``None`` for no limit except the transport's own.

        Raises:
            SignOutConnectionError: There was no complete response.
            SignOutTimeoutError: It took too long.
            ConfigurationError: The URL or a header can't be sent, or the CA bundle, the client certificate or the
                proxy's URL can't be used.
        """
        deadline = _exchange.sooner(None, timeout)
        origin, target = _exchange.locate(request.url)
        _exchange.check_headers(request)
        known = self._sessions  # another thread may close the transport, which then has another dictionary
        if origin not in known:
            proxy = find_proxy(request.url, self.proxies)
            known[origin] = ProxySessions(proxy, self) if proxy is not None else None
        sessions = known[origin]
        if sessions is not None:
            return sessions.send(request, timeout)
        pool = self._idle.setdefault(origin, [])
        connection = self._take(pool, origin) or self._new_connection(origin)
        is_reused = connection.sock is not None
        is_reusable, response, doing = False, None, "could not connect to"
        try:
            if not is_reused:
                _connect(connection, origin, deadline, self.connect_timeout, self.tcp_keepalive)
            doing = "no complete response from"
            response = _respond(connection, request, target, _exchange.sooner(deadline, self.read_timeout))
            answer = _exchange.checked_response(response.status, response.getheaders(), _read(connection, response))
            # http.client closes a response when it is read to its end. A recorder's response has another class.
            is_whole = response.isclosed() and type(response) is http.client.HTTPResponse
            is_framed = response.status < 300 or _exchange.framing_fault(answer) is None
            is_reusable = is_whole and is_framed and connection.sock is not None
        except (http.client.IncompleteRead, http.client.RemoteDisconnected):
            raise _exchange.error_of(IncompleteResponse(CUT_OFF), f"{doing} {origin}") from None
        except (OSError, http.client.HTTPException, IncompleteResponse, ValueError) as fault:
            error = _exchange.error_of(fault, f"{doing} {origin}")
            raise error from error.__cause__
        finally:
            if response is not None:
                response.close()
            if is_reusable:
                self._keep(connection, origin, pool)
            else:
                connection.close()
            if is_reused and response is None:  # the others may be as dead as this one
                _close_all(pool)
        return answer

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when their calls are done."""
        _close_pools(self._idle)
        sessions, self._sessions = self._sessions, {}
        for each in sessions.values():
            if each is not None:
                each.close()

    def _after_fork(self) -> None:
        """In a forked child: closes the child's copies of the idle connections. The parent still uses its own."""
        forks.inherited.append(self._sessions)  # urllib3 takes locks when it drops a session
        self.close()

    def _new_connection(self, origin: Origin) -> Any:
        # A certificate names the host without a trailing dot. The DNS lookup uses the name with the dot.
        host = origin.host.rstrip(".")
        if origin.scheme == "http":
            return http.client.HTTPConnection(host, origin.port)
        if self._context is None:
            self._context = new_context(self.verify, self.client_cert)
        return http.client.HTTPSConnection(host, origin.port, context=self._context)

    def _take(self, pool: list[Any], origin: Origin) -> Any:
        # Looked up for each call: a recorder such as vcrpy replaces the class for a while.
        kind = http.client.HTTPSConnection if origin.scheme == "https" else http.client.HTTPConnection
        try:
            while True:
                connection = pool.pop()
                if type(connection) is kind and not _exchange.is_readable(connection.sock):
                    return connection
                connection.close()
        except IndexError:  # the pool is empty
            return None

    def _keep(self, connection: Any, origin: Origin, pool: list[Any]) -> None:
        pool.append(connection)
        # Checked afterwards: another thread may have filled the pool in between, or closed it.
        if len(pool) > self.max_pool_connections or self._idle.get(origin) is not pool:
            with suppress(IndexError):
                pool.pop(0).close()


def _connect(
    connection: Any, origin: Origin, deadline: float | None, connect_timeout: float | None, tcp_keepalive: bool
) -> None:
    def create_connection(*_: object) -> socket.socket:
        """Like ``socket.create_connection()``, but with one deadline for all addresses together."""
        fault: OSError = OSError("the name has no address")
        for found in socket.getaddrinfo(origin.host, origin.port, 0, socket.SOCK_STREAM):
            address = str(found[4][0]), int(found[4][1])
            try:
                sock = socket.create_connection(address, _exchange.left(_exchange.sooner(deadline, connect_timeout)))
            except OSError as error:
                _exchange.left(deadline)  # which raises if there is no time for another address
                fault = error
                continue
            if tcp_keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            by = _exchange.sooner(deadline, connect_timeout)  # for the TLS handshake
            sock.settimeout(None if by is None else max(by - monotonic(), MIN_TIMEOUT))
            return sock
        raise fault

    connection._create_connection = create_connection  # noqa: SLF001 -- it has no public name
    connection.connect()


def _respond(connection: Any, request: HttpRequest, target: str, deadline: float | None) -> Any:
    """Sends a request, and reads the status and the headers of the response."""

    def respond(sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(cast("socket.socket", _Incoming(sock, deadline)), *args, **kwargs)

    connection.response_class = respond
    if connection.sock is not None:  # a recorder's connection may have none
        connection.sock.settimeout(_exchange.left(deadline))
    failure: OSError | None = None
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        connection.putheader(name, value)
    try:
        connection.endheaders(request.body)
    except TimeoutError:
        raise
    except OSError as error:  # the server may have responded before it closed the connection
        failure = error
    try:
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise failure or error from None
    if response.headers.defects:  # http.client drops the headers from the first malformed one on
        response.close()
        raise IncompleteResponse(_exchange.NOT_HTTP)
    return response


def _read(connection: Any, response: Any) -> bytes:
    length = getattr(response, "length", None)
    try:
        # Where the length is known, `read()` notices a missing byte, and `read(n)` does not.
        if length is not None and length <= MAX_BODY:
            return bytes(response.read())
        return bytes(response.read(MAX_BODY + 1))
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException, ValueError):
        if response.status < 300:
            raise
        connection.close()
        return b""  # the status and the headers are enough


class _Incoming(io.RawIOBase):
    """The stream that ``http.client`` reads a response from: a socket with a deadline."""

    def __init__(self, sock: Any, deadline: float | None) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", 0)
        self._deadline = deadline

    def makefile(self, *_: object) -> io.BufferedReader:
        """As a socket's."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Waits for the next bytes, until the deadline."""
        self._sock.settimeout(_exchange.left(self._deadline))
        return cast("int", self._raw.readinto(buffer))

    def close(self) -> None:
        """Lets go of the socket, which stays open if the connection is kept."""
        self._raw.close()
        super().close()


def _close_pools(pools: dict[Origin, list[Any]]) -> None:
    for origin in list(pools):
        _close_all(pools.pop(origin, []))


def _close_all(pool: list[Any]) -> None:
    with suppress(IndexError):  # the pool is empty
        while True:
            pool.pop().close()
