"""The fake's clock: on it, a run takes as long as real waits would take."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout import SignOutError, SignOutResult, SignOutTimeoutError
from cognito_signout._bulk.threads import NOT_YET
from cognito_signout.testing import FakeCognito
from tests.ways import InTasks, InThreads, Way

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

POOL = "us-east-1_Test00001"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(params=[InThreads, InTasks])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Both clients."""
    way: Way = request.param()
    yield way
    way.finish()


def fake_with(users: int, latency: float) -> FakeCognito:
    """A fake with this number of users, and a latency in seconds."""
    fake = FakeCognito(now=START)
    fake.add_users(user_pool_id=POOL, usernames=[f"user{number}" for number in range(users)])
    fake.latency = timedelta(seconds=latency)
    return fake


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("in_flight", "seconds"), [(1, 25.0), (10, 2.5), (50, 0.5)])
def test_concurrent_requests_share_the_latency(in_flight: int, seconds: float, is_async: bool) -> None:
    """The duration of a run depends on how threads are scheduled."""
    fake = fake_with(250, 0.1)
    arguments: Any = {
        "user_pool_id": POOL,
        "usernames": [f"user{number}" for number in range(250)],
        "max_concurrency": in_flight,
    }

    async def with_asyncio() -> list[Any]:
        return [outcome async for outcome in fake.async_client().sign_out_many(**arguments)]

    outcomes = asyncio.run(with_asyncio()) if is_async else list(fake.client().sign_out_many(**arguments))
    assert [type(outcome) for outcome in outcomes] == [SignOutResult] * 250
    assert (fake.now - START).total_seconds() == pytest.approx(seconds, abs=0.001)


def test_a_throttled_run_is_the_same_each_time(way: Way) -> None:
    """A test of a throttled run passes on one machine and fails on another."""

    def requests_of_a_run() -> list[Any]:
        fake = fake_with(100, 0.1)
        fake.throttle(rate=25, burst=25)
        way.all(way.client_of(fake), [f"user{number}" for number in range(100)])
        return [(entry.username, entry.code, entry.at) for entry in fake.requests]

    assert requests_of_a_run() == requests_of_a_run()


def test_calls_in_threads_do_not_time_out_because_of_each_other() -> None:
    """A call times out because calls in other threads move the clock."""
    fake = fake_with(1, 3.0)
    client = fake.client()
    errors: list[SignOutError] = []

    def work() -> None:
        for _ in range(100):
            try:
                client.sign_out(user_pool_id=POOL, username="user0", timeout=4)
            except SignOutError as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert fake.now >= START + timedelta(seconds=300)


def test_a_timeout_of_one_user_does_not_delay_others(way: Way) -> None:
    """Other users wait for a request that gets no response."""
    fake = fake_with(10, 0.1)
    fake.fail("timeout")
    outcomes, ended = way.all(way.client_of(fake), [f"user{number}" for number in range(10)], timeout=30)
    assert ended is None
    late = [outcome for outcome in outcomes if isinstance(outcome, SignOutTimeoutError)]
    assert [outcome.attempts for outcome in late] == [1]
    assert (fake.now - START).total_seconds() == pytest.approx(30, abs=0.001)


def test_outcomes_are_yielded_before_an_error_of_the_iterable() -> None:
    """An error in the iterable of usernames discards outcomes."""
    fake = fake_with(3, 0.1)

    def names() -> Iterator[str]:
        yield from ("user0", "user1", "user2")
        raise OSError("the file ended")

    way = InThreads()
    outcomes, ended = way.all(way.client_of(fake), names())
    assert isinstance(ended, OSError)
    assert len(outcomes) == 3


def test_a_run_that_is_closed_early_sends_no_more_requests() -> None:
    """A run continues after the caller closed it."""
    fake = fake_with(50, 0.1)
    with fake.client().sign_out_many(user_pool_id=POOL, usernames=[f"user{n}" for n in range(50)]) as outcomes:
        next(outcomes)
    assert len(fake.requests) < 50


def test_a_slow_iterable_does_not_delay_outcomes() -> None:
    """The command shows an outcome only when the next username arrives."""
    fake = fake_with(2, 0.1)

    def names() -> Iterator[Any]:
        yield "user0"
        yield NOT_YET
        yield "user1"

    outcomes: Any = fake.client().sign_out_many(user_pool_id=POOL, usernames=names())
    assert next(outcomes).username == "user0"
    outcomes._run.wake()
    assert next(outcomes) is NOT_YET
    assert next(outcomes).username == "user1"
    assert list(outcomes) == []
