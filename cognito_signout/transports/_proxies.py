"""Proxies: botocore decides whether there is one, and its HTTP session (urllib3) sends through it.

Texts of proxy errors are never quoted, and their exceptions are not chained: they may show the proxy's password.
"""

from __future__ import annotations

import math
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import field, frozen

from .. import _forks
from .._botocore import environment_has_proxies, load
from ..errors import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from . import MAX_BODY, HttpRequest, HttpResponse
from ._exchange import IncompleteResponse, Origin, checked_response, error_of, locate
from ._tls import new_context

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How many sessions with different time-outs are kept.
MAX_SESSIONS = 4
#: botocore's exceptions for a connection that was not established.
CONNECTING = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"})


@frozen
class Proxy:
    """A proxy. Its URL contains a password, perhaps: it is not shown."""

    origin: Origin
    url: str = field(repr=False)

    def __str__(self) -> str:
        return str(self.origin)


def find_proxy(url: str, proxies: Mapping[str, str] | None) -> Proxy | None:
    """The proxy for a URL, as botocore decides it; ``None`` for a direct connection.

    Args:
        url: The endpoint's URL.
        proxies: Proxy URLs by scheme; ``None`` for those of the environment.

    Raises:
        ConfigurationError: The proxy's URL is malformed.
    """
    named: Mapping[str, Any]
    if proxies is not None:
        named = proxies
    else:
        named = load("utils").get_environ_proxies(url) if environment_has_proxies() else {}
    if not any(named.values()):
        return None
    proxy_url = load("httpsession").ProxyConfiguration(named).proxy_url_for(url)
    return _parse(proxy_url) if proxy_url else None


def _parse(url: str) -> Proxy:
    advice = "it must look like http://proxy.example:3128, with user and password percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # not chained: its text may contain a part of the password
        raise ConfigurationError(f"the proxy's URL is malformed; {advice}") from None
    # An @ after the host: a password with a slash in it, of which half would be taken for the host.
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigurationError(f"the proxy's URL is not an http:// or https:// URL with a host name; {advice}")
    # A certificate names the host without a trailing dot.
    host = parts.hostname.rstrip(".") if parts.scheme == "https" else parts.hostname
    origin = Origin(parts.scheme, host, port)
    user = parts.netloc.rpartition("@")[0]
    if not user.isascii():
        raise ConfigurationError(f"the proxy's user or password is not ASCII; {advice}")
    return Proxy(origin, f"{parts.scheme}://{user + '@' if user else ''}{origin}")


def proxy_headers(proxy: Proxy) -> dict[str, str]:
    """The headers that the proxy asks for, as botocore builds them.

    Raises:
        ConfigurationError: The user or the password can't be sent.
    """
    try:
        headers: dict[str, str] = load("httpsession").ProxyConfiguration().proxy_headers_for(proxy.url)
    except UnicodeEncodeError:  # not chained: it shows the password
        raise ConfigurationError(
            f"the user or the password of the proxy {proxy} is not ASCII, which botocore can't send"
        ) from None
    return headers


def wrong_password(proxy: Proxy) -> SignOutConnectionError:
    """The error for a response with status 407 of a proxy that forwards requests."""
    return SignOutConnectionError(
        f"the proxy {proxy} refuses the request without a valid user and password (HTTP 407)",
        http_status=407,
        retryable=False,
    )


