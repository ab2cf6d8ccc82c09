"""Runs many users' calls in asyncio's tasks: the async side of ``sign_out_many``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from ._many import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from .models import SignOutOutcome


async def in_tasks(
    sign_out: Callable[[str], Awaitable[SignOutOutcome]],
    usernames: Iterable[str] | AsyncIterable[str],
    *,
    max_concurrency: int,
) -> AsyncGenerator[SignOutOutcome, None]:
    """Yields what comes of each username, as it comes.

    Args:
        sign_out: What to do for one of them, in one of the tasks.
        usernames: Pulled in the task that consumes.
        max_concurrency: How many users may be in hand, and tasks at work.
    """
    progress = Progress(max_concurrency)
    todo: asyncio.Queue[str] = asyncio.Queue()
    done: asyncio.Queue[SignOutOutcome | BaseException] = asyncio.Queue()
    tasks: list[asyncio.Task[None]] = []
    pull = _puller(usernames)
    try:
        while progress.may_pull() or progress.in_hand:
            if progress.may_pull():
                try:
                    username = await pull()
                except StopAsyncIteration:
                    progress.exhausted()
                    continue
                except Exception as error:  # noqa: BLE001 -- raised when what is in hand is yielded
                    progress.exhausted(error)
                    continue
                progress.pulled()
                todo.put_nowait(username)
                if len(tasks) < progress.in_hand:
                    tasks.append(asyncio.create_task(_work(sign_out, todo, done), name="cognito-signout"))
                if progress.may_pull() and done.empty():
                    continue
            outcome = progress.settled(await done.get())
            if outcome is not None:
                yield outcome
        progress.finish()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(
    sign_out: Callable[[str], Awaitable[SignOutOutcome]],
    todo: asyncio.Queue[str],
    done: asyncio.Queue[SignOutOutcome | BaseException],
) -> None:
    while True:
        username = await todo.get()
        try:
            done.put_nowait(await sign_out(username))
        except asyncio.CancelledError as error:
            done.put_nowait(error)  # where it is not the consumer who has cancelled it
            raise
        except Exception as error:  # noqa: BLE001 -- a handler's or a transport's, for the consumer
            done.put_nowait(error)


def _puller(usernames: Iterable[str] | AsyncIterable[str]) -> Callable[[], Awaitable[str]]:
    if isinstance(usernames, AsyncIterable):
        return aiter(usernames).__anext__
    names = iter(usernames)

    async def pull() -> str:
        try:
            return next(names)
        except StopIteration:
            raise StopAsyncIteration from None

    return pull
