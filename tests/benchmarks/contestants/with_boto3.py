"""boto3, with a new session for each client; and botocore's signer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def client(endpoint_url: str, at_once: int = 1) -> Any:
    """A new client from a new session. Clients of boto3's default session share loaded data."""
    # By default, boto3 keeps at most 10 connections open.
    config = Config(max_pool_connections=at_once) if at_once > 10 else None
    return boto3.Session().client("cognito-idp", region_name="us-east-1", endpoint_url=endpoint_url, config=config)


def sign_out(client: Any) -> None:
    """One call."""
    client.admin_user_global_sign_out(UserPoolId="us-east-1_Ab129faBb", Username="alice")


def sign_out_many(client: Any, usernames: Iterable[str], at_once: int) -> None:
    """A call for each user, in a pool of threads."""
    from concurrent.futures import ThreadPoolExecutor

    def sign_out(username: str) -> None:
        client.admin_user_global_sign_out(UserPoolId="us-east-1_Ab129faBb", Username=username)

    with ThreadPoolExecutor(at_once) as executor:
        for _ in executor.map(sign_out, usernames):
            pass


def signer(count: int) -> Callable[[], object]:
    """The function that makes a signature. The requests are created before the measurement."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    auth = SigV4Auth(keys, "cognito-idp", "us-east-1")
    requests = [
        AWSRequest(
            "POST",
            "https://cognito-idp.us-east-1.amazonaws.com/",
            {
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut",
            },
            b'{"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}',
        )
        for _ in range(count)
    ]
    return lambda: auth.add_auth(requests.pop())
