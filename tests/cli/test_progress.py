"""Progress lines, the progress bar and the summary."""

from __future__ import annotations

import io
import sys
from datetime import datetime, timezone

import pytest
from attrs import define

from cognito_signout import SignOutResult, UnknownServiceError, UserNotFoundError
from cognito_signout._cli.progress import INTERVAL, Progress, Tally, duration

SIGNED_OUT = SignOutResult(
    id="1", created_at=datetime(2025, 1, 1, tzinfo=timezone.utc), user_pool_id="us-east-1_A", username="alice"
)


@define
class Clock:
    """A clock that only moves when a test moves it."""

    time: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.time


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Returns true."""
        return True


class BrokenPipe(io.StringIO):
    """A stream whose reader has closed it."""

    def write(self, _text: str) -> int:
        """Fails."""
        raise BrokenPipeError


def test_a_line_every_ten_seconds_shows_the_rate_and_the_remaining_time() -> None:
    """A log shows no progress, or is flooded with it."""
    clock, stream = Clock(), io.StringIO()
    tally = Tally(clock)
    lines = Progress(tally, 1001, stream)
    tally.already = 1
    for _ in range(500):
        tally.add(SIGNED_OUT)
        clock.time += 0.04
        lines.update()
    tally.add(UserNotFoundError("User does not exist."))
    clock.time += INTERVAL
    lines.update()
    lines.hide()
    lines.close()
    assert stream.getvalue().splitlines() == [
        "250 of 1,000 done, 25.0 a second, 0:30 left",
        "500 of 1,000 done, 25.0 a second, 0:20 left",
        "501 of 1,000 done, 1 failed, 16.7 a second, 0:30 left",
    ]


def test_a_line_says_that_the_service_does_not_respond() -> None:
    """A run looks stuck during an outage."""
    clock, stream = Clock(), io.StringIO()
    tally = Tally(clock)
    lines = Progress(tally, 4, stream)
    tally.add(SIGNED_OUT)
    for is_outage in (True, False):
        clock.time += INTERVAL
        lines.update(is_outage=is_outage)
    assert stream.getvalue().splitlines() == [
        "1 of 4 done, 0.1 a second, the service does not respond; trying again",
        "1 of 4 done, 0.1 a second, 1:00 left",
    ]


def test_a_bar_says_that_the_service_does_not_respond() -> None:
    """A run looks stuck during an outage."""
    stream = Terminal()
    bar = Progress(Tally(Clock()), 4, stream)
    bar.update(is_outage=True)
    shown = stream.getvalue()
    assert "no response" in shown
    bar.update()
    assert "no response" not in stream.getvalue()[len(shown) :]
    bar.close()


def test_a_short_run_prints_no_lines() -> None:
    """Runs that take only seconds print progress."""
    clock, stream = Clock(), io.StringIO()
    lines = Progress(Tally(clock), 10, stream)
    clock.time += INTERVAL - 0.1
    lines.update()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("total", "line"), [(None, "0 done, 0.0 a second\n"), (5, "0 of 5 done, 0.0 a second\n")])
def test_unknown_values_are_left_out(total: int | None, line: str) -> None:
    """A line shows a wrong total or remaining time."""
    clock, stream = Clock(), io.StringIO()
    lines = Progress(Tally(clock), total, stream)
    clock.time += INTERVAL
    lines.update()
    assert stream.getvalue() == line


def test_progress_that_cannot_be_written_is_not_an_error() -> None:
    """A run stops because standard error is closed."""
    clock = Clock()
    for stream in (None, BrokenPipe()):
        lines = Progress(Tally(clock), None, stream)
        clock.time += INTERVAL
        lines.update()


def test_the_summary_counts_by_code() -> None:
    """The summary hides why users failed, or shows a username as part of an unknown code."""
    clock = Clock()
    tally = Tally(clock)
    assert tally.summary(None) == "0 signed out; took 0:00"
    for _ in range(1234):
        tally.add(SIGNED_OUT)
    tally.already, tally.repeated = 4, 1
    for error in [UserNotFoundError("")] * 2 + [UnknownServiceError("", code="NoSuchAlice", username="alice")]:
        tally.add(error)
    clock.time += 3723
    tally.interrupted = 4
    assert tally.summary(1250) == (
        "1,250 usernames: 1,234 signed out, 4 already signed out, 1 repeated, 3 failed (USER_NOT_FOUND 2, UNKNOWN 1), "
        "4 interrupted, 4 not started; took 1:02:03, 0.3 a second"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599.4, "59:59"), (360_000, "100:00:00")]
)
def test_durations_are_shown_in_clock_format(seconds: float, text: str) -> None:
    """A duration is shown as `0:60`."""
    assert duration(seconds) == text


def test_a_terminal_shows_a_bar() -> None:
    """The bar counts skipped users, overwrites other output or stays on the screen."""
    stream = Terminal()
    tally = Tally(Clock())
    bar = Progress(tally, 20, stream)
    tally.already = 5
    for _ in range(3):
        tally.add(SIGNED_OUT)
    tally.add(UserNotFoundError("User does not exist."))
    bar.update()
    bar.hide()
    before = stream.getvalue()
    assert before.endswith("\r")  # the line is blank, and the cursor is at its start
    bar.update()
    shown = stream.getvalue()[len(before) :]
    assert "4/15" in shown
    assert "1 failed" in shown
    bar.close()
    assert stream.getvalue().endswith("\r")


def test_without_a_total_the_bar_shows_none() -> None:
    """There is no bar if usernames come from a pipe."""
    stream = Terminal()
    tally = Tally(Clock())
    bar = Progress(tally, None, stream)
    tally.add(SIGNED_OUT)
    bar.update()
    bar.close()
    assert "\r0 done, ?/s\r1 done, " in stream.getvalue()


def test_without_tqdm_a_terminal_shows_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails if tqdm, which is optional, is not installed."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    clock, stream = Clock(), Terminal()
    lines = Progress(Tally(clock), None, stream)
    clock.time += INTERVAL
    lines.update()
    assert stream.getvalue() == "0 done, 0.0 a second\n"


def test_the_bar_moves_with_the_time() -> None:
    """A command shows nothing while the service throttles every user."""
    stream = Terminal()
    bar = Progress(Tally(Clock()), 5, stream)
    before = len(stream.getvalue())
    bar.update()
    assert len(stream.getvalue()) > before
    bar.close()
