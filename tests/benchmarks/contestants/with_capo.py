"""capo, an SDK that is generated from the service model."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from capo_cognito_identity_provider import CognitoIdentityProviderClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from capo_cognito_identity_provider import AsyncCognitoIdentityProviderClient


def client(endpoint_url: str, at_once: int = 1) -> CognitoIdentityProviderClient:
    """A new client."""
    return CognitoIdentityProviderClient(region="us-east-1", endpoint=endpoint_url)


def sign_out(client: CognitoIdentityProviderClient) -> None:
    """One call."""
    client.admin_user_global_sign_out("us-east-1_Ab129faBb", "alice")


def sign_out_many(client: CognitoIdentityProviderClient, usernames: Iterable[str], at_once: int) -> None:
    """A call for each user, in a pool of threads."""
    from concurrent.futures import ThreadPoolExecutor

    def sign_out(username: str) -> None:
        client.admin_user_global_sign_out("us-east-1_Ab129faBb", username)

    with ThreadPoolExecutor(at_once) as executor:
        for _ in executor.map(sign_out, usernames):
            pass


@asynccontextmanager
async def async_client(endpoint_url: str, at_once: int) -> AsyncGenerator[AsyncCognitoIdentityProviderClient]:
    """A new client."""
    from capo_cognito_identity_provider import AsyncCognitoIdentityProviderClient

    yield AsyncCognitoIdentityProviderClient(region="us-east-1", endpoint=endpoint_url)


async def async_sign_out(client: AsyncCognitoIdentityProviderClient) -> None:
    """One call."""
    await client.admin_user_global_sign_out("us-east-1_Ab129faBb", "alice")
