"""Runs the calls of ``sign_out_many`` in threads.

The threads are daemons, so an unfinished iterator does not keep the process from ending.
"""

from __future__ import annotations

import contextvars
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .._runtime import Stopped
from ..errors import ConfigurationError
from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from ..models import SignOutOutcome

#: Tells a thread to end. It differs from every username, even from an invalid one such as ``None``.
_END = object()


def in_threads(
    sign_out: Callable[[str], SignOutOutcome],
    usernames: Iterable[str],
    *,
    max_concurrency: int,
    stop: threading.Event,
) -> Generator[SignOutOutcome, None, None]:
    """Yields the outcomes of all usernames in completion order.

    Args:
        sign_out: Signs one user out, in one of the threads. It raises :class:`Stopped` to abandon the call.
        usernames: Pulled in the thread that iterates.
        max_concurrency: The maximum number of pending users, and of threads.
        stop: Set to abandon the run.

    Raises:
        ConfigurationError: A forked child continues the iteration. The threads belong to the parent.
    """
    pid = os.getpid()
    progress = Progress(max_concurrency)
    todo: SimpleQueue[Any] = SimpleQueue()
    done: SimpleQueue[SignOutOutcome | BaseException] = SimpleQueue()
    threads: list[threading.Thread] = []
    names = iter(usernames)
    try:
        while progress.may_pull() or progress.pending:
            if progress.may_pull():
                try:
                    username = next(names)
                except StopIteration:
                    progress.exhausted()
                    continue
                except Exception as error:  # noqa: BLE001 -- raised after the pending outcomes
                    progress.exhausted(error)
                    continue
                progress.pulled()
                todo.put(username)
                if len(threads) < progress.pending:
                    try:
                        threads.append(_started(sign_out, todo, done, stop))
                    except RuntimeError:  # no more threads can be started; fewer are enough
                        if not threads:  # not even one: blocking is better than failing
                            done.put(_outcome(sign_out, todo.get()))
                if progress.may_pull() and done.empty():
                    continue
            outcome = progress.settled(done.get())
            if outcome is not None:
                yield outcome
                if os.getpid() != pid:
                    raise ConfigurationError("the iterator was created before a fork; create another one in the child")
        progress.finish()
    finally:
        if os.getpid() == pid:  # in a child, the threads and the locks belong to the parent
            stop.set()
            for _ in threads:
                todo.put(_END)
            for thread in threads:
                if thread is not threading.current_thread():  # garbage collection may run in one of them
                    thread.join()


def _outcome(sign_out: Callable[[str], SignOutOutcome], username: str) -> SignOutOutcome | BaseException:
    try:
        return sign_out(username)
    except Exception as error:  # noqa: BLE001 -- of a handler or a transport, for the consumer
        return error


def _started(
    sign_out: Callable[[str], SignOutOutcome], todo: SimpleQueue[Any], done: SimpleQueue[Any], stop: threading.Event
) -> threading.Thread:
    def work() -> None:
        while not ((username := todo.get()) is _END or stop.is_set()):
            try:
                done.put(sign_out(username))
            except Stopped:
                break
            except BaseException as error:  # noqa: BLE001 -- of a handler or a transport, for the consumer
                done.put(error)

    context = contextvars.copy_context()  # the consumer's
    thread = threading.Thread(target=context.run, args=(work,), name="cognito-signout", daemon=True)
    thread.start()
    return thread
