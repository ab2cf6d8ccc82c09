"""Both transports over real sockets: what they send, what they accept as a response, and how long they wait."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cognito_signout import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from cognito_signout.transports import MAX_BODY, Headers, HttpRequest, HttpResponse, HttpTransport, Transport

from .scripted import (
    OK,
    PATIENCE,
    ScriptedServer,
    answers,
    calls,
    drips,
    echoes,
    floods,
    reads,
    receives,
    resets,
    sends,
    serves,
    waits_for,
    waits_for_close,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from .on_a_loop import NewTransport
    from .scripted import Script, Step

SECRETS = ("AKIDEXAMPLE", "session-token", "alice")


def make_request(
    url: str, body: bytes = b'{"Username": "alice"}', headers: Mapping[str, str] | None = None
) -> HttpRequest:
    """A request that looks like a real one to a transport."""
    fixed = {
        "Host": "service.example",
        "Content-Length": str(len(body)),
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE",
        "X-Amz-Security-Token": "session-token",
    }
    return HttpRequest("POST", url, {**fixed, **(headers or {})}, body)


def send(transport: Transport, url: str, *, timeout: float | None = PATIENCE) -> HttpResponse:
    """Sends an ordinary request."""
    return transport.send(make_request(url), timeout=timeout)


@pytest.fixture
def transport(new_transport: NewTransport) -> Iterator[Transport]:
    """A transport with default settings."""
    transport = new_transport()
    yield transport
    transport.close()


class Interruption(BaseException):
    """Stands in for ``KeyboardInterrupt``, which would end the test run."""


# What is sent


def test_a_request_is_sent_unchanged(transport: Transport) -> None:
    """An HTTP library adds headers or changes the signed ones."""
    with ScriptedServer([serves()]) as server:
        send(transport, server.url + "some/path?a=b")
        transport.close()
    head = b"Host: service.example\r\nContent-Length: 21\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE"
    expected = (
        b"POST /some/path?a=b HTTP/1.1\r\n"
        + head
        + b'\r\nX-Amz-Security-Token: session-token\r\n\r\n{"Username": "alice"}'
    )
    assert server.requests == [expected]


def test_the_path_of_a_bare_host_is_the_root(transport: Transport) -> None:
    """An endpoint URL without a slash makes a malformed request line."""
    with ScriptedServer([serves()]) as server:
        send(transport, server.url.rstrip("/"))
        transport.close()
    assert server.requests[0].startswith(b"POST / HTTP/1.1\r\n")


@pytest.mark.parametrize("keepalive", [True, False])
def test_sockets_are_set_up_for_small_messages(keepalive: bool, new_transport: NewTransport) -> None:
    """Each call takes 40 ms more, or ``tcp_keepalive`` is ignored."""
    transport = new_transport(tcp_keepalive=keepalive)
    with ScriptedServer([serves()]) as server:
        send(transport, server.url)
        (sock,) = client_sockets(server)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is keepalive
        transport.close()


def client_sockets(server: ScriptedServer) -> list[socket.socket]:
    """The open sockets of this process that are connected to the server."""
    found = (item for item in gc.get_objects() if issubclass(type(item), socket.socket) and item.fileno() != -1)
    return [sock for sock in found if sock.family != socket.AF_UNIX and is_connected_to(sock, server.port)]


def is_connected_to(sock: socket.socket, port: int) -> bool:
    """Whether the socket is connected to a port."""
    try:
        return bool(sock.getpeername()[1] == port)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Header", "a\r\nX-Smuggled: b"),
        ("X-Header", "a\nb"),
        ("X-Header", "a\rb"),
        ("X-Header\r\nX-Smuggled", "a"),
        ("X-Header", "beyond Latin-1: \N{SNOWMAN}"),
    ],
)
def test_an_invalid_header_is_rejected_before_anything_is_sent(transport: Transport, name: str, value: str) -> None:
    """A setting can inject headers or a second request."""
    with ScriptedServer([waits_for_close()]) as server:
        with pytest.raises(ConfigurationError, match="header") as caught:
            transport.send(make_request(server.url, headers={name: value}), timeout=PATIENCE)
        transport.close()
    assert not any(segment for peer in server.peers for segment in peer.segments)
    assert_no_secrets(caught.value)


def test_a_non_ascii_header_is_sent() -> None:
    """A user agent with an accent breaks every call."""
    transport = HttpTransport()  # aiohttp sends it in UTF-8
    with ScriptedServer([serves()]) as server:
        transport.send(make_request(server.url, headers={"User-Agent": "café"}), timeout=PATIENCE)
        transport.close()
    assert "User-Agent: café\r\n".encode("latin-1") in server.requests[0]


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "http:///path", "http://[::1/", "http://host:99999/", ""])
def test_an_invalid_url_is_a_configuration_error(transport: Transport, url: str) -> None:
    """An event handler that changes the URL causes an untyped error."""
    with pytest.raises(ConfigurationError, match="URL"):
        send(transport, url)


# What is a response

LONG = b"x" * MAX_BODY
HEAD = b"HTTP/1.1 200 OK\r\n"


def sized(body: bytes) -> bytes:
    """A response with a length."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A response in chunks."""
    parts = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + parts + end


