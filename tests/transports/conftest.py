"""Fixtures for transports of both kinds, and for a certificate authority with its certificates."""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING

import pytest
import trustme

from cognito_signout.transports import HttpTransport

from .on_a_loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .on_a_loop import NewTransport


@pytest.fixture(params=["blocking", "asyncio"])
def new_transport(request: pytest.FixtureRequest) -> Iterator[NewTransport]:
    """Makes transports: the test runs with each kind."""
    if request.param == "blocking":
        yield HttpTransport
    else:
        with Loop() as loop:
            yield loop.new_transport


@pytest.fixture(
    params=[
        "blocking",
        pytest.param("asyncio", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")),
    ]
)
def new_tls_in_tls_transport(request: pytest.FixtureRequest) -> Iterator[NewTransport]:
    """Makes transports that support TLS in TLS: the test runs with each kind."""
    if request.param == "blocking":
        yield HttpTransport
    else:
        with Loop() as loop:
            yield loop.new_transport


@pytest.fixture
def new_async_transport() -> Iterator[NewTransport]:
    """Makes asyncio transports."""
    with Loop() as loop:
        yield loop.new_transport


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the authority's certificate."""
    path: Path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """The TLS context of a server on loopback, with a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context
