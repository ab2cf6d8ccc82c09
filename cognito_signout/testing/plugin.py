"""The pytest plugin with the fixture ``fake_cognito``. It imports only pytest until a test uses the fixture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._fake import FakeCognito

#: Variables by which child processes and boto3 could find other keys than the fake's.
_REMOVED = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the ini option."""
    parser.addini(
        "fake_cognito_env", "whether fake_cognito replaces the AWS keys in the environment", type="bool", default=True
    )


@pytest.fixture
def fake_cognito(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeCognito]:
    """A :class:`~cognito_signout.testing.FakeCognito` that every ``SignOutClient`` talks to while the test runs.

    The environment has the fake's keys, so that child processes and boto3 can't sign with real ones. boto3 still calls
    AWS. The ini option ``fake_cognito_env = false`` leaves the environment as it is.
    """
    from ._fake import FakeCognito

    fake = FakeCognito()
    if request.config.getini("fake_cognito_env"):
        for name in _REMOVED:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", fake.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake.secret_key)
        if "boto3" in sys.modules:
            monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    with fake.activate():
        yield fake
