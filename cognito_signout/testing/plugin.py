"""The pytest plugin with the fixture ``fake_cognito``. It imports only pytest until a test uses the fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._fake import FakeCognito


@pytest.fixture
def fake_cognito() -> Generator[FakeCognito]:
    """A :class:`~cognito_signout.testing.FakeCognito` that every ``SignOutClient`` talks to while the test runs."""
    from ._fake import FakeCognito

    with FakeCognito().activate() as fake:
        yield fake
