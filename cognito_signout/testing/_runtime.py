"""The runtimes of the fake: clients that use its clock and send their requests to it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .._call.steps import Shared
from .._concurrency import forks
from .._config.credentials import CredentialsProvider
from .._config.endpoints import Endpoint, check_region
from .._config.options import attempts_of
from .._config.settings import DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT, Settings
from .._config.user_agent import user_agent
from .._runtime import substituted
from ..aio import AsyncSignOutClient
from ..client import SignOutClient
from ..errors import SignOutConnectionError, SignOutTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from types import TracebackType

    from .._bulk.progress import Progress
    from .._bulk.threads import Run
    from .._call.steps import Flow
    from .._config.credentials import Credentials
    from .._config.options import Options
    from ..models import SignOutOutcome
    from ..transports import HttpRequest, HttpResponse
    from ._users import Clock

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")

#: How long a client without time-outs waits, in seconds: a year.
NEVER = 365 * 24 * 3600.0


class FakeRuntime:
    """The runtime of a blocking client. Waiting moves the fake's clock, and requests go to the fake."""

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
        self._after_fork()
        forks.register(self)

    def _after_fork(self) -> None:
        """In a forked child: makes new locks. Those of the parent may have been held."""
        self.shared = Shared()
        self._provider = CredentialsProvider(lambda _: self._keys, tried=str)

    def now(self) -> float:
        """The fake's time, for this thread."""
        return self._clock.local()

    def monotonic(self) -> float:
        """The same."""
        return self._clock.local()

    def synchronize(self) -> float:
        """The fake's time, which becomes that of this thread or task."""
        return self._clock.synchronize()

    def sleep(self, seconds: float, run: Run | None = None) -> None:
        """Moves the fake's clock, at once."""
        self._clock.advance_to(self._clock.local() + seconds)

    def random(self) -> float:
        """Always the same number, so that tests are reproducible."""
        return 0.5

    def trace_header(self) -> None:
        """``None``: no trace header is sent."""

    def settings(self, user_pool_id: str) -> Settings:
        """The endpoint of the service in the pool's region."""
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
        """The fake's own credentials, or those that the client was given."""
        return self._provider.current() if refused is None else self._provider.replace(refused)

    def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request to the fake. A fault raises the error that a transport would raise."""
        limits = [limit for limit in (timeout, settings.read_timeout) if limit is not None]
        answer = self._exchange(request, patience=min(limits, default=NEVER), sent_at=self._clock.local())
        if answer in ("timeout", "late"):
            raise SignOutTimeoutError("the fake did not answer in time")
        if isinstance(answer, str):
            raise SignOutConnectionError(f"no response from the fake: {answer}")
        return answer

    def simulate(
        self, flow_of: Callable[[str], Flow], usernames: Iterable[str], run: Run, progress: Progress
    ) -> Generator[SignOutOutcome, None, None]:
        """Runs the calls of ``sign_out_many``, in the time of the fake's clock."""
        from ._simulation import simulated

        return simulated(flow_of, usernames, run, progress, runtime=self, clock=self._clock)

    def close(self) -> None:
        """There is nothing to close."""


class FakeAsyncRuntime:
    """The runtime of an async client.

    Args:
        runtime: The runtime for blocking calls, which does the work.
    """

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self.shared = runtime.shared
        self.now = self.monotonic = runtime.synchronize
        self.random = runtime.random
        self.trace_header = runtime.trace_header

    async def sleep(self, seconds: float) -> None:
        """Moves the fake's clock, after other tasks have run."""
        await _let_others_run()
        self._runtime.sleep(seconds)

    async def settings(self, user_pool_id: str, timeout: float | None) -> Settings:
        """The endpoint of the service in the pool's region."""
        return self._runtime.settings(user_pool_id)

    async def credentials(self, refused: Credentials | None, timeout: float | None) -> Credentials:
        """The fake's own credentials, or those that the client was given."""
        return self._runtime.credentials(refused)

    async def send(self, request: HttpRequest, settings: Settings, timeout: float | None) -> HttpResponse:
        """Sends a request to the fake, after other tasks have run."""
        await _let_others_run()
        return self._runtime.send(request, settings, timeout)

    async def close(self) -> None:
        """There is nothing to close."""


async def _let_others_run() -> None:
    import asyncio  # takes long to import; an async caller has imported it already

    await asyncio.sleep(0)


class FakeClient(SignOutClient):
    """A client of one fake, whichever fake is active."""

    def __init__(self, runtime: FakeRuntime, options: Options, timeout: float | timedelta | None) -> None:
        self._fake_runtime = runtime
        super().__init__(region_name=options.region_name, timeout=timeout)

    def _runtime(self) -> FakeRuntime:
        self._fake_runtime.synchronize()
        return self._fake_runtime


class FakeAsyncClient(AsyncSignOutClient):
    """An async client of one fake, whichever fake is active."""

    def __init__(self, runtime: FakeRuntime, options: Options, timeout: float | timedelta | None) -> None:
        self._fake_runtime = runtime
        super().__init__(region_name=options.region_name, timeout=timeout)

    def _runtime(self) -> FakeAsyncRuntime:
        return FakeAsyncRuntime(self._fake_runtime)


class Activation(Generic[T]):
    """A fake that is active: within ``with``, or for each call of a decorated function, async functions included."""

    def __init__(self, fake: T, runtime_of: Callable[[object, Options], FakeRuntime]) -> None:
        self._fake = fake
        self._substitution = functools.partial(
            substituted, runtime_of, lambda client, options: FakeAsyncRuntime(runtime_of(client, options))
        )
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> T:
        context = self._substitution()
        context.__enter__()
        self._entered.append(context)
        return self._fake

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(exc_type, exc, traceback)

    def __call__(self, function: F) -> F:
        """Decorates a function.

        Raises:
            TypeError: It is a class or a generator function, whose work is done after it has returned.
        """
        if isinstance(function, type) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("activate() decorates functions; in a class or a generator, use `with fake.activate():`")
        if not inspect.iscoroutinefunction(function):
            return self._substitution()(function)

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._substitution():
                return await function(*args, **kwargs)

        return cast("F", call)
