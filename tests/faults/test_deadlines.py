"""A call ends at its timeout, at whatever point the server is slow. The client's own timeouts are long."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cognito_signout import SignOutConnectionError, SignOutTimeoutError

from ..transports.scripted import PATIENCE, answers, drips, reads, receives, resets, sends, waits_for_close
from ..transports.test_http import HEAD, chunked
from ..transports.test_proxies import ESTABLISHED
from .certificates import speaks_tls
from .matrix import DATA_RECORD, HANDSHAKE_RECORD, Fault, Way, breaks, hangs, to_unresponsive_server
from .scene import BOUND, Scene, by_both_clients, check_error, play_blocking

if TYPE_CHECKING:
    from botocore.session import Session

    from ..transports.scripted import Peer, Script, Step
    from .scene import Play

pytestmark = pytest.mark.slow

#: How long, in seconds, a call may take.
TIMEOUT = 0.7


def drips_outside_tls(start: bytes) -> Step:
    """Sends one byte after the other on a TLS connection without encrypting them."""

    def step(peer: Peer) -> None:
        socket.socket.sendall(peer.sock, start)
        while not peer.server.stopping.wait(0.02):
            socket.socket.sendall(peer.sock, b"\0")

    return step


DRIPS: dict[Way, dict[str, Script]] = {
    "http": {
        "nothing": [waits_for_close()],
        "status line": [reads(), drips(b"HTTP/1.1 200 ")],
        "header": [reads(), drips(HEAD + b"X-A: ")],
        "headers": [reads(), drips(HEAD, b"A: b\r\n")],
        "1xx": [reads(), drips(b"", b"HTTP/1.1 100 \r\n\r\n")],
        "body": [reads(), drips(HEAD + b"Content-Length: 9999\r\n\r\n")],
        "body until it closes": [reads(), drips(HEAD + b"\r\n")],
        "chunk's size": [reads(), drips(chunked(end=b""), b"0")],
        "chunk's extension": [reads(), drips(chunked(end=b"2;"))],
        "chunk": [reads(), drips(chunked(end=b"ff\r\n"))],
        "chunks": [reads(), drips(chunked(end=b""), b"1\r\nx\r\n")],
        "trailers": [reads(), drips(chunked(end=b"0\r\nX-A: "))],
        "an error's body": [reads(), drips(b"HTTP/1.1 500 Any\r\n\r\n")],
    },
    "https": {
        "nothing": [receives(), waits_for_close()],
        "handshake": [receives(), drips(HANDSHAKE_RECORD, b"\0")],
        "handshake's record": [receives(), drips(b"\x16", b"\x03")],
        "status line": [speaks_tls(), reads(), drips(b"HTTP/1.1 200 ")],
        "body": [speaks_tls(), reads(), drips(HEAD + b"Content-Length: 9999\r\n\r\n")],
        "record": [speaks_tls(), reads(), drips_outside_tls(DATA_RECORD)],
        "record within a body": [
            speaks_tls(), reads(), sends(HEAD + b"Content-Length: 9999\r\n\r\n"), drips_outside_tls(DATA_RECORD)
        ],
    },
    "forwarded": {
        "status line": [reads(), drips(b"HTTP/1.1 502 ")],
        "body": [reads(), drips(b"HTTP/1.1 502 Any\r\n\r\n")],
    },
    "tunnelled": {
        "nothing": [reads(), waits_for_close()],
        "CONNECT's status line": [reads(), drips(b"HTTP/1.1 200 ")],
        "CONNECT's headers": [reads(), drips(HEAD, b"A: b\r\n")],
        "CONNECT's 1xx": [reads(), drips(b"", b"HTTP/1.1 100 \r\n\r\n")],
        "handshake": [answers(ESTABLISHED), receives(), drips(HANDSHAKE_RECORD, b"\0")],
        "body": [answers(ESTABLISHED), speaks_tls(), reads(), drips(HEAD + b"\r\n")],
    },
}  # fmt: skip


@by_both_clients
@pytest.mark.parametrize(
    "fault",
    [
        *(
            pytest.param(hangs(*script, way=way), id=f"{way}: {name}")
            for way, scripts in DRIPS.items()
            for name, script in scripts.items()
        ),
        pytest.param(hangs(detour=to_unresponsive_server), id="packets are dropped"),
    ],
)
def test_a_call_ends_at_its_timeout_however_slowly_bytes_arrive(
    fault: Fault, play: Play, bundle: str, session: Session
) -> None:
    """A server that sends a byte now and then blocks a call for hours."""
    if play is play_blocking and fault.way not in ("http", "https"):
        pytest.skip("botocore's timeouts apply to each read, so a slow proxy can exceed them")
    scene = Scene(fault, bundle=bundle, session=session, patience=PATIENCE, timeout=TIMEOUT)
    outcome = play(scene)
    assert isinstance(outcome, SignOutTimeoutError)
    assert outcome.attempts == 1
    assert scene.took < BOUND
    check_error(outcome, fault.says)


@by_both_clients
def test_attempts_that_fail_quickly_end_at_the_timeout(play: Play, bundle: str, session: Session) -> None:
    """Each attempt has its own timeout, or a call sleeps past its deadline."""
    fault = breaks(reads(), resets())
    scene = Scene(fault, bundle=bundle, session=session, max_attempts=30, timeout=TIMEOUT)
    outcome = play(scene)
    assert isinstance(outcome, (SignOutConnectionError, SignOutTimeoutError))  # the timeout may end within an attempt
    assert 1 < outcome.attempts < 30
    assert scene.took < BOUND
