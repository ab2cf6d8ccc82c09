"""Both clients, made for a soak: they do not wait before they try again, and give up soon on who says nothing.

Each makes a number of calls, and counts what they came to. An exception that is no ``SignOutError``, and an answer
that was meant for somebody else, end the work.
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

#: How many calls are under way at a time, in threads and in tasks.
THREADS, TASKS = 4, 16
POOL = "us-east-1_Ab129faBb"
CONFIG = Config(read_timeout=1, max_pool_connections=TASKS)


class MixedUpError(Exception):
    """A call got another one's answer."""


class _HastyRuntime(BlockingRuntime):
    def sleep(self, seconds: float, until: threading.Event | None = None) -> None:
        super().sleep(0.0, until)


class _HastyAsyncRuntime(AsyncioRuntime):
    async def sleep(self, seconds: float) -> None:
        await super().sleep(0.0)


class HastyClient(SignOutClient):
    """The blocking client, but for the pauses."""

    def _after_fork(self) -> None:
        self._own_runtime = _HastyRuntime(self._options, self._transport)


class HastyAsyncClient(AsyncSignOutClient):
    """The async client, but for the pauses."""

    def _start(self) -> None:
        self._own_runtime = _HastyAsyncRuntime(self._options, self._transport)


class Blocking:
    """The blocking client, in threads."""

    def __init__(self, endpoint_url: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._client = HastyClient(endpoint_url=endpoint_url, config=CONFIG)
        self._lock = threading.Lock()

    def work(self, usernames: Iterator[str]) -> None:
        """Makes the calls. Returns when all of its threads have ended."""
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
        self._loop.set_default_executor(ThreadPoolExecutor(1))  # so that its threads are not taken for growth
        self._thread = threading.Thread(target=self._loop.run_forever, name="soak-loop", daemon=True)
        self._thread.start()
        self._client = HastyAsyncClient(endpoint_url=endpoint_url, config=CONFIG)

    def work(self, usernames: Iterator[str]) -> None:
        """Makes the calls. Returns when all of its tasks have ended."""
        self._run(self._work_in_tasks(usernames))

    def tasks(self) -> int:
        """How many tasks there are, beside the one that counts."""
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
        for _ in range(5):  # what a loop closes is closed in one of its next rounds
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
    """The name of its class, if it is this user's."""
    told = outcome.request_id if isinstance(outcome, SignOutError) else outcome.id
    if outcome.username != username or told not in (None, username):
        raise MixedUpError(f"{username} was told {outcome!r}, of {outcome.username}, under {told}")
    return type(outcome).__name__
