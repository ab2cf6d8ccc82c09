"""One run of the command, from usernames to outcomes.

Arguments and exit statuses are in :mod:`.main`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..client import SignOutClient
    from ..models import SignOutOutcome
    from .interruption import Interruption
    from .journal import Journal
    from .progress import Progress, Tally
    from .report import Report


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
        self._names = names
        # With a journal, names are remembered, so that a duplicate is signed out once. Without one, no names are kept.
        self._started = set(journal.signed_out) if journal is not None else None
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
        """
        outcomes = client.sign_out_many(
            user_pool_id=user_pool_id, usernames=self._pending(), max_rate=max_rate, max_concurrency=max_concurrency
        )
        with closing(outcomes):
            for outcome in outcomes:
                self._record(outcome)

    def rehearse(self) -> None:
        """Reports the users that it would sign out.

        Raises:
            UnreadableError: The usernames can't be read to the end.
        """
        for username in self._pending():
            self._report.add_planned(username)
            self._tally.planned += 1

    def _pending(self) -> Iterator[str]:
        for name in self._names:
            if self._interruption.requested or self._report.has_failed:
                return
            if isinstance(name, ValidationError):
                self._record(name)
            elif self._started is None:
                yield name
            elif name not in self._started:
                self._started.add(name)
                yield name
            else:
                self._tally.skipped += 1
                self._progress.update()

    def _record(self, outcome: SignOutOutcome) -> None:
        self._report.add(outcome.username or "", outcome.to_envelope())
        self._tally.add(outcome)
        self._progress.update()
