"""The runtime of a blocking client: the clock, randomness, settings, credentials and the transport.

One runtime belongs to one client and one process.
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
from .events import before_send

if TYPE_CHECKING:
    from .._bulk.threads import Run
    from .._config.credentials import Credentials
    from .._config.options import Options
    from ..transports import HttpRequest, Transport


class World:
    """What blocking and async runtimes share: the clock, randomness, and the state of a client's calls.

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
    """The runtime of a blocking client.

    Args:
        options: The client's arguments.
        transport: The transport that was passed to the client. :meth:`close` does not close it.
    """

    def __init__(self, options: Options, transport: Transport | None) -> None:
        super().__init__(options)
        self._given_transport = transport
        self._own_transport: Transport | None = None
        self._lock = threading.Lock()

    @property
    def simulate(self) -> None:
        """``None``: the calls of ``sign_out_many`` run in threads."""

    def sleep(self, seconds: float, run: Run | None = None) -> None:
        """Waits.

        Raises:
            Stopped: The run was stopped.
        """
        if run is None:
            time.sleep(seconds)
        else:
            run.sleep(seconds)

    def settings(self, user_pool_id: str) -> Settings:
        """The settings that botocore resolves for a call to this pool."""
        return self._resolver.settings(user_pool_id)

    def credentials(self, refused: Credentials | None) -> Credentials:
        """The current credentials, or other credentials than those that the service refused."""
        provider = self._resolver.credentials
        return provider.current() if refused is None else provider.replace(refused)

    def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request by the transport passed in; else over the network, unless a botocore handler answers it."""
        if self._given_transport is not None:
            return self._given_transport.send(request, timeout=timeout)
        answer = self.before_send(request)
        if isinstance(answer, HttpResponse):
            return answer
        return self._transport(settings).send(answer, timeout=timeout)

    def close(self) -> None:
        """Closes the transport, unless it was passed to the client."""
        if self._own_transport is not None:
            self._own_transport.close()

    def _transport(self, settings: Settings) -> Transport:
        with self._lock:
            if self._own_transport is None:
                from ..transports import HttpTransport

                self._own_transport = HttpTransport(**settings.transport_arguments())
            return self._own_transport
