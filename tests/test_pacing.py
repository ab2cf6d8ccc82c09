"""How fast to go: promises that hold for any arrivals and answers, and simulations of processes that share a quota."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout._bulk.pacing import MAX_HOLD, MIN_FIRST_RATE, MIN_RATE, Pacer
from tests.shared_quota import TokenBucket, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What may become of a request, and how long after the last event it is asked for.
ANSWERS = ("passed", "throttled", "failed")
arrivals = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from(ANSWERS), st.floats(0, 1, exclude_max=True), st.floats(0, 6)),
    min_size=1,
    max_size=60,
)
rates = st.floats(0.05, 1000)


def run(pacer: Pacer, history: Sequence[tuple[float, str, float, float]]) -> list[float]:
    """Puts a history behind a pacer; returns when each request was sent."""
    now = 0.0
    sent = []
    for pause, answer, random, asked in history:
        now += pause
        sent.append(now + pacer.reserve(now, random))
        tell(pacer, answer, sent_at=sent[-1], now=now, pause=asked)
    return sent


def tell(pacer: Pacer, answer: str, *, sent_at: float, now: float, pause: float = 0.0) -> None:
    """Tells a pacer what became of a request."""
    if answer == "throttled":
        pacer.throttled(sent_at=sent_at, now=now, pause=pause)
    elif answer == "failed":
        pacer.failed(sent_at=sent_at, now=now)
    else:
        pacer.passed(now)


@given(history=arrivals, max_rate=rates)
def test_no_more_than_max_rate_are_sent_in_a_second(
    history: Sequence[tuple[float, str, float, float]], max_rate: float
) -> None:
    """Production, which lives on the rest of the quota, would be throttled."""
    sent = sorted(run(Pacer(max_rate), history))
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            # One more for either end of the window, and one for the spread of places.
            assert last - first + 1 <= (sent[last] - sent[first]) * max_rate * (1 + 1e-9) + 3


@given(times=st.lists(st.floats(0, 100), min_size=1), max_rate=rates)
def test_an_even_pace_is_kept_while_nothing_is_throttled(times: Sequence[float], max_rate: float) -> None:
    """``max_rate`` would be overstepped by bursts."""
    pacer = Pacer(max_rate)
    sent = [now + pacer.reserve(now, 0.9) for now in sorted(times)]
    assert all(later - earlier >= (1 - 1e-9) / max_rate - 1e-9 for earlier, later in pairwise(sent))


@given(history=st.lists(st.tuples(st.floats(0, 3), st.just("passed"), st.floats(0, 1), st.just(0.0)), min_size=1))
def test_nothing_waits_before_the_first_throttle(history: Sequence[tuple[float, str, float, float]]) -> None:
    """A run would be slower than the service lets it be."""
    pacer = Pacer()
    assert run(pacer, history) == pytest.approx(
        [sum(pause for pause, *_ in history[: n + 1]) for n in range(len(history))]
    )
    assert pacer.rate == math.inf


@given(history=arrivals, max_rate=st.none() | rates)
def test_waits_and_rates_stay_within_their_bounds(
    history: Sequence[tuple[float, str, float, float]], max_rate: float | None
) -> None:
    """A run could come to a standstill, or run away."""
    pacer = Pacer(max_rate)
    now = 0.0
    for pause, answer, random, asked in history:
        now += pause
        wait = pacer.reserve(now, random)
        assert wait >= 0
        rate = pacer.rate
        tell(pacer, answer, sent_at=now + wait, now=now + wait, pause=asked)
        assert min(MIN_RATE, max_rate or MIN_RATE) <= pacer.rate <= (max_rate or math.inf)
        if answer == "throttled":
            assert pacer.rate <= rate
        else:
            assert pacer.rate >= rate


@given(history=arrivals)
def test_whatever_has_happened_the_rate_recovers(history: Sequence[tuple[float, str, float, float]]) -> None:
    """One bad minute would slow down a night's run."""
    pacer = Pacer()
    now = run(pacer, history)[-1] + 1
    pacer.throttled(sent_at=now, now=now)
    end = now + 60
    while now < end and pacer.rate < 25:
        now += pacer.reserve(now, 0.5)
        pacer.passed(now)
    assert pacer.rate >= 25


@pytest.mark.parametrize("start", [0.0, 5000.0])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_the_first_throttle_sets_the_rate_at_which_requests_got_through(start: float, seconds: float) -> None:
    """A run would creep up to a rate that it had reached already, or go on as if nothing had happened."""
    pacer = Pacer()
    for n in range(int(100 * seconds)):
        pacer.reserve(start + n / 100, 0.5)
        pacer.passed(start + n / 100)
    pacer.throttled(sent_at=start + seconds, now=start + seconds)
    assert 60 <= pacer.rate <= 100


