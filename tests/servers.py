"""Servers on loopback, with real sockets: a stand-in for the service, a proxy, and sources of credentials.

Each server records its requests. They don't use the library.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

#: How long a server waits for a silent client, in seconds. Tests are far faster.
PATIENCE = 20


@frozen(kw_only=True)
class Arrival:
    """A request that arrived.

    Attributes:
        method: Its method.
        target: Its target, as it stood in the request line.
        headers: Its headers, by their names in lower case.
        body: Its body.
        client: The common name in the client's certificate, if it showed one.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    client: str | None = None


@frozen
class Reply:
    """The response of a server."""

    status: int
    body: str
    content_type: str = "application/json"


class LoopbackServer:
    """An HTTP/1.1 server on a port of its own, a thread for each connection; use it as a context manager.

    Args:
        context: How to speak TLS. Default: plain HTTP.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self._listener = _Listener(self, context)
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.02})

    def answer(self, arrival: Arrival) -> Reply:
        """The response to a request: success, unless a subclass overrides it."""
        return Reply(200, "{}", "application/x-amz-json-1.1")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.server_address[1])

    @property
    def netloc(self) -> str:
        """Its address, as in a URL."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its URL, without a path."""
        return f"{'http' if self._listener.context is None else 'https'}://{self.netloc}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()


class Proxy(LoopbackServer):
    """A proxy. It answers forwarded requests itself, and leads every tunnel to one server, whatever the host.

    Args:
        upstream: The port on loopback that tunnels lead to.
        context: How to speak TLS with its clients. Default: plain HTTP.
        status: What to answer ``CONNECT`` with.
    """

    def __init__(self, upstream: int, context: ssl.SSLContext | None = None, *, status: int = 200) -> None:
        super().__init__(context)
        self.upstream = upstream
        self.status = status


class CredentialSources(LoopbackServer):
    """Sources of credentials over HTTP: STS, SSO, a container's endpoint and an instance's metadata.

    Each of them returns fixed keys, whose names say where they are from, and refuses requests that don't follow its
    protocol.
    """

    CONTAINER_TOKEN = "container-authorization"
    METADATA_TOKEN = "metadata-session"
    SSO_TOKEN = "sso-access"

    def answer(self, arrival: Arrival) -> Reply:
        """The keys, or an error."""
        path = arrival.target.partition("?")[0]
        if arrival.method == "POST":
            return self._sts(arrival)
        if path == "/container":
            return self._if(arrival.headers.get("authorization") == self.CONTAINER_TOKEN, _metadata("CONTAINER"))
        if path == "/federation/credentials":
            return self._if(arrival.headers.get("x-amz-sso_bearer_token") == self.SSO_TOKEN, _SSO_CREDENTIALS)
        return self._metadata(arrival, path)

    def _sts(self, arrival: Arrival) -> Reply:
        form = parse_qs(arrival.body.decode())
        action = form["Action"][0]
        if action == "AssumeRole":
            signer, _, region, *_ = arrival.headers["authorization"].partition("Credential=")[2].split("/")
            return Reply(200, _sts_xml(action, f"{signer}.ASSUMED.{region.replace('-', '')}"), "text/xml")
        if action == "AssumeRoleWithWebIdentity" and form["WebIdentityToken"] == ["web-identity"]:
            return Reply(200, _sts_xml(action, "AKIDWEBIDENTITY"), "text/xml")
        return Reply(400, "<ErrorResponse><Error><Code>InvalidAction</Code></Error></ErrorResponse>", "text/xml")

    def _metadata(self, arrival: Arrival, path: str) -> Reply:
        if arrival.method == "PUT" and path == "/latest/api/token":
            return Reply(200, self.METADATA_TOKEN, "text/plain")
        pages = {
            "/latest/meta-data/iam/security-credentials/": "the-role",
            "/latest/meta-data/iam/security-credentials/the-role": _metadata("INSTANCE"),
        }
        return self._if(arrival.headers.get("x-aws-ec2-metadata-token") == self.METADATA_TOKEN, pages.get(path))

    @staticmethod
    def _if(allowed: bool, body: str | None) -> Reply:
        if not allowed:
            return Reply(401, "{}")
        return Reply(404, "{}") if body is None else Reply(200, body)


def _metadata(source: str) -> str:
    return json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": f"AKID{source}",
            "SecretAccessKey": "secret",
            "Token": f"TOKEN{source}",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    )


def _sts_xml(action: str, access_key: str) -> str:
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
        f"<AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
        f"<SessionToken>TOKENSTS</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        f"</Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/role/s</Arn>"
        f"<AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>"
    )


_SSO_CREDENTIALS = json.dumps(
    {
        "roleCredentials": {
            "accessKeyId": "AKIDSSO",
            "secretAccessKey": "secret",
            "sessionToken": "TOKENSSO",
            "expiration": 4070908800000,
        }
    }
)


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for its threads and leaves no socket behind

    def __init__(self, server: LoopbackServer, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = server
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(PATIENCE)
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or refuses the certificate is not an error of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def handle_one_request(self) -> None:
        with suppress(TimeoutError):
            super().handle_one_request()

    def _serve(self) -> None:
        arrival = Arrival(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            client=self._client(),
        )
        server = self.server.server
        server.arrivals.append(arrival)
        if isinstance(server, Proxy) and self.command == "CONNECT":
            self._tunnel(server)
            return
        reply = server.answer(arrival)
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_GET = do_POST = do_PUT = _serve  # noqa: N815 -- the names are the standard library's

    def _client(self) -> str | None:
        certificate: Any = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        if not certificate:
            return None
        return str({name: value for ((name, value),) in certificate["subject"]}["commonName"])

    def _tunnel(self, proxy: Proxy) -> None:
        self.close_connection = True
        if proxy.status != 200:
            self.send_error(proxy.status)
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", proxy.upstream), PATIENCE) as upstream:
            _relay(self.connection, upstream)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing."""


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Passes on the bytes of both sides, until one of them closes its connection."""
    other = {client: upstream, upstream: client}
    while True:
        waiting = isinstance(client, ssl.SSLSocket) and client.pending()
        ready = [client] if waiting else select.select([client, upstream], [], [], PATIENCE)[0]
        for side in ready:
            data = side.recv(65536)
            if not data:
                return
            other[side].sendall(data)
        if not ready:
            return
