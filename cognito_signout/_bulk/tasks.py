"""Runs the calls of the async ``sign_out_many`` in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable

    from ..models import SignOutOutcome


async def in_tasks(
    sign_out: Callable[[str], Coroutine[Any, Any, SignOutOutcome]],
    usernames: Iterable[str] | AsyncIterable[str],
    *,
    max_concurrency: int,
) -> AsyncGenerator[SignOutOutcome, None]:
    """Yields the outcomes of all usernames in completion order.

    Args:
        sign_out: Signs one user out, in a task.
        usernames: An async iterable is awaited in a task, too, while outcomes are yielded.
        max_concurrency: The maximum number of pending users.
    """
    progress = Progress(max_concurrency)
    tasks: set[asyncio.Task[Any]] = set()
    finished: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()

    def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="cognito-signout")
        task.add_done_callback(finished.put_nowait)
        tasks.add(task)
        return task

    def begin(pulled: Callable[[], str]) -> None:
        """Starts with the next user, if there is one."""
        try:
            username = pulled()
        except (StopIteration, StopAsyncIteration):
            progress.exhausted()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- raised after the pending outcomes
            progress.exhausted(error)
        else:
            progress.pulled()
            start(sign_out(username))

    source = aiter(usernames) if isinstance(usernames, AsyncIterable) else None
    names = iter(()) if isinstance(usernames, AsyncIterable) else iter(usernames)
    pull: asyncio.Task[str] | None = None
    try:
        while progress.may_pull() or progress.pending:
            if progress.may_pull() and source is None:
                begin(names.__next__)
                if (progress.may_pull() and finished.empty()) or not progress.pending:
                    continue
            elif progress.may_pull() and source is not None and pull is None:
                pull = start(_next(source))
            task = await finished.get()
            tasks.discard(task)
            if task is pull:
                pull = None
                begin(task.result)
                continue
            outcome = progress.settled(_outcome(task))
            if outcome is not None:
                yield outcome
        progress.finish()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _next(names: AsyncIterator[str]) -> str:
    return await names.__anext__()


def _outcome(task: asyncio.Task[SignOutOutcome]) -> SignOutOutcome | BaseException:
    if task.cancelled():  # by other code
        return asyncio.CancelledError()
    return task.exception() or task.result()
