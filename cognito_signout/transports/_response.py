"""Reads one HTTP/1.1 response, strictly, from bytes that somebody else has.

A generator that does no I/O: it yields what it needs next, a line or so many bytes, and is sent them, or fewer where
the connection has ended. It returns the response, and whether another one may follow on the same connection. It never
asks for more than 1 MiB and a byte of a body, nor 64 KiB beside it. Raises :class:`BadResponse` for whatever is cut
off, badly framed (RFC 9112, section 6) or not HTTP at all.

The standard library's parser is not strict enough: it takes the end of the stream for the end of the headers and
drops all headers from the first malformed one on, so that a response that was cut off reads as a 200 without a
body, which is what a sign-out looks like. Importing it and its e-mail parser also costs a tenth of a cold start.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

from . import MAX_BODY, Headers, HttpResponse

if TYPE_CHECKING:
    from typing import BinaryIO, TypeAlias

#: How much may be read beside the body: status line, headers, sizes of chunks, trailers. The standard
#: library's bound for a single line.
MAX_OVERHEAD = 65536

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: [^\x00\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00\r\n]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")


class BadResponse(Exception):  # noqa: N818 -- it never leaves the transports
    """What was read is no complete, well-framed response. The message says why, and quotes none of it."""


class Need(NamedTuple):
    """What the reader needs next: a line, of so many bytes at most, or so many bytes."""

    is_line: bool
    size: int


Reading: TypeAlias = Generator[Need, bytes, "tuple[HttpResponse, bool]"]


def read_response(stream: BinaryIO, *, method: str) -> tuple[HttpResponse, bool]:
    """The response to a request, and whether the connection can be used again.

    Args:
        stream: Where to read it. What follows the response is left in it.
        method: The method of the request: the responses to some have no body.

    Raises:
        BadResponse: There is no complete, well-framed response.
    """
    reading = reading_of_response(method)
    try:
        need = next(reading)
        while True:
            need = reading.send(stream.readline(need.size) if need.is_line else stream.read(need.size))
    except StopIteration as done:
        result: tuple[HttpResponse, bool] = done.value
        return result


def reading_of_response(method: str) -> Reading:
    """Reads the response to a request of this method. See :func:`read_response`."""
    lines = _Lines()
    while True:
        status_line = _STATUS_LINE.fullmatch((yield from lines.read()))
        if status_line is None:
            raise BadResponse("it does not begin as HTTP/1.1 does")
        is_1_0, status = status_line[1] == b"0", int(status_line[2])
        headers = Headers((yield from _read_fields(lines)))
        if status == 101:
            raise BadResponse("it switches to a protocol that nobody asked for")
        if status >= 200:  # before it, there may be any number that say to wait
            break
    if method in ("CONNECT", "HEAD") or status in (204, 304):
        body, is_delimited = b"", True
    else:
        body, is_delimited = yield from _read_body(lines, headers, is_1_0=is_1_0)
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    is_kept = "keep-alive" in options if is_1_0 else "close" not in options
    return HttpResponse(status, headers, body), is_delimited and is_kept


class _Lines:
    """Lines, as long as they are not too long together."""

    def __init__(self) -> None:
        self._left = MAX_OVERHEAD

    def read(self) -> Generator[Need, bytes, bytes]:
        line = yield Need(True, self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise BadResponse("its headers are too long")
        if not line.endswith(b"\n"):
            raise _cut_off()
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]


def _read_fields(lines: _Lines) -> Generator[Need, bytes, list[tuple[str, str]]]:
    fields: list[bytes] = []
    while line := (yield from lines.read()):
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


def _read_body(lines: _Lines, headers: Headers, *, is_1_0: bool) -> Generator[Need, bytes, tuple[bytes, bool]]:
    """The body, or as much of it as is read of any, and whether it ended before the connection did."""
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if encoding is not None:
        # With a length beside it, whoever is on the way may have read another body than we would.
        if is_1_0 or length is not None or encoding.lower() != "chunked":
            raise BadResponse("its Transfer-Encoding can't be trusted")
        return (yield from _read_chunks(lines))
    if length is not None:
        size = _parse_length(length)
        return (yield from _read_exactly(min(size, MAX_BODY + 1))), size <= MAX_BODY
    return (yield Need(False, MAX_BODY + 1)), False


def _parse_length(value: str) -> int:
    lengths = {length.strip() for length in value.split(",")}  # it may be repeated, but not contradicted
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise BadResponse("its Content-Length is no length")
    return int(length)


def _read_chunks(lines: _Lines) -> Generator[Need, bytes, tuple[bytes, bool]]:
    body = bytearray()
    while True:
        chunk = _CHUNK_SIZE.fullmatch((yield from lines.read()))
        if chunk is None:
            raise BadResponse("a chunk's size is no size")
        size = int(chunk[1], 16)
        if size == 0:
            yield from _read_fields(lines)  # the trailers, which say nothing that is asked for
            return bytes(body), True
        body += yield from _read_exactly(min(size, MAX_BODY + 1 - len(body)))
        if len(body) > MAX_BODY:
            return bytes(body), False
        if (yield from _read_exactly(2)) != b"\r\n":
            raise BadResponse("a chunk is longer than its size")


def _read_exactly(size: int) -> Generator[Need, bytes, bytes]:
    data = yield Need(False, size)
    if len(data) < size:
        raise _cut_off()
    return data


def _cut_off() -> BadResponse:
    return BadResponse("the connection was closed before the response was complete")
