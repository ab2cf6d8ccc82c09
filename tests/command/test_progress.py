"""Progress: lines now and then, the bar, the summary."""

from __future__ import annotations

import io
import sys
from datetime import datetime, timezone

import pytest
from attrs import define

from cognito_signout import SignOutResult, UnknownServiceError, UserNotFoundError
from cognito_signout._cli.progress import INTERVAL, Bar, Lines, Tally, duration, progress_of

SIGNED_OUT = SignOutResult(
    id="1", created_at=datetime(2025, 1, 1, tzinfo=timezone.utc), user_pool_id="us-east-1_A", username="alice"
)


@define
class Clock:
    """A clock that a test moves."""

    time: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.time


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


class Deaf(io.StringIO):
    """A stream whose reader had enough."""

    def write(self, _text: str) -> int:
        """It can't."""
        raise BrokenPipeError


def test_lines_come_every_ten_seconds_and_tell_the_rate_and_the_time_left() -> None:
    """A log should show that it moves, and not be swamped by it."""
    clock, stream = Clock(), io.StringIO()
    tally = Tally(clock)
    lines = Lines(tally, 1001, stream)
    tally.skipped = 1
    for _ in range(500):
        tally.add(SIGNED_OUT)
        clock.time += 0.04
        lines.update()
    tally.add(UserNotFoundError("User does not exist."))
    clock.time += INTERVAL
    lines.update()
    with lines.aside():
        lines.close()
    assert stream.getvalue().splitlines() == [
        "250 of 1,000 done, 25.0 a second, 0:30 left",
        "500 of 1,000 done, 25.0 a second, 0:20 left",
        "501 of 1,000 done, 1 failed, 16.7 a second, 0:30 left",
    ]


def test_a_short_run_has_no_lines() -> None:
    """Nobody wants to know how far something is that is over."""
    clock, stream = Clock(), io.StringIO()
    lines = Lines(Tally(clock), 10, stream)
    clock.time += INTERVAL - 0.1
    lines.update()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("total", "line"), [(None, "0 done, 0.0 a second\n"), (5, "0 of 5 done, 0.0 a second\n")])
def test_what_is_not_known_is_not_said(total: int | None, line: str) -> None:
    """While nobody is done, nor from a pipe, is there a time left."""
    clock, stream = Clock(), io.StringIO()
    lines = Lines(Tally(clock), total, stream)
    clock.time += INTERVAL
    lines.update()
    assert stream.getvalue() == line


def test_progress_that_nobody_reads_is_no_error() -> None:
    """Users are signed out whether or not somebody looks on."""
    clock = Clock()
    for stream in (None, Deaf()):
        lines = progress_of(Tally(clock), None, stream)
        clock.time += INTERVAL
        lines.update()


def test_the_summary_counts_by_code() -> None:
    """What is left to do depends on why they failed; a code that is not known could hold a name."""
    clock = Clock()
    tally = Tally(clock)
    assert tally.summary() == "0 signed out; took 0:00, 0.0 a second"
    for _ in range(1234):
        tally.add(SIGNED_OUT)
    tally.skipped = 5
    for error in [UserNotFoundError("")] * 2 + [UnknownServiceError("", code="NoSuchAlice", username="alice")]:
        tally.add(error)
    clock.time += 3723
    assert tally.summary() == (
        "1,234 signed out, 5 skipped, 3 failed (USER_NOT_FOUND 2, UNKNOWN 1); took 1:02:03, 0.3 a second"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599.4, "59:59"), (360_000, "100:00:00")]
)
def test_durations_read_as_clocks_do(seconds: float, text: str) -> None:
    """`0:60` is no time."""
    assert duration(seconds) == text


def test_a_terminal_gets_a_bar() -> None:
    """With the total, less the skipped; it leaves the line to others and comes back, and ends without a trace."""
    stream = Terminal()
    tally = Tally(Clock())
    bar = progress_of(tally, 20, stream)
    assert isinstance(bar, Bar)
    tally.skipped = 5
    for _ in range(3):
        tally.add(SIGNED_OUT)
    tally.add(UserNotFoundError("User does not exist."))
    bar.update()
    with bar.aside():
        before = stream.getvalue()
        assert before.endswith("\r")  # the line is blank, and the cursor at its start
    shown = stream.getvalue()[len(before) :]
    assert "4/15" in shown
    assert "1 failed" in shown
    bar.close()
    assert stream.getvalue().endswith("\r")


def test_the_bar_has_no_total_where_there_is_none() -> None:
    """Names from a pipe."""
    stream = Terminal()
    tally = Tally(Clock())
    bar = progress_of(tally, None, stream)
    tally.add(SIGNED_OUT)
    bar.update()
    bar.close()
    assert "0 users" in stream.getvalue()


def test_without_tqdm_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert isinstance(progress_of(Tally(Clock()), None, Terminal()), Lines)
