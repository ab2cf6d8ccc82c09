"""A server on loopback that does exactly what its script says, byte by byte, and records what it receives.

A script is a sequence of steps. Each connection runs one script. The server only knows where an HTTP request ends.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

#: How long, in seconds, a test waits for anything before it fails. Nothing takes nearly as long.
PATIENCE = 20.0

#: A complete response that keeps the connection open.
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """One connection, as the server sees it.

    Attributes:
        sock: Its socket. With TLS, the TLS socket.
        segments: The bytes of each read.
        requests: The requests that arrived completely.
    """

    def __init__(self, server: ScriptedServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.segments: list[bytes] = []
        self.requests: list[bytes] = []

    def receive(self) -> bytes:
        """The next bytes, or nothing if the client has closed the connection."""
        data = self.sock.recv(1 << 20)
        self.segments.append(data)
        return data

    def read_request(self) -> bytes:
        """The next complete request, or nothing if the client has closed the connection."""
        request = b""
        while True:
            data = self.receive()
            if not data:
                return b""
            request += data
            head, end, body = request.partition(b"\r\n\r\n")
            lengths = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            if end and len(body) >= (int(lengths[0]) if lengths else 0):
                self.requests.append(request)
                return request


if TYPE_CHECKING:
    Step: TypeAlias = Callable[[Peer], None]
    Script: TypeAlias = Sequence[Step]


def reads() -> Step:
    """Reads one request."""

    def step(peer: Peer) -> None:
        peer.read_request()

    return step


def receives() -> Step:
    """Waits for any bytes, such as the first message of a TLS handshake, and discards them."""

    def step(peer: Peer) -> None:
        peer.receive()

    return step


def sends(*pieces: bytes) -> Step:
    """Sends the pieces one by one."""

    def step(peer: Peer) -> None:
        for piece in pieces:
            peer.sock.sendall(piece)

    return step


def answers(data: bytes) -> Step:
    """Reads one request and answers it."""

    def step(peer: Peer) -> None:
        if peer.read_request():
            peer.sock.sendall(data)

    return step


def serves(data: bytes = OK) -> Step:
    """Answers one request after the other until the client closes the connection."""

    def step(peer: Peer) -> None:
        while peer.read_request():
            peer.sock.sendall(data)

    return step


def echoes() -> Step:
    """Answers each request with its own body."""

    def step(peer: Peer) -> None:
        while request := peer.read_request():
            body = request.partition(b"\r\n\r\n")[2]
            peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    return step


def drips(start: bytes, endless: bytes = b"x") -> Step:
    """Sends the start at once, and then one byte after the other, endlessly."""

    def step(peer: Peer) -> None:
        peer.sock.sendall(start)
        while not peer.server.stopping.wait(0.02):
            peer.sock.sendall(endless)

    return step


def floods(start: bytes, endless: bytes) -> Step:
    """Sends the start, and then the same bytes endlessly, as fast as the client reads them."""

    def step(peer: Peer) -> None:
        peer.sock.sendall(start)
        while not peer.server.stopping.is_set():
            peer.sock.sendall(endless)

    return step


def waits_for_close() -> Step:
    """Sends nothing until the client closes the connection, then sets ``server.closed_by_client``."""

    def step(peer: Peer) -> None:
        with suppress(ConnectionError):
            while peer.receive():
                pass
        if not peer.server.stopping.is_set():
            peer.server.closed_by_client.set()

    return step


def waits_for(event: threading.Event) -> Step:
    """Waits for an event."""

    def step(peer: Peer) -> None:
        assert event.wait(PATIENCE)

    return step


def calls(function: Callable[[], object]) -> Step:
    """Calls a function."""

    def step(peer: Peer) -> None:
        function()

    return step


def resets() -> Step:
    """Resets the connection."""

    def step(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    return step


def secures(context: ssl.SSLContext) -> Step:
    """Switches to TLS."""

    def step(peer: Peer) -> None:
        sock = context.wrap_socket(peer.sock, server_side=True, do_handshake_on_connect=False)
        peer.sock = sock
        sock.do_handshake()

    return step


def relays_to(port: int) -> Step:
    """Relays bytes to another server on loopback and back, until one side closes its connection."""

    def step(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            other = {peer.sock: upstream, upstream: peer.sock}
            while True:
                waiting = isinstance(peer.sock, ssl.SSLSocket) and peer.sock.pending()
                for sock in [peer.sock] if waiting else select.select([*other], [], [])[0]:
                    data = sock.recv(65536)
                    if not data:
                        return
                    other[sock].sendall(data)

    return step


class ScriptedServer:
    """Runs a script on each connection: the first script on the first one, and the last script on all later ones.

    Args:
        scripts: The scripts.
        context: The TLS context, for TLS from the start. Default: no TLS.
        host: The address to listen on.

    Attributes:
        port: The port that it listens on.
        peers: The connections, in the order in which they arrived.
        stopping: Set when the server is about to stop.
        closed_by_client: Set by :func:`waits_for_close`.
    """

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.peers: list[Peer] = []
        self.stopping = threading.Event()
        self.closed_by_client = threading.Event()
        self._scripts = scripts
        self._context = context
        self._finished = threading.Semaphore(0)
        self._faults: list[Exception] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        """Its URL. With TLS, the host is ``localhost``."""
        return f"http://127.0.0.1:{self.port}/" if self._context is None else f"https://localhost:{self.port}/"

    @property
    def requests(self) -> list[bytes]:
        """The requests of all connections."""
        return [request for peer in self.peers for request in peer.requests]

    def wait_until_finished(self) -> None:
        """Waits until one more connection has finished its script and is closed."""
        assert self._finished.acquire(timeout=PATIENCE)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes up accept()
        self._accepting.join(PATIENCE)
        self._listener.close()
        for peer in self.peers:
            with suppress(OSError):
                # Not the method of the SSL socket: it would discard the TLS state that another thread is using.
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        if exc is None and self._faults:
            raise self._faults[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            script = self._scripts[min(len(self.peers), len(self._scripts) - 1)]
            self.peers.append(Peer(self, sock))
            self._threads.append(threading.Thread(target=self._play, args=(self.peers[-1], script)))
            self._threads[-1].start()

    def _play(self, peer: Peer, script: Script) -> None:
        try:
            if self._context is not None:
                secures(self._context)(peer)
            for step in script:
                step(peer)
        except OSError:
            pass  # the client closed the connection, as many tests intend
        except Exception as error:  # noqa: BLE001 -- raised again in the test's thread
            self._faults.append(error)
        finally:
            peer.sock.close()
            self._finished.release()
