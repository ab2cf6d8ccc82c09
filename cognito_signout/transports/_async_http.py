"""The asyncio transport: a thin adapter on ``aiohttp.ClientSession``, one session for each event loop.

aiohttp is imported at the first call, in a thread, since that takes longer than a call. A session belongs to its event
loop. A loop that ends as :func:`asyncio.run` ends it closes its asynchronous generators: one of them guards the
session, and closes it then.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import _forks
from .._waiting import in_thread, within
from ..errors import ConfigurationError
from ._exchange import Origin, checked_headers, error_of, left, locate, sooner
from ._proxies import find_proxy, proxy_headers
from ._tls import new_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from . import HttpRequest, HttpResponse
    from ._aiohttp import Session
    from ._proxies import Proxy


class AsyncHttpTransport:
    """The transport of :class:`~cognito_signout.AsyncSignOutClient` unless another one is given.

    It uses aiohttp (extra ``async``). It may be used in one event loop after the other, and in those of several threads
    at once.

    Args:
        verify: ``True`` for the certificate authorities that botocore trusts, a path to a bundle of others, or
            ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or the two paths.
        connect_timeout: How many seconds connecting may take, for each address of the host; behind a proxy, in all.
            ``None``: no limit.
        read_timeout: How many seconds the response may take, from the request to its last byte. ``None``: no limit.
        proxies: Proxy URLs by the scheme that they are for (``http``, ``https``). ``None`` for those of the
            environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``, system settings).
        proxies_config: botocore's settings for proxies. aiohttp supports none of them for an ``https://`` proxy: a
            call through such a proxy raises a ``ConfigurationError``.
        max_pool_connections: How many idle connections are kept. More may be open while more calls are in flight.
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
        self._found: dict[Origin, Proxy | None] = {}
        self._context: ssl.SSLContext | None = None
        self._guarded: dict[asyncio.AbstractEventLoop, tuple[Session, AsyncGenerator[None, None]]] = {}
        _forks.register(self)

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Sends the request, once, and returns the response whatever its status.

        Args:
            request: What to send, as it is.
            timeout: How many seconds are left for it; ``None`` for no limit but the transport's own.

        Raises:
            SignOutConnectionError: There is no complete response.
            SignOutTimeoutError: It took too long.
            ConfigurationError: aiohttp is not installed or does not support the proxy; the URL or a header can't be
                sent; the CA bundle, the client certificate or the proxy's URL can't be used.
        """
        deadline = sooner(None, timeout)
        origin, _ = locate(request.url)
        headers = checked_headers(request)
        try:
            if origin not in self._found or (origin.scheme == "https" and self._context is None):
                await within(left(deadline), in_thread(lambda: self._prepare(origin, request.url)))
            session = await self._session()
            return await session.send(
                request,
                headers,
                origin,
                self._found[origin],
                context=self._context,
                timeout=left(deadline),
            )
        except TimeoutError as fault:
            raise error_of(fault, f"could not connect to {origin}") from None

    async def close(self) -> None:
        """Closes the connections of this event loop. Sessions of other loops are closed there, when those end. A
        session that is in use is closed when its calls are done.
        """
        guarded, self._guarded = self._guarded, {}
        session, guard = guarded.pop(asyncio.get_running_loop(), (None, None))
        if session is not None and guard is not None:
            await guard.aclose()

    def after_fork(self) -> None:
        """In a forked child: lets go of the sessions, whose event loops are the parent's."""
        _forks.inherited.append(self._guarded)
        self._guarded = {}

    def _prepare(self, origin: Origin, url: str) -> None:
        """Does what may take long: imports aiohttp, finds the proxy, reads the certificates."""
        try:
            import_module(f"{__package__}._aiohttp")
        except ImportError as error:
            raise ConfigurationError(
                f"asyncio calls over the network need aiohttp: pip install 'cognito-signout[async]' ({error})"
            ) from error
        proxy = find_proxy(url, self._proxies)
        if proxy is not None:
            self._check_support(proxy, origin)
            proxy_headers(proxy)
        if origin.scheme == "https" or (proxy is not None and proxy.origin.scheme == "https"):
            self._context = self._context or new_context(self._verify, self._client_cert)
        self._found[origin] = proxy

    def _check_support(self, proxy: Proxy, origin: Origin) -> None:
        """Raises a :class:`ConfigurationError` for settings that aiohttp would ignore."""
        if proxy.origin.scheme != "https":
            return
        unsupported = [name for name, value in self._proxies_config.items() if value]
        if self._client_cert is not None:
            unsupported.append("client_cert")  # the proxy would be shown it, too
        if unsupported:
            raise ConfigurationError(
                f"aiohttp does not support {', '.join(unsupported)} with an https:// proxy; use SignOutClient"
            )
        if origin.scheme == "https" and sys.version_info < (3, 11):  # pragma: no cover -- see _aiohttp.py
            raise ConfigurationError("an https:// proxy needs Python 3.11 or newer with asyncio; use SignOutClient")

    async def _session(self) -> Session:
        loop = asyncio.get_running_loop()
        session, _ = self._guarded.get(loop) or (None, None)
        if session is not None and not session.is_retired:
            return session
        from ._aiohttp import Session  # which imports aiohttp

        for other in list(self._guarded):
            if not other.is_running() or other is loop:
                self._guarded.pop(other, None)  # another thread may have done it
        session = Session(
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            max_idle=self._max_idle,
            tcp_keepalive=self._tcp_keepalive,
        )
        guard = _guard(session)
        await guard.__anext__()
        self._guarded[loop] = session, guard
        return session


async def _guard(session: Session) -> AsyncGenerator[None, None]:
    """Closes the session when it is closed itself: by hand, by its event loop, or because nothing refers to it."""
    try:
        yield
    finally:
        with suppress(RuntimeError):  # the event loop is closed
            await session.retire()
