"""The progress on standard error: a bar on a terminal, otherwise a line every ten seconds.

It contains no usernames, because standard error often ends up in logs.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import BY_CODE, SignOutConnectionError, SignOutError, SignOutTimeoutError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..models import SignOutOutcome

#: The interval between lines, in seconds.
INTERVAL = 10.0
#: A run ends if the service did not respond to any of so many users.
MAX_SILENT = 20
_NO_RESPONSE = frozenset({SignOutConnectionError.code, SignOutTimeoutError.code})


class Tally:
    """Counts outcomes and measures the time.

    Args:
        clock: A monotonic time in seconds.

    Attributes:
        signed_out: The number of users signed out.
        already: The number of users that the journal lists as signed out.
        repeated: The number of usernames that occurred before in the same run.
        failed: The number of users that were not signed out, by error code.
        interrupted: The number of users whose outcome was not awaited.
        retryable: The number of failed users for whom another run may succeed.
        planned: The number of users that a dry run would sign out.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self.signed_out = self.already = self.repeated = self.retryable = self.interrupted = self.planned = 0
        self.failed: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """The number of outcomes."""
        return self.signed_out + self.failed.total()

    @property
    def skipped(self) -> int:
        """The number of usernames for which nothing is sent."""
        return self.already + self.repeated

    @property
    def seconds(self) -> float:
        """The time since the start, in seconds."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """The number of outcomes a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def got_no_response(self) -> bool:
        """Whether many users have failed, all of them because the service did not respond."""
        is_silent = not self.signed_out and set(self.failed) <= {"VALIDATION_ERROR", *_NO_RESPONSE}
        return is_silent and sum(self.failed[code] for code in _NO_RESPONSE) >= MAX_SILENT

    @property
    def found_nobody(self) -> bool:
        """Whether the pool has none of the users."""
        return (
            not self.signed_out and not self.already and set(self.failed) - {"VALIDATION_ERROR"} == {"USER_NOT_FOUND"}
        )

    def add(self, outcome: SignOutOutcome) -> None:
        """Counts an outcome."""
        if isinstance(outcome, SignOutError):
            # An unknown code could contain anything, even the username.
            self.failed[outcome.code if outcome.code in BY_CODE else UnknownServiceError.code] += 1
            self.retryable += outcome.retryable
        else:
            self.signed_out += 1

    def summary(self, total: int | None) -> str:
        """The summary of all outcomes. Its numbers add up to the total."""
        parts = [f"{self.signed_out:,} signed out", *self._skipped()]
        if total is not None:
            parts[0] = f"{total:,} username{'s' * (total != 1)}: {parts[0]}"
        if self.failed:
            codes = ", ".join(f"{code} {count:,}" for code, count in self.failed.most_common())
            parts.append(f"{self.failed.total():,} failed ({codes})")
        if self.interrupted:
            parts.append(f"{self.interrupted:,} interrupted")
        not_started = 0 if total is None else total - self.done - self.skipped - self.interrupted
        if not_started > 0:
            parts.append(f"{not_started:,} not started")
        rate = f", {self.rate:,.1f} a second" if self.done else ""
        return f"{', '.join(parts)}; took {duration(self.seconds)}{rate}"

    def plan(self, endpoint: str, max_rate: float | None) -> str:
        """The summary of a dry run."""
        parts = [f"{endpoint}: would sign out {self.planned:,}", *self._skipped()]
        if self.failed:
            parts.append(f"{self.failed.total():,} invalid")
        takes = "" if max_rate is None else f"; takes {duration(self.planned / max_rate)} at {max_rate:g} a second"
        return f"{', '.join(parts)}{takes}"

    def _skipped(self) -> Iterator[str]:
        if self.already:
            yield f"{self.already:,} already signed out"
        if self.repeated:
            yield f"{self.repeated:,} repeated"


class Progress:
    """Shows a tally: a bar of tqdm if the stream is a terminal and tqdm is installed, otherwise lines.

    Args:
        tally: What to show.
        total: The number of users, if it is known.
        stream: Where to write; ``None`` to show nothing.
    """

    def __init__(self, tally: Tally, total: int | None, stream: TextIO | None) -> None:
        self._tally = tally
        self._total = total
        self._stream = stream
        self._next = INTERVAL
        self._bar = None if stream is None or not stream.isatty() else _new_bar(total, stream)

    def update(self, *, is_outage: bool = False) -> None:
        """Shows the tally, if it is time to. Must be called often, also if nothing has changed.

        Args:
            is_outage: Whether the service has stopped responding.
        """
        if self._bar is not None:
            self._update_bar(self._bar, is_outage=is_outage)
        elif self._stream is not None and self._tally.seconds >= self._next:
            self._next = self._tally.seconds + INTERVAL
            with suppress(OSError):  # the reader may have closed the pipe
                self._stream.write(f"{self._line(is_outage=is_outage)}\n")
                self._stream.flush()

    def hide(self) -> None:
        """Removes the bar, so that other text can be printed. The next update shows it again."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()

    def _update_bar(self, bar: Any, *, is_outage: bool) -> None:
        tally = self._tally
        if self._total is not None:  # skipped users take no time, and would distort the rate
            bar.total = max(self._total - tally.skipped, tally.done)
        bar.bar_format = _bar_format(self._total, is_outage=is_outage)
        if tally.failed:
            bar.set_postfix_str(f"{tally.failed.total():,} failed", refresh=False)
        bar.n = tally.done
        bar.refresh()

    def _line(self, *, is_outage: bool) -> str:
        tally = self._tally
        of_total = left = ""
        if self._total is not None:
            total = max(self._total - tally.skipped, tally.done)
            of_total = f" of {total:,}"
            left = f", {duration((total - tally.done) / tally.rate)} left" if tally.rate and not is_outage else ""
        failed = f", {tally.failed.total():,} failed" if tally.failed else ""
        state = ", the service does not respond; trying again" if is_outage else ""
        return f"{tally.done:,}{of_total} done{failed}, {tally.rate:,.1f} a second{left}{state}"


def _new_bar(total: int | None, stream: TextIO) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    tqdm.monitor_interval = 0  # no monitor thread
    bar_format = _bar_format(total, is_outage=False)
    return tqdm(total=total, file=stream, unit="", bar_format=bar_format, dynamic_ncols=True, leave=False)


def _bar_format(total: int | None, *, is_outage: bool) -> str:
    """What a bar of tqdm shows: the rate and the time left mean nothing in an outage."""
    counts = "{n_fmt} done, " if total is None else "{n_fmt}/{total_fmt} |{bar}| "
    if is_outage:
        return f"{counts}no response{{postfix}}"
    return counts + ("" if total is None else "{remaining} left, ") + "{rate_noinv_fmt}{postfix}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03``.

    >>> duration(3723.4)
    '1:02:03'
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
