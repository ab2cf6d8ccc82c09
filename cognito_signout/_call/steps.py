"""The types between a call and its driver: the steps, :class:`Clock` and :class:`Shared`.

The flow of a call is a generator that does no I/O. It yields steps, and a driver, blocking or async, performs them and
sends back their results. Time and randomness come from a :class:`Clock`. The calls of one client share a
:class:`Shared`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..models import SignOutResult
from .retry import RetryQuota

if TYPE_CHECKING:
    from typing import TypeAlias

    from .._config.credentials import Credentials
    from .._config.settings import Settings
    from ..errors import SignOutError
    from ..transports import HttpRequest


class Clock(Protocol):
    """Where a call gets the time and random numbers from."""

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """A time that never goes back, in seconds."""
        ...

    def random(self) -> float:
        """A random number from 0 up to 1."""
        ...

    def trace_header(self) -> str | None:
        """The ``X-Amzn-Trace-Id`` to send, if any."""
        ...


class Shared:
    """The state that the calls of one client share.

    Attributes:
        quota: The tokens that retries cost.
        clock_offset: How many seconds the service's clock is ahead of ours. It is 0 until the service refuses a
            signature because of its date.
    """

    def __init__(self, quota: RetryQuota | None = None, clock_offset: float = 0.0) -> None:
        self.quota = RetryQuota() if quota is None else quota
        self.clock_offset = clock_offset


class Configure(NamedTuple):
    """Resolve the settings for a pool within ``timeout`` seconds. The result is a :class:`Settings`."""

    user_pool_id: str
    timeout: float | None = None


class Authenticate(NamedTuple):
    """Get the current credentials, or other credentials than the refused ones. The result is a :class:`Credentials`."""

    refused: Credentials | None = None
    timeout: float | None = None


class Send(NamedTuple):
    """Send a request within ``timeout`` seconds. The result is an :class:`HttpResponse`.

    Attributes:
        after: The error of the previous attempt, if there was one.
    """

    request: HttpRequest
    settings: Settings
    timeout: float | None
    after: SignOutError | None = None


class Pause(NamedTuple):
    """Wait for a number of seconds. There is no result."""

    seconds: float


Step: TypeAlias = Configure | Authenticate | Send | Pause
Flow: TypeAlias = Generator[Step, Any, SignOutResult]
