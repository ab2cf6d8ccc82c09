"""Certificates, as the scripts of the matrix name them: the one that clients trust, and those that they must not."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from typing import TYPE_CHECKING

import trustme

from ..transports.scripted import secures
from ..transports.test_tls import context_with, demanding, expired

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..transports.scripted import Peer, Step


@cache
def authority() -> trustme.CA:
    """The certificate authority that clients trust."""
    return trustme.CA()


def self_signed(_: trustme.CA) -> ssl.SSLContext:
    """A server that vouches for itself."""
    itself = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(itself.private_key_pem.bytes() + itself.cert_pem.bytes())
        file.flush()
        context.load_cert_chain(file.name)
    return context


CERTIFICATES: dict[str, Callable[[trustme.CA], ssl.SSLContext]] = {
    "good": lambda authority: context_with(authority.issue_cert("localhost")),
    "good, but wants the client's": demanding,
    "of another host": lambda authority: context_with(authority.issue_cert("other.example")),
    "of an unknown authority": lambda _: context_with(trustme.CA().issue_cert("localhost")),
    "expired": expired,
    "self-signed": self_signed,
}


@cache
def context(certificate: str) -> ssl.SSLContext:
    """TLS as a server speaks it that shows this certificate."""
    return CERTIFICATES[certificate](authority())


def speaks_tls(certificate: str = "good") -> Step:
    """Goes on in TLS, with this certificate."""

    def step(peer: Peer) -> None:
        secures(context(certificate))(peer)

    return step
