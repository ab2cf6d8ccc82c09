"""The blocking client, and the driver that runs a call's flow for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ._call import flow as _flow
from ._call.steps import Authenticate, Configure, Flow, Send, Step
from ._call.telemetry import observed
from ._concurrency import forks
from ._config.options import Options
from ._runtime import Stopped, substitute
from ._runtime.blocking import BlockingRuntime
from .errors import ConfigurationError, SignOutError

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Generator, Iterable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from ._config.botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
    from ._runtime import Runtime
    from .models import SignOutOutcome, SignOutResult
    from .transports import Transport

__all__ = ["SignOutClient"]


class SignOutClient:
    """Signs users of Amazon Cognito user pools out of all devices (``AdminUserGlobalSignOut``).

    Credentials, region, endpoint, TLS, proxies and attempts are what a boto3 client would use in the same
    environment. Nothing is resolved, and botocore is not imported, before the first call. One client may be
    shared between threads, serves pools of every region, and makes itself new connections in a forked child.

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
        transport: Who sends the requests. It is the caller's to close. Default: a pool of HTTP/1.1 connections.

    Raises:
        ConfigurationError: Arguments contradict each other, or are of no use here: an async session, a
            ``Config`` field that can't be honoured.

    See https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUserGlobalSignOut.html

    >>> from cognito_signout import SignOutClient
    >>> client = SignOutClient(region_name="eu-central-1")
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
        transport: Transport | None = None,
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
        if transport is not None and not (hasattr(transport, "send") and hasattr(transport, "close")):
            raise ConfigurationError("transport must have send(request, *, timeout) and close()")
        if inspect.iscoroutinefunction(getattr(transport, "send", None)):
            raise ConfigurationError("transport is an async one; give it to an AsyncSignOutClient")
        self._transport = transport
        self._after_fork()
        forks.register(self)

    def sign_out(self, *, user_pool_id: str, username: str, timeout: float | timedelta | None = None) -> SignOutResult:
        """Signs a user out of all devices: revokes every refresh token issued to the user so far.

        Access and ID tokens already issued stay valid for whoever verifies them offline until they expire (see
        :meth:`SignOutResult.tokens_expire_by` and :meth:`SignOutResult.revokes`), and a hosted-UI cookie can
        still fetch new ones for an hour. Signing a user out twice is harmless.

        Args:
            user_pool_id: The id of the pool, such as ``us-east-1_Ab129faBb``.
            username: The user's name, one of its aliases, or its ``sub``.
            timeout: How long the whole call may take, attempts and the pauses between them together: in
                seconds, or a ``timedelta``. Default: no bound beside the connect and read time-outs of the
                ``Config``. Looking up the endpoint's name and resolving credentials can't be interrupted.

        Returns:
            When the service did it, and the id it did it under.

        Raises:
            ValidationError: An argument breaks the service's constraints.
            CredentialsError: There are no usable AWS credentials.
            ConfigurationError: There is no region, or something that botocore would choke on.
            SignOutConnectionError: No response was had, in as many attempts as were allowed.
            SignOutTimeoutError: It took too long. Where there was no time for another attempt, the error of
                the last one is raised instead.
            InvalidResponseError: Whatever answered, it was not the service.
            ServiceError: The service answered, and said no. See its subclasses.
        """
        runtime = self._runtime()
        return _drive(
            _flow.sign_out(runtime, runtime.shared, user_pool_id=user_pool_id, username=username, timeout=timeout),
            runtime,
        )

    def sign_out_many(
        self,
        *,
        user_pool_id: str,
        usernames: Iterable[str],
        max_rate: float | None = None,
        max_concurrency: int = 10,
        timeout: float | timedelta | None = None,
    ) -> Generator[SignOutOutcome, None, None]:
        """Signs out any number of users, as fast as the account's quota lets it, and yields what came of each.

        Nothing happens before the first outcome is asked for, and no more than ``max_concurrency`` usernames are
        held at a time: ``usernames`` may be a generator over millions. Outcomes come as they are there, not in
        order. No error of one user ends it. When the service throttles, all requests slow down, and whoever was
        throttled is tried again, for as long as it takes: processes that share a quota come to share it evenly.
        Leaving the iterator early stops the work: use ``contextlib.closing`` where that may happen. It waits for the
        requests that are under way; whoever was not yielded by then may or may not have been signed out. While it
        waits for the next username, it yields nothing.

        Args:
            user_pool_id: The id of the pool.
            usernames: Names, aliases or ``sub`` of users. Pulled by whoever consumes the outcomes.
            max_rate: How many requests may be sent in a second, retries included. Default: as many as the service
                takes. Where others live on the same quota, leave them some of it.
            max_concurrency: How many users may be in hand: in flight in a thread each, or waiting to be yielded.
                With more than 10, give the client a ``Config(max_pool_connections=…)`` of as many: connections
                beyond that are opened, but not kept.
            timeout: How long it may take with one user, from the first request on: in seconds, or a
                ``timedelta``. Default: no bound.

        Returns:
            An iterator over a :class:`SignOutResult` or a :class:`SignOutError` for each username, both with the
            ``username`` they are about.

        Raises:
            ValidationError: An argument can't be right. A username that breaks the constraints is an outcome.
            ConfigurationError: As for :meth:`sign_out`.
            CredentialsError: There are no usable credentials, which would befall all users alike. So would
                :class:`AuthenticationError`, :class:`NotAuthorizedError`, :class:`ResourceNotFoundError` and
                :class:`OperationNotEnabledError`: no more users are begun, those in flight are yielded, and then
                the error is raised. Its ``username`` is whose it was.

        >>> from cognito_signout.testing import FakeCognito
        >>> fake = FakeCognito()
        >>> fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
        >>> outcomes = fake.client().sign_out_many(user_pool_id="us-east-1_Test00001", usernames=["alice", "bob"])
        >>> sorted((outcome.username, type(outcome).__name__) for outcome in outcomes)
        [('alice', 'SignOutResult'), ('bob', 'UserNotFoundError')]
        """
        import threading

        from ._bulk.pacing import Pacer
        from ._bulk.progress import check_arguments
        from ._bulk.threads import in_threads

        check_arguments(
            user_pool_id=user_pool_id,
            usernames=usernames,
            max_rate=max_rate,
            max_concurrency=max_concurrency,
            timeout=timeout,
        )
        runtime = self._runtime()
        runtime.settings(user_pool_id)  # which raises what would befall every user
        pacer = Pacer(max_rate)
        stop = threading.Event()

        def sign_out(username: str) -> SignOutOutcome:
            flow = _flow.sign_out(
                runtime, runtime.shared, user_pool_id=user_pool_id, username=username, timeout=timeout, pacer=pacer
            )
            try:
                return _drive(flow, runtime, stop)
            except SignOutError as error:
                return error

        return in_threads(sign_out, usernames, max_concurrency=max_concurrency, stop=stop)

    def close(self) -> None:
        """Closes the idle connections, but not a transport that was passed in. A later call opens new ones."""
        self._own_runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _after_fork(self) -> None:
        """In a forked child: starts again. Sockets are the parent's, and locks may have been held."""
        self._own_runtime = BlockingRuntime(self._options, self._transport)

    def _runtime(self) -> Runtime:
        replacement = substitute()
        return self._own_runtime if replacement is None else replacement.blocking(self, self._options)


def _drive(flow: Flow, runtime: Runtime, stop: threading.Event | None = None) -> SignOutResult:
    """Does what the flow asks for, until it is done, or until it is to stop."""
    flow = observed(flow)
    try:
        step = next(flow)
        while True:
            try:
                answer = _perform(step, runtime, stop)
            except Exception as error:  # noqa: BLE001 -- the flow decides what becomes of it
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        return result
    finally:
        flow.close()  # now, and not when somebody lets go of the traceback


def _perform(step: Step, runtime: Runtime, stop: threading.Event | None) -> object:
    if stop is not None and stop.is_set():
        raise Stopped
    if isinstance(step, Send):
        return runtime.send(step.request, step.settings, step.timeout)
    if isinstance(step, Configure):
        return runtime.settings(step.user_pool_id)
    if isinstance(step, Authenticate):
        return runtime.credentials(step.refused)
    runtime.sleep(step.seconds, stop)
    return None
