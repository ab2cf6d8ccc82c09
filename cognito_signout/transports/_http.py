"""The blocking transport: ``http.client`` for direct connections, botocore's HTTP session behind a proxy.

It keeps idle connections, and checks each before it uses it again. Every read of the socket gets the time that is left,
so that a response that arrives one byte at a time still ends at the deadline.

Safe to share between threads. Idle connections are in lists, whose ``append`` and ``pop`` are atomic, so no lock can be
held at a fork.
"""

from __future__ import annotations

import http.client
import io
import socket
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from .. import _forks
from ..errors import ConfigurationError
from . import MAX_BODY, HttpResponse
from ._exchange import (
    CUT_OFF,
    NOT_HTTP,
    TOO_LONG,
    IncompleteResponse,
    Origin,
    checked_headers,
    checked_response,
    error_of,
    framing_fault,
    is_readable,
    left,
    locate,
    sooner,
)
from ._proxies import ProxySessions, find_proxy
from ._tls import new_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from . import HttpRequest

#: The shortest time-out that a socket is given, in seconds: 0 would mean not to wait at all.
MIN_TIMEOUT = 0.001
#: How many bytes of a response are read at most, headers and chunk sizes included.
MAX_RECEIVED = MAX_BODY + 256 * 1024


class HttpTransport:
    """The transport of :class:`~cognito_signout.SignOutClient` unless another one is given.

    It uses ``http.client``; behind a proxy, ``botocore.httpsession.URLLib3Session``.

    Args:
        verify: ``True`` for the certificate authorities that botocore trusts, a path to a bundle of others, or
            ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or the two paths.
        connect_timeout: How many seconds connecting may take, for each address of the host. ``None``: no limit.
        read_timeout: How many seconds the response may take, from the request to its last byte. Behind a proxy, how
            many seconds may pass between two bytes. ``None``: no limit.
        proxies: Proxy URLs by the scheme that they are for (``http``, ``https``). ``None`` for those of the
            environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``, system settings).
        proxies_config: botocore's ``proxy_ca_bundle``, ``proxy_client_cert`` and
            ``proxy_use_forwarding_for_https``.
        max_pool_connections: How many idle connections are kept for a host. More may be open while more calls
            are in flight.
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
        self._verify = verify
        self._client_cert = client_cert
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._proxies = proxies
        self._proxies_config = proxies_config or {}
        self._max_idle = max_pool_connections
        self._tcp_keepalive = tcp_keepalive
        self._context: ssl.SSLContext | None = None
        self._sessions: dict[Origin, ProxySessions | None] = {}  # None for a direct connection
        self._idle: dict[Origin, list[Any]] = {}
        weakref.finalize(self, _close_pools, self._idle)  # sockets that are only dropped cause a ResourceWarning
        _forks.register(self)

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status.

        Args:
            request: What to send, as it is.
            timeout: How many seconds are left for it; ``None`` for no limit but the transport's own.

        Raises:
            SignOutConnectionError: There is no complete response.
            SignOutTimeoutError: It took too long.
            ConfigurationError: The URL or a header can't be sent, or the CA bundle, the client certificate or the
                proxy's URL can't be used.
        """
        origin, target = locate(request.url)
        headers = checked_headers(request)
        known = self._sessions  # another thread may close the transport, which then has another dictionary
        if origin not in known:
            known[origin] = self._find_sessions(request.url)
        sessions = known[origin]
        if sessions is not None:
            return sessions.send(request, timeout)
        call = _Call(origin, sooner(None, timeout), self._connect_timeout, self._read_timeout, self._tcp_keepalive)
        pool = self._idle.setdefault(origin, [])
        connection = self._take(pool, origin) or self._new_connection(origin)
        is_reused = connection.sock is not None
        try:
            return call.exchange(connection, request.method, target, headers, request.body)
        finally:
            if call.is_reusable:
                self._keep(connection, origin, pool)
            else:
                connection.close()
            if is_reused and not call.has_begun:  # the others may be as dead as this one
                _close_all(pool)

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when their calls are done."""
        _close_pools(self._idle)
        sessions, self._sessions = self._sessions, {}
        for each in sessions.values():
            if each is not None:
                each.close()

    def after_fork(self) -> None:
        """In a forked child: closes the child's copies of the idle connections, which the parent goes on using."""
        sessions, self._sessions = self._sessions, {}
        for each in sessions.values():
            if each is not None:
                each.abandon()
        self.close()

    def _find_sessions(self, url: str) -> ProxySessions | None:
        proxy = find_proxy(url, self._proxies)
        if proxy is None:
            return None
        return ProxySessions(
            proxy,
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            verify=self._verify,
            client_cert=self._client_cert,
            proxies_config=self._proxies_config,
            max_pool_connections=self._max_idle,
            tcp_keepalive=self._tcp_keepalive,
        )

    def _new_connection(self, origin: Origin) -> Any:
        # A certificate names the host without a trailing dot. `_open` looks the name up with it.
        host = origin.host.rstrip(".")
        if origin.scheme == "http":
            return http.client.HTTPConnection(host, origin.port)
        if self._context is None:
            self._context = new_context(self._verify, self._client_cert)
        return http.client.HTTPSConnection(host, origin.port, context=self._context)

    def _take(self, pool: list[Any], origin: Origin) -> Any:
        # Looked up for each call: a recorder such as vcrpy replaces the class for a while.
        kind = http.client.HTTPSConnection if origin.scheme == "https" else http.client.HTTPConnection
        while connection := _pop(pool):
            if type(connection) is kind and not is_readable(connection.sock):
                return connection
            connection.close()
        return None

    def _keep(self, connection: Any, origin: Origin, pool: list[Any]) -> None:
        pool.append(connection)
        # Checked afterwards: another thread may have filled the pool in between, or closed it.
        if (len(pool) > self._max_idle or self._idle.get(origin) is not pool) and (surplus := _pop(pool, 0)):
            surplus.close()


