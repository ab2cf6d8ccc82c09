"""The fault matrix: the name of each fault, what the server does, and the expected outcome of a call.

A fault affects either every attempt or only the first one. Clients make at most two attempts. A fault that is retried
ends in its error after two attempts, or in a result if it happens only once. Any other fault ends the call at once.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from attrs import evolve, field, frozen

from cognito_signout import (
    InternalServiceError,
    InvalidResponseError,
    SignOutConnectionError,
    SignOutResult,
    SignOutTimeoutError,
    UnknownServiceError,
    UserNotFoundError,
)

from ..transports.scripted import (
    OK,
    answers,
    drips,
    floods,
    reads,
    receives,
    resets,
    sends,
    serves,
    waits_for_close,
)
from ..transports.test_http import HEAD, LONG, chunked, sized, unanswering_server
from ..transports.test_proxies import ESTABLISHED
from .certificates import speaks_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from typing import Any, TypeAlias

    from ..transports.scripted import Peer, Script, Step

    #: Creates another target for the server's name, which exists as long as the stack. Returns its host and port.
    Detour: TypeAlias = Callable[[ExitStack], tuple[str, int]]

USERNAME = "alice.liddell"

#: How clients reach the server: directly, in plain HTTP or in TLS, or as a proxy. The proxy forwards plain requests,
#: forwards requests that it receives in TLS, or opens tunnels.
Way = Literal["http", "https", "forwarded", "forwarded in TLS", "tunnelled"]
#: The steps before the first request, without a fault.
OPENINGS: dict[Way, Sequence[Step]] = {
    "http": [],
    "https": [speaks_tls()],
    "forwarded": [],
    "forwarded in TLS": [speaks_tls()],
    "tunnelled": [answers(ESTABLISHED), speaks_tls()],
}


@frozen(kw_only=True)
class Fault:
    """A fault.

    Attributes:
        script: What the server does on every connection with the fault.
        script_once: The same for a fault that happens once. The script may continue normally on the same connection.
            If it does not, the next connection works.
        ends_in: The outcome of a call if the fault affects all attempts.
        says: A regular expression that matches the error's text.
        attempts: How many attempts a call makes: two if the fault is retried.
        arrives: Whether the request arrives at the server; ``None`` if it may or may not.
        hangs: Whether only a timeout ends the fault.
        way: How the server is reached.
        kept: What the server does on a first connection, which has already served another call.
        ends_idle: Whether that connection is closed when the call starts.
        detour: What the server's name resolves to instead.
        blocking: Fields that differ for the blocking client, which uses another HTTP library.
        asynchronous: Fields that differ for the async client.
    """

    script: Script
    script_once: Script = field()
    ends_in: type = SignOutConnectionError
    says: str = ""
    attempts: int = 2
    arrives: bool | None = True
    hangs: bool = False
    way: Way = "http"
    kept: Script | None = None
    ends_idle: bool = False
    detour: Detour | None = None
    blocking: Mapping[str, Any] = field(factory=dict)
    asynchronous: Mapping[str, Any] = field(factory=dict)

    def for_client(self, client: Literal["blocking", "async"]) -> Fault:
        """The fault with the fields that apply to this client."""
        return evolve(self, **(self.blocking if client == "blocking" else self.asynchronous))

    @script_once.default
    def _as_always(self) -> Script:
        return self.script

    @property
    def is_retried(self) -> bool:
        """Whether there is a second attempt."""
        return self.attempts == 2


def breaks(*script: Step, **rest: Any) -> Fault:
    """A fault that breaks the connection or the response."""
    return Fault(script=script, **rest)


def hangs(*script: Step, **rest: Any) -> Fault:
    """A fault that lasts until a timeout."""
    return Fault(script=script, **{"says": "took too long", "ends_in": SignOutTimeoutError, "hangs": True, **rest})


def passes(*script: Step, **rest: Any) -> Fault:
    """Unusual but harmless behaviour: the first attempt succeeds."""
    return Fault(script=script, ends_in=SignOutResult, attempts=1, **rest)


def answered(data: bytes, ends_in: type, says: str = "", *, attempts: int = 1, **rest: Any) -> Fault:
    """A complete response that is not the expected one."""
    once: list[Step] = [answers(data), serves()]
    return Fault(script=[serves(data)], script_once=once, ends_in=ends_in, says=says, attempts=attempts, **rest)


def answered_and_closed(data: bytes, ends_in: type, says: str, *, attempts: int = 1) -> Fault:
    """A response with complete headers and a truncated body."""
    return Fault(script=[answers(data)], ends_in=ends_in, says=says, attempts=attempts)


def broken(data: bytes, says: str, **rest: Any) -> Fault:
    """A truncated or invalid response, followed by the end of the connection."""
    return breaks(answers(data), says=says, **rest)


def no_answer(data: bytes, of: str = "", **rest: Any) -> Fault:
    """A complete response with status 200 that is not Cognito's response to a sign-out. It is not retried."""
    return answered(data, InvalidResponseError, rf"no answer to a sign-out \(HTTP 200, .*{of}\)", **rest)


