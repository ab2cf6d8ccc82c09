"""The certificates of the matrix, by name: one that clients trust, and others that they must not trust."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from typing import TYPE_CHECKING

import trustme

from ..transports.scripted import secures
from ..transports.test_tls import context_with, expired, requires_client_certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..transports.scripted import Peer, Step


@cache
def authority() -> trustme.CA:
    """The certificate authority that clients trust."""
    return trustme.CA()


def self_signed(_: trustme.CA) -> ssl.SSLContext:
    """The context of a server with a self-signed certificate."""
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(issuer.private_key_pem.bytes() + issuer.cert_pem.bytes())
        file.flush()
        context.load_cert_chain(file.name)
    return context


CERTIFICATES: dict[str, Callable[[trustme.CA], ssl.SSLContext]] = {
    "good": lambda authority: context_with(authority.issue_cert("localhost")),
    "good, but wants the client's": requires_client_certificate,
    "of another host": lambda authority: context_with(authority.issue_cert("other.example")),
    "of an unknown authority": lambda _: context_with(trustme.CA().issue_cert("localhost")),
    "expired": expired,
    "self-signed": self_signed,
}


@cache
def context(certificate: str) -> ssl.SSLContext:
    """The TLS context of a server with this certificate."""
    return CERTIFICATES[certificate](authority())


def speaks_tls(certificate: str = "good") -> Step:
    """Switches to TLS with this certificate."""

    def step(peer: Peer) -> None:
        secures(context(certificate))(peer)

    return step
