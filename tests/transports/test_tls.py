"""TLS over real sockets: which servers are trusted, and how failures are reported."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cognito_signout import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from cognito_signout.transports._tls import default_ca_bundle

from .scripted import OK, PATIENCE, ScriptedServer, answers, drips, sends, serves, waits_for_close
from .test_http import HEAD, client_sockets, send

if TYPE_CHECKING:
    from pathlib import Path

    from .on_a_loop import NewTransport
    from .scripted import Peer


def context_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """The TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_cert(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """The paths of a client's certificate, its key, and of both in one file."""
    certificate = authority.issue_cert("client@service.example")
    folder = tmp_path_factory.mktemp("client")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    return str(folder / "certificate.pem"), str(folder / "key.pem"), str(folder / "both.pem")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_with_a_certificate_from_the_bundle_is_trusted(
    host: str, bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """Private endpoints can't be used, or TLS connections are not reused."""
    transport = new_transport(verify=bundle)
    with ScriptedServer([serves()], context=server_context) as server:
        for _ in range(3):
            assert send(transport, f"https://{host}:{server.port}/").body == b"{}"
        transport.close()
    assert len(server.peers) == 1


def test_a_stale_connection_is_detected_in_tls(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """The first call after an idle minute fails."""
    transport = new_transport(verify=bundle)
    with ScriptedServer([answers(OK)], context=server_context) as server:
        for _ in range(3):
            assert send(transport, server.url).status == 200
            server.wait_until_finished()
        transport.close()


def expired(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server whose certificate expired yesterday."""
    now = dt.datetime.now(dt.timezone.utc)
    begin, end = now - dt.timedelta(days=9), now - dt.timedelta(days=1)
    return context_with(authority.issue_cert("localhost", not_before=begin, not_after=end))


def old(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server that supports at most TLS 1.1."""
    context = context_with(authority.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def requires_client_certificate(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server that requires a client certificate."""
    context = context_with(authority.issue_cert("localhost", "127.0.0.1"))
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


UNTRUSTED: dict[str, Any] = {
    "wrong host": (lambda authority: context_with(authority.issue_cert("other.example")), "(?i)hostname mismatch"),
    "unknown authority": (lambda _: context_with(trustme.CA().issue_cert("localhost")), "certificate verify failed"),
    "expired": (expired, "certificate has expired"),
    "TLS 1.1": (old, "(?i)protocol"),
    "no client certificate": (requires_client_certificate, "(?i)certificate required|EOF|reset|broken pipe"),
}


@pytest.mark.parametrize(("make_context", "text"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_nothing_is_sent_to_an_untrusted_server(
    make_context: Any, text: str, authority: trustme.CA, bundle: str, new_transport: NewTransport
) -> None:
    """An attacker on the network reads the session token and the username."""
    transport = new_transport(verify=bundle)
    with ScriptedServer([serves()], context=make_context(authority)) as server:
        with pytest.raises(SignOutConnectionError, match=text):
            send(transport, server.url)
        assert not client_sockets(server)
    assert not server.requests


def test_a_private_authority_is_not_trusted_by_default(
    server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """Certificates are not verified against the default bundle."""
    transport = new_transport()
    with (
        ScriptedServer([serves()], context=server_context) as server,
        pytest.raises(SignOutConnectionError, match="certificate verify failed"),
    ):
        send(transport, server.url)


def test_verify_false_disables_verification(new_transport: NewTransport) -> None:
    """``verify=False`` does not work with a self-signed development server."""
    transport = new_transport(verify=False)
    with ScriptedServer([serves()], context=context_with(trustme.CA().issue_cert("other.example"))) as server:
        assert send(transport, server.url).status == 200
        transport.close()


@pytest.mark.parametrize("in_one_file", [True, False])
def test_the_client_certificate_is_sent(
    in_one_file: bool,
    client_cert: tuple[str, str, str],
    authority: trustme.CA,
    bundle: str,
    new_transport: NewTransport,
) -> None:
    """``Config(client_cert=…)`` is ignored."""
    transport = new_transport(verify=bundle, client_cert=client_cert[2] if in_one_file else client_cert[:2])
    with ScriptedServer([serves()], context=requires_client_certificate(authority)) as server:
        assert send(transport, server.url).status == 200
        transport.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_https_to_a_plain_port_is_a_connection_error(answer: bytes, bundle: str, new_transport: NewTransport) -> None:
    """Https:// to a plain port raises an untyped error."""
    transport = new_transport(verify=bundle)
    with (
        ScriptedServer([sends(answer)]) as server,
        pytest.raises(SignOutConnectionError, match="could not connect to localhost"),
    ):
        send(transport, f"https://localhost:{server.port}/")


def test_plain_http_to_a_tls_port_is_a_connection_error(
    server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """Http:// to a TLS port raises an untyped error."""
    with ScriptedServer([serves()], context=server_context) as server, pytest.raises(SignOutConnectionError):
        send(new_transport(), f"http://localhost:{server.port}/")


def test_plain_bytes_within_tls_are_a_connection_error(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """Injected bytes are read as a response, or raise an untyped error."""

    def forges(peer: Peer) -> None:
        peer.read_request()
        socket.socket.send(peer.sock, OK)  # bypasses the TLS of this socket

    with ScriptedServer([forges, waits_for_close()], context=server_context) as server:
        transport = new_transport(verify=bundle)
        with pytest.raises(SignOutConnectionError, match="no complete response"):
            send(transport, server.url)
        transport.close()


def test_a_tls_close_notify_ends_the_connection(
    bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """A connection that the server has closed is used again."""

    def closes_tls(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        with suppress(OSError):  # the client closes the connection without close_notify
            peer.sock.unwrap()

    with ScriptedServer([answers(HEAD + b"\r\n{}"), closes_tls], [answers(OK)], context=server_context) as server:
        transport = new_transport(verify=bundle)
        assert send(transport, server.url).body == b"{}"  # close_notify ends this response
        assert send(transport, server.url).body == b"{}"
        transport.close()
    assert len(server.peers) == 2


@pytest.mark.parametrize(("connect_timeout", "timeout"), [(0.2, PATIENCE), (None, 0.2)])
@pytest.mark.parametrize("script", [[drips(b"\x16\x03\x03\x40\x00", b"\x00")], [waits_for_close()]])
def test_a_slow_handshake_ends_at_the_deadline(
    script: Any, connect_timeout: float | None, timeout: float | None, new_transport: NewTransport
) -> None:
    """A server with a slow handshake blocks a call for hours."""
    transport = new_transport(verify=False, connect_timeout=connect_timeout)
    with ScriptedServer(script) as server:
        with pytest.raises(SignOutTimeoutError, match="could not connect to localhost"):
            send(transport, f"https://localhost:{server.port}/", timeout=timeout)
        assert not client_sockets(server)


@pytest.mark.parametrize(("read_timeout", "timeout"), [(0.2, None), (None, 0.2)])
def test_a_slow_tls_response_ends_at_the_deadline(
    read_timeout: float | None,
    timeout: float | None,
    bundle: str,
    server_context: ssl.SSLContext,
    new_transport: NewTransport,
) -> None:
    """Deadlines have no effect in TLS."""
    transport = new_transport(verify=bundle, read_timeout=read_timeout)
    with (
        ScriptedServer([drips(b"HTTP/1.1 200 ")], context=server_context) as server,
        pytest.raises(SignOutTimeoutError),
    ):
        send(transport, server.url, timeout=timeout)


def unusable(name: str, folder: Path) -> str:
    """The path of a file that holds no certificate."""
    path = folder / name
    if name == "folder":
        path.mkdir()
    elif name != "missing":
        path.write_bytes({"empty": b"", "garbage": b"\x00\xff", "no certificate": b"-----BEGIN NOTHING-----\n"}[name])
    return str(path)


@pytest.mark.parametrize("name", ["missing", "folder", "empty", "garbage", "no certificate", "NUL"])
@pytest.mark.parametrize(
    "culprit", ["CA bundle", "CA bundle with a client certificate", "client certificate", "client certificate's key"]
)
def test_an_unusable_certificate_file_is_named(
    culprit: str,
    name: str,
    tmp_path: Path,
    client_cert: tuple[str, str, str],
    bundle: str,
    server_context: Any,
    new_transport: NewTransport,
) -> None:
    """An on-call engineer looks at the wrong file."""
    path = "with a \0" if name == "NUL" else unusable(name, tmp_path)
    arguments: dict[str, dict[str, Any]] = {
        "CA bundle": {"verify": path},
        "CA bundle with a client certificate": {"verify": path, "client_cert": client_cert[2]},
        "client certificate": {"verify": bundle, "client_cert": path},
        "client certificate's key": {"verify": bundle, "client_cert": (client_cert[0], path)},
    }
    transport = new_transport(**arguments[culprit])
    with ScriptedServer([serves()], context=server_context) as server:
        with pytest.raises(ConfigurationError) as caught:
            send(transport, server.url)
        assert not client_sockets(server)
    assert " ".join(culprit.removesuffix("'s key").split()[:2]) in caught.value.message
    assert path in caught.value.message


def test_a_key_that_does_not_match_its_certificate_is_a_configuration_error(
    client_cert: tuple[str, str, str], tmp_path: Path, new_transport: NewTransport
) -> None:
    """Mixed-up files are reported only as the server's refusal."""
    trustme.CA().issue_cert("client@service.example").private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    transport = new_transport(client_cert=(client_cert[0], str(tmp_path / "key.pem")))
    with (
        ScriptedServer([serves()]) as server,
        pytest.raises(ConfigurationError, match=r"client certificate .*key\.pem can't be used"),
    ):
        send(transport, f"https://localhost:{server.port}/")


def test_the_default_bundle_is_the_one_that_botocore_uses() -> None:
    """We trust other authorities than boto3 does."""
    from botocore.httpsession import get_cert_path

    assert default_ca_bundle() == get_cert_path(True)


def test_without_certifi_the_default_bundle_is_the_one_that_botocore_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without certifi can't verify any server."""
    from botocore.httpsession import DEFAULT_CA_BUNDLE

    monkeypatch.setitem(__import__("sys").modules, "certifi", None)
    assert default_ca_bundle() == DEFAULT_CA_BUNDLE
