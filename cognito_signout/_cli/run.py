"""One run of the command, from usernames to outcomes.

A thread reads the usernames, so outcomes are reported while the next username is awaited. Arguments and exit statuses
are in :mod:`.main`.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from .._bulk.threads import NOT_YET
from ..errors import SignOutError, ValidationError
from ..models import SignOutResult
from .progress import MAX_SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..client import SignOutClient
    from ..models import SignOutOutcome
    from .interruption import Interruption
    from .journal import Journal
    from .progress import Progress, Tally
    from .report import Report

#: How long an interrupted run waits for requests in flight, in seconds.
GRACE = 5.0
#: The interval between updates of the progress, in seconds.
TICK = 0.5
#: The maximum number of usernames that are read ahead.
MAX_READ_AHEAD = 1000

_END = object()


class UnreachableError(Exception):
    """The service did not respond to any of the first users."""

    def __init__(self) -> None:
        super().__init__(
            f"the service did not respond to any of the first {MAX_SILENT} users; "
            "check the region, the endpoint and the network"
        )


class Feed:
    """Reads usernames in a thread.

    Args:
        names: The usernames, or the errors of invalid ones.

    Attributes:
        wake: Called when there is another username, after :data:`NOT_YET`.
    """

    def __init__(self, names: Iterable[str | ValidationError]) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._names = names
        self._read: queue.Queue[Any] = queue.Queue(MAX_READ_AHEAD)
        self._is_awaited = False
        threading.Thread(target=self._work, name="cognito-signout-input", daemon=True).start()

    def next(self, *, block: bool = False) -> Any:
        """The next username or error, :data:`NOT_YET`, or ``None`` at the end.

        Args:
            block: Whether to wait for it, instead of returning :data:`NOT_YET`.
        """
        self._is_awaited = True
        try:
            name = self._read.get(timeout=TICK) if block else self._read.get_nowait()
        except queue.Empty:
            return NOT_YET
        self._is_awaited = False
        if isinstance(name, Exception) and not isinstance(name, ValidationError):
            raise name
        return None if name is _END else name

    def _work(self) -> None:
        try:
            for name in self._names:
                self._put(name)
            self._put(_END)
        except Exception as error:  # noqa: BLE001 -- raised in the main thread
            self._put(error)

    def _put(self, name: object) -> None:
        self._read.put(name)
        if self._is_awaited:
            self._is_awaited = False
            self.wake()


class Run:
    """Signs users out, or lists the users that it would sign out.

    Args:
        names: The usernames, or the errors of invalid ones.
        journal: The users that are signed out already, if there is a journal.
        interruption: Stops the run.
        report: Reports the outcomes.
        tally: Counts the outcomes.
        progress: Shows the counts.
    """

    def __init__(
        self,
        names: Iterable[str | ValidationError],
        *,
        journal: Journal | None,
        interruption: Interruption,
        report: Report,
        tally: Tally,
        progress: Progress,
    ) -> None:
        self._feed = Feed(names)
        # With a journal, names are remembered, so that a duplicate is signed out once. Without one, no names are kept.
        self._already = None if journal is None else journal.signed_out
        self._started: set[str] = set()
        self._pending: Counter[str] = Counter()
        self._interruption = interruption
        self._report = report
        self._tally = tally
        self._progress = progress

    def sign_out(
        self, client: SignOutClient, *, user_pool_id: str, max_rate: float | None, max_concurrency: int
    ) -> None:
        """Signs the users out and reports the outcomes.

        Raises:
            SignOutError: An error affects every user.
            JournalError: The journal can't be written.
            UnreadableError: The usernames can't be read to the end.
            UnreachableError: The service did not respond to any of the first users.
            OutputError: Standard output can't be written.
        """
        outcomes = client.sign_out_many(
            user_pool_id=user_pool_id, usernames=self._names(), max_rate=max_rate, max_concurrency=max_concurrency
        )
        run = outcomes._run  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._feed.wake = self._interruption.wake = run.wake
        is_over = threading.Event()
        threading.Thread(target=_tick, args=(run.wake, is_over), name="cognito-signout-clock", daemon=True).start()
        try:
            for outcome in outcomes:
                if outcome is not NOT_YET:
                    self._record(outcome)
                if self._interruption.requested:
                    break
                if self._tally.got_no_response:
                    raise UnreachableError
                if run.events.empty():
                    self._report.flush()
                    self._progress.update(is_outage=run.pacer.is_outage)
        finally:
            is_over.set()
            self._finish(run)
            outcomes.close()

    def _finish(self, run: Any) -> None:
        """Records the outcomes of requests in flight. There are some if the run was interrupted or has failed."""
        outcomes = (outcome for outcome in run.drain(GRACE) if isinstance(outcome, (SignOutResult, SignOutError)))
        for outcome in outcomes:
            self._record(outcome)
        if self._interruption.requested:
            for username in self._pending.elements():
                self._report.add_interrupted(username)
                self._tally.interrupted += 1
        self._report.flush()

    def rehearse(self) -> None:
        """Reports the users that :meth:`sign_out` would sign out.

        Raises:
            UnreadableError: The usernames can't be read to the end.
            OutputError: Standard output can't be written.
        """
        for username in (name for name in self._names(block=True) if name is not NOT_YET):
            self._report.add_planned(username)
            self._tally.planned += 1
            self._report.flush()

    def _names(self, *, block: bool = False) -> Iterator[str]:
        while not self._interruption.requested and (name := self._feed.next(block=block)) is not None:
            if isinstance(name, ValidationError):
                self._record(name, is_valid_name=False)
            elif name is NOT_YET or not self._is_known(name):
                if name is not NOT_YET:
                    self._pending[name] += 1
                yield name

    def _is_known(self, name: str) -> bool:
        if self._already is None:
            return False
        if name in self._already:
            self._tally.already += 1
            return True
        if name in self._started:
            self._tally.repeated += 1
            return True
        self._started.add(name)
        return False

    def _record(self, outcome: SignOutOutcome, *, is_valid_name: bool = True) -> None:
        if is_valid_name:
            self._pending.subtract([outcome.username])
            self._pending += Counter()  # drops what is not pending any more
        self._report.add(outcome, is_valid_name=is_valid_name)
        self._tally.add(outcome)


def _tick(wake: Callable[[], None], is_over: threading.Event) -> None:
    while not is_over.wait(TICK):
        wake()
