"""The floor for asyncio: a minimal client that signs its requests and sends them with aiohttp."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

floor: Any = __import__("floor")  # in this folder, which is not a package when drive.py runs


class Client:
    """A session and a signer."""

    def __init__(self, session: aiohttp.ClientSession, endpoint_url: str) -> None:
        self.session = session
        self.url = endpoint_url
        self.signing = floor.client(endpoint_url)


@asynccontextmanager
async def async_client(endpoint_url: str, at_once: int) -> AsyncGenerator[Client]:
    """A new client without a limit of concurrent calls."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, endpoint_url)


async def async_sign_out(client: Client) -> None:
    """One call."""
    body = json.dumps({"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}).encode()
    async with client.session.post(client.url, data=body, headers=client.signing.headers(body)) as response:
        if response.status != 200 or json.loads(await response.read()) != {}:
            raise SystemExit("the user was not signed out")
