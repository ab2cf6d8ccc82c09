"""TLS beyond the handshake: post-handshake client certificates, encrypted keys, key logs, and tools that replace
the ``ssl`` module or parts of it.
"""

from __future__ import annotations

import os
import pty
import select
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from cognito_signout import ConfigurationError, SignOutConnectionError

from .scripted import OK, PATIENCE, ScriptedServer, answers, calls, reads, sends, serves, waits_for_close
from .test_http import client_sockets, send
from .test_proxies import proxies_to, tunnels_to
from .test_tls import context_with

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

    from .on_a_loop import NewTransport
    from .scripted import Peer, Step

CLIENT = "client@service.example"


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a client's certificate and its key."""
    path: Path = tmp_path_factory.mktemp("client") / "both.pem"
    authority.issue_cert(CLIENT).private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(params=["direct", "proxied"])
def is_proxied(request: pytest.FixtureRequest) -> bool:
    """Whether the call goes through a proxy."""
    return bool(request.param == "proxied")


# Client certificates after the handshake


@pytest.fixture
def asking_context(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server that can request a client certificate after the handshake, which TLS 1.3 allows."""
    context = context_with(authority.issue_cert("localhost"))
    authority.configure_trust(context)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.post_handshake_auth = True
    return context


def asks_for_certificate(names: list[str]) -> Step:
    """Reads a request, requests the client's certificate, records its name, and answers this request and later ones."""

    def step(peer: Peer) -> None:
        sock = peer.sock
        assert isinstance(sock, ssl.SSLSocket)
        peer.read_request()
        assert sock.getpeercert() is None
        sock.verify_client_post_handshake()
        sock.do_handshake()  # sends the certificate request
        sock.settimeout(0)  # the certificate is not data: a blocking read would wait for the next request
        while not sock.getpeercert():
            select.select([sock], [], [], PATIENCE)
            try:
                assert not sock.recv(1)
            except ssl.SSLWantReadError:
                continue
            return  # the client has closed the connection
        sock.settimeout(None)
        certificate: Any = sock.getpeercert()
        names.append(certificate["subjectAltName"][0][1])
        sock.sendall(OK)
        serves()(peer)

    return step


def test_a_server_can_request_a_client_certificate_after_the_request(
    is_proxied: bool, asking_context: ssl.SSLContext, bundle: str, certificate: str, new_transport: NewTransport
) -> None:
    """Servers that protect one path with certificates refuse every call."""
    names: list[str] = []
    with (
        ScriptedServer([asks_for_certificate(names)], context=asking_context) as server,
        ScriptedServer(tunnels_to(server)) as proxy,
    ):
        proxies = proxies_to(proxy) if is_proxied else None
        transport = new_transport(verify=bundle, client_cert=certificate, proxies=proxies)
        for _ in range(2):
            assert send(transport, server.url).body == b"{}"
        transport.close()
        assert len(proxy.peers) == is_proxied
    assert names == [CLIENT]
    assert len(server.peers) == 1


def test_a_missing_client_certificate_after_the_request_is_a_connection_error(
    asking_context: ssl.SSLContext, bundle: str, new_transport: NewTransport
) -> None:
    """The message does not say that a certificate is missing."""
    names: list[str] = []
    with ScriptedServer([asks_for_certificate(names)], context=asking_context) as server:
        transport = new_transport(verify=bundle)
        with pytest.raises(SignOutConnectionError, match=r"(?i)certificate required"):
            send(transport, server.url)
        assert not client_sockets(server)
    assert not names


# Encrypted keys


@pytest.fixture(scope="module", params=["PKCS8", "TraditionalOpenSSL"])
def encrypted(
    request: pytest.FixtureRequest, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str, str]:
    """The paths of a certificate, its encrypted key, and of both in one file."""
    folder: Path = tmp_path_factory.mktemp("encrypted")
    certificate = authority.issue_cert(CLIENT)
    chain = certificate.cert_chain_pems[0].bytes()
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, request.param),
        serialization.BestAvailableEncryption(b"pass phrase"),
    )
    for name, content in {"certificate": chain, "key": key, "both": key + chain}.items():
        (folder / f"{name}.pem").write_bytes(content)
    return str(folder / "certificate.pem"), str(folder / "key.pem"), str(folder / "both.pem")


