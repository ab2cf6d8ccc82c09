"""The fake for async code: its own async clients, and those of whoever is tested."""

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

from .test_fake import ALICE, POOL, StrangeKeys

if TYPE_CHECKING:
    from collections.abc import Coroutine

pytest_plugins = ["pytester"]

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user, at a time that only the test moves."""
    fake = FakeCognito(now=START)
    fake.add_user(**ALICE)
    return fake


def run(call: Coroutine[Any, Any, SignOutResult]) -> SignOutResult:
    """Runs a call on an event loop of its own."""
    return asyncio.run(call)


# -- its own clients


def test_an_async_client_of_the_fake_signs_users_out(fake: FakeCognito) -> None:
    """What the blocking client shows of a sign-out, this one must show too."""
    tokens = fake.sign_in(**ALICE)

    async def main() -> SignOutResult:
        async with fake.async_client() as client:
            return await client.sign_out(**ALICE)

    result = run(main())
    assert (tokens.refreshable, tokens.valid_offline) == (False, True)
    assert (result.attempts, result.created_at) == (1, START)
    fake.assert_signed_out(**ALICE, times=1)


def test_an_async_client_of_the_fake_takes_what_the_blocking_one_takes(fake: FakeCognito) -> None:
    """A test of wrong keys, another region or more attempts could be written for one of the two only."""
    with pytest.raises(AuthenticationError) as refused:
        run(fake.async_client(credentials=StrangeKeys()).sign_out(**ALICE))
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
    """An application's handling of them would go untested."""
    fake.fail(fault, times=3)
    with pytest.raises(cls):
        run(fake.async_client().sign_out(**ALICE))
    assert len(fake.requests) == 3


def test_a_source_of_credentials_that_fails_reaches_an_async_client(fake: FakeCognito) -> None:
    """Likewise."""

    class Failing:
        def get_frozen_credentials(self) -> Any:
            raise RuntimeError("no single sign-on")

    with pytest.raises(CredentialsError, match="single sign-on"):
        run(fake.async_client(credentials=Failing()).sign_out(**ALICE))
    fake.assert_no_requests()


def test_pauses_pass_on_the_fakes_clock(fake: FakeCognito) -> None:
    """Back-off as in earnest, in no time."""
    fake.fail("ThrottlingException", times=2)
    run(fake.async_client().sign_out(**ALICE))
    assert timedelta(seconds=1) <= fake.now - START <= timedelta(seconds=3)


def test_other_tasks_have_a_go_while_one_waits(fake: FakeCognito) -> None:
    """Code that signs out and does something else meanwhile would never be seen to do both."""
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


def test_tasks_do_not_wait_for_each_others_latency_and_pauses(fake: FakeCognito) -> None:
    """Calls that take ten seconds each and are made at once would seem to take minutes, and time out."""
    fake.latency = timedelta(seconds=10)
    fake.fail("ThrottlingException", times=8)
    client = fake.async_client()

    async def main() -> list[SignOutResult]:
        return await asyncio.gather(*(client.sign_out(**ALICE, timeout=25) for _ in range(8)))

    assert [result.attempts for result in asyncio.run(main())] == [2] * 8
    assert timedelta(seconds=20) < fake.now - START < timedelta(seconds=25)


def test_an_async_client_of_the_fake_may_be_closed_and_used_again(fake: FakeCognito) -> None:
    """As one in earnest may."""

    async def main() -> None:
        client = fake.async_client()
        for _ in range(2):
            await client.sign_out(**ALICE)
            await client.aclose()

    asyncio.run(main())
    fake.assert_signed_out(**ALICE, times=2)


# -- those of others


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would be sent over the network fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("cognito_signout.transports.AsyncHttpTransport", refuse, raising=False)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_active_fake_answers_async_clients_made_before(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A test must pass on a laptop with a profile and in a bare container alike, and no packet may leave."""
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


def test_afterwards_everything_is_as_before(fake: FakeCognito) -> None:
    """A client that went on talking to the fake would sign out nobody."""
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


def test_the_innermost_fake_answers_async_clients(fake: FakeCognito) -> None:
    """A fixture of the suite and one of the test would get into each other's way."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = AsyncSignOutClient()

    async def main() -> None:
        with fake.activate():
            with inner.activate():
                await client.sign_out(**ALICE)
                await fake.async_client().sign_out(**ALICE)  # which was asked for by name
            await client.sign_out(**ALICE)

    asyncio.run(main())
    fake.assert_signed_out(**ALICE, times=2)
    inner.assert_signed_out(**ALICE, times=1)


def test_async_functions_can_be_decorated(fake: FakeCognito) -> None:
    """It is active until they are done, not until they have been called."""
    client = AsyncSignOutClient()

    @fake.activate()
    async def sign_out(username: str) -> str:
        """Does it twice, with a pause in between."""
        await client.sign_out(user_pool_id=POOL, username=username)
        await asyncio.sleep(0)
        return (await client.sign_out(user_pool_id=POOL, username=username)).username

    assert asyncio.run(sign_out("alice")) == "alice"
    assert sign_out.__doc__ == "Does it twice, with a pause in between."
    fake.assert_signed_out(**ALICE, times=2)


def test_what_a_client_has_learned_is_kept_while_a_fake_is_active(fake: FakeCognito) -> None:
    """Its retries would never run out of quota, which is what a test of an outage wants to see."""
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


def test_many_users_on_an_active_fake(fake: FakeCognito) -> None:
    """Both clients, made before, with nothing but the fake."""
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

client = AsyncSignOutClient()  # made at import, as applications do

def test_signed_out(fake_cognito):
    alice = dict(user_pool_id="us-east-1_Test00001", username="alice")
    fake_cognito.add_user(**alice)
    asyncio.run(client.sign_out(**alice))
    fake_cognito.assert_signed_out(**alice, times=1)
"""


def test_an_async_application_is_tested_with_nothing_but_the_fixture(pytester: pytest.Pytester) -> None:
    """Async code would need a fixture of its own."""
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
