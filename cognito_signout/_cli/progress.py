"""The progress on standard error: a bar on a terminal, otherwise a line every ten seconds.

It contains no usernames, because standard error often ends up in logs.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..errors import BY_CODE, SignOutError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from ..models import SignOutOutcome

#: The interval between lines, in seconds.
INTERVAL = 10.0


class Tally:
    """Counts outcomes and measures the time.

    Args:
        clock: A monotonic time in seconds.

    Attributes:
        signed_out: The number of users signed out.
        skipped: The number of users that the journal lists as signed out, or that occurred before.
        failed: The number of users that were not signed out, by error code.
        planned: The number of users that a dry run would sign out.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self.signed_out = 0
        self.skipped = 0
        self.planned = 0
        self.failed: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """The number of outcomes."""
        return self.signed_out + self.failed.total()

    @property
    def seconds(self) -> float:
        """The time since the start, in seconds."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """The number of outcomes a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def add(self, outcome: SignOutOutcome) -> None:
        """Counts an outcome."""
        if isinstance(outcome, SignOutError):
            # An unknown code could contain anything, even the username.
            self.failed[outcome.code if outcome.code in BY_CODE else UnknownServiceError.code] += 1
        else:
            self.signed_out += 1

    def summary(self) -> str:
        """The summary of all outcomes."""
        parts = [f"{self.signed_out:,} signed out"]
        if self.skipped:
            parts.append(f"{self.skipped:,} skipped")
        if self.failed:
            codes = ", ".join(f"{code} {count:,}" for code, count in self.failed.most_common())
            parts.append(f"{self.failed.total():,} failed ({codes})")
        return f"{', '.join(parts)}; took {duration(self.seconds)}, {self.rate:,.1f} a second"


class Progress(Protocol):
    """Shows a tally."""

    def update(self) -> None:
        """Must be called after each change of the tally."""

    def aside(self) -> AbstractContextManager[None]:
        """Hides the progress within ``with``, so that any thread can print."""
        ...

    def close(self) -> None:
        """Removes the progress from the terminal."""


class Lines:
    """Plain lines for a log, one every ten seconds.

    Args:
        tally: What to show.
        total: How many users there are, where that is known.
        stream: Where to write.
    """

    def __init__(self, tally: Tally, total: int | None, stream: TextIO | None) -> None:
        self._tally = tally
        self._total = total
        self._stream = stream
        self._next = INTERVAL

    def update(self) -> None:
        """Writes a line if the interval is over."""
        if self._stream is None or self._tally.seconds < self._next:
            return
        self._next = self._tally.seconds + INTERVAL
        with suppress(OSError):  # the reader may have closed the pipe
            self._stream.write(f"{self._line()}\n")
            self._stream.flush()

    @contextmanager
    def aside(self) -> Generator[None]:
        """There is nothing to hide."""
        yield

    def close(self) -> None:
        """There is nothing to remove."""

    def _line(self) -> str:
        tally = self._tally
        failed = f", {tally.failed.total():,} failed" if tally.failed else ""
        if self._total is None:
            return f"{tally.done:,} done{failed}, {tally.rate:,.1f} a second"
        total = max(self._total - tally.skipped, tally.done)
        left = f", {duration((total - tally.done) / tally.rate)} left" if tally.rate else ""
        return f"{tally.done:,} of {total:,} done{failed}, {tally.rate:,.1f} a second{left}"


class Bar:
    """A bar of tqdm, for a terminal.

    Args:
        tqdm: Its class.
        tally: What to show.
        total: How many users there are, where that is known.
        stream: The terminal.
    """

    def __init__(self, tqdm: Any, tally: Tally, total: int | None, stream: TextIO) -> None:
        self._tally = tally
        self._total = total
        self._lock = threading.RLock()
        tqdm.monitor_interval = 0  # no monitor thread: there is an update for each user
        tqdm.set_lock(self._lock)  # the default lock can be shared by processes, and is slow to create
        self._bar = tqdm(total=total, file=stream, unit=" users", dynamic_ncols=True, leave=False)

    def update(self) -> None:
        """Redraws the bar, unless that was done a moment ago."""
        tally = self._tally
        if self._total is not None:  # skipped users take no time, and would distort the rate
            self._bar.total = max(self._total - tally.skipped, tally.done)
        if tally.failed:
            self._bar.set_postfix_str(f"{tally.failed.total():,} failed", refresh=False)
        self._bar.update(tally.done - self._bar.n)

    @contextmanager
    def aside(self) -> Generator[None]:
        """Removes the bar and restores it."""
        with self._lock:
            self._bar.clear(nolock=True)
            yield
            self._bar.refresh(nolock=True)

    def close(self) -> None:
        """Removes the bar."""
        self._bar.close()


def progress_of(tally: Tally, total: int | None, stream: TextIO | None) -> Progress:
    """A bar if the stream is a terminal and tqdm is installed; otherwise lines; nothing if there is no stream."""
    if stream is not None and stream.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            return Bar(tqdm, tally, total, stream)
    return Lines(tally, total, stream)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03``.

    >>> duration(3723.4)
    '1:02:03'
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
