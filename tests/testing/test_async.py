"""The fake for async code: its own async clients, and the clients of an application."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from cognito_signout import (
    AsyncSignOutClient,
    AuthenticationError,
    CredentialsError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    SignOutResult,
    SignOutTimeoutError,
    TooManyRequestsError,
)
from cognito_signout.testing import FakeCognito

from .test_fake import ALICE, POOL, UnknownKeys

if TYPE_CHECKING:
    from collections.abc import Coroutine

pytest_plugins = ["pytester"]

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user, and a clock that only the test moves."""
    fake = FakeCognito(now=START)
    fake.add_user(**ALICE)
    return fake


def run(call: Coroutine[Any, Any, SignOutResult]) -> SignOutResult:
    """Runs a call on a new event loop."""
    return asyncio.run(call)


def test_an_async_client_of_the_fake_signs_users_out(fake: FakeCognito) -> None:
    """The fake's async client behaves differently from its blocking client."""
    tokens = fake.sign_in(**ALICE)

    async def main() -> SignOutResult:
        async with fake.async_client() as client:
            return await client.sign_out(**ALICE)

    result = run(main())
    assert (tokens.refreshable, tokens.valid_offline) == (False, True)
    assert (result.attempts, result.created_at) == (1, START)
    fake.assert_signed_out(**ALICE, times=1)


def test_both_clients_of_the_fake_take_the_same_arguments(fake: FakeCognito) -> None:
    """Wrong keys, another region or more attempts can be tested with only one of the two clients."""
    with pytest.raises(AuthenticationError) as refused:
        run(fake.async_client(credentials=UnknownKeys()).sign_out(**ALICE))
    assert refused.value.aws_code == "UnrecognizedClientException"
    for client in (
        fake.async_client(region_name="eu-west-1"),
        fake.async_client(config=Config(region_name="eu-west-1")),
    ):
        with pytest.raises(ResourceNotFoundError):
            run(client.sign_out(**ALICE))
    fake.fail("reset", times=5)
    result = run(fake.async_client(config=Config(retries={"total_max_attempts": 6})).sign_out(**ALICE))
    assert result.attempts == 6


@pytest.mark.parametrize(
    ("fault", "cls"),
    [
        ("refused", SignOutConnectionError),
        ("timeout", SignOutTimeoutError),
        ("ThrottlingException", TooManyRequestsError),
    ],
)
def test_faults_reach_an_async_client(fake: FakeCognito, fault: str, cls: type[Exception]) -> None:
    """An application can't test how it handles faults."""
    fake.fail(fault, times=3)
    with pytest.raises(cls):
        run(fake.async_client().sign_out(**ALICE))
    assert len(fake.requests) == 3


def test_an_async_client_raises_an_error_of_its_credentials(fake: FakeCognito) -> None:
    """An application can't test how it handles credentials that fail to load."""

    class Failing:
        def get_frozen_credentials(self) -> Any:
            raise RuntimeError("no single sign-on")

    with pytest.raises(CredentialsError, match="single sign-on"):
        run(fake.async_client(credentials=Failing()).sign_out(**ALICE))
    fake.assert_no_requests()


def test_waits_between_attempts_move_the_fakes_clock(fake: FakeCognito) -> None:
    """A test really waits between attempts."""
    fake.fail("ThrottlingException", times=2)
    run(fake.async_client().sign_out(**ALICE))
    assert timedelta(seconds=1) <= fake.now - START <= timedelta(seconds=3)


def test_other_tasks_run_while_one_waits(fake: FakeCognito) -> None:
    """Other tasks never run while one signs a user out."""
    order: list[str] = []

    async def sign_out() -> None:
        await fake.async_client().sign_out(**ALICE)
        order.append("signed out")

    async def something_else() -> None:
        order.append("something else")

    async def main() -> None:
        await asyncio.gather(sign_out(), something_else())

    asyncio.run(main())
    assert order == ["something else", "signed out"]


def test_waits_of_concurrent_tasks_do_not_add_up(fake: FakeCognito) -> None:
    """Concurrent calls of ten seconds each take minutes on the fake's clock, and time out."""
    fake.latency = timedelta(seconds=10)
    fake.fail("ThrottlingException", times=8)
    client = fake.async_client()

    async def main() -> list[SignOutResult]:
        return await asyncio.gather(*(client.sign_out(**ALICE, timeout=25) for _ in range(8)))

    assert [result.attempts for result in asyncio.run(main())] == [2] * 8
    assert timedelta(seconds=20) < fake.now - START < timedelta(seconds=25)


