"""Reads one HTTP/1.1 response, strictly, from bytes that somebody else has.

A generator that does no I/O: it yields when it needs more, and is sent what has come in. It returns the response, and
whether another one may follow on the same connection. It never reads more than 1 MiB and a byte of a body, nor 64 KiB
beside it. Raises :class:`BadResponse` for whatever is cut off, badly framed (RFC 9112, section 6) or not HTTP at all.

The standard library's parser is not strict enough: it takes the end of the stream for the end of the headers and
drops all headers from the first malformed one on, so that a response that was cut off reads as a 200 without a
body, which is what a sign-out looks like. Importing it and its e-mail parser also costs a tenth of a cold start.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import MAX_BODY, Headers, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Generator

#: How much may be read beside the body: status line, headers, sizes of chunks, trailers. The standard
#: library's bound for a single line.
MAX_OVERHEAD = 65536

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: [^\x00\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00\r\n]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")


class BadResponse(Exception):  # noqa: N818 -- it never leaves the transports
    """What was read is no complete, well-framed response. The message says why, and quotes none of it."""


def reading_of_response(method: str) -> Generator[None, bytes, tuple[HttpResponse, bool]]:
    """Reads the response to a request of this method.

    Yields whenever it needs more, and is sent what has come in: some bytes, or none where the connection has ended.

    Returns:
        The response, and whether the connection can be used again.

    Raises:
        BadResponse: There is no complete, well-framed response.
    """
    received = _Received()
    while True:
        status_line = _STATUS_LINE.fullmatch((yield from received.line()))
        if status_line is None:
            raise BadResponse("it does not begin as HTTP/1.1 does")
        is_1_0, status = status_line[1] == b"0", int(status_line[2])
        headers = Headers((yield from _read_fields(received)))
        if status == 101:
            raise BadResponse("it switches to a protocol that nobody asked for")
        if status >= 200:  # before it, there may be any number that say to wait
            break
    if method in ("CONNECT", "HEAD") or status in (204, 304):
        body, is_delimited = b"", True
    else:
        body, is_delimited = yield from _read_body(received, headers, is_1_0=is_1_0)
        if status < 300 and not body and not is_delimited:
            raise _cut_off()  # before its body, for all that can be known; and an empty one would be a success
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    is_kept = "keep-alive" in options if is_1_0 else "close" not in options
    # Whatever follows, nobody has asked for.
    return HttpResponse(status, headers, body), is_delimited and is_kept and received.is_used_up()


class _Received:
    """What has come in, and is not yet used; as long as all that is no body is not too long together."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._left = MAX_OVERHEAD

    def line(self) -> Generator[None, bytes, bytes]:
        """The next line."""
        data = self._data
        searched = 0
        while (end := data.find(b"\n", searched) + 1) == 0 and len(data) <= self._left:
            searched = len(data)
            more = yield
            if not more:
                raise _cut_off()
            data += more
        self._left -= end
        if end == 0 or self._left < 0:
            raise BadResponse("its headers are too long")
        line = bytes(data[:end])
        del data[:end]
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]

    def up_to(self, size: int) -> Generator[None, bytes, bytes]:
        """So many bytes, or as many as there are before the end."""
        data = self._data
        while len(data) < size:
            more = yield
            if not more:
                break
            data += more
        taken = bytes(data[:size])
        del data[:size]
        return taken

    def exactly(self, size: int) -> Generator[None, bytes, bytes]:
        """So many bytes."""
        taken = yield from self.up_to(size)
        if len(taken) < size:
            raise _cut_off()
        return taken

    def is_used_up(self) -> bool:
        """Whether there is nothing left."""
        return not self._data


def _read_fields(received: _Received) -> Generator[None, bytes, list[tuple[str, str]]]:
    fields: list[bytes] = []
    while line := (yield from received.line()):
        if fields and line.startswith((b" ", b"\t")):  # the value goes on: obsolete, but to be understood
            fields[-1] += b" " + line.strip(b" \t")
        else:
            fields.append(line)
    return [_parse_field(line) for line in fields]


def _parse_field(line: bytes) -> tuple[str, str]:
    field = _FIELD.fullmatch(line)
    if field is None:
        raise BadResponse("it has a malformed header")
    return field[1].decode("ascii"), field[2].strip(b" \t").decode("latin-1")


def _read_body(received: _Received, headers: Headers, *, is_1_0: bool) -> Generator[None, bytes, tuple[bytes, bool]]:
    """The body, or as much of it as is read of any, and whether it ended before the connection did."""
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if encoding is not None:
        # With a length beside it, whoever is on the way may have read another body than we would.
        if is_1_0 or length is not None or encoding.lower() != "chunked":
            raise BadResponse("its Transfer-Encoding can't be trusted")
        return (yield from _read_chunks(received))
    if length is not None:
        size = _parse_length(length)
        return (yield from received.exactly(min(size, MAX_BODY + 1))), size <= MAX_BODY
    return (yield from received.up_to(MAX_BODY + 1)), False


def _parse_length(value: str) -> int:
    lengths = {length.strip() for length in value.split(",")}  # it may be repeated, but not contradicted
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise BadResponse("its Content-Length is no length")
    return int(length)


def _read_chunks(received: _Received) -> Generator[None, bytes, tuple[bytes, bool]]:
    body = bytearray()
    while True:
        chunk = _CHUNK_SIZE.fullmatch((yield from received.line()))
        if chunk is None:
            raise BadResponse("a chunk's size is no size")
        size = int(chunk[1], 16)
        if size == 0:
            yield from _read_fields(received)  # the trailers, which say nothing that is asked for
            return bytes(body), True
        body += yield from received.exactly(min(size, MAX_BODY + 1 - len(body)))
        if len(body) > MAX_BODY:
            return bytes(body), False
        if (yield from received.exactly(2)) != b"\r\n":
            raise BadResponse("a chunk is longer than its size")


def _cut_off() -> BadResponse:
    return BadResponse("the connection was closed before the response was complete")
