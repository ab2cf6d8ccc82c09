"""One call: what it sends, and what it does with each response, until there is an outcome.

It yields :mod:`.steps`, and does no I/O itself. It returns a result or raises a :class:`SignOutError`, which may not
name the user yet.
"""

from __future__ import annotations

import os
from functools import lru_cache
from math import inf
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

from ..errors import SignOutConnectionError, SignOutError, SignOutTimeoutError, TooManyRequestsError
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
            self._credentials = yield Authenticate(timeout=self._left())
            outcome = yield from self._attempt(body)
            if isinstance(outcome, SignOutResult):
                self._shared.quota.release(self._cost)
                return outcome
            self._error = outcome
            can_retry_at_once = self._corrects_clock(outcome) or (yield from self._replaces_credentials(outcome))
            if not (can_retry_at_once and self._has_time_for(0.0)):
                yield from self._prepare_retry(outcome)

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
        left = self._left()
        self.attempts += 1
        self._response = None
        try:
            response: HttpResponse = yield Send(self._request(body), self._settings, left, self._error)
        except SignOutError as error:
            return error
        except TimeoutError as error:
            return _caused(SignOutTimeoutError(f"the transport timed out: {error}"), error)
        except OSError as error:
            return _caused(SignOutConnectionError(f"the transport failed: {error}"), error)
        self._response = response
        return protocol.read_response(
            response,
            user_pool_id=self._user_pool_id,
            username=self._username,
            attempts=self.attempts,
            invocation_id=self._invocation_id,
            now=self._clock.now() + self._shared.clock_offset,
        )

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise SignOutTimeoutError("the call's timeout ran out before a request could be sent")
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
        self._credentials = yield Authenticate(refused, self._left())
        return self._credentials != refused


class PacedCall(Call):
    """One call of many: every attempt waits for its turn, and throttling costs only time."""

    def __init__(self, clock: Clock, shared: Shared, user_pool_id: str, username: str, pacer: Pacer) -> None:
        super().__init__(clock, shared, user_pool_id, username)
        self._pacer = pacer
        self._timeout: float | None = None

    def _start(self, timeout: float | None) -> None:
        self._timeout = timeout  # starts with the first turn

    def _attempt(self, body: bytes) -> Generator[Step, Any, SignOutOutcome]:
        wait = self._reserve()
        if wait > 0:
            yield Pause(wait)
        sent_at = self._clock.monotonic()
        if self._error is None:
            super()._start(self._timeout)
        elif not self._has_time_for(0.0):
            raise self._error
        outcome = yield from super()._attempt(body)
        now = self._clock.monotonic()
        if isinstance(outcome, TooManyRequestsError):
            self._pacer.throttled(sent_at=sent_at, now=now, pause=retry.asked_pause(self._response))
        elif isinstance(outcome, SignOutError) and outcome.retryable:
            self._pacer.failed(sent_at=sent_at, now=now)
        else:
            self._pacer.passed(now)
        return outcome

    def _prepare_retry(self, error: SignOutError) -> Generator[Step, Any, None]:
        if not isinstance(error, TooManyRequestsError):
            yield from super()._prepare_retry(error)
        elif not self._has_time_for(0.0):  # a throttled attempt does not count
            raise error

    def _reserve(self) -> float:
        now = self._clock.monotonic()
        patience = inf if self._deadline is None else self._deadline - now
        wait = self._pacer.reserve(now, self._clock.random(), patience=patience)
        if wait == inf and self._error is not None:  # unchanged: the timeout starts with the first attempt
            raise self._error
        return wait

    def _can_afford_retry(self, error: SignOutError) -> bool:
        return True  # the pacer prevents retry storms


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
