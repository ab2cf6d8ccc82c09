"""How fast to go: when each request of many may be sent, so that a quota shared with others is used, not fought over.

Pure but for what it remembers: times come in as arguments, waits go out. It goes as fast as it is asked to, at most
``max_rate`` a second, until the service throttles a request. From then on it keeps to a rate: first the one at
which requests were getting through, cut at every throttle by the same factor, raised between them by a constant and
a share of what it was after the cut. As each request is as likely as any other to be the one that is throttled, who
goes faster is cut more often: processes that share a quota come to share it evenly, without talking to each other.

The constants were found by simulation (see ``tests/test_pacing.py``), over quotas of 25 to 2,000 requests a second
and one to eight processes: the rate must follow the quota closely, and few requests may be throttled for it, as
whoever else lives on the quota is throttled alike. What makes shares more even throttles more requests.
"""

from __future__ import annotations

import math
import threading

#: What is left of the rate after a throttle.
CUT = 0.8
#: By how many requests a second the rate is raised in a second, and by which share of the rate after the cut.
RISE = 1.0
RISE_SHARE = 0.5
#: Until the second throttle, when next to nothing is known yet: twice as fast every second.
FIRST_RISE_SHARE = math.log(2)
#: The lowest rate in requests a second, and the lowest to begin with.
MIN_RATE = 1.0
MIN_FIRST_RATE = 5.0
#: Requests were getting through at no more than this many times the rate of the last second.
HEADROOM = 1.5
#: Over how many seconds the rate of the first second is measured, at the least.
MIN_SPAN = 0.1
#: Where requests get no answer at all: how many seconds to hold back the next, twice as many after each, and at most.
FIRST_HOLD = 0.05
MAX_HOLD = 20.0


class Pacer:
    """Says how long each request has to wait, and is told what became of it. Safe to share between threads.

    Args:
        max_rate: How many requests may be sent in a second, retries included. ``None``: no bound until the service
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
        """How many requests a second it lets go at present; infinite as long as nothing holds them back."""
        return self._rate

    def reserve(self, now: float, random: float, *, patience: float = math.inf) -> float:
        """How many seconds the next request has to wait. It must be sent then: its place is taken.

        Args:
            now: The time.
            random: A random number from 0 up to 1. Processes that keep an even pace could fall into step, and then it
                would always be the same one that is throttled.
            patience: How many seconds it can wait.

        Returns:
            The seconds; infinite, if they were too many, and no place is taken.
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
        """The service took a request, whatever it said to it."""
        with self._lock:
            self._failures = 0
            self._passed.add(now)
            if self._rise_share is not None:
                share_of = self._rate if self._rise_share == FIRST_RISE_SHARE else self._rate_after_cut
                rise = RISE + self._rise_share * share_of
                # In a second, as many requests get through as the rate says; each raises it by its part.
                self._rate = min(self._rate + rise / self._rate, self._max_rate)

    def throttled(self, *, sent_at: float, now: float, pause: float = 0.0) -> None:
        """The service refused a request for having had too many.

        Args:
            sent_at: When the request was sent. One that was sent before the last cut tells nothing new.
            now: The time.
            pause: How many seconds the service asked to be left alone.
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
        """A request got no answer, or that of a service which is down. While nothing gets through, every failure holds
        back all that follows for longer: nobody's attempts are used up on a network that is gone.

        Args:
            sent_at: When the request was sent. One that was sent before the last failure tells nothing new.
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
    """How many requests got through in the last second: this second's, and a share of those in the one before."""

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
