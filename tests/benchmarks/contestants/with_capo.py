"""capo, an SDK generated from the service's model."""

from __future__ import annotations

from capo_cognito_identity_provider import CognitoIdentityProviderClient


def client(endpoint_url: str) -> CognitoIdentityProviderClient:
    """A new client."""
    return CognitoIdentityProviderClient(region="us-east-1", endpoint=endpoint_url)


def sign_out(client: CognitoIdentityProviderClient) -> None:
    """One call."""
    client.admin_user_global_sign_out("us-east-1_Ab129faBb", "alice")
