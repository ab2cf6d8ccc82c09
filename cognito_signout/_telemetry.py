"""Who listens to a call: the logger ``cognito_signout``, and OpenTelemetry.

Neither is imported here: where nobody else in the process has done so, nobody listens. Where somebody does, the flow of
a call is wrapped in one that does the same, and tells the listeners of each step, of what came of it, and of the end.
What is wrong with a listener (a filter that raises, a processor of spans) is no reason for a call to fail.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ._steps import Flow, Step
    from .models import SignOutResult


class Listener(Protocol):
    """What is told of one call."""

    def begins(self, step: Step) -> None:
        """A step is about to be done."""
        ...

    def ends(self, step: Step, answer: object) -> None:
        """A step was done, with this answer, or an exception."""
        ...

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
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
    if sys.modules.get("opentelemetry.trace") is not None:
        from ._spans import CallSpan

        with suppress(Exception):
            listeners.append(CallSpan())
    return listeners


def _told(flow: Flow, listeners: list[Listener]) -> Flow:
    outcome: SignOutResult | Exception | None = None
    try:
        step = next(flow)
        while True:
            for listener in listeners:
                with suppress(Exception):
                    listener.begins(step)
            try:
                answer: Any = yield step
            except Exception as error:  # noqa: BLE001 -- the flow decides what becomes of it
                _tell_of_answer(listeners, step, error)
                step = flow.throw(error)
            else:
                _tell_of_answer(listeners, step, answer)
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        outcome = result
        return result
    except Exception as error:
        outcome = error
        raise
    finally:
        for listener in listeners:
            with suppress(Exception):
                listener.settled(outcome)


def _tell_of_answer(listeners: list[Listener], step: Step, answer: object) -> None:
    for listener in listeners:
        with suppress(Exception):
            listener.ends(step, answer)
