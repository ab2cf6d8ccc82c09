"""aiobotocore, boto3's counterpart for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def async_client(endpoint_url: str, at_once: int) -> AbstractAsyncContextManager[Any]:
    """A new client for concurrent calls."""
    context: AbstractAsyncContextManager[Any] = get_session().create_client(
        "cognito-idp",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        config=AioConfig(max_pool_connections=at_once),  # with the default of 10, other calls wait
    )
    return context


async def async_sign_out(client: Any) -> None:
    """One call."""
    await client.admin_user_global_sign_out(UserPoolId="us-east-1_Ab129faBb", Username="alice")
