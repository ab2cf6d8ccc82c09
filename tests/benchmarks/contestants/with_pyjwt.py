"""PyJWT: the verification of an RS256 token, which a service does before it checks whether the token is revoked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import jwt

from cognito_signout.testing import FakeCognito

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def checker(_store: str) -> Generator[Callable[[], object]]:
    """The function that verifies an access token."""
    fake = FakeCognito()
    fake.add_user(user_pool_id="us-east-1_Ab129faBb", username="alice")
    tokens = fake.sign_in(user_pool_id="us-east-1_Ab129faBb", username="alice")
    keys = jwt.PyJWKSet.from_dict(fake.jwks("us-east-1_Ab129faBb"))
    key = keys[jwt.get_unverified_header(tokens.access_token)["kid"]]
    yield lambda: jwt.decode(tokens.access_token, key, algorithms=["RS256"])