def failure(data: bytes, says: str, *, way: Way = "http") -> Fault:
    """A complete response that reports a temporary failure of the service."""
    return answered(data, InternalServiceError, says, attempts=2, way=way)


# Steps that only the matrix needs


def reads_half() -> Step:
    """Reads the beginning of a request."""

    def step(peer: Peer) -> None:
        peer.sock.recv(20)

    return step


def redirects(status: int) -> Step:
    """Reads a request, and redirects it to this server."""

    def step(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(
            b"HTTP/1.1 %d Elsewhere\r\nLocation: %selsewhere\r\nContent-Length: 0\r\n\r\n"
            % (status, peer.server.url.encode())
        )

    return step


def sends_outside_tls(data: bytes) -> Step:
    """Sends bytes on a TLS connection without encrypting them."""

    def step(peer: Peer) -> None:
        socket.socket.sendall(peer.sock, data)

    return step


def closes_tls() -> Step:
    """Closes TLS properly, with close_notify."""

    def step(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        with suppress(OSError):  # the client closes the connection without close_notify
            peer.sock.unwrap()

    return step


# What a name resolves to


def to_closed_port(stack: ExitStack) -> tuple[str, int]:
    """A port that no process listens on, reserved so that no other process gets it."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return "127.0.0.1", bound.getsockname()[1]


def to_unknown_name(_: ExitStack) -> tuple[str, int]:
    """A name that does not resolve."""
    return "nowhere.invalid", 80


def to_unresponsive_server(stack: ExitStack) -> tuple[str, int]:
    """A server that never accepts a connection."""
    url = stack.enter_context(unanswering_server())
    return "127.0.0.1", int(url.rstrip("/").rpartition(":")[2])


# Responses


def answer(status: int, body: bytes = b"", *headers: bytes) -> bytes:
    """A complete response."""
    lines = [b"HTTP/1.1 %d Any" % status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def chunks(data: bytes) -> bytes:
    """A chunked response with exactly these bytes as its body."""
    return chunked(end=data)


#: The start of a long TLS record: of a handshake, and of a response.
HANDSHAKE_RECORD = b"\x16\x03\x03\x40\x00"
DATA_RECORD = b"\x17\x03\x03\x40\x00"

JSON = b"Content-Type: application/x-amz-json-1.1"
GZIP = b"Content-Encoding: gzip"
CLOSE = b"Connection: close"
PAGE = b"<html><body>Welcome to the hotel's network, %s!</body></html>" % USERNAME.encode()
HTML = b"Content-Type: text/html; charset=utf-8"
INVALID_UTF_8 = b'{"message": "\xff\xfe\xe9"}'
GZIPPED = gzip.compress(b"{}")
NO_SUCH_USER = json.dumps({"__type": "UserNotFoundException", "message": "User does not exist."}).encode()
ECHO = json.dumps({"message": f"what does {USERNAME} want?"}).encode()

CUT_OFF = "closed before the response was complete"
NO_HTTP = f"not valid HTTP|{CUT_OFF}"  # depending on what the HTTP library detects first
TOO_LONG = f"too long|{NO_HTTP}"
LOST = f"reset|{CUT_OFF}|[Bb]roken pipe"

#: For rows that only one of the HTTP libraries rejects as invalid.
INVALID: Mapping[str, Any] = {"ends_in": SignOutConnectionError, "says": NO_HTTP, "attempts": 2}
#: For rows that may fail before the request is sent.
TALKS_FIRST: Mapping[str, Any] = {"arrives": None}
#: For rows that one library keeps reading until the timeout.
ENDLESSLY: Mapping[str, Any] = {"ends_in": SignOutTimeoutError, "says": "took too long", "hangs": True}

CONNECTION: dict[str, Fault] = {
    "connection refused": breaks(detour=to_closed_port, says="could not connect to .*refused", arrives=False),
    "the name has no address": breaks(
        detour=to_unknown_name, says="could not connect to service.example", arrives=False
    ),
    "packets are dropped": hangs(detour=to_unresponsive_server, arrives=False),
    "closed before the request": breaks(says=LOST, arrives=False),
    "reset before the request": breaks(resets(), says=LOST, arrives=False),
    "reset within the request": breaks(reads_half(), resets(), says=LOST, arrives=False),
    "reset after the request": breaks(reads(), resets(), says=LOST),
    "reset within the headers": breaks(answers(HEAD), resets(), says=LOST),
    "reset within the body": breaks(answers(sized(b"{}")[:-1]), resets(), says=LOST),
    "closed after the request": breaks(reads(), says=CUT_OFF),
    "no response": hangs(reads(), waits_for_close()),
}

KEPT: dict[str, Fault] = {
    "closed while idle": passes(serves(), kept=[answers(OK)], ends_idle=True),
    "reset while idle": passes(serves(), kept=[answers(OK), resets()], ends_idle=True),
    "408 on an idle connection": passes(serves(), kept=[answers(OK), sends(answer(408, b"", CLOSE))], ends_idle=True),
    "a surplus response": passes(serves(), kept=[answers(OK + answer(400, NO_SUCH_USER)), serves()], ends_idle=False),
    "closed while idle, in TLS": passes(
        speaks_tls(), serves(), way="https", kept=[speaks_tls(), answers(OK)], ends_idle=True
    ),
    "closed as the next request arrives": breaks(reads(), kept=[answers(OK), reads()], says=CUT_OFF),
    "reset as the next request arrives": breaks(reads(), resets(), kept=[answers(OK), reads(), resets()], says=LOST),
    "silent to the next request": hangs(reads(), waits_for_close(), kept=[answers(OK), reads(), waits_for_close()]),
}

CUT: dict[str, Fault] = {
    "half a status line": broken(b"HTTP/1.1 2", NO_HTTP),
    "a status line and no more": broken(HEAD, CUT_OFF),
    "half the headers": broken(HEAD + b"Content-Length: 2\r\nX-Am", NO_HTTP),
    "headers without the final line break": broken(HEAD + b"Content-Length: 2\r\n", CUT_OFF),
    "half the body": broken(sized(b"{}")[:-1], CUT_OFF),
    "no body": broken(sized(b"{}")[:-2], CUT_OFF),
    "half the body, then silence": hangs(answers(sized(b"{}")[:-1]), waits_for_close()),
    "half an error": answered_and_closed(answer(400, NO_SUCH_USER)[:-3], UnknownServiceError, "HTTP 400"),
}

OTHER_PROTOCOLS: dict[str, Fault] = {
    "garbage": broken(bytes(range(256)), NO_HTTP),
    "garbage without a line break": broken(b"\xff" * 999, NO_HTTP),
    "SSH": breaks(sends(b"SSH-2.0-OpenSSH_9.6\r\n"), reads(), says=NO_HTTP, asynchronous=TALKS_FIRST),
    "SMTP": breaks(sends(b"220 mail.example ESMTP\r\n"), reads(), says=NO_HTTP, asynchronous=TALKS_FIRST),
    "HTTP/2": broken(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", NO_HTTP),
    "HTTP/2 that waits for the preface": hangs(
        answers(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
        waits_for_close(),
        asynchronous=INVALID,
    ),
    "HTTP/2's preface": broken(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NO_HTTP),
    "HTTP/0.9": broken(PAGE + b"\n", NO_HTTP),
    "another protocol from here on": broken(b"HTTP/1.1 101 Any\r\nUpgrade: h2c\r\n\r\n", NO_HTTP),
    "the request itself": breaks(lambda peer: peer.sock.sendall(peer.read_request()), says=NO_HTTP),
}

PACES: dict[str, Fault] = {
    "one byte at a time": passes(reads(), sends(*(OK[at : at + 1] for at in range(len(OK)))), serves()),
    "one byte at a time, endlessly": hangs(reads(), drips(HEAD + b"Content-Length: 9999\r\n\r\n")),
}

LENGTHS: dict[str, Fault] = {
    "a length that is too long": broken(answer(200, b"{}").replace(b": 2", b": 3"), CUT_OFF),
    "a length that is too long, then silence": hangs(
        answers(answer(200, b"{}").replace(b": 2", b": 3")), waits_for_close()
    ),
    "a length that is too short": no_answer(answer(200, b"{}").replace(b": 2", b": 1"), asynchronous=INVALID),
    "a negative length": broken(HEAD + b"Content-Length: -2\r\n\r\n{}", NO_HTTP),
    "a length that is not a number": broken(HEAD + b"Content-Length: two\r\n\r\n{}", NO_HTTP),
    "an empty length": broken(HEAD + b"Content-Length:\r\n\r\n{}", NO_HTTP),
    "two lengths that disagree": broken(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", NO_HTTP),
    "no length": passes(answers(HEAD + b"\r\n{}")),
    "no length, and half a body": breaks(
        answers(HEAD + b"\r\n{"), ends_in=InvalidResponseError, says="no answer to a sign-out", attempts=1
    ),
    "two lengths that agree": broken(HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", NO_HTTP),
    "a length and chunks": broken(
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NO_HTTP
    ),
}

CHUNKS: dict[str, Fault] = {
    "a chunk with an invalid size": broken(chunks(b"two\r\n{}\r\n0\r\n\r\n"), NO_HTTP),
    "a chunk of a negative size": broken(chunks(b"-2\r\n{}\r\n0\r\n\r\n"), NO_HTTP),
    "a chunk without its line break": broken(chunks(b"2\r\n{}0\r\n\r\n"), NO_HTTP),
    "a truncated chunk": broken(chunks(b"9\r\n{}"), CUT_OFF),
    "a missing last chunk": broken(chunks(b"2\r\n{}\r\n"), CUT_OFF),
    "an endless chunk extension": breaks(
        reads(), floods(chunks(b"2;"), b"x" * 9999), says=TOO_LONG, asynchronous=ENDLESSLY
    ),
    "endless trailers": breaks(reads(), floods(chunks(b"0\r\n"), b"A: b\r\n" * 999), says=TOO_LONG, blocking=ENDLESSLY),
    "chunks of gzip": broken(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NO_HTTP),
}

ENDLESS: dict[str, Fault] = {
    "an endless status line": breaks(reads(), floods(b"HTTP/1.1 200 ", b"x" * 9999), says=TOO_LONG),
    "endless headers": breaks(reads(), floods(HEAD, b"A: b\r\n" * 999), says=TOO_LONG),
    "an endless header": breaks(reads(), floods(HEAD + b"A: ", b"b" * 9999), says=TOO_LONG),
    "endless 1xx": hangs(reads(), floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99)),
    "some 1xx": passes(
        serves(b"HTTP/1.1 100 Continue\r\n\r\n" * 99 + b"HTTP/1.1 103 \r\nA: b\r\n\r\n" + OK), blocking=INVALID
    ),
    "an endless body": breaks(
        reads(),
        floods(HEAD + b"\r\n", b"x" * 65536),
        ends_in=InvalidResponseError,
        says="longer than 1 MiB",
        attempts=1,
    ),
    "endless chunks": breaks(
        reads(),
        floods(chunks(b""), b"ffff\r\n" + b"x" * 65535 + b"\r\n"),
        ends_in=InvalidResponseError,
        says="longer than 1 MiB",
        attempts=1,
    ),
    "a body of 1 MiB and a byte": answered(sized(LONG + b"x"), InvalidResponseError, "longer than 1 MiB"),
    "an endless error": breaks(
        reads(), floods(b"HTTP/1.1 500 Any\r\n\r\n", b"x" * 65536), ends_in=InternalServiceError, says="HTTP 500"
    ),
}

# Requests ask for unencoded responses (Accept-Encoding: identity), so nothing is decoded, as in boto3.
ENCODINGS: dict[str, Fault] = {
    "gzip of {}": no_answer(answer(200, GZIPPED, JSON, GZIP), "json-1.1, gzip"),
    "truncated gzip": no_answer(answer(200, GZIPPED[:-9], JSON, GZIP), "json-1.1, gzip"),
    "invalid gzip": no_answer(answer(200, b"no gzip", JSON, GZIP), "json-1.1, gzip"),
    "gzip without Content-Encoding": no_answer(answer(200, GZIPPED, JSON)),
    "Content-Encoding without gzip": passes(serves(answer(200, b"{}", JSON, GZIP))),
    "gzip of nothing": passes(serves(answer(200, b"", JSON, GZIP))),
    "gzip of an error": answered(answer(400, gzip.compress(NO_SUCH_USER), GZIP), UnknownServiceError, "HTTP 400"),
    "invalid UTF-8 in a body": no_answer(answer(200, INVALID_UTF_8, JSON)),
    "invalid UTF-8 in an error": answered(answer(400, INVALID_UTF_8, JSON), UnknownServiceError, "HTTP 400"),
    "invalid UTF-8 in a header": passes(serves(answer(200, b"{}", b"X-Amzn-RequestId: \xff\xe9", b"X-Any: \xfe"))),
    "invalid UTF-8 in an error's code": answered(
        answer(400, b"{}", b"X-Amzn-ErrorType: \xff\xe9"), UnknownServiceError, "\xff\xe9"
    ),
    "invalid UTF-8 in a header's name": broken(answer(200, b"{}", b"X-\xff: a"), NO_HTTP),
    "invalid UTF-8 in the status line": passes(serves(answer(200, b"{}").replace(b"Any", b"\xff\xfe"))),
    "invalid UTF-8 in the status": broken(b"HTTP/1.1 2\xb20 OK\r\n\r\n", NO_HTTP),
}

STATUSES: dict[str, Fault] = {
    **{
        f"{status}": Fault(
            script=[redirects(status), serves()],
            ends_in=InvalidResponseError,
            says="redirect, which is never followed",
            attempts=1,
        )
        for status in (301, 302, 303, 307, 308)
    },
    "304": answered(b"HTTP/1.1 304 Any\r\n\r\n", InvalidResponseError, "HTTP 304"),
    "304 with a body": answered(answer(304, b"{}"), InvalidResponseError, "HTTP 304", asynchronous=INVALID),
    "204": answered(b"HTTP/1.1 204 Any\r\n\r\n", InvalidResponseError, r"HTTP 204"),
    "202 with an empty object": answered(answer(202, b"{}", JSON), InvalidResponseError, "HTTP 202"),
    "200 without a body": no_answer(answer(200)),
    "200 with HTML": no_answer(answer(200, PAGE, HTML), "text/html; charset=utf-8"),
    "200 with half an object": no_answer(answer(200, b"{", JSON)),
    "200 with null": no_answer(answer(200, b"null", JSON)),
    "200 with a list": no_answer(answer(200, b"[{}]", JSON)),
    "200 with another object": no_answer(answer(200, b'{"status": "ok"}', b"Content-Type: application/json")),
    "200 with unknown members": passes(serves(answer(200, b'{"RevokedAt": 1}', JSON))),
    "200 with an error's name": no_answer(answer(200, NO_SUCH_USER, JSON)),
    "200 with success in words": no_answer(answer(200, b'{"success": "true"}', JSON)),
    "200 with success and an error": no_answer(answer(200, b'{"success": true, "error": {}}', JSON)),
    "200 with lists in lists": no_answer(answer(200, b"[" * 99_999, JSON)),
    "200 with the request's body": Fault(
        script=[lambda peer: peer.sock.sendall(answer(200, peer.read_request(), HTML)), serves()],
        ends_in=InvalidResponseError,
        says="no answer to a sign-out",
        attempts=1,
    ),
    "200 with the service's own failure": answered(
        answer(200, b'{"success": false, "error": {"code": "INTERNAL_ERROR", "message": "Oh."}}', JSON),
        InternalServiceError,
        "Oh.",
        attempts=2,
    ),
    "404 with HTML": answered(answer(404, PAGE, HTML), UnknownServiceError, "HTTP 404"),
    "400 that names the user": answered(answer(400, ECHO), UnknownServiceError, r"what does \*\*\* want\?"),
    "500": failure(answer(500), "HTTP 500"),
    "500 with JSON": failure(answer(500, b'{"__type": "InternalErrorException", "message": "Oh."}', JSON), "Oh."),
    "500 that names the user": failure(answer(500, ECHO), r"what does \*\*\* want\?"),
    "500 with success": failure(answer(500, b'{"success": true}', JSON), "HTTP 500"),
    "500 with another error's code": answered(
        answer(500, NO_SUCH_USER, JSON), UserNotFoundError, "does not exist", attempts=2
    ),
    "500 with half a body": answered_and_closed(answer(500, PAGE)[:-9], InternalServiceError, "HTTP 500", attempts=2),
    "502 with HTML": failure(answer(502, PAGE, HTML), "HTTP 502"),
    "503 with garbage": failure(answer(503, bytes(range(256))), "HTTP 503"),
    "503, then closed": failure(answer(503, b"", CLOSE), "HTTP 503"),
    "504 with broken gzip": failure(answer(504, b"no gzip", GZIP), "HTTP 504"),
    "501": answered(answer(501), InternalServiceError, "HTTP 501"),
    "599 with HTML": answered(answer(599, PAGE, HTML), InternalServiceError, "HTTP 599"),
}


def breaks_tls(*script: Step, says: str) -> Fault:
    """A fault that prevents the TLS handshake, so the request is not sent."""
    return breaks(*script, says=f"could not connect to localhost:.*({says})", arrives=False, way="https")


TLS: dict[str, Fault] = {
    "a plain port": breaks_tls(receives(), sends(answer(400, PAGE, CLOSE)), says="(?i:wrong.version.number)"),
    "an SSH port": breaks_tls(sends(b"SSH-2.0-OpenSSH_9.6\r\n"), receives(), says="(?i:wrong.version.number)"),
    "an alert": breaks_tls(receives(), sends(b"\x15\x03\x03\x00\x02\x02\x28"), says="(?i:handshake.failure)"),
    "closed before the handshake": breaks_tls(says="(?i:eof|reset|closed|broken pipe)"),
    "closed within the handshake": breaks_tls(receives(), says="(?i:eof|reset|closed|broken pipe)"),
    "reset within the handshake": breaks_tls(receives(), resets(), says="(?i:eof|reset|closed|broken pipe)"),
    "no handshake": hangs(receives(), waits_for_close(), arrives=False, way="https"),
    "a certificate for another host": breaks_tls(
        speaks_tls("of another host"), serves(), says="(?i:hostname mismatch)"
    ),
    "an expired certificate": breaks_tls(speaks_tls("expired"), serves(), says="certificate has expired"),
    "a self-signed certificate": breaks_tls(speaks_tls("self-signed"), serves(), says="self.signed certificate"),
    "a certificate of an unknown authority": breaks_tls(
        speaks_tls("of an unknown authority"), serves(), says="certificate verify failed"
    ),
    "half a response in TLS": breaks(speaks_tls(), answers(HEAD + b"Content-"), says=NO_HTTP, way="https"),
    "a reset in TLS": breaks(
        speaks_tls(), answers(HEAD + b"Content-"), resets(), says=f"{LOST}|{NO_HTTP}", way="https"
    ),
    "close_notify within a response": breaks(
        speaks_tls(), answers(HEAD + b"Content-"), closes_tls(), says=NO_HTTP, way="https"
    ),
    "a client certificate is required": breaks(
        speaks_tls("good, but wants the client's"),
        serves(),
        says=f"(?i:certificate.required|handshake.failure|eof|{LOST})",
        arrives=False,
        way="https",
    ),
    "no response in TLS": hangs(speaks_tls(), reads(), waits_for_close(), way="https"),
    "a response outside TLS": breaks(
        speaks_tls(), reads(), sends_outside_tls(OK), waits_for_close(), says="no complete response", way="https"
    ),
    "plain HTTP to a TLS port": breaks(speaks_tls(), serves(), says="no complete response", arrives=False),
}

BY_PROXY = "pools.example:80 through the proxy "
BY_TUNNEL = "localhost:443 through the proxy "


def distrusted(*script: Step) -> Fault:
    """A proxy that can't be trusted in TLS, so it must not receive the request."""
    says = "could not connect to pools.example:80 through the proxy localhost:"
    return breaks(*script, says=says, arrives=False, way="forwarded in TLS")


FORWARDING_PROXY: dict[str, Fault] = {
    "a proxy that is down": breaks(
        detour=to_closed_port,
        way="forwarded",
        says="could not connect to .* through the proxy service.example:",
        arrives=False,
    ),
    "a proxy that requires a password": answered(
        answer(407, PAGE, HTML), SignOutConnectionError, "the proxy 127.0.0.1:.*HTTP 407", way="forwarded"
    ),
    "a proxy that forbids the request": answered(
        answer(403, PAGE, HTML), UnknownServiceError, "HTTP 403", way="forwarded"
    ),
    "a proxy that can't reach the server": failure(answer(502, PAGE, HTML), "HTTP 502", way="forwarded"),
    "a proxy that closes": breaks(reads(), says=BY_PROXY, way="forwarded"),
    "a proxy that resets": breaks(reads(), resets(), says=BY_PROXY, way="forwarded"),
    "a proxy that answers garbage": broken(bytes(range(256)), BY_PROXY, way="forwarded"),
    "a proxy that is silent": hangs(reads(), waits_for_close(), says=f"{BY_PROXY}.*took too long", way="forwarded"),
    "a proxy without TLS": distrusted(receives(), sends(answer(400, PAGE))),
    "a proxy's certificate for another host": distrusted(speaks_tls("of another host"), serves()),
    "a proxy's expired certificate": distrusted(speaks_tls("expired"), serves()),
    "a proxy that closes in TLS": breaks(speaks_tls(), reads(), says=BY_PROXY, way="forwarded in TLS"),
}


def refuses(data: bytes) -> Fault:
    """A proxy that does not open a tunnel in response to CONNECT."""
    return breaks(answers(data), says=BY_TUNNEL, arrives=False, way="tunnelled")


def breaks_tunnel(*script: Step) -> Fault:
    """A tunnel that is opened but can't be used."""
    script = (answers(ESTABLISHED), *script)
    return breaks(*script, says=BY_TUNNEL, arrives=False, way="tunnelled")


TUNNEL: dict[str, Fault] = {
    "the proxy for the tunnel is down": breaks(
        detour=to_closed_port,
        way="tunnelled",
        says="could not connect to .* through the proxy service.example:",
        arrives=False,
    ),
    "no tunnel without a password": refuses(answer(407, PAGE, HTML)),
    "no tunnel allowed": refuses(answer(403, PAGE, HTML)),
    "502 instead of a tunnel": refuses(answer(502, PAGE, HTML)),
    "a redirect instead of a tunnel": refuses(answer(302, b"", b"Location: http://login.example/")),
    "closed instead of a tunnel": refuses(b""),
    "a reset instead of a tunnel": breaks(reads(), resets(), says=BY_TUNNEL, arrives=False, way="tunnelled"),
    "garbage instead of a tunnel": refuses(bytes(range(256))),
    "half a response instead of a tunnel": refuses(b"HTTP/1.1 200 OK\r\n"),
    "silence instead of a tunnel": hangs(reads(), waits_for_close(), arrives=False, way="tunnelled"),
    "a tunnel that ends": breaks_tunnel(),
    "a tunnel to a plain port": breaks_tunnel(receives(), sends(answer(400, PAGE))),
    "a tunnel to another host": breaks_tunnel(speaks_tls("of another host"), serves()),
    "a tunnel to a silent server": hangs(answers(ESTABLISHED), waits_for_close(), arrives=False, way="tunnelled"),
    "a tunnel that ends within a response": breaks(
        *OPENINGS["tunnelled"],
        answers(HEAD),
        says="no complete response from localhost:443 through the proxy",
        way="tunnelled",
    ),
}

FAULTS: dict[str, dict[str, Fault]] = {
    "connection": CONNECTION,
    "kept": KEPT,
    "cut off": CUT,
    "other protocols": OTHER_PROTOCOLS,
    "pace": PACES,
    "length": LENGTHS,
    "chunks": CHUNKS,
    "endless": ENDLESS,
    "encoding": ENCODINGS,
    "status": STATUSES,
    "TLS": TLS,
    "forwarding proxy": FORWARDING_PROXY,
    "tunnel": TUNNEL,
}
