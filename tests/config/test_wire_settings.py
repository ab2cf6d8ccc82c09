"""Settings reach the wire: TLS, proxies and time-outs, compared with boto3 against servers on real sockets."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
import trustme
from attrs import frozen
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from tests.servers import Arrival, LoopbackServer, Proxy

from .environments import BASICS, CONFIG, Environment, Probes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from .probe import Report

pytestmark = pytest.mark.slow

#: The host that is called unless a test names another. Proxies lead tunnels for it to the server on loopback.
AWS = "cognito-idp.us-east-1.amazonaws.com"
#: The settings that can be seen on sockets.
WATCHED: Final[tuple[Literal["connect_timeout", "read_timeout", "keepalive"], ...]] = (
    "connect_timeout",
    "read_timeout",
    "keepalive",
)


@frozen(kw_only=True)
class Wire:
    """An environment that reaches real servers.

    Attributes:
        environment: The environment.
        reaches: The servers that something must arrive at.
    """

    environment: Environment
    reaches: frozenset[str]


def _wire(
    name: str,
    *reaches: str,
    config: str = "",
    error: str | None = None,
    differs: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    **variables: str,
) -> Wire:
    return Wire(
        environment=Environment(
            name=name,
            variables={**BASICS, "AWS_MAX_ATTEMPTS": "2", **variables},
            files={CONFIG: f"[default]\n{config}"} if config else {},
            arguments=arguments or {},
            error=error,
            differs=differs,
        ),
        reaches=frozenset(reaches),
    )


UNTRUSTED = "SignOutConnectionError"
UNUSABLE = "ConfigurationError"
TO_HTTPS = {"endpoint_url": "{https}"}
TO_HTTP = {"endpoint_url": "{http}"}
UNVERIFIED = {"endpoint_url": "{https}", "verify": False}

#: The reason why an empty bundle is not compared with boto3.
EMPTY = "older versions of botocore take an empty bundle for no verification at all"

TLS = [
    _wire("no bundle", error=UNTRUSTED, arguments=TO_HTTPS),
    _wire("verify", "https", arguments={**TO_HTTPS, "verify": "{ca}"}),
    _wire("AWS_CA_BUNDLE", "https", arguments=TO_HTTPS, AWS_CA_BUNDLE="{ca}"),
    _wire("ca_bundle of the profile", "https", arguments=TO_HTTPS, config="ca_bundle = {ca}\n"),
    _wire("REQUESTS_CA_BUNDLE", "https", arguments=TO_HTTPS, REQUESTS_CA_BUNDLE="{ca}"),
    _wire(
        "AWS_CA_BUNDLE before REQUESTS_CA_BUNDLE",
        "https",
        arguments=TO_HTTPS,
        AWS_CA_BUNDLE="{ca}",
        REQUESTS_CA_BUNDLE="{other-ca}",
    ),
    _wire(
        "AWS_CA_BUNDLE before REQUESTS_CA_BUNDLE, in vain",
        error=UNTRUSTED,
        arguments=TO_HTTPS,
        AWS_CA_BUNDLE="{other-ca}",
        REQUESTS_CA_BUNDLE="{ca}",
    ),
    _wire(
        "AWS_CA_BUNDLE before the profile",
        "https",
        arguments=TO_HTTPS,
        config="ca_bundle = {other-ca}\n",
        AWS_CA_BUNDLE="{ca}",
    ),
    _wire(
        "the profile before REQUESTS_CA_BUNDLE",
        "https",
        arguments=TO_HTTPS,
        config="ca_bundle = {ca}\n",
        REQUESTS_CA_BUNDLE="{other-ca}",
    ),
    _wire("verify before AWS_CA_BUNDLE", "https", arguments={**TO_HTTPS, "verify": "{ca}"}, AWS_CA_BUNDLE="{other-ca}"),
    _wire(
        "verify=True before AWS_CA_BUNDLE",
        error=UNTRUSTED,
        arguments={**TO_HTTPS, "verify": True},
        AWS_CA_BUNDLE="{ca}",
    ),
    _wire("verify=False", "https", arguments=UNVERIFIED),
    _wire("verify=False before AWS_CA_BUNDLE", "https", arguments=UNVERIFIED, AWS_CA_BUNDLE="{other-ca}"),
    _wire(
        "verify=False, another's certificate", "mismatched", arguments={"endpoint_url": "{mismatched}", "verify": False}
    ),
    _wire("another's certificate", error=UNTRUSTED, arguments={"endpoint_url": "{mismatched}", "verify": "{ca}"}),
    _wire("empty verify", error=UNUSABLE, differs=EMPTY, arguments={**TO_HTTPS, "verify": ""}),
    _wire("empty AWS_CA_BUNDLE", error=UNUSABLE, differs=EMPTY, arguments=TO_HTTPS, AWS_CA_BUNDLE=""),
    _wire("blank AWS_CA_BUNDLE", error=UNUSABLE, differs=EMPTY, arguments=TO_HTTPS, AWS_CA_BUNDLE="  "),
    _wire("empty REQUESTS_CA_BUNDLE", error=UNUSABLE, differs=EMPTY, arguments=TO_HTTPS, REQUESTS_CA_BUNDLE=""),
    _wire("empty ca_bundle of the profile", error=UNUSABLE, differs=EMPTY, arguments=TO_HTTPS, config="ca_bundle =\n"),
    _wire("empty AWS_CA_BUNDLE, plain HTTP", error=UNUSABLE, differs=EMPTY, arguments=TO_HTTP, AWS_CA_BUNDLE=""),
    _wire("a bundle that is not there", error=UNUSABLE, arguments=TO_HTTPS, AWS_CA_BUNDLE="{home}/nowhere.pem"),
    _wire(
        "a bundle that is none", error=UNUSABLE, arguments=TO_HTTPS, AWS_CA_BUNDLE="{home}/.aws/config", config="#\n"
    ),
    _wire("a bundle that is not there, plain HTTP", "http", arguments=TO_HTTP, AWS_CA_BUNDLE="{home}/nowhere.pem"),
    _wire("client_cert", "https", arguments={**TO_HTTPS, "verify": "{ca}", "config": {"client_cert": "{client}"}}),
    _wire(
        "client_cert in two files",
        "https",
        arguments={**TO_HTTPS, "verify": "{ca}", "config": {"client_cert": ["{client-cert}", "{client-key}"]}},
    ),
    _wire("client_cert, verify=False", "https", arguments={**UNVERIFIED, "config": {"client_cert": "{client}"}}),
    _wire(
        "client_cert that is not there",
        error=UNUSABLE,
        arguments={**TO_HTTPS, "verify": "{ca}", "config": {"client_cert": "{home}/nowhere.pem"}},
    ),
]

TRUSTED = {"verify": "{ca}"}
THROUGH_SECURE = {"proxies": {"https": "{secure-proxy}"}}

PROXIES = [
    _wire("HTTPS_PROXY", "proxy", "https", arguments=TRUSTED, HTTPS_PROXY="{proxy}"),
    _wire("https_proxy", "proxy", "https", arguments=TRUSTED, https_proxy="{proxy}"),
    _wire(
        "https_proxy before HTTPS_PROXY",
        "proxy",
        "https",
        arguments=TRUSTED,
        https_proxy="{proxy}",
        HTTPS_PROXY="{http}",
    ),
    _wire("HTTPS_PROXY without a scheme", "proxy", "https", arguments=TRUSTED, HTTPS_PROXY="{proxy.netloc}"),
    _wire("HTTPS_PROXY with half a scheme", "proxy", "https", arguments=TRUSTED, HTTPS_PROXY="//{proxy.netloc}"),
    _wire("HTTPS_PROXY, endpoint_url", "proxy", "https", arguments={**TO_HTTPS, **TRUSTED}, HTTPS_PROXY="{proxy}"),
    _wire("HTTP_PROXY", "proxy", arguments=TO_HTTP, HTTP_PROXY="{proxy}"),
    _wire("HTTP_PROXY, with a path", "proxy", arguments={"endpoint_url": "{http}/idp"}, HTTP_PROXY="{proxy}"),
    _wire("HTTP_PROXY is not for https", "https", arguments={**TO_HTTPS, **TRUSTED}, HTTP_PROXY="{proxy}"),
    _wire("HTTPS_PROXY is not for http", "http", arguments=TO_HTTP, HTTPS_PROXY="{proxy}"),
    _wire("ALL_PROXY, which boto3 does not read", "http", arguments=TO_HTTP, ALL_PROXY="{proxy}"),
    _wire("empty HTTP_PROXY", "http", arguments=TO_HTTP, HTTP_PROXY=""),
    _wire("NO_PROXY", "http", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="127.0.0.1"),
    _wire("no_proxy", "http", arguments=TO_HTTP, HTTP_PROXY="{proxy}", no_proxy="example.com, 127.0.0.1"),
    _wire("NO_PROXY with the port", "http", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="{http.netloc}"),
    _wire("NO_PROXY with another port", "proxy", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="127.0.0.1:1"),
    _wire("NO_PROXY=*", "http", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="*"),
    _wire("NO_PROXY of others", "proxy", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="127.0.0.10,example.com"),
    _wire("NO_PROXY of a network", "proxy", arguments=TO_HTTP, HTTP_PROXY="{proxy}", NO_PROXY="127.0.0.0/8"),
    _wire(
        "NO_PROXY of another domain",
        "proxy",
        "https",
        arguments=TRUSTED,
        HTTPS_PROXY="{proxy}",
        NO_PROXY=".example.com,azonaws.com",
    ),
    _wire(
        "proxies of the Config", "proxy", "https", arguments={**TRUSTED, "config": {"proxies": {"https": "{proxy}"}}}
    ),
    _wire(
        "proxies of the Config before the environment",
        "proxy",
        arguments={**TO_HTTP, "config": {"proxies": {"http": "{proxy}"}}},
        HTTP_PROXY="{https}",
        NO_PROXY="*",
    ),
    _wire("no proxies, by the Config", "http", arguments={**TO_HTTP, "config": {"proxies": {}}}, HTTP_PROXY="{proxy}"),
    _wire("user and password", "proxy", "https", arguments=TRUSTED, HTTPS_PROXY="http://user:pass@{proxy.netloc}"),
    _wire(
        "user and password, escaped",
        "proxy",
        "https",
        arguments=TRUSTED,
        HTTPS_PROXY="http://u%40x:p%3Aw@{proxy.netloc}",
    ),
    _wire("user and password, plain HTTP", "proxy", arguments=TO_HTTP, HTTP_PROXY="http://user:pass@{proxy.netloc}"),
    _wire("user alone", "proxy", arguments=TO_HTTP, HTTP_PROXY="http://user@{proxy.netloc}"),
    _wire("a proxy that refuses", "refusing-proxy", error=UNTRUSTED, arguments=TRUSTED, HTTPS_PROXY="{refusing-proxy}"),
    _wire("a proxy that is not there", error=UNTRUSTED, arguments=TRUSTED, HTTPS_PROXY="http://127.0.0.1:1"),
    _wire("another's certificate behind a proxy", "proxy", error=UNTRUSTED, HTTPS_PROXY="{proxy}"),
    _wire("a proxy over TLS", "secure-proxy", "https", arguments=TRUSTED, HTTPS_PROXY="{secure-proxy}"),
    _wire(
        "a proxy over TLS, plain HTTP", "secure-proxy", arguments={**TO_HTTP, **TRUSTED}, HTTP_PROXY="{secure-proxy}"
    ),
    _wire(
        "proxy_ca_bundle",
        "secure-proxy",
        "https",
        arguments={
            **TRUSTED,
            "config": {**THROUGH_SECURE, "proxies_config": {"proxy_ca_bundle": "{ca}"}},
        },
    ),
    _wire(
        "proxy_ca_bundle of others",
        error=UNTRUSTED,
        differs="older versions of urllib3 trust a proxy by the bundle for the service, too",
        arguments={**TRUSTED, "config": {**THROUGH_SECURE, "proxies_config": {"proxy_ca_bundle": "{other-ca}"}}},
    ),
    _wire(
        "proxy_ca_bundle that is not there",
        error=UNUSABLE,
        arguments={**TRUSTED, "config": {**THROUGH_SECURE, "proxies_config": {"proxy_ca_bundle": "{home}/no.pem"}}},
    ),
    _wire(
        "proxy_client_cert",
        "secure-proxy",
        "https",
        arguments={
            **TRUSTED,
            "config": {
                **THROUGH_SECURE,
                "proxies_config": {"proxy_ca_bundle": "{ca}", "proxy_client_cert": "{client}"},
            },
        },
    ),
    _wire(
        "proxy_client_cert in two files",
        "secure-proxy",
        "https",
        arguments={
            **TRUSTED,
            "config": {
                **THROUGH_SECURE,
                "proxies_config": {"proxy_ca_bundle": "{ca}", "proxy_client_cert": ["{client-cert}", "{client-key}"]},
            },
        },
    ),
    _wire(
        "proxy_use_forwarding_for_https",
        "secure-proxy",
        arguments={
            **TRUSTED,
            "config": {
                **THROUGH_SECURE,
                "proxies_config": {"proxy_ca_bundle": "{ca}", "proxy_use_forwarding_for_https": True},
            },
        },
    ),
    _wire(
        "proxy_use_forwarding_for_https of a plain proxy",
        "proxy",
        "https",
        arguments={
            **TRUSTED,
            "config": {"proxies": {"https": "{proxy}"}, "proxies_config": {"proxy_use_forwarding_for_https": True}},
        },
    ),
]

TIMEOUTS = [
    _wire("timeouts that nobody chose", "http", arguments=TO_HTTP),
    _wire(
        "timeouts of the Config", "http", arguments={**TO_HTTP, "config": {"connect_timeout": 7, "read_timeout": 9.5}}
    ),
    _wire(
        "no timeouts, by the Config",
        "http",
        arguments={**TO_HTTP, "config": {"connect_timeout": None, "read_timeout": None}},
    ),
    _wire(
        "no timeouts, by the Config, beside a mode",
        "http",
        arguments={**TO_HTTP, "config": {"connect_timeout": None}},
        AWS_DEFAULTS_MODE="standard",
    ),
    *(
        _wire(f"AWS_DEFAULTS_MODE={mode}", "http", arguments=TO_HTTP, AWS_DEFAULTS_MODE=mode)
        for mode in ("legacy", "standard", "in-region", "cross-region", "mobile", "auto")
    ),
    _wire(
        "AWS_DEFAULTS_MODE=auto, in the region",
        "http",
        arguments=TO_HTTP,
        AWS_DEFAULTS_MODE="auto",
        AWS_EXECUTION_ENV="AWS_ECS_FARGATE",
        AWS_REGION="us-east-1",
    ),
    _wire(
        "AWS_DEFAULTS_MODE=auto, out of the region",
        "http",
        arguments=TO_HTTP,
        AWS_DEFAULTS_MODE="auto",
        AWS_EXECUTION_ENV="AWS_ECS_FARGATE",
        AWS_REGION="eu-west-1",
    ),
    _wire("defaults_mode of the profile", "http", arguments=TO_HTTP, config="defaults_mode = in-region\n"),
    _wire("defaults_mode of the Config", "http", arguments={**TO_HTTP, "config": {"defaults_mode": "in-region"}}),
    _wire("defaults_mode beside a Config", "http", arguments={**TO_HTTP, "config": {}}, AWS_DEFAULTS_MODE="in-region"),
    _wire("tcp_keepalive of the Config", "http", arguments={**TO_HTTP, "config": {"tcp_keepalive": True}}),
]
if "tcp_keepalive" in BOTOCORE_DEFAUT_SESSION_VARIABLES:  # botocore may be too old to have it in its chain
    TIMEOUTS.append(_wire("tcp_keepalive of the profile", "http", arguments=TO_HTTP, config="tcp_keepalive = true\n"))

WIRES = [*TLS, *PROXIES, *TIMEOUTS]


@frozen
class Scene:
    """The servers of one side."""

    servers: Mapping[str, LoopbackServer]

    @property
    def names(self) -> dict[str, str]:
        """URLs by name, and addresses by ``name.netloc``, for the variables of the environment."""
        urls = {name: server.url for name, server in self.servers.items()}
        return {**urls, **{f"{name}.netloc": server.netloc for name, server in self.servers.items()}}

    def arrived(self) -> dict[str, list[tuple[str, str, str | None, str | None]]]:
        """The requests at each server, reduced to what settings decide and both sides must agree on."""
        return {name: [self._gist(arrival) for arrival in server.arrivals] for name, server in self.servers.items()}

    def clear(self) -> None:
        """Forgets the requests."""
        for server in self.servers.values():
            server.arrivals.clear()

    def _gist(self, arrival: Arrival) -> tuple[str, str, str | None, str | None]:
        target = arrival.target
        for name, server in self.servers.items():
            target = target.replace(server.netloc, name)  # ports differ
        return arrival.method, target, arrival.headers.get("proxy-authorization"), arrival.client


@frozen
class Side:
    """A side, with its servers."""

    ask: Callable[[Environment], Report]
    scene: Scene


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """The library and boto3, with equal servers. The authority of their certificates is not in any default bundle."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    paths = _write_certificates(folder, authority)
    good = _context(authority, "127.0.0.1", AWS)
    mismatched = _context(authority, "elsewhere.example")
    with ExitStack() as stack:
        sides = []
        for name in ("ours", "boto3"):
            https = stack.enter_context(LoopbackServer(good))
            servers = {
                "https": https,
                "http": stack.enter_context(LoopbackServer()),
                "mismatched": stack.enter_context(LoopbackServer(mismatched)),
                "proxy": stack.enter_context(Proxy(https.port)),
                "secure-proxy": stack.enter_context(Proxy(https.port, good)),
                "refusing-proxy": stack.enter_context(Proxy(https.port, status=407)),
            }
            scene = Scene(servers)
            home = tmp_path_factory.mktemp(name)
            probes = stack.enter_context(Probes(home, {**paths, **scene.names}, recorded=False))
            sides.append(Side(getattr(probes, name), scene))
        yield sides[0], sides[1]


