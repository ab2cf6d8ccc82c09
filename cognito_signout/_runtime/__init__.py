"""What a call runs on: the settings, the credentials, the clock and the transport.

:class:`Runtime` is what the driver of a blocking call needs, and :class:`AsyncRuntime` the same for an async call. Each
client has its own: :mod:`.blocking` or :mod:`.asynchronous`. While a fake is active, it replaces them in the whole
process, call by call.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

    from .._call.steps import Clock, Shared
    from .._config.credentials import Credentials
    from .._config.options import Options
    from .._config.settings import Settings
    from ..transports import HttpRequest, HttpResponse

    class Runtime(Clock, Protocol):
        """What a blocking call runs on."""

        @property
        def shared(self) -> Shared:
            """The state that the calls of one client share."""
            ...

        def sleep(self, seconds: float, until: threading.Event | None = None) -> None:
            """Waits.

            Raises:
                Stopped: The event was set in the meantime.
            """
            ...

        def settings(self, user_pool_id: str) -> Settings:
            """The settings for a call to this pool."""
            ...

        def credentials(self, refused: Credentials | None) -> Credentials:
            """The current credentials, or other credentials than those that the service refused."""
            ...

        def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
            """Sends a request and returns the response."""
            ...

        def close(self) -> None:
            """Closes the transport, unless the client was given it."""
            ...

    class AsyncRuntime(Clock, Protocol):
        """What an async call runs on."""

        @property
        def shared(self) -> Shared:
            """The state that the calls of one client share."""
            ...

        async def sleep(self, seconds: float) -> None:
            """Waits."""
            ...

        async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
            """The settings for a call to this pool."""
            ...

        async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
            """The current credentials, or other credentials than those that the service refused."""
            ...

        async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
            """Sends a request and returns the response."""
            ...

        async def close(self) -> None:
            """Closes the transport, unless the client was given it."""
            ...


class Stopped(BaseException):
    """A call was abandoned. Its outcome does not matter any more."""


class Substitute(NamedTuple):
    """Creates the runtimes that replace those of the clients.

    Attributes:
        blocking: Creates the runtime for a blocking client with these arguments.
        asynchronous: The same for an async client.
    """

    blocking: Callable[[object, Options], Runtime]
    asynchronous: Callable[[object, Options], AsyncRuntime]


#: The substitutes of the fakes that are active. There is no lock, which another thread might hold at a fork: appending,
#: removing and reading the last entry are atomic.
_substitutes: list[Substitute] = []


def substitute() -> Substitute | None:
    """The substitute of the innermost active fake, if any."""
    try:
        return _substitutes[-1]
    except IndexError:
        return None


@contextmanager
def substituted(
    blocking: Callable[[object, Options], Runtime],
    asynchronous: Callable[[object, Options], AsyncRuntime],
) -> Generator[None]:
    """Replaces the runtime of every client in the process. The innermost wins; they may end in any order."""
    entry = Substitute(blocking, asynchronous)
    _substitutes.append(entry)
    try:
        yield
    finally:
        _substitutes.remove(entry)
