"""Reporting: the order of disk and output, and what happens when one of them fails."""

from __future__ import annotations

import errno
import json
import threading
from typing import TYPE_CHECKING

import pytest

from cognito_signout import UserNotFoundError
from cognito_signout._cli.journal import Journal, JournalError
from cognito_signout._cli.report import MAX_WAITING, OutputError, Report, printable

if TYPE_CHECKING:
    from pathlib import Path

    from cognito_signout.models import SuccessEnvelope

SIGNED_OUT: SuccessEnvelope = {"success": True, "data": {"id": "1", "created_at": "2025-01-01T00:00:00Z"}}
FAILED = UserNotFoundError("User does not exist.").to_envelope()


class Witness(Journal):
    """A journal that says when it was written, and may fail to reach the disk."""

    def __init__(self, path: str, story: list[str], error: JournalError | None = None) -> None:
        self._story = story
        self._error_of_disk = error
        super().__init__(path, "us-east-1_Test00001")

    def append(self, line: str) -> None:
        """Writes."""
        self._story.append(f"written {json.loads(line)['username']}")
        super().append(line)

    def sync(self) -> None:
        """Has the disk take it."""
        super().sync()
        self._story.append("on disk")
        if self._error_of_disk is not None and len(self._story) > 1:  # the first is the header
            raise self._error_of_disk


def go_on_after_a_failure(report: Report, count: int) -> None:
    """Reports a user, and when that has failed, more."""
    with report:
        report.add("alice", SIGNED_OUT)
        while not report.has_failed:
            pass
        for number in range(count):
            report.add(str(number), SIGNED_OUT)


def test_nothing_is_printed_before_it_is_on_disk(tmp_path: Path) -> None:
    """Whoever acts on the output, and then loses power, must find the same in the journal."""
    story: list[str] = []

    def show(lines: list[str]) -> None:
        story.extend(f"printed {json.loads(line)['username']}" for line in lines)

    names = [str(number) for number in range(3 * MAX_WAITING)]
    with Witness(str(tmp_path / "run.jsonl"), story) as journal:
        with Report(journal, show) as report:
            for name in names:
                report.add(name, SIGNED_OUT)
        assert len(journal.signed_out) == 0
    written, certain, printed = set[str](), set[str](), list[str]()
    for event in story:
        kind, _, name = event.rpartition(" ")
        if kind == "written":
            written.add(name)
        elif kind == "printed":
            assert name in certain
            printed.append(name)
        else:
            certain = set(written)
    assert printed == names


def test_one_flush_serves_many(tmp_path: Path) -> None:
    """A flush for each user would make the disk the bottleneck."""
    story: list[str] = []
    go_on = threading.Event()

    def show(lines: list[str]) -> None:
        go_on.wait(60)
        story.extend("printed" for _ in lines)

    with Witness(str(tmp_path / "run.jsonl"), story) as journal, Report(journal, show) as report:
        for number in range(500):
            report.add(str(number), SIGNED_OUT)
        go_on.set()
    assert story.count("printed") == 500
    assert story.count("on disk") <= 4


def test_what_the_disk_did_not_take_is_not_printed(tmp_path: Path) -> None:
    """It would be taken for certain."""
    printed: list[str] = []
    journal = Witness(str(tmp_path / "run.jsonl"), [], JournalError("the disk is broken"))
    report = Report(journal, printed.extend)
    with pytest.raises(JournalError, match="the disk is broken"):
        go_on_after_a_failure(report, 1)
    journal.close()
    assert printed == []


@pytest.mark.parametrize(("code", "is_closed"), [(errno.EPIPE, True), (errno.ENOSPC, False)])
def test_output_that_can_not_be_written_does_not_stop_the_journal(tmp_path: Path, code: int, is_closed: bool) -> None:
    """What is in flight when the reader hangs up is signed out all the same."""

    def show(_lines: list[str]) -> None:
        raise OSError(code, "no more")

    with Journal(str(tmp_path / "run.jsonl"), "us-east-1_Test00001") as journal:
        report = Report(journal, show)
        with pytest.raises(OutputError, match="no more") as caught:
            go_on_after_a_failure(report, 2 * MAX_WAITING)
    assert caught.value.is_closed == is_closed
    with Journal(str(tmp_path / "run.jsonl"), "us-east-1_Test00001") as journal:
        assert len(journal.signed_out) == 2 * MAX_WAITING + 1


@pytest.mark.parametrize(
    ("for_people", "failures_only", "expected"),
    [
        (
            False,
            False,
            ['{"username": "alice", "success": true', '{"username": "bob", "success": false', '{"username"'],
        ),
        (False, True, ['{"username": "bob", "success": false']),
        (True, False, ["alice: signed out", "bob: failed: User does not exist. [USER_NOT_FOUND]", "carol"]),
        (True, True, ["bob: failed: User does not exist. [USER_NOT_FOUND]"]),
    ],
)
def test_lines_are_as_they_were_asked_for(for_people: bool, failures_only: bool, expected: list[str]) -> None:
    """Scripts and people read different things."""
    printed: list[str] = []
    with Report(None, printed.extend, for_people=for_people, failures_only=failures_only) as report:
        report.add("alice", SIGNED_OUT)
        report.add("bob", FAILED)
        report.add_planned("carol")
    assert len(printed) == len(expected)
    assert all(line.startswith(start) for line, start in zip(printed, expected, strict=True))


def test_text_commands_no_terminal() -> None:
    """A name from a file of somebody else's, or a message from a server, could repaint the screen."""
    assert printable("ä\x1b[2J\n\u202e\udcff🦄") == "ä\\x1b[2J\\n\\u202e\\udcff🦄"