@pytest.mark.parametrize("in_one_file", [True, False])
def test_an_encrypted_key_is_a_configuration_error(
    in_one_file: bool, is_proxied: bool, encrypted: tuple[str, str, str], bundle: str, new_transport: NewTransport
) -> None:
    """The error does not say what is wrong with the file."""
    files = encrypted[2:] if in_one_file else encrypted[:2]
    with ScriptedServer([serves()]) as server:
        transport = new_transport(
            verify=bundle,
            client_cert=files[0] if in_one_file else files,
            proxies=proxies_to(server) if is_proxied else None,
        )
        with pytest.raises(ConfigurationError, match="encrypted") as caught:
            send(transport, f"https://localhost:{server.port}/")
        assert not server.peers
    assert all(path in caught.value.message for path in files)


#: Uses an encrypted key in every possible way. Prints whether each error is the expected one.
ENCRYPTED_CALLS = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient, ConfigurationError, SignOutClient
from botocore.config import Config
if sys.stdin.isatty():
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    open('/dev/tty').close()  # where OpenSSL prompts for a pass phrase

bundle, certificate, key, both = sys.argv[1:]
user = {'user_pool_id': 'us-east-1_Ab129faBb', 'username': 'alice'}
plain, secure = {'https': 'http://127.0.0.1:9'}, {'https': 'https://127.0.0.1:9'}

def settings(**config):
    return {'endpoint_url': 'https://127.0.0.1:9', 'verify': bundle, 'config': Config(**config)}

for each in (
    settings(client_cert=both),
    settings(client_cert=(certificate, key)),
    settings(client_cert=both, proxies=plain),
    settings(client_cert=both, proxies=secure),
    settings(proxies=secure, proxies_config={'proxy_client_cert': both}),
):
    blocking, asynchronous = SignOutClient(**each), AsyncSignOutClient(**each)
    for call in (lambda: blocking.sign_out(**user), lambda: asyncio.run(asynchronous.sign_out(**user))):
        try:
            call()
        except ConfigurationError as error:
            print('encrypted' in error.message or 'does not support' in error.message, flush=True)
"""


@pytest.mark.parametrize("has_terminal", [True, False])
def test_no_pass_phrase_is_prompted_for_with_an_encrypted_key(
    has_terminal: bool, encrypted: tuple[str, str, str], bundle: str
) -> None:
    """A call waits for someone to type a pass phrase."""
    screen, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENCRYPTED_CALLS, bundle, *encrypted],
            stdin=terminal if has_terminal else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.stdout.split(), done.stderr) == (["True"] * 10, "")
        assert not select.select([screen], [], [], 0)[0]  # nothing is shown
    finally:
        os.close(screen)
        os.close(terminal)


# Key logs


def test_tls_keys_are_written_to_sslkeylogfile(
    is_proxied: bool,
    bundle: str,
    server_context: ssl.SSLContext,
    new_transport: NewTransport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wireshark can't decrypt the traffic, as it can with boto3."""
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with (
        ScriptedServer([serves()], context=server_context) as server,
        ScriptedServer(tunnels_to(server)) as proxy,
    ):
        transport = new_transport(verify=bundle, proxies=proxies_to(proxy) if is_proxied else None)
        assert send(transport, server.url).status == 200
        transport.close()
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()


