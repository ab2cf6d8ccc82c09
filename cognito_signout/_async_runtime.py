"""What the flow of an async call runs on: the runtime of :mod:`._runtime`, without blocking the event loop.

Whatever may read files, import botocore, start processes or call other services is done in a thread; what is at hand
is taken as it is. asyncio is named here, in the drivers of :mod:`.aio` and :mod:`._tasks`, and in the transport.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from ._runtime import World
from .errors import ConfigurationError, SignOutTimeoutError
from .transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._credentials import Credentials
    from ._options import Options
    from ._settings import Settings
    from .transports import AsyncTransport, HttpRequest

T = TypeVar("T")


class AsyncRuntime(World):
    """The real world, for an async client.

    Args:
        options: The client's arguments.
        transport: The transport that the client was given. It is not closed with the runtime.

    Raises:
        ConfigurationError: No transport was given, and aiohttp, which ours would need, is not installed.
    """

    def __init__(self, options: Options, transport: AsyncTransport | None) -> None:
        super().__init__(options)
        if transport is None and find_spec("aiohttp") is None:
            raise ConfigurationError(
                "asyncio clients need aiohttp, which is not installed: pip install 'cognito-signout[async]'"
            )
        self._given_transport = transport
        self._own_transport: AsyncTransport | None = None

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """What botocore would decide for a call to this pool."""
        at_hand = self._resolver.settings_at_hand(user_pool_id)
        if at_hand is not None:
            return at_hand
        return await _in_thread(lambda: self._resolver.settings(user_pool_id), timeout, "the AWS configuration")

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The credentials of this moment, or others than those refused."""
        provider = self._resolver.credentials
        if refused is not None:
            return await _in_thread(lambda: provider.replace(refused), timeout, "other AWS credentials")
        at_hand = provider.at_hand()
        return at_hand if at_hand is not None else await _in_thread(provider.current, timeout, "AWS credentials")

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request: by the transport that was given, else as botocore's event says, else by ours."""
        if self._given_transport is not None:
            try:
                return await self._given_transport.send(request, timeout=timeout)
            except asyncio.TimeoutError as error:  # another class than TimeoutError, before Python 3.11
                raise TimeoutError(str(error)) from error
        if not self._resolver.has_session_at_hand():
            await _in_thread(lambda: self._resolver.session, timeout, "the AWS configuration")
        answer = self._resolver.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        if self._own_transport is None:
            from .transports import AiohttpTransport

            self._own_transport = AiohttpTransport(**settings.of_transport())
        return await self._own_transport.send(answer, timeout=timeout)

    async def close(self) -> None:
        """Closes the transport, if it is ours."""
        if self._own_transport is not None:
            await self._own_transport.close()


async def _in_thread(function: Callable[[], T], timeout: float | None, what: str) -> T:
    """Calls it in a thread, and leaves it to itself where it takes too long."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(function), timeout)
    except asyncio.TimeoutError:
        raise SignOutTimeoutError(f"the call's timeout ran out before {what} could be resolved") from None
