"""A fast stand-in for the service. It responds to every signed request with ``{}`` and AWS's headers.

``python server.py CORE [CERTIFICATE]`` listens on a free port of loopback, prints the port, and serves until its
standard input ends. With a PEM file that has a key and a certificate, it uses TLS. It runs in its own process and,
unless CORE is ``-``, on its own core, so that its work is not measured.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache

HEAD = (
    "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n"
    "Connection: keep-alive\r\nx-amzn-RequestId: 3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55\r\n\r\n{{}}"
)
# A regular expression for all headers would take several times as long as these searches.
LENGTH = b"\r\ncontent-length:"
SIGNED = b"\r\nauthorization: aws4-hmac-sha256 credential="
SIGNATURE = re.compile(rb"signature=[0-9a-f]{64}")
LENGTH_OF_SIGNATURE = len("signature=") + 64


def respond(received: bytes) -> tuple[bytes, bytes]:
    """The responses to the complete requests, and the bytes of an incomplete one."""
    responses = b""
    while (end := received.find(b"\r\n\r\n")) >= 0:
        head = received[: end + 2].lower()
        length = head.find(LENGTH)
        size = end + 4
        if length >= 0:
            length += len(LENGTH)
            size += int(head[length : head.index(b"\r", length)])
        if len(received) < size:
            break
        responses += rendered("200 OK" if is_signed(head) else "403 Forbidden", int(time.time()))
        received = received[size:]
    return responses, received


def is_signed(head: bytes) -> bool:
    """Whether a request has a signature. Its head must be in lower case."""
    start = head.find(SIGNED)
    end = head.find(b"\r", start + 2)
    return start >= 0 and SIGNATURE.fullmatch(head, end - LENGTH_OF_SIGNATURE, end) is not None


@lru_cache(maxsize=4)
def rendered(status: str, now: int) -> bytes:
    """A response. It is cached for one second."""
    return HEAD.format(status=status, date=formatdate(now, usegmt=True)).encode()


def serve(listener: socket.socket) -> None:
    """Serves all connections, until the standard input ends."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    incomplete: dict[int, bytes] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                connection = listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, connection)
                continue
            connection = key.data
            try:
                received = connection.recv(65536)
            except ConnectionError:
                received = b""
            if not received:
                incomplete.pop(key.fd, None)
                selector.unregister(connection)
                connection.close()
                continue
            responses, incomplete[key.fd] = respond(incomplete.get(key.fd, b"") + received)
            if responses:
                connection.sendall(responses)


def serve_tls(listener: socket.socket, certificate: str) -> None:
    """Serves all connections with TLS, each in a thread, until the standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve_connection(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            incomplete = b""
            while received := secured.recv(65536):
                responses, incomplete = respond(incomplete + received)
                if responses:
                    secured.sendall(responses)

    def accept_all() -> None:
        while True:
            connection = listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()

    threading.Thread(target=accept_all, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def main(core: str, certificate: str | None = None) -> None:
    """Runs the server on this core."""
    if core != "-":
        os.sched_setaffinity(0, {int(core)})
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        if certificate is None:
            serve(listener)
        else:
            serve_tls(listener, certificate)


if __name__ == "__main__":
    main(*sys.argv[1:])
