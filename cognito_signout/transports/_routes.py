"""How to get to the service: which proxy is on the way, and how TLS is spoken with either.

Reads files of certificates and the environment, each once, when they are first needed. Raises
:class:`ConfigurationError` for what can't be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from ._proxies import Proxy, proxy_for
from ._requests import Origin
from ._tls import new_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@frozen
class Route:
    """The way to an origin, which ``str()`` names.

    Attributes:
        origin: Whom it leads to.
        hop: Whom to connect to: the origin, or the proxy.
        proxy: The proxy, if there is one.
        is_forwarded: Whether the proxy makes the requests itself, and opens no tunnel.
    """

    origin: Origin
    hop: Origin
    proxy: Proxy | None
    is_forwarded: bool

    @property
    def first_hop(self) -> str:
        """The first stop, for people."""
        return str(self.hop) if self.proxy is None else f"the proxy {self.hop}"

    def __str__(self) -> str:
        return str(self.origin) if self.proxy is None else f"{self.origin} through the proxy {self.hop}"


class Routes:
    """The ways to all origins, for a transport with these arguments, which see."""

    def __init__(
        self,
        verify: bool | str,
        client_cert: str | tuple[str, str] | None,
        proxies: Mapping[str, str] | None,
        proxies_config: Mapping[str, Any] | None,
    ) -> None:
        self._verify = verify
        self._client_cert = client_cert
        self._proxies = proxies
        self._proxies_config = proxies_config or {}
        self._routes: dict[Origin, Route] = {}
        self._contexts: dict[object, ssl.SSLContext] = {}

    def to(self, origin: Origin, netloc: str) -> Route:
        """The way to an origin, which is so written in the URL."""
        if origin not in self._routes:  # as botocore, which looks once
            proxy = proxy_for(origin.scheme, netloc, self._proxies)
            self._routes[origin] = Route(origin, origin, None, False) if proxy is None else self._through(proxy, origin)
        return self._routes[origin]

    def context(self) -> ssl.SSLContext:
        """How to speak TLS with the service."""
        return self._context(self._verify, self._client_cert)

    def proxy_context(self) -> ssl.SSLContext:
        """How to speak TLS with the proxy."""
        verify = self._proxies_config.get("proxy_ca_bundle") or self._verify
        return self._context(verify, self._proxies_config.get("proxy_client_cert"))

    def _through(self, proxy: Proxy, origin: Origin) -> Route:
        forwards_https = proxy.scheme == "https" and self._proxies_config.get("proxy_use_forwarding_for_https")
        hop = Origin(proxy.scheme, proxy.host, proxy.port)
        return Route(origin, hop, proxy, origin.scheme == "http" or bool(forwards_https))

    def _context(self, verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
        key = (verify, client_cert)
        if key not in self._contexts:
            self._contexts[key] = new_context(verify, client_cert)
        return self._contexts[key]
