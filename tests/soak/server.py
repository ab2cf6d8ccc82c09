"""A stand-in for the service: it chooses its actions at random, with a seed, and mostly answers like the service.

``python server.py SEED`` listens on a free port of loopback, prints the port, and serves until its standard input
ends. The response to ``GET`` has the number of times of each action, as JSON. The request ID of a sign-out is the
username, so that the client can check that the response is its own.
"""

import heapq
import json
import random
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

#: A linger option that makes close() reset the connection: the client's next operation gets ECONNRESET.
RESET = struct.pack("ii", 1, 0)
#: The delay of a slow response, in seconds.
SLOW = 0.05
#: How often each fault happens in 10,000 requests. The other requests succeed.
FAULTS = {
    "reset before the answer": 60,
    "reset within the answer": 60,
    "reset after the answer": 60,
    "closed before the answer": 50,
    "closed after the answer": 60,
    "half a body": 50,
    "garbage": 40,
    "a page": 40,
    "no answer": 1,
    "slow": 40,
    "in pieces": 40,
    "500": 60,
    "503": 60,
    "TooManyRequestsException": 60,
    "UserNotFoundException": 60,
    "NotAuthorizedException": 40,
    "InvalidParameterException": 40,
    "ResourceNotFoundException": 40,
    "ExpiredTokenException": 20,
    "SomethingNewException": 20,
}
REASONS = {200: "OK", 400: "Bad Request", 500: "Internal Server Error", 503: "Service Unavailable"}


def rendered(status: int, body: bytes, username: str) -> bytes:
    """A response."""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"Content-Length: {len(body)}\r\nx-amzn-RequestId: {username[::-1]}\r\n\r\n"
    )
    return head.encode() + body


class Server:
    """Serves all connections in one thread."""

    def __init__(self, listener: socket.socket, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._kinds = [*FAULTS, "success"]
        self._weights = [*FAULTS.values(), 10_000 - sum(FAULTS.values())]
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._unanswered: dict[socket.socket, bytes] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0

    def serve(self) -> None:
        """Serves until the standard input ends."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            wait = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            for key, _ in self._selector.select(wait):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._listener:
                    connection = self._listener.accept()[0]
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._selector.register(connection, selectors.EVENT_READ)
                    self._unanswered[connection] = b""
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

    def _receive(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(65536)
        except ConnectionError:
            received = b""
        if not received:
            self._close(connection)
            return
        request = self._unanswered[connection] + received
        _, end, body = request.partition(b"\r\n\r\n")
        if request.startswith(b"GET ") and end:
            self._unanswered[connection] = b""
            self._send(connection, rendered(200, json.dumps(self.counts).encode(), "counts"))
        elif end and body.endswith(b"}"):
            self._unanswered[connection] = b""
            username = body.rpartition(b'"Username":')[2].strip(b' "}').decode()
            (kind,) = self._random.choices(self._kinds, self._weights)
            self.counts[kind] += 1
            self._act(connection, kind, username)
        else:
            self._unanswered[connection] = request

    def _act(self, connection: socket.socket, kind: str, username: str) -> None:
        done = rendered(200, b"{}", username)
        if kind in ("500", "503"):
            self._send(connection, rendered(int(kind), b"<html>", username))
        elif kind.endswith("Exception"):
            body = json.dumps({"__type": kind, "message": f"{kind}!"}).encode()
            self._send(connection, rendered(400, body, username))
        elif kind == "reset before the answer":
            self._close(connection, reset=True)
        elif kind == "reset within the answer":
            self._send(connection, done[:40])
            self._close(connection, reset=True)
        elif kind == "reset after the answer":
            self._send(connection, done)
            self._after(SLOW, lambda: self._close(connection, reset=True))
        elif kind == "closed before the answer":
            self._close(connection)
        elif kind == "closed after the answer":
            self._send(connection, done)
            self._close(connection)
        elif kind == "half a body":
            self._send(connection, done[:-1])
            self._close(connection)
        elif kind == "garbage":
            self._send(connection, b"\x00\x01\x02 this is not HTTP\r\n\r\n")
        elif kind == "a page":
            self._send(connection, rendered(200, b"<html>sign in, please</html>", username))
        elif kind == "slow":
            self._after(SLOW, lambda: self._send(connection, done))
        elif kind == "in pieces":
            self._send(connection, done[:60])
            self._after(SLOW, lambda: self._send(connection, done[60:]))
        elif kind == "success":
            self._send(connection, done)

    def _send(self, connection: socket.socket, data: bytes) -> None:
        with suppress(OSError):  # the client may have closed the connection
            connection.sendall(data)

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._later, (time.monotonic() + seconds, self._scheduled, work))

    def _close(self, connection: socket.socket, *, reset: bool = False) -> None:
        if self._unanswered.pop(connection, None) is None:  # already closed
            return
        self._selector.unregister(connection)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()


def main() -> None:
    """Runs the server."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        Server(listener, int(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
