"""The pace of many requests: when each may be sent, so that processes share a quota without fighting for it.

It does no I/O and reads no clock: times are arguments, and waits are results. Requests are not delayed, except by
``max_rate``, until the service throttles one. From then on there is a rate. It starts at the rate at which requests
were succeeding. Each throttle cuts it by the same factor. Between throttles it rises by a constant and a share of the
usual throughput, so it recovers within seconds after other callers have used up the quota. A faster process sends more
requests, is throttled more often and is cut more often, so processes share a quota evenly without communicating.

No slot is reserved far ahead, because the rate may have changed by then. So the number of waiting users does not
matter.

The constants were found by simulation (see ``tests/bulk/test_pacing.py``), with quotas of 25 to 2,000 requests a
second and one to eight processes. The rate must follow the quota closely, and few requests may be throttled, because
other users of the quota are throttled, too. To share more evenly, more requests would have to be throttled.

During an outage, one request at a time is sent, to find out whether it is over.
"""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

#: The factor by which a throttle cuts the rate.
CUT = 0.8
#: The rise of the rate in a second: a constant in requests a second, and a share of the usual throughput.
RISE = 1.0
RISE_SHARE = 0.5
#: The rise until the second throttle, as a share of the rate: little is known yet, and the rate doubles every second.
FIRST_RISE_SHARE = math.log(2)
#: A request loses half its weight in the usual throughput in this many seconds.
HALF_LIFE = 3.0
#: The lowest rate in requests a second, and the lowest first rate.
MIN_RATE = 1.0
MIN_FIRST_RATE = 5.0
#: The rate is at most this many times the throughput of the last second.
HEADROOM = 1.5
#: The minimum time over which the throughput of the first second is measured, in seconds.
MIN_SPAN = 0.1
#: A slot is reserved at most this far ahead, in seconds. A user without a slot asks again after the same time.
HORIZON = 0.25
#: The delay of the first request in an outage, in seconds. It doubles with each failure, up to the maximum.
FIRST_HOLD = 0.05
MAX_HOLD = 20.0
#: How long the last users of a run, and users who failed before, wait for the end of an outage, in seconds.
MAX_OUTAGE = 3600.0


class Turn(NamedTuple):
    """The answer to a request for a slot.

    Attributes:
        is_reserved: Whether there is a slot. If not, ask again after the wait.
        wait: In seconds.
    """

    is_reserved: bool
    wait: float


class Pacer:
    """Decides when each request may be sent, and learns from the results. Safe to share between threads.

    Args:
        max_rate: The maximum number of requests a second, retries included. ``None``: no limit until the service
            throttles.

    Attributes:
        users_left: How many users are pending, if no others will follow.
        answered_at: When the latest request that got a response was sent. Minus infinity: no request got one.
    """

    def __init__(self, max_rate: float | None = None) -> None:
        self.users_left: int | None = None
        self.answered_at: float = -math.inf
        self._max_rate = math.inf if max_rate is None else max_rate
        self._rate = self._max_rate
        self._rise_share: float | None = None  # until the first throttle
        self._cut_at = -math.inf
        self._next = -math.inf
        self._throughput = _Throughput()
        self._outage = _Outage()
        self._lock = threading.Lock()

    @property
    def rate(self) -> float:
        """The current rate in requests a second; infinite before the first throttle without a ``max_rate``."""
        return self._rate

    @property
    def is_outage(self) -> bool:
        """Whether the service has stopped responding."""
        return self._outage.is_on

    def reserve(self, user: object, now: float, random: float) -> Turn:
        """Reserves a slot for the next request of a user. The request must be sent right after the wait.

        Args:
            user: Identifies the user.
            now: The time.
            random: A random number from 0 up to 1. Without jitter, processes could synchronise, and the same one would
                always be throttled.
        """
        with self._lock:
            self._throughput.start(now)
            at = max(now, self._next)
            if at - now > HORIZON or not self._outage.admits(user, now):
                return Turn(is_reserved=False, wait=HORIZON)
            gap = 1 / self._rate
            self._next = at + gap
            return Turn(is_reserved=True, wait=at - now + (0.0 if self._rise_share is None else random * gap))

    def passed(self, now: float, *, sent_at: float = math.inf) -> None:
        """The service responded to a request without throttling it.

        Args:
            now: The time.
            sent_at: When the request was sent. A response to a request from before the last failure does not mean that
                the service is up.
        """
        with self._lock:
            self._answered(sent_at)
            self._throughput.add(now)
            if self._rise_share is not None:
                is_first = self._rise_share == FIRST_RISE_SHARE
                rise = RISE + self._rise_share * (self._rate if is_first else self._throughput.usual(now))
                # Each request contributes its share of the rise of one second.
                self._rate = min(self._rate + rise / self._rate, self._max_rate)

    def throttled(self, *, sent_at: float, now: float, pause: float = 0.0) -> None:
        """The service throttled a request.

        Args:
            sent_at: When the request was sent. A request from before the last cut is ignored.
            now: The time.
            pause: The pause in seconds that the service asked for.
        """
        with self._lock:
            self._answered(sent_at)
            self._next = max(self._next, now + pause)
            if sent_at < self._cut_at:
                return
            recent = self._throughput.recent(now)
            if self._rise_share is None:
                rate = min(self._rate, max(recent, MIN_FIRST_RATE))
                self._rise_share = FIRST_RISE_SHARE
            else:
                rate = min(self._rate, max(recent * HEADROOM, MIN_RATE))
                self._rise_share = RISE_SHARE
            self._rate = min(max(rate * CUT, MIN_RATE), self._max_rate)
            self._cut_at = now

    def failed(self, user: object, now: float, *, is_suspect: bool = False, affects_all: bool = False) -> bool:
        """The service did not respond to a request.

        Args:
            user: Identifies the user.
            now: The time.
            is_suspect: Whether the service responded to a request that was sent after a failed request of this user.
            affects_all: Whether the reason affects every user, such as expired keys. Then it is an outage at once.

        Returns:
            Whether the attempt counts. It does if there is no outage, or for the last user. So that every run ends, it
            also counts if two of these hold: no other users will follow, the user is suspect, the outage takes longer
            than an hour.
        """
        with self._lock:
            if self.answered_at > -math.inf:
                self._outage.add(user, now, affects_all=affects_all)
            reasons = [self.users_left is not None, is_suspect, now - self._outage.start > MAX_OUTAGE]
            return not self._outage.is_on or self.users_left == 1 or sum(reasons) >= 2

    def withdraw(self, user: object) -> None:
        """A user has no request in flight, and needs no slot."""
        with self._lock:
            self._outage.withdraw(user)

    def _answered(self, sent_at: float) -> None:
        self.answered_at = max(self.answered_at, sent_at)
        if sent_at >= self._outage.failed_at:
            self._outage.end()


