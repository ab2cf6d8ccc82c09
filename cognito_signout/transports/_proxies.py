"""Which proxy a request goes through, as botocore reads ``proxies`` and the environment."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Proxy:
    """A proxy: where it is, and the headers that it wants, which ``repr`` leaves out: they hold the password."""

    scheme: str
    host: str
    port: int
    headers: Mapping[str, str] = field(repr=False)


def proxy_for(scheme: str, netloc: str, proxies: Mapping[str, str] | None) -> Proxy | None:
    """The proxy for a host, or ``None``.

    Args:
        scheme: ``http`` or ``https``.
        netloc: The host, with the port that the URL names.
        proxies: Proxy URLs by scheme; ``None`` for those of the environment.

    Raises:
        ConfigurationError: The proxy's URL is none.
    """
    if proxies is None:
        proxies = _from_environment(netloc)
    url = proxies.get(scheme)
    return _parse(url) if url else None


def _from_environment(netloc: str) -> Mapping[str, str]:
    asks_the_system = sys.platform in ("darwin", "win32")
    if not asks_the_system and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies, proxy_bypass

    return {} if proxy_bypass(netloc) else getproxies()


def _parse(url: str) -> Proxy:
    complaint = "it must be such as http://proxy.example:3128, with user and password percent-encoded"
    if url.startswith("//"):
        url = f"http:{url}"
    elif "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # not chained: its text may hold a piece of the password
        raise ConfigurationError(f"the proxy's URL is none; {complaint}") from None
    # An @ behind the host: a password with a slash in it, of which half would be taken for the host.
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigurationError(f"the proxy's URL is no http:// or https:// URL with a host name; {complaint}")
    headers: dict[str, str] = {}
    if parts.username and parts.password:
        user = f"{unquote(parts.username)}:{unquote(parts.password)}"
        try:
            headers["Proxy-Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
        except UnicodeEncodeError:  # a variable of the environment that is not UTF-8; not chained: it has the password
            raise ConfigurationError(f"the proxy's user or password is not valid Unicode; {complaint}") from None
    return Proxy(parts.scheme, parts.hostname, port, headers)
