"""User pools in moto, for tests of what a sign-out does. boto3 creates the users and checks their tokens."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from botocore.exceptions import ClientError

PASSWORD = "Correct-horse-1"


@frozen
class MotoPool:
    """A user pool in moto, with an app client for its users.

    Attributes:
        settings: Further arguments of CreateUserPool.
        id: The ID of the pool.
        app_client_id: The ID of the app client.
    """

    boto3_client: Any
    settings: dict[str, Any] = field(factory=dict[str, Any])
    id: str = field(init=False)
    app_client_id: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        pool = self.boto3_client.create_user_pool(PoolName="pool", **self.settings)["UserPool"]
        app = self.boto3_client.create_user_pool_client(
            UserPoolId=pool["Id"],
            ClientName="app",
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]
        object.__setattr__(self, "id", pool["Id"])
        object.__setattr__(self, "app_client_id", app["ClientId"])

    def add_user(self, username: str) -> None:
        """Adds a user with a permanent password."""
        self.boto3_client.admin_create_user(UserPoolId=self.id, Username=username)
        self.boto3_client.admin_set_user_password(
            UserPoolId=self.id, Username=username, Password=PASSWORD, Permanent=True
        )

    def sign_in(self, username: str) -> str:
        """Signs a user in. Returns the refresh token."""
        response = self.boto3_client.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=self.app_client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD},
        )
        token: str = response["AuthenticationResult"]["RefreshToken"]
        return token

    def refusal_to_refresh(self, refresh_token: str) -> str | None:
        """The error code of an attempt to use a refresh token, or ``None`` if the token still works."""
        try:
            self.boto3_client.initiate_auth(
                ClientId=self.app_client_id,
                AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": refresh_token},
            )
        except ClientError as error:
            code: str = error.response["Error"]["Code"]
            return code
        return None
