"""Name resolution: names with many addresses, some of them dead; names with a trailing dot; names without a proxy."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import should_bypass_proxies

from cognito_signout import SignOutConnectionError, SignOutTimeoutError
from cognito_signout.transports._proxies import find_proxy

from ..ways import BlockingTransport, Script, TaskTransport
from .scripted import PATIENCE, ScriptedServer, serves
from .test_dead_connections import POOL, new_clients
from .test_http import unused_port
from .test_proxies import needs_tls_in_tls, proxies_to, tunnels_to

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from .test_dead_connections import NewClient

NAME = "eight-addresses.example"
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(params=["blocking", "asyncio"])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients: the test runs with each kind."""
    yield from new_clients(request.param)


# Many addresses


def resolve(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: tuple[str, int]) -> list[str]:
    """Makes a name resolve to these addresses, for any port. Returns a list to which each look-up is added."""
    real = socket.getaddrinfo
    lookups: list[str] = []

    def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != name:
            return real(host, port, *rest, **options)
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lookups


@contextmanager
def unresponsive_addresses(count: int) -> Iterator[list[tuple[str, int]]]:
    """Addresses of servers that never accept a connection."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{2 + number}", 0))
            listener.listen(0)
            found.append(listener.getsockname())
            for _ in range(3):  # fill its queue
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex(found[-1])
        yield found


@pytest.mark.slow
def test_each_address_gets_the_whole_connect_timeout(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven dead nodes leave no time for the eighth, which answers."""
    with unresponsive_addresses(7) as dead, ScriptedServer([serves()]) as server:
        lookups = resolve(monkeypatch, NAME, *dead, ("127.0.0.1", server.port))
        with new_client(endpoint_url=f"http://{NAME}", config=Config(connect_timeout=0.3)) as client:
            assert client.sign_out().attempts == 1
            assert client.sign_out().attempts == 1
    assert len(server.peers) == len(lookups) == 1


