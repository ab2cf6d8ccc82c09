"""Responses are read even if the connection then fails: statuses, error codes, short messages, early errors."""

from __future__ import annotations

import fcntl
import json
import sys
import termios
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config

from cognito_signout import (
    AuthenticationError,
    InternalServiceError,
    NotAuthorizedError,
    ServiceError,
    SignOutConnectionError,
    TooManyRequestsError,
    UnknownServiceError,
)

from .scripted import PATIENCE, ScriptedServer, answers, reads, resets, sends, serves, waits_for_close
from .test_dead_connections import new_clients
from .test_http import client_sockets, make_request

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

    from .on_a_loop import NewTransport
    from .scripted import Peer, Step
    from .test_dead_connections import NewClient

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture(params=["blocking", "asyncio"])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients: the test runs with each kind."""
    yield from new_clients(request.param)


# A truncated body

BODY = b'{"__type": "Other", "message": "the whole mess'
CUTS = {
    "after the headers": b"Content-Length: 200\r\n\r\n",
    "within a length": b"Content-Length: 200\r\n\r\n" + BODY,
    "within a chunk": b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + BODY,
    "between chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(BODY), BODY),
    "within a chunk's size": b"Transfer-Encoding: chunked\r\n\r\nf",
    "without a length": b"\r\n" + BODY,
}
ENDS: dict[str, list[Step]] = {"reset": [resets()], "closed": []}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(
    ("status", "aws_code", "error_class"),
    [
        (401, "IncompleteSignature", AuthenticationError),
        (403, "NotAuthorizedException", NotAuthorizedError),
        (407, "ProxyException", UnknownServiceError),
        (500, "InternalErrorException", InternalServiceError),
    ],
)
def test_an_error_response_with_a_truncated_body_keeps_its_status_and_code(
    status: int, aws_code: str, error_class: type[ServiceError], cut: bytes, end: list[Step], new_client: NewClient
) -> None:
    """A refusal looks like a network error and is retried."""
    head = b"HTTP/1.1 %d \r\nX-Amzn-ErrorType: %s:http://internal/\r\nx-amzn-RequestId: 1\r\n" % (
        status,
        aws_code.encode(),
    )
    with (
        ScriptedServer([reads(), sends(head + cut), *end]) as server,
        new_client(endpoint_url=server.url, config=ONE_ATTEMPT) as client,
        pytest.raises(error_class) as caught,
    ):
        client.sign_out()
    error = caught.value
    assert (error.http_status, error.aws_code, error.request_id) == (status, aws_code, "1")
    assert "the whole" not in error.message


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("status", [401, 403, 407, 500])
def test_an_error_response_that_is_truncated_while_it_is_read_keeps_its_status(
    status: int, end: list[Step], new_client: NewClient
) -> None:
    """The status is lost when the connection breaks during the body."""
    head = b"HTTP/1.1 %d \r\nContent-Length: 200\r\n\r\n" % status
    with (
        ScriptedServer([reads(), sends(head), waits_until_read(), sends(BODY), waits_until_read(), *end]) as server,
        new_client(endpoint_url=server.url, config=ONE_ATTEMPT) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.sign_out()
    assert caught.value.http_status == status


BADLY_FRAMED = {
    "a broken chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}",
    "two encodings and a length": b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 2\r\n\r\n{}",
    "chunks and a length": b"Content-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("framing", BADLY_FRAMED.values(), ids=BADLY_FRAMED)
def test_a_badly_framed_error_response_closes_its_connection(framing: bytes, new_transport: NewTransport) -> None:
    """The rest of one response is read as the response for another user."""
    transport = new_transport()
    with ScriptedServer(
        [reads(), sends(b"HTTP/1.1 500 \r\n" + framing), waits_for_close()],
        [serves()],
    ) as server:
        with suppress(SignOutConnectionError):  # both outcomes are allowed
            assert transport.send(make_request(server.url), timeout=PATIENCE).status == 500
        assert server.closed_by_client.wait(PATIENCE)
        assert transport.send(make_request(server.url), timeout=PATIENCE).body == b"{}"
        transport.close()
    assert len(server.peers) == 2


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_connection_that_broke_within_an_error_response_is_not_kept(cut: bytes, new_transport: NewTransport) -> None:
    """Dead connections fill the pool."""
    transport = new_transport()
    with ScriptedServer([reads(), sends(b"HTTP/1.1 500 \r\n" + cut)]) as server:
        assert transport.send(make_request(server.url), timeout=PATIENCE).status == 500
        assert not client_sockets(server)
        transport.close()


def waits_until_read() -> Step:
    """Waits until the client has read everything that was sent."""

    def step(peer: Peer) -> None:
        (sock,) = client_sockets(peer.server)
        while unread(sock):
            assert not peer.server.stopping.wait(0.001)

    return step


def unread(sock: socket.socket) -> int:
    """The number of bytes that have arrived on a socket and have not been read."""
    count = bytearray(4)
    fcntl.ioctl(sock, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


# A short message


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; charset=utf-8", "Text/Plain"])
@pytest.mark.parametrize(
    ("status", "error_class"), [(403, UnknownServiceError), (429, TooManyRequestsError), (503, InternalServiceError)]
)
def test_a_short_plain_text_body_is_the_error_message(
    status: int, error_class: type[ServiceError], content_type: str, new_client: NewClient
) -> None:
    """A gateway's explanation is replaced by a generic message."""
    body = b"upstream is busy,\r\n try later\n"
    answer = b"HTTP/1.1 %d \r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        content_type.encode(),
        len(body),
        body,
    )
    with (
        ScriptedServer([answers(answer)]) as server,
        new_client(endpoint_url=server.url, config=ONE_ATTEMPT) as client,
        pytest.raises(error_class) as caught,
    ):
        client.sign_out()
    assert caught.value.message == "upstream is busy, try later"
    assert caught.value.http_status == status


