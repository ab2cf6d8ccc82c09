"""The matrix: every fault by its name, what the other end does then, and what a call must end in.

A fault happens either to every attempt or to the first one alone; clients make two. So a fault that is worth a retry
ends in its error after two attempts, and in a result where it happened once; one that is not, ends the call at once.
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
    hears,
    reads,
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

    #: Makes the place that a name leads to in place of the server, which lasts as long as the stack: host and port.
    Detour: TypeAlias = Callable[[ExitStack], tuple[str, int]]

USERNAME = "alice.liddell"

#: How the clients reach the server: directly, in plain HTTP or in TLS; or it is their proxy, which forwards plain
#: requests, or those that come to it in TLS, or opens tunnels.
Way = Literal["http", "https", "forwarded", "forwarded in TLS", "tunnelled"]
#: What comes before the first request of each way, where all is well.
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
        script: What the server does on every connection that the fault happens on.
        script_once: The same where it happens once. It may go on well on the same connection; if it does not, the
            next connection does.
        ends_in: What a call ends in, if it happens to all attempts.
        says: What the error says, as a regular expression.
        attempts: How many attempts are made then: two, where it is worth a retry.
        arrives: Whether the request arrives at the server; ``None`` if it may or may not.
        hangs: Whether it would last for ever, did time-outs not end it.
        way: How the server is reached.
        kept: What the server does on a first connection, on which it has answered another call before.
        ends_idle: Whether that connection is over when the call begins.
        detour: Where the server's name leads to instead.
        blocking: What is different for the blocking client, whose HTTP library is another one.
        asynchronous: What is different for the async client.
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

    def as_met_by(self, client: Literal["blocking", "async"]) -> Fault:
        """The fault as this client meets it."""
        return evolve(self, **(self.blocking if client == "blocking" else self.asynchronous))

    @script_once.default
    def _as_always(self) -> Script:
        return self.script

    @property
    def is_retried(self) -> bool:
        """Whether there is a second attempt."""
        return self.attempts == 2


def breaks(*script: Step, **rest: Any) -> Fault:
    """A fault that breaks the connection, or the answer."""
    return Fault(script=script, **rest)


def hangs(*script: Step, **rest: Any) -> Fault:
    """A fault that does not end."""
    return Fault(script=script, **{"says": "took too long", "ends_in": SignOutTimeoutError, "hangs": True, **rest})


def passes(*script: Step, **rest: Any) -> Fault:
    """What is odd, but does no harm: the first attempt is good."""
    return Fault(script=script, ends_in=SignOutResult, attempts=1, **rest)


def answered(data: bytes, ends_in: type, says: str = "", *, attempts: int = 1, **rest: Any) -> Fault:
    """A complete answer that is not what it should be."""
    once: list[Step] = [answers(data), serves()]
    return Fault(script=[serves(data)], script_once=once, ends_in=ends_in, says=says, attempts=attempts, **rest)


def answered_and_closed(data: bytes, ends_in: type, says: str, *, attempts: int = 1) -> Fault:
    """An answer whose status and headers are complete, and whose body is cut off."""
    return Fault(script=[answers(data)], ends_in=ends_in, says=says, attempts=attempts)


def broken(data: bytes, says: str, **rest: Any) -> Fault:
    """A part of an answer, or bytes that are none, and then the end of the connection."""
    return breaks(answers(data), says=says, **rest)


def no_answer(data: bytes, of: str = "", **rest: Any) -> Fault:
    """A complete answer with a good status, which is no answer to a sign-out. It is not tried again."""
    return answered(data, InvalidResponseError, rf"no answer to a sign-out \(HTTP 200, .*{of}\)", **rest)


def failure(data: bytes, says: str, *, way: Way = "http") -> Fault:
    """A complete answer by which the service says that it has failed, for now."""
    return answered(data, InternalServiceError, says, attempts=2, way=way)


# Steps that the matrix alone needs


def reads_half() -> Step:
    """Reads the beginning of a request."""

    def step(peer: Peer) -> None:
        peer.sock.recv(20)

    return step


def redirects(status: int) -> Step:
    """Reads a request, and sends it back to this server."""

    def step(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(
            b"HTTP/1.1 %d Elsewhere\r\nLocation: %selsewhere\r\nContent-Length: 0\r\n\r\n"
            % (status, peer.server.url.encode())
        )

    return step


def sends_beside_tls(data: bytes) -> Step:
    """Sends bytes in the midst of TLS that are none of it."""

    def step(peer: Peer) -> None:
        socket.socket.sendall(peer.sock, data)

    return step


def says_farewell() -> Step:
    """Ends TLS, as it should be ended."""

    def step(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        with suppress(OSError):  # the client closes the connection, and says nothing
            peer.sock.unwrap()

    return step


# Where a name leads to


def to_nobody(stack: ExitStack) -> tuple[str, int]:
    """A port that nobody listens on, and nobody else is given."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return "127.0.0.1", bound.getsockname()[1]


