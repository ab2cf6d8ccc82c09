"""One call of many: every attempt waits for its turn, and being throttled costs nothing but time."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from . import _retry
from ._call import Call
from ._steps import Pause
from .errors import SignOutError, TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._pacing import Pacer
    from ._shared import Clock, Shared
    from ._steps import Step
    from .models import SignOutOutcome


class PacedCall(Call):
    """A call whose timeout begins with its first turn."""

    def __init__(self, clock: Clock, shared: Shared, user_pool_id: str, username: str, pacer: Pacer) -> None:
        super().__init__(clock, shared, user_pool_id, username)
        self._pacer = pacer
        self._timeout: float | None = None

    def _start(self, timeout: float | None) -> None:
        self._timeout = timeout  # which begins when it is this call's turn

    def _attempt(self, body: bytes) -> Generator[Step, Any, SignOutOutcome]:
        wait = self._reserve()
        if wait > 0:
            yield Pause(wait)
        sent_at = self._clock.monotonic()
        if self._error is None:
            super()._start(self._timeout)
        elif not self._has_time_for(0.0):
            raise self._error
        outcome = yield from super()._attempt(body)
        now = self._clock.monotonic()
        if isinstance(outcome, TooManyRequestsError):
            self._pacer.throttled(sent_at=sent_at, now=now, pause=_retry.asked_pause(self._response))
        elif isinstance(outcome, SignOutError) and outcome.retryable:
            self._pacer.failed(sent_at=sent_at, now=now)
        else:
            self._pacer.passed(now)
        return outcome

    def _prepare_retry(self, error: SignOutError) -> Generator[Step, Any, None]:
        if not isinstance(error, TooManyRequestsError):
            yield from super()._prepare_retry(error)
        elif not self._has_time_for(0.0):  # it costs nothing but the wait for the next turn
            raise error

    def _reserve(self) -> float:
        now = self._clock.monotonic()
        patience = inf if self._deadline is None else self._deadline - now
        wait = self._pacer.reserve(now, self._clock.random(), patience=patience)
        if wait == inf and self._error is not None:  # as it is: the timeout begins with the first attempt
            raise self._error
        return wait

    def _can_afford_retry(self, error: SignOutError) -> bool:
        return True  # the pacer sees to it that nobody storms
