"""What the flow of a call runs on: the clock, chance, settings, credentials, the transport, and sleep.

One runtime belongs to one client and one process. It is the only place where a call meets the world, so it is
what a fake puts in its place.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._flow import Shared
from ._settings import Resolver, Settings, trace_header
from .transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._credentials import Credentials
    from ._options import Options
    from .client import SignOutClient
    from .transports import HttpRequest, Transport


class Runtime:
    """The real world, for a blocking client.

    Args:
        options: The client's arguments.
        transport: The transport that the client was given. It is not closed with the runtime.
    """

    def __init__(self, options: Options, transport: Transport | None) -> None:
        self.shared = Shared()
        self._resolver = Resolver(options)
        self._given_transport = transport
        self._own_transport: Transport | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """A time that never goes back, in seconds."""
        return time.monotonic()

    def random(self) -> float:
        """A random number from 0 up to 1."""
        return int.from_bytes(os.urandom(6), "big") / 2**48  # the random module takes long to import

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    def trace_header(self) -> str | None:
        """The ``X-Amzn-Trace-Id`` to send, if any."""
        return trace_header()

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
        answer = self._resolver.before_send(request)
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
                self._own_transport = _new_transport(settings)
            return self._own_transport


def _new_transport(settings: Settings) -> Transport:
    from .transports import HttpTransport

    return HttpTransport(
        verify=settings.verify,
        client_cert=settings.client_cert,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        proxies=settings.proxies,
        proxies_config=settings.proxies_config,
        max_pool_connections=settings.max_pool_connections,
        tcp_keepalive=settings.tcp_keepalive,
    )


#: What gives every client another runtime, call by call, while a fake is active.
substitute: Callable[[SignOutClient, Options], Runtime] | None = None
_substitutes: list[Callable[[SignOutClient, Options], Runtime]] = []
_lock_of_substitutes = threading.Lock()


@contextmanager
def substituted(runtime_of: Callable[[SignOutClient, Options], Runtime]) -> Generator[None]:
    """Gives every client in the process another runtime. The innermost wins; the order of leaving does not matter."""

    def entry(client: SignOutClient, options: Options) -> Runtime:  # unlike any other, however often one fake is active
        return runtime_of(client, options)

    _change(_substitutes.append, entry)
    try:
        yield
    finally:
        _change(_substitutes.remove, entry)


def _change(
    change: Callable[[Callable[[SignOutClient, Options], Runtime]], None],
    entry: Callable[[SignOutClient, Options], Runtime],
) -> None:
    global substitute
    with _lock_of_substitutes:
        change(entry)
        substitute = _substitutes[-1] if _substitutes else None
