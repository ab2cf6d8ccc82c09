"""The attempts of one call: sign, send, read, retry, replace the credentials, correct the clock.

A :class:`Call` yields :mod:`.steps`, and does no I/O itself. It returns a result or raises a :class:`SignOutError`,
which may not name the user yet.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

from .._config.botocore import environment_proxies, passwords_in
from .._masking import text_of
from ..errors import (
    CredentialsError,
    ResourceNotFoundError,
    SignOutConnectionError,
    SignOutError,
    SignOutTimeoutError,
    TooManyRequestsError,
)
from ..models import SignOutResult
from ..transports import HttpRequest, HttpResponse
from . import protocol, retry, signature
from .steps import Authenticate, Configure, Pause, Send

if TYPE_CHECKING:
    from collections.abc import Generator

    from .._bulk.pacing import Pacer
    from .._config.credentials import Credentials
    from .._config.settings import Settings
    from ..models import SignOutOutcome
    from .steps import Clock, Flow, Shared, Step

#: If the service's clock differs from ours by more than this, in seconds, the difference is taken as the reason for a
#: refused signature. AWS refuses dates that are 5 minutes off.
MIN_CLOCK_OFFSET = 4 * 60
#: The codes by which the service may refuse the date of a signature, and those by which it may refuse the credentials.
DATE_REFUSED = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
CREDENTIALS_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClientException",
    }
)
_NO_TIME = "the call's timeout ran out before a request could be sent"


class Call:
    """The state of one call."""

    _settings: Settings
    _credentials: Credentials
    _response: HttpResponse | None
    _offset: float  # of the last request; another call may have changed the shared offset since

    def __init__(self, clock: Clock, shared: Shared, user_pool_id: str, username: str) -> None:
        self.attempts = 0
        self._clock = clock
        self._shared = shared
        self._user_pool_id = user_pool_id
        self._username = username
        self._deadline: float | None = None
        self._counted = 0  # attempts that count
        self._cost = 0  # of the last retry
        self._keys: set[str | None] = set()  # of all requests
        self._signature = ""  # of the last request
        self._error: SignOutError | None = None  # of the last attempt
        self._invocation_id = _random_uuid()
        self._may_correct_clock = True
        self._may_replace_credentials = True

    def run(self, timeout: float | None) -> Flow:
        """Makes attempts until there is an outcome."""
        self._start(timeout)
        self._settings = yield Configure(self._user_pool_id, self._left())
        body = protocol.encode_body(self._user_pool_id, self._username)
        while True:
            outcome = yield from self._attempt(body)
            if isinstance(outcome, SignOutResult):
                self._shared.quota.release(self._cost)
                return outcome
            self._error = outcome
            can_retry_at_once = self._corrects_clock(outcome) or (yield from self._replaces_credentials(outcome))
            if not (can_retry_at_once and self._has_time_for(0.0)):
                yield from self._prepare_retry(outcome)

    def secrets(self) -> list[str]:
        """What errors must not show: keys, tokens, the signature, and the passwords in URLs."""
        settings = getattr(self, "_settings", None)
        proxies = getattr(settings, "proxies", None)
        urls = [*(environment_proxies() if proxies is None else proxies).values(), getattr(settings, "url", None)]
        return [secret for secret in (*self._keys, self._signature, *passwords_in(urls)) if secret]

    def _start(self, timeout: float | None) -> None:
        if timeout is not None:
            self._deadline = self._clock.monotonic() + timeout

    def _prepare_retry(self, error: SignOutError) -> Generator[Step, Any, None]:
        """Waits for the next attempt; raises the error if there must be no other attempt."""
        self._counted += 1
        if not error.retryable or self._counted >= self._settings.max_attempts:
            raise error
        pause = retry.delay(error, self._response, attempts=self._counted, random=self._clock.random())
        if not self._has_time_for(pause) or not self._can_afford_retry(error):
            raise error
        yield Pause(pause)
        if not self._has_time_for(0.0):  # the pause took longer than requested
            raise error

    def _can_afford_retry(self, error: SignOutError) -> bool:
        self._cost = self._shared.quota.acquire(error)
        return bool(self._cost)

    def _attempt(self, body: bytes) -> Generator[Step, Any, SignOutOutcome]:
        self._response = None
        yield from self._authenticate()
        left = self._left()
        self.attempts += 1
        try:
            response: HttpResponse = yield Send(self._request(body), self._settings, left, self._error)
        except SignOutError as error:
            return error
        except TimeoutError as error:
            return _caused(SignOutTimeoutError(f"the transport timed out: {text_of(error)}"), error)
        except OSError as error:
            return _caused(SignOutConnectionError(f"the transport failed: {text_of(error)}"), error)
        self._response = response
        outcome = protocol.read_response(
            response,
            user_pool_id=self._user_pool_id,
            username=self._username,
            attempts=self.attempts,
            invocation_id=self._invocation_id,
            now=self._clock.now() + self._shared.clock_offset,
        )
        if isinstance(outcome, ResourceNotFoundError):
            outcome.message += f" The request was sent to {self._settings.endpoint.region}."
        return outcome

    def _authenticate(self, refused: Credentials | None = None) -> Generator[Step, Any, None]:
        try:
            self._credentials = yield Authenticate(refused, self._left())
        except SignOutTimeoutError:
            if self._error is None:
                raise
            raise self._error from None

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise self._error or SignOutTimeoutError(_NO_TIME)
        return left

    def _has_time_for(self, pause: float) -> bool:
        return self._deadline is None or self._clock.monotonic() + pause < self._deadline

    def _request(self, body: bytes) -> HttpRequest:
        settings, credentials = self._settings, self._credentials
        endpoint = settings.endpoint
        self._offset = self._shared.clock_offset
        now = self._clock.now() + self._offset
        signed = {
            "Content-Type": protocol.CONTENT_TYPE,
            "Host": endpoint.host,
            "X-Amz-Date": _amz_date(int(now)),
            "X-Amz-Target": protocol.TARGET,
        }
        if credentials.token is not None:
            signed["X-Amz-Security-Token"] = credentials.token
        authorization = signature.authorization(
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            region=endpoint.region,
            path=endpoint.path,
            headers={name.lower(): value for name, value in signed.items()},
            body=body,
        )
        self._keys.update((credentials.access_key, credentials.secret_key, credentials.token))
        self._signature = authorization.rpartition("=")[2]
        headers = {
            **signed,
            "Authorization": authorization,
            "User-Agent": settings.user_agent,
            "Accept-Encoding": "identity",
            "Content-Length": str(len(body)),
            "amz-sdk-invocation-id": self._invocation_id,
            "amz-sdk-request": f"attempt={self.attempts}; max={max(self.attempts, settings.max_attempts)}",
        }
        trace = self._clock.trace_header()
        if trace is not None:
            headers["X-Amzn-Trace-Id"] = trace
        return HttpRequest("POST", endpoint.url, headers, body)

    def _corrects_clock(self, error: SignOutError) -> bool:
        """Adopts the service's time if our clock is the reason for a refused signature. Once per call."""
        theirs = None if self._response is None else protocol.service_time(self._response)
        if error.aws_code not in DATE_REFUSED or theirs is None or not self._may_correct_clock:
            return False
        offset = theirs.timestamp() - self._clock.now()
        if abs(offset - self._offset) <= MIN_CLOCK_OFFSET:
            return False
        self._may_correct_clock = False
        self._shared.clock_offset = offset
        return True

    def _replaces_credentials(self, error: SignOutError) -> Generator[Step, Any, bool]:
        """Gets other credentials if the service refused the current ones. Once per call."""
        if (
            error.aws_code not in CREDENTIALS_REFUSED
            or not self._may_replace_credentials
            or not self._has_time_for(0.0)
        ):
            return False
        self._may_replace_credentials = False
        refused = self._credentials
        yield from self._authenticate(refused)
        return self._credentials != refused