def _write_certificates(folder: Path, authority: trustme.CA) -> Mapping[str, str]:
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "other-ca", "client", "client-cert", "client-key")}
    client = authority.issue_cert("client@example.com", common_name="the-client")
    authority.cert_pem.write_to_path(paths["ca"])
    trustme.CA().cert_pem.write_to_path(paths["other-ca"])
    client.private_key_and_cert_chain_pem.write_to_path(paths["client"])
    client.private_key_pem.write_to_path(paths["client-key"])
    client.cert_chain_pems[0].write_to_path(paths["client-cert"])
    return paths


def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS for a server. It requests a certificate from clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.environment.name)
def test_settings_reach_the_wire(wire: Wire, sides: tuple[Side, Side]) -> None:
    """A certificate authority, proxy or time-out that boto3 obeys is ignored, or invented."""
    for side in sides:
        side.scene.clear()
    with ThreadPoolExecutor(len(sides)) as executor:
        ours, boto3 = executor.map(lambda side: side.ask(wire.environment), sides)
    expected = wire.environment.error
    assert (expected in ours["errors"]) if expected else not ours["errors"], ours
    arrived, arrived_of_boto3 = (side.scene.arrived() for side in sides)
    assert {name for name, arrivals in arrived.items() if arrivals} == wire.reaches
    if wire.environment.differs is None:
        assert bool(boto3["errors"]) == bool(expected), boto3
        assert arrived == arrived_of_boto3
        if not expected:
            assert [ours[key] for key in WATCHED] == [boto3[key] for key in WATCHED]
