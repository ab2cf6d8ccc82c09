"""Fixtures that all faults share: the trusted authority and a botocore session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from botocore.credentials import Credentials
from botocore.session import Session

from cognito_signout import SignOutClient

from ..transports.scripted import ScriptedServer, serves
from .certificates import authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the authority's certificate."""
    path: Path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def session() -> Session:
    """One session for all clients, created in a clean environment."""
    return _session()


@cache
def _session() -> Session:
    """Created once, and used for a call, because creating a session and loading its files takes longer than a call."""
    session, credentials = Session(), Credentials("AKIDEXAMPLE", "secret")
    with (
        ScriptedServer([serves()]) as server,
        SignOutClient(session=session, credentials=credentials, endpoint_url=server.url) as client,
    ):
        client.sign_out(user_pool_id="us-east-1_Ab129faBb", username="nobody")
    return session