class _Call:
    """One request and its response, by a connection of ``http.client``.

    Attributes:
        is_reusable: Whether the connection can be used again.
    """

    def __init__(
        self,
        origin: Origin,
        deadline: float | None,
        connect_timeout: float | None,
        read_timeout: float | None,
        tcp_keepalive: bool,
    ) -> None:
        self.is_reusable = False
        self._origin = origin
        self._deadline = deadline
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._tcp_keepalive = tcp_keepalive
        self._incoming: _Incoming | None = None
        self._is_cut_off = False

    def exchange(
        self, connection: Any, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> HttpResponse:
        """Sends the request and reads the response. Raises the library's errors."""
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
        except (ValueError, http.client.HTTPException):
            raise ConfigurationError("the request can't be sent: its URL or a header is malformed") from None
        doing = f"could not connect to {self._origin}"
        response: Any = None
        try:
            if connection.sock is None:
                connection._create_connection = self._open  # noqa: SLF001 -- it has no public name
                connection.connect()
            doing = f"no complete response from {self._origin}"
            response = self._send(connection, body)
            received = self._read_body(response)
            is_read = response.isclosed()
            complete = checked_response(response.status, response.getheaders(), received)
        except (http.client.IncompleteRead, http.client.RemoteDisconnected):
            raise error_of(IncompleteResponse(CUT_OFF), doing) from None
        except (OSError, http.client.HTTPException, IncompleteResponse, ValueError) as fault:
            error = error_of(fault, doing)
            raise error from error.__cause__
        finally:
            if response is not None:
                response.close()
        # Without an incoming stream of ours, a recorder has answered. A connection without a socket was closed.
        self.is_reusable = (
            is_read
            and len(received) <= MAX_BODY
            and not self._is_cut_off
            and (complete.status < 300 or framing_fault(complete) is None)
            and self._incoming is not None
            and not self._incoming.has_surplus
            and connection.sock is not None
        )
        return complete

    @property
    def has_begun(self) -> bool:
        """Whether a response has begun to arrive."""
        return self._incoming is not None and self._incoming.received > 0

    def _open(self, _address: object, _timeout: object, _source: object = None) -> socket.socket:
        """Connects in place of ``socket.create_connection``, which gives each address the whole time-out, however
        many addresses there are.
        """
        fault: OSError = OSError("the name has no address")
        for *_, found in socket.getaddrinfo(self._origin.host, self._origin.port, 0, socket.SOCK_STREAM):
            address = str(found[0]), int(found[1])
            try:
                sock = socket.create_connection(address, left(sooner(self._deadline, self._connect_timeout)))
            except OSError as error:
                left(self._deadline)  # which raises if there is no time for another address
                fault = error
                continue
            if self._tcp_keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            by = sooner(
                self._deadline, self._connect_timeout
            )  # for the TLS handshake, which ends at once if it is late
            sock.settimeout(None if by is None else max(by - monotonic(), MIN_TIMEOUT))
            return sock
        raise fault

    def _send(self, connection: Any, body: bytes) -> Any:
        deadline = sooner(self._deadline, self._read_timeout)

        def respond(sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            self._incoming = _Incoming(sock, deadline)
            return http.client.HTTPResponse(cast("socket.socket", self._incoming), *args, **kwargs)

        connection.response_class = respond
        if connection.sock is not None:
            connection.sock.settimeout(left(deadline))
        failure: OSError | None = None
        try:
            connection.endheaders(body)
        except TimeoutError:
            raise
        except OSError as error:  # a server that refuses early and closes has answered before
            failure = error
        try:
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise failure or error from None
        if self._incoming is not None:
            # http.client takes the end of the stream for the end of the headers, and drops what it can't parse.
            problem = CUT_OFF if self._incoming.is_at_end else NOT_HTTP if response.headers.defects else None
            if problem is not None:
                response.close()
                raise IncompleteResponse(problem)
        return response

    def _read_body(self, response: Any) -> bytes:
        if type(response) is not http.client.HTTPResponse:  # a recorder's
            return bytes(response.read())
        # Where the length is known, `read()` notices a missing byte, and `read(n)` does not.
        is_bounded = response.length is not None and response.length <= MAX_BODY
        try:
            body = response.read() if is_bounded else response.read(MAX_BODY + 1)
            if response.chunked and self._incoming is not None and self._incoming.is_at_end:
                raise http.client.IncompleteRead(body)  # within the trailers
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException, ValueError):
            if response.status < 300:
                raise
            self._is_cut_off = True
            return b""  # the status and the headers are enough
        return body


class _Incoming(io.RawIOBase):
    """What arrives on a socket, by a deadline: the object that ``http.client`` reads a response from.

    Attributes:
        received: How many bytes have arrived.
        is_at_end: Whether the server has closed the connection.
        has_surplus: Whether there was more than the response, once that is closed.
    """

    _raw: Any = None  # until an interrupted constructor has set it

    def __init__(self, sock: Any, deadline: float | None) -> None:
        self.received = 0
        self.is_at_end = False
        self.has_surplus = False
        self.is_over = False
        self._sock = sock
        self._raw = sock.makefile("rb", 0)
        self._deadline = deadline

    def makefile(self, *_: object) -> io.BufferedReader:
        """As a socket's."""
        return _Stream(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Waits for the next bytes, until the deadline."""
        if self.is_over:
            return 0
        if self.received > MAX_RECEIVED:
            raise IncompleteResponse(TOO_LONG)
        self._sock.settimeout(left(self._deadline))
        count: int = self._raw.readinto(buffer)
        self.received += count
        self.is_at_end = not count
        return count

    def close(self) -> None:
        """Lets go of the socket, which stays open if the connection goes on."""
        if self._raw is not None:
            self._raw.close()
        super().close()


class _Stream(io.BufferedReader):
    """The buffer of the bytes that arrive."""

    def close(self) -> None:
        """Closes it, and notes whether it holds bytes that nobody has asked for."""
        incoming: Any = self.raw
        if not self.closed:
            incoming.is_over = True
            incoming.has_surplus = incoming.closed or bool(self.peek())
        super().close()


def _close_pools(pools: dict[Origin, list[Any]]) -> None:
    for origin in list(pools):
        _close_all(pools.pop(origin, []))


def _close_all(pool: list[Any]) -> None:
    while connection := _pop(pool):
        connection.close()


def _pop(pool: list[Any], index: int = -1) -> Any:
    try:
        return pool.pop(index)
    except IndexError:
        return None