def test_a_closed_async_client_of_the_fake_can_be_used_again(fake: FakeCognito) -> None:
    """The fake's async client refuses calls after it was closed, unlike a real client."""

    async def main() -> None:
        client = fake.async_client()
        for _ in range(2):
            await client.sign_out(**ALICE)
            await client.aclose()

    asyncio.run(main())
    fake.assert_signed_out(**ALICE, times=2)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to use the network fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("cognito_signout.transports.AsyncHttpTransport", refuse, raising=False)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_active_fake_responds_to_existing_async_clients(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A test depends on the machine's AWS configuration, or sends requests over the network."""
    client = AsyncSignOutClient()
    if environment != "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if environment == "unknown profile":
        monkeypatch.setenv("AWS_PROFILE", "nobody")

    async def main() -> None:
        await client.sign_out(**ALICE)
        async with AsyncSignOutClient(profile_name="nope", endpoint_url="http://127.0.0.1:1") as other:
            await other.sign_out(**ALICE)
        await client.aclose()

    with fake.activate():
        asyncio.run(main())
        SignOutClient().sign_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=3)


def test_an_async_client_uses_the_network_again_after_the_fake(fake: FakeCognito) -> None:
    """A client still uses the fake after the test, and signs no real user out."""
    config = Config(retries={"total_max_attempts": 1})
    client = AsyncSignOutClient(endpoint_url="http://127.0.0.1:1", config=config)

    async def main() -> None:
        with fake.activate():
            await client.sign_out(**ALICE)
        with pytest.raises(SignOutConnectionError):
            await client.sign_out(**ALICE)
        await client.aclose()

    asyncio.run(main())
    fake.assert_signed_out(**ALICE, times=1)


def test_async_clients_use_the_innermost_fake(fake: FakeCognito) -> None:
    """The fake of a suite and the fake of a single test interfere with each other."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = AsyncSignOutClient()

    async def main() -> None:
        with fake.activate():
            with inner.activate():
                await client.sign_out(**ALICE)
                await fake.async_client().sign_out(**ALICE)  # this client always uses its own fake
            await client.sign_out(**ALICE)

    asyncio.run(main())
    fake.assert_signed_out(**ALICE, times=2)
    inner.assert_signed_out(**ALICE, times=1)


def test_activate_decorates_async_functions(fake: FakeCognito) -> None:
    """The fake is no longer active when the coroutine runs."""
    client = AsyncSignOutClient()

    @fake.activate()
    async def sign_out(username: str) -> str:
        """Signs out twice, with a pause in between."""
        await client.sign_out(user_pool_id=POOL, username=username)
        await asyncio.sleep(0)
        return (await client.sign_out(user_pool_id=POOL, username=username)).username

    assert asyncio.run(sign_out("alice")) == "alice"
    assert sign_out.__doc__ == "Signs out twice, with a pause in between."
    fake.assert_signed_out(**ALICE, times=2)


def test_a_client_keeps_its_state_while_a_fake_is_active(fake: FakeCognito) -> None:
    """A client loses its retry quota and clock offset between calls."""
    client = AsyncSignOutClient()
    fake.fail("ServiceUnavailable", times=1000)

    async def main() -> list[int]:
        attempts = []
        for _ in range(20):
            with pytest.raises(Exception, match="ServiceUnavailable") as down:
                await client.sign_out(**ALICE)
            attempts.append(down.value.attempts)  # type: ignore[attr-defined]
        return attempts

    with fake.activate():
        attempts = asyncio.run(main())
    assert attempts[0] == 3
    assert attempts[-1] == 1


def test_existing_clients_sign_many_users_out_on_an_active_fake(fake: FakeCognito) -> None:
    """Clients that were created before the fake was activated do not use it for many users."""
    blocking, asynchronous = SignOutClient(), AsyncSignOutClient()
    usernames = ["alice", "nobody"]

    async def main() -> list[str]:
        outcomes = asynchronous.sign_out_many(user_pool_id=POOL, usernames=usernames)
        return [type(outcome).__name__ async for outcome in outcomes]

    with fake.activate():
        outcomes = blocking.sign_out_many(user_pool_id=POOL, usernames=usernames)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["SignOutResult", "UserNotFoundError"]
        assert sorted(asyncio.run(main())) == ["SignOutResult", "UserNotFoundError"]


TESTS = """
import asyncio
from cognito_signout import AsyncSignOutClient

client = AsyncSignOutClient()  # created at import, as in an application

def test_signed_out(fake_cognito):
    alice = dict(user_pool_id="us-east-1_Test00001", username="alice")
    fake_cognito.add_user(**alice)
    asyncio.run(client.sign_out(**alice))
    fake_cognito.assert_signed_out(**alice, times=1)
"""


def test_an_async_application_needs_only_the_fixture(pytester: pytest.Pytester) -> None:
    """Async code needs another fixture."""
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
