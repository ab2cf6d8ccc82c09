"""Waiting, in asyncio, for what may take its time or block: for so many seconds, and without losing a cancellation.

:func:`asyncio.wait_for` does lose one before Python 3.12, where it comes together with what was waited for.
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
    """What comes of the work, which is cancelled when the time is up.

    Args:
        seconds: ``None`` for no bound.
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
    """Calls a function in a thread of its own, a daemon, which is left to itself when nobody waits for it any more.

    It is none of the executor's: one that hangs keeps neither ``asyncio.run`` nor the interpreter from ending, nor
    others from looking up names, for which asyncio needs the executor.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_result: Callable[[], None]) -> None:
        if not future.done():
            set_result()

    def work() -> None:
        try:
            set_result = functools.partial(future.set_result, function())
        except BaseException as error:  # noqa: BLE001 -- for whoever waits
            set_result = functools.partial(future.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(settle, set_result)

    try:
        threading.Thread(
            target=contextvars.copy_context().run, args=(work,), name="cognito-signout-inquiry", daemon=True
        ).start()
    except RuntimeError:  # no more threads, or an interpreter that allows none: better to block than to fail
        work()
    return future
