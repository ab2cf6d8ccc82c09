"""Retries in AWS's standard mode: the client's own budget for retries, and the back-off.

Apart from the balance of the quota, everything here is pure; randomness is an argument. The numbers come from
botocore's standard mode (``botocore.retries.standard``), which all AWS SDKs share.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from ..errors import SignOutError, TooManyRequestsError

if TYPE_CHECKING:
    from ..transports import HttpResponse

#: The maximum of the first back-off, in seconds. It doubles with each attempt.
BASE_DELAY = 0.05
BASE_DELAY_THROTTLED = 1.0
MAX_DELAY = 20.0
#: The service may ask for a pause that is this many seconds longer than the back-off.
MAX_EXTRA_DELAY = 5.0

QUOTA_CAPACITY = 500
RETRY_COST = 14
RETRY_COST_THROTTLED = 5
SUCCESS_REFUND = 1

_NUMBER = r"[0-9]{1,9}"


class RetryQuota:
    """Tokens that a client's calls share. Retries cost tokens, and successes return them.

    When the service is down, the tokens run out, so that retries stop adding to its load. Safe to share between
    threads.
    """

    def __init__(self, capacity: int = QUOTA_CAPACITY) -> None:
        self._capacity = capacity
        self._available = capacity
        self._lock = threading.Lock()

    @property
    def available(self) -> int:
        """The number of tokens left."""
        return self._available

    def acquire(self, error: SignOutError) -> int:
        """Takes the tokens for a retry after this error and returns their number; 0 if there are too few."""
        cost = RETRY_COST_THROTTLED if isinstance(error, TooManyRequestsError) else RETRY_COST
        with self._lock:
            if cost > self._available:
                return 0
            self._available -= cost
            return cost

    def release(self, cost: int) -> None:
        """Returns the tokens of a successful call's last retry, or one token if there was no retry."""
        if self._available == self._capacity:
            return
        with self._lock:
            self._available = min(self._capacity, self._available + (cost or SUCCESS_REFUND))


def delay(error: SignOutError, response: HttpResponse | None, *, attempts: int, random: float) -> float:
    """The seconds to wait before the next attempt.

    Args:
        error: The error of the last attempt.
        response: The response, if there was one; it may ask for a pause.
        attempts: The number of attempts so far that count.
        random: A random number from 0 up to 1: full jitter.
    """
    base = BASE_DELAY_THROTTLED if isinstance(error, TooManyRequestsError) else BASE_DELAY
    backoff = random * min(base * 2.0 ** min(attempts - 1, 30), MAX_DELAY)
    return max(backoff, min(_retry_after(response), backoff + MAX_EXTRA_DELAY))


def asked_pause(response: HttpResponse | None) -> float:
    """The pause that the service asks for, in seconds, at most :data:`MAX_EXTRA_DELAY`."""
    return min(_retry_after(response), MAX_EXTRA_DELAY)


def _retry_after(response: HttpResponse | None) -> float:
    """The pause that the service asks for, in seconds. A ``Retry-After`` that is a date is ignored."""
    if response is None:
        return 0.0
    milliseconds = response.headers.get("x-amz-retry-after", "")
    if re.fullmatch(_NUMBER, milliseconds):
        return int(milliseconds) / 1000
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if re.fullmatch(_NUMBER, seconds) else 0.0
