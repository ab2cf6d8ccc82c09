"""Runs the asyncio transport behind the blocking interface, on an event loop in a separate thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from cognito_signout.transports import AsyncHttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from cognito_signout.transports import HttpRequest, HttpResponse, Transport

    NewTransport: TypeAlias = Callable[..., Transport]


class Loop:
    """An event loop in a thread, shut down as ``asyncio.run`` does. Errors that the loop reports fail the test."""

    def __init__(self) -> None:
        self._transports: list[AsyncHttpTransport] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._complaints: list[object] = []

    def new_transport(self, **settings: object) -> OnALoop:
        """A transport with these settings."""
        transport = AsyncHttpTransport(**settings)  # type: ignore[arg-type]
        self._transports.append(transport)  # aiohttp warns if its session is garbage collected first
        return OnALoop(transport, self._loop)

    def __enter__(self) -> Self:
        self._loop.set_exception_handler(self._complain)
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not self._complaints, self._complaints

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if "SSLProtocol._abort()" not in str(context.get("exception")):  # a bug in TLS in TLS of CPython 3.11
            self._complaints.append(context)


class OnALoop:
    """An asyncio transport with blocking methods, which run on the loop."""

    def __init__(self, transport: AsyncHttpTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Like the method of a blocking transport."""
        return asyncio.run_coroutine_threadsafe(self._send(request, timeout), self._loop).result()

    def close(self) -> None:
        """Like the method of a blocking transport."""
        asyncio.run_coroutine_threadsafe(self._transport.close(), self._loop).result()

    async def _send(self, request: HttpRequest, timeout: float | None) -> HttpResponse:
        try:
            return await self._transport.send(request, timeout=timeout)
        finally:
            for _ in range(5):  # asyncio closes a connection in one of its next iterations
                await asyncio.sleep(0)
