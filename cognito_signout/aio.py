"""The async client, and the driver that runs a call's flow for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ._call import flow as _flow
from ._call.steps import Authenticate, Configure, Flow, Send, Step
from ._call.telemetry import observed
from ._concurrency import forks
from ._config.options import Options
from ._runtime import substitute
from .errors import ConfigurationError, SignOutError

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from ._config.botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
    from ._runtime import AsyncRuntime
    from .models import SignOutOutcome, SignOutResult
    from .transports import AsyncTransport

__all__ = ["AsyncSignOutClient"]


class AsyncSignOutClient:
    """Signs users of Amazon Cognito user pools out of all devices, from asyncio: :class:`SignOutClient` with ``await``.

    It takes the same arguments, and decides everything in the same way. What may take its time (reading files,
    importing botocore, resolving and refreshing credentials) is done in a thread, so that the event loop is not
    blocked; a call's ``timeout`` bounds that too.

    One client may be shared by all tasks of an event loop, and used in one event loop after the other, or in those of
    several threads at once. Close it with :meth:`aclose`, or use it with ``async with``.

    Args:
        region_name: The region of every call. Default: the one of the ``Config``, else the one that the pool's
            id begins with, else the configured one.
        endpoint_url: Where to send requests instead of AWS, such as ``http://localhost:5000``.
        profile_name: The profile of the shared AWS files. Default: the environment's.
        verify: ``False`` to not verify certificates, or the path of a CA bundle. Default: as boto3.
        session: A ``botocore.session.Session`` or a ``boto3.Session`` to take all that from.
        credentials: Whatever has botocore's ``get_frozen_credentials()``, or ``access_key``, ``secret_key`` and
            ``token``. Default: the session's.
        config: A ``botocore.config.Config``.
        transport: Who sends the requests: an :class:`~cognito_signout.transports.AsyncTransport`. It is the
            caller's to close. Default: a pool of HTTP/1.1 connections.

    Raises:
        ConfigurationError: Arguments contradict each other, or are of no use here: an async session, a
            ``Config`` field that can't be honoured.

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
        self._start()
        forks.register(self)

    async def sign_out(
        self, *, user_pool_id: str, username: str, timeout: float | timedelta | None = None
    ) -> SignOutResult:
        """Signs a user out of all devices: revokes every refresh token issued to the user so far.

        What that ends and what it leaves to expire, the arguments, the result and the errors are those of
        :meth:`SignOutClient.sign_out`. Cancelling the call releases its connection; the service may have signed the
        user out by then.

        Args:
            user_pool_id: The id of the pool, such as ``us-east-1_Ab129faBb``.
            username: The user's name, one of its aliases, or its ``sub``.
            timeout: How long the whole call may take, resolving credentials and the name of the endpoint included:
                in seconds, or a ``timedelta``. Default: no bound beside the connect and read time-outs of the
                ``Config``.

        Raises:
            SignOutError: One of its subclasses, as :meth:`SignOutClient.sign_out` lists them.
        """
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
        timeout: float | timedelta | None = None,
    ) -> AsyncGenerator[SignOutOutcome, None]:
        """Signs out any number of users, as fast as the account's quota lets it, and yields what came of each.

        As :meth:`SignOutClient.sign_out_many`, for ``async for``, each call in a task. To leave the iterator early,
        use ``contextlib.aclosing``, which cancels what is in flight.

        Args:
            user_pool_id: The id of the pool.
            usernames: Names, aliases or ``sub`` of users: an iterable, or an async one.
            max_rate: How many requests may be sent in a second, retries included. Default: as many as the service
                takes.
            max_concurrency: How many users may be in hand: in flight, or waiting to be yielded.
                With more than 10, give the client a ``Config(max_pool_connections=…)`` of as many: connections
                beyond that are opened, but not kept.
            timeout: How long it may take with one user, from the first request on: in seconds, or a
                ``timedelta``. Default: no bound.

        Raises:
            ValidationError: An argument can't be right; at the call.
            SignOutError: What would befall all users alike, as for the blocking client, and likewise a
                :class:`ConfigurationError`; while iterating, when those in flight were yielded.

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
        from ._bulk.pacing import Pacer
        from ._bulk.progress import check_arguments
        from ._bulk.tasks import in_tasks

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

        return in_tasks(sign_out, usernames, max_concurrency=max_concurrency)

    async def aclose(self) -> None:
        """Closes the connections, but not a transport that was passed in. A later call opens new ones."""
        await self._own_runtime.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _after_fork(self) -> None:
        """In a forked child: starts again. What the parent used belongs to the parent's event loop."""
        forks.inherited.append(self._own_runtime)
        self._start()

    def _start(self) -> None:
        from ._runtime.asynchronous import AsyncioRuntime  # which imports asyncio

        self._own_runtime = AsyncioRuntime(self._options, self._transport)

    def _runtime(self) -> AsyncRuntime:
        replacement = substitute()
        return self._own_runtime if replacement is None else replacement.asynchronous(self, self._options)


async def _drive(flow: Flow, runtime: AsyncRuntime) -> SignOutResult:
    """Does what the flow asks for, until it is done."""
    flow = observed(flow)
    try:
        step = next(flow)
        while True:
            try:
                answer = await _perform(step, runtime)
            except Exception as error:  # noqa: BLE001 -- the flow decides what becomes of it
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        return result
    finally:
        flow.close()  # now, and not when somebody lets go of the traceback


async def _perform(step: Step, runtime: AsyncRuntime) -> object:
    if isinstance(step, Send):
        return await runtime.send(step.request, step.settings, step.timeout)
    if isinstance(step, Configure):
        return await runtime.settings(step.user_pool_id, step.timeout)
    if isinstance(step, Authenticate):
        return await runtime.credentials(step.refused, step.timeout)
    await runtime.sleep(step.seconds)
    return None
