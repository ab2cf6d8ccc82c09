"""How far the command is, on standard error: counts, a bar on a terminal, lines now and then elsewhere.

No usernames: what is written there ends up in other people's logs.
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

#: How many seconds apart the lines are.
INTERVAL = 10.0


class Tally:
    """Counts what became of users, and tells how long it took.

    Args:
        clock: A time in seconds that never goes back.

    Attributes:
        signed_out: How many were signed out.
        skipped: How many had been already, according to the journal, or came up before.
        failed: How many were not, by the error's code.
        planned: How many would have been signed out, in a rehearsal.
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
        """How many came to an end, well or not."""
        return self.signed_out + self.failed.total()

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """How many came to an end a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def add(self, outcome: SignOutOutcome) -> None:
        """Counts one."""
        if isinstance(outcome, SignOutError):
            # A code that is not known could hold anything, even the username.
            self.failed[outcome.code if outcome.code in BY_CODE else UnknownServiceError.code] += 1
        else:
            self.signed_out += 1

    def summary(self) -> str:
        """A line that says it all."""
        parts = [f"{self.signed_out:,} signed out"]
        if self.skipped:
            parts.append(f"{self.skipped:,} skipped")
        if self.failed:
            codes = ", ".join(f"{code} {count:,}" for code, count in self.failed.most_common())
            parts.append(f"{self.failed.total():,} failed ({codes})")
        return f"{', '.join(parts)}; took {duration(self.seconds)}, {self.rate:,.1f} a second"


class Progress(Protocol):
    """Shows a tally as it grows."""

    def update(self) -> None:
        """To be called whenever the tally has changed."""

    def aside(self) -> AbstractContextManager[None]:
        """Within ``with``, leaves the terminal to others, from whichever thread."""
        ...

    def close(self) -> None:
        """Leaves no trace."""


class Lines:
    """Plain lines, one every ten seconds, for a log.

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
        """Writes a line if it is time to."""
        if self._stream is None or self._tally.seconds < self._next:
            return
        self._next = self._tally.seconds + INTERVAL
        with suppress(OSError):  # whoever reads it may have had enough
            self._stream.write(f"{self._line()}\n")
            self._stream.flush()

    @contextmanager
    def aside(self) -> Generator[None]:
        """There is nothing in the way."""
        yield

    def close(self) -> None:
        """There is nothing to take away."""

    def _line(self) -> str:
        tally = self._tally
        failed = f", {tally.failed.total():,} failed" if tally.failed else ""
        if self._total is None:
            return f"{tally.done:,} done{failed}, {tally.rate:,.1f} a second"
        total = max(self._total - tally.skipped, tally.done)
        left = f", {duration((total - tally.done) / tally.rate)} left" if tally.rate else ""
        return f"{tally.done:,} of {total:,} done{failed}, {tally.rate:,.1f} a second{left}"


class Bar:
    """tqdm's bar, for a terminal.

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
        tqdm.monitor_interval = 0  # no thread of its own: there is an update for each user
        tqdm.set_lock(self._lock)  # the default is one that processes can share, and takes long to make
        self._bar = tqdm(total=total, file=stream, unit=" users", dynamic_ncols=True, leave=False)

    def update(self) -> None:
        """Draws it anew, unless that was just done."""
        tally = self._tally
        if self._total is not None:  # who is skipped takes no time, and would only make the rate look better
            self._bar.total = max(self._total - tally.skipped, tally.done)
        if tally.failed:
            self._bar.set_postfix_str(f"{tally.failed.total():,} failed", refresh=False)
        self._bar.update(tally.done - self._bar.n)

    @contextmanager
    def aside(self) -> Generator[None]:
        """Takes the bar away, and puts it back."""
        with self._lock:
            self._bar.clear(nolock=True)
            yield
            self._bar.refresh(nolock=True)

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()


def progress_of(tally: Tally, total: int | None, stream: TextIO | None) -> Progress:
    """A bar where the stream is a terminal and tqdm is installed, else lines; nothing where there is no stream."""
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
