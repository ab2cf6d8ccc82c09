"""``FakeCognito``: set-up, faults and assertions.

It combines the service of :mod:`._service` and the users of :mod:`._users` with faults, throttling, a record of
requests and a clock. A client uses it through its runtime: requests are built, signed and read as for AWS, and waiting
moves the fake's clock, so that no test waits.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from attrs import define, field, frozen

from .. import errors
from .._call import protocol
from .._concurrency import forks
from .._config.credentials import Credentials
from .._config.options import Options
from ..transports import HttpResponse
from ._keys import jwks
from ._runtime import Activation, FakeAsyncClient, FakeClient, FakeRuntime
from ._service import TOKEN_VALIDITY, Service, ServiceRefusal, answer, arguments_of, operation_of
from ._users import Clock, Directory, Ids, Tokens, User, UserPool, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._config.botocore import BotocoreConfig, FrozenCredentialsSource, StaticCredentials
    from ..aio import AsyncSignOutClient
    from ..client import SignOutClient
    from ..transports import HttpRequest

#: The app client of sign-ins that name none.
CLIENT_ID = "1fakeclient0123456789abcde"
#: The maximum number of requests that are recorded.
MAX_REQUESTS = 20_000
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
    errors.AccessDeniedError: "AccessDeniedException",
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


class _Fault(NamedTuple):
    """How a request fails."""

    kind: str
    message: str | None


#: How late the request of a thread may be, in seconds.
_MAX_LAG = 60.0


@define
class _Throttle:
    """A token bucket, on the fake's clock."""

    rate: float
    burst: float
    tokens: float
    at: float

    def admits(self, now: float) -> bool:
        # A time a little before the last one is from a thread that is late. A time long before: the clock was set back.
        elapsed = 0.0 if self.at - _MAX_LAG < now < self.at else max(0.0, now - self.at)
        self.tokens = min(self.burst, self.tokens + elapsed * self.rate)
        self.at = max(self.at, now) if now > self.at - _MAX_LAG else now
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
        self._start = now
        self._lock = threading.RLock()
        self._runtimes: WeakKeyDictionary[object, FakeRuntime] = WeakKeyDictionary()
        self.reset()
        forks.register(self)

    def reset(self) -> None:
        """Removes all pools, users, tokens, recorded requests, faults and limits.

        Sets the clock back to ``now``, if it was given.
        """
        with self._lock:
            if self._start is not None:
                self._clock.reset()
            self._directory = Directory(self._clock, Ids(None if self._start is None else 0))
            self._service = Service(self._directory, access_key=self.access_key, secret_key=self.secret_key)
            self._latency = timedelta(0)
            self._throttle: _Throttle | None = None
            self._faults: deque[_Fault] = deque()
            self._requests: deque[RecordedRequest] = deque(maxlen=MAX_REQUESTS)

    def __deepcopy__(self, memo: dict[int, Any]) -> FakeCognito:
        """A fake with the same state. Clients stay with the original."""
        twin = type(self)(access_key=self.access_key, secret_key=self.secret_key, now=self._start)
        with self._lock:
            for name in ("_clock", "_directory", "_latency", "_throttle", "_faults", "_requests"):
                setattr(twin, name, copy.deepcopy(getattr(self, name), memo))
        twin._service = Service(twin._directory, access_key=self.access_key, secret_key=self.secret_key)  # noqa: SLF001
        return twin

    def __repr__(self) -> str:
        with self._lock:
            users = sum(len(pool.all_users) for pool in self._directory.pools.values())
            pools = len(self._directory.pools)
        return f"{type(self).__name__}(pools={pools}, users={users}, requests={len(self._requests)})"

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

    def add_user(
        self, *, user_pool_id: str, username: str, aliases: Iterable[str] = (), password: str | None = None
    ) -> None:
        """Adds a user, and the pool if the fake has none with this ID.

        Args:
            user_pool_id: The pool.
            username: The user's name.
            aliases: Other names of the user, such as an email address or a telephone number. An alias of another user
                moves to this one, as at AWS with ``ForceAliasCreation``: an alias belongs to the user who verified it
                last.
            password: The password for sign-ins over HTTP. Default: any password is accepted.

        Raises:
            ValidationError: A name breaks the service's constraints.
            ValueError: The pool has a user with this username, or an alias is the username or ``sub`` of another user.
        """
        names = list(aliases)
        protocol.check_user_pool_id(user_pool_id)
        for name in (username, *names):
            protocol.check_username(name)
        with self._lock:
            now = self._clock.now()
            user = User(username, self._directory.ids.uuid(), now, aliases=names, password=password)
            self._add_pool(user_pool_id).add(user)

    def add_users(self, *, user_pool_id: str, usernames: Iterable[str]) -> None:
        """Adds a batch of users. See :meth:`add_user`."""
        for username in usernames:
            self.add_user(user_pool_id=user_pool_id, username=username)

    def disable_user(self, *, user_pool_id: str, username: str) -> None:
        """Disables a user, as ``AdminDisableUser`` does: new sign-ins are refused, and all tokens are revoked.

        Raises:
            LookupError: There is no such user.
        """
        with self._lock:
            _, user = self._find(user_pool_id, username)
            user.enabled = False
            user.revoke()

    def sign_in(
        self,
        *,
        user_pool_id: str,
        username: str,
        validity: timedelta = TOKEN_VALIDITY,
        client_id: str = CLIENT_ID,
        hosted_ui: bool = False,
    ) -> Tokens:
        """Signs a user in, on another device.

        Args:
            user_pool_id: The pool.
            username: The user's name, an alias, or the ``sub``.
            validity: How long the access and ID token are valid. Default: an hour, as Cognito's.
            client_id: The app client, for the claims ``client_id`` and ``aud``.
            hosted_ui: Whether the user signs in through the hosted UI, and so gets its cookie.

        Raises:
            LookupError: There is no such user.
            ValueError: The user is disabled.
        """
        with self._lock:
            pool, user = self._find(user_pool_id, username)
            if not user.enabled:
                raise ValueError(f"the user {username!r} is disabled, so Cognito refuses the sign-in")
            return self._directory.sign_in(pool, user, validity=validity, client_id=client_id, hosted_ui=hosted_ui)

    def jwks(self, user_pool_id: str) -> dict[str, list[dict[str, str]]]:
        """The public keys of a pool, as at ``/{pool id}/.well-known/jwks.json``, to verify tokens in process.

        The private keys are public, too: anyone can forge tokens of a fake.

        Raises:
            LookupError: There is no such pool.
        """
        if user_pool_id not in self._directory.pools:
            raise LookupError(f"the fake has no pool {user_pool_id}: call add_user_pool() or add_user() first")
        return jwks()

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

    def fail(self, error: type[errors.SignOutError] | str, *, times: int = 1, message: str | None = None) -> None:
        """Makes the next requests fail. The faults of earlier calls of this method come first.

        Args:
            error: One of this library's error classes; an AWS code, such as ``"ThrottlingException"``; or a fault of
                the transport: ``"refused"``, ``"reset"``, ``"timeout"``, ``"truncated"`` (the service performs the
                operation, and the response is cut off), ``"garbage"``, ``"html"`` (a page with status 200).
            times: The number of requests. A client that retries makes several requests in a call.
            message: The message of the service. Default: AWS's, or one that says that this is a fake.

        Raises:
            ValueError: A request can't end in this error, or ``times`` is below 1.
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
            self._faults.extend([_Fault(fault, message)] * times)

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
        """Fails unless the user was signed out, under any of the user's names.

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
        timeout: float | timedelta | None = None,
    ) -> SignOutClient:
        """A client that uses this fake, independent of the environment and of other active fakes.

        Args:
            region_name: The region of every call. Default: the region in the pool ID.
            credentials: The credentials to sign with. Default: the fake's own.
            config: A ``botocore.config.Config``. Only ``region_name``, ``retries`` and ``read_timeout`` have an effect.
            timeout: The limit for each call, on the fake's clock: see :class:`~cognito_signout.SignOutClient`.
        """
        options = Options(region_name=region_name, credentials=credentials, config=config)
        return FakeClient(self._new_runtime(options, credentials), options, timeout)

    def async_client(
        self,
        *,
        region_name: str | None = None,
        credentials: FrozenCredentialsSource | StaticCredentials | None = None,
        config: BotocoreConfig | None = None,
        timeout: float | timedelta | None = None,
    ) -> AsyncSignOutClient:
        """The same for asyncio: an :class:`~cognito_signout.AsyncSignOutClient`."""
        options = Options(region_name=region_name, credentials=credentials, config=config)
        return FakeAsyncClient(self._new_runtime(options, credentials), options, timeout)

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
        runtime.synchronize()
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
                the operation when the wait ends. Default: no limit.
            sent_at: The time when the request was sent, in seconds since the epoch, by the fake's clock. Other threads
                may have moved the clock since. Default: now.
        """
        sent_at = self._clock.now() if sent_at is None else sent_at
        with self._lock:
            latency = self._latency.total_seconds()
            fault, message = self._faults.popleft() if self._faults else (None, None)
            request_id = self._directory.ids.uuid()
            is_late = patience is not None and latency > patience
            waits = patience if patience is not None and (is_late or fault == "timeout") else latency
            moment = self._clock.advance_to(sent_at + waits)
            if fault == "html":
                self._record(request, fault)
                return _PAGE
            if fault in TRANSPORT_FAULTS and not TRANSPORT_FAULTS[fault]:
                self._record(request, fault)
                return fault
            code = "late" if is_late and fault is None else fault
            try:
                response = answer(moment, request_id, self._serve(request, fault, message, sent_at))
            except ServiceRefusal as refusal:
                code = refusal.code
                response = answer(moment, request_id, refusal=refusal)
            self._record(request, code)
            if is_late:
                return "late"
            return response if fault is None or fault[0].isupper() else fault

    def _serve(self, request: HttpRequest, fault: str | None, message: str | None, sent_at: float) -> Mapping[str, Any]:
        if fault is not None and fault[0].isupper():
            raise ServiceRefusal(fault, message or _MESSAGES.get(fault, "The fake was told to fail."))
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

    def _find(self, user_pool_id: str, username: str) -> tuple[UserPool, User]:
        pool = self._directory.pools.get(user_pool_id)
        user = pool.users.get(username) if pool is not None else None
        if pool is None or user is None:
            raise LookupError(f"the fake has no user {username!r} in {user_pool_id}: call add_user() first")
        return pool, user

    def _add_pool(self, user_pool_id: str) -> UserPool:
        return self._directory.pools.setdefault(user_pool_id, UserPool(user_pool_id))
