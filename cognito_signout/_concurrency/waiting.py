"""Waiting in asyncio for slow or blocking work, with a time limit, and without losing a cancellation.

Before Python 3.12, :func:`asyncio.wait_for` loses a cancellation that arrives together with the result.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def within(seconds: float | None, work: Awaitable[T]) -> T:
    """The result of the work. When the time is up, the work is cancelled.

    Args:
        seconds: The time limit; ``None`` for no limit.
        work: What to wait for.

    Raises:
        TimeoutError: It took too long.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if task.cancelled():
        raise TimeoutError
    return task.result()


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Calls a function in a new daemon thread. If nobody waits for the result any more, the thread continues alone.

    The executor of the event loop is not used: a function that hangs there would keep ``asyncio.run`` and the
    interpreter from ending, and would block name lookups, for which asyncio uses the executor.
    """
    return SharedLookups().ask(None, function)


class SharedLookups:
    """Runs slow functions in threads. Callers that ask for the same key meanwhile, in any event loop, get the same
    result or error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[object, list[asyncio.Future[Any]]] = {}

    def ask(self, key: object, function: Callable[[], T]) -> asyncio.Future[T]:
        """A future for the outcome of the function, or of the one that is running for this key already."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            is_first = key not in self._waiting
            self._waiting.setdefault(key, []).append(future)
        if not is_first:
            return future
        run, work = contextvars.copy_context().run, (self._run, key, function)
        try:
            threading.Thread(target=run, args=work, name="cognito-signout-lookup", daemon=True).start()
        except RuntimeError:  # no thread can be started: blocking is better than failing
            self._run(key, function)
        return future

    def _run(self, key: object, function: Callable[[], Any]) -> None:
        value, error = None, None
        try:
            value = function()
        except BaseException as raised:  # noqa: BLE001 -- the callers get it
            error = raised
        with self._lock:
            futures = self._waiting.pop(key)
        for future in futures:
            with suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(copy(error))  # each caller adds its own traceback
