"""The arguments of a client except ``transport`` and ``timeout``. They are checked without botocore and without I/O."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from .._masking import without_keys
from ..errors import ConfigurationError
from .endpoints import check_region, endpoint_of

if TYPE_CHECKING:
    from .botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials

#: The fields of a Config that are honoured, and those that have no effect on this operation. Other fields are refused
#: if they are set, because ignoring one could ignore a requirement.
HONOURED = frozenset(
    {
        "client_cert",
        "connect_timeout",
        "defaults_mode",
        "ignore_configured_endpoint_urls",
        "max_pool_connections",
        "proxies",
        "proxies_config",
        "read_timeout",
        "region_name",
        "retries",
        "signature_version",
        "tcp_keepalive",
        "use_dualstack_endpoint",
        "use_fips_endpoint",
        "user_agent",
        "user_agent_appid",
        "user_agent_extra",
    }
)
WITHOUT_EFFECT = frozenset(
    {
        "account_id_endpoint_mode",
        "auth_scheme_preference",
        "disable_request_compression",
        "endpoint_discovery_enabled",
        "inject_host_prefix",
        "parameter_validation",
        "request_checksum_calculation",
        "request_min_compression_size_bytes",
        "response_checksum_validation",
        "s3",
        "s3_disable_express_session_auth",
        "sigv4a_signing_region_set",
    }
)


def _is_timeout(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (is_number and 0 < value <= threading.TIMEOUT_MAX)


def _is_certificate(value: Any) -> bool:
    if isinstance(value, tuple):
        certificate_and_key = cast("Any", value)
        return len(certificate_and_key) == 2 and all(isinstance(path, str) for path in certificate_and_key)
    return value is None or isinstance(value, str)


def _is_proxies(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    return all(url is None or isinstance(url, str) for url in cast("Mapping[str, Any]", value).values())


def _is_proxies_config(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    config = cast("Mapping[str, Any]", value)
    bundle = config.get("proxy_ca_bundle")
    return (bundle is None or isinstance(bundle, str)) and _is_certificate(config.get("proxy_client_cert"))


#: The types of the Config fields that botocore does not check. Otherwise a wrong value would fail at the first call.
_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "connect_timeout": (_is_timeout, "a positive number of seconds, or None"),
    "read_timeout": (_is_timeout, "a positive number of seconds, or None"),
    "max_pool_connections": (lambda value: isinstance(value, int), "an int"),
    "client_cert": (_is_certificate, "a path, or a tuple of two paths: certificate and key"),
    "proxies": (_is_proxies, "a dict of proxy URLs by scheme"),
    "proxies_config": (
        _is_proxies_config,
        "a dict; proxy_ca_bundle must be a path, and proxy_client_cert a path or a tuple of two paths",
    ),
}


@frozen(kw_only=True)
class Options:
    """The arguments of a client, as they were passed."""

    region_name: str | None = None
    endpoint_url: str | None = field(default=None, repr=False)  # it may contain a password
    profile_name: str | None = None
    verify: bool | str | os.PathLike[str] | None = None
    session: BotocoreSession | None = field(default=None, repr=False)
    credentials: FrozenCredentialsSource | StaticCredentials | None = field(default=None, repr=False)
    config: BotocoreConfig | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.verify is not None and not isinstance(self.verify, (bool, str, os.PathLike)):
            raise ConfigurationError("verify must be True, False, or the path of a CA bundle")
        if self.endpoint_url is not None:
            endpoint_of(self.endpoint_url, "")
        if self.region_name is not None:
            check_region(self.region_name)
        if self.session is not None and self.profile_name is not None:
            raise ConfigurationError("session and profile_name can't be combined; create the session with the profile")
        if self.session is not None:
            inner = unwrap_session(self.session)
            if not (hasattr(inner, "get_component") and hasattr(inner, "get_credentials")):
                raise ConfigurationError("session must be a botocore.session.Session or a boto3.Session")
            if inspect.iscoroutinefunction(inner.get_credentials):
                raise ConfigurationError("session is async; pass a session of botocore or boto3")
        if self.credentials is not None:
            freeze = getattr(self.credentials, "get_frozen_credentials", None)
            if inspect.iscoroutinefunction(freeze):
                raise ConfigurationError("credentials are async; pass credentials of botocore or boto3")
            if freeze is None and not hasattr(self.credentials, "access_key"):
                raise ConfigurationError(
                    "credentials must have get_frozen_credentials(), or access_key, secret_key and token"
                )
        if self.config is not None:
            check_config(self.config)

    def shown(self) -> str:
        """The arguments that say what the client talks to, for its ``repr()``."""
        names = ("region_name", "profile_name", "endpoint_url")  # a key or a password may be in any of them
        shown = {name: getattr(self, name) for name in names}
        return ", ".join(f"{name}={without_keys(repr(value))}" for name, value in shown.items() if value is not None)


def unwrap_session(session: Any) -> Any:
    """The botocore session within a boto3 session."""
    return getattr(session, "_session", session)


def check_config(config: Any) -> None:
    """Raises a :class:`ConfigurationError` for a ``Config`` with a field that can't be honoured."""
    defaults = getattr(config, "OPTION_DEFAULTS", None)
    if defaults is None:
        raise ConfigurationError("config must be a botocore.config.Config")
    if config.signature_version not in (None, "v4"):
        raise ConfigurationError(
            "config.signature_version can't be honoured: the service takes Signature Version 4 only"
        )
    for name, default in defaults.items():
        if name not in HONOURED and name not in WITHOUT_EFFECT and getattr(config, name) != default:
            raise ConfigurationError(f"config.{name} can't be honoured; leave it out")
    for name, (is_right, shape) in _SHAPES.items():
        if not is_right(getattr(config, name, None)):
            raise ConfigurationError(f"config.{name} must be {shape}")


def attempts_of(retries: Mapping[str, Any] | None) -> int | None:
    """The maximum number of requests of a call, from a ``Config``'s ``retries``; ``None`` if they do not set it."""
    if retries is None:
        return None
    if "total_max_attempts" in retries:
        return int(retries["total_max_attempts"])
    # ``max_attempts`` counts retries, not attempts.
    return int(retries["max_attempts"]) + 1 if "max_attempts" in retries else None