def test_an_empty_sslkeylogfile_is_ignored(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSLKEYLOGFILE=`` makes every call fail."""
    monkeypatch.setenv("SSLKEYLOGFILE", "")
    with ScriptedServer([serves()], context=server_context) as server:
        transport = new_transport(verify=bundle)
        assert send(transport, server.url).status == 200
        transport.close()


def test_a_key_log_that_can_not_be_written_is_a_configuration_error(
    is_proxied: bool, new_transport: NewTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is retried, or the error does not name the variable."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    with ScriptedServer([serves()]) as server:
        transport = new_transport(proxies=proxies_to(server) if is_proxied else None)
        with pytest.raises(ConfigurationError, match=r"SSLKEYLOGFILE.*missing/keys"):
            send(transport, f"https://localhost:{server.port}/")
        assert not server.peers


# Tools that replace the ssl module, or parts of it

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/x-amz-json-1.1\r\n\r\n{}"
#: The start of each program, after the code that activates the tool.
PROGRAM = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutTimeoutError
url, bundle = sys.argv[1:3]
user = {'user_pool_id': 'us-east-1_Ab129faBb', 'username': 'alice'}
"""


def run(code: str, *arguments: str, **variables: str) -> str:
    """Runs a program. Returns its output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


#: Two calls of each client.
CALLS = """
settings = {'endpoint_url': url, 'verify': verify}

async def main():
    async with AsyncSignOutClient(**settings) as client:
        for _ in range(2): await client.sign_out(**user)

with SignOutClient(**settings) as client:
    for _ in range(2): client.sign_out(**user)
asyncio.run(main())
"""


@pytest.mark.parametrize("verify", ["None", "bundle", "False"])
def test_truststore_works(verify: str, is_proxied: bool, bundle: str, server_context: ssl.SSLContext) -> None:
    """Programs that use truststore for the system's certificates can't make a call."""
    code = f"import truststore; truststore.inject_into_ssl(){PROGRAM}verify = {verify}{CALLS}"
    with (
        ScriptedServer([serves(ANSWER)], context=server_context) as server,
        ScriptedServer(tunnels_to(server)) as proxy,
    ):
        variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"} if is_proxied else {}
        if verify == "None":
            variables["SSL_CERT_FILE"] = bundle
        run(code, server.url, bundle, **variables)
        assert len(proxy.peers) == (2 if is_proxied else 0)
    assert [len(peer.requests) for peer in server.peers] == [2, 2]


#: Code that makes threads, sockets and TLS green, and defines ``spawn`` and ``wait``.
GREEN = {
    "eventlet": """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # eventlet says that it is deprecated
    import eventlet
    eventlet.monkey_patch()
spawn, wait = eventlet.spawn, lambda thread: thread.wait()
""",
    "gevent": """
from gevent import monkey
monkey.patch_all()
import gevent
spawn, wait = gevent.spawn, lambda thread: thread.get()
""",
}


@pytest.fixture(params=GREEN)
def green(request: pytest.FixtureRequest) -> str:
    """The code that makes a program's threads green."""
    pytest.importorskip(request.param)
    return GREEN[request.param]


def test_green_threads_reuse_connections(green: str, bundle: str, server_context: ssl.SSLContext) -> None:
    """Every call in a program with green threads needs a new TLS handshake."""
    code = """
with SignOutClient(endpoint_url=url, verify=bundle) as client:
    for _ in range(3): client.sign_out(**user)
"""
    with ScriptedServer([serves(ANSWER)], context=server_context) as server:
        run(green + PROGRAM + code, server.url, bundle)
    assert [len(peer.requests) for peer in server.peers] == [3]


def test_green_threads_run_while_a_call_waits(green: str, bundle: str, server_context: ssl.SSLContext) -> None:
    """One slow call blocks all green threads of a program."""
    code = """
with SignOutClient(endpoint_url=url, verify=bundle) as client:
    for each in [spawn(client.sign_out, **user) for _ in range(2)]: wait(each)
    users = [f'user-{number}' for number in range(20)]
    outcomes = client.sign_out_many(user_pool_id=user['user_pool_id'], usernames=users)
    assert sorted(outcome.username for outcome in outcomes) == sorted(users)
"""
    both_arrived = threading.Barrier(2)
    waits = [reads(), calls(lambda: both_arrived.wait(PATIENCE)), sends(ANSWER), serves(ANSWER)]
    with ScriptedServer(waits, waits, [serves(ANSWER)], context=server_context) as server:
        run(green + PROGRAM + code, server.url, bundle)
    assert len(server.requests) == 22


def test_green_threads_notice_closed_connections_and_deadlines(
    green: str, bundle: str, server_context: ssl.SSLContext
) -> None:
    """A program with green threads loses calls or hangs."""
    code = """
with SignOutClient(endpoint_url=url, verify=bundle) as client, SignOutClient(endpoint_url=sys.argv[3]) as other:
    client.sign_out(**user)
    other.sign_out(**user)  # returns after the first connection is closed
    assert client.sign_out(**user).attempts == 1
    try: client.sign_out(**user, timeout=0.3)
    except SignOutTimeoutError: print('late')
"""
    hangs = [answers(ANSWER), waits_for_close()]
    with ScriptedServer([answers(ANSWER)], hangs, context=server_context) as server:
        gate = [reads(), calls(server.wait_until_finished), sends(ANSWER)]
        with ScriptedServer(gate) as other:
            assert run(green + PROGRAM + code, server.url, bundle, other.url) == "late"
    assert len(server.peers) == 2
