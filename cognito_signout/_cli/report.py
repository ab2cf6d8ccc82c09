"""Reports outcomes: first to the journal on disk, then to standard output.

The main thread writes a line to the journal at once, so no outcome is lost if the process dies. Another thread syncs
the journal to the disk, for several outcomes together, and then prints them. So the disk delays no sign-out, and every
printed outcome is on disk.
"""

from __future__ import annotations

import json
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from ..models import ErrorEnvelope, SuccessEnvelope
    from .journal import Journal

#: The maximum number of outcomes that wait for the disk or the output. The command waits if there are more.
MAX_WAITING = 1000


class OutputError(Exception):
    """Standard output can't be written.

    Attributes:
        is_closed: Whether the reader has closed the pipe, which is not an error.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"can't write to standard output: {error.strerror}")
        self.is_closed = isinstance(error, BrokenPipeError)


class Report:
    """Reports outcomes within ``with``. Leaving it waits until all are reported, and raises the error if there was one.

    Args:
        journal: The journal, if there is one.
        show: Prints lines.
        for_people: Whether to print text instead of JSON.
        failures_only: Whether to print only failures.

    Raises:
        JournalError: The journal can't be written.
        OutputError: Standard output can't be written.
    """

    def __init__(
        self,
        journal: Journal | None,
        show: Callable[[list[str]], None],
        *,
        for_people: bool = False,
        failures_only: bool = False,
    ) -> None:
        self._journal = journal
        self._show = show
        self._for_people = for_people
        self._failures_only = failures_only
        self._waiting: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._error: Exception | None = None

    @property
    def has_failed(self) -> bool:
        """Whether reporting has failed. Leaving ``with`` raises the error."""
        return self._error is not None

    def add(self, username: str, envelope: SuccessEnvelope | ErrorEnvelope) -> None:
        """Reports an outcome. It is in the journal when this returns, and printed soon after.

        Raises:
            JournalError: The journal can't be written any more.
        """
        line = json.dumps({"username": username, **envelope})  # in ASCII, which every reader understands
        if self._journal is not None:
            self._journal.append(line)
        if envelope["success"] and self._failures_only:
            line = ""  # an empty line only triggers the sync
        elif self._for_people:
            line = _text(username, envelope)
        self._waiting.put(line)

    def add_planned(self, username: str) -> None:
        """Prints a user that the command would sign out."""
        if not self._failures_only:
            self._waiting.put(printable(username) if self._for_people else json.dumps({"username": username}))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        more = True
        while more:
            group = [self._waiting.get()]
            while len(group) < MAX_WAITING and not self._waiting.empty():
                group.append(self._waiting.get())
            more = group[-1] is not None
            if self._error is None:
                try:
                    self._finish([line for line in group if line])
                except Exception as error:  # noqa: BLE001 -- raised in the main thread
                    self._error = error

    def _finish(self, lines: list[str]) -> None:
        if self._journal is not None:
            self._journal.sync()
        if not lines:
            return
        try:
            self._show(lines)
        except OSError as error:
            raise OutputError(error) from None


def printable(text: str) -> str:
    """The text, with control characters and other unprintable characters escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _text(username: str, envelope: SuccessEnvelope | ErrorEnvelope) -> str:
    if envelope["success"] is True:
        return f"{printable(username)}: signed out"
    error = envelope["error"]
    return printable(f"{username}: failed: {error['message']} [{error['code']}]")
