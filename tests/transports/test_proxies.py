"""Proxies: which one is used, what is sent to it, and what is verified. botocore is the oracle for the choice."""

from __future__ import annotations

import base64
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cognito_signout import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from cognito_signout.transports import HttpTransport
from cognito_signout.transports._proxies import MAX_SESSIONS, find_proxy

from .scripted import (
    OK,
    PATIENCE,
    ScriptedServer,
    answers,
    drips,
    echoes,
    reads,
    receives,
    relays_to,
    sends,
    serves,
    waits_for_close,
)
from .test_http import assert_no_secrets, client_sockets, make_request, send
from .test_tls import context_with, requires_client_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from .on_a_loop import NewTransport
    from .scripted import Step

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
USER = "agent:p%40ss%2Fword"
AUTHORIZATION = b"Proxy-Authorization: Basic " + base64.b64encode(b"agent:p@ss/word")
AWS = "cognito-idp.us-east-1.amazonaws.com"


def tunnels_to(server: ScriptedServer, answer: bytes = ESTABLISHED) -> list[Step]:
    """A proxy's script: it answers CONNECT and always relays to this server, whatever host the client asks for."""
    return [answers(answer), relays_to(server.port)]


def proxies_to(proxy: ScriptedServer, scheme: str = "http", user: str = "", host: str = "localhost") -> dict[str, str]:
    """Proxy settings that use this proxy for all requests."""
    url = f"{scheme}://{user}{'@' if user else ''}{host}:{proxy.port}"
    return {"http": url, "https": url}


needs_tls_in_tls = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no TLS in TLS before Python 3.11")


# Which proxy

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"HTTPS_PROXY": "http://proxy:3128"},
    {"https_proxy": "http://proxy:3128"},
    {"HTTPS_PROXY": "http://upper:3128", "https_proxy": "http://lower:3128"},
    {"HTTPS_PROXY": "http://upper:3128", "https_proxy": ""},
    {"HTTP_PROXY": "http://proxy:3128"},
    {"http_proxy": "http://proxy:3128"},
    {"HTTP_PROXY": "http://proxy:3128", "REQUEST_METHOD": "GET"},
    {"ALL_PROXY": "http://proxy:3128"},
    {"HTTPS_PROXY": ""},
    {"NO_PROXY": "*"},
    *(
        {"HTTPS_PROXY": "http://proxy:3128", "HTTP_PROXY": "http://plain:3128", name: value}
        for name in ("NO_PROXY", "no_proxy")
        for value in (
            "*", "", AWS, f"{AWS}:443", "amazonaws.com", ".amazonaws.com", "*.amazonaws.com", "com,  AMAZONAWS.com",
            "aws.com", "other.example", "127.0.0.1", "127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.0/8", "localhost",
            "::1", "[::1]", "[::1]:8000",
        )
    ),
]  # fmt: skip


