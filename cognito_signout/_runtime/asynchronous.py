"""The runtime of an async client. It does not block the event loop.

Reading files, importing botocore, starting processes and calling other services happen in a thread. Cached values are
used without a thread.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from .._concurrency.waiting import in_thread, within
from ..errors import SignOutTimeoutError
from ..transports import HttpResponse
from .blocking import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._config.credentials import Credentials
    from .._config.options import Options
    from .._config.settings import Settings
    from ..transports import AsyncTransport, HttpRequest

T = TypeVar("T")


class AsyncioRuntime(World):
    """The runtime of an async client.

    Args:
        options: The client's arguments.
        transport: The transport that was passed to the client. :meth:`close` does not close it.
    """

    def __init__(self, options: Options, transport: AsyncTransport | None) -> None:
        super().__init__(options)
        self._given_transport = transport
        self._own_transport: AsyncTransport | None = None
        self._lock = threading.Lock()
        self._lookup = _SharedLookup()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """The settings that botocore resolves for a call to this pool."""
        resolver = self._resolver
        cached = resolver.cached_settings(user_pool_id)
        if cached is not None:
            return cached
        return await self._lookup.ask(
            lambda: resolver.cached_settings(user_pool_id),
            lambda: resolver.settings(user_pool_id),
            timeout,
            "the AWS configuration",
        )

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The current credentials, or other credentials than those that the service refused."""
        provider = self._resolver.credentials
        if refused is None:
            cached = provider.cached()
            if cached is not None:
                return cached
            return await self._lookup.ask(provider.cached, provider.current, timeout, "AWS credentials")

        lookups = provider.lookups

        def others() -> Credentials | None:
            cached = provider.cached()
            return None if cached == refused and provider.lookups == lookups else cached

        return await self._lookup.ask(
            others, lambda: provider.replace(refused, lookups), timeout, "other AWS credentials"
        )

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request by the client's transport, by a handler of botocore's event, or over the network."""
        if self._given_transport is not None:
            try:
                return await self._given_transport.send(request, timeout=timeout)
            except asyncio.TimeoutError as error:  # another class than TimeoutError, before Python 3.11
                raise TimeoutError(str(error)) from error
        resolver = self._resolver
        if not resolver.has_session():
            await self._lookup.ask(
                lambda: resolver.has_session() or None,
                lambda: resolver.session,
                timeout,
                "the AWS configuration",
            )
        answer = self.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        return await (await self._transport(settings)).send(answer, timeout=timeout)

    async def close(self) -> None:
        """Closes the transport, unless it was passed to the client."""
        if self._own_transport is not None:
            await self._own_transport.close()

    async def _transport(self, settings: Settings) -> AsyncTransport:
        if self._own_transport is None:  # importing aiohttp takes longer than a call
            await in_thread(lambda: import_module("cognito_signout.transports._async_http"))
        with self._lock:  # event loops in several threads may share a client
            if self._own_transport is None:
                from ..transports import AsyncHttpTransport

                self._own_transport = AsyncHttpTransport(**settings.transport_arguments())
            return self._own_transport


class _SharedLookup:
    """Runs slow lookups in a thread, one at a time. A caller that has waited for another one checks the cache first."""

    def __init__(self) -> None:
        # One attribute for both: loops in two threads could otherwise use each other's lock.
        self._loop_and_lock: tuple[asyncio.AbstractEventLoop | None, asyncio.Lock] = None, asyncio.Lock()

    async def ask(self, cached: Callable[[], T | None], find: Callable[[], T], timeout: float | None, what: str) -> T:
        """Returns the cached value, or what ``find`` returns in a thread.

        Args:
            cached: Returns the cached value, or ``None``.
            find: The lookup. It continues in its thread after a time-out.
            timeout: In seconds; ``None`` for no limit.
            what: What is looked up, for the error.

        Raises:
            SignOutTimeoutError: It took too long.
        """
        try:
            return await within(timeout, self._in_turn(cached, find))
        except TimeoutError:
            raise SignOutTimeoutError(f"the call's timeout ran out before {what} could be resolved") from None

    async def _in_turn(self, cached: Callable[[], T | None], find: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        loop_of_lock, lock = self._loop_and_lock
        if loop_of_lock is not loop:
            lock = asyncio.Lock()
            self._loop_and_lock = loop, lock
        await lock.acquire()
        with ExitStack() as stack:
            stack.callback(lock.release)
            value = cached()
            if value is not None:
                return value
            lookup = in_thread(find)
            stack.pop_all()

        def done(lookup: asyncio.Future[T]) -> None:
            lock.release()  # when the lookup ends, even if its caller was cancelled
            lookup.exception()  # else asyncio logs an exception that nobody has retrieved

        lookup.add_done_callback(done)
        await asyncio.wait([lookup])  # which does not cancel it, as ``await lookup`` would
        return lookup.result()
