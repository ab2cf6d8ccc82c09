"""What all faults share: whom clients trust, and botocore's session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.session import Session

from .certificates import authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the authority's certificate."""
    path: Path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def session() -> Session:
    """One session for all clients, since making one takes longer than a call."""
    return Session()
