"""The async client, which gets a new runtime in a forked child, and the driver that performs a call's steps."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ._call import flow as _flow
from ._call.steps import Authenticate, Configure, Flow, Send
from ._call.telemetry import observed
from ._concurrency import forks
from ._config.options import Options
from ._runtime import substitute
from .errors import ConfigurationError, SignOutError

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Iterable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from ._bulk.outcomes import AsyncSignOutOutcomes
    from ._config.botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
    from ._runtime import AsyncRuntime
    from .models import SignOutOutcome, SignOutResult
    from .transports import AsyncTransport

__all__ = ["AsyncSignOutClient"]


class AsyncSignOutClient:
    """The client for asyncio: :class:`SignOutClient` with ``await``.

    It takes the same arguments and raises the same errors. ``transport`` is an
    :class:`~cognito_signout.transports.AsyncTransport`; the default is an
    :class:`~cognito_signout.transports.AsyncHttpTransport`, which needs aiohttp (extra ``async``). Reading files,
    importing botocore, and resolving and refreshing credentials happen in a thread, so the event loop is not blocked,
    and a call's ``timeout`` limits them, too.

    A client can be shared by all tasks of an event loop. It can be used in one event loop after another, and in the
    loops of several threads at once. Close it with :meth:`aclose`, or use it with ``async with``.

    >>> import asyncio
    >>> from cognito_signout.testing import FakeCognito
    >>> fake = FakeCognito()
    >>> fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
    >>> async def main():
    ...     async with fake.async_client() as client:
    ...         result = await client.sign_out(user_pool_id="us-east-1_Test00001", username="alice")
    ...         return result.attempts
    >>> asyncio.run(main())
    1
    """

    def __init__(
        self,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        profile_name: str | None = None,
        verify: bool | str | os.PathLike[str] | None = None,
        session: BotocoreSession | None = None,
        credentials: FrozenCredentialsSource | StaticCredentials | None = None,
        config: BotocoreConfig | None = None,
        transport: AsyncTransport | None = None,
        timeout: float | timedelta | None = None,
    ) -> None:
        self._options = Options(
            region_name=region_name,
            endpoint_url=endpoint_url,
            profile_name=profile_name,
            verify=verify,
            session=session,
            credentials=credentials,
            config=config,
        )
        methods = [getattr(transport, name, None) for name in ("send", "close")]
        if transport is not None and not all(map(inspect.iscoroutinefunction, methods)):
            raise ConfigurationError("transport must have async send(request, *, timeout) and async close()")
        self._transport = transport
        self._timeout = _flow.check_timeout(timeout)
        self._start()
        forks.register(self)

    async def sign_out(
        self, *, user_pool_id: str, username: str, timeout: float | timedelta | None = _flow.CLIENT_TIMEOUT
    ) -> SignOutResult:
        """Signs a user out of all devices: revokes every refresh token issued to the user so far.

        Arguments, result and errors are those of :meth:`SignOutClient.sign_out`. ``timeout`` also limits the resolution
        of credentials and the DNS lookup of the endpoint. Cancelling the call releases its connection; the user may be
        signed out or not.
        """
        timeout = self._timeout if timeout is _flow.CLIENT_TIMEOUT else timeout
        runtime = self._runtime()
        return await _drive(
            _flow.sign_out(runtime, runtime.shared, user_pool_id=user_pool_id, username=username, timeout=timeout),
            runtime,
        )

    def sign_out_many(
        self,
        *,
        user_pool_id: str,
        usernames: Iterable[str] | AsyncIterable[str],
        max_rate: float | None = None,
        max_concurrency: int = 10,
        timeout: float | timedelta | None = _flow.CLIENT_TIMEOUT,
    ) -> AsyncSignOutOutcomes:
        """Signs out any number of users, as fast as the account's quota allows, and yields an outcome for each.

        Arguments, outcomes and errors are those of :meth:`SignOutClient.sign_out_many`, with these differences.
        ``usernames`` may also be an async iterable, and outcomes are yielded while it waits for the next username. Each
        call runs in a task. A :class:`ConfigurationError` is raised while iterating. To stop early, close the iterator,
        or use it with ``async with``: requests in flight are cancelled.

        >>> import asyncio
        >>> from cognito_signout.testing import FakeCognito
        >>> async def main():
        ...     fake = FakeCognito()
        ...     fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
        ...     outcomes = fake.async_client().sign_out_many(user_pool_id="us-east-1_Test00001", usernames=["alice"])
        ...     return [outcome.username async for outcome in outcomes]
        >>> asyncio.run(main())
        ['alice']
        """
        from ._bulk.outcomes import AsyncSignOutOutcomes
        from ._bulk.pacing import Pacer
        from ._bulk.progress import Progress, check_arguments
        from ._bulk.tasks import in_tasks

        timeout = self._timeout if timeout is _flow.CLIENT_TIMEOUT else timeout
        check_arguments(
            user_pool_id=user_pool_id,
            usernames=usernames,
            max_rate=max_rate,
            max_concurrency=max_concurrency,
            timeout=timeout,
            takes_async=True,
        )
        runtime = self._runtime()
        pacer = Pacer(max_rate)

        async def sign_out(username: str) -> SignOutOutcome:
            flow = _flow.sign_out(
                runtime, runtime.shared, user_pool_id=user_pool_id, username=username, timeout=timeout, pacer=pacer
            )
            try:
                return await _drive(flow, runtime)
            except SignOutError as error:
                return error

        return AsyncSignOutOutcomes(in_tasks(sign_out, usernames, Progress(max_concurrency, pacer)))

    async def aclose(self) -> None:
        """Closes this event loop's connections, but not a transport that was passed in. A later call opens new ones."""
        await self._own_runtime.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self  # Django copies the attributes of a test class

    def __reduce__(self) -> str:
        raise TypeError(f"{type(self).__name__} can't be pickled; create a client in each process")

    def __repr__(self) -> str:
        options = getattr(self, "_options", None)  # missing if the constructor has failed
        return f"{type(self).__name__}({'' if options is None else options.shown()})"

    def _after_fork(self) -> None:
        """In a forked child: creates a new runtime. The old one belongs to the parent's event loop."""
        forks.inherited.append(self._own_runtime)
        self._start()

    def _start(self) -> None:
        from ._runtime.asynchronous import AsyncioRuntime  # which imports asyncio

        self._own_runtime = AsyncioRuntime(self._options, self._transport)

    def _runtime(self) -> AsyncRuntime:
        replacement = substitute()
        return self._own_runtime if replacement is None else replacement.asynchronous(self, self._options)


async def _drive(flow: Flow, runtime: AsyncRuntime) -> SignOutResult:
    """Performs the steps of a flow until it ends."""
    flow = observed(flow)
    try:
        step = next(flow)
        while True:
            answer: object = None
            try:
                if isinstance(step, Send):
                    answer = await runtime.send(step.request, step.settings, step.timeout)
                elif isinstance(step, Authenticate):
                    answer = await runtime.credentials(step.refused, step.timeout)
                elif isinstance(step, Configure):
                    answer = await runtime.settings(step.user_pool_id, step.timeout)
                else:
                    await runtime.sleep(step.seconds)
            except Exception as error:  # noqa: BLE001 -- the flow handles it
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        return result
    finally:
        flow.close()  # now, and not when the traceback is dropped
