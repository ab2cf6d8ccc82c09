"""What a call is given: where time and chance come from, and what it shares with the other calls of its client."""

from __future__ import annotations

from typing import Protocol

from attrs import define, field

from ._retry import RetryQuota


class Clock(Protocol):
    """Where time and chance come from."""

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """A time that never goes back, in seconds."""
        ...

    def random(self) -> float:
        """A random number from 0 up to 1."""
        ...

    def trace_header(self) -> str | None:
        """The ``X-Amzn-Trace-Id`` to send, if any."""
        ...


@define
class Shared:
    """What the calls of one client share.

    Attributes:
        quota: The tokens that retries cost.
        clock_offset: How many seconds the service's clock is ahead of ours, as far as it mattered.
    """

    quota: RetryQuota = field(factory=RetryQuota)
    clock_offset: float = 0.0
