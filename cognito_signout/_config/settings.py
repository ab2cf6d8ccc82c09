"""The settings that botocore resolves: region, custom endpoint, attempts, time-outs, TLS, proxies, user agent.

They come from botocore's own ``Session``: its configuration chain, its data files and its profile. The result is what a
boto3 client would use in the same environment. The first call may read files and import botocore; later calls use the
cached settings. A setting that botocore can't use raises a :class:`ConfigurationError`.
"""

from __future__ import annotations

import os.path
import sys
import threading
from copy import copy
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from .._masking import safe_to_show, text_of, without_keys
from ..errors import ConfigurationError
from .botocore import load, new_session
from .credentials import CredentialsProvider
from .endpoints import Endpoint, check_region, endpoint_for, is_known_region
from .options import Options, attempts_of, check_config, unwrap_session
from .short_path import EnvironmentSession, is_enough
from .user_agent import user_agent

if TYPE_CHECKING:
    from collections.abc import Mapping


SERVICE_DATA = "cognito-idp"
ENDPOINT_URL_VARIABLE = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"
ENDPOINT_URL_SECTION = "cognito_identity_provider"
#: The maximum number of requests of a call, by default.
DEFAULT_MAX_ATTEMPTS = 3
#: botocore's default, in seconds.
DEFAULT_TIMEOUT = 60
#: The maximum number of regions with cached settings.
MAX_REGIONS = 128
RETRY_MODES = ("legacy", "standard", "adaptive")


@frozen(kw_only=True)
class Settings:
    """The settings for calls to one region.

    Attributes:
        endpoint: The destination of requests, and the region that they are signed for.
        url: The custom endpoint as it was configured, user and password included; ``None`` if there is none.
        max_attempts: The maximum number of requests of a call.
        connect_timeout: In seconds; ``None`` for no limit.
        read_timeout: In seconds; ``None`` for no limit.
        verify: ``True``, ``False``, or the path of a CA bundle.
        client_cert: The client certificate, if there is one.
        proxies: Proxies by scheme; ``None`` for those of the environment.
        proxies_config: botocore's settings for proxies.
        max_pool_connections: The maximum number of idle connections.
        tcp_keepalive: Whether to set ``SO_KEEPALIVE``.
        user_agent: The ``User-Agent`` header.
    """

    endpoint: Endpoint
    url: str | None = field(default=None, repr=False)
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    connect_timeout: float | None = DEFAULT_TIMEOUT
    read_timeout: float | None = DEFAULT_TIMEOUT
    verify: bool | str = True
    client_cert: str | tuple[str, str] | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    proxies_config: Mapping[str, Any] | None = field(default=None, repr=False)
    max_pool_connections: int = 10
    tcp_keepalive: bool = False
    user_agent: str = ""

    def transport_arguments(self) -> dict[str, Any]:
        """The arguments of a transport."""
        return {
            "verify": self.verify,
            "client_cert": self.client_cert,
            "connect_timeout": self.connect_timeout,
            "read_timeout": self.read_timeout,
            "proxies": self.proxies,
            "proxies_config": self.proxies_config,
            "max_pool_connections": self.max_pool_connections,
            "tcp_keepalive": self.tcp_keepalive,
        }