@pytest.mark.parametrize("connect_timeout", [0.3, 20.0])
def test_the_timeout_of_a_call_bounds_all_addresses_together(
    connect_timeout: float, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call to a name with many dead nodes takes a multiple of its timeout."""
    begin = time.monotonic()
    with unresponsive_addresses(7) as dead, ScriptedServer([serves()]) as server:
        resolve(monkeypatch, NAME, *dead, ("127.0.0.1", server.port))
        with new_client(endpoint_url=f"http://{NAME}", config=Config(connect_timeout=connect_timeout)) as client:
            with pytest.raises(SignOutTimeoutError, match=f"could not connect to {NAME}:80") as caught:
                client.sign_out(timeout=0.5)
            assert not server.peers
    assert caught.value.attempts == 1
    assert time.monotonic() - begin < 10


def test_only_unresponsive_addresses_are_a_timeout(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to dead nodes hangs or raises an untyped error."""
    with unresponsive_addresses(3) as dead:
        resolve(monkeypatch, NAME, *dead)
        config = Config(connect_timeout=0.1, retries={"total_max_attempts": 1})
        with (
            new_client(endpoint_url=f"http://{NAME}", config=config) as client,
            pytest.raises(SignOutTimeoutError, match=f"could not connect to {NAME}:80"),
        ):
            client.sign_out()


def test_the_first_of_eight_good_addresses_is_used(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call opens more connections than it needs, or none."""
    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedServer([serves()], host=f"127.0.0.{1 + number}")) for number in range(8)]
        resolve(monkeypatch, NAME, *[(f"127.0.0.{1 + number}", server.port) for number, server in enumerate(servers)])
        with new_client(endpoint_url=f"http://{NAME}") as client:
            for _ in range(3):
                assert client.sign_out().attempts == 1
        assert [len(server.peers) for server in servers] == [1] + [0] * 7
        assert len(servers[0].requests) == 3


def test_addresses_that_refuse_are_skipped(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is down fails calls that another node can answer."""
    with ScriptedServer([serves()]) as server:
        resolve(monkeypatch, NAME, *[("127.0.0.1", unused_port())] * 7, ("127.0.0.1", server.port))
        with new_client(endpoint_url=f"http://{NAME}") as client:
            assert client.sign_out().attempts == 1


def test_only_addresses_that_refuse_are_a_connection_error(
    new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is down on all nodes causes an untyped error."""
    resolve(monkeypatch, NAME, *[("127.0.0.1", unused_port())] * 8)
    with (
        new_client(endpoint_url=f"http://{NAME}", config=Config(retries={"total_max_attempts": 1})) as client,
        pytest.raises(SignOutConnectionError, match=f"could not connect to {NAME}:80: .*refused"),
    ):
        client.sign_out()


# A trailing dot


def headers_of(request: bytes) -> dict[str, str]:
    """The headers of a request, by lower-case name."""
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(":") for line in lines]
    assert len({name.lower() for name, _, _ in pairs}) == len(pairs)
    return {name.lower(): value.strip() for name, _, value in pairs}


def authorization_by_botocore(request: bytes) -> str:
    """The ``Authorization`` header that botocore computes for a request with the same ``Host`` header."""
    headers, body = headers_of(request), request.partition(b"\r\n\r\n")[2]
    found = re.search("Credential=[^/]+/[0-9]+/([^/]+)/cognito-idp/", headers["authorization"])
    assert found
    signed = {name: headers[name] for name in ("content-type", "host", "x-amz-date", "x-amz-target")}
    aws_request = AWSRequest("POST", url=f"https://{headers['host']}/", headers=signed, data=body)
    aws_request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "cognito-idp", found[1])
    signature = signer.signature(signer.string_to_sign(aws_request, signer.canonical_request(aws_request)), aws_request)
    names = signer.signed_headers(signer.headers_to_sign(aws_request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(aws_request)}, SignedHeaders={names}, Signature={signature}"


def test_an_endpoint_with_a_trailing_dot_works_in_tls(
    new_client: NewClient, bundle: str, server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fully qualified endpoint name fails in TLS or breaks the signature."""
    with ScriptedServer([serves()], context=server_context) as server:
        lookups = resolve(monkeypatch, "localhost.", ("127.0.0.1", server.port))
        with new_client(
            endpoint_url=f"https://localhost.:{server.port}/",
            verify=bundle,
            credentials=Credentials(ACCESS_KEY, SECRET_KEY),
        ) as client:
            for _ in range(2):
                assert client.sign_out().attempts == 1
    assert len(server.peers) == 1
    assert lookups == ["localhost."]  # without the dot, the resolver would also try its search domains
    for request in server.requests:
        headers = headers_of(request)
        assert headers["host"] in (f"localhost.:{server.port}", f"localhost:{server.port}")
        assert headers["authorization"] == authorization_by_botocore(request)
        assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"UserPoolId": POOL, "Username": "alice"}


@pytest.mark.parametrize("kind", ["blocking", pytest.param("asyncio", marks=needs_tls_in_tls)])
def test_a_tls_proxy_may_have_a_trailing_dot(
    kind: str, bundle: str, server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy with a fully qualified name fails in TLS."""
    with (
        ScriptedServer([serves()], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=server_context) as proxy,
    ):
        resolve(monkeypatch, "localhost.", ("127.0.0.1", proxy.port))
        config = Config(proxies=proxies_to(proxy, "https", host="localhost."))
        for new_client in new_clients(kind):
            with new_client(endpoint_url=server.url, verify=bundle, config=config) as client:
                for _ in range(2):
                    assert client.sign_out(timeout=PATIENCE).attempts == 1
    assert len(proxy.peers) == len(server.peers) == 1
    assert proxy.requests[0].startswith(b"CONNECT localhost:%d HTTP/1." % server.port)


def test_a_proxy_with_a_trailing_dot_is_looked_up_with_it(
    new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver with a search list finds another host than with boto3."""
    with ScriptedServer([serves()]) as proxy:
        lookups = resolve(monkeypatch, "localhost.", ("127.0.0.1", proxy.port))
        config = Config(proxies=proxies_to(proxy, host="localhost."))
        with new_client(endpoint_url="http://pools.example", config=config) as client:
            assert client.sign_out().attempts == 1
    assert lookups == ["localhost."]


# Names without a proxy


EXCEPTIONS = ["localhost:80", "localhost", "localhost:8080", "localhost:443", ".localhost", "LOCALHOST:80", "*", ""]


@pytest.mark.slow
@pytest.mark.parametrize("no_proxy", EXCEPTIONS)
@pytest.mark.parametrize(
    "endpoint_url", ["http://localhost:80", "http://localhost:80/", "http://localhost", "https://localhost:443/a"]
)
def test_a_port_in_no_proxy_is_compared_as_botocore_compares_it(
    endpoint_url: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls use a proxy that boto3 does not use, or bypass one that it uses."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    boto3_client = boto3.client("cognito-idp", "us-east-1", endpoint_url=endpoint_url)
    theirs = boto3_client._endpoint.http_session._proxy_config.proxy_url_for(endpoint_url)
    boto3_client.close()
    assert (theirs is None) is should_bypass_proxies(endpoint_url)  # both oracles agree

    script = Script()
    for kind, transport in (("blocking", BlockingTransport(script)), ("asyncio", TaskTransport(script))):
        for new_client in new_clients(kind):
            with new_client(endpoint_url=endpoint_url, transport=transport) as client:
                client.sign_out()
    for request in script.requests:
        assert request.url.rstrip("/") == endpoint_url.rstrip("/")  # including its port, if any
        proxy = find_proxy(request.url, None)
        assert (None if proxy is None else f"http://{proxy.origin}") == theirs
    assert len(script.requests) == 2


def test_no_proxy_with_a_port_bypasses_the_proxy(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """``NO_PROXY=localhost:80`` is ignored because the URL loses its port."""
    with ScriptedServer([serves()]) as proxy, ScriptedServer([serves()]) as server:
        resolve(monkeypatch, "localhost", ("127.0.0.1", server.port))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost:80")
        with new_client(endpoint_url="http://localhost:80") as client:
            assert client.sign_out().attempts == 1
        with new_client(endpoint_url="http://localhost") as client:  # without a port, so it uses the proxy
            assert client.sign_out().attempts == 1
    assert (len(server.requests), len(proxy.requests)) == (1, 1)
    assert headers_of(server.requests[0])["host"] == "localhost"
