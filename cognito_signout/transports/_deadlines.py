"""Deadlines: instants of the monotonic clock, or ``None`` for no bound."""

from __future__ import annotations

from time import monotonic


def sooner(deadline: float | None, allowance: float | None) -> float | None:
    """The deadline, or the one that is so many seconds from now, whichever comes first."""
    if allowance is None:
        return deadline
    limit = monotonic() + allowance
    return limit if deadline is None else min(deadline, limit)


def left(deadline: float | None) -> float | None:
    """How many seconds are left, as a socket's time-out. Raises ``TimeoutError`` where none are."""
    if deadline is None:
        return None
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds
