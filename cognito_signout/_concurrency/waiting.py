"""Waiting in asyncio for slow or blocking work, with a time limit, and without losing a cancellation.

:func:`asyncio.wait_for` does lose one before Python 3.12, if the cancellation and the result arrive together.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

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
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_result: Callable[[], None]) -> None:
        if not future.done():
            set_result()

    def work() -> None:
        try:
            set_result = functools.partial(future.set_result, function())
        except BaseException as error:  # noqa: BLE001 -- the caller gets it
            set_result = functools.partial(future.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, set_result)

    try:
        threading.Thread(
            target=contextvars.copy_context().run, args=(work,), name="cognito-signout-lookup", daemon=True
        ).start()
    except RuntimeError:  # no thread can be started: blocking is better than failing
        work()
    return future
