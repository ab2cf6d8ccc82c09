"""Proxies: botocore decides whether there is one, and its HTTP session (urllib3) sends through it.

Texts of proxy errors are never quoted, and their exceptions are not chained: they may show the proxy's password.
"""

from __future__ import annotations

import math
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._config.botocore import environment_has_proxies, load
from ..errors import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from . import MAX_BODY, HttpRequest, HttpResponse
from ._exchange import IncompleteResponse, Origin, TransportSettings, checked_response, error_of, locate
from ._tls import new_context

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How many sessions with different time-outs are kept.
MAX_SESSIONS = 4
#: botocore's exceptions for a connection that was not established.
CONNECTING = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"})


class Proxy:
    """A proxy. Its URL and the headers that it asks for may contain a password: they are not shown.

    Not a tuple: error trackers look into tuples.
    """

    __slots__ = ("headers", "origin", "url")

    def __init__(self, origin: Origin, url: str, headers: Mapping[str, str]) -> None:
        self.origin = origin
        self.url = url
        self.headers = headers

    def __repr__(self) -> str:
        return f"Proxy({self.origin})"


def find_proxy(url: str, proxies: Mapping[str, str] | None) -> Proxy | None:
    """The proxy for a URL, as botocore decides it; ``None`` for a direct connection.

    Args:
        url: The endpoint's URL.
        proxies: Proxy URLs by scheme; ``None`` for those of the environment.

    Raises:
        ConfigurationError: The proxy's URL is malformed.
    """
    try:
        return _proxy_for(url, proxies)
    except ValueError:  # its text may contain a part of the password
        del proxies  # error trackers show local variables
    raise ConfigurationError(
        "the proxy's URL is malformed; it must look like http://user:password@proxy.example:3128, "
        "with user and password in ASCII and percent-encoded"
    )


def _proxy_for(url: str, proxies: Mapping[str, str] | None) -> Proxy | None:
    """As :func:`find_proxy`, but raises a :class:`ValueError` if the proxy's URL is malformed."""
    if proxies is None:
        proxies = load("utils").get_environ_proxies(url) if environment_has_proxies() else None
    if not any((proxies or {}).values()):
        return None
    configuration = load("httpsession").ProxyConfiguration(proxies)
    proxy_url: str | None = configuration.proxy_url_for(url)
    if not proxy_url:
        return None
    parts = urlsplit(proxy_url)
    scheme, host, user = parts.scheme, parts.hostname, parts.netloc.rpartition("@")[0]
    # An @ after the host: the password contains a slash, and the part before it would be taken for the host.
    is_cut = "@" in proxy_url.partition(parts.netloc)[2]
    if scheme not in ("http", "https") or not host or not user.isascii() or is_cut:
        raise ValueError
    # A certificate names the host without a trailing dot.
    host = host.rstrip(".") if scheme == "https" else host
    origin = Origin(scheme, host, parts.port or (443 if scheme == "https" else 80))
    return Proxy(origin, f"{scheme}://{user + '@' if user else ''}{origin}", configuration.proxy_headers_for(proxy_url))


def wrong_password(proxy: Proxy) -> SignOutConnectionError:
    """The error for a response with status 407 of a proxy that forwards requests."""
    return SignOutConnectionError(
        f"the proxy {proxy.origin} requires a valid user and password (HTTP 407); check the proxy's URL",
        http_status=407,
        retryable=False,
    )


