"""The fake: its set-up, its faults, and checks for tests.

It combines the service of :mod:`._service` and the users of :mod:`._users` with faults, throttling, a record of
requests and a clock. A client uses it through its runtime: requests are built, signed and read as for AWS, and waiting
moves the fake's clock, so that no test waits.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attrs import define, field, frozen

from .. import errors
from .._call import protocol
from .._concurrency import forks
from .._config.credentials import Credentials
from .._config.options import Options
from ..models import DEFAULT_TOKEN_VALIDITY
from ..transports import HttpResponse
from ._runtime import Activation, FakeAsyncClient, FakeClient, FakeRuntime
from ._service import Service, ServiceRefusal, answer, arguments_of, operation_of
from ._users import Clock, Directory, Tokens, UserPool, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._config.botocore import BotocoreConfig, FrozenCredentialsSource, StaticCredentials
    from ..aio import AsyncSignOutClient
    from ..client import SignOutClient
    from ..transports import HttpRequest

#: The faults of the transport, and whether the service has performed the operation when they occur.
TRANSPORT_FAULTS = {
    "refused": False,
    "reset": False,
    "timeout": False,
    "truncated": True,
    "garbage": False,
    "html": False,
}
#: A page that a captive portal returns for every request.
_PAGE = HttpResponse(200, {"Content-Type": "text/html", "Content-Length": "6"}, b"<html>")

#: The AWS code, or the fault of the transport, that causes an error of each class.
_FAULT_OF_CLASS: dict[type[errors.SignOutError], str] = {
    errors.InvalidParameterError: "InvalidParameterException",
    errors.UserNotFoundError: "UserNotFoundException",
    errors.ResourceNotFoundError: "ResourceNotFoundException",
    errors.NotAuthorizedError: "NotAuthorizedException",
    errors.AuthenticationError: "InvalidSignatureException",
    errors.TooManyRequestsError: "TooManyRequestsException",
    errors.OperationNotEnabledError: "OperationNotEnabledException",
    errors.InternalServiceError: "InternalErrorException",
    errors.UnknownServiceError: "UnknownException",
    errors.InvalidResponseError: "html",
    errors.SignOutConnectionError: "reset",
    errors.SignOutTimeoutError: "timeout",
}
_MESSAGES = {
    "UserNotFoundException": "User does not exist.",
    "TooManyRequestsException": "Too many requests",
    "InternalErrorException": "Something went wrong",
}


@frozen
class RecordedRequest:
    """A request that reached the fake, and its result.

    Attributes:
        operation: The operation, such as ``AdminUserGlobalSignOut``.
        user_pool_id: The pool in the request, if there is one.
        username: The username in the request, if there is one. It is not in ``repr``.
        code: The AWS error code of the response; the fault of the transport; ``late`` if the client did not wait for
            the response; ``None`` for a success.
        at: The time of the request, by the fake's clock.
        request: The request itself.
    """

    operation: str
    user_pool_id: str | None
    username: str | None = field(repr=False)
    code: str | None
    at: datetime
    request: HttpRequest = field(repr=False)


@define
class _Throttle:
    """A token bucket, on the fake's clock."""

    rate: float
    burst: float
    tokens: float
    at: float

    def admits(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = max(self.at, now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class FakeCognito:
    """Cognito user pools in memory, for tests.

    Args:
        access_key: The access key ID that the fake accepts.
        secret_key: The secret access key that belongs to it.
        now: The time of the clock, until :meth:`advance` or a waiting client moves it. Default: the real time, which
            moves by itself.

    Raises:
        ValueError: ``now`` has no time zone.

    Safe to share between threads.

    >>> fake = FakeCognito()
    >>> fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
    >>> tokens = fake.sign_in(user_pool_id="us-east-1_Test00001", username="alice")
    >>> result = fake.client().sign_out(user_pool_id="us-east-1_Test00001", username="alice")
    >>> tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline
    (False, False, True)
    """

    def __init__(
        self,
        *,
        access_key: str = "AKIAFAKECOGNITO00000",
        secret_key: str = "fake-secret-key-of-the-fake-cognito-0000",  # noqa: S107 -- it gives access to nothing
        now: datetime | None = None,
    ) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        if now is not None and now.utcoffset() is None:
            raise ValueError("now needs a time zone")
        self._clock = Clock(now)
        self._directory = Directory(self._clock)
        self._service = Service(self._directory, access_key=access_key, secret_key=secret_key)
        self._lock = threading.RLock()
        self._latency = timedelta(0)
        self._throttle: _Throttle | None = None
        self._faults: deque[str] = deque()
        self._requests: list[RecordedRequest] = []
        self._runtimes: WeakKeyDictionary[object, FakeRuntime] = WeakKeyDictionary()
        forks.register(self)

    def _after_fork(self) -> None:
        """In a forked child: makes new locks. Those of the parent may have been held."""
        self._lock = threading.RLock()
        self._clock.lock = threading.RLock()

    # -- users

    def add_user_pool(self, user_pool_id: str) -> None:
        """Adds a user pool, unless the fake has one with this ID.

        Raises:
            ValidationError: The ID breaks the service's constraints.
        """
        protocol.check_user_pool_id(user_pool_id)
        with self._lock:
            self._add_pool(user_pool_id)

    def add_user(self, *, user_pool_id: str, username: str, aliases: Iterable[str] = ()) -> None:
        """Adds a user, and the pool if the fake has none with this ID.

        Args:
            user_pool_id: The pool.
            username: The user's name.
            aliases: Other names of the user, such as an email address or a telephone number.

        Raises:
            ValidationError: A name breaks the service's constraints.
            ValueError: The pool has a user with one of these names already.
        """
        names = list(aliases)
        protocol.check_user_pool_id(user_pool_id)
        for name in (username, *names):
            protocol.check_username(name)
        with self._lock:
            self._add_pool(user_pool_id).add(username, names)

    def sign_in(
        self,
        *,
        user_pool_id: str,
        username: str,
        validity: timedelta = DEFAULT_TOKEN_VALIDITY,
        hosted_ui: bool = False,
    ) -> Tokens:
        """Signs a user in, on another device.

        Args:
            user_pool_id: The pool.
            username: The user's name, an alias, or the ``sub``.
            validity: How long the access and ID token are valid. Default: an hour, as Cognito's.
            hosted_ui: Whether the user signs in through the hosted UI, and so gets its cookie.

        Raises:
            LookupError: There is no such user.
        """
        with self._lock:
            pool = self._directory.pools.get(user_pool_id)
            user = pool.users.get(username) if pool is not None else None
            if pool is None or user is None:
                raise LookupError(f"the fake has no user {username!r} in {user_pool_id}: add_user() first")
            return self._directory.sign_in(pool, user, validity=validity, hosted_ui=hosted_ui)

    # -- time

    @property
    def now(self) -> datetime:
        """The time of the fake's clock, in UTC."""
        return utc(self._clock.now())

    def advance(self, time: timedelta) -> None:
        """Moves the fake's clock forward, at once.

        Raises:
            ValueError: ``time`` is negative.
        """
        if time < timedelta(0):
            raise ValueError("time can't be moved back")
        with self._lock:
            self._clock.advance(time.total_seconds())

    @property
    def latency(self) -> timedelta:
        """The response time of the fake by its own clock, so that no test waits for it. It is zero by default."""
        return self._latency

    @latency.setter
    def latency(self, latency: timedelta) -> None:
        if latency < timedelta(0):
            raise ValueError("latency can't be negative")
        self._latency = latency

    # -- faults

    def fail(self, error: type[errors.SignOutError] | str, *, times: int = 1) -> None:
        """Makes the next requests fail, after those of earlier calls of this method.

        Args:
            error: One of this library's error classes; an AWS code, such as ``"ThrottlingException"``; or a fault of
                the transport: ``"refused"``, ``"reset"``, ``"timeout"``, ``"truncated"`` (the service performs the
                operation, and the response is cut off), ``"garbage"``, ``"html"`` (a page with status 200).
            times: The number of requests. A client that retries makes several requests in a call.

        Raises:
            ValueError: A request can't end in this error.
        """
        fault = error if isinstance(error, str) else _FAULT_OF_CLASS.get(error, "")
        if fault not in TRANSPORT_FAULTS and not fault[:1].isupper():
            kinds = ", ".join(repr(kind) for kind in TRANSPORT_FAULTS)
            raise ValueError(
                f"{error!r} is not one of {kinds}, an AWS error code or an error class that a request can end in"
            )
        if times < 1:
            raise ValueError("times must be 1 or more")
        with self._lock:
            self._faults.extend([fault] * times)

    def throttle(self, *, rate: float, burst: float = 1) -> None:
        """Refuses sign-outs beyond a rate with ``TooManyRequestsException``, as AWS does beyond the quota.

        Args:
            rate: Sign-outs a second, by the fake's clock.
            burst: The number of sign-outs that may come at once.

        Raises:
            ValueError: The rate is not positive, or the burst is below 1.
        """
        if rate <= 0 or burst < 1:
            raise ValueError("rate must be positive, and burst 1 or more")
        with self._lock:
            self._throttle = _Throttle(rate, burst, burst, self._clock.now())

    # -- checks

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that have reached the fake, oldest first."""
        with self._lock:
            return list(self._requests)

    def assert_signed_out(self, *, user_pool_id: str, username: str, times: int | None = None) -> None:
        """Fails unless the user was signed out, by any of the user's names.

        Args:
            user_pool_id: The pool.
            username: The user's name, an alias, or the ``sub``.
            times: The exact number of sign-outs. Default: at least one.

        Raises:
            AssertionError: The user was not signed out as expected. The message says what happened instead.
        """
        with self._lock:
            pool = self._directory.pools.get(user_pool_id)
            user = pool.users.get(username) if pool is not None else None
            count = user.times_signed_out if user is not None else 0
        if user is None or (count == 0 if times is None else count != times):
            expected = "signed out" if times is None else f"signed out {times} time{'s' * (times != 1)}"
            found = "the fake has no such user" if user is None else f"was signed out {count} time{'s' * (count != 1)}"
            raise AssertionError(
                f"{username!r} in {user_pool_id} should have been {expected}; {found}. {self._story()}"
            )

    def assert_no_requests(self) -> None:
        """Fails if a request reached the fake.

        Raises:
            AssertionError: A request reached the fake. The message names it.
        """
        if self._requests:
            raise AssertionError(f"there should have been no requests. {self._story()}")

    # -- clients

    def client(
        self,
        *,
        region_name: str | None = None,
        credentials: FrozenCredentialsSource | StaticCredentials | None = None,
        config: BotocoreConfig | None = None,
    ) -> SignOutClient:
        """A client that uses this fake, independent of the environment and of other active fakes.

        Args:
            region_name: The region of every call. Default: the region in the pool ID.
            credentials: The credentials to sign with. Default: the fake's own.
            config: A ``botocore.config.Config``. Only ``region_name``, ``retries`` and ``read_timeout`` have an effect.
        """
        options = Options(region_name=region_name, credentials=credentials, config=config)
        return FakeClient(self._new_runtime(options, credentials))

    def async_client(
        self,
        *,
        region_name: str | None = None,
        credentials: FrozenCredentialsSource | StaticCredentials | None = None,
        config: BotocoreConfig | None = None,
    ) -> AsyncSignOutClient:
        """The same for asyncio: an :class:`~cognito_signout.AsyncSignOutClient`."""
        options = Options(region_name=region_name, credentials=credentials, config=config)
        return FakeAsyncClient(self._new_runtime(options, credentials))

    def activate(self) -> Activation[FakeCognito]:
        """Makes every ``SignOutClient`` and ``AsyncSignOutClient`` in the process use this fake, existing ones
        included.

        boto3's clients still call AWS. For them, use a :class:`FakeCognitoServer`.

        This is a context manager, and a decorator of functions and async functions. It works in all threads and with
        any credentials, region and profile in the environment. It can be nested: the innermost fake responds.
        """
        return Activation(self, self._runtime_of)

    def _runtime_of(self, client: object, options: Options) -> FakeRuntime:
        with self._lock:
            runtime = self._runtimes.get(client)
            if runtime is None:
                runtime = self._runtimes[client] = self._new_runtime(options, None)
            return runtime

    def _new_runtime(self, options: Options, credentials: object | None) -> FakeRuntime:
        keys = credentials if credentials is not None else Credentials(self.access_key, self.secret_key)
        return FakeRuntime(options, keys, clock=self._clock, exchange=self.exchange)

    # -- requests

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """The response to a request, or one of the faults of :meth:`fail`. The clients and the server call it.

        Args:
            request: The request.
            patience: The maximum wait for the response, in seconds of the fake's clock. The service may have performed
                the operation when it ends. Default: no limit.
            sent_at: The time when the request was sent, in seconds since the epoch, by the fake's clock. Other threads
                may have moved the clock since. Default: now.
        """
        sent_at = self._clock.now() if sent_at is None else sent_at
        with self._lock:
            latency = self._latency.total_seconds()
            fault = self._faults.popleft() if self._faults else None
            is_late = patience is not None and latency > patience
            waits = patience if patience is not None and (is_late or fault == "timeout") else latency
            self._clock.advance_to(sent_at + waits)
            if fault == "html":
                self._record(request, fault)
                return _PAGE
            if fault in TRANSPORT_FAULTS and not TRANSPORT_FAULTS[fault]:
                self._record(request, fault)
                return fault
            code = "late" if is_late and fault is None else fault
            try:
                response = answer(self._clock.now(), self._serve(request, fault, sent_at))
            except ServiceRefusal as refusal:
                code = refusal.code
                response = answer(self._clock.now(), refusal=refusal)
            self._record(request, code)
            if is_late:
                return "late"
            return response if fault is None or fault[0].isupper() else fault

    def _serve(self, request: HttpRequest, fault: str | None, sent_at: float) -> Mapping[str, Any]:
        if fault is not None and fault[0].isupper():
            raise ServiceRefusal(fault, _MESSAGES.get(fault, "The fake was told to fail."))
        is_sign_out = operation_of(request) == "AdminUserGlobalSignOut"
        if is_sign_out and self._throttle is not None and not self._throttle.admits(sent_at):
            raise ServiceRefusal("TooManyRequestsException", _MESSAGES["TooManyRequestsException"])
        return self._service.serve(request, sent_at)

    def _record(self, request: HttpRequest, code: str | None) -> None:
        arguments = arguments_of(request)
        names = [arguments.get(name) for name in ("UserPoolId", "Username")]
        user_pool_id, username = (name if isinstance(name, str) else None for name in names)
        self._requests.append(RecordedRequest(operation_of(request), user_pool_id, username, code, self.now, request))

    def _story(self) -> str:
        requests = self.requests
        if not requests:
            return "No request reached the fake."
        lines = [
            f"  {entry.operation or '?'} of {entry.username!r} in {entry.user_pool_id}: {entry.code or 'done'}"
            for entry in requests[-20:]
        ]
        return "\n".join((f"Of {len(requests)} requests, the last {len(lines)}:", *lines))

    def _add_pool(self, user_pool_id: str) -> UserPool:
        return self._directory.pools.setdefault(user_pool_id, UserPool(user_pool_id))
