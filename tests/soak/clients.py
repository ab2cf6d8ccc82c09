"""Both clients, adapted for a soak: no pauses between attempts, and a short read timeout.

Each makes calls and counts their outcomes. An exception that is not a ``SignOutError``, or a response for another user,
ends the work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, SignOutOutcome
from cognito_signout._runtime.asynchronous import AsyncioRuntime
from cognito_signout._runtime.blocking import BlockingRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognito_signout._bulk.threads import Run

#: How many calls are in flight at a time, in threads and in tasks.
THREADS, TASKS = 4, 16
POOL = "us-east-1_Ab129faBb"
CONFIG = Config(read_timeout=1, max_pool_connections=TASKS)


class MixedUpError(Exception):
    """A call got the response of another call."""


class _HastyRuntime(BlockingRuntime):
    def sleep(self, seconds: float, run: Run | None = None) -> None:
        super().sleep(0.0, run)


class _HastyAsyncRuntime(AsyncioRuntime):
    async def sleep(self, seconds: float) -> None:
        await super().sleep(0.0)


class HastyClient(SignOutClient):
    """The blocking client without pauses between attempts."""

    def _after_fork(self) -> None:
        self._own_runtime = _HastyRuntime(self._options, self._transport)


class HastyAsyncClient(AsyncSignOutClient):
    """The async client without pauses between attempts."""

    def _start(self) -> None:
        self._own_runtime = _HastyAsyncRuntime(self._options, self._transport)


class Blocking:
    """The blocking client, in threads."""

    def __init__(self, endpoint_url: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._client = HastyClient(endpoint_url=endpoint_url, config=CONFIG)
        self._lock = threading.Lock()

    def work(self, usernames: Iterator[str]) -> None:
        """Makes the calls. Returns when all threads have ended."""
        with ThreadPoolExecutor(THREADS) as threads:
            for worker in [threads.submit(self._work, usernames) for _ in range(THREADS)]:
                worker.result()

    def rest(self) -> None:
        """Closes the idle connections."""
        self._client.close()

    def close(self) -> None:
        """Closes the client."""
        self.rest()

    def _work(self, usernames: Iterator[str]) -> None:
        outcomes: Counter[str] = Counter()
        while username := self._next(usernames):
            try:
                outcome: SignOutOutcome = self._client.sign_out(user_pool_id=POOL, username=username)
            except SignOutError as error:
                outcome = error
            outcomes[checked(outcome, username)] += 1
        with self._lock:
            self.outcomes += outcomes

    def _next(self, usernames: Iterator[str]) -> str | None:
        with self._lock:
            return next(usernames, None)


class Async:
    """The async client, on an event loop in a thread."""

    def __init__(self, endpoint_url: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(1))  # later threads would count as growth
        self._thread = threading.Thread(target=self._loop.run_forever, name="soak-loop", daemon=True)
        self._thread.start()
        self._client = HastyAsyncClient(endpoint_url=endpoint_url, config=CONFIG)

    def work(self, usernames: Iterator[str]) -> None:
        """Makes the calls. Returns when all tasks have ended."""
        self._run(self._work_in_tasks(usernames))

    def tasks(self) -> int:
        """The number of tasks, without the one that counts them."""
        return int(self._run(self._count_tasks()))

    def rest(self) -> None:
        """Closes the idle connections."""
        self._run(self._close_connections())

    def close(self) -> None:
        """Closes the client and the loop."""
        self.rest()
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close_connections(self) -> None:
        await self._client.aclose()
        for _ in range(5):  # asyncio closes a connection in one of its next iterations
            await asyncio.sleep(0)

    async def _count_tasks(self) -> int:
        return len(asyncio.all_tasks()) - 1

    async def _work_in_tasks(self, usernames: Iterator[str]) -> None:
        await asyncio.gather(*(self._work(usernames) for _ in range(TASKS)))

    async def _work(self, usernames: Iterator[str]) -> None:
        for username in usernames:
            try:
                outcome: SignOutOutcome = await self._client.sign_out(user_pool_id=POOL, username=username)
            except SignOutError as error:
                outcome = error
            self.outcomes[checked(outcome, username)] += 1


def checked(outcome: SignOutOutcome, username: str) -> str:
    """The name of the outcome's class. Raises MixedUpError if the outcome belongs to another user."""
    answered_for = outcome.request_id if isinstance(outcome, SignOutError) else outcome.id
    if outcome.username != username or answered_for not in (None, username[::-1]):  # errors mask the name itself
        raise MixedUpError(f"{username} got {outcome!r}, of {outcome.username}, under {answered_for}")
    return type(outcome).__name__
