"""The blocking client, which gets a new runtime in a forked child, and the driver that performs a call's steps."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ._call import flow as _flow
from ._call.telemetry import observed
from ._concurrency import forks
from ._config.options import Options
from ._runtime import perform, substitute
from ._runtime.blocking import BlockingRuntime
from .errors import ConfigurationError, SignOutError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from ._bulk.outcomes import SignOutOutcomes
    from ._bulk.threads import Run
    from ._call.steps import Flow
    from ._config.botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
    from ._runtime import Runtime
    from .models import SignOutOutcome, SignOutResult
    from .transports import Transport

__all__ = ["SignOutClient"]


class SignOutClient:
    """Signs users of Amazon Cognito user pools out of all devices (``AdminUserGlobalSignOut``).

    Credentials, region, endpoint, TLS, proxies and attempts are what a boto3 client would use in the same
    environment. Nothing is resolved, and botocore is not imported, before the first call. A client can be
    shared between threads, serves pools of every region, and opens new connections in a forked child.

    Args:
        region_name: The region of every call. Default: ``region_name`` of the ``Config``; then the region in the
            pool ID; then the configured region.
        endpoint_url: The URL to send requests to instead of AWS, such as ``http://localhost:5000``.
        profile_name: The profile of the shared AWS files. Default: the profile that the environment names.
        verify: ``False`` to skip the verification of certificates, or the path of a CA bundle. Default: as boto3.
        session: A ``botocore.session.Session`` or a ``boto3.Session`` that provides the configuration.
        credentials: An object with botocore's ``get_frozen_credentials()``, or with ``access_key``, ``secret_key``
            and ``token``. Default: the credentials of the session.
        config: A ``botocore.config.Config``.
        transport: The :class:`~cognito_signout.transports.Transport` that sends the requests. The caller closes it.
            Default: an :class:`~cognito_signout.transports.HttpTransport`.
        timeout: The limit for each call, unless the call has its own: in seconds, or a ``timedelta``. Default: no limit
            except the connect and read time-outs of the ``Config``, so a call may take 3 minutes if nothing answers.

    Raises:
        ValidationError: ``timeout`` is not a positive number.
        ConfigurationError: Arguments contradict each other or are not supported: an async session, a ``Config`` field
            that can't be honoured.

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
        if transport is not None and not (hasattr(transport, "send") and hasattr(transport, "close")):
            raise ConfigurationError("transport must have send(request, *, timeout) and close()")
        if inspect.iscoroutinefunction(getattr(transport, "send", None)):
            raise ConfigurationError("transport is async; pass it to AsyncSignOutClient")
        self._transport = transport
        self._timeout = _flow.check_timeout(timeout)
        self._after_fork()
        forks.register(self)

    def sign_out(
        self, *, user_pool_id: str, username: str, timeout: float | timedelta | None = _flow.CLIENT_TIMEOUT
    ) -> SignOutResult:
        """Signs a user out of all devices: revokes every refresh token issued to the user so far.

        Access and ID tokens stay valid until they expire, for services that verify them offline: see
        :meth:`SignOutResult.tokens_expire_by` and :meth:`SignOutResult.revokes`. A hosted-UI cookie can get new tokens
        for another hour. Signing a user out twice is harmless.

        Args:
            user_pool_id: The ID of the pool, such as ``us-east-1_Ab129faBb``.
            username: The username, an alias of the user, or the ``sub``.
            timeout: The limit for the whole call, attempts and back-off together: in seconds, or a ``timedelta``.
                Default: the client's. ``None``: no limit except the connect and read time-outs of the ``Config``.
                The limit does not interrupt the DNS lookup of the endpoint or the resolution of credentials.

        Returns:
            The time of the sign-out and the service's request ID.

        Raises:
            ValidationError: An argument breaks the service's constraints.
            CredentialsError: There are no usable AWS credentials.
            ConfigurationError: There is no region, or a setting can't be used.
            SignOutConnectionError: The last attempt got no complete response.
            SignOutTimeoutError: The call took too long. If there was no time for another attempt, the error of the last
                attempt is raised instead.
            InvalidResponseError: The response did not come from Cognito.
            ServiceError: The service responded with an error. See the subclasses.
        """
        timeout = self._timeout if timeout is _flow.CLIENT_TIMEOUT else timeout
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
        timeout: float | timedelta | None = _flow.CLIENT_TIMEOUT,
    ) -> SignOutOutcomes:
        """Signs out any number of users, as fast as the account's quota allows, and yields an outcome for each.

        It is lazy: nothing is sent before the first outcome is requested, and at most ``max_concurrency`` users are
        pending at a time, so ``usernames`` may be a generator over millions. Results arrive in completion order. An
        error that affects one user does not end the run. When the service throttles, all requests slow down, and
        throttled users are retried for as long as it takes. Processes that use the same quota share it evenly.

        To stop early, close the iterator, or use it with ``with``. Closing waits for the requests in flight. A user
        whose outcome was not yielded may be signed out or not. While the iterator waits for the next username, it
        yields nothing.

        Args:
            user_pool_id: The ID of the pool.
            usernames: Usernames, aliases or ``sub`` values. They are pulled in the thread that iterates.
            max_rate: The maximum number of requests a second, retries included. Default: as many as the service
                accepts. Set it if other callers need a part of the quota.
            max_concurrency: The maximum number of pending users: those in flight, each in a thread, and those whose
                outcome is not yielded yet. Above 10, also give the client a ``Config(max_pool_connections=…)`` with
                this number, or the additional connections are not kept open.
            timeout: The limit for one user, from the first request on: in seconds, or a ``timedelta``. Default: the
                client's.

        Returns:
            An iterator over a :class:`SignOutResult` or a :class:`SignOutError` for each username. Both have the
            ``username``.

        Raises:
            ValidationError: An argument is invalid. An invalid username is an outcome instead.
            ConfigurationError: As for :meth:`sign_out`.
            CredentialsError: There are no usable credentials. This error affects every user, as do
                :class:`AuthenticationError`, :class:`AccessDeniedError`, :class:`ResourceNotFoundError` and
                :class:`OperationNotEnabledError`: no more users are started, the outcomes of pending users are yielded,
                and then the error is raised. Its ``username`` is the user that it occurred for.

        >>> from cognito_signout.testing import FakeCognito
        >>> fake = FakeCognito()
        >>> fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
        >>> outcomes = fake.client().sign_out_many(user_pool_id="us-east-1_Test00001", usernames=["alice", "bob"])
        >>> sorted((outcome.username, type(outcome).__name__) for outcome in outcomes)
        [('alice', 'SignOutResult'), ('bob', 'UserNotFoundError')]
        """
        from ._bulk.outcomes import SignOutOutcomes
        from ._bulk.pacing import Pacer
        from ._bulk.progress import Progress, check_arguments
        from ._bulk.threads import Run, in_threads

        timeout = self._timeout if timeout is _flow.CLIENT_TIMEOUT else timeout
        check_arguments(
            user_pool_id=user_pool_id,
            usernames=usernames,
            max_rate=max_rate,
            max_concurrency=max_concurrency,
            timeout=timeout,
        )
        runtime = self._runtime()
        runtime.settings(user_pool_id)  # raises configuration errors now: they affect every user
        pacer = Pacer(max_rate)
        run, progress = Run(pacer), Progress(max_concurrency, pacer)

        def flow_of(username: str) -> Flow:
            return _flow.sign_out(
                runtime, runtime.shared, user_pool_id=user_pool_id, username=username, timeout=timeout, pacer=pacer
            )

        def sign_out(username: str) -> SignOutOutcome:
            try:
                return _drive(flow_of(username), runtime, run)
            except SignOutError as error:
                return error

        simulate = runtime.simulate
        if simulate is not None:  # a fake is active
            return SignOutOutcomes(simulate(flow_of, usernames, run, progress), run)
        return SignOutOutcomes(in_threads(sign_out, usernames, run, progress), run)

    def close(self) -> None:
        """Closes the idle connections, but not a transport that was passed in. A later call opens new connections."""
        self._own_runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

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
        """In a forked child: creates a new runtime. The old one has the parent's sockets, and its locks may be held."""
        self._own_runtime = BlockingRuntime(self._options, self._transport)

    def _runtime(self) -> Runtime:
        replacement = substitute()
        return self._own_runtime if replacement is None else replacement.blocking(self, self._options)


def _drive(flow: Flow, runtime: Runtime, run: Run | None = None) -> SignOutResult:
    """Performs the steps of a flow until it ends, or until its run is stopped."""
    flow = observed(flow)
    try:
        step = next(flow)
        while True:
            try:
                answer = perform(step, runtime, run)
            except Exception as error:  # noqa: BLE001 -- the flow handles it
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        return result
    finally:
        flow.close()  # now, and not when the traceback is dropped
