"""Whether there is quota for another attempt, and how long to wait before it: AWS's standard mode.

Pure but for the quota's balance; randomness comes in as an argument. The numbers are those of the standard
retry mode as botocore has it (``botocore.retries.standard``), which every AWS SDK shares.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from ..errors import SignOutError, TooManyRequestsError

if TYPE_CHECKING:
    from ..transports import HttpResponse

#: The longest first back-off, in seconds; it doubles with each attempt.
BASE_DELAY = 0.05
BASE_DELAY_THROTTLED = 1.0
MAX_DELAY = 20.0
#: How many seconds past the back-off a service may ask to be left alone.
MAX_EXTRA_DELAY = 5.0

QUOTA_CAPACITY = 500
RETRY_COST = 14
RETRY_COST_THROTTLED = 5
SUCCESS_REFUND = 1

_NUMBER = re.compile(r"[0-9]{1,9}")


class RetryQuota:
    """Tokens shared by a client's calls, which retries cost and successes bring back. When a service is down,
    they run out, and its users stop adding to its load. Safe to share between threads.
    """

    def __init__(self, capacity: int = QUOTA_CAPACITY) -> None:
        self._capacity = capacity
        self._available = capacity
        self._lock = threading.Lock()

    @property
    def available(self) -> int:
        """How many tokens are left."""
        return self._available

    def acquire(self, error: SignOutError) -> int:
        """Takes what a retry after this error costs, and returns it; 0 if there is not as much left."""
        cost = RETRY_COST_THROTTLED if isinstance(error, TooManyRequestsError) else RETRY_COST
        with self._lock:
            if cost > self._available:
                return 0
            self._available -= cost
            return cost

    def release(self, cost: int) -> None:
        """A call succeeded: gives back what its last retry cost, or one token where there was none."""
        if self._available == self._capacity:
            return
        with self._lock:
            self._available = min(self._capacity, self._available + (cost or SUCCESS_REFUND))


def delay(error: SignOutError, response: HttpResponse | None, *, attempts: int, random: float) -> float:
    """How many seconds to wait before the next attempt.

    Args:
        error: Why the last attempt failed.
        response: The response, if there was one; it may ask for a pause.
        attempts: How many requests were sent so far.
        random: A random number from 0 up to 1: full jitter.
    """
    base = BASE_DELAY_THROTTLED if isinstance(error, TooManyRequestsError) else BASE_DELAY
    backoff = random * min(base * 2.0 ** min(attempts - 1, 30), MAX_DELAY)
    return max(backoff, min(_retry_after(response), backoff + MAX_EXTRA_DELAY))


def asked_pause(response: HttpResponse | None) -> float:
    """How many seconds the service asks to be left alone, as far as it is heard where nothing else is waited for."""
    return min(_retry_after(response), MAX_EXTRA_DELAY)


def _retry_after(response: HttpResponse | None) -> float:
    """The pause that the service asks for, in seconds. A ``Retry-After`` that is a date is ignored."""
    if response is None:
        return 0.0
    milliseconds = response.headers.get("x-amz-retry-after", "")
    if _NUMBER.fullmatch(milliseconds):
        return int(milliseconds) / 1000
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if _NUMBER.fullmatch(seconds) else 0.0
