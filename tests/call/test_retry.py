"""The pause before a retry, and the retry quota, compared with botocore's standard mode."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.retries.standard
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout._call import retry
from cognito_signout._config.settings import DEFAULT_MAX_ATTEMPTS
from cognito_signout.errors import (
    InternalServiceError,
    SignOutConnectionError,
    SignOutError,
    SignOutTimeoutError,
    TooManyRequestsError,
)
from cognito_signout.transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD: Any = botocore.retries.standard
HAS_SAME_SCHEME = getattr(STANDARD.RetryQuotaChecker, "_RETRY_COST", None) == retry.RETRY_COST
same_scheme = pytest.mark.skipif(not HAS_SAME_SCHEME, reason="a botocore whose standard mode has the same numbers")

THROTTLED = TooManyRequestsError("Rate exceeded")
FAILED = InternalServiceError("Oops")
JUST_BELOW_1 = 1 - 2**-53


def delay(error: SignOutError, attempts: int = 1, random: float = 0.5, headers: dict[str, str] | None = None) -> float:
    """The pause after an error."""
    return retry.delay(error, HttpResponse(400, headers or {}), attempts=attempts, random=random)


@pytest.mark.parametrize(("error", "base"), [(THROTTLED, 1.0), (FAILED, 0.05), (SignOutConnectionError("Gone"), 0.05)])
def test_the_longest_pause_doubles_up_to_20_seconds(error: SignOutError, base: float) -> None:
    """A service in trouble is called again too soon, or a user waits for minutes."""
    for attempts in range(1, 12):
        assert delay(error, attempts, random=1.0) == pytest.approx(min(20.0, base * 2 ** (attempts - 1)))
    assert delay(error, 10_000, random=1.0) == 20.0


@given(
    error=st.sampled_from([THROTTLED, FAILED, SignOutTimeoutError("Late")]),
    attempts=st.integers(1, 5_000),
    random=st.floats(0, JUST_BELOW_1),
)
@settings(deadline=None)
def test_a_pause_has_full_jitter(error: SignOutError, attempts: int, random: float) -> None:
    """Clients that failed together retry together."""
    longest = delay(error, attempts, random=1.0)
    assert delay(error, attempts, random) == pytest.approx(random * longest)
    assert retry.delay(error, None, attempts=attempts, random=random) == delay(error, attempts, random)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"X-Amz-Retry-After": "1500"}, 1.5),
        ({"x-amz-retry-after": "0"}, 0.5),
        ({"x-amz-retry-after": "100"}, 0.5),
        ({"x-amz-retry-after": "5500"}, 5.5),
        ({"x-amz-retry-after": "5501"}, 5.5),
        ({"x-amz-retry-after": "999999999"}, 5.5),
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": "120"}, 5.5),
        ({"retry-after": "0"}, 0.5),
        ({"x-amz-retry-after": "1500", "retry-after": "3"}, 1.5),
        ({"x-amz-retry-after": "soon", "retry-after": "3"}, 3.0),
        ({"x-amz-retry-after": "-1500"}, 0.5),
        ({"x-amz-retry-after": "1e9"}, 0.5),
        ({"x-amz-retry-after": "1.5"}, 0.5),
        ({"x-amz-retry-after": "9" * 10_000}, 0.5),
        ({"x-amz-retry-after": "١٢٣٤"}, 0.5),
        ({"x-amz-retry-after": "NaN"}, 0.5),
        ({"x-amz-retry-after": ""}, 0.5),
        ({"retry-after": "Thu, 02 Jan 2025 03:04:05 GMT"}, 0.5),
        ({"retry-after": "-1"}, 0.5),
        ({"retry-after": "inf"}, 0.5),
    ],
)
def test_the_service_may_ask_for_up_to_five_seconds_more(headers: dict[str, str], seconds: float) -> None:
    """A service's wish for a pause is ignored, or a malformed header stops a client for years."""
    assert delay(THROTTLED, attempts=1, random=0.5, headers=headers) == pytest.approx(seconds)


