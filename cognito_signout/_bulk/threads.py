"""Runs the calls of ``sign_out_many`` in threads.

The threads are daemons, so an unfinished iterator does not keep the process from ending.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from .._runtime import Stopped
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ..models import SignOutOutcome
    from .pacing import Pacer
    from .progress import Progress

#: Tells a thread to end. It differs from every username, even from an invalid one such as ``None``.
_END = object()
#: An iterator of usernames may yield this if the next username is not available yet. Outcomes are yielded in the
#: meantime. The next username is pulled after :meth:`Run.wake`, which also makes the iterator of outcomes yield this.
NOT_YET: Any = object()


class Run:
    """What the threads of a run share. :meth:`stop` takes no lock, because the garbage collector calls it.

    Args:
        pacer: The pace of the requests.

    Attributes:
        pacer: The pace of the requests.
        todo: The usernames to sign out.
        events: The outcomes; :data:`NOT_YET` for each call of :meth:`wake`; a marker for each thread that has ended.
        threads: The threads.
        is_stopped: Whether the threads must end.
    """

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.todo: SimpleQueue[Any] = SimpleQueue()
        self.events: SimpleQueue[Any] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.is_stopped: bool = False
        self._alarms: SimpleQueue[None] = SimpleQueue()

    def stop(self) -> None:
        """Ends the threads, each after its request in flight."""
        self.is_stopped = True
        self._alarms.put(None)
        self.todo.put(_END)

    def join(self) -> None:
        """Waits until the threads have ended. Not for the garbage collector: it may run in one of the threads."""
        while self.threads:
            self.threads.pop().join()

    def wake(self) -> None:
        """Makes the outcomes yield :data:`NOT_YET`, and then pull the next username. Signal handlers may call it."""
        self.events.put(NOT_YET)

    def drain(self, seconds: float) -> Iterator[Any]:
        """Stops the run, and yields the outcomes of requests in flight for at most ``seconds``. After that, nothing
        waits for the threads.
        """
        self.stop()
        deadline = time.monotonic() + seconds
        running = len(self.threads)
        self.threads.clear()
        with suppress(Empty):
            while running:
                event = self.events.get(timeout=max(deadline - time.monotonic(), 0.0))
                running -= event is _END
                yield from () if event in (_END, NOT_YET) else (event,)

    def sleep(self, seconds: float) -> None:
        """Waits.

        Raises:
            Stopped: The run was stopped.
        """
        try:
            self._alarms.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except Empty:
            return
        self._alarms.put(None)  # for the other threads
        raise Stopped


def in_threads(
    sign_out: Callable[[str], SignOutOutcome], usernames: Iterable[str], run: Run, progress: Progress
) -> Generator[SignOutOutcome, None, None]:
    """Yields the outcomes of all usernames in completion order.

    Args:
        sign_out: Signs one user out, in one of the threads. It raises :class:`Stopped` to abandon the call.
        usernames: Pulled in the thread that iterates.
        run: What the threads share.
        progress: Limits the number of pending users, and so of threads.

    Raises:
        ConfigurationError: A forked child continues the iteration. The threads belong to the parent.
    """
    pid = os.getpid()
    threads = run.threads
    names = iter(usernames)
    is_awaiting_name = False
    try:
        while progress.may_pull() or progress.pending:
            if progress.may_pull() and not is_awaiting_name:
                try:
                    username = next(names)
                except StopIteration:
                    progress.exhausted()
                    continue
                except Exception as error:  # noqa: BLE001 -- raised after the pending outcomes
                    progress.exhausted(error)
                    continue
                if username is NOT_YET:
                    is_awaiting_name = True
                    continue
                progress.pulled()
                run.todo.put(username)
                if len(threads) < progress.pending:
                    try:
                        threads.append(_started(sign_out, run, progress))
                    except RuntimeError:  # no more threads can be started; fewer are enough
                        if not threads:  # not even one: blocking is better than failing
                            run.events.put(_outcome(sign_out, run.todo.get(), progress))
                if progress.may_pull() and run.events.empty():
                    continue
            event = run.events.get()
            if event is NOT_YET:
                is_awaiting_name = False
                yield NOT_YET
                continue
            outcome = progress.settled(event)
            if outcome is not None:
                yield outcome
                if os.getpid() != pid:
                    raise ConfigurationError("the iterator was created before a fork; create another one in the child")
        progress.finish()
    finally:
        if os.getpid() == pid:  # in a child, the threads and the locks belong to the parent
            run.stop()
        else:
            threads.clear()


def _outcome(
    sign_out: Callable[[str], SignOutOutcome], username: str, progress: Progress
) -> SignOutOutcome | BaseException:
    try:
        outcome: SignOutOutcome | BaseException = sign_out(username)
    except Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 -- of a handler or a transport, for the consumer
        outcome = error
    progress.completed(outcome)
    return outcome


def _started(sign_out: Callable[[str], SignOutOutcome], run: Run, progress: Progress) -> threading.Thread:
    def work() -> None:
        while (username := run.todo.get()) is not _END and not run.is_stopped:
            try:
                run.events.put(_outcome(sign_out, username, progress))
            except Stopped:
                break
        run.todo.put(_END)  # for the other threads
        run.events.put(_END)

    context = contextvars.copy_context()  # the consumer's
    thread = threading.Thread(target=context.run, args=(work,), name="cognito-signout", daemon=True)
    thread.start()
    return thread
