"""What a call runs on: the settings, the credentials, the clock and the transport.

:class:`Runtime` is what the driver of a blocking call needs, and :class:`AsyncRuntime` the same for an async call. Each
client has its own: :mod:`.blocking` or :mod:`.asynchronous`. While a fake is active (:func:`substituted`), every client
in the process, existing ones included, uses the fake's runtime for its calls.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .._call.steps import Authenticate, Configure, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._bulk.threads import Run
    from .._call.steps import Clock, Shared, Step
    from .._config.credentials import Credentials
    from .._config.options import Options
    from .._config.settings import Settings
    from ..models import SignOutOutcome
    from ..transports import HttpRequest, HttpResponse

    class Runtime(Clock, Protocol):
        """What a blocking call runs on."""

        @property
        def shared(self) -> Shared:
            """The state that the calls of one client share."""
            ...

        @property
        def simulate(self) -> Callable[..., Generator[SignOutOutcome, None, None]] | None:
            """Runs the calls of ``sign_out_many``, without threads. ``None``: they run in threads."""
            ...

        def sleep(self, seconds: float, run: Run | None = None) -> None:
            """Waits.

            Raises:
                Stopped: The run was stopped.
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
            """Closes the transport, unless it was passed to the client."""
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
            """Closes the transport, unless it was passed to the client."""
            ...


class Stopped(BaseException):
    """A call was abandoned. Its outcome does not matter any more."""


def perform(step: Step, runtime: Runtime, run: Run | None = None) -> object:
    """Performs one step, and returns its result.

    Raises:
        Stopped: The run was stopped.
    """
    if run is not None and run.is_stopped:
        raise Stopped
    if isinstance(step, Send):
        return runtime.send(step.request, step.settings, step.timeout)
    if isinstance(step, Configure):
        return runtime.settings(step.user_pool_id)
    if isinstance(step, Authenticate):
        return runtime.credentials(step.refused)
    runtime.sleep(step.seconds, run)
    return None


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
    """Replaces the runtime of every client in the process. The latest replacement wins; they may end in any order."""
    entry = Substitute(blocking, asynchronous)
    _substitutes.append(entry)
    try:
        yield
    finally:
        _substitutes.remove(entry)
