"""Reports outcomes: first to the journal on disk, then to standard output.

A line is written to the journal at once, so no outcome is lost if the process dies. The journal is synced to the disk
before lines are printed, once for several outcomes, so every printed outcome is on disk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..models import SignOutOutcome
    from .journal import Journal

#: The maximum number of outcomes that are synced and printed together.
MAX_GROUP = 1000
INTERRUPTED = {"code": "INTERRUPTED", "message": "the command was interrupted; the user may be signed out or not"}


class OutputError(Exception):
    """Standard output can't be written.

    Attributes:
        is_closed: Whether the reader has closed the pipe, which is not an error.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"can't write to standard output: {error.strerror}")
        self.is_closed = isinstance(error, BrokenPipeError)


class Report:
    """Reports outcomes.

    Args:
        journal: The journal, if there is one.
        show: Prints lines.
        names_only: Whether to print only the names of users who are not signed out, instead of JSON.
        failures_only: Whether to print only failures.
    """

    def __init__(
        self,
        journal: Journal | None,
        show: Callable[[list[str]], None],
        *,
        names_only: bool = False,
        failures_only: bool = False,
    ) -> None:
        self._journal = journal
        self._show = show
        self._names_only = names_only
        self._failures_only = failures_only
        self._waiting: list[str] = []
        self._is_synced = True

    def add(self, outcome: SignOutOutcome, *, is_valid_name: bool = True) -> None:
        """Adds an outcome. It is in the journal when this returns, and printed by :meth:`flush`.

        Args:
            outcome: The outcome.
            is_valid_name: ``False`` if the outcome is about a line that is not a valid username.

        Raises:
            JournalError: The journal can't be written any more.
            OutputError: Standard output can't be written.
        """
        envelope = outcome.to_envelope()
        line = json.dumps({"username": outcome.username, **envelope})  # in ASCII, which every reader understands
        if self._journal is not None:
            self._journal.append(line)
            self._is_synced = False
        is_printed = not envelope["success"] or not (self._failures_only or self._names_only)
        if is_printed and (is_valid_name or not self._names_only):
            self._add(outcome.username if self._names_only else line)

    def add_planned(self, username: str) -> None:
        """Adds a user that the command would sign out."""
        if not self._failures_only:
            self._add(username if self._names_only else json.dumps({"username": username}))

    def add_interrupted(self, username: str) -> None:
        """Adds a user whose outcome was not awaited. It is not in the journal."""
        line = json.dumps({"username": username, "success": False, "error": INTERRUPTED})
        self._add(username if self._names_only else line)

    def flush(self) -> None:
        """Syncs the journal to the disk, and prints what was added.

        Raises:
            JournalError: The journal can't be written.
            OutputError: Standard output can't be written.
        """
        if self._journal is not None and not self._is_synced:
            self._journal.sync()
            self._is_synced = True
        lines, self._waiting = self._waiting, []
        if lines:
            try:
                self._show(lines)
            except OSError as error:
                self._show = _ignore
                raise OutputError(error) from None

    def _add(self, line: str) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= MAX_GROUP:
            self.flush()


def _ignore(_lines: list[str]) -> None:
    """Prints nothing."""
