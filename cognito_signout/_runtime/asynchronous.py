"""The runtime of an async client. It does not block the event loop.

Reading files, importing botocore, starting processes and calling other services happen in a thread. Cached values are
used without a thread.
"""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from .._concurrency.waiting import SharedLookups, in_thread, within
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
        self._lookups = SharedLookups()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """The settings that botocore resolves for a call to this pool."""
        resolver = self._resolver
        cached = resolver.cached_settings(user_pool_id)
        if cached is not None:
            return cached
        region = user_pool_id.partition("_")[0]
        return await self._ask(region, lambda: resolver.settings(user_pool_id), timeout, "the AWS configuration")

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The current credentials, or other credentials than those that the service refused."""
        provider = self._resolver.credentials
        if refused is not None:
            lookups = provider.lookups
            return await self._ask(
                (refused, lookups), lambda: provider.replace(refused, lookups), timeout, "other AWS credentials"
            )
        usable = provider.cached() or provider.valid()
        if usable is not None:
            return usable
        return await self._ask("credentials", provider.current, timeout, "AWS credentials")

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request by the transport passed in; else over the network, unless a botocore handler answers it."""
        if self._given_transport is not None:
            try:
                return await self._given_transport.send(request, timeout=timeout)
            except asyncio.TimeoutError as error:  # another class than TimeoutError, before Python 3.11
                raise TimeoutError(str(error)) from error
        resolver = self._resolver
        if not resolver.has_session():
            await self._ask("session", lambda: resolver.session, timeout, "the AWS configuration")
        answer = self.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        transport = self._own_transport or await self._transport(settings)
        return await transport.send(answer, timeout=timeout)

    async def close(self) -> None:
        """Closes the transport, unless it was passed to the client."""
        if self._own_transport is not None:
            await self._own_transport.close()

    async def _ask(self, key: object, find: Callable[[], T], timeout: float | None, what: str) -> T:
        try:
            return await within(timeout, self._lookups.ask(key, find))
        except TimeoutError:
            raise SignOutTimeoutError(f"the call's timeout ran out before {what} could be resolved") from None

    async def _transport(self, settings: Settings) -> AsyncTransport:
        # Importing aiohttp takes longer than a call.
        await in_thread(lambda: import_module("cognito_signout.transports._async_http"))
        with self._lock:  # event loops in several threads may share a client
            if self._own_transport is None:
                from ..transports import AsyncHttpTransport

                self._own_transport = AsyncHttpTransport(**settings.transport_arguments())
            return self._own_transport
