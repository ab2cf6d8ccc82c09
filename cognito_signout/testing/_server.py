"""The fake behind a real HTTP/1.1 server on loopback, for boto3, subprocesses and other languages' SDKs."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
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
        latency: How long each response really takes, in seconds. ``fake.latency`` only moves the fake's clock.

    >>> from cognito_signout import SignOutClient
    >>> from cognito_signout.testing import FakeCognito, FakeCognitoServer
    >>> with FakeCognitoServer(FakeCognito()) as server:
    ...     client = SignOutClient(endpoint_url=server.endpoint_url)
    """

    def __init__(self, fake: FakeCognito, *, host: str = "127.0.0.1", port: int = 0, latency: float = 0.0) -> None:
        self.fake = fake
        self._latency = latency
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'not started' if self._server is None else repr(self.endpoint_url)})"

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

        ``AWS_PROFILE`` and ``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`` could lead an SDK elsewhere: unset them.

        Raises:
            RuntimeError: The server is not started.
        """
        return {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.fake.access_key,
            "AWS_SECRET_ACCESS_KEY": self.fake.secret_key,
            "AWS_SESSION_TOKEN": "",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
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
        self._server = _Server(self._address, self.fake, self._latency)
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

    def __init__(self, address: tuple[str, int], fake: FakeCognito, latency: float) -> None:
        self.fake = fake
        self.latency = latency
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
        """Responds to a request of an SDK."""
        body = self._body()
        if body is None:
            return
        host = self.headers.get("Host", "")
        request = HttpRequest("POST", f"http://{host}{self.path}", self.headers.items(), body)
        server = cast("_Server", self.server)
        time.sleep(server.latency)
        answer = server.fake.exchange(request)
        if isinstance(answer, str):
            self._suffer(answer)
        else:
            self._write(answer.status, dict(answer.headers.items()), answer.body)

    def do_GET(self) -> None:
        """Says that the server is up, or returns the keys of a pool."""
        fake = cast("_Server", self.server).fake
        path = self.path.partition("?")[0]
        pool, _, rest = path.lstrip("/").partition("/")
        body: object = None
        if path == "/":
            body = {"service": "a fake of Amazon Cognito user pools", "version": __version__}
        elif rest == ".well-known/jwks.json":
            with suppress(LookupError):
                body = fake.jwks(pool)
        status = 404 if body is None else 200
        self._write(status, {"Content-Type": "application/json"}, json.dumps(body or {}).encode())

    do_HEAD = do_GET  # noqa: N815 -- the name in the base class

    def do_OPTIONS(self) -> None:
        """Allows browsers to call the fake."""
        headers = {
            "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
            "Access-Control-Allow-Headers": self.headers.get("Access-Control-Request-Headers", "*"),
            "Access-Control-Max-Age": "600",
        }
        self._write(200, headers, b"")

    def _body(self) -> bytes | None:
        """The body of the request; ``None`` if it is malformed, too long or cut off. Then the connection is closed."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        elif not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self.send_error(411 if not length else 413)
            return None
        else:
            body = self.rfile.read(int(length))
            body = body if len(body) == int(length) else None
        if body is None:
            self.close_connection = True
        return body

    def _chunks(self) -> bytes | None:
        body = b""
        while True:
            size = self.rfile.readline(64).partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                return None
            if length == 0:
                while self.rfile.readline(MAX_BODY).strip():
                    pass  # trailers
                return body
            chunk = self.rfile.read(length + 2)
            body += chunk[:-2]
            if len(chunk) < length + 2 or len(body) > MAX_BODY:
                return None

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if self.request_version == "HTTP/1.0" and not self.close_connection:
            headers["Connection"] = "keep-alive"
        headers = {"Access-Control-Allow-Origin": "*", **headers, "Content-Length": str(len(body))}
        head = f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.wfile.write(head.encode("latin-1") + b"\r\n" + (b"" if self.command == "HEAD" else body))

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
