"""The pace of many requests: when each may be sent, so that processes share a quota without fighting for it.

It does no I/O and reads no clock: times are arguments, and waits are results. Requests are not delayed, except by
``max_rate``, until the service throttles one. From then on there is a rate. It starts at the rate at which requests
were succeeding. Each throttle cuts it by the same factor; between throttles it rises by a constant and a share of the
rate after the last cut. A faster process sends more requests, is throttled more often and is cut more often, so
processes share a quota evenly without communicating.

The constants were found by simulation (see ``tests/test_pacing.py``), with quotas of 25 to 2,000 requests a second and
one to eight processes. The rate must follow the quota closely, and few requests may be throttled, because other users
of the quota are throttled, too. More even shares cost more throttled requests.
"""

from __future__ import annotations

import math
import threading

#: The factor by which a throttle cuts the rate.
CUT = 0.8
#: The rise of the rate in a second: a constant in requests a second, and a share of the rate after the cut.
RISE = 1.0
RISE_SHARE = 0.5
#: The share until the second throttle, while little is known: the rate doubles every second.
FIRST_RISE_SHARE = math.log(2)
#: The lowest rate in requests a second, and the lowest first rate.
MIN_RATE = 1.0
MIN_FIRST_RATE = 5.0
#: The rate of succeeding requests is taken to be at most this many times that of the last second.
HEADROOM = 1.5
#: The minimum time over which the rate of the first second is measured, in seconds.
MIN_SPAN = 0.1
#: If requests get no response: the first delay of the next request in seconds, which doubles each time, and its
#: maximum.
FIRST_HOLD = 0.05
MAX_HOLD = 20.0


class Pacer:
    """Decides how long each request waits, and learns from the results. Safe to share between threads.

    Args:
        max_rate: The maximum number of requests a second, retries included. ``None``: no limit until the service
            throttles.
    """

    def __init__(self, max_rate: float | None = None) -> None:
        self._max_rate = math.inf if max_rate is None else max_rate
        self._rate = self._max_rate
        self._rise_share: float | None = None  # until the first throttle
        self._rate_after_cut = 0.0
        self._cut_at = -math.inf
        self._next = -math.inf
        self._failed_at = -math.inf
        self._failures = 0
        self._passed = _Count()
        self._lock = threading.Lock()

    @property
    def rate(self) -> float:
        """The current rate in requests a second; infinite before the first throttle without a ``max_rate``."""
        return self._rate

    def reserve(self, now: float, random: float, *, patience: float = math.inf) -> float:
        """Reserves a slot for the next request, which must be sent then.

        Args:
            now: The time.
            random: A random number from 0 up to 1. Without jitter, processes could synchronise, and the same one would
                always be throttled.
            patience: The maximum wait in seconds.

        Returns:
            The seconds to wait; infinite if they exceed ``patience``, and then no slot is reserved.
        """
        with self._lock:
            self._passed.start(now)
            at = max(now, self._next)
            gap = 1 / self._rate
            wait = at - now + (0.0 if self._rise_share is None else random * gap)
            if wait >= patience:
                return math.inf
            self._next = at + gap
            return wait

    def passed(self, now: float) -> None:
        """The service accepted a request, whatever the response was."""
        with self._lock:
            self._failures = 0
            self._passed.add(now)
            if self._rise_share is not None:
                share_of = self._rate if self._rise_share == FIRST_RISE_SHARE else self._rate_after_cut
                rise = RISE + self._rise_share * share_of
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
            self._failures = 0
            self._next = max(self._next, now + pause)
            if sent_at < self._cut_at:
                return
            recent = self._passed.rate(now)
            if self._rise_share is None:
                rate = min(self._rate, max(recent, MIN_FIRST_RATE))
                self._rise_share = FIRST_RISE_SHARE
            else:
                rate = min(self._rate, max(recent * HEADROOM, MIN_RATE))
                self._rise_share = RISE_SHARE
            self._rate = self._rate_after_cut = min(max(rate * CUT, MIN_RATE), self._max_rate)
            self._cut_at = now

    def failed(self, *, sent_at: float, now: float) -> None:
        """A request got no response, or the response of a service that is down.

        Each further failure delays all requests for longer, so that an outage does not use up the attempts of every
        user.

        Args:
            sent_at: When the request was sent. A request from before the last failure is ignored.
            now: The time.
        """
        with self._lock:
            if sent_at < self._failed_at:
                return
            self._failed_at = now
            hold = min(FIRST_HOLD * 2.0 ** min(self._failures, 30), MAX_HOLD)
            self._failures += 1
            self._next = max(self._next, now + hold)


class _Count:
    """Counts the requests of the last second: those of this second, and a share of those of the previous one."""

    def __init__(self) -> None:
        self._started = math.nan
        self._second = math.nan
        self._before = 0
        self._count = 0

    def start(self, now: float) -> None:
        if math.isnan(self._started):
            self._started = self._second = now

    def add(self, now: float) -> None:
        self._move_on(now)
        self._count += 1

    def rate(self, now: float) -> float:
        """Requests a second."""
        self._move_on(now)
        if now - self._started < 1:
            return self._count / max(now - self._started, MIN_SPAN)
        return self._before * (1 - (now - self._second)) + self._count

    def _move_on(self, now: float) -> None:
        if now - self._second >= 2:
            self._before, self._count, self._second = 0, 0, now
        elif now - self._second >= 1:
            self._before, self._count, self._second = self._count, 0, self._second + 1
