"""Who listens to a call: the logger ``cognito_signout``, and OpenTelemetry.

Neither is imported here: where nobody else in the process has done so, nobody listens. Where somebody does, the flow of
a call is wrapped in one that does the same, and tells the listeners of each step, of what came of it, and of the end.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from .errors import SignOutError

if TYPE_CHECKING:
    from ._steps import Flow, Step
    from .models import SignOutOutcome, SignOutResult


class Listener(Protocol):
    """What is told of one call."""

    def begins(self, step: Step) -> None:
        """A step is about to be done."""
        ...

    def ends(self, step: Step, answer: object) -> None:
        """A step was done, with this answer, or an exception."""
        ...

    def settled(self, outcome: SignOutOutcome | None) -> None:
        """The call is over. There is no outcome if it was abandoned."""
        ...


def observed(flow: Flow) -> Flow:
    """The flow, or one that does the same and tells who listens."""
    listeners = _listeners()
    return _told(flow, listeners) if listeners else flow


def _listeners() -> list[Listener]:
    listeners: list[Listener] = []
    if "logging" in sys.modules:
        import logging

        logger = logging.getLogger("cognito_signout")
        if logger.isEnabledFor(logging.INFO):
            from ._logs import Records

            listeners.append(Records(logger))
    if "opentelemetry.trace" in sys.modules:
        from ._spans import CallSpan

        listeners.append(CallSpan())
    return listeners


def _told(flow: Flow, listeners: list[Listener]) -> Flow:
    outcome: SignOutOutcome | None = None
    try:
        step = next(flow)
        while True:
            for listener in listeners:
                listener.begins(step)
            try:
                answer: Any = yield step
            except Exception as error:  # noqa: BLE001 -- the flow decides what becomes of it
                for listener in listeners:
                    listener.ends(step, error)
                step = flow.throw(error)
            else:
                for listener in listeners:
                    listener.ends(step, answer)
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        outcome = result
        return result
    except SignOutError as error:
        outcome = error
        raise
    finally:
        for listener in listeners:
            listener.settled(outcome)
