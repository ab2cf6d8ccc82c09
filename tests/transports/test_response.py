"""Reading a response, held to the standard library's parser wherever that one is right."""

from __future__ import annotations

import io
import itertools
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout.transports._response import BadResponse, reading_of_response

if TYPE_CHECKING:
    import socket

    from cognito_signout.transports import HttpResponse

TOKENS = st.text("abcXYZ019-_!~.", min_size=1, max_size=9).map("X-{}".format)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(
    lambda text: text.strip(" ")
)
NO_BODY = ("CONNECT", "HEAD")


def read(data: bytes, *, method: str = "POST", size: int = 65536) -> tuple[HttpResponse, bool]:
    """Reads a response that comes in in pieces of a size, before the connection ends."""
    reading = reading_of_response(method)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    try:
        next(reading)
        for piece in (*pieces, b""):
            reading.send(piece)
    except StopIteration as done:
        result: tuple[HttpResponse, bool] = done.value
        return result
    raise AssertionError("it wants more than there is")


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A well-framed response."""
    body = draw(st.binary(max_size=60))
    headers = draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5))
    version = draw(st.sampled_from(["1.1", "1.0"]))
    connection = draw(st.sampled_from([None, "close", "keep-alive", "Keep-Alive", "Close"]))
    if connection is not None:
        headers.append(("Connection", connection))
    framing = draw(st.sampled_from(["length", "until close", *(["chunks"] if version == "1.1" else [])]))
    if framing == "length":
        headers.append(("Content-Length", str(len(body))))
    if framing == "chunks":
        headers.append(("Transfer-Encoding", "chunked"))
        cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=4))})
        chunks = [body[start:end] for start, end in itertools.pairwise(cuts)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    status = draw(st.sampled_from([200, 201, 302, 400, 500, 503, *([] if framing == "until close" else [100])]))
    lines = [f"{name}: {value}\r\n" for name, value in draw(st.permutations(headers))]
    head = (
        f"HTTP/{version} {status} {draw(VALUES)}\r\n"
        if status != 100
        else "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n"
    )
    return (head + "".join(lines) + "\r\n").encode("latin-1") + body


class _Socket:
    """As much of a socket as the standard library's parser asks for."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, mode: str) -> io.BytesIO:
        return self.file


@given(responses())
def test_a_well_framed_response_reads_as_the_standard_library_reads_it(data: bytes) -> None:
    """If this failed, one of the two parsers would be wrong, and it would hardly be the older one."""
    theirs = HTTPResponse(cast("socket.socket", _Socket(data)), method="POST")
    theirs.begin()
    ours, is_reusable = read(data)
    assert (ours.status, ours.body) == (theirs.status, theirs.read())
    assert is_reusable is not theirs.will_close
    for name in theirs.headers:
        assert ours.headers[name] == ", ".join(value.strip(" \t") for value in theirs.headers.get_all(name, []))


@given(responses(), st.data())
def test_a_response_with_an_end_can_not_be_cut(data: bytes, draw: Any) -> None:
    """If this failed, there would be a place where a lost connection reads as a sign-out."""
    has_end = b"Content-Length" in data or b"Transfer-Encoding" in data
    size = len(data) if has_end else data.index(b"\r\n\r\n") + 4
    cut = draw.draw(st.integers(0, size - 1))
    with pytest.raises(BadResponse):
        read(data[:cut])


@given(responses(), st.integers(1, 100))
def test_it_makes_no_difference_how_a_response_comes_in(data: bytes, size: int) -> None:
    """If this failed, what a call comes to would depend on the network."""
    assert read(data, size=size) == read(data)


@given(responses(), st.binary(min_size=1, max_size=20))
def test_what_follows_a_response_ends_the_connection(data: bytes, more: bytes) -> None:
    """If this failed, a forged answer behind the real one would be the answer to the next call."""
    _, is_reusable = read(data + more)
    assert not is_reusable


@given(st.binary(max_size=200))
def test_any_bytes_are_a_response_or_none(data: bytes) -> None:
    """If this failed, the reader would raise what nobody expects."""
    try:
        read(data)
    except BadResponse as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("method", ["CONNECT", "HEAD"])
def test_a_response_that_has_no_body_by_its_method_is_not_waited_for(method: str) -> None:
    """If this failed, a tunnel's first bytes would be taken for the body of the answer to CONNECT."""
    response, is_reusable = read(b"HTTP/1.1 200 \r\nContent-Length: 6\r\n\r\n", method=method)
    assert (response.body, is_reusable) == (b"", True)
