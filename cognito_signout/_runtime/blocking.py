"""What the flow of a blocking call runs on: the clock, chance, settings, credentials, the transport, and sleep.

One runtime belongs to one client and one process. It is the only place where a call meets the world, so it is
what a fake puts in its place. Async calls have theirs in :mod:`_runtime.asynchronous`.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from .._call.steps import Shared
from .._config.settings import Resolver, Settings, trace_header
from .._config.short_path import EnvironmentSession
from ..transports import HttpResponse
from . import Stopped
from .events import before_send

if TYPE_CHECKING:
    from .._config.credentials import Credentials
    from .._config.options import Options
    from ..transports import HttpRequest, Transport


class World:
    """What takes no waiting: the clock, chance, and what a client's calls share.

    Args:
        options: The client's arguments.
    """

    def __init__(self, options: Options) -> None:
        self.shared = Shared()
        self._resolver = Resolver(options)

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """A time that never goes back, in seconds."""
        return time.monotonic()

    def random(self) -> float:
        """A random number from 0 up to 1."""
        return int.from_bytes(os.urandom(6), "big") / 2**48  # the random module takes long to import

    def trace_header(self) -> str | None:
        """The ``X-Amzn-Trace-Id`` to send, if any."""
        return trace_header()

    def before_send(self, request: HttpRequest) -> HttpRequest | HttpResponse:
        """The response of a handler of botocore's ``before-send`` event, or the request as the handlers left it."""
        session = self._resolver.session
        return request if isinstance(session, EnvironmentSession) else before_send(session, request)


class BlockingRuntime(World):
    """The real world, for a blocking client.

    Args:
        options: The client's arguments.
        transport: The transport that the client was given. It is not closed with the runtime.
    """

    def __init__(self, options: Options, transport: Transport | None) -> None:
        super().__init__(options)
        self._given_transport = transport
        self._own_transport: Transport | None = None
        self._lock = threading.Lock()

    def sleep(self, seconds: float, until: threading.Event | None = None) -> None:
        """Waits.

        Raises:
            Stopped: What is waited for has happened before.
        """
        if until is None:
            time.sleep(seconds)
        elif until.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise Stopped

    def settings(self, user_pool_id: str) -> Settings:
        """What botocore would decide for a call to this pool."""
        return self._resolver.settings(user_pool_id)

    def credentials(self, refused: Credentials | None) -> Credentials:
        """The credentials of this moment, or others than those refused."""
        provider = self._resolver.credentials
        return provider.current() if refused is None else provider.replace(refused)

    def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request: by the transport that was given, else as botocore's event says, else by ours."""
        if self._given_transport is not None:
            return self._given_transport.send(request, timeout=timeout)
        answer = self.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        return self._transport(settings).send(answer, timeout=timeout)

    def close(self) -> None:
        """Closes the transport, if it is ours."""
        if self._own_transport is not None:
            self._own_transport.close()

    def _transport(self, settings: Settings) -> Transport:
        with self._lock:
            if self._own_transport is None:
                from ..transports import HttpTransport

                self._own_transport = HttpTransport(**settings.of_transport())
            return self._own_transport
