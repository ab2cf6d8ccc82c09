"""This library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognito_signout import SignOutClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from cognito_signout import AsyncSignOutClient


def client(endpoint_url: str, at_once: int = 1) -> SignOutClient:
    """A new client."""
    return SignOutClient(endpoint_url=endpoint_url)


def sign_out(client: SignOutClient) -> None:
    """One call."""
    client.sign_out(user_pool_id="us-east-1_Ab129faBb", username="alice")


def sign_out_many(client: SignOutClient, usernames: Iterable[str], at_once: int) -> None:
    """A call for each user, with concurrency."""
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


def checker(store: str) -> AbstractContextManager[Callable[[], object]]:
    """The function that checks whether a token is revoked."""
    checks: Any = __import__("checks")  # a module of this folder, whose imports must not count as a call's
    context: AbstractContextManager[Callable[[], object]] = checks.checker(store)
    return context


def signer(count: int) -> Callable[[], object]:
    """The function that makes a signature. It formats the date, too, as botocore's signer does."""
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