class Resolver:
    """Resolves the settings of one client, and caches the session, the credentials and the settings."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: Any = None
        self._is_own = True  # the session
        self._region: str | None = None
        self.credentials = CredentialsProvider(self._load_credentials, tried=self._tried)
        self._settings: dict[str, Settings] = {}  # by the region in the pool ID

    @property
    def session(self) -> Any:
        """The botocore session: the caller's, or a new one, created at the first use. On the short path, an
        :class:`EnvironmentSession`.
        """
        with self._lock:
            if not self.has_session():
                self._session = self._new_session()
            return self._session

    def has_session(self) -> bool:
        """Whether there is a session already, so that getting it does not wait."""
        session = self._session
        return session is not None and not (isinstance(session, EnvironmentSession) and "botocore" in sys.modules)

    def settings(self, user_pool_id: str) -> Settings:
        """The settings for a call to this pool.

        Raises:
            ConfigurationError: The configuration can't be used.
        """
        settings = self.cached_settings(user_pool_id)
        if settings is None:
            region_of_pool = user_pool_id.partition("_")[0]
            settings = self._resolve(region_of_pool)
            if len(self._settings) >= MAX_REGIONS:  # more prefixes than there are regions
                self._settings.clear()
            self._settings[region_of_pool] = settings
        return settings

    def cached_settings(self, user_pool_id: str) -> Settings | None:
        """The settings for a call to this pool, if they are cached."""
        return self._settings.get(user_pool_id.partition("_")[0])

    def _resolve(self, region_of_pool: str) -> Settings:
        try:
            return self._ask(self.session, region_of_pool)
        # The local variables in the tracebacks hold URLs with passwords, and error trackers show them.
        except ConfigurationError as error:
            self._drop_session()
            raise error.with_traceback(None) from error.__cause__
        except Exception as error:  # noqa: BLE001 -- botocore raises anything for a malformed setting
            self._drop_session()
            cause = safe_to_show(error.with_traceback(None))
            raise ConfigurationError(f"the AWS configuration can't be used: {text_of(error)}") from cause

    def _ask(self, session: Any, region_of_pool: str) -> Settings:
        options = self._options
        config: Any = _merged_config(session, options.config)
        loader = session.get_component("data_loader")
        partitions = loader.load_data("partitions")
        region = _first(
            options.region_name,
            getattr(config, "region_name", None),
            region_of_pool if is_known_region(region_of_pool, partitions) else None,
            _variable(session, "region"),
        )
        if region is None:
            raise ConfigurationError(
                "can't determine the region: the pool ID has no known region prefix; "
                "pass region_name= or set AWS_DEFAULT_REGION"
            )
        check_region(region)
        region, is_fips_region = _without_fips(region)
        _set_sts_region(session, region)
        self._region = region
        url = _first(options.endpoint_url, _configured_endpoint_url(session, config))
        use_fips = is_fips_region or _flag(session, config, "use_fips_endpoint")
        use_dualstack = _flag(session, config, "use_dualstack_endpoint")
        region, url = _with_custom_endpoints_file(loader, region, url, use_fips=use_fips, use_dualstack=use_dualstack)
        endpoint = endpoint_for(
            region,
            url=url,
            use_fips=use_fips,
            use_dualstack=use_dualstack,
            rules=_rules(session, loader),
            partitions=partitions,
        )
        retries = getattr(config, "retries", None)
        return Settings(
            endpoint=endpoint,
            url=url,
            max_attempts=_max_attempts(session, retries),
            connect_timeout=_connect_timeout(session, config, region),
            read_timeout=getattr(config, "read_timeout", DEFAULT_TIMEOUT),
            verify=_verify(session, options.verify),
            client_cert=getattr(config, "client_cert", None),
            proxies=getattr(config, "proxies", None),
            proxies_config=getattr(config, "proxies_config", None),
            max_pool_connections=getattr(config, "max_pool_connections", 10),
            tcp_keepalive=_flag(session, config, "tcp_keepalive"),
            user_agent=user_agent(
                app_id=_first(getattr(config, "user_agent_appid", None), _variable(session, "user_agent_appid")),
                extra=getattr(config, "user_agent_extra", None),
                instead=getattr(config, "user_agent", None),
            ),
        )

    def _new_session(self) -> Any:
        given = self._options.session or self._default_session()
        self._is_own = given is None
        if given is not None:
            return unwrap_session(given)
        return EnvironmentSession() if is_enough(self._options) else self._new_botocore_session()

    def _default_session(self) -> Any:
        """The session of ``boto3.setup_default_session()``, if there is one and no argument names another identity."""
        if self._options.profile_name is not None or self._options.credentials is not None:
            return None
        return getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)

    def _drop_session(self) -> None:
        """Forgets a session of our own that failed, so that the next call reads the files again."""
        if self._is_own:
            self._session = None

    def _new_botocore_session(self) -> Any:
        session = new_session(self._options.profile_name)
        _set_sts_region(session, self._region)
        return session

    def _load_credentials(self, afresh: bool) -> Any:
        if self._options.credentials is not None:
            return self._options.credentials
        session = self.session
        if not afresh:
            found = None
            try:
                found = session.get_credentials()
            finally:
                if found is None:
                    self._drop_session()
            return found
        if self._is_own:  # a new session reads its files again
            return self._new_botocore_session().get_credentials()
        current = session.get_credentials()
        if current is None or current.method not in _methods(session):
            return current  # set by other code: the chain would find credentials of another identity
        found = session.get_component("credential_provider").load_credentials()
        return found if found is not None and found.method == current.method else current

    def _tried(self) -> str:
        return ", ".join(_methods(self.session))


def trace_header() -> str | None:
    """The trace of this invocation of a Lambda function, in botocore's form."""
    trace_id = os.environ.get("_X_AMZN_TRACE_ID")
    if not trace_id or "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return None
    from urllib.parse import quote

    return quote(trace_id, safe="-=;:+&[]{}\"',", errors="surrogateescape")


def _set_sts_region(session: Any, region: str | None) -> None:
    """Sets the region in which credential providers call STS, as the session's ``create_client()`` does."""
    session._last_client_region_used = region  # noqa: SLF001 -- it has no public name


def _methods(session: Any) -> list[str]:
    """The names of the credential providers of the session."""
    chain = session.get_component("credential_provider")
    return [provider.METHOD for provider in getattr(chain, "providers", ())]


def _merged_config(session: Any, config: Any) -> Any:
    default = session.get_default_client_config()
    if default is None:
        return config
    merged = default if config is None else default.merge(config)
    check_config(merged)
    return merged


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _variable(session: Any, name: str) -> Any:
    try:
        return session.get_config_variable(name)
    except ValueError as error:
        raise ConfigurationError(f"the configured {name} is not valid: {text_of(error)}") from safe_to_show(error)


def _flag(session: Any, config: Any, name: str) -> bool:
    chosen = getattr(config, name, None)
    return bool(chosen if chosen is not None else _variable(session, name))