URLS = [f"https://{AWS}", f"https://{AWS}:443", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
def test_the_environment_is_read_as_botocore_reads_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls use a proxy that boto3 does not use, or bypass one that it uses."""
    from botocore.httpsession import ProxyConfiguration
    from botocore.utils import get_environ_proxies

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    theirs = {url: ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url) for url in URLS}
    ours = {url: find_proxy(url, None) for url in URLS}
    assert {url: proxy and f"{proxy.origin.scheme}://{proxy.origin}" for url, proxy in ours.items()} == theirs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy:3128", ("http", "proxy", 3128)),
        ("https://proxy:3128", ("https", "proxy", 3128)),
        ("http://proxy", ("http", "proxy", 80)),
        ("https://proxy/", ("https", "proxy", 443)),
        ("proxy:3128", ("http", "proxy", 3128)),
        ("//proxy:3128", ("http", "proxy", 3128)),
        ("127.0.0.1:3128", ("http", "127.0.0.1", 3128)),
        ("user:secret@proxy:3128", ("http", "proxy", 3128)),
        ("http://[::1]:3128", ("http", "::1", 3128)),
    ],
)
def test_every_form_of_proxy_url_that_botocore_accepts_is_accepted(url: str, expected: tuple[str, str, int]) -> None:
    """A proxy setting that works with boto3 is rejected."""
    proxy = find_proxy(f"https://{AWS}/", {"https": url})
    assert proxy
    assert (proxy.origin.scheme, proxy.origin.host, proxy.origin.port) == expected
    assert "secret" not in f"{proxy!r} {proxy}"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@proxy:port",
        "http://user:secret@proxy:99999",
        "http://user:secret@",
        "http://user:secret@[::1",
        "http://user:sec/ret@proxy:3128",
        "http://user:1234/secret@proxy:3128",
        "http://user:1234?secret@proxy:3128",
        "http://user:1234#secret@proxy:3128",
        "socks5://user:secret@proxy:1080",
        "http://",
        "http:proxy:3128",
        ":3128",
    ],
)
def test_a_malformed_proxy_url_is_a_configuration_error(url: str, new_transport: NewTransport) -> None:
    """A typing error is retried, or the message shows the password."""
    with pytest.raises(ConfigurationError, match="the proxy's URL") as caught:
        send(new_transport(proxies={"https": url}), f"https://{AWS}/")
    error = caught.value
    assert not any(part in f"{error} {error!r}" for part in ("secret", "sec/ret", "1234"))
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_an_empty_proxies_mapping_overrides_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch, new_transport: NewTransport
) -> None:
    """A proxy from the environment can't be switched off."""
    with ScriptedServer([serves()]) as proxy, ScriptedServer([serves()]) as server:
        monkeypatch.setenv(name, proxy.url)
        transport = new_transport(proxies={})
        send(transport, server.url)
        transport.close()
    assert not proxy.peers
    assert len(server.requests) == 1


# What is sent to it


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize("user", ["", USER, "user", "user:"])
def test_a_plain_request_to_a_proxy_has_the_absolute_url(
    user: str, by_environment: bool, monkeypatch: pytest.MonkeyPatch, new_transport: NewTransport
) -> None:
    """A proxy does not know where to forward a plain request."""
    url = "http://service.example:8000/path?a=b"
    with ScriptedServer([serves()]) as proxy:
        proxies = proxies_to(proxy, user=user)
        if by_environment:
            monkeypatch.setenv("HTTP_PROXY", proxies["http"])
        transport = new_transport(proxies=None if by_environment else proxies)
        for _ in range(2):
            send(transport, url)
        transport.close()
    assert len(proxy.peers) == 1
    for request in proxy.requests:
        assert request.startswith(b"POST http://service.example:8000/path?a=b HTTP/1.1\r\n")
        assert request.count(b"Host: service.example\r\n") == 1
        assert (AUTHORIZATION + b"\r\n" in request) is (user == USER)
        assert (b"Proxy-Authorization" in request) is (user == USER)


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize("user", ["", USER])
def test_a_tls_endpoint_is_reached_through_a_tunnel(
    user: str,
    by_environment: bool,
    bundle: str,
    server_context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    new_transport: NewTransport,
) -> None:
    """Calls can't leave a network with a proxy, or the proxy can read them."""
    with ScriptedServer([serves()], context=server_context) as server, ScriptedServer(tunnels_to(server)) as proxy:
        proxies = proxies_to(proxy, user=user)
        if by_environment:
            monkeypatch.setenv("HTTPS_PROXY", proxies["https"])
        transport = new_transport(verify=bundle, proxies=None if by_environment else proxies)
        for _ in range(2):
            assert send(transport, server.url).body == b"{}"
        transport.close()
    host = b"localhost:%d" % server.port
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT " + host + b" HTTP/1.")
    assert (AUTHORIZATION + b"\r\n" in request) is bool(user)
    assert len(server.requests) == 2
    assert not any(b"Proxy-Authorization" in request for request in server.requests)


def test_an_http_1_0_response_to_connect_opens_a_tunnel(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """A proxy that speaks HTTP/1.0 can't be used."""
    with (
        ScriptedServer([serves()], context=server_context) as server,
        ScriptedServer(tunnels_to(server, b"HTTP/1.0 200 OK\r\n\r\n")) as proxy,
    ):
        transport = new_transport(verify=bundle, proxies=proxies_to(proxy))
        assert send(transport, server.url).status == 200
        transport.close()


REFUSALS = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\nno way",
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n",
    "garbage": b"\xff" * 99 + b"\n",
    "nothing": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000,
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_refuses_is_named(answer: bytes, new_transport: NewTransport) -> None:
    """An on-call engineer suspects AWS, or the log shows the proxy's password."""
    with ScriptedServer([answers(answer)]) as proxy:
        transport = new_transport(proxies=proxies_to(proxy, user=USER))
        with pytest.raises(
            SignOutConnectionError, match=f"{AWS}:443 through the proxy localhost:{proxy.port}"
        ) as caught:
            send(transport, f"https://{AWS}/")
        assert not client_sockets(proxy)
    assert_no_secrets(caught.value)
    assert not any(part in f"{caught.value} {caught.value!r}" for part in ("p%40ss", "p@ss", "agent"))


def test_a_proxy_that_is_down_is_named(new_transport: NewTransport) -> None:
    """An on-call engineer suspects AWS."""
    with ScriptedServer([serves()]) as proxy:
        pass
    with pytest.raises(
        SignOutConnectionError, match=f"could not connect to .* through the proxy localhost:{proxy.port}"
    ):
        send(new_transport(proxies=proxies_to(proxy)), f"https://{AWS}/")


@pytest.mark.parametrize(("connect_timeout", "timeout"), [(0.2, PATIENCE), (None, 1.0)])
def test_a_silent_proxy_is_abandoned_at_the_deadline(
    connect_timeout: float | None, timeout: float | None, new_transport: NewTransport
) -> None:
    """A proxy that hangs blocks every call."""
    with ScriptedServer([reads(), waits_for_close()]) as proxy:
        transport = new_transport(proxies=proxies_to(proxy), connect_timeout=connect_timeout, read_timeout=0.2)
        with pytest.raises(SignOutTimeoutError, match="through the proxy"):
            send(transport, f"https://{AWS}/", timeout=timeout)
        assert not client_sockets(proxy)


@pytest.mark.parametrize("script", [[reads(), drips(b"HTTP/1.1 200 ")], [reads(), drips(b"HTTP/1.1 200 \r\nA: ")]])
@pytest.mark.parametrize(("connect_timeout", "timeout"), [(0.2, PATIENCE), (None, 1.0)])
def test_a_slow_proxy_is_abandoned_at_the_deadline_with_asyncio(
    script: list[Step], connect_timeout: float | None, timeout: float | None, new_async_transport: NewTransport
) -> None:
    """A proxy that sends a byte now and then blocks a call for hours."""
    with ScriptedServer(script) as proxy:
        transport = new_async_transport(proxies=proxies_to(proxy), connect_timeout=connect_timeout)
        with pytest.raises(SignOutTimeoutError, match="through the proxy"):
            send(transport, f"https://{AWS}/", timeout=timeout)
        assert not client_sockets(proxy)


def test_calls_with_the_same_timeout_share_a_connection_through_a_proxy() -> None:
    """Each call with a timeout opens a new connection."""
    with ScriptedServer([serves()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        for _ in range(3):
            send(transport, "http://service.example/", timeout=PATIENCE)
        transport.close()
    assert len(proxy.peers) == 1


def test_the_number_of_sessions_for_different_timeouts_is_limited() -> None:
    """Varying timeouts leak one connection for each call."""
    with ScriptedServer([serves()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        for timeout in range(1, 10):
            send(transport, "http://service.example/", timeout=timeout + 0.05)
        assert len(client_sockets(proxy)) <= MAX_SESSIONS
        transport.close()
        assert not client_sockets(proxy)


def test_the_certificate_behind_a_tunnel_is_verified(
    authority: trustme.CA, bundle: str, new_transport: NewTransport
) -> None:
    """A proxy can impersonate the service."""
    with (
        ScriptedServer([serves()], context=context_with(authority.issue_cert("other.example"))) as server,
        ScriptedServer(tunnels_to(server)) as proxy,
    ):
        transport = new_transport(verify=bundle, proxies=proxies_to(proxy))
        with pytest.raises(SignOutConnectionError, match="could not connect to"):
            send(transport, server.url)
    assert not server.requests


# A proxy that speaks TLS itself


def test_a_tunnel_through_a_tls_proxy_is_tls_in_tls(
    bundle: str, server_context: ssl.SSLContext, new_tls_in_tls_transport: NewTransport
) -> None:
    """Https:// proxies don't work, or they truncate long messages."""
    body = b"x" * 200_000
    with (
        ScriptedServer([echoes()], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=server_context) as proxy,
    ):
        transport = new_tls_in_tls_transport(verify=bundle, proxies=proxies_to(proxy, "https", USER))
        for _ in range(3):
            assert transport.send(make_request(server.url, body), timeout=PATIENCE).body == body
        transport.close()
    assert len(proxy.peers) == len(server.peers) == 1
    assert AUTHORIZATION in proxy.requests[0]


def test_a_stale_connection_is_detected_in_tls_in_tls(
    bundle: str, server_context: ssl.SSLContext, new_tls_in_tls_transport: NewTransport
) -> None:
    """The first call after an idle minute fails behind an https:// proxy."""
    with (
        ScriptedServer([answers(OK)], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=server_context) as proxy,
    ):
        transport = new_tls_in_tls_transport(verify=bundle, proxies=proxies_to(proxy, "https"))
        for _ in range(3):
            assert send(transport, server.url).status == 200
            proxy.wait_until_finished()
        transport.close()
    assert len(server.peers) == 3


def test_plain_bytes_within_tls_in_tls_are_a_connection_error(
    bundle: str, server_context: ssl.SSLContext, new_tls_in_tls_transport: NewTransport
) -> None:
    """Bytes injected by a proxy end a response, or raise an untyped error."""
    script: list[Step] = [answers(ESTABLISHED), secures_within(server_context), sends(b"no record of TLS"), reads()]
    with ScriptedServer(script, context=server_context) as proxy:
        transport = new_tls_in_tls_transport(verify=bundle, proxies=proxies_to(proxy, "https"))
        with pytest.raises(SignOutConnectionError, match="through the proxy"):
            send(transport, f"https://localhost:{proxy.port}/")


def test_a_truncated_response_in_tls_in_tls_is_a_connection_error(
    bundle: str, server_context: ssl.SSLContext, new_tls_in_tls_transport: NewTransport
) -> None:
    """A truncated response behind an https:// proxy counts as a sign-out."""
    script: list[Step] = [answers(ESTABLISHED), secures_within(server_context)]
    with ScriptedServer(script, context=server_context) as proxy:
        transport = new_tls_in_tls_transport(verify=bundle, proxies=proxies_to(proxy, "https"))
        with pytest.raises(SignOutConnectionError, match=r"no complete response|could not connect"):
            send(transport, "https://localhost/")


def secures_within(context: ssl.SSLContext) -> Any:
    """Speaks TLS within TLS, reads something, and closes the connection without close_notify."""

    def step(peer: Any) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        for operation in (tls.do_handshake, tls.read):
            while True:
                try:
                    operation()
                    break
                except ssl.SSLWantReadError:
                    peer.sock.sendall(outgoing.read())
                    incoming.write(peer.receive())
        tls.write(b"HTTP/1.1 200 OK\r\n")
        peer.sock.sendall(outgoing.read())

    return step


@pytest.mark.parametrize(
    "script",
    [
        [answers(ESTABLISHED), receives(), drips(b"\x16\x03\x03\x40\x00", b"\x00")],
        [answers(ESTABLISHED), waits_for_close()],
        [drips(b"HTTP/1.1 200 ")],
    ],
)
@pytest.mark.parametrize(("connect_timeout", "timeout"), [(0.3, PATIENCE), (None, 0.3)])
@needs_tls_in_tls
def test_deadlines_hold_in_tls_in_tls(
    script: list[Step],
    connect_timeout: float | None,
    timeout: float | None,
    bundle: str,
    server_context: ssl.SSLContext,
    new_async_transport: NewTransport,
) -> None:
    """A slow server behind an https:// proxy blocks a call for hours."""
    with ScriptedServer(script, context=server_context) as proxy:
        transport = new_async_transport(
            verify=bundle, proxies=proxies_to(proxy, "https"), connect_timeout=connect_timeout
        )
        with pytest.raises(SignOutTimeoutError, match="through the proxy"):
            send(transport, f"https://{AWS}/", timeout=timeout)


@needs_tls_in_tls
def test_a_slow_response_in_tls_in_tls_ends_at_the_read_timeout(
    bundle: str, server_context: ssl.SSLContext, new_async_transport: NewTransport
) -> None:
    """Read timeouts have no effect behind an https:// proxy."""
    with (
        ScriptedServer([drips(b"HTTP/1.1 200 ")], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=server_context) as proxy,
    ):
        transport = new_async_transport(verify=bundle, proxies=proxies_to(proxy, "https"), read_timeout=0.3)
        with pytest.raises(SignOutTimeoutError, match="no complete response"):
            send(transport, server.url)


def test_tls_in_tls_works_without_timeouts(
    bundle: str, server_context: ssl.SSLContext, new_tls_in_tls_transport: NewTransport
) -> None:
    """A call without timeouts fails at once."""
    with (
        ScriptedServer([serves()], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=server_context) as proxy,
    ):
        transport = new_tls_in_tls_transport(
            verify=bundle, proxies=proxies_to(proxy, "https"), connect_timeout=None, read_timeout=None
        )
        assert send(transport, server.url, timeout=None).status == 200
        transport.close()


@pytest.mark.parametrize("trusts_server", [True, False])
def test_both_certificates_are_verified_in_tls_in_tls(
    trusts_server: bool,
    authority: trustme.CA,
    bundle: str,
    server_context: ssl.SSLContext,
    new_tls_in_tls_transport: NewTransport,
) -> None:
    """An impostor of the proxy or of the service goes unnoticed."""
    bad = context_with(authority.issue_cert("other.example"))
    inner, outer = (server_context, bad) if trusts_server else (bad, server_context)
    with (
        ScriptedServer([serves()], context=inner) as server,
        ScriptedServer(tunnels_to(server), context=outer) as proxy,
    ):
        transport = new_tls_in_tls_transport(verify=bundle, proxies=proxies_to(proxy, "https"))
        with pytest.raises(SignOutConnectionError, match="could not connect to"):
            send(transport, server.url)
    assert not server.requests
    assert len(proxy.requests) == (0 if trusts_server else 1)


@pytest.mark.parametrize("ends", [True, False])
def test_a_proxy_can_have_its_own_ca_bundle_and_client_certificate(
    ends: bool, bundle: str, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """``proxies_config`` is ignored."""
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "proxy.pem"))
    other.issue_cert("client@proxy.example").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    config = {"proxy_ca_bundle": str(tmp_path / "proxy.pem"), "proxy_client_cert": str(tmp_path / "client.pem")}
    with (
        ScriptedServer([serves()], context=server_context) as server,
        ScriptedServer(tunnels_to(server), context=requires_client_certificate(other)) as proxy,
    ):
        transport = HttpTransport(
            verify=bundle,
            proxies=proxies_to(proxy, "https", host="127.0.0.1"),
            proxies_config=config if ends else None,
        )
        if ends:
            assert send(transport, server.url).status == 200
        else:
            with pytest.raises(SignOutConnectionError):
                send(transport, server.url)
        transport.close()


@pytest.mark.filterwarnings("ignore:Passing ssl_context:FutureWarning")  # raised by botocore
@pytest.mark.parametrize(
    ("scheme", "forwards", "is_asked_for"),
    [("https", True, b"POST https://localhost:"), ("https", False, b"CONNECT "), ("http", True, b"CONNECT ")],
)
def test_forwarding_of_https_is_used_only_with_a_tls_proxy(
    scheme: str,
    forwards: bool,
    is_asked_for: bytes,
    bundle: str,
    server_context: ssl.SSLContext,
) -> None:
    """``proxy_use_forwarding_for_https`` is ignored, or used without TLS."""
    with ScriptedServer([serves()], context=server_context) as server:
        script = [serves()] if (scheme, forwards) == ("https", True) else tunnels_to(server)
        with ScriptedServer(script, context=server_context if scheme == "https" else None) as proxy:
            transport = HttpTransport(
                verify=bundle,
                proxies=proxies_to(proxy, scheme),
                proxies_config={"proxy_use_forwarding_for_https": forwards},
            )
            for _ in range(2):
                assert send(transport, server.url).status == 200
            transport.close()
    assert proxy.requests[0].startswith(is_asked_for)
    assert bool(server.peers) is (is_asked_for == b"CONNECT ")


def test_a_plain_request_to_a_tls_proxy_is_encrypted(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """Http:// endpoints can't be reached through an https:// proxy."""
    with ScriptedServer([serves()], context=server_context) as proxy:
        transport = new_transport(verify=bundle, proxies=proxies_to(proxy, "https"))
        assert send(transport, "http://service.example/").status == 200
        transport.close()
    assert proxy.requests[0].startswith(b"POST http://service.example/ HTTP/1.1\r\n")


def test_an_unusable_proxy_ca_bundle_is_named(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    """An on-call engineer looks at the wrong file."""
    path = str(tmp_path / "missing.pem")
    with ScriptedServer([serves()], context=server_context) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy, "https"), proxies_config={"proxy_ca_bundle": path})
        with pytest.raises(ConfigurationError, match=r"CA bundle .*missing"):
            send(transport, f"https://{AWS}/")
        assert not client_sockets(proxy)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"proxies_config": {"proxy_ca_bundle": "bundle.pem"}}, "proxy_ca_bundle"),
        ({"proxies_config": {"proxy_client_cert": "client.pem"}}, "proxy_client_cert"),
        ({"proxies_config": {"proxy_use_forwarding_for_https": True}}, "proxy_use_forwarding_for_https"),
        ({"client_cert": "client.pem"}, "client_cert"),
    ],
)
def test_a_proxy_setting_that_aiohttp_does_not_support_is_rejected(
    settings: dict[str, Any], name: str, new_async_transport: NewTransport
) -> None:
    """A security setting of the proxy is silently ignored."""
    transport = new_async_transport(proxies={"https": "https://proxy.example"}, **settings)
    with pytest.raises(ConfigurationError, match=name):
        send(transport, f"https://{AWS}/")


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="asyncio has TLS in TLS from Python 3.11 on")
def test_a_tls_proxy_needs_python_3_11_with_asyncio(new_async_transport: NewTransport) -> None:
    """The call raises an obscure error of the event loop."""
    with pytest.raises(ConfigurationError, match=r"Python 3\.11"):
        send(new_async_transport(proxies={"https": "https://proxy.example"}), f"https://{AWS}/")


@pytest.mark.parametrize("password", ["%C3%B6", "\u00f6"])
def test_a_proxy_password_that_is_not_ascii_is_rejected(password: str, new_transport: NewTransport) -> None:
    """A call raises a UnicodeEncodeError that shows the password."""
    transport = new_transport(proxies={"https": f"http://agent:{password}secret@proxy.example:3128"})
    with pytest.raises(ConfigurationError, match="ASCII") as caught:
        send(transport, f"https://{AWS}/")
    assert "secret" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_certificate_of_a_tls_proxy_is_verified_for_plain_requests_too(
    authority: trustme.CA, bundle: str, new_transport: NewTransport
) -> None:
    """An impostor of the proxy gets the password and the session token."""
    with ScriptedServer([serves()], context=context_with(authority.issue_cert("other.example"))) as proxy:
        transport = new_transport(verify=bundle, proxies=proxies_to(proxy, "https", USER))
        with pytest.raises(SignOutConnectionError):
            send(transport, "http://service.example/")
    assert not proxy.requests
