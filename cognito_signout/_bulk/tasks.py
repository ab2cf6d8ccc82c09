"""Runs the calls of the async ``sign_out_many`` in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable

    from ..models import SignOutOutcome
    from .progress import Progress


async def in_tasks(
    sign_out: Callable[[str], Coroutine[Any, Any, SignOutOutcome]],
    usernames: Iterable[str] | AsyncIterable[str],
    progress: Progress,
) -> AsyncGenerator[SignOutOutcome, None]:
    """Yields the outcomes of all usernames in completion order.

    Args:
        sign_out: Signs one user out, in a task.
        usernames: An async iterable is awaited in a task, too, while outcomes are yielded.
        progress: Limits the number of pending users.
    """
    tasks: set[asyncio.Task[Any]] = set()
    finished: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()

    def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="cognito-signout")
        task.add_done_callback(finished.put_nowait)
        tasks.add(task)
        return task

    async def complete(username: str) -> SignOutOutcome:
        try:
            outcome = await sign_out(username)
        except BaseException as error:
            progress.completed(error)
            raise
        progress.completed(outcome)
        return outcome

    def begin(pulled: Callable[[], str]) -> None:
        """Starts the call for the next user, if there is one."""
        try:
            username = pulled()
        except (StopIteration, StopAsyncIteration):
            progress.exhausted()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- raised after the pending outcomes
            progress.exhausted(error)
        else:
            if progress.may_pull():  # no error has ended the run in the meantime
                progress.pulled()
                start(complete(username))

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
                begin(task.result)
                pull = None
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
