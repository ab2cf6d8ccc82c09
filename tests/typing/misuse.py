"""Wrong code: every type checker must reject the marked lines, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, SignOutOutcome, SignOutResult
from cognito_signout.revocation import MemoryStore, RevocationList
from cognito_signout.transports import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cognito_signout.testing import FakeCognito

POOL = "us-east-1_Ab129faBb"


class WithoutTimeout:
    """Not a transport: its ``send`` takes no timeout."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Returns a response."""
        return HttpResponse(200, {}, b"{}")

    def close(self) -> None:
        """Nothing to close."""


class WithoutSecretKey:
    """Not credentials: the secret key is missing."""

    access_key = "AKIDEXAMPLE"


def clients() -> None:
    """Arguments that do not exist or have the wrong type."""
    SignOutClient("us-east-1")  # wrong
    SignOutClient(region="us-east-1")  # wrong
    SignOutClient(verify=1.5)  # wrong
    SignOutClient(credentials=WithoutSecretKey())  # wrong
    SignOutClient(transport=WithoutTimeout())  # wrong
    AsyncSignOutClient(transport=WithoutTimeout())  # wrong


def calls(client: SignOutClient, names: AsyncIterator[str]) -> None:
    """Calls with the wrong arguments."""
    client.sign_out(POOL, "alice")  # wrong
    client.sign_out(user_pool_id=POOL)  # wrong
    client.sign_out(user_pool_id=POOL, username=None)  # wrong
    client.sign_out(user_pool_id=POOL, username="alice", timeout="5")  # wrong
    client.sign_out(UserPoolId=POOL, Username="alice")  # wrong
    client.sign_out_many(user_pool_id=POOL, usernames=names)  # wrong
    client.sign_out_many(user_pool_id=POOL, usernames=[1, 2])  # wrong


def outcomes(result: SignOutResult, outcome: SignOutOutcome, error: SignOutError) -> None:
    """Attributes that do not exist or can't be set."""
    result.id = "another"  # wrong
    result.revokes(1735689600)  # wrong
    result.revokes(issued_at="2025-01-01")  # wrong
    print(result["ResponseMetadata"])  # wrong
    print(outcome.attempts, outcome.username)
    print(outcome.created_at)  # wrong
    print(error.response)  # wrong
    print(result.to_envelope()["error"])  # wrong


async def asynchronously(client: AsyncSignOutClient) -> None:
    """Calls without ``await``."""
    print(client.sign_out(user_pool_id=POOL, username="alice").id)  # wrong
    print(*client.sign_out_many(user_pool_id=POOL, usernames=["alice"]))  # wrong
    with client:  # wrong
        pass


def on_the_fake(fake: FakeCognito) -> None:
    """Misuse of the fake."""
    fake.fail(ValueError)  # wrong
    fake.fail(404)  # wrong
    fake.add_user("alice")  # wrong
    fake.latency = "1"  # wrong


def revocations(result: SignOutResult) -> None:
    """Misuse of revocation lists."""
    RevocationList({})  # wrong
    RevocationList(MemoryStore()).add(result)  # wrong
    RevocationList(MemoryStore()).add(result, "sub")  # wrong