KEPT = {
    "length": (sized(b"{}"), 200, b"{}"),
    "empty": (sized(b""), 200, b""),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 200, b"{}"),
    "no reason": (b"HTTP/1.1 400\r\nContent-Length: 2\r\n\r\n{}", 400, b"{}"),
    "HTTP/1.0, kept alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"{}"), 200, b"{}"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "one chunk": (chunked(b"{}"), 200, b"{}"),
    "chunks": (chunked(b"{", b"}"), 200, b"{}"),
    "no chunk": (chunked(), 200, b""),
    "trailers": (chunked(b"{}", end=b"0\r\nX-Trailer: a\r\nX-Other: b\r\n\r\n"), 200, b"{}"),
    "chunk extensions": (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n02 ;a=b\r\n{}\r\n000;c\r\n\r\n", 200, b"{}"),
    "folded header": (HEAD + b"X-A: b\r\n c\r\n\td\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, b""),
    "1 MiB": (sized(LONG), 200, LONG),
    "1 MiB in chunks": (chunked(LONG[:-7], LONG[-7:]), 200, LONG),
}

CLOSED = {
    "Connection: close": (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "close among others": (HEAD + b"Connection: TE, Close\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "until it closes": (HEAD + b"\r\n{}", 200, b"{}"),
    "until it closes, an empty refusal": (b"HTTP/1.1 503 Busy\r\n\r\n", 503, b""),
    "more than 1 MiB": (sized(LONG + b"yz")[:-1], 200, LONG + b"y"),
    "far more than 1 MiB": (HEAD + b"Content-Length: 999999999999999\r\n\r\n" + LONG + b"yz", 200, LONG + b"y"),
    "more than 1 MiB in chunks": (chunked(LONG, b"yz", end=b""), 200, LONG + b"y"),
    "more than 1 MiB until it closes": (HEAD + b"\r\n" + LONG + b"yz", 200, LONG + b"y"),
}


@pytest.mark.parametrize(
    ("data", "status", "body", "is_kept"),
    [pytest.param(*case, True, id=name) for name, case in KEPT.items()]
    + [pytest.param(*case, False, id=name) for name, case in CLOSED.items()],
)
def test_a_response_is_read_to_its_end_and_no_further(
    transport: Transport, data: bytes, status: int, body: bytes, is_kept: bool
) -> None:
    """A good response is refused or truncated, or a dead connection is reused."""
    first: Script = [answers(data), serves()] if is_kept else [answers(data)]
    with ScriptedServer(first, [serves()]) as server:
        response = send(transport, server.url)
        assert (response.status, response.body) == (status, body)
        assert send(transport, server.url).body == b"{}"
        transport.close()
    assert [len(peer.requests) for peer in server.peers] == ([2] if is_kept else [1, 1])


def test_response_headers_are_read_unchanged(transport: Transport) -> None:
    """Request ids, dates and error codes are mangled."""
    data = (
        HEAD + b"X-Two: a\r\nx-two:b \r\nX-Fold: a\r\n \t b\r\nX-Latin: \xe9\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"
    )
    with ScriptedServer([answers(data)]) as server:
        headers = send(transport, server.url).headers
        transport.close()
    headers = {name: " ".join(value.split()) for name, value in headers.items()}  # whitespace in a fold varies
    assert Headers(headers) == {"x-two": "a, b", "x-fold": "a b", "x-latin": "é", "x-empty": "", "content-length": "0"}


BROKEN = {
    "nothing": b"",
    "half a version": b"HTT",
    "a status line without an end": b"HTTP/1.1 200 OK",
    "a status line cut after the status": b"HTTP/1.1 200",
    "no headers' end": HEAD,
    "a header cut off": HEAD + b"Content-Le",
    "a body cut off": HEAD + b"Content-Length: 3\r\n\r\n{}",
    "no body": HEAD + b"Content-Length: 3\r\n\r\n",
    "no length, and no body": HEAD + b"\r\n",
    "a chunk cut off": chunked(end=b"5\r\n{}"),
    "a chunk without its end": chunked(end=b"2\r\n{}"),
    "no last chunk": chunked(b"{}", end=b""),
    "only 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "garbage": bytes(range(256)),
    "a line of garbage": b"\xff\xfe\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SMTP": b"220 mail.example ESMTP\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 in words": b"HTTP/2 200\r\ncontent-length: 2\r\n\r\n{}",
    "HTTP/0.9": b"<html>\n",
    "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "its own request": b"POST /AKIDEXAMPLE HTTP/1.1\r\nX-Amz-Security-Token: session-token\r\n\r\nalice",
    "status 99": b"HTTP/1.1 099 \r\nContent-Length: 2\r\n\r\n{}",
    "status 20": b"HTTP/1.1 20\r\nContent-Length: 2\r\n\r\n{}",
    "status 2e2": b"HTTP/1.1 2e2 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status in other digits": "HTTP/1.1 \N{SUPERSCRIPT TWO}00 OK\r\n\r\n".encode("latin-1"),
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "two lengths in a list": HEAD + b"Content-Length: 2, 3\r\n\r\n{} ",
    "a length and nothing": HEAD + b"Content-Length: 2,\r\n\r\n{}",
    "no length": HEAD + b"Content-Length: \r\n\r\n{}",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a length in words": HEAD + b"Content-Length: two\r\n\r\n{}",
    "a length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\n0123456789",
    "a length in other digits": HEAD + b"Content-Length: \xb2\r\n\r\n{}",
    "a length of many digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a length that is folded": HEAD + b"Content-Length: 1\r\n 0\r\n\r\n0123456789",
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "another encoding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "no encoding": HEAD + b"Transfer-Encoding: identity\r\n\r\n{}",
    "a negative chunk": chunked(end=b"-1\r\n{}\r\n0\r\n\r\n"),
    "a chunk without a size": chunked(end=b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is not hexadecimal": chunked(end=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk of many digits": chunked(end=b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk that is never sent": chunked(end=b"f" * 16 + b"\r\n{}"),
    "a chunk longer than its size": chunked(end=b"1\r\n{}\r\n0\r\n\r\n"),
    "a header that is too long": HEAD + b"A: " + b"b" * 70000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "a status line that is too long": b"HTTP/1.1 200 " + b"b" * 70000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "no header": HEAD + b"no header\r\nContent-Length: 3\r\n\r\n{} ",
    "a header without a name": HEAD + b": a\r\nContent-Length: 2\r\n\r\n{}",
    "a first header that is folded": HEAD + b" Content-Length: 3\r\n\r\n{}",
    "a NUL in a name": HEAD + b"X\x00A: a\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BROKEN.items()])
def test_an_incomplete_or_malformed_response_is_a_connection_error(transport: Transport, data: bytes) -> None:
    """A truncated or forged response counts as a sign-out."""
    with ScriptedServer([answers(data)]) as server:
        with pytest.raises(SignOutConnectionError, match="no complete response") as caught:
            send(transport, server.url)
        transport.close()
    assert_no_secrets(caught.value)


#: Responses that some HTTP libraries accept and others reject.
TOLERATED = {
    "too many headers": HEAD + b"A: b\r\n" * 20000 + b"Content-Length: 2\r\n\r\n{}",
    "headers cut off": HEAD + b"Content-Length: 0\r\n",
    "no end of trailers": chunked(b"{}", end=b"0\r\n"),
    "trailers cut off": chunked(b"{}", end=b"0\r\nX-A: b\r\n"),
    "an empty line": b"\r\n" + OK,
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk of 0x2": chunked(end=b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a signed chunk": chunked(end=b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with an underscore": chunked(end=b"0_2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a space before it": chunked(end=b" 2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size of many bytes": chunked(end=b"0" * 70000 + b"2\r\n{}\r\n0\r\n\r\n"),
    "a broken trailer": chunked(b"{}", end=b"0\r\nno header\r\n\r\n"),
    "endless 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + OK,
    "a header with a space in its name": HEAD + b"Content-Length : 3\r\n\r\n{} ",
    "a NUL in a header": HEAD + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL in the reason": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\n{}",
    "a bare carriage return": HEAD + b"X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\n{}",
    "the same length in a list": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "the same length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "103 first": b"HTTP/1.1 103 \r\nLink: c\r\n\r\n" + OK,
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in TOLERATED.items()])
def test_a_response_that_only_some_libraries_accept_is_read_correctly_or_rejected(
    transport: Transport, data: bytes
) -> None:
    """A response is read as a different one."""
    with ScriptedServer([answers(data)]) as server:
        try:
            response = send(transport, server.url)
        except SignOutConnectionError as error:
            assert_no_secrets(error)
        else:
            assert (response.status, response.body.strip() or b"{}") == (200, b"{}")
        transport.close()


@pytest.mark.parametrize("data", [sized(b"{}"), chunked(b"{", b"}"), b"HTTP/1.1 100 \r\n\r\n" + OK])
def test_a_response_that_is_truncated_anywhere_is_a_connection_error(transport: Transport, data: bytes) -> None:
    """A lost connection can look like a sign-out."""
    end = b"0\r\n\r\n" if b"chunked" in data else b""  # http.client accepts the end of the stream in its place
    data = data.removesuffix(end)
    cuts = range(len(data))
    with ScriptedServer(*([answers(data[:cut])] for cut in cuts)) as server:
        for _ in cuts:
            with pytest.raises(SignOutConnectionError):
                send(transport, server.url)
    assert len(server.peers) == len(data)


def test_a_response_that_arrives_byte_by_byte_is_read(transport: Transport) -> None:
    """Calls fail on a slow network."""
    data = chunked(b"{", b"}", end=b"0\r\nX-Trailer: a\r\n\r\n")
    pieces = [data[position : position + 1] for position in range(len(data))]
    with ScriptedServer([reads(), sends(*pieces), serves()]) as server:
        assert send(transport, server.url).body == b"{}"
        assert send(transport, server.url).body == b"{}"
        transport.close()
    assert len(server.peers) == 1


class NextResponse:
    """The bytes that the server sends next. A property test sets them."""

    data = b""


FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 100", b"HTTP/1.1 204", b"HTTP/", b"\r\n", b"\n", b"\r", b" ",
        b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"0", b"2", b"-1", b"{}", b"ffff",
        b"\x00", b":", b",", b";", b"\r\n\r\n",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def any_server() -> Iterator[tuple[NextResponse, ScriptedServer]]:
    """A server that answers each connection with the bytes that the test sets, and closes it."""
    box = NextResponse()

    def answer(peer: Any) -> None:
        peer.read_request()
        peer.sock.sendall(box.data)

    with ScriptedServer([answer]) as server:
        yield box, server


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.lists(FRAGMENTS | st.binary(max_size=3), max_size=20).map(b"".join))
@example(OK)
@example(HEAD + b"\r\n")
def test_any_bytes_end_in_a_response_or_a_typed_error(
    new_transport: NewTransport, any_server: tuple[NextResponse, ScriptedServer], data: bytes
) -> None:
    """A call raises an exception that is not a SignOutError."""
    box, server = any_server
    box.data = data
    transport = new_transport()
    try:
        response = send(transport, server.url)
    except (SignOutConnectionError, SignOutTimeoutError):
        pass
    else:
        assert data.startswith(b"HTTP/1.")
        assert 200 <= response.status <= 999
    finally:
        transport.close()


# The pool


def test_connections_are_kept_and_the_last_one_is_used_first() -> None:
    """Each call needs a new handshake, or connections go stale in turn."""
    both = threading.Barrier(2)
    transport = HttpTransport()
    with ScriptedServer([reads(), calls(lambda: both.wait(PATIENCE)), sends(OK), serves()]) as server:
        with ThreadPoolExecutor(2) as threads:
            assert [r.status for r in threads.map(send, [transport] * 2, [server.url] * 2)] == [200, 200]
        for _ in range(3):
            send(transport, server.url)
        transport.close()
    assert sorted(len(peer.requests) for peer in server.peers) == [1, 4]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_the_number_of_idle_connections_is_limited(kept: int) -> None:
    """A burst of calls keeps its sockets open forever."""
    burst = 5
    all_arrived = threading.Barrier(burst)
    transport = HttpTransport(max_pool_connections=kept)
    with ScriptedServer([reads(), calls(lambda: all_arrived.wait(PATIENCE)), sends(OK), serves()]) as server:
        with ThreadPoolExecutor(burst) as threads:
            list(threads.map(send, [transport] * burst, [server.url] * burst))
        for _ in range(burst - kept):
            server.wait_until_finished()
        assert len(client_sockets(server)) == kept
        transport.close()


def test_a_connection_that_the_server_has_closed_is_not_used_again(transport: Transport) -> None:
    """The first call after an idle minute fails."""
    with ScriptedServer([answers(OK)]) as server:
        for _ in range(3):
            assert send(transport, server.url).status == 200
            server.wait_until_finished()
        transport.close()
    assert len(server.peers) == 3


def test_a_connection_that_was_reset_while_idle_is_not_used_again(transport: Transport) -> None:
    """A load balancer's reset fails the next call."""
    with ScriptedServer([answers(OK), resets()], [serves()]) as server:
        send(transport, server.url)
        server.wait_until_finished()
        assert send(transport, server.url).status == 200
        transport.close()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_surplus_response_is_not_used_for_the_next_request(transport: Transport, at_once: bool) -> None:
    """A response that was sent before the request counts as a sign-out."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    read, sent = threading.Event(), threading.Event()
    late: list[Step] = [answers(OK), waits_for(read), sends(forged), calls(sent.set)]
    early: list[Step] = [answers(OK + forged), calls(sent.set), serves()]
    with ScriptedServer(early if at_once else [*late, waits_for_close()], [serves()]) as server:
        assert send(transport, server.url).body == b"{}"
        read.set()
        assert sent.wait(PATIENCE)
        assert send(transport, server.url).body == b"{}"
        transport.close()


def test_a_redirect_is_not_followed(transport: Transport) -> None:
    """A signed request is sent to the host that a response names."""
    with ScriptedServer([serves()]) as other:
        data = b"HTTP/1.1 307 \r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % other.url.encode()
        with ScriptedServer([answers(data)]) as server:
            response = send(transport, server.url)
            assert (response.status, response.headers["location"]) == (307, other.url)
            transport.close()
    assert not other.peers


def test_a_call_after_close_opens_a_new_connection(transport: Transport) -> None:
    """A closed client can't be used again, or keeps its sockets open."""
    with ScriptedServer([answers(OK), waits_for_close()]) as server:
        send(transport, server.url)
        transport.close()
        assert server.closed_by_client.wait(PATIENCE)
        assert send(transport, server.url).status == 200
        transport.close()
    assert len(server.peers) == 2


def test_closing_with_calls_in_flight_leaves_no_socket_open() -> None:
    """Closing a client at shutdown leaks the sockets of its threads."""
    before = len(os.listdir("/proc/self/fd"))
    transport = HttpTransport()
    in_flight, closed = threading.Barrier(5), threading.Event()
    script = [reads(), calls(lambda: in_flight.wait(PATIENCE)), waits_for(closed), sends(OK), waits_for_close()]
    with ScriptedServer(script) as server, ThreadPoolExecutor(4) as threads:
        sent = [threads.submit(send, transport, server.url) for _ in range(4)]
        in_flight.wait(PATIENCE)
        transport.close()
        closed.set()
        assert [one.result(PATIENCE).status for one in sent] == [200] * 4
        for _ in sent:
            server.wait_until_finished()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_a_garbage_collected_transport_closes_its_connections_without_warnings(in_a_cycle: bool) -> None:
    """A forgotten ``close()`` leaks sockets or warns."""
    transport = HttpTransport()
    with ScriptedServer([answers(OK), waits_for_close()]) as server:
        send(transport, server.url)
        if in_a_cycle:
            transport.__dict__["itself"] = transport
        del transport
        gc.collect()
        assert server.closed_by_client.wait(PATIENCE)


def test_one_transport_serves_many_threads(transport: Transport) -> None:
    """A thread gets the response of another thread."""

    def work(thread: int, url: str) -> list[bytes]:
        requests = (make_request(url, b"%d %d" % (thread, call)) for call in range(200))
        return [transport.send(request, timeout=PATIENCE).body for request in requests]

    with ScriptedServer([echoes()]) as server:
        with ThreadPoolExecutor(16) as threads:
            answered = list(threads.map(work, range(16), [server.url] * 16))
        transport.close()
    assert answered == [[b"%d %d" % (thread, call) for call in range(200)] for thread in range(16)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own_connections() -> None:
    """A parent and its children read each other's responses."""
    transport = HttpTransport()

    def work(url: str) -> bool:
        bodies = [b"%d %d" % (os.getpid(), call) for call in range(50)]
        return [transport.send(make_request(url, body), timeout=PATIENCE).body for body in bodies] == bodies

    with ScriptedServer([echoes()]) as server:
        assert work(server.url)
        children = [fork(work, server.url) for _ in range(3)]
        assert work(server.url)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
        transport.close()
    by_peer = [{request.partition(b"\r\n\r\n")[2].split()[0] for request in peer.requests} for peer in server.peers]
    assert sorted(map(len, by_peer)) == [1, 1, 1, 1]
    assert {int(pid) for pids in by_peer for pid in pids} == {os.getpid(), *children}


def fork(work: Any, url: str) -> int:
    """Forks a child that does the work and exits with 0 on success. Returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = 0 if work(url) else 2
    finally:
        os._exit(status)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["the handshake", "the response"])
def test_an_interrupt_closes_the_connection(where: str, server_context: ssl.SSLContext) -> None:
    """After Ctrl-C, the next call reads the response of the interrupted one."""
    main = threading.get_ident()
    transport = HttpTransport(verify=False)
    handler = signal.signal(signal.SIGUSR1, interrupt)
    script: Script = [calls(lambda: signal.pthread_kill(main, signal.SIGUSR1)), waits_for_close()]
    try:
        first = reads() if where == "the response" else receives()
        with ScriptedServer([first, *script]) as server:
            url = server.url if where == "the response" else server.url.replace("http:", "https:")
            with pytest.raises(Interruption):
                send(transport, url)
            gc.collect()  # before Python 3.12, `ssl` leaves a socket to the collector when a handshake is interrupted
            assert server.closed_by_client.wait(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, handler)
        transport.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_while_connecting_closes_the_socket() -> None:
    """Ctrl-C during a connection attempt leaks a socket."""
    before = len(os.listdir("/proc/self/fd"))
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with unanswering_server() as url:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Interruption):
                send(HttpTransport(), url)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def interrupt(*_: object) -> None:
    """A signal handler."""
    raise Interruption


# Connection errors and timeouts


def unused_port() -> int:
    """A port that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param(f"http://127.0.0.1:{unused_port()}/", "refused", id="refused"),
        ("http://nowhere.invalid/", "could not connect to nowhere.invalid:80"),
        (f"http://{'a' * 64}.invalid/", "could not connect to a+.invalid:80"),
        ("https://nowhere.invalid/", "could not connect to nowhere.invalid:443"),
    ],
)
def test_an_unreachable_server_is_named(transport: Transport, url: str, text: str) -> None:
    """An on-call engineer does not know which host to check."""
    with pytest.raises(SignOutConnectionError, match=text) as caught:
        send(transport, url)
    assert_no_secrets(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        [reads(), resets()],
        [reads(), sends(HEAD), resets()],
        [reads(), sends(HEAD + b"\r\n"), resets()],
        [resets()],
    ],
)
def test_a_reset_is_a_connection_error(transport: Transport, script: list[Step]) -> None:
    """A reset raises an exception that callers don't catch."""
    with ScriptedServer(script) as server, pytest.raises(SignOutConnectionError):
        send(transport, server.url)


def test_ipv6_addresses_work(transport: Transport) -> None:
    """An endpoint such as http://[::1]:8000 can't be used."""
    with ScriptedServer([serves()], host="::1") as server:
        assert send(transport, f"http://[::1]:{server.port}/").status == 200
        transport.close()
    with pytest.raises(SignOutConnectionError, match=r"\[::1\]:"):
        send(transport, f"http://[::1]:{server.port}/")


def test_running_out_of_file_descriptors_is_a_connection_error(transport: Transport) -> None:
    """Too many open files cause an untyped error."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    url = f"http://127.0.0.1:{unused_port()}/"
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, allowed[1]))
    try:
        with pytest.raises(SignOutConnectionError, match="Too many open files"):
            send(transport, url)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, allowed)


def test_every_address_of_a_name_is_tried(transport: Transport) -> None:
    """A server that listens only on IPv4 can't be reached by a name with both."""
    with ScriptedServer([serves()]) as server:
        assert send(transport, f"http://localhost:{server.port}/").status == 200
        transport.close()


@pytest.mark.parametrize(
    ("limits", "timeout"), [({"connect_timeout": 0.2}, None), ({"connect_timeout": None}, 0.2), ({}, 0.2)]
)
def test_connecting_ends_at_the_deadline(
    limits: dict[str, float | None], timeout: float | None, new_transport: NewTransport
) -> None:
    """A call to a host that drops packets hangs."""
    transport = new_transport(**limits)
    with unanswering_server() as url, pytest.raises(SignOutTimeoutError, match="could not connect"):
        send(transport, url, timeout=timeout)


@contextmanager
def unanswering_server() -> Iterator[str]:
    """The URL of a server that never accepts a connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):  # fill its queue
            stack.enter_context(connecting(port))
        yield f"http://127.0.0.1:{port}/"


def connecting(port: int) -> socket.socket:
    """A socket that has started to connect."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", port))
    return sock


def test_an_unresponsive_address_leaves_time_for_the_next_one(
    new_transport: NewTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dead node fails every call, although another node answers."""
    transport = new_transport(connect_timeout=0.5)
    with unanswering_server() as dead, ScriptedServer([serves()]) as server:
        ports = [int(dead.rstrip("/").rpartition(":")[2]), server.port]
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)
        assert send(transport, "http://two-addresses.example/").status == 200
        transport.close()


@pytest.mark.parametrize("timeout", [0.0, -1.0])
@pytest.mark.parametrize("is_warm", [True, False])
def test_no_time_left_is_a_timeout(transport: Transport, timeout: float, is_warm: bool) -> None:
    """A call without any time left hangs or raises an untyped error."""
    with ScriptedServer([serves()]) as server:
        if is_warm:
            send(transport, server.url)
        with pytest.raises(SignOutTimeoutError):
            send(transport, server.url, timeout=timeout)
        transport.close()
    assert len(server.requests) == is_warm


SLOW: dict[str, list[Step]] = {
    "silence": [reads(), waits_for_close()],
    "never read": [waits_for_close()],
    "status line": [reads(), drips(b"HTTP/1.1 200 ")],
    "headers": [reads(), drips(HEAD + b"X-A: ")],
    "many headers": [reads(), drips(HEAD, b"A: b\r\n")],
    "100 repeatedly": [reads(), drips(b"", b"HTTP/1.1 100 \r\n\r\n")],
    "body": [reads(), drips(HEAD + b"Content-Length: 9999\r\n\r\n")],
    "body until it closes": [reads(), drips(HEAD + b"\r\n")],
    "chunk size": [reads(), drips(chunked(end=b""), b"0")],
    "chunk": [reads(), drips(chunked(end=b"ff\r\n"))],
    "chunks": [reads(), drips(chunked(end=b""), b"1\r\nx\r\n")],
    "trailers": [reads(), drips(chunked(end=b"0\r\nX-A: "))],
}


@pytest.mark.slow
@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in SLOW.items()])
@pytest.mark.parametrize(("read_timeout", "timeout"), [(0.15, PATIENCE), (None, 0.15)])
def test_a_slow_response_ends_at_the_deadline(
    script: list[Step], read_timeout: float | None, timeout: float | None, new_transport: NewTransport
) -> None:
    """A server that sends a byte now and then blocks a call for hours."""
    transport = new_transport(read_timeout=read_timeout)
    with ScriptedServer(script) as server, pytest.raises(SignOutTimeoutError, match="no complete response"):
        send(transport, server.url, timeout=timeout)
    assert not client_sockets(server)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "endless", "length"),
    [
        (HEAD + b"\r\n", b"x" * 65536, MAX_BODY + 1),
        (HEAD + b"Content-Length: 999999999999\r\n\r\n", b"x" * 65536, MAX_BODY + 1),
        (chunked(end=b""), b"ffff\r\n" + b"x" * 65535 + b"\r\n", MAX_BODY + 1),
        (HEAD, b"X-A: b\r\n" * 99, None),
        (b"", b"HTTP/1.1 100 \r\n\r\n" * 99, None),
        (chunked(end=b"0\r\n"), b"X-A: b\r\n" * 99, None),
        (chunked(end=b""), b"1\r\nx\r\n" * 99, None),
    ],
)
def test_an_endless_response_is_read_only_up_to_the_limit(
    new_transport: NewTransport, start: bytes, endless: bytes, length: int | None
) -> None:
    """A server can fill the memory of its clients."""
    transport = new_transport(read_timeout=1.0)
    with ScriptedServer([reads(), floods(start, endless)]) as server:
        try:
            assert len(send(transport, server.url).body) == MAX_BODY + 1
        except (SignOutConnectionError, SignOutTimeoutError):
            assert length is None
        assert not client_sockets(server)


def assert_no_secrets(error: BaseException) -> None:
    """Checks that neither the error nor its causes show anything of the request."""
    shown: BaseException | None = error
    while shown is not None:
        assert not any(secret in f"{shown} {shown!r}" for secret in SECRETS)
        shown = shown.__cause__ if shown.__suppress_context__ else shown.__context__
