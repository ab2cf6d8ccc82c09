"""One run of the command: names in, outcomes out, and at the end what there is to say about it.

Knows neither arguments nor exit statuses; those are :mod:`cognito_signout._cli`'s.
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
    """Signs users out, or says whom it would.

    Args:
        names: The usernames, or why they are none.
        journal: Who is signed out already, if that is kept.
        interruption: What may bring it to an end.
        report: Where outcomes go.
        tally: Where they are counted.
        progress: Where the count is shown.
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
        # Grows by everyone whose turn it was, so that nobody has two. Without a journal nobody's name is kept.
        self._had_a_turn = set(journal.signed_out) if journal is not None else None
        self._interruption = interruption
        self._report = report
        self._tally = tally
        self._progress = progress

    def sign_out(
        self, client: SignOutClient, *, user_pool_id: str, max_rate: float | None, max_concurrency: int
    ) -> None:
        """Signs them out, and reports.

        Raises:
            SignOutError: Nobody can be signed out, or nobody any more.
            JournalError: The journal can't be written any more.
            UnreadableError: The names can't be read to their end.
        """
        outcomes = client.sign_out_many(
            user_pool_id=user_pool_id, usernames=self._turns(), max_rate=max_rate, max_concurrency=max_concurrency
        )
        with closing(outcomes):
            for outcome in outcomes:
                self._record(outcome)

    def rehearse(self) -> None:
        """Reports whom it would sign out.

        Raises:
            UnreadableError: The names can't be read to their end.
        """
        for username in self._turns():
            self._report.add_planned(username)
            self._tally.planned += 1

    def _turns(self) -> Iterator[str]:
        for name in self._names:
            if self._interruption.requested or self._report.has_failed:
                return
            if isinstance(name, ValidationError):
                self._record(name)
            elif self._had_a_turn is None:
                yield name
            elif name not in self._had_a_turn:
                self._had_a_turn.add(name)
                yield name
            else:
                self._tally.skipped += 1
                self._progress.update()

    def _record(self, outcome: SignOutOutcome) -> None:
        self._report.add(outcome.username or "", outcome.to_envelope())
        self._tally.add(outcome)
        self._progress.update()