class ProxySessions:
    """botocore's HTTP sessions through one proxy, set up as a boto3 client sets up its own.

    A session's time-outs are fixed. So there is one session for each pair of time-outs, and a few are kept.

    Args:
        proxy: The proxy.
        connect_timeout: In seconds; ``None`` for no limit.
        read_timeout: Likewise, for each read.
        verify: ``True``, ``False``, or the path of a CA bundle.
        client_cert: The client's certificate for the service.
        proxies_config: botocore's settings for proxies.
        max_pool_connections: How many connections a session keeps.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.

    Raises:
        ConfigurationError: A certificate or a password can't be used.
    """

    def __init__(
        self,
        proxy: Proxy,
        *,
        connect_timeout: float | None,
        read_timeout: float | None,
        verify: bool | str,
        client_cert: str | tuple[str, str] | None,
        proxies_config: Mapping[str, Any],
        max_pool_connections: int,
        tcp_keepalive: bool,
    ) -> None:
        self._proxy = proxy
        self._timeouts = connect_timeout, read_timeout
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        options += [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] if tcp_keepalive else []
        self._arguments = {
            "verify": verify,
            "proxies": {"http": proxy.url, "https": proxy.url},
            "max_pool_connections": max_pool_connections,
            "socket_options": options,
            "client_cert": client_cert,
            "proxies_config": proxies_config,
        }
        self._sessions: dict[tuple[float | None, float | None], Any] = {}
        self._lock = threading.Lock()  # a forked child makes itself another object
        # urllib3 reports a file that can't be used as a failed connection, and names no file.
        new_context(verify, client_cert)
        self._proxy_bundle = proxies_config.get("proxy_ca_bundle") or verify
        new_context(self._proxy_bundle, proxies_config.get("proxy_client_cert"))
        proxy_headers(proxy)

    def send(self, request: HttpRequest, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status.

        Raises:
            SignOutConnectionError: There is no complete response.
            SignOutTimeoutError: It took too long.
        """
        origin, _ = locate(request.url)
        awsrequest = load("awsrequest")
        headers = awsrequest.HeadersDict({name: value.encode("latin-1") for name, value in request.headers.items()})
        prepared = awsrequest.AWSPreparedRequest(request.method, request.url, headers, request.body, True)
        session = self._session(timeout)
        by = f"{origin} through the proxy {self._proxy}"
        raw: Any = None
        response: HttpResponse | None = None
        try:
            raw = session.send(prepared).raw
            if raw.status != 407:
                response = checked_response(raw.status, raw.headers.items(), _read(raw))
        except IncompleteResponse as error:
            raise error_of(error, f"no complete response from {by}") from None
        except Exception as error:  # noqa: BLE001 -- botocore's, urllib3's and the socket's
            name = type(error).__name__
            text = f"{'could not connect to' if name in CONNECTING else 'no complete response from'} {by} ({name})"
            if _is_timeout(error):
                raise SignOutTimeoutError(f"{text}: it took too long") from None
            raise SignOutConnectionError(text) from None
        finally:
            if raw is not None:
                raw.close()  # which leaves a connection open that was read to the end of the response
                raw.release_conn()
        if response is None:
            raise wrong_password(self._proxy)
        return response

    def close(self) -> None:
        """Closes the idle connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            _close(session)

    def abandon(self) -> None:
        """In a forked child: closes the child's copies of the idle connections, and lets go of the sessions.

        It passes by their locks, which may have been held at the fork. Without it, urllib3 would close the descriptors
        when the child ends, and by then they may be those of other files.
        """
        _forks.inherited.append(self._sessions)
        for session in self._sessions.values():
            for pool in _pools(session):
                for connection in pool.pool.queue if pool.pool is not None else ():
                    if connection is not None:
                        connection.close()
        self._sessions = {}

    def _verify_proxy(self, session: Any) -> None:
        """Verifies the certificate of an https:// proxy for plain requests, too: botocore does not."""
        if self._proxy.origin.scheme == "https":
            set_up, bundle = session._setup_ssl_cert, self._proxy_bundle  # noqa: SLF001 -- it has no public name

            def set_up_verified(connection: Any, url: str, verify: bool | str) -> None:
                set_up(connection, "https:", bundle if url.startswith("http:") else verify)

            session._setup_ssl_cert = set_up_verified  # noqa: SLF001

    def _session(self, timeout: float | None) -> Any:
        timeouts = self._timeouts
        if timeout is not None:
            # Rounded down, so that calls with the same time-out share a session, and its connections.
            cap = math.floor(timeout * 10) / 10 or timeout
            timeouts = _capped(timeouts[0], cap), _capped(timeouts[1], cap)
        with self._lock:
            session = self._sessions.get(timeouts)
            if session is None:
                session = load("httpsession").URLLib3Session(timeout=timeouts, **self._arguments)
                self._verify_proxy(session)
                self._sessions[timeouts] = session
                if len(self._sessions) > MAX_SESSIONS:
                    _close(self._sessions.pop(next(iter(self._sessions))))
            return session


def _pools(session: Any) -> list[Any]:
    """The pools of a session. botocore and urllib3 have no public names for them."""
    managers = session._proxy_managers.values()  # noqa: SLF001
    return [pool for manager in managers for pool in manager.pools._container.values()]  # noqa: SLF001


def _close(session: Any) -> None:
    for pool in _pools(session):  # `session.close()` only drops them, for the garbage collector to close
        pool.close()
    session.close()


def _capped(seconds: float | None, cap: float) -> float:
    return cap if seconds is None else min(seconds, cap)


def _read(raw: Any) -> bytes:
    body = bytearray()
    try:
        while len(body) <= MAX_BODY and (more := raw.read(MAX_BODY + 1 - len(body))):
            body += more
    except Exception as error:
        if raw.status < 300 or _is_timeout(error):
            raise
    return bytes(body)


def _is_timeout(error: BaseException | None) -> bool:
    """Whether an exception of botocore or urllib3 comes from a time-out; some are wrapped more than once."""
    while error is not None:
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            return True
        wrapped = getattr(error, "original_error", None) or getattr(error, "kwargs", {}).get("error")
        error = wrapped if isinstance(wrapped, BaseException) else None
    return False