def test_a_plain_text_body_without_a_length_is_the_error_message(new_client: NewClient) -> None:
    """An explanation that ends with the connection is lost."""
    with (
        ScriptedServer([answers(b"HTTP/1.0 503 Busy\r\nContent-Type: text/plain\r\n\r\nno capacity")]) as server,
        new_client(endpoint_url=server.url, config=ONE_ATTEMPT) as client,
        pytest.raises(InternalServiceError) as caught,
    ):
        client.sign_out()
    assert caught.value.message == "no capacity"


# An early response

REFUSAL = json.dumps({"__type": "NotAuthorizedException", "message": "Too early!"}).encode()
EARLY = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(REFUSAL), REFUSAL)


def reads_only(count: int) -> Step:
    """Reads the first bytes that arrive. Closing a socket with unread data sends a reset."""

    def step(peer: Peer) -> None:
        received = b""
        while len(received) < count:
            data = peer.sock.recv(count - len(received))
            assert data
            received += data

    return step


@pytest.mark.parametrize("count", [1, 100, 400])
def test_an_early_error_response_is_read(count: int, new_client: NewClient) -> None:
    """A gateway that rejects a request by its first headers looks like a network error."""
    with (
        ScriptedServer([reads_only(count), sends(EARLY)]) as server,
        new_client(endpoint_url=server.url, config=ONE_ATTEMPT) as client,
    ):
        for _ in range(10):
            with pytest.raises(NotAuthorizedError) as caught:
                client.sign_out()
            assert caught.value.message == "Too early!"
    assert len(server.peers) == 10


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("count", [1, 1000, 200_000])
def test_an_early_error_response_to_a_large_body_is_read(
    count: int, is_tls: bool, bundle: str, server_context: ssl.SSLContext, new_transport: NewTransport
) -> None:
    """The response is lost when sending fails midway."""
    transport = new_transport(verify=bundle)
    script = [reads_only(count), sends(EARLY)]
    with ScriptedServer(script, context=server_context if is_tls else None) as server:
        for _ in range(10):
            response = transport.send(make_request(server.url, b"x" * 2**20), timeout=PATIENCE)
            assert (response.status, response.body) == (403, REFUSAL)
        transport.close()
    assert len(server.peers) == 10


# A proxy's response


@pytest.mark.parametrize("body", [b"", b"agent:open-sesame is not a user of mine"])
def test_a_forwarding_proxy_that_requires_a_password_is_named(body: bytes, new_client: NewClient) -> None:
    """An on-call engineer suspects AWS, or a log shows the proxy's password."""
    answer = (
        b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=agent:open-sesame\r\n"
        b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    with ScriptedServer([serves(answer)]) as proxy:
        config = Config(proxies={"http": f"http://agent:open-sesame@localhost:{proxy.port}"})
        with new_client(endpoint_url="http://pools.example", config=config) as client:
            with pytest.raises(SignOutConnectionError, match=f"the proxy localhost:{proxy.port} ") as caught:
                client.sign_out()
            assert (caught.value.http_status, caught.value.attempts) == (407, 1)
        assert not client_sockets(proxy)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [secret for secret in ("open-sesame", "YWdlbnQ6b3Blbi1zZXNhbWU") if secret in shown]
    assert b"YWdlbnQ6b3Blbi1zZXNhbWU" in proxy.requests[0]
