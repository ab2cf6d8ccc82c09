"""This library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognito_signout import SignOutClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cognito_signout import AsyncSignOutClient


def client(endpoint_url: str, at_once: int = 1) -> SignOutClient:
    """A new client."""
    return SignOutClient(endpoint_url=endpoint_url)


def sign_out(client: SignOutClient) -> None:
    """One call."""
    client.sign_out(user_pool_id="us-east-1_Ab129faBb", username="alice")


def sign_out_many(client: SignOutClient, usernames: Iterable[str], at_once: int) -> None:
    """A call for each user, so many at once."""
    for outcome in client.sign_out_many(
        user_pool_id="us-east-1_Ab129faBb", usernames=usernames, max_concurrency=at_once
    ):
        if isinstance(outcome, Exception):
            raise outcome


def async_client(endpoint_url: str, at_once: int) -> AsyncSignOutClient:
    """A new client."""
    from cognito_signout import AsyncSignOutClient

    return AsyncSignOutClient(endpoint_url=endpoint_url)


async def async_sign_out(client: AsyncSignOutClient) -> None:
    """One call."""
    await client.sign_out(user_pool_id="us-east-1_Ab129faBb", username="alice")


def signer(count: int) -> Callable[[], object]:
    """What makes a signature: the date and all else that botocore's signer does, too."""
    from time import gmtime, strftime

    from cognito_signout._call.signature import authorization

    def sign() -> str:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "Host": "cognito-idp.us-east-1.amazonaws.com",
            "X-Amz-Date": strftime("%Y%m%dT%H%M%SZ", gmtime()),
            "X-Amz-Target": "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut",
        }
        return authorization(
            access_key="AKIDEXAMPLE",
            secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region="us-east-1",
            path="/",
            headers={name.lower(): value for name, value in headers.items()},
            body=b'{"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}',
        )

    return sign
