"""A simulation of processes that share a quota and do not communicate. Time is simulated: nothing waits.

Each process has a pacer, and workers that sign out one user after the other. The service is a token bucket.
"""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from cognito_signout._bulk.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@define
class TokenBucket:
    """A quota: a number of requests a second, and a number at once.

    Attributes:
        rate: How many tokens arrive in a second.
        burst: The maximum number of tokens.
        used_up: The start and the end of a time in which other callers take all tokens.
    """

    rate: float
    burst: float
    used_up: tuple[float, float] = (0.0, 0.0)
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.burst

    def admits(self, now: float) -> bool:
        """Takes a token, if there is one."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self.used_up[0] <= now < self.used_up[1]:
            self._tokens = 0.0
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@frozen
class Outcome:
    """The result of a simulation.

    Attributes:
        requests: For each request: its time, its process, and whether it passed.
        seconds: When the last user was signed out, if all were.
    """

    requests: Sequence[tuple[float, int, bool]]
    seconds: float

    def passed(self, start: float, end: float, process: int | None = None) -> int:
        """How many requests passed in this time."""
        return sum(ok and start <= at < end and process in (None, of) for at, of, ok in self.requests)

    def throttled(self, start: float = 0.0) -> float:
        """The share of requests after the start that were throttled."""
        late = [ok for at, _, ok in self.requests if at >= start]
        return late.count(False) / len(late)


def simulate(
    quota: TokenBucket,
    *,
    starts: Sequence[float] = (0.0,),
    users: float = float("inf"),
    seconds: float = float("inf"),
    workers: int = 10,
    round_trip: float = 0.02,
    seed: int = 0,
    pacer: Callable[[], Pacer] = Pacer,
) -> Outcome:
    """Runs processes that start at different times, until each has signed out its users or the time is up."""
    rng = random.Random(seed)
    pacers = [pacer() for _ in starts]
    remaining = [users for _ in starts]
    requests: list[tuple[float, int, bool]] = []
    clock = [0.0]

    def worker(process: int) -> Iterator[float]:
        """A worker: yields the time of its next event, and is resumed then."""
        own = pacers[process]
        while remaining[process] > 0:
            remaining[process] -= 1
            is_done = False
            while not is_done:
                is_reserved = False
                while not is_reserved:
                    is_reserved, wait = own.reserve(object(), clock[0], rng.random())
                    yield clock[0] + wait
                sent_at = clock[0]
                yield sent_at + round_trip * (0.5 + rng.random()) / 2
                is_done = quota.admits(clock[0])
                requests.append((clock[0], process, is_done))
                yield clock[0] + round_trip * (0.5 + rng.random()) / 2
                if is_done:
                    own.passed(clock[0])
                else:
                    own.throttled(sent_at=sent_at, now=clock[0])

    schedule = [
        (start + rng.random() * 0.01, process * workers + number, worker(process))
        for process, start in enumerate(starts)
        for number in range(workers)
    ]
    heapq.heapify(schedule)
    while schedule and schedule[0][0] <= seconds:
        clock[0], order, steps = heapq.heappop(schedule)
        event = next(steps, None)
        if event is not None:
            heapq.heappush(schedule, (event, order, steps))
    return Outcome(requests, clock[0])
