"""The async client without aiohttp: what works, and the error that asks to install it."""

from __future__ import annotations

import subprocess
import sys

from cognito_signout.testing import FakeCognito, FakeCognitoServer

#: The start of a program that can't import aiohttp.
PROLOGUE = """
import asyncio, sys
sys.modules["aiohttp"] = None
from cognito_signout import AsyncSignOutClient, ConfigurationError
from cognito_signout.transports import HttpResponse
USER = {"user_pool_id": "us-east-1_Test00001", "username": "alice"}
"""


def run(code: str, *arguments: str) -> str:
    """Runs the code in a process without aiohttp. Returns its output."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_call_over_the_network_says_what_to_install() -> None:
    """A new user sees an ImportError instead of the package to install."""
    fake = FakeCognito()
    with FakeCognitoServer(fake) as server:
        message = run(
            """
class Keys: access_key, secret_key, token = "AKID", "secret", None
try: asyncio.run(AsyncSignOutClient(endpoint_url=sys.argv[1], credentials=Keys()).sign_out(**USER))
except ConfigurationError as error: print(error.message)
""",
            server.endpoint_url,
        )
    assert "pip install 'cognito-signout[async]'" in message
    fake.assert_no_requests()


def test_the_fake_works_without_aiohttp() -> None:
    """Unit tests with the fake need an HTTP library that they never use."""
    printed = run(
        """
from cognito_signout.testing import FakeCognito
fake = FakeCognito()
fake.add_user(**USER)
print(asyncio.run(fake.async_client().sign_out(**USER)).attempts)
"""
    )
    assert printed == "1"


def test_a_custom_transport_works_without_aiohttp() -> None:
    """A program with its own HTTP client has to install a second one."""
    printed = run(
        """
class Keys: access_key, secret_key, token = "AKID", "secret", None
class Transport:
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b"{}")
    async def close(self): pass
print(asyncio.run(AsyncSignOutClient(credentials=Keys(), transport=Transport()).sign_out(**USER)).attempts)
"""
    )
    assert printed == "1"


def test_moto_works_without_aiohttp() -> None:
    """Tests with moto need an HTTP library, although moto sends nothing."""
    printed = run(
        """
import os
os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1")
import boto3
from moto import mock_aws
with mock_aws():
    peer = boto3.client("cognito-idp", "us-east-1")
    pool = peer.create_user_pool(PoolName="pool")["UserPool"]["Id"]
    peer.admin_create_user(UserPoolId=pool, Username="alice")
    print(asyncio.run(AsyncSignOutClient().sign_out(user_pool_id=pool, username="alice")).attempts)
"""
    )
    assert printed == "1"
