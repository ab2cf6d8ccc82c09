"""The runtime seam of async clients, seen from the fake: the one of blocking clients, to be awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .._async_runtime import AsyncRuntime
from ..aio import AsyncSignOutClient

if TYPE_CHECKING:
    from .._credentials import Credentials
    from .._settings import Settings
    from ..transports import HttpRequest, HttpResponse
    from ._runtime import FakeRuntime


class FakeAsyncRuntime(AsyncRuntime):
    """A world without AWS, for an async client.

    Args:
        runtime: The same for a blocking client.
    """

    def __init__(self, runtime: FakeRuntime) -> None:
        self.shared = runtime.shared
        self._runtime = runtime

    def now(self) -> float:
        """The fake's time."""
        return self._runtime.now()

    def monotonic(self) -> float:
        """The fake's time, which never goes back."""
        return self._runtime.monotonic()

    def random(self) -> float:
        """Always the same, so that a test is, too."""
        return self._runtime.random()

    def trace_header(self) -> None:
        """None."""

    async def sleep(self, seconds: float) -> None:
        """Moves the fake's time on, after other tasks have had a go."""
        await asyncio.sleep(0)
        self._runtime.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """The endpoint that the service would have in the pool's region."""
        return self._runtime.settings(user_pool_id)

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The fake's own, or those that the client was given."""
        return self._runtime.credentials(refused)

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Brings a request to the fake, after other tasks have had a go."""
        await asyncio.sleep(0)
        return self._runtime.send(request, settings, timeout)

    async def close(self) -> None:
        """There is nothing to close."""


class FakeAsyncClient(AsyncSignOutClient):
    """An async client of one fake, whichever is active."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._fake_runtime = runtime
        super().__init__()

    def _start(self) -> None:
        """It needs no runtime of its own."""

    def _runtime(self) -> FakeAsyncRuntime:
        return FakeAsyncRuntime(self._fake_runtime.of_this_process())

    async def aclose(self) -> None:
        """There is nothing to close."""
