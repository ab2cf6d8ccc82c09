"""A simulation of processes that share a quota and know nothing of each other: events in order of time, nothing real.

Each process has a pacer, and workers that do one request after the other. The service is a token bucket.
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
    """A quota: so many requests a second, and so many at once.

    Attributes:
        rate: How many tokens come in a second.
        burst: How many there may be.
    """

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.burst

    def admits(self, now: float) -> bool:
        """Takes a token, if there is one."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@frozen
class Outcome:
    """What came of a simulation, while all processes were running.

    Attributes:
        use: The share of the quota that was used.
        throttled: The share of requests that were throttled.
        shares: Of each process, what it had of the quota, as a multiple of an even share.
    """

    use: float
    throttled: float
    shares: Sequence[float]


def simulate(
    quota: TokenBucket,
    *,
    starts: Sequence[float],
    seconds: float,
    workers: int = 10,
    round_trip: float = 0.005,
    seed: int = 0,
    pacer: Callable[[], Pacer] = Pacer,
) -> Outcome:
    """Runs processes that start at different times until so many seconds after the last start."""
    chance = random.Random(seed)
    pacers = [pacer() for _ in starts]
    passed = [0] * len(starts)
    throttled = [0] * len(starts)
    together, end = max(starts), max(starts) + seconds
    order = iter(range(1_000_000_000))
    agenda: list[tuple[float, int, Iterator[float]]] = []

    def worker(process: int) -> Iterator[float]:
        """One worker's life: yields the time of the next event, and is sent back when it is."""
        now = starts[process] + chance.random() * 0.01
        while True:
            yield now + pacers[process].reserve(now, chance.random())
            sent_at = now = clock[0]
            yield now + round_trip * (0.5 + chance.random()) / 2
            now = clock[0]
            is_admitted = quota.admits(now)
            if now > together:
                (passed if is_admitted else throttled)[process] += 1
            yield now + round_trip * (0.5 + chance.random()) / 2
            now = clock[0]
            if is_admitted:
                pacers[process].passed(now)
            else:
                pacers[process].throttled(sent_at=sent_at, now=now)

    clock = [0.0]
    for process in range(len(starts)):
        for _ in range(workers):
            life = worker(process)
            heapq.heappush(agenda, (starts[process] + chance.random() * 0.01, next(order), life))
    while agenda[0][0] <= end:
        clock[0], _, life = heapq.heappop(agenda)
        heapq.heappush(agenda, (next(life), next(order), life))
    share = quota.rate * seconds / len(starts)
    return Outcome(
        use=sum(passed) / (quota.rate * seconds),
        throttled=sum(throttled) / (sum(passed) + sum(throttled)),
        shares=[count / share for count in passed],
    )