@given(
    throttled=st.booleans(),
    attempts=st.integers(1, 60),
    random=st.floats(0, JUST_BELOW_1),
    asked=st.none() | st.integers(0, 10**9 - 1).map(str) | st.sampled_from(["", "-1", "soon"]),
    after=st.text(),
)
@example(throttled=True, attempts=1, random=0.5, asked="1500", after="")
@settings(deadline=None)
@same_scheme
def test_pauses_are_botocores(throttled: bool, attempts: int, random: float, asked: str | None, after: str) -> None:
    """Processes with boto3 and processes with this library do not share a quota fairly."""
    headers = {} if asked is None else {"x-amz-retry-after": asked}
    backoff = STANDARD.ExponentialBackoff(
        random=lambda: random, throttling_detector=SimpleNamespace(is_throttling_error_from_context=lambda _: throttled)
    )
    context = STANDARD.RetryContext(attempt_number=attempts, http_response=SimpleNamespace(headers=headers))
    error = THROTTLED if throttled else FAILED
    assert delay(error, attempts, random, headers) == pytest.approx(backoff.delay_amount(context))
    anything = delay(error, attempts, random, {"retry-after": after, "x-amz-retry-after": after})
    assert 0 <= anything <= random * 20 + 5


@same_scheme
def test_the_numbers_are_botocores() -> None:
    """AWS has changed the numbers of its standard mode, and the library has not."""
    checker = STANDARD.RetryQuotaChecker
    assert (retry.RETRY_COST, retry.RETRY_COST_THROTTLED) == (checker._RETRY_COST, checker._THROTTLING_RETRY_COST)
    assert checker._NO_RETRY_INCREMENT == retry.SUCCESS_REFUND
    assert STANDARD.quota.RetryQuota.INITIAL_CAPACITY == retry.QUOTA_CAPACITY
    assert STANDARD.DEFAULT_MAX_ATTEMPTS == DEFAULT_MAX_ATTEMPTS
    assert STANDARD.ExponentialBackoff._MAX_BACKOFF == retry.MAX_DELAY


def test_the_cost_of_a_retry_depends_on_the_error() -> None:
    """Throttles, which are no sign of an outage, use up the quota as failures do."""
    quota = retry.RetryQuota()
    assert quota.available == 500
    assert quota.acquire(FAILED) == 14
    assert quota.acquire(SignOutConnectionError("Gone")) == 14
    assert quota.acquire(SignOutTimeoutError("Late")) == 14
    assert quota.acquire(THROTTLED) == 5
    assert quota.available == 500 - 3 * 14 - 5


def test_an_empty_quota_refuses_and_charges_nothing() -> None:
    """A client keeps calling a service that is down, or never retries again."""
    quota = retry.RetryQuota(30)
    assert [quota.acquire(FAILED) for _ in range(4)] == [14, 14, 0, 0]
    assert quota.acquire(THROTTLED) == 0
    assert quota.available == 2


def test_a_success_returns_the_cost_of_its_retry_or_one_token() -> None:
    """The quota runs out although the service is well."""
    quota = retry.RetryQuota()
    cost = quota.acquire(FAILED)
    quota.acquire(THROTTLED)
    quota.release(cost)
    assert quota.available == 495
    quota.release(0)
    assert quota.available == 496
    quota.release(cost)
    assert quota.available == 500
    quota.release(0)
    assert quota.available == 500


def test_threads_share_a_quota() -> None:
    """Each thread has a quota of its own, or tokens are lost."""
    quota = retry.RetryQuota(14 * 1000)
    costs: list[int] = []

    def acquire() -> None:
        costs.extend(quota.acquire(FAILED) for _ in range(200))

    def release() -> None:
        for _ in range(200):
            quota.release(10)

    in_threads(acquire, 8)
    assert sorted(costs) == [0] * 600 + [14] * 1000
    assert quota.available == 0
    in_threads(release, 4)
    assert quota.available == 8000


def in_threads(work: Callable[[], None], count: int) -> None:
    """Runs the work in several threads at once."""
    barrier = threading.Barrier(count)

    def start() -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=start) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