class PacedCall(Call):
    """One call of many. Every attempt waits for its turn. Throttled attempts do not count, nor do most in an outage."""

    def __init__(self, clock: Clock, shared: Shared, user_pool_id: str, username: str, pacer: Pacer) -> None:
        super().__init__(clock, shared, user_pool_id, username)
        self._pacer = pacer
        self._timeout: float | None = None
        self._sent_at = 0.0
        self._attempt_counts = True
        self._failed_at = math.inf  # when the first request that failed was sent

    def _start(self, timeout: float | None) -> None:
        self._timeout = timeout  # starts with the first turn

    def _attempt(self, body: bytes) -> Generator[Step, Any, SignOutOutcome]:
        try:
            yield from self._wait_for_turn()
            try:
                outcome = yield from super()._attempt(body)
            except CredentialsError as error:
                if not error.retryable or self._pacer.answered_at == -math.inf:
                    raise
                outcome = error
            self._report(outcome)
            return outcome
        finally:
            self._pacer.withdraw(self)

    def _authenticate(self, refused: Credentials | None = None) -> Generator[Step, Any, None]:
        self._sent_at = self._clock.monotonic()
        yield from super()._authenticate(refused)
        self._sent_at = self._clock.monotonic()
        if self._error is None:
            super()._start(self._timeout)

    def _wait_for_turn(self) -> Generator[Step, Any, None]:
        is_reserved = False
        while not is_reserved:
            is_reserved, wait = self._pacer.reserve(self, self._clock.monotonic(), self._clock.random())
            if wait > 0:
                left = self._left()
                yield Pause(wait if left is None else min(wait, left))
            if self._error is not None and not self._has_time_for(0.0):
                raise self._error

    def _report(self, outcome: SignOutOutcome) -> None:
        now = self._clock.monotonic()
        if isinstance(outcome, TooManyRequestsError):
            self._pacer.throttled(sent_at=self._sent_at, now=now, pause=retry.asked_pause(self._response))
            self._attempt_counts = False
        elif _may_be_outage(outcome):
            affects_all = isinstance(outcome, CredentialsError)
            self._failed_at = min(self._failed_at, self._sent_at)
            is_suspect = self._pacer.answered_at > self._failed_at and not affects_all
            self._attempt_counts = self._pacer.failed(self, now, is_suspect=is_suspect, affects_all=affects_all)
        else:
            self._attempt_counts = True
            if isinstance(outcome, SignOutResult) or outcome.aws_code is not None:
                self._pacer.passed(now, sent_at=self._sent_at)

    def _prepare_retry(self, error: SignOutError) -> Generator[Step, Any, None]:
        if self._attempt_counts:
            yield from super()._prepare_retry(error)
        elif not self._has_time_for(0.0):
            raise error

    def _can_afford_retry(self, error: SignOutError) -> bool:
        return True  # the pacer prevents retry storms


def _may_be_outage(outcome: SignOutOutcome) -> bool:
    """Whether there was no response from AWS, for a reason that may pass: the network, a gateway, expired keys."""
    return (
        isinstance(outcome, SignOutError)
        and outcome.retryable
        and outcome.aws_code is None
        and type(outcome.__cause__).__name__ != "SSLCertVerificationError"  # importing ssl takes long
    )


@lru_cache(maxsize=4)
def _amz_date(now: int) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(now))


def _random_uuid() -> str:
    """The same as ``uuid.uuid4()``, without the slow import of ``uuid``."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _caused(error: SignOutError, cause: BaseException) -> SignOutError:
    error.__cause__ = cause
    return error
