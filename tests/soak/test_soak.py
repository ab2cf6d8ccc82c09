"""A short run of the soak: it works, meets every kind of fault, and reports what it is meant to find."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cognito_signout import SignOutError, SignOutResult

from . import __main__ as command
from .clients import POOL, MixedUpError, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
HELD = {"memory": 40_000, "descriptors": 11, "threads": 3, "tasks": 0, "connections": 20}


def test_a_short_soak_passes() -> None:
    """A client would fail a long soak, or the soak command does not run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage is slow
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--calls", "3000"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line[:30].strip(): line.split()[-1] for line in done.stdout.splitlines() if line.strip()}
    assert rows["calls"] == "3,000"
    assert {"reset before the answer", "half a body", "garbage", "503", "TooManyRequestsException"} <= set(rows)
    assert {"SignOutResult", "UserNotFoundError", "InvalidResponseError"} <= set(rows)


@pytest.mark.parametrize("what", ["memory", "descriptors", "threads", "tasks"])
def test_growth_of_resources_is_reported(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The soak misses a leak."""
    first, last = (
        command.Stage(percent, 1.0, {"SignOutResult": percent}, {"success": percent}, held)
        for percent, held in ((1, HELD), (100, {**HELD, what: HELD[what] + 4097}))
    )
    monkeypatch.setattr(command, "soak", lambda calls, seed: iter([first, last]))
    assert command.main([]) == 1
    assert f"{what} grew from {HELD[what]} to {HELD[what] + 4097}" in capsys.readouterr().err
    monkeypatch.setattr(command, "soak", lambda calls, seed: iter([first, first]))
    assert command.main([]) == 0


def test_an_untyped_exception_ends_the_soak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The soak passes although a call raised an untyped exception."""

    class Broken:
        def work(self, usernames: Iterator[str]) -> None:
            next(usernames)
            raise KeyError("untyped")

    def soak(calls: int, seed: int) -> Iterator[command.Stage]:
        command.side_by_side((Broken(), iter("ab")))
        return iter([])

    monkeypatch.setattr(command, "soak", soak)
    assert command.main([]) == 1
    assert "KeyError: 'untyped'" in capsys.readouterr().err


def test_a_response_for_another_call_ends_the_soak() -> None:
    """The soak passes although calls got each other's responses."""
    now = dt.datetime.now(dt.timezone.utc)
    result = SignOutResult(id="1-resu", created_at=now, user_pool_id=POOL, username="user-1", attempts=1)
    assert checked(result, "user-1") == "SignOutResult"
    with pytest.raises(MixedUpError):
        checked(result, "user-2")
    assert checked(SignOutError("no answer", username="user-1"), "user-1") == "SignOutError"
    with pytest.raises(MixedUpError):
        checked(SignOutError("no", username="user-1", request_id="2-resu"), "user-1")