class _Outage:
    """Detects an outage: requests of two users in a row get no response.

    During an outage, one request at a time is sent, if possible for a user other than the last one.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.start = math.inf
        self.failed_at = -math.inf
        self._last: object = None  # the user whose request failed last, since the last response
        self._probes = 0  # that failed
        self._resumes_at = -math.inf
        self._probe: object = None  # the user whose request is in flight

    def admits(self, user: object, now: float) -> bool:
        """Whether the user may send a request."""
        if not self.is_on:
            return True
        # Other users ask again within HORIZON, so they come first.
        resumes_at = self._resumes_at + (2 * HORIZON if user is self._last else 0.0)
        if self._probe is not None or now < resumes_at:
            return False
        self._probe = user
        return True

    def add(self, user: object, now: float, *, affects_all: bool) -> None:
        """A request got no response."""
        if not self.is_on and (affects_all or self._last not in (None, user)):
            self.is_on, self.start = True, now
            self._resumes_at = now + FIRST_HOLD
        elif self.is_on and self._probe is user:
            self._probes += 1
            self._resumes_at = now + min(FIRST_HOLD * 2.0 ** min(self._probes, 30), MAX_HOLD)
        self._last = user
        self.failed_at = now
        self.withdraw(user)

    def end(self) -> None:
        """The service responded."""
        self.is_on = False
        self.start = math.inf
        self._last = self._probe = None
        self._probes = 0

    def withdraw(self, user: object) -> None:
        """The user has no request in flight."""
        if self._probe is user:
            self._probe = None


class _Throughput:
    """Counts successful requests."""

    def __init__(self) -> None:
        self._started = math.nan
        self._second = math.nan  # when the current second began
        self._before = 0  # the requests of the second before
        self._count = 0  # the requests of the current second
        self._remembered = 0.0  # all requests, each with half its weight after every half-life
        self._at = 0.0

    def start(self, now: float) -> None:
        if math.isnan(self._started):
            self._started = self._second = self._at = now

    def add(self, now: float) -> None:
        self._move_on(now)
        self._count += 1
        self._remembered = self._weight(now) + 1
        self._at = now

    def recent(self, now: float) -> float:
        """The throughput of the last second, in requests a second."""
        self._move_on(now)
        if now - self._started < 1:
            return self._count / max(now - self._started, MIN_SPAN)
        return self._before * (1 - (now - self._second)) + self._count

    def usual(self, now: float) -> float:
        """The throughput of the last seconds, in requests a second. Recent requests have more weight."""
        return self._weight(now) * math.log(2) / HALF_LIFE

    def _weight(self, now: float) -> float:
        return self._remembered * math.exp(-math.log(2) * max(now - self._at, 0.0) / HALF_LIFE)

    def _move_on(self, now: float) -> None:
        if now - self._second >= 2:
            self._before, self._count, self._second = 0, 0, now
        elif now - self._second >= 1:
            self._before, self._count, self._second = self._count, 0, self._second + 1
