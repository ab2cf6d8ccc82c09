"""What the flow of an async call runs on: the runtime of :mod:`_runtime.blocking`, without blocking the event loop.

Whatever may read files, import botocore, start processes or call other services is done in a thread; what is at hand
is taken as it is. asyncio is named here, in :mod:`_concurrency.waiting` and :mod:`_bulk.tasks`, and in the transport.
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
    """The real world, for an async client.

    Args:
        options: The client's arguments.
        transport: The transport that the client was given. It is not closed with the runtime.
    """

    def __init__(self, options: Options, transport: AsyncTransport | None) -> None:
        super().__init__(options)
        self._given_transport = transport
        self._own_transport: AsyncTransport | None = None
        self._lock = threading.Lock()
        self._inquiry = _Inquiry()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """What botocore would decide for a call to this pool."""
        resolver = self._resolver
        at_hand = resolver.settings_at_hand(user_pool_id)
        if at_hand is not None:
            return at_hand
        return await self._inquiry.ask(
            lambda: resolver.settings_at_hand(user_pool_id),
            lambda: resolver.settings(user_pool_id),
            timeout,
            "the AWS configuration",
        )

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The credentials of this moment, or others than those refused."""
        provider = self._resolver.credentials
        if refused is None:
            at_hand = provider.at_hand()
            if at_hand is not None:
                return at_hand
            return await self._inquiry.ask(provider.at_hand, provider.current, timeout, "AWS credentials")

        looks = provider.looks

        def others() -> Credentials | None:
            at_hand = provider.at_hand()
            return None if at_hand == refused and provider.looks == looks else at_hand

        return await self._inquiry.ask(
            others, lambda: provider.replace(refused, looks), timeout, "other AWS credentials"
        )

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request: by the transport that was given, else as botocore's event says, else by ours."""
        if self._given_transport is not None:
            try:
                return await self._given_transport.send(request, timeout=timeout)
            except asyncio.TimeoutError as error:  # another class than TimeoutError, before Python 3.11
                raise TimeoutError(str(error)) from error
        resolver = self._resolver
        if not resolver.has_session_at_hand():
            await self._inquiry.ask(
                lambda: resolver.has_session_at_hand() or None,
                lambda: resolver.session,
                timeout,
                "the AWS configuration",
            )
        answer = self.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        return await (await self._transport(settings)).send(answer, timeout=timeout)

    async def close(self) -> None:
        """Closes the transport, if it is ours."""
        if self._own_transport is not None:
            await self._own_transport.close()

    async def _transport(self, settings: Settings) -> AsyncTransport:
        if self._own_transport is None:  # to import aiohttp takes longer than a call
            await in_thread(lambda: import_module("cognito_signout.transports._async_http"))
        with self._lock:  # of other threads, which have event loops of their own
            if self._own_transport is None:
                from ..transports import AsyncHttpTransport

                self._own_transport = AsyncHttpTransport(**settings.of_transport())
            return self._own_transport


class _Inquiry:
    """Asks in a thread for what may take its time: one thing at a time, and whoever has waited for the turn looks
    whether it is at hand by now.
    """

    def __init__(self) -> None:
        # Together, lest loops that run in two threads at once come between: each would wait for the other one's lock.
        self._turn_on: tuple[asyncio.AbstractEventLoop | None, asyncio.Lock] = None, asyncio.Lock()

    async def ask(self, look: Callable[[], T | None], find: Callable[[], T], timeout: float | None, what: str) -> T:
        """Returns what ``look`` has at hand when it is our turn, or what ``find`` finds in a thread, which is left to
        itself when the time is up.
        """
        try:
            return await within(timeout, self._in_turn(look, find))
        except TimeoutError:
            raise SignOutTimeoutError(f"the call's timeout ran out before {what} could be resolved") from None

    async def _in_turn(self, look: Callable[[], T | None], find: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        of, turn = self._turn_on
        if of is not loop:
            turn = asyncio.Lock()
            self._turn_on = loop, turn
        await turn.acquire()
        with ExitStack() as end_of_turn:
            end_of_turn.callback(turn.release)
            at_hand = look()
            if at_hand is not None:
                return at_hand
            finding = in_thread(find)
            end_of_turn.pop_all()

        def found(finding: asyncio.Future[T]) -> None:
            turn.release()  # now, and not when nobody waits any more
            finding.exception()  # which asyncio would log as lost, where nobody waits any more

        finding.add_done_callback(found)
        await asyncio.wait([finding])  # which does not cancel it, as ``await finding`` would
        return finding.result()
