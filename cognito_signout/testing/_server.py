"""The fake behind a real HTTP/1.1 server on loopback, for boto3, subprocesses and other languages' SDKs."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, cast

from .._version import __version__
from ..transports import MAX_BODY, HttpRequest

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._fake import FakeCognito

#: Close with RST: the client's next read ends in ECONNRESET.
_RESET = struct.pack("ii", 1, 0)


class FakeCognitoServer:
    """Serves a :class:`FakeCognito` on loopback, within ``with`` or from :meth:`start` to :meth:`stop`.

    Args:
        fake: The fake to serve.
        host: The address to listen on.
        port: The port. Default: a free one.

    >>> from cognito_signout import SignOutClient
    >>> from cognito_signout.testing import FakeCognito, FakeCognitoServer
    >>> with FakeCognitoServer(FakeCognito()) as server:
    ...     client = SignOutClient(endpoint_url=server.endpoint_url)
    """

    def __init__(self, fake: FakeCognito, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.fake = fake
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint_url(self) -> str:
        """The URL of the server, such as ``http://127.0.0.1:54321``.

        Raises:
            RuntimeError: The server is not started.
        """
        if self._server is None:
            raise RuntimeError("the server is not started")
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make AWS SDKs in another process use this server.

        A profile (``AWS_PROFILE``) and ``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`` would lead it elsewhere: unset them.

        Raises:
            RuntimeError: The server is not started.
        """
        return {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.fake.access_key,
            "AWS_SECRET_ACCESS_KEY": self.fake.secret_key,
            "AWS_SESSION_TOKEN": "",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def start(self) -> Self:
        """Starts the server in a thread.

        Raises:
            RuntimeError: The server is started already.
            OSError: The port is taken.
        """
        if self._server is not None:
            raise RuntimeError("the server is started already")
        self._server = _Server(self._address, self.fake)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops the server and closes every connection. Does nothing if it is not started."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    """A server with a thread for each connection. The threads end with the server, even if clients stay connected."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeCognito) -> None:
        self.fake = fake
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._connections: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without looking up the full name of the host, which can take seconds without DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one connection."""
        with self._lock:
            self._connections.add(request)
            self._workers.add(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)
                self._workers.discard(threading.current_thread())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that have disconnected."""

    def server_close(self) -> None:
        """Closes the connections and waits for their threads."""
        super().server_close()
        with self._lock:
            workers = list(self._workers)
            for connection in self._connections:
                with suppress(OSError):  # the client may have closed it first
                    connection.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join()


class _Handler(BaseHTTPRequestHandler):
    """Passes each request of a connection to the fake, and writes the response at once."""

    protocol_version = "HTTP/1.1"
    server_version = f"cognito-signout-fake/{__version__}"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Responds to a request."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self.send_error(411 if not length else 413)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the client disconnected before the request was complete
            self.close_connection = True
            return
        host = self.headers.get("Host", "")
        request = HttpRequest("POST", f"http://{host}{self.path}", self.headers.items(), body)
        answer = cast("_Server", self.server).fake.exchange(request)
        if isinstance(answer, str):
            self._suffer(answer)
            return
        self.log_request(answer.status)
        head = f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        self.wfile.write(head.encode("latin-1") + b"\r\n" + answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name in the base class
        """Logs nothing: the fake records the requests."""

    def _suffer(self, fault: str) -> None:
        """Makes the response fail as requested, and closes the connection."""
        self.close_connection = True
        if fault == "timeout":
            self.connection.recv(1)  # until the client disconnects or the server stops
        elif fault == "truncated":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"')
        elif fault == "garbage":
            self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
