"""The pacer: properties that hold for any arrivals and results, and simulations of processes that share a quota."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout._bulk.pacing import HORIZON, MAX_HOLD, MAX_OUTAGE, MIN_FIRST_RATE, MIN_RATE, Pacer
from tests.bulk.shared_quota import TokenBucket, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The results of a request. After each there is a pause before the next request.
RESULTS = ("passed", "throttled", "failed")
arrivals = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from(RESULTS), st.floats(0, 1, exclude_max=True), st.floats(0, 6)),
    min_size=1,
    max_size=60,
)
rates = st.floats(0.5, 1000)
#: The longest first delay in an outage, if users ask again and again.
FIRST_DELAYS = 0.05 + HORIZON


def wait_for_slot(pacer: Pacer, now: float, random: float = 0.5, user: object = "user") -> float:
    """When the request may be sent, if its user asks again and again."""
    is_reserved = False
    while not is_reserved:
        is_reserved, wait = pacer.reserve(user, now, random)
        assert 0 <= wait <= HORIZON + 1 / pacer.rate
        now += wait
    return now


def run(pacer: Pacer, history: Sequence[tuple[float, str, float, float]]) -> list[float]:
    """Sends requests one after the other with these results. Returns when each was sent."""
    now = 0.0
    sent = []
    for user, (pause, result, random, asked) in enumerate(history):
        now = wait_for_slot(pacer, now + pause, random, user)
        sent.append(now)
        report(pacer, user, result, now, asked)
    return sent


def report(pacer: Pacer, user: object, result: str, now: float, pause: float) -> None:
    """Reports the result of a request."""
    if result == "throttled":
        pacer.throttled(sent_at=now, now=now, pause=pause)
    elif result == "failed":
        pacer.failed(user, now)
    else:
        pacer.passed(now)


@given(history=arrivals, max_rate=rates)
def test_no_more_than_max_rate_are_sent_in_a_second(
    history: Sequence[tuple[float, str, float, float]], max_rate: float
) -> None:
    """Other callers who need the rest of the quota are throttled."""
    sent = run(Pacer(max_rate), history)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            # One more for either end of the window, and one for the jitter.
            assert last - first + 1 <= (sent[last] - sent[first]) * max_rate * (1 + 1e-9) + 3


@given(times=st.lists(st.floats(0, 100), min_size=1), max_rate=rates)
def test_requests_are_evenly_spaced_while_nothing_is_throttled(times: Sequence[float], max_rate: float) -> None:
    """Bursts exceed ``max_rate``."""
    pacer = Pacer(max_rate)
    sent: list[float] = []
    for now in sorted(times):
        sent.append(wait_for_slot(pacer, max([now, *sent[-1:]]), 0.9))
    assert all(later - earlier >= (1 - 1e-9) / max_rate - 1e-9 for earlier, later in pairwise(sent))


@given(history=st.lists(st.tuples(st.floats(0, 3), st.just("passed"), st.floats(0, 1), st.just(0.0)), min_size=1))
def test_nothing_waits_before_the_first_throttle(history: Sequence[tuple[float, str, float, float]]) -> None:
    """A run is slower than the service allows."""
    pacer = Pacer()
    assert run(pacer, history) == pytest.approx(
        [sum(pause for pause, *_ in history[: n + 1]) for n in range(len(history))]
    )
    assert pacer.rate == math.inf


@given(history=arrivals, max_rate=st.none() | rates)
def test_rates_stay_within_their_bounds(
    history: Sequence[tuple[float, str, float, float]], max_rate: float | None
) -> None:
    """A run stops, or sends without a limit."""
    pacer = Pacer(max_rate)
    now = 0.0
    for user, (pause, result, random, asked) in enumerate(history):
        now = wait_for_slot(pacer, now + pause, random, user)
        rate = pacer.rate
        report(pacer, user, result, now, asked)
        assert min(MIN_RATE, max_rate or MIN_RATE) <= pacer.rate <= (max_rate or math.inf)
        assert pacer.rate <= rate if result == "throttled" else pacer.rate >= rate


@given(history=arrivals)
def test_the_rate_always_recovers(history: Sequence[tuple[float, str, float, float]]) -> None:
    """One bad minute slows down a run of a whole night."""
    pacer = Pacer()
    now = run(pacer, history)[-1] + 1
    pacer.throttled(sent_at=now, now=now)
    end = now + 60
    while now < end and pacer.rate < 25:
        now = wait_for_slot(pacer, now)
        pacer.passed(now)
    assert pacer.rate >= 25


@pytest.mark.parametrize("start", [0.0, 5000.0])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_the_first_throttle_sets_the_rate_to_the_throughput(start: float, seconds: float) -> None:
    """A run starts again at a low rate, or is not slowed down."""
    pacer = Pacer()
    for n in range(int(100 * seconds)):
        pacer.reserve("user", start + n / 100, 0.5)
        pacer.passed(start + n / 100)
    pacer.throttled(sent_at=start + seconds, now=start + seconds)
    assert 60 <= pacer.rate <= 100


def test_after_the_first_throttle_the_rate_doubles_every_second() -> None:
    """A run that was throttled at its start takes minutes to reach the quota."""
    pacer = Pacer()
    pacer.reserve("user", 0.0, 0.5)
    pacer.throttled(sent_at=0.0, now=0.0)
    first = pacer.rate
    now = 0.0
    while now < 3:
        pacer.passed(now)
        now += 1 / pacer.rate
    assert 8 * first <= pacer.rate <= 16 * first


def test_a_throttled_first_request_leaves_a_usable_rate() -> None:
    """A process that joins others late gets nothing."""
    pacer = Pacer()
    pacer.reserve("user", 0.0, 0.5)
    pacer.throttled(sent_at=0.0, now=0.1)
    assert MIN_RATE < pacer.rate <= MIN_FIRST_RATE


def test_requests_in_flight_cut_the_rate_only_once() -> None:
    """Ten throttled workers stop a run, although the quota was exceeded once."""
    pacer = Pacer()
    run(pacer, [(0.01, "passed", 0.5, 0.0)] * 100)
    for _ in range(10):
        pacer.throttled(sent_at=0.99, now=1.0)
    once = pacer.rate
    pacer.throttled(sent_at=1.0, now=1.1)
    assert once > 50
    assert pacer.rate < once


def test_all_users_wait_as_long_as_the_service_asks() -> None:
    """A pause that the service asks for is ignored."""
    pacer = Pacer()
    pacer.reserve("user", 0.0, 0.0)
    pacer.throttled(sent_at=0.0, now=1.0, pause=4.0)
    assert wait_for_slot(pacer, 1.0, 0.0) == pytest.approx(5.0)


def test_a_user_who_gives_up_takes_no_slot() -> None:
    """Users with a short timeout delay all others."""
    pacer = Pacer(max_rate=1)
    assert pacer.reserve("user", 0.0, 0.5) == (True, 0)
    assert [pacer.reserve("user", 0.0, 0.5) for _ in range(50)] == [(False, HORIZON)] * 50
    assert wait_for_slot(pacer, 0.0) == pytest.approx(1.0)


# Outages


def in_outage(users: Sequence[str] = ("a", "b")) -> Pacer:
    """A pacer after a response, and after failures of these users at second 1."""
    pacer = Pacer()
    pacer.passed(0.0)
    for user in users:
        pacer.failed(user, 1.0)
    return pacer


def test_failures_of_two_users_in_a_row_are_an_outage() -> None:
    """A network that is down for a minute uses up the attempts of thousands of users."""
    pacer = in_outage(["a"])
    assert pacer.failed("b", 1.0) is False
    assert pacer.failed("a", 2.0) is False


def test_one_user_alone_is_no_outage() -> None:
    """A user who always gets a 500 keeps a run from ending."""
    pacer = in_outage([])
    assert [pacer.failed("a", now) for now in range(1, 9)] == [True] * 8


def test_a_response_in_between_is_no_outage() -> None:
    """Two users who always get a 500 stop a run."""
    pacer = in_outage(["a"])
    pacer.passed(1.5)
    assert pacer.failed("b", 2.0)


def test_a_failure_that_affects_every_user_is_an_outage_at_once() -> None:
    """A run ends because one user retries while responses to others arrive."""
    pacer = in_outage([])
    for now in range(1, 9):
        assert not pacer.failed("a", float(now), affects_all=True)
        pacer.passed(now + 0.5)


def test_a_response_to_an_earlier_request_does_not_end_an_outage() -> None:
    """The responses that are still on their way hide that the network is down."""
    pacer = in_outage(["a"])
    pacer.passed(1.1, sent_at=0.9)
    assert not pacer.failed("b", 1.2)
    pacer.passed(1.3, sent_at=0.9)
    assert not pacer.failed("a", 1.4)
    pacer.passed(1.5, sent_at=1.45)
    assert pacer.failed("a", 2.0)


def test_before_the_first_response_there_is_no_outage() -> None:
    """A run with a mistyped region never ends."""
    pacer = Pacer()
    assert [pacer.failed(str(n), n) for n in range(8)] == [True] * 8
    assert pacer.reserve("a", 8.0, 0.5) == (True, 0)


def test_one_probe_at_a_time_is_sent_in_an_outage() -> None:
    """A service that is starting again gets the requests of all users at once."""
    pacer = in_outage()
    assert pacer.reserve("c", 2.0, 0.5).is_reserved
    assert not pacer.reserve("d", 2.0, 0.5).is_reserved
    pacer.failed("c", 3.0)
    assert pacer.reserve("d", 4.0, 0.5).is_reserved


def test_a_probe_that_is_withdrawn_makes_room_for_another() -> None:
    """A cancelled call blocks all others for ever."""
    pacer = in_outage()
    assert pacer.reserve("c", 2.0, 0.5).is_reserved
    pacer.withdraw("d")
    assert not pacer.reserve("d", 2.0, 0.5).is_reserved
    pacer.withdraw("c")
    assert pacer.reserve("d", 2.0, 0.5).is_reserved


def test_the_users_of_probes_change() -> None:
    """A user who always gets a 500 is the only one who is tried, so an outage never ends."""
    pacer = in_outage()
    assert not pacer.reserve("b", 1.05, 0.5).is_reserved
    assert pacer.reserve("a", 1.05, 0.5).is_reserved


def test_the_delay_between_probes_grows_and_a_response_ends_the_outage() -> None:
    """A service that is down gets many requests, or a run goes on slowly when it is up again."""
    pacer = in_outage()
    delays, now = [], 1.0
    for user in range(1100):
        before = now
        now = wait_for_slot(pacer, now, 0.0, user)
        delays.append(now - before)
        pacer.failed(user, now)
    assert delays[0] <= FIRST_DELAYS
    assert MAX_HOLD <= max(delays) <= MAX_HOLD + HORIZON
    pacer.throttled(sent_at=now, now=now)  # which is a response
    assert [pacer.reserve(str(n), now + 1, 0.0).is_reserved for n in range(2)] == [True, True]
    assert pacer.failed("a", now)


def test_requests_that_fail_together_are_one_failure() -> None:
    """A load balancer that restarts stops a run for 20 seconds."""
    pacer = in_outage([str(n) for n in range(50)])
    assert wait_for_slot(pacer, 1.0) <= 1.0 + FIRST_DELAYS


def test_attempts_of_the_last_user_count_in_an_outage() -> None:
    """A run never ends if its last user always gets a 500."""
    pacer = in_outage()
    pacer.users_left = 2
    assert not pacer.failed("a", 2.0)
    pacer.users_left = 1
    assert pacer.failed("a", 3.0)
    assert wait_for_slot(pacer, 10.0, user="a") <= 10 + 2 * HORIZON


def test_the_last_users_do_not_wait_for_ever() -> None:
    """A run never ends if its last two users always get a 500."""
    pacer = in_outage()
    assert not pacer.failed("a", MAX_OUTAGE + 2)
    pacer.users_left = 2
    assert not pacer.failed("b", MAX_OUTAGE)
    assert pacer.failed("a", MAX_OUTAGE + 2)


# Shared quotas


@pytest.mark.parametrize("quota", [25, 200, 1000])
def test_more_workers_do_not_make_a_run_slower(quota: int) -> None:
    """``max_concurrency`` has to be tuned by hand."""
    for workers in (10, 50, 200):
        if workers / 0.02 >= 1.5 * quota:
            run = simulate(TokenBucket(quota, quota), users=quota * 30, workers=workers)
            assert run.seconds <= 29 * 1.25
            assert run.throttled(10.0) <= (0.15 if quota == 25 else 0.10)


@pytest.mark.parametrize("quota", [25, 200, 1000])
def test_throughput_recovers_within_seconds_after_a_burst_of_other_traffic(quota: int) -> None:
    """Two seconds of other traffic cost minutes."""
    run = simulate(TokenBucket(quota, quota, used_up=(20.0, 22.0)), users=quota * 60, workers=50)
    assert run.passed(22 + 15, 22 + 25) >= 0.9 * 10 * quota
    assert run.seconds <= 59 * 1.15


@pytest.mark.parametrize(
    ("quota", "processes", "throttled"),
    [(25, 2, 0.2), (25, 3, 0.25), (25, 8, 0.4), (200, 2, 0.1), (200, 3, 0.1), (200, 8, 0.2), (1000, 8, 0.2)],
)
def test_processes_with_equal_work_finish_together(quota: int, processes: int, throttled: float) -> None:
    """When one process ends, the others take minutes to use its share."""
    users = quota * 30 // processes
    for seed in range(3):
        run = simulate(TokenBucket(quota, quota), starts=[0.0] * processes, users=users, workers=20, seed=seed)
        assert run.seconds <= 1.3 * (users * processes - quota) / quota
        assert run.throttled(10.0) <= throttled


@pytest.mark.parametrize(
    ("starts", "round_trip"),
    [((0.0, 0.2, 0.4), 0.005), ((0.0, 0.0, 0.0), 0.04), ((0.0, 5.0, 10.0), 0.005)],
    ids=["together", "far away", "one after the other"],
)
def test_three_processes_share_a_quota_evenly(starts: Sequence[float], round_trip: float) -> None:
    """Workers on three machines starve each other, or waste the quota."""
    least, most = [], []
    start, end = max(starts), max(starts) + 20
    for seed in range(6):
        run = simulate(TokenBucket(200, 40), starts=starts, seconds=end, round_trip=round_trip, seed=seed)
        shares = [run.passed(start, end, process) / (200 * 20 / 3) for process in range(3)]
        assert sum(shares) / 3 > 0.9
        assert run.throttled(start) < 0.05
        least.append(min(shares))
        most.append(max(shares))
    assert median(least) > 0.7
    assert median(most) < 1.4


def test_a_large_quota_is_used() -> None:
    """An account with a higher quota does not get more."""
    run = simulate(TokenBucket(2000, 400), starts=[0.0] * 3, seconds=10, workers=50)
    assert run.passed(0, 10) > 0.9 * 2000 * 10
    assert run.throttled() < 0.05
