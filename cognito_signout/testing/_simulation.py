"""``sign_out_many`` of a blocking client, in the time of a fake's clock.

With threads, the time on the clock would depend on how the system schedules them, because none of them really waits. So
the calls run in one thread, each step when it is due by the clock. A run takes exactly the time that it would take with
real waits, and it is the same each time.
"""

from __future__ import annotations

import heapq
from contextvars import copy_context
from itertools import count
from typing import TYPE_CHECKING, Any

from .._bulk.threads import NOT_YET
from .._call.telemetry import observed
from .._runtime import perform
from ..errors import SignOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from .._bulk.progress import Progress
    from .._bulk.threads import Run
    from .._call.steps import Flow
    from ..models import SignOutOutcome
    from ._runtime import FakeRuntime
    from ._users import Clock


def simulated(
    flow_of: Callable[[str], Flow],
    usernames: Iterable[str],
    run: Run,
    progress: Progress,
    *,
    runtime: FakeRuntime,
    clock: Clock,
) -> Generator[SignOutOutcome, None, None]:
    """Yields the outcomes of all usernames in completion order, as :func:`~cognito_signout._bulk.threads.in_threads`.

    Args:
        flow_of: The flow of the call for one user.
        usernames: Pulled in the thread that iterates.
        run: The run. It can be stopped and woken.
        progress: Limits the number of pending users.
        runtime: Performs the steps.
        clock: The fake's clock.
    """
    names = iter(usernames)
    is_awaiting_name = False
    due: list[tuple[float, int, _Call]] = []
    order = count()
    try:
        while (progress.may_pull() or progress.pending) and not run.is_stopped:
            if not run.events.empty() or (is_awaiting_name and not due):
                run.events.get()
                is_awaiting_name = False
                yield NOT_YET
            elif progress.may_pull() and not is_awaiting_name:
                try:
                    username = next(names)
                except StopIteration:
                    progress.exhausted()
                except Exception as error:  # noqa: BLE001 -- raised after the pending outcomes
                    progress.exhausted(error)
                else:
                    is_awaiting_name = username is NOT_YET
                    if not is_awaiting_name:
                        progress.pulled()
                        heapq.heappush(due, (clock.now(), next(order), _Call(flow_of(username), clock)))
            else:
                moment, _, call = heapq.heappop(due)
                clock.advance_to(moment)
                ends_at = call.context.run(call.go_on, runtime)
                if ends_at is not None:
                    heapq.heappush(due, (ends_at, next(order), call))
                    continue
                progress.completed(call.answer)
                outcome = progress.settled(call.answer)
                if outcome is not None:
                    yield outcome
        progress.finish()
    finally:
        run.stop()
        for _, _, call in due:
            call.context.run(call.flow.close)


class _Call:
    """A call of the run.

    Attributes:
        flow: The flow.
        context: The context variables of the call.
        answer: The result of the last step, or the exception that it raised; in the end, the outcome.
    """

    def __init__(self, flow: Flow, clock: Clock) -> None:
        self.flow = observed(flow)
        self.context = copy_context()
        self.answer: Any = None
        self._ends: list[float] = self.context.run(clock.collect_waits)

    def go_on(self, runtime: FakeRuntime) -> float | None:
        """Performs steps until one takes time.

        Returns:
            When that step ends, by the fake's clock; ``None`` if the call has ended.
        """
        runtime.synchronize()
        try:
            while True:
                answer, self.answer = self.answer, None
                step = self.flow.throw(answer) if isinstance(answer, Exception) else self.flow.send(answer)
                try:
                    self.answer = perform(step, runtime)
                except Exception as error:  # noqa: BLE001 -- the flow handles it
                    self.answer = error
                if self._ends:
                    ends_at = max(self._ends)
                    self._ends.clear()
                    return ends_at
        except StopIteration as done:
            self.answer = done.value
        except SignOutError as error:
            self.answer = error
        return None
