"""Fuzzes the reader of responses: ``python -m tests.fuzz.reader -runs=2000000``. See :mod:`tests.fuzz`."""

from __future__ import annotations

from typing import Any

from tests.fuzz.engine import assemble, damage, fuzz, pick

FRAGMENTS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204\r\n", b"HTTP/1.1 304 \r\n", b"HTTP/1.1 101 Switching\r\n", b"HTTP/", b"\r\n", b"\n", b"\r", b" ",
    b"\t", b":", b",", b";", b"0", b"2", b"-1", b"{}", b"ffff", b"\x00", b"Content-Length: ", b"Content-Length: 2\r\n",
    b"Content-Length: 1048577\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"2\r\n{}\r\n", b"1;a=b\r\n{\r\n", b"0\r\n\r\n", b"X-A: b\r\n", b" folded\r\n",
    b"ffffffffffffffff\r\n",
)  # fmt: skip
#: Longer than headers may be, and longer than a body; they take long.
LONG = (b"x" * 70_000, b"y" * (2**20 + 9))
METHODS = ("POST", "POST", "CONNECT", "HEAD")


def read(provider: Any) -> tuple[bytes, list[int], str]:
    """A response, mostly, the places where it is cut, and the method of its request."""
    method = pick(provider, METHODS)
    cuts = [provider.ConsumeIntInRange(0, 400) for _ in range(provider.ConsumeIntInRange(0, 6))]
    is_long = provider.ConsumeIntInRange(0, 255) == 255
    data = damage(provider, assemble(provider, FRAGMENTS))
    if is_long:
        start = provider.ConsumeIntInRange(0, len(data))
        data = data[:start] + pick(provider, LONG) + data[start:]
    return data, cuts, method


if __name__ == "__main__":
    fuzz("check_reader", read)