def _without_fips(region: str) -> tuple[str, bool]:
    """The region of a FIPS pseudo-region, such as ``fips-us-east-1``, and whether it was a pseudo-region."""
    real = region.replace("fips-", "").replace("-fips", "")
    return real, real != region


def _configured_endpoint_url(session: Any, config: Any) -> str | None:
    profile = session.get_scoped_config()  # always: it raises for an unknown profile
    if _flag(session, config, "ignore_configured_endpoint_urls"):
        return None
    for variable in (ENDPOINT_URL_VARIABLE, "AWS_ENDPOINT_URL"):
        if url := os.environ.get(variable):
            return url
    if "services" in profile:
        services = session.full_config.get("services", {}).get(profile["services"])
        if not services:
            raise ConfigurationError(
                f"the profile names a services section {without_keys(repr(profile['services']))} that does not exist"
            )
        service: Any = services.get(ENDPOINT_URL_SECTION, {})
        if not hasattr(service, "get"):
            raise ConfigurationError(f"{ENDPOINT_URL_SECTION} in the services section must hold indented settings")
        if url := service.get("endpoint_url"):
            return str(url)
    return profile.get("endpoint_url") or None


def _rules(session: Any, loader: Any) -> Mapping[str, Any]:
    version = _variable(session, "api_versions").get(SERVICE_DATA)
    if version is None:
        version = loader.determine_latest_version(SERVICE_DATA, "endpoint-rule-set-1")
    rules: Mapping[str, Any] = loader.load_data(os.path.join(SERVICE_DATA, version, "endpoint-rule-set-1"))
    return rules


def _with_custom_endpoints_file(
    loader: Any, region: str, url: str | None, *, use_fips: bool, use_dualstack: bool
) -> tuple[str, str | None]:
    """The region to sign for and the custom endpoint. An ``endpoints.json`` of the user's own has precedence over the
    rules.

    botocore's own ``endpoints.json`` is older than its rules. It no longer affects the URL, but it raises an error for
    FIPS and dual-stack in some partitions.
    """
    is_customized = any(
        os.path.exists(os.path.join(path, "endpoints.json"))
        for path in loader.search_paths
        if path != loader.BUILTIN_DATA_PATH
    )
    if not (is_customized or use_fips or use_dualstack):
        return region, url
    resolver = load("regions").EndpointResolver(loader.load_data("endpoints"))
    flags = {"use_fips_endpoint": use_fips, "use_dualstack_endpoint": use_dualstack}
    found = resolver.construct_endpoint(SERVICE_DATA, region, **flags) or resolver.construct_endpoint(
        SERVICE_DATA, region, partition_name="aws", **flags
    )
    if url is None and is_customized and found:
        signed_for = found.get("credentialScope", {}).get("region", found["endpointName"])
        return check_region(signed_for), f"https://{found['hostname']}"
    return region, url


def _max_attempts(session: Any, retries: Mapping[str, Any] | None) -> int:
    mode = (retries or {}).get("mode") or _variable(session, "retry_mode")
    if mode is not None and mode not in RETRY_MODES:
        raise ConfigurationError(f"the configured retry_mode must be one of {', '.join(RETRY_MODES)}")
    chosen = attempts_of(retries)
    if chosen is None:
        chosen = _variable(session, "max_attempts")
    if chosen is None:
        return DEFAULT_MAX_ATTEMPTS
    if chosen < 1:
        raise ConfigurationError("the configured max_attempts must be at least 1")
    return int(chosen)


def _connect_timeout(session: Any, config: Any, region: str) -> float | None:
    from_mode = _connect_timeout_of_mode(session, config, region)
    if config is None:
        return from_mode or DEFAULT_TIMEOUT
    return config.connect_timeout if config.connect_timeout is not None else from_mode


def _connect_timeout_of_mode(session: Any, config: Any, region: str) -> float | None:
    mode = (getattr(config, "defaults_mode", None) or _variable(session, "defaults_mode")).lower()
    if mode == "legacy":
        return None
    configprovider = load("configprovider")
    defaults = configprovider.DefaultConfigResolver(session.get_data("sdk-default-configuration"))
    if mode not in defaults.get_default_modes():
        raise ConfigurationError(f"defaults_mode must be one of {', '.join(defaults.get_default_modes())}")
    store = copy(session.get_component("config_store"))
    regions = load("utils").IMDSRegionProvider(session)
    configprovider.SmartDefaultsConfigStoreFactory(defaults, regions).merge_smart_defaults(store, mode, region)
    timeout: float | None = store.get_config_variable("connect_timeout")
    return timeout


def _verify(session: Any, verify: bool | str | os.PathLike[str] | None) -> bool | str:
    chosen = _first(verify, _variable(session, "ca_bundle"), os.environ.get("REQUESTS_CA_BUNDLE"), True)
    if isinstance(chosen, bool):
        return chosen
    path = os.fsdecode(chosen)  # a Path is accepted
    if not path.strip():
        raise ConfigurationError(
            "the CA bundle (verify, AWS_CA_BUNDLE, ca_bundle, REQUESTS_CA_BUNDLE) must not be empty"
        )
    return path
