"""TLS: whom to trust, whom to be, and TLS within the TLS to a proxy.

Raises :class:`ConfigurationError` for a certificate bundle or a client's certificate that can't be read.
"""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import Any

from .._botocore import load
from ..errors import ConfigurationError
from ._deadlines import left, sooner


def new_context(verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """A context as botocore would set it up: TLS 1.2 and up, without the strictness of ssl.create_default_context.

    Args:
        verify: ``True`` for the default bundle, a path to another, ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or the two paths.

    Raises:
        ConfigurationError: A file can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        bundle = default_ca_bundle() if verify is True else verify
        try:
            context.load_verify_locations(bundle)
        except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
            raise ConfigurationError(f"the CA bundle {bundle} can't be used: {error}") from error
    if client_cert is not None:
        files = (client_cert,) if isinstance(client_cert, str) else client_cert
        try:
            context.load_cert_chain(*files)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the client certificate {', '.join(files)} can't be used: {error}") from error
    return context


def default_ca_bundle() -> str:
    """The bundle that botocore would use: certifi's, if it is installed, else the one that botocore ships."""
    try:
        certifi: Any = import_module("certifi")
    except ImportError:
        return str(load("httpsession").DEFAULT_CA_BUNDLE)
    return str(certifi.where())


class TlsLayer:
    """TLS over whatever carries bytes: it does no I/O.

    Args:
        context: How to speak it.
        server_hostname: Whom the certificate must name.

    Attributes:
        is_at_end: Whether nothing more can come in: the other side has said farewell, or something is wrong.
        failure: What is wrong, if anything.
    """

    def __init__(self, context: ssl.SSLContext, server_hostname: str) -> None:
        self.is_at_end = False
        self.failure: ssl.SSLError | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    def shake_hands(self) -> bool:
        """Agrees on keys, and verifies the certificate, as far as it goes without more from the other side. Returns
        whether that is done.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Takes what has come in; nothing, where that was the end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def outgoing(self) -> bytes:
        """What is to be sent."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """What is to be sent, in place of the data."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        return self.outgoing()

    def decrypt(self, data: bytes) -> bytes:
        """The data that has come in, in place of what has come in."""
        self._incoming.write(data)
        decrypted = bytearray()
        try:
            while more := self._tls.read(16384):  # the size of a TLS record
                decrypted += more
            self.is_at_end = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.is_at_end, self.failure = True, error
        return bytes(decrypted)


class TlsInTls:
    """A TLS connection through another one, which the standard library has no socket for.

    It has as much of a socket's interface as is used of it. As with a socket's, its time-out bounds an
    operation, however many reads of the outer connection that takes.

    Args:
        sock: The connection to the proxy.
        context: How to speak TLS with whom the proxy leads to.
        server_hostname: Whom its certificate must name.
    """

    def __init__(self, sock: ssl.SSLSocket, context: ssl.SSLContext, server_hostname: str) -> None:
        self._sock = sock
        self._timeout: float | None = None
        self._layer = TlsLayer(context, server_hostname)
        self._received = b""

    def settimeout(self, timeout: float | None) -> None:
        """As a socket's: seconds, ``None`` for no bound, 0 for what can be done without waiting."""
        self._timeout = timeout

    def do_handshake(self) -> None:
        """Agrees on keys, and verifies the certificate."""
        deadline = sooner(None, self._timeout)
        while not self._layer.shake_hands():
            self._send(self._layer.outgoing(), deadline)
            self._layer.feed(self._receive(deadline))
        self._send(self._layer.outgoing(), deadline)
        self._received = self._layer.decrypt(b"")

    def recv(self, size: int) -> bytes:
        """Reads so many bytes at most; none at the end, farewell or not: a standard SSLSocket overlooks that, too."""
        deadline = sooner(None, self._timeout)
        while not self._received and not self._layer.is_at_end and (data := self._receive(deadline)):
            self._received = self._layer.decrypt(data)
            self._send(self._layer.outgoing(), deadline)  # such as new keys, which the other side has asked for
        if not self._received and self._layer.failure is not None:
            raise self._layer.failure
        data, self._received = self._received[:size], self._received[size:]
        return data

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        self._send(self._layer.encrypt(data), sooner(None, self._timeout))

    def close(self) -> None:
        """Closes the outer connection."""
        self._sock.close()

    def _receive(self, deadline: float | None) -> bytes:
        return self._ready(deadline).recv(65536)

    def _send(self, data: bytes, deadline: float | None) -> None:
        self._ready(deadline).sendall(data)

    def _ready(self, deadline: float | None) -> ssl.SSLSocket:
        self._sock.settimeout(left(deadline) if self._timeout else self._timeout)
        return self._sock