class ProxySessions:
    """botocore's HTTP sessions through one proxy, set up as a boto3 client sets up its own.

    A session's time-outs are fixed. So there is one session for each pair of time-outs, and a few are kept.

    Args:
        proxy: The proxy.
        settings: The settings of the transport.

    Raises:
        ConfigurationError: A certificate can't be used.
    """

    def __init__(self, proxy: Proxy, settings: TransportSettings) -> None:
        self._proxy = proxy
        self._settings = settings
        self._sessions: dict[tuple[float | None, float | None], Any] = {}
        self._lock = threading.Lock()
        # If a file can't be used, urllib3 reports a failed connection, and does not name the file.
        config = settings.proxies_config or {}
        new_context(settings.verify, settings.client_cert)
        new_context(config.get("proxy_ca_bundle") or settings.verify, config.get("proxy_client_cert"))

    def send(self, request: HttpRequest, timeout: float | None) -> HttpResponse:
        """Sends the request once and returns the response, whatever its status.

        Raises:
            SignOutConnectionError: There was no complete response.
            SignOutTimeoutError: It took too long.
        """
        by = f"{locate(request.url)[0]} through the proxy {self._proxy.origin}"
        try:
            raw = self._session(timeout).send(_prepared(request)).raw
            try:
                response = checked_response(raw.status, raw.headers.items(), _read(raw))
            finally:
                raw.close()  # a connection stays open if the response was read to its end
                raw.release_conn()
        except IncompleteResponse as error:
            raise error_of(error, f"no complete response from {by}") from None
        except Exception as error:  # noqa: BLE001 -- botocore's, urllib3's and the socket's
            name = type(error).__name__
            text = f"{'could not connect to' if name in CONNECTING else 'no complete response from'} {by} ({name})"
            if _is_timeout(error):
                raise SignOutTimeoutError(f"{text}: it took too long") from None
            raise SignOutConnectionError(text) from None
        if response.status == 407:
            raise wrong_password(self._proxy)
        return response

    def close(self) -> None:
        """Closes the idle connections. It takes no locks, which may have been held at a fork."""
        for session in self._sessions.values():
            _close(session)
        self._sessions = {}

    def _session(self, timeout: float | None) -> Any:
        timeouts = self._settings.connect_timeout, self._settings.read_timeout
        if timeout is not None:
            # Rounded down, so that calls with the same time-out share a session, and its connections.
            cap = math.floor(timeout * 10) / 10 or timeout
            timeouts = _capped(timeouts[0], cap), _capped(timeouts[1], cap)
        with self._lock:
            if timeouts not in self._sessions:
                self._sessions[timeouts] = self._new_session(timeouts)
                if len(self._sessions) > MAX_SESSIONS:
                    _close(self._sessions.pop(next(iter(self._sessions))))
            return self._sessions[timeouts]

    def _new_session(self, timeouts: tuple[float | None, float | None]) -> Any:
        settings, proxy = self._settings, self._proxy
        keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] if settings.tcp_keepalive else []
        config = settings.proxies_config or {}
        session = load("httpsession").URLLib3Session(
            verify=settings.verify,
            proxies={"http": proxy.url, "https": proxy.url},
            timeout=timeouts,
            max_pool_connections=settings.max_pool_connections,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *keep_alive],
            client_cert=settings.client_cert,
            proxies_config=config,
        )
        if proxy.origin.scheme == "https":
            # botocore verifies only the service's certificate, so not the proxy's if the endpoint is http://.
            set_up, bundle = session._setup_ssl_cert, config.get("proxy_ca_bundle") or settings.verify  # noqa: SLF001

            def set_up_verified(connection: Any, url: str, verify: bool | str) -> None:
                set_up(connection, "https:", bundle if url.startswith("http:") else verify)

            session._setup_ssl_cert = set_up_verified  # noqa: SLF001
        return session


def _prepared(request: HttpRequest) -> Any:
    awsrequest = load("awsrequest")
    headers = awsrequest.HeadersDict(request.headers)
    return awsrequest.AWSPreparedRequest(request.method, request.url, headers, request.body, True)


def _close(session: Any) -> None:
    # botocore's own `close()` only drops the connections, and there are no public names for them.
    for manager in list(session._proxy_managers.values()):  # noqa: SLF001
        for pool in list(manager.pools._container.values()):  # noqa: SLF001
            for connection in list(pool.pool.queue) if pool.pool is not None else ():
                if connection is not None:
                    connection.close()


def _capped(seconds: float | None, cap: float) -> float:
    return cap if seconds is None else min(seconds, cap)


def _read(raw: Any) -> bytes:
    try:
        return bytes(raw.read(MAX_BODY + 1))
    except Exception as error:
        if raw.status < 300 or _is_timeout(error):
            raise
        return b""  # the status and the headers are enough


def _is_timeout(error: BaseException | None) -> bool:
    """Whether an exception of botocore or urllib3 comes from a time-out; some are wrapped more than once."""
    while error is not None:
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            return True
        wrapped = getattr(error, "original_error", None) or getattr(error, "kwargs", {}).get("error")
        error = wrapped if isinstance(wrapped, BaseException) else None
    return False
