"""Runs many users' calls in threads: the blocking side of ``sign_out_many``.

The threads are daemons, so that an iterator that nobody finished can't keep a process from ending.
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

#: What a thread takes for the end, and no username, not even a wrong one such as ``None``.
_END = object()


def in_threads(
    sign_out: Callable[[str], SignOutOutcome],
    usernames: Iterable[str],
    *,
    max_concurrency: int,
    stop: threading.Event,
) -> Generator[SignOutOutcome, None, None]:
    """Yields what comes of each username, as it comes.

    Args:
        sign_out: What to do for one of them, in one of the threads. It raises :class:`Stopped` to abandon it.
        usernames: Pulled in the thread that consumes.
        max_concurrency: How many users may be in hand, and threads at work.
        stop: Set when the work is to be abandoned.

    Raises:
        ConfigurationError: A forked child wants more of it; the threads are the parent's.
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
                except Exception as error:  # noqa: BLE001 -- raised when what is in hand is yielded
                    progress.exhausted(error)
                    continue
                progress.pulled()
                todo.put(username)
                if len(threads) < progress.pending:
                    try:
                        threads.append(_started(sign_out, todo, done, stop))
                    except RuntimeError:  # there can be no more of them, and fewer do as well
                        if not threads:  # not even one: better to block than to fail
                            done.put(_outcome(sign_out, todo.get()))
                if progress.may_pull() and done.empty():
                    continue
            outcome = progress.settled(done.get())
            if outcome is not None:
                yield outcome
                if os.getpid() != pid:
                    raise ConfigurationError("the iterator was begun before a fork; in the child, begin another one")
        progress.finish()
    finally:
        if os.getpid() == pid:  # else the threads are the parent's, and so may be whoever held a lock at the fork
            stop.set()
            for _ in threads:
                todo.put(_END)
            for thread in threads:
                if thread is not threading.current_thread():  # which may be where the garbage is collected
                    thread.join()


def _outcome(sign_out: Callable[[str], SignOutOutcome], username: str) -> SignOutOutcome | BaseException:
    try:
        return sign_out(username)
    except Exception as error:  # noqa: BLE001 -- a handler's or a transport's, for the consumer
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
            except BaseException as error:  # noqa: BLE001 -- a handler's or a transport's, for the consumer
                done.put(error)

    context = contextvars.copy_context()  # the consumer's
    thread = threading.Thread(target=context.run, args=(work,), name="cognito-signout", daemon=True)
    thread.start()
    return thread