def to_no_address(_: ExitStack) -> tuple[str, int]:
    """A name that does not resolve."""
    return "nowhere.invalid", 80


def to_silence(stack: ExitStack) -> tuple[str, int]:
    """A server that lets nobody in."""
    url = stack.enter_context(unanswering_server())
    return "127.0.0.1", int(url.rstrip("/").rpartition(":")[2])


# Answers


def answer(status: int, body: bytes = b"", *headers: bytes) -> bytes:
    """A complete answer."""
    lines = [b"HTTP/1.1 %d Any" % status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def chunks(data: bytes) -> bytes:
    """An answer in chunks, of which these bytes are all."""
    return chunked(end=data)


#: The beginning of a TLS record that does not end soon: a handshake's, and an answer's.
HANDSHAKE_RECORD = b"\x16\x03\x03\x40\x00"
DATA_RECORD = b"\x17\x03\x03\x40\x00"

JSON = b"Content-Type: application/x-amz-json-1.1"
GZIP = b"Content-Encoding: gzip"
CLOSE = b"Connection: close"
PAGE = b"<html><body>Welcome to the hotel's network, %s!</body></html>" % USERNAME.encode()
HTML = b"Content-Type: text/html; charset=utf-8"
NO_UTF_8 = b'{"message": "\xff\xfe\xe9"}'
GZIPPED = gzip.compress(b"{}")
NO_SUCH_USER = json.dumps({"__type": "UserNotFoundException", "message": "User does not exist."}).encode()
ECHO = json.dumps({"message": f"what does {USERNAME} want?"}).encode()

CUT_OFF = "closed before the response was complete"
NO_HTTP = f"not valid HTTP|{CUT_OFF}"  # whichever the HTTP library notices first
TOO_LONG = f"too long|{NO_HTTP}"
LOST = f"reset|{CUT_OFF}|[Bb]roken pipe"

#: For rows that a library finds invalid, and the other one does not.
INVALID: Mapping[str, Any] = {"ends_in": SignOutConnectionError, "says": NO_HTTP, "attempts": 2}
#: The same, where it may be noticed before the request is sent.
TALKS_FIRST: Mapping[str, Any] = {"arrives": None}
#: For rows that one library reads on, until the time-out.
ENDLESSLY: Mapping[str, Any] = {"ends_in": SignOutTimeoutError, "says": "took too long", "hangs": True}

CONNECTION: dict[str, Fault] = {
    "nobody listens": breaks(detour=to_nobody, says="could not connect to .*refused", arrives=False),
    "the name has no address": breaks(detour=to_no_address, says="could not connect to service.example", arrives=False),
    "packets are dropped": hangs(detour=to_silence, arrives=False),
    "closed before the request": breaks(says=LOST, arrives=False),
    "reset before the request": breaks(resets(), says=LOST, arrives=False),
    "reset within the request": breaks(reads_half(), resets(), says=LOST, arrives=False),
    "reset after the request": breaks(reads(), resets(), says=LOST),
    "reset within the headers": breaks(answers(HEAD), resets(), says=LOST),
    "reset within the body": breaks(answers(sized(b"{}")[:-1]), resets(), says=LOST),
    "closed after the request": breaks(reads(), says=CUT_OFF),
    "no answer": hangs(reads(), waits_for_close()),
}

KEPT: dict[str, Fault] = {
    "closed while idle": passes(serves(), kept=[answers(OK)], ends_idle=True),
    "reset while idle": passes(serves(), kept=[answers(OK), resets()], ends_idle=True),
    "an idle connection's farewell in HTTP": passes(
        serves(), kept=[answers(OK), sends(answer(408, b"", CLOSE))], ends_idle=True
    ),
    "an answer that nobody asked for": passes(
        serves(), kept=[answers(OK + answer(400, NO_SUCH_USER)), serves()], ends_idle=False
    ),
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
    "headers without an end": broken(HEAD + b"Content-Length: 2\r\n", CUT_OFF),
    "half the body": broken(sized(b"{}")[:-1], CUT_OFF),
    "no body": broken(sized(b"{}")[:-2], CUT_OFF),
    "half the body, and silence": hangs(answers(sized(b"{}")[:-1]), waits_for_close()),
    "half an error": answered_and_closed(answer(400, NO_SUCH_USER)[:-3], UnknownServiceError, "HTTP 400"),
}

OTHER_PROTOCOLS: dict[str, Fault] = {
    "garbage": broken(bytes(range(256)), NO_HTTP),
    "garbage without a line's end": broken(b"\xff" * 999, NO_HTTP),
    "SSH": breaks(sends(b"SSH-2.0-OpenSSH_9.6\r\n"), reads(), says=NO_HTTP, asynchronous=TALKS_FIRST),
    "SMTP": breaks(sends(b"220 mail.example ESMTP\r\n"), reads(), says=NO_HTTP, asynchronous=TALKS_FIRST),
    "HTTP/2": broken(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", NO_HTTP),
    "HTTP/2 that waits for its preface": hangs(
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
    "one byte at a time, without an end": hangs(reads(), drips(HEAD + b"Content-Length: 9999\r\n\r\n")),
}

LENGTHS: dict[str, Fault] = {
    "a length that is too long": broken(answer(200, b"{}").replace(b": 2", b": 3"), CUT_OFF),
    "a length that is too long, and silence": hangs(
        answers(answer(200, b"{}").replace(b": 2", b": 3")), waits_for_close()
    ),
    "a length that is too short": no_answer(answer(200, b"{}").replace(b": 2", b": 1"), asynchronous=INVALID),
    "a negative length": broken(HEAD + b"Content-Length: -2\r\n\r\n{}", NO_HTTP),
    "a length that is no number": broken(HEAD + b"Content-Length: two\r\n\r\n{}", NO_HTTP),
    "a length of nothing": broken(HEAD + b"Content-Length:\r\n\r\n{}", NO_HTTP),
    "two lengths that disagree": broken(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", NO_HTTP),
    NO_HTTP: passes(answers(HEAD + b"\r\n{}")),
    "no length, and half a body": breaks(
        answers(HEAD + b"\r\n{"), ends_in=InvalidResponseError, says="no answer to a sign-out", attempts=1
    ),
    "two lengths that agree": broken(HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", NO_HTTP),
    "a length and chunks": broken(
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NO_HTTP
    ),
}

CHUNKS: dict[str, Fault] = {
    "a chunk whose size is none": broken(chunks(b"two\r\n{}\r\n0\r\n\r\n"), NO_HTTP),
    "a chunk of a negative size": broken(chunks(b"-2\r\n{}\r\n0\r\n\r\n"), NO_HTTP),
    "a chunk without its line break": broken(chunks(b"2\r\n{}0\r\n\r\n"), NO_HTTP),
    "a chunk that is cut off": broken(chunks(b"9\r\n{}"), CUT_OFF),
    "a chunk that is the last, and should not be": broken(chunks(b"2\r\n{}\r\n"), CUT_OFF),
    "a chunk extension without an end": breaks(
        reads(), floods(chunks(b"2;"), b"x" * 9999), says=TOO_LONG, asynchronous=ENDLESSLY
    ),
    "trailers without an end": breaks(
        reads(), floods(chunks(b"0\r\n"), b"A: b\r\n" * 999), says=TOO_LONG, blocking=ENDLESSLY
    ),
    "chunks of gzip": broken(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NO_HTTP),
}

ENDLESS: dict[str, Fault] = {
    "a status line without an end": breaks(reads(), floods(b"HTTP/1.1 200 ", b"x" * 9999), says=TOO_LONG),
    "headers without an end": breaks(reads(), floods(HEAD, b"A: b\r\n" * 999), says=TOO_LONG),
    "a header without an end": breaks(reads(), floods(HEAD + b"A: ", b"b" * 9999), says=TOO_LONG),
    "1xx without an end": hangs(reads(), floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99)),
    "some 1xx": passes(
        serves(b"HTTP/1.1 100 Continue\r\n\r\n" * 99 + b"HTTP/1.1 103 \r\nA: b\r\n\r\n" + OK), blocking=INVALID
    ),
    "a body without an end": breaks(
        reads(),
        floods(HEAD + b"\r\n", b"x" * 65536),
        ends_in=InvalidResponseError,
        says="longer than 1 MiB",
        attempts=1,
    ),
    "chunks without an end": breaks(
        reads(),
        floods(chunks(b""), b"ffff\r\n" + b"x" * 65535 + b"\r\n"),
        ends_in=InvalidResponseError,
        says="longer than 1 MiB",
        attempts=1,
    ),
    "a body of 1 MiB and a byte": answered(sized(LONG + b"x"), InvalidResponseError, "longer than 1 MiB"),
    "an error without an end": breaks(
        reads(), floods(b"HTTP/1.1 500 Any\r\n\r\n", b"x" * 65536), ends_in=InternalServiceError, says="HTTP 500"
    ),
}

# Only what is not encoded was asked for (Accept-Encoding: identity), so nothing is decoded; nor does boto3.
ENCODINGS: dict[str, Fault] = {
    "gzip of {}": no_answer(answer(200, GZIPPED, JSON, GZIP), "json-1.1, gzip"),
    "gzip that is cut off": no_answer(answer(200, GZIPPED[:-9], JSON, GZIP), "json-1.1, gzip"),
    "gzip that is none": no_answer(answer(200, b"no gzip", JSON, GZIP), "json-1.1, gzip"),
    "gzip that is not called so": no_answer(answer(200, GZIPPED, JSON)),
    "gzip in name alone": passes(serves(answer(200, b"{}", JSON, GZIP))),
    "gzip of nothing": passes(serves(answer(200, b"", JSON, GZIP))),
    "gzip of an error": answered(answer(400, gzip.compress(NO_SUCH_USER), GZIP), UnknownServiceError, "HTTP 400"),
    "no UTF-8 in a body": no_answer(answer(200, NO_UTF_8, JSON)),
    "no UTF-8 in an error": answered(answer(400, NO_UTF_8, JSON), UnknownServiceError, "HTTP 400"),
    "no UTF-8 in a header": passes(serves(answer(200, b"{}", b"X-Amzn-RequestId: \xff\xe9", b"X-Any: \xfe"))),
    "no UTF-8 in an error's code": answered(
        answer(400, b"{}", b"X-Amzn-ErrorType: \xff\xe9"), UnknownServiceError, "\xff\xe9"
    ),
    "no UTF-8 in a header's name": broken(answer(200, b"{}", b"X-\xff: a"), NO_HTTP),
    "no UTF-8 in the status line": passes(serves(answer(200, b"{}").replace(b"Any", b"\xff\xfe"))),
    "no UTF-8 in the status": broken(b"HTTP/1.1 2\xb20 OK\r\n\r\n", NO_HTTP),
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
    "200 of a portal, empty": no_answer(answer(200)),
    "200 with HTML": no_answer(answer(200, PAGE, HTML), "text/html; charset=utf-8"),
    "200 with half an object": no_answer(answer(200, b"{", JSON)),
    "200 with null": no_answer(answer(200, b"null", JSON)),
    "200 with a list": no_answer(answer(200, b"[{}]", JSON)),
    "200 with another object": no_answer(answer(200, b'{"status": "ok"}', b"Content-Type: application/json")),
    "200 with members of the future": passes(serves(answer(200, b'{"RevokedAt": 1}', JSON))),
    "200 with an error's name": no_answer(answer(200, NO_SUCH_USER, JSON)),
    "200 with success in words": no_answer(answer(200, b'{"success": "true"}', JSON)),
    "200 with success and an error": no_answer(answer(200, b'{"success": true, "error": {}}', JSON)),
    "200 with lists in lists": no_answer(answer(200, b"[" * 99_999, JSON)),
    "200 with what was sent": Fault(
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
    "503, and the end": failure(answer(503, b"", CLOSE), "HTTP 503"),
    "504 with broken gzip": failure(answer(504, b"no gzip", GZIP), "HTTP 504"),
    "501": answered(answer(501), InternalServiceError, "HTTP 501"),
    "599 with HTML": answered(answer(599, PAGE, HTML), InternalServiceError, "HTTP 599"),
}


def breaks_tls(*script: Step, says: str) -> Fault:
    """A fault because of which the request is not sent, or not in TLS."""
    return breaks(*script, says=f"could not connect to localhost:.*({says})", arrives=False, way="https")


TLS: dict[str, Fault] = {
    "a plain port": breaks_tls(hears(), sends(answer(400, PAGE, CLOSE)), says="(?i:wrong.version.number)"),
    "a port of SSH": breaks_tls(sends(b"SSH-2.0-OpenSSH_9.6\r\n"), hears(), says="(?i:wrong.version.number)"),
    "an alert": breaks_tls(hears(), sends(b"\x15\x03\x03\x00\x02\x02\x28"), says="(?i:handshake.failure)"),
    "closed before the handshake": breaks_tls(says="(?i:eof|reset|closed|broken pipe)"),
    "closed within the handshake": breaks_tls(hears(), says="(?i:eof|reset|closed|broken pipe)"),
    "reset within the handshake": breaks_tls(hears(), resets(), says="(?i:eof|reset|closed|broken pipe)"),
    "no handshake": hangs(hears(), waits_for_close(), arrives=False, way="https"),
    "a certificate of another host": breaks_tls(speaks_tls("of another host"), serves(), says="(?i:hostname mismatch)"),
    "a certificate that has expired": breaks_tls(speaks_tls("expired"), serves(), says="certificate has expired"),
    "a certificate that vouches for itself": breaks_tls(
        speaks_tls("self-signed"), serves(), says="self.signed certificate"
    ),
    "a certificate of an unknown authority": breaks_tls(
        speaks_tls("of an unknown authority"), serves(), says="certificate verify failed"
    ),
    "half an answer in TLS": breaks(speaks_tls(), answers(HEAD + b"Content-"), says=NO_HTTP, way="https"),
    "a reset in TLS": breaks(
        speaks_tls(), answers(HEAD + b"Content-"), resets(), says=f"{LOST}|{NO_HTTP}", way="https"
    ),
    "a farewell in TLS within an answer": breaks(
        speaks_tls(), answers(HEAD + b"Content-"), says_farewell(), says=NO_HTTP, way="https"
    ),
    "a certificate of the client's is asked for": breaks(
        speaks_tls("good, but wants the client's"),
        serves(),
        says=f"(?i:certificate.required|handshake.failure|eof|{LOST})",
        arrives=False,
        way="https",
    ),
    "no answer in TLS": hangs(speaks_tls(), reads(), waits_for_close(), way="https"),
    "an answer beside TLS": breaks(
        speaks_tls(), reads(), sends_beside_tls(OK), waits_for_close(), says="no complete response", way="https"
    ),
    "plain HTTP to a port of TLS": breaks(speaks_tls(), serves(), says="no complete response", arrives=False),
}

BY_PROXY = "pools.example:80 through the proxy "
BY_TUNNEL = "localhost:443 through the proxy "


def distrusted(*script: Step) -> Fault:
    """A proxy that has to speak TLS, and is not told the request."""
    says = "could not connect to pools.example:80 through the proxy localhost:"
    return breaks(*script, says=says, arrives=False, way="forwarded in TLS")


FORWARDING_PROXY: dict[str, Fault] = {
    "a proxy that is not there": breaks(
        detour=to_nobody,
        way="forwarded",
        says="could not connect to .* through the proxy service.example:",
        arrives=False,
    ),
    "a proxy that wants a password": answered(
        answer(407, PAGE, HTML), SignOutConnectionError, "the proxy 127.0.0.1:.*HTTP 407", way="forwarded"
    ),
    "a proxy that forbids it": answered(answer(403, PAGE, HTML), UnknownServiceError, "HTTP 403", way="forwarded"),
    "a proxy that does not reach it": failure(answer(502, PAGE, HTML), "HTTP 502", way="forwarded"),
    "a proxy that closes": breaks(reads(), says=BY_PROXY, way="forwarded"),
    "a proxy that resets": breaks(reads(), resets(), says=BY_PROXY, way="forwarded"),
    "a proxy that answers garbage": broken(bytes(range(256)), BY_PROXY, way="forwarded"),
    "a proxy that is silent": hangs(reads(), waits_for_close(), says=f"{BY_PROXY}.*took too long", way="forwarded"),
    "a proxy without TLS": distrusted(hears(), sends(answer(400, PAGE))),
    "a proxy's certificate of another host": distrusted(speaks_tls("of another host"), serves()),
    "a proxy's certificate that has expired": distrusted(speaks_tls("expired"), serves()),
    "a proxy that closes in TLS": breaks(speaks_tls(), reads(), says=BY_PROXY, way="forwarded in TLS"),
}


def refuses(data: bytes) -> Fault:
    """A proxy that answers CONNECT otherwise than with a tunnel."""
    return breaks(answers(data), says=BY_TUNNEL, arrives=False, way="tunnelled")


def breaks_tunnel(*script: Step) -> Fault:
    """A tunnel that is opened, and of no use."""
    script = (answers(ESTABLISHED), *script)
    return breaks(*script, says=BY_TUNNEL, arrives=False, way="tunnelled")


TUNNEL: dict[str, Fault] = {
    "no proxy for the tunnel": breaks(
        detour=to_nobody,
        way="tunnelled",
        says="could not connect to .* through the proxy service.example:",
        arrives=False,
    ),
    "no tunnel without a password": refuses(answer(407, PAGE, HTML)),
    "no tunnel allowed": refuses(answer(403, PAGE, HTML)),
    "no tunnel from here": refuses(answer(502, PAGE, HTML)),
    "no tunnel but a redirect": refuses(answer(302, b"", b"Location: http://login.example/")),
    "no tunnel but the end": refuses(b""),
    "no tunnel but a reset": breaks(reads(), resets(), says=BY_TUNNEL, arrives=False, way="tunnelled"),
    "no tunnel but garbage": refuses(bytes(range(256))),
    "no tunnel but half an answer": refuses(b"HTTP/1.1 200 OK\r\n"),
    "no tunnel but silence": hangs(reads(), waits_for_close(), arrives=False, way="tunnelled"),
    "a tunnel that ends": breaks_tunnel(),
    "a tunnel to a plain port": breaks_tunnel(hears(), sends(answer(400, PAGE))),
    "a tunnel to another host": breaks_tunnel(speaks_tls("of another host"), serves()),
    "a tunnel into silence": hangs(answers(ESTABLISHED), waits_for_close(), arrives=False, way="tunnelled"),
    "a tunnel that ends within an answer": breaks(
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
