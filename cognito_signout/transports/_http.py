"""The blocking transport: HTTP/1.1 over pooled, kept-alive sockets.

Given a request, it writes it in one piece, and reads one response with the standard library's parser. It
never follows a redirect, never reads more than 1 MiB and a byte of a body, and keeps every deadline however
slowly the bytes drip in: each read of the socket gets what is left, not a fresh allowance. Raises
:class:`SignOutConnectionError`, :class:`SignOutTimeoutError`, and :class:`ConfigurationError` for a
certificate bundle that can't be read.

Safe to share between threads, and between a process and its forks. Connections are idle in a list, whose
``append`` and ``pop`` are atomic: there is no lock that a fork could copy while it is held.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from attrs import frozen

from .._botocore import load
from ..errors import ConfigurationError, SignOutConnectionError, SignOutError, SignOutTimeoutError
from . import MAX_BODY
from . import HttpResponse as Response
from ._proxies import Proxy, proxy_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import HttpRequest

DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class _Origin:
    """Whom a connection leads to; the key of the pool."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
        self._verify = verify
        self._client_cert = client_cert
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._proxies = proxies
        self._proxies_config = proxies_config or {}
        self._max_idle = max_pool_connections
        self._tcp_keepalive = tcp_keepalive
        self._context: ssl.SSLContext | None = None
        self._pid = os.getpid()
        self._idle: dict[_Origin, list[_Connection]] = {}

    def send(self, request: HttpRequest, *, timeout: float | None) -> Response:
        """Sends the request, once, and returns the response whatever its status.

        Args:
            request: What to send, as it is.
            timeout: How many seconds are left for it; ``None`` for no bound but the transport's own.

        Raises:
            SignOutConnectionError: No complete response was had.
            SignOutTimeoutError: It took too long.
            ConfigurationError: The certificate bundle, or the client's certificate, can't be read.
        """
        if self._pid != os.getpid():  # a fork: the sockets are the parent's
            self._pid, self._idle = os.getpid(), {}
        deadline = None if timeout is None else monotonic() + timeout
        parts = urlsplit(request.url)
        origin = _Origin(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
        pool = self._idle.setdefault(origin, [])
        connection = _take(pool)
        if connection is None:
            connection = self._connect(origin, parts.netloc, _sooner(deadline, self._connect_timeout))
        try:
            target = request.url if connection.absolute_target else parts.path or "/"
            with _Faults(f"no response from {origin}"):
                return connection.exchange(request, target, _sooner(deadline, self._read_timeout))
        finally:
            if connection.reusable and len(pool) < self._max_idle and self._idle.get(origin) is pool:
                pool.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when their calls are done."""
        idle, self._idle = self._idle, {}
        for pool in idle.values():
            while pool:
                pool.pop().close()

    def _connect(self, origin: _Origin, netloc: str, deadline: float | None) -> _Connection:
        proxy = proxy_for(origin.scheme, netloc, self._proxies)
        hop = origin if proxy is None else _Origin(proxy.scheme, proxy.host, proxy.port)
        with _Faults(f"could not connect to {hop}"):
            connection = _Connection(_open_socket(hop, deadline, keepalive=self._tcp_keepalive))
        try:
            with _Faults(f"could not connect to {origin}" + (f" through the proxy {proxy}" if proxy else "")):
                if proxy is not None:
                    if proxy.scheme == "https":
                        connection.secure(self._proxy_context(), proxy.host, deadline)
                    forwards = proxy.scheme == "https" and self._proxies_config.get("proxy_use_forwarding_for_https")
                    if origin.scheme == "http" or forwards:
                        connection.forward_through(proxy)
                        return connection
                    connection.tunnel(origin, proxy, deadline)
                if origin.scheme == "https":
                    connection.secure(self._tls_context(), origin.host, deadline)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = _new_context(self._verify, self._client_cert)
        return self._context

    def _proxy_context(self) -> ssl.SSLContext:
        verify = self._proxies_config.get("proxy_ca_bundle") or self._verify
        return _new_context(verify, self._proxies_config.get("proxy_client_cert"))


class _Connection:
    """One socket, and what was read from it and not yet used."""

    def __init__(self, sock: Any) -> None:
        self.reusable = False
        self.absolute_target = False
        self._extra_headers: Mapping[str, str] = {}
        self._use(sock)

    def _use(self, sock: Any) -> None:
        self._sock = sock
        self._raw = _SocketReader(sock)
        self._reader = _KeptReader(self._raw)

    def secure(self, context: ssl.SSLContext, host: str, deadline: float | None) -> None:
        """Goes on in TLS, with the host that its certificate must name."""
        self._sock.settimeout(_left(deadline))
        if isinstance(self._sock, ssl.SSLSocket):  # within the TLS to a proxy
            from urllib3.util.ssltransport import SSLTransport

            self._use(SSLTransport(self._sock, context, server_hostname=host))
        else:
            self._use(context.wrap_socket(self._sock, server_hostname=host))

    def forward_through(self, proxy: Proxy) -> None:
        """Leaves it to the proxy to make the request, which then names the whole URL."""
        self.absolute_target = True
        self._extra_headers = proxy.headers

    def tunnel(self, origin: _Origin, proxy: Proxy, deadline: float | None) -> None:
        """Asks the proxy for a tunnel to the origin."""
        self._write("CONNECT", str(origin), {"Host": str(origin), **proxy.headers}, b"", deadline)
        response = self._read("CONNECT", deadline)
        if response.status != 200:
            raise HTTPException(f"it answered CONNECT with HTTP {response.status}")

    def exchange(self, request: HttpRequest, target: str, deadline: float | None) -> Response:
        """Sends the request and reads the response, both by the deadline."""
        self.reusable = False
        self._write(request.method, target, {**request.headers, **self._extra_headers}, request.body, deadline)
        response = self._read(request.method, deadline)
        _check_framing(response)
        body = response.read(MAX_BODY + 1)
        if len(body) <= MAX_BODY and response.length:
            raise HTTPException(f"the body was cut off after {len(body)} bytes")
        self.reusable = response.isclosed() and not response.will_close
        return Response(response.status, response.getheaders(), body)

    def is_stale(self) -> bool:
        """Whether the server has closed the connection, or said something that nobody asked for."""
        self._raw.waits = False
        return bool(self._reader.peek(1)) or self._raw.at_end

    def close(self) -> None:
        """Closes the socket. May be called again."""
        self._sock.close()

    def __del__(self) -> None:
        self.close()

    def _write(self, method: str, target: str, headers: Mapping[str, str], body: bytes, deadline: float | None) -> None:
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a header holds a line break")
        self._sock.settimeout(_left(deadline))
        self._sock.sendall(head.encode("latin-1") + body)

    def _read(self, method: str, deadline: float | None) -> HTTPResponse:
        self._raw.waits, self._raw.deadline = True, deadline
        # All that the parser asks of a socket is a file to read from.
        response = HTTPResponse(cast("socket.socket", self), method=method)
        response.begin()
        return response

    def makefile(self, mode: str) -> io.BufferedReader:
        """The file that the response is read from, as the parser asks a socket for it."""
        return self._reader


class _SocketReader(io.RawIOBase):
    """Reads a socket until a deadline, however many reads that takes; or only what is there already."""

    def __init__(self, sock: Any) -> None:
        self.waits = True
        self.deadline: float | None = None
        self.at_end = False
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self.deadline) if self.waits else 0.0)
        try:
            count: int = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self.at_end = count == 0
        return count


class _Faults:
    """Turns what sockets and the parser raise into this library's errors."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, SignOutError):
            return
        if isinstance(error, TimeoutError):
            raise SignOutTimeoutError(f"{self._doing}: it took too long") from error
        if isinstance(error, (OSError, HTTPException, ValueError)):
            raise SignOutConnectionError(f"{self._doing}: {_describe(error)}") from error


class _KeptReader(io.BufferedReader):
    """Outlives the response that is read from it: what follows the response must not get lost."""

    def close(self) -> None:
        """The parser closes its file at the end of each response; the connection goes on."""


def _take(pool: list[_Connection]) -> _Connection | None:
    while True:
        try:
            connection = pool.pop()
        except IndexError:
            return None
        try:
            if not connection.is_stale():
                return connection
        except OSError:
            pass
        connection.close()


def _open_socket(hop: _Origin, deadline: float | None, *, keepalive: bool) -> socket.socket:
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(hop.host, hop.port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
            # Without it, a small write waits for the answer to the one before it: 40 ms a call.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.settimeout(_left(deadline))
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _new_context(verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(default_ca_bundle() if verify is True else verify)
        if client_cert is not None:
            context.load_cert_chain(*((client_cert,) if isinstance(client_cert, str) else client_cert))
    except OSError as error:  # an ssl.SSLError is one
        what = "client certificate" if client_cert is not None and verify is not True else "CA bundle"
        raise ConfigurationError(f"the {what} can't be used: {_describe(error)}") from error
    return context


def default_ca_bundle() -> str:
    """The bundle that botocore would use: certifi's, if it is installed, else the one that botocore ships."""
    try:
        from certifi import where
    except ImportError:
        return str(load("httpsession").DEFAULT_CA_BUNDLE)
    return where()


def _check_framing(response: HTTPResponse) -> None:
    """Refuses lengths that can't be trusted, which the parser lets pass."""
    lengths = {
        length.strip() for header in response.headers.get_all("content-length", []) for length in header.split(",")
    }
    if len(lengths) > 1 or any(not (length.isascii() and length.isdigit()) for length in lengths):
        raise HTTPException("the response's Content-Length is no length")


def _sooner(deadline: float | None, allowance: float | None) -> float | None:
    if allowance is None:
        return deadline
    limit = monotonic() + allowance
    return limit if deadline is None else min(deadline, limit)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
