"""What every test starts from: an environment in which nothing of this machine's AWS set-up is left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: Of variables with these beginnings and endings none reaches a test.
PREFIXES = ("AWS_", "BOTO", "_X_AMZN", "REQUESTS_CA_BUNDLE")
SUFFIX = "_proxy"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No AWS variables but a pair of keys, no proxies, an empty home, no instance metadata."""
    for name in os.environ:
        if name.startswith(PREFIXES) or name.lower().endswith(SUFFIX):
            monkeypatch.delenv(name)
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
