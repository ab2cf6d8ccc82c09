"""Outcomes are written to the journal before they are printed. Either of the two may fail."""

from __future__ import annotations

import errno
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from cognito_signout import SignOutResult, UserNotFoundError, ValidationError
from cognito_signout._cli.journal import Journal, JournalError
from cognito_signout._cli.report import MAX_GROUP, OutputError, Report

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "https://cognito-idp.us-east-1.amazonaws.com/"
POOL = "us-east-1_Test00001"


def signed_out(username: str) -> SignOutResult:
    """The result of signing out this user."""
    created_at = datetime(2025, 1, 1, tzinfo=timezone.utc)
    return SignOutResult(id="1", created_at=created_at, user_pool_id=POOL, username=username)


FAILED = UserNotFoundError("User does not exist.", username="bob")
INVALID = ValidationError("users.txt, line 3: username must have 1 to 128 characters", username="?" * 200)


class RecordingJournal(Journal):
    """A journal that records when it is written and synced. Its sync may fail."""

    def __init__(self, path: str, events: list[str], error: JournalError | None = None) -> None:
        self._events = events
        self._sync_error = error
        super().__init__(path, POOL, endpoint=ENDPOINT)

    def append(self, line: str) -> None:
        """Records the write."""
        self._events.append(f"written {json.loads(line)['username']}")
        super().append(line)

    def sync(self) -> None:
        """Records the sync, and fails if there is an error to raise."""
        super().sync()
        self._events.append("on disk")
        if self._sync_error is not None and len(self._events) > 1:  # the first sync is that of the header
            raise self._sync_error


def test_nothing_is_printed_before_it_is_on_disk(tmp_path: Path) -> None:
    """A printed outcome can be missing from the journal after a power cut."""
    events: list[str] = []

    def show(lines: list[str]) -> None:
        events.extend(f"printed {json.loads(line)['username']}" for line in lines)

    names = [str(number) for number in range(3 * MAX_GROUP + 1)]
    with RecordingJournal(str(tmp_path / "run.jsonl"), events) as journal:
        report = Report(journal, show)
        for name in names:
            report.add(signed_out(name))
        report.flush()
        report.flush()
    written, synced, printed = set[str](), set[str](), list[str]()
    for event in events:
        kind, _, name = event.rpartition(" ")
        if kind == "written":
            written.add(name)
        elif kind == "printed":
            assert name in synced
            printed.append(name)
        else:
            synced = set(written)
    assert printed == names
    assert events.count("on disk") == 1 + 4, "one sync covers many users"


def test_an_outcome_that_is_not_on_disk_is_not_printed(tmp_path: Path) -> None:
    """An outcome is printed that a resumed run does not know about."""
    printed: list[str] = []
    journal = RecordingJournal(str(tmp_path / "run.jsonl"), [], JournalError("the disk is broken"))
    report = Report(journal, printed.extend)
    report.add(signed_out("alice"))
    with pytest.raises(JournalError, match="the disk is broken"):
        report.flush()
    journal.close()
    assert printed == []


@pytest.mark.parametrize(("code", "is_closed"), [(errno.EPIPE, True), (errno.ENOSPC, False)])
def test_output_that_cannot_be_written_does_not_stop_the_journal(tmp_path: Path, code: int, is_closed: bool) -> None:
    """Users who are signed out after the output was closed are missing from the journal."""

    def show(_lines: list[str]) -> None:
        raise OSError(code, "no more")

    with Journal(str(tmp_path / "run.jsonl"), POOL, endpoint=ENDPOINT) as journal:
        report = Report(journal, show)
        report.add(signed_out("alice"))
        with pytest.raises(OutputError, match="no more") as caught:
            report.flush()
        for number in range(2 * MAX_GROUP):
            report.add(signed_out(str(number)))
        report.flush()
    assert caught.value.is_closed == is_closed
    with Journal(str(tmp_path / "run.jsonl"), POOL, endpoint=ENDPOINT) as journal:
        assert len(journal.signed_out) == 2 * MAX_GROUP + 1


ALICE, BOB = '{"username": "alice", "success": true', '{"username": "bob", "success": false'
OTHERS = ['{"username": "???', '{"username": "carol"}', '{"username": "dave", "success": false, "error": {"code": "INT']


@pytest.mark.parametrize(
    ("names_only", "failures_only", "expected"),
    [
        (False, False, [ALICE, BOB, *OTHERS]),
        (False, True, [BOB, OTHERS[0], OTHERS[2]]),
        (True, False, ["bob", "carol", "dave"]),
        (True, True, ["bob", "dave"]),
    ],
)
def test_options_select_the_format_and_the_lines(names_only: bool, failures_only: bool, expected: list[str]) -> None:
    """`--output` or `--quiet` is ignored, or a list of names has an invalid line."""
    printed: list[str] = []
    report = Report(None, printed.extend, names_only=names_only, failures_only=failures_only)
    report.add(signed_out("alice"))
    report.add(FAILED)
    report.add(INVALID, is_valid_name=False)
    report.add_planned("carol")
    report.add_interrupted("dave")
    report.flush()
    assert len(printed) == len(expected)
    assert all(line.startswith(start) for line, start in zip(printed, expected, strict=True))