def test_after_the_first_throttle_the_rate_doubles_every_second() -> None:
    """A run that was throttled when it began would take minutes to come to the rate that it may have."""
    pacer = Pacer()
    pacer.reserve(0.0, 0.5)
    pacer.throttled(sent_at=0.0, now=0.0)
    first = pacer.rate
    now = 0.0
    while now < 3:
        pacer.passed(now)
        now += 1 / pacer.rate
    assert 8 * first <= pacer.rate <= 16 * first


def test_being_throttled_is_an_answer() -> None:
    """A service that is there again, and busy, would be taken for one that is still gone."""
    pacer = Pacer()
    for now in range(5):
        pacer.failed(sent_at=now, now=now)
    pacer.throttled(sent_at=100.0, now=100.0)
    pacer.failed(sent_at=200.0, now=200.0)
    assert pacer.reserve(200.0, 0.0) == pytest.approx(0.05)


def test_a_first_request_that_is_throttled_leaves_a_rate_to_begin_with() -> None:
    """A process that joins others late would get nothing."""
    pacer = Pacer()
    pacer.reserve(0.0, 0.5)
    pacer.throttled(sent_at=0.0, now=0.1)
    assert MIN_RATE < pacer.rate <= MIN_FIRST_RATE


def test_requests_that_were_under_way_cut_the_rate_only_once() -> None:
    """Ten workers, throttled together, would stop a run for one throttle's sake."""
    pacer = Pacer()
    run(pacer, [(0.01, "passed", 0.5, 0.0)] * 100)
    for _ in range(10):
        pacer.throttled(sent_at=0.99, now=1.0)
    once = pacer.rate
    pacer.throttled(sent_at=1.0, now=1.1)
    assert once > 50
    assert pacer.rate < once


def test_everybody_waits_as_long_as_the_service_asks() -> None:
    """A service that says when to come again would not be heard."""
    pacer = Pacer()
    pacer.reserve(0.0, 0.0)
    pacer.throttled(sent_at=0.0, now=1.0, pause=4.0)
    assert pacer.reserve(1.0, 0.0) == pytest.approx(4.0)


def test_while_nothing_gets_through_everybody_waits_longer_and_longer() -> None:
    """A network that is gone for a minute would use up the attempts of thousands of users."""
    pacer = Pacer()
    holds = []
    now = 0.0
    for _ in range(1100):
        pacer.failed(sent_at=now, now=now)
        wait = pacer.reserve(now, 0.5)
        holds.append(wait)
        now += wait
    assert holds[:4] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert max(holds) == pytest.approx(MAX_HOLD)
    pacer.passed(now)
    pacer.failed(sent_at=now, now=now)
    assert pacer.reserve(now, 0.5) == pytest.approx(0.05)


def test_requests_that_fail_together_are_one_incident() -> None:
    """A load balancer that restarts would stop a run for a third of a minute."""
    pacer = Pacer()
    for _ in range(10):
        pacer.reserve(0.0, 0.5)
    for _ in range(10):
        pacer.failed(sent_at=0.0, now=1.0)
    assert pacer.reserve(1.0, 0.5) == pytest.approx(0.05)


def test_who_can_not_wait_takes_no_place() -> None:
    """Users who give up would make all who follow wait for nothing."""
    pacer = Pacer(max_rate=10)
    assert pacer.reserve(0.0, 0.5) == 0
    assert [pacer.reserve(0.0, 0.5, patience=0.05) for _ in range(50)] == [math.inf] * 50
    assert pacer.reserve(0.0, 0.5, patience=0.2) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("starts", "round_trip"),
    [((0.0, 0.2, 0.4), 0.005), ((0.0, 0.0, 0.0), 0.04), ((0.0, 5.0, 10.0), 0.005)],
    ids=["together", "far away", "one after the other"],
)
def test_three_processes_share_a_quota(starts: Sequence[float], round_trip: float) -> None:
    """Workers on three machines would starve each other, waste the quota, or live in throttles."""
    runs = [
        simulate(TokenBucket(200, 40), starts=starts, seconds=20, round_trip=round_trip, seed=seed)
        for seed in range(12)
    ]
    assert min(run.use for run in runs) > 0.9
    assert max(run.throttled for run in runs) < 0.05
    assert median(min(run.shares) for run in runs) > 0.7
    assert median(max(run.shares) for run in runs) < 1.4


@pytest.mark.parametrize(("processes", "throttled"), [(1, 0.11), (3, 0.25), (8, 0.37)])
def test_a_small_quota_is_used(processes: int, throttled: float) -> None:
    """The default quota of an account, and more machines than it is good for."""
    runs = [
        simulate(TokenBucket(25, 25), starts=[0.0] * processes, seconds=60, round_trip=0.06, seed=seed)
        for seed in range(6)
    ]
    assert min(run.use for run in runs) > 0.95
    assert max(run.throttled for run in runs) < throttled
    assert median(min(run.shares) for run in runs) > 0.5


def test_a_large_quota_is_used() -> None:
    """An account that was given more would not have more of it."""
    run = simulate(TokenBucket(2000, 400), starts=[0.0] * 3, seconds=10, round_trip=0.02, workers=50)
    assert run.use > 0.9
    assert run.throttled < 0.05
