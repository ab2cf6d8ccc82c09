"""The runtime seam, seen from the fake: clients that live by its clock and send their requests to it."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .._credentials import CredentialsProvider
from .._endpoints import Endpoint, check_region
from .._options import attempts_of
from .._retry import DEFAULT_MAX_ATTEMPTS
from .._runtime import Runtime
from .._settings import DEFAULT_TIMEOUT, Settings
from .._shared import Shared
from .._user_agent import user_agent
from ..client import SignOutClient
from ..errors import SignOutConnectionError, SignOutTimeoutError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from .._credentials import Credentials
    from .._options import Options
    from ..transports import HttpRequest, HttpResponse
    from ._users import Clock

#: How long, in seconds, a client waits that has no time-out at all: a year.
NEVER = 365 * 24 * 3600.0

#: What the clock said when this thread or task last looked at it. That is when it begins to wait, and the date that it
#: signs with: before it gets on, others may move the clock by any time.
_looked_at: ContextVar[float] = ContextVar("_looked_at")


class FakeRuntime(Runtime):
    """A world without AWS: nothing is resolved, waiting moves the fake's clock, requests go to the fake."""

    def __init__(
        self,
        options: Options,
        keys: object,
        *,
        clock: Clock,
        exchange: Callable[..., HttpResponse | str],
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._region_name = options.region_name or getattr(options.config, "region_name", None)
        self._read_timeout = getattr(options.config, "read_timeout", DEFAULT_TIMEOUT)
        self._max_attempts = attempts_of(getattr(options.config, "retries", None)) or DEFAULT_MAX_ATTEMPTS
        self._exchange = exchange
        self._settings: dict[str, Settings] = {}
        self._start()

    def of_this_process(self) -> FakeRuntime:
        """Itself, with locks of its own in a forked child: in the parent they may have been held."""
        if self._pid != os.getpid():
            self._start()
        return self

    def _start(self) -> None:
        self.shared = Shared()
        self._provider = CredentialsProvider(lambda _: self._keys, tried=str)
        self._pid = os.getpid()

    def now(self) -> float:
        """The fake's time."""
        now = self._clock.now()
        _looked_at.set(now)
        return now

    def monotonic(self) -> float:
        """The fake's time, which never goes back."""
        return self.now()

    def sleep(self, seconds: float, until: threading.Event | None = None) -> None:
        """Moves the fake's time on, at once."""
        self._clock.advance_to(_looked_at.get() + seconds)

    def random(self) -> float:
        """Always the same, so that a test is, too."""
        return 0.5

    def trace_header(self) -> None:
        """None."""

    def settings(self, user_pool_id: str) -> Settings:
        """The endpoint that the service would have in the pool's region."""
        region = self._region_name or user_pool_id.partition("_")[0]
        if region not in self._settings:
            host = f"cognito-idp.{check_region(region)}.amazonaws.com"
            endpoint = Endpoint(f"https://{host}/", host, "/", region)
            self._settings[region] = Settings(
                endpoint=endpoint,
                max_attempts=self._max_attempts,
                read_timeout=self._read_timeout,
                user_agent=user_agent(),
            )
        return self._settings[region]

    def credentials(self, refused: Credentials | None) -> Credentials:
        """The fake's own, or those that the client was given."""
        return self._provider.current() if refused is None else self._provider.replace(refused)

    def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Brings a request to the fake, and raises what a transport would if it meets a fault on the way."""
        limits = [limit for limit in (timeout, settings.read_timeout) if limit is not None]
        answer = self._exchange(request, patience=min(limits, default=NEVER), sent_at=_looked_at.get())
        self.now()
        if answer in ("timeout", "late"):
            raise SignOutTimeoutError("the fake did not answer in time")
        if isinstance(answer, str):
            raise SignOutConnectionError(f"no response from the fake: {answer}")
        return answer

    def close(self) -> None:
        """There is nothing to close."""


class FakeClient(SignOutClient):
    """A client of one fake, whichever is active."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._fake_runtime = runtime
        super().__init__()

    def _runtime(self) -> FakeRuntime:
        return self._fake_runtime.of_this_process()
