"""One call from its arguments to its outcome, without I/O, with a clock that the test moves."""

from __future__ import annotations

import json
import re
import traceback
import uuid
from collections import deque
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout._bulk.pacing import Pacer
from cognito_signout._call import protocol, steps
from cognito_signout._call.flow import sign_out as sign_out_flow
from cognito_signout._call.retry import RetryQuota
from cognito_signout._config.credentials import Credentials
from cognito_signout._config.endpoints import Endpoint, endpoint_for
from cognito_signout._config.settings import Settings
from cognito_signout.errors import (
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    InternalServiceError,
    InvalidResponseError,
    NotAuthorizedError,
    SignOutConnectionError,
    SignOutError,
    SignOutTimeoutError,
    TooManyRequestsError,
    UnknownServiceError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout.models import SignOutResult
from cognito_signout.transports import HttpRequest, HttpResponse

POOL = "us-east-1_Ab129faBb"
NOW = 1735689600.0  # 2025-01-01T00:00:00Z
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
OTHER_KEYS = Credentials("ASIAEXAMPLE", "secret", "token")
ENDPOINT = Endpoint(
    "https://cognito-idp.us-east-1.amazonaws.com/", "cognito-idp.us-east-1.amazonaws.com", "/", "us-east-1"
)

OK = HttpResponse(200, {"x-amzn-requestid": "request"}, b"{}")


def refusal(aws_code: str, status: int = 400, **headers: str) -> HttpResponse:
    """A refusal of the service."""
    body = json.dumps({"__type": aws_code, "message": f"{aws_code}!"}).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def http_date(seconds: float) -> str:
    """The ``Date`` of a service with this time."""
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


THROTTLED = refusal("TooManyRequestsException")
BROKEN = refusal("InternalErrorException", 500)


class World:
    """The environment of a call: responses, credentials, settings, time and random numbers.

    Args:
        answers: The result of each request: a response, an exception to raise, or a pair of the seconds that it
            takes and either of these. The last one is repeated.
        credentials: The credentials. After a refusal, the next ones are returned.
    """

    def __init__(
        self,
        *answers: Any,
        credentials: tuple[Any, ...] = (KEYS,),
        endpoint: Endpoint = ENDPOINT,
        max_attempts: int = 3,
        random: float = 0.5,
        trace: str | None = None,
        shared: steps.Shared | None = None,
    ) -> None:
        self.answers = deque(answers)
        self.credentials = deque(credentials)
        self.settings: Any = Settings(endpoint=endpoint, max_attempts=max_attempts, user_agent="agent/1")
        self.shared = shared if shared is not None else steps.Shared()
        self.chance = random
        self.trace = trace
        self.time = 0.0
        self.clock_is_off_by = 0.0
        self.last_pause_ended = 0.0
        self.oversleeps = 1.0
        self.steps: list[steps.Step] = []

    def now(self) -> float:
        """The machine's time."""
        return NOW + self.time + self.clock_is_off_by

    def monotonic(self) -> float:
        """A clock that never goes back."""
        return self.time

    def random(self) -> float:
        """The random number."""
        return self.chance

    def trace_header(self) -> str | None:
        """The trace of the process."""
        return self.trace

    def call(self, *, user_pool_id: Any = POOL, username: Any = "alice", timeout: Any = None) -> SignOutResult:
        """Runs one call to its end."""
        return self.run(sign_out_flow(self, self.shared, user_pool_id=user_pool_id, username=username, timeout=timeout))

    def run(self, flow: steps.Flow) -> SignOutResult:
        """Performs the steps of a flow."""
        try:
            step = next(flow)
            while True:
                self.steps.append(step)
                assert len(self.steps) < 1000, "this call never ends"
                answer = self._answer(step)
                step = flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
        except StopIteration as done:
            result: SignOutResult = done.value
            return result

    def failed_call(self, **arguments: Any) -> SignOutError:
        """Runs one call to its error."""
        with pytest.raises(SignOutError) as caught:
            self.call(**arguments)
        return caught.value

    def _answer(self, step: steps.Step) -> Any:
        if isinstance(step, steps.Configure):
            return self.settings
        if isinstance(step, steps.Pause):
            self.time += step.seconds * self.oversleeps
            self.last_pause_ended = self.time
            return None
        answer = self._credentials(step.refused) if isinstance(step, steps.Authenticate) else _next(self.answers)
        if isinstance(answer, tuple):
            self.time += answer[0]
            return answer[1]
        return answer

    def _credentials(self, refused: Credentials | None) -> Any:
        if refused is not None and len(self.credentials) > 1:
            self.credentials.popleft()
        answer = self.credentials[0]
        if isinstance(answer, tuple):  # it takes its time once
            self.credentials[0] = answer[1]
        return answer

    @property
    def sends(self) -> list[steps.Send]:
        """Each request, with its timeout."""
        return [step for step in self.steps if isinstance(step, steps.Send)]

    @property
    def requests(self) -> list[HttpRequest]:
        """Each request."""
        return [send.request for send in self.sends]

    @property
    def pauses(self) -> list[float]:
        """The seconds of each pause."""
        return [step.seconds for step in self.steps if isinstance(step, steps.Pause)]


def _next(answers: deque[Any]) -> Any:
    return answers[0] if len(answers) == 1 else answers.popleft()


def test_a_call_asks_for_settings_then_credentials_then_sends() -> None:
    """Credentials are looked up although the configuration is wrong, or a request is sent without them."""
    world = World(OK)
    outcome = world.call()
    assert outcome == SignOutResult(
        id="request",
        created_at=datetime(2025, 1, 1, tzinfo=timezone.utc),
        user_pool_id=POOL,
        username="alice",
        attempts=1,
    )
    assert [type(step) for step in world.steps] == [steps.Configure, steps.Authenticate, steps.Send]
    assert world.steps[:2] == [steps.Configure(POOL), steps.Authenticate()]
    assert world.sends[0].settings is world.settings
    assert world.sends[0].timeout is None


@pytest.mark.parametrize("token", [None, "token/+="])
@pytest.mark.parametrize("trace", [None, "Root=1-2-3;Sampled=1"])
def test_the_headers_of_a_request(token: str | None, trace: str | None) -> None:
    """The service does not understand the request, or AWS's statistics miss its retries."""
    endpoint = Endpoint("http://localhost:5000/idp/", "localhost:5000", "/idp/", "eu-west-1")
    world = World(OK, endpoint=endpoint, trace=trace, credentials=(Credentials("AKID", "secret", token),))
    world.call(username="é")
    (request,) = world.requests
    body = b'{"UserPoolId": "us-east-1_Ab129faBb", "Username": "\\u00e9"}'
    assert (request.method, request.url, request.body) == ("POST", "http://localhost:5000/idp/", body)
    headers = dict(request.headers)
    authorization = headers.pop("Authorization")
    assert uuid.UUID(headers.pop("amz-sdk-invocation-id"))
    optional = {"X-Amz-Security-Token": token, "X-Amzn-Trace-Id": trace}
    assert headers == {
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(body)),
        "Host": "localhost:5000",
        "X-Amz-Date": "20250101T000000Z",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut",
        "User-Agent": "agent/1",
        "Accept-Encoding": "identity",
        "amz-sdk-request": "attempt=1; max=3",
        **{name: value for name, value in optional.items() if value is not None},
    }
    signed = "content-type;host;x-amz-date;" + ("x-amz-security-token;" if token else "") + "x-amz-target"
    assert re.fullmatch(
        f"AWS4-HMAC-SHA256 Credential=AKID/20250101/eu-west-1/cognito-idp/aws4_request, SignedHeaders={signed}, "
        "Signature=[0-9a-f]{64}",
        authorization,
    )


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE/+="])
@pytest.mark.parametrize("url", [None, "http://localhost:5000/a//b/%20/", "https://EXAMPLE.com:443"])
def test_a_request_is_signed_as_boto3_signs_it(url: str | None, token: str | None) -> None:
    """AWS refuses what it accepts from boto3."""
    session = botocore.session.Session()
    session.set_credentials(KEYS.access_key, KEYS.secret_key, token)
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, type("Body", (), {"stream": lambda *_, **__: iter([b"{}"])})())

    session.register("before-send", answer)
    client = session.create_client("cognito-idp", region_name="us-east-1", endpoint_url=url)
    client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
    theirs = {name.lower(): v if isinstance(v, str) else v.decode() for name, v in sent[0].headers.items()}

    endpoint = endpoint_for(
        "us-east-1", url=url or ENDPOINT.url, use_fips=False, use_dualstack=False, rules={}, partitions={}
    )
    world = World(OK, endpoint=endpoint, credentials=(Credentials(KEYS.access_key, KEYS.secret_key, token),))
    date = datetime.strptime(theirs["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    world.clock_is_off_by = date.timestamp() - NOW
    world.call()
    (request,) = world.requests
    assert request.body == sent[0].body
    for name in ("authorization", "content-type", "content-length", "x-amz-date", "x-amz-target"):
        assert request.headers[name] == theirs[name], name
    assert request.headers.get("x-amz-security-token") == theirs.get("x-amz-security-token")


def test_without_an_id_and_a_time_of_the_service_the_result_has_ours() -> None:
    """A result without an ID can't be found in a log."""
    world = World((1.5, HttpResponse(200, {}, b"{}")))
    outcome = world.call()
    assert outcome.id == world.requests[0].headers["amz-sdk-invocation-id"]
    assert outcome.created_at == datetime(2025, 1, 1, 0, 0, 1, tzinfo=timezone.utc)


RETRYABLE: list[tuple[Any, type[SignOutError], int]] = [
    (THROTTLED, TooManyRequestsError, 5),
    (refusal("ThrottlingException"), TooManyRequestsError, 5),
    (HttpResponse(429), TooManyRequestsError, 5),
    (refusal("PriorRequestNotComplete"), TooManyRequestsError, 5),
    (BROKEN, InternalServiceError, 14),
    (refusal("InternalErrorException"), InternalServiceError, 14),
    (HttpResponse(500), InternalServiceError, 14),
    (HttpResponse(502, {}, b"<html>"), InternalServiceError, 14),
    (HttpResponse(503), InternalServiceError, 14),
    (HttpResponse(504), InternalServiceError, 14),
    (refusal("RequestTimeout"), UnknownServiceError, 14),
    (refusal("RequestTimeoutException"), UnknownServiceError, 14),
    (SignOutConnectionError("refused"), SignOutConnectionError, 14),
    (SignOutTimeoutError("late"), SignOutTimeoutError, 14),
    (ConnectionResetError("reset"), SignOutConnectionError, 14),
    (OSError("no route"), SignOutConnectionError, 14),
    (TimeoutError("late"), SignOutTimeoutError, 14),
]
FINAL: list[tuple[Any, type[SignOutError]]] = [
    (refusal("UserNotFoundException"), UserNotFoundError),
    (refusal("NotAuthorizedException"), NotAuthorizedError),
    (refusal("SomethingNew"), UnknownServiceError),
    (HttpResponse(403, {}, b"<html>"), UnknownServiceError),
    (HttpResponse(200, {}, b"<html>"), InvalidResponseError),
    (HttpResponse(307, {"location": "https://elsewhere/"}), InvalidResponseError),
    (HttpResponse(501), InternalServiceError),
    (SignOutConnectionError("certificate", retryable=False), SignOutConnectionError),
    (ConfigurationError("no such bundle"), ConfigurationError),
]


@pytest.mark.parametrize(("answer", "cls", "cost"), RETRYABLE)
@pytest.mark.parametrize("max_attempts", [1, 2, 3, 7])
def test_temporary_errors_are_retried_up_to_the_configured_attempts(
    answer: Any, cls: type[SignOutError], cost: int, max_attempts: int
) -> None:
    """A temporary error fails a call, or a call makes more attempts than configured."""
    world = World(answer, max_attempts=max_attempts)
    error = world.failed_call()
    assert type(error) is cls
    assert error.attempts == len(world.requests) == max_attempts
    assert len(world.pauses) == max_attempts - 1
    assert world.shared.quota.available == 500 - cost * (max_attempts - 1)
    assert (error.user_pool_id, error.username) == (POOL, "alice")


@pytest.mark.parametrize(("answer", "cost"), [(answer, cost) for answer, _, cost in RETRYABLE])
def test_a_later_attempt_may_succeed(answer: Any, cost: int) -> None:
    """A temporary error fails a call, or uses up the quota for good."""
    world = World(answer, answer, OK)
    assert world.call().attempts == 3
    assert world.shared.quota.available == 500 - cost  # the cost of the last retry is returned


@pytest.mark.parametrize(("answer", "cls"), FINAL)
def test_permanent_errors_are_raised_at_once(answer: Any, cls: type[SignOutError]) -> None:
    """A user waits for a retry that can't succeed, and the quota pays for it."""
    world = World(answer)
    error = world.failed_call()
    assert type(error) is cls
    assert (error.attempts, len(world.requests), world.pauses) == (1, 1, [])
    assert (error.user_pool_id, error.username) == (POOL, "alice")
    assert world.shared.quota.available == 500


def test_the_error_is_that_of_the_last_attempt() -> None:
    """The raised error is not the one that ended the call."""
    world = World(THROTTLED, SignOutConnectionError("reset"), refusal("UserNotFoundException"))
    error = world.failed_call()
    assert type(error) is UserNotFoundError
    assert error.attempts == 3


def test_attempts_share_an_id_and_have_their_own_numbers_and_dates() -> None:
    """AWS can't tell a retry from another call, or refuses a retry after a long pause."""
    world = World(refusal("TooManyRequestsException", x_amz_retry_after="4000"))
    world.failed_call()
    first, second, third = world.requests
    assert [r.headers["amz-sdk-request"] for r in world.requests] == [f"attempt={n}; max=3" for n in (1, 2, 3)]
    assert len({r.headers["amz-sdk-invocation-id"] for r in world.requests}) == 1
    assert len({r.headers["Authorization"] for r in world.requests}) == 3
    assert [r.headers["X-Amz-Date"][-3:-1] for r in (first, second, third)] == ["00", "04", "08"]
    again = World(OK)
    again.call()
    assert again.requests[0].headers["amz-sdk-invocation-id"] != first.headers["amz-sdk-invocation-id"]


def test_the_id_of_a_call_is_a_random_uuid() -> None:
    """Two calls of a fleet have the same ID, or a parser refuses it."""
    world = World(OK)
    for _ in range(200):
        world.call()
    ids = [uuid.UUID(request.headers["amz-sdk-invocation-id"]) for request in world.requests]
    assert {(each.version, each.variant) for each in ids} == {(4, uuid.RFC_4122)}
    bits = set(zip(*[f"{each.int:0128b}" for each in ids], strict=True))
    assert len(bits) == 122 + 2, "all but the six of the version and the variant come from chance, each by itself"


@pytest.mark.parametrize(
    ("answer", "random", "pauses"),
    [
        (BROKEN, 0.5, [0.025, 0.05, 0.1, 0.2, 0.4]),
        (BROKEN, 0.0, [0.0] * 5),
        (SignOutConnectionError("reset"), 0.5, [0.025, 0.05, 0.1, 0.2, 0.4]),
        (THROTTLED, 0.5, [0.5, 1.0, 2.0, 4.0, 8.0]),
        (THROTTLED, 0.999, [0.999, 1.998, 3.996, 7.992, 15.984]),
        (refusal("TooManyRequestsException", x_amz_retry_after="3000"), 0.5, [3.0, 3.0, 3.0, 4.0, 8.0]),
        (refusal("InternalErrorException", 500, retry_after="60"), 0.0, [5.0] * 5),
    ],
)
def test_pauses_grow_with_the_attempts(answer: Any, random: float, pauses: list[float]) -> None:
    """A service in trouble is called again too soon."""
    world = World(answer, max_attempts=6, random=random)
    world.failed_call()
    assert world.pauses == pytest.approx(pauses)


def test_only_the_last_response_can_ask_for_a_pause() -> None:
    """A call waits because of an earlier response."""
    world = World(refusal("TooManyRequestsException", x_amz_retry_after="4000"), ConnectionResetError(), OK)
    world.call()
    assert world.pauses == pytest.approx([4.0, 0.05])


def test_an_empty_quota_stops_retries_until_calls_succeed_again() -> None:
    """Clients add to the load of a service that is down, or never retry again."""
    shared = steps.Shared(RetryQuota(20))
    assert World(BROKEN, max_attempts=5, shared=shared).failed_call().attempts == 2
    assert shared.quota.available == 6
    world = World(BROKEN, max_attempts=5, shared=shared)
    assert world.failed_call().attempts == 1
    assert (world.pauses, shared.quota.available) == ([], 6)
    for _ in range(8):
        World(OK, shared=shared).call()
    assert shared.quota.available == 14
    assert World(BROKEN, OK, shared=shared).call().attempts == 2
    assert shared.quota.available == 14


@pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10)])
def test_a_request_gets_the_remaining_time(timeout: Any) -> None:
    """A call takes longer than its timeout."""
    world = World((2.0, THROTTLED), (3.0, THROTTLED), OK)
    world.call(timeout=timeout)
    assert [send.timeout for send in world.sends] == pytest.approx([10.0, 7.5, 3.5])


def test_resolving_settings_and_credentials_counts_against_the_timeout() -> None:
    """A call with a slow source of credentials takes longer than its timeout."""
    world = World(OK, credentials=((4.0, KEYS),))
    world.call(timeout=10)
    assert world.sends[0].timeout == pytest.approx(6.0)


def test_no_request_is_sent_when_the_time_is_up() -> None:
    """A call signs a user out after it has failed."""
    world = World(OK, credentials=((10.0, KEYS),))
    error = world.failed_call(timeout=10)
    assert type(error) is SignOutTimeoutError
    assert (error.attempts, error.username, world.requests) == (0, "alice", [])
    assert "timeout ran out" in error.message


@pytest.mark.parametrize(("timeout", "attempts"), [(0.4, 1), (0.5, 1), (0.6, 2), (1.5, 2), (1.6, 3)])
def test_the_last_error_is_raised_if_there_is_no_time_for_another_attempt(timeout: float, attempts: int) -> None:
    """A call takes longer than its timeout, or a time-out hides why it failed."""
    world = World(THROTTLED, max_attempts=9, random=0.5)
    error = world.failed_call(timeout=timeout)
    assert type(error) is TooManyRequestsError
    assert error.attempts == attempts
    assert world.time < timeout
    assert world.shared.quota.available == 500 - 5 * (attempts - 1)


def test_the_last_error_is_raised_if_a_pause_takes_too_long() -> None:
    """On a busy machine, a time-out hides why the call failed."""
    world = World(THROTTLED, max_attempts=9, random=0.5)
    world.oversleeps = 3.0
    error = world.failed_call(timeout=1)
    assert type(error) is TooManyRequestsError
    assert error.attempts == 1


@given(
    timeout=st.floats(0.001, 100),
    answers=st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from([THROTTLED, BROKEN, OK, SignOutTimeoutError("late")])), min_size=1
    ),
    random=st.floats(0, 0.999),
)
@settings(deadline=None)
def test_no_request_starts_and_no_pause_ends_after_the_timeout(
    timeout: float, answers: list[Any], random: float
) -> None:
    """A call takes longer than its timeout."""
    world = World(*answers, max_attempts=20, random=random)
    try:
        outcome: SignOutResult | SignOutError = world.call(timeout=timeout)
    except SignOutError as error:
        outcome = error
    assert outcome.attempts == len(world.requests)
    assert world.last_pause_ended < timeout
    for send in world.sends:
        assert send.timeout is not None
        assert 0 < send.timeout <= timeout


@pytest.mark.parametrize(
    "timeout", [None, float("inf"), 10**400, 1e300, timedelta.max], ids=lambda value: repr(value)[:20]
)
def test_a_call_without_a_timeout(timeout: Any) -> None:
    """A call without a timeout fails, or gets a limit that no socket accepts."""
    world = World((1e6, THROTTLED), OK)
    world.call(timeout=timeout)
    assert [send.timeout for send in world.sends] == [None, None]


@pytest.mark.parametrize(
    "timeout",
    [
        0,
        -1,
        -0.0,
        float("nan"),
        float("-inf"),
        -(10**400),
        True,
        False,
        "10",
        b"10",
        [],
        object(),
        timedelta(0),
        -timedelta(1),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_invalid_timeout_is_refused_first(timeout: Any) -> None:
    """A typing error becomes a call without a limit, or an untyped error."""
    world = World(OK)
    error = world.failed_call(timeout=timeout)
    assert type(error) is ValidationError
    assert "timeout" in error.message
    assert (error.attempts, error.user_pool_id, error.username, world.steps) == (0, POOL, "alice", [])


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.text(), max_size=2),
    st.dictionaries(st.text(), st.none(), max_size=2),
    st.builds(object),
    st.sampled_from([str, len, ..., 1j, timedelta(1)]),
)


@given(user_pool_id=anything | st.just(POOL), username=anything | st.just("alice"), timeout=anything)
@example(user_pool_id=POOL, username="alice", timeout=10**400)
@example(user_pool_id=None, username="alice", timeout=None)
@example(user_pool_id=POOL, username=b"alice", timeout=None)
@settings(deadline=None)
def test_any_argument_is_accepted_or_a_validation_error(user_pool_id: Any, username: Any, timeout: Any) -> None:
    """A wrong argument raises an untyped error, or reaches the service."""
    world = World(OK)
    try:
        world.call(user_pool_id=user_pool_id, username=username, timeout=timeout)
    except ValidationError as error:
        refused: ValidationError | None = error
    else:
        refused = None
    if refused is None:
        protocol.check_arguments(user_pool_id, username)
        assert len(world.requests) == 1
        return
    assert (refused.attempts, world.steps) == (0, [])
    named = user_pool_id if protocol.is_user_pool_id(user_pool_id) else ""
    assert refused.user_pool_id == named
    assert refused.username == (username if isinstance(username, str) else "")


DATE_CODES = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "AuthFailure",
]


@pytest.mark.parametrize("code", DATE_CODES)
@pytest.mark.parametrize("offset", [-86400, -300, -241, 241, 300, 86400])
def test_a_wrong_clock_is_corrected(code: str, offset: int) -> None:
    """On a machine with a wrong clock, no call succeeds."""
    world = World(refusal(code, date=http_date(NOW + offset)), OK, max_attempts=1)
    outcome = world.call()
    assert outcome.attempts == 2
    assert outcome.created_at.timestamp() == NOW + offset
    expected = datetime.fromtimestamp(NOW + offset, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    assert [r.headers["X-Amz-Date"] for r in world.requests] == ["20250101T000000Z", expected]
    assert [r.headers["amz-sdk-request"] for r in world.requests] == ["attempt=1; max=1", "attempt=2; max=2"]
    assert world.pauses == []
    assert world.shared.quota.available == 500
    later = World(OK, shared=world.shared)
    later.call()
    assert later.requests[0].headers["X-Amz-Date"] == expected


@pytest.mark.parametrize("offset", [-240, -1, 0, 1, 240])
def test_a_right_clock_is_not_corrected(offset: int) -> None:
    """A wrong secret key costs two requests, and changes the clock offset."""
    world = World(refusal("InvalidSignatureException", date=http_date(NOW + offset)))
    assert type(world.failed_call()) is AuthenticationError
    assert len(world.requests) == 1
    assert world.shared.clock_offset == 0


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 30 Feb 2025 00:00:00 GMT"])
def test_a_clock_is_not_corrected_without_a_date(date: str) -> None:
    """The offset is a guess."""
    world = World(refusal("RequestExpired", date=date))
    assert world.failed_call().attempts == 1
    assert world.shared.clock_offset == 0


@pytest.mark.parametrize("code", ["UserNotFoundException", "ExpiredTokenException", "TooManyRequestsException"])
def test_a_clock_is_not_corrected_for_another_reason(code: str) -> None:
    """A proxy with a wrong clock changes the offset, and breaks a valid signature."""
    world = World(refusal(code, date=http_date(NOW + 86400)))
    world.failed_call()
    assert world.shared.clock_offset == 0
    assert {r.headers["X-Amz-Date"][:8] for r in world.requests} == {"20250101"}


def test_a_clock_is_corrected_once_a_call() -> None:
    """A call to a service whose dates jump never ends."""
    world = World(*(refusal("RequestExpired", date=http_date(NOW + 1000 * n)) for n in range(1, 9)))
    error = world.failed_call()
    assert type(error) is AuthenticationError
    assert error.attempts == 2
    assert world.shared.clock_offset == 1000


def test_a_corrected_clock_can_be_corrected_again_by_a_later_call() -> None:
    """A machine that corrects its clock is wrong by the offset until it is restarted."""
    shared = steps.Shared(clock_offset=3600.0)
    world = World(refusal("RequestTimeTooSkewed", date=http_date(NOW)), OK, shared=shared)
    assert world.call().attempts == 2
    assert shared.clock_offset == 0


def test_a_corrected_clock_is_not_corrected_again() -> None:
    """On a machine with a wrong clock, a wrong secret key costs two requests for each call."""
    shared = steps.Shared(clock_offset=3600.0)
    world = World(refusal("SignatureDoesNotMatch", date=http_date(NOW + 3600)), shared=shared)
    assert world.failed_call().attempts == 1
    assert shared.clock_offset == 3600


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"])
def test_an_absurd_date_does_not_break_a_call(date: str) -> None:
    """A nonsensical date fails a call with an untyped error."""
    world = World((0.0, refusal("RequestExpired", date=date)), (5.0, HttpResponse(200, {}, b"{}")))
    assert world.call().attempts == 2
    assert World((5.0, HttpResponse(200, {}, b"{}")), shared=world.shared).call().attempts == 1


CREDENTIALS_CODES = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
]


@pytest.mark.parametrize("code", CREDENTIALS_CODES)
def test_refused_credentials_are_replaced(code: str) -> None:
    """A process must be restarted after its keys were rotated."""
    world = World(refusal(code), OK, credentials=(KEYS, OTHER_KEYS), max_attempts=1)
    assert world.call().attempts == 2
    assert [step for step in world.steps if isinstance(step, steps.Authenticate)] == [
        steps.Authenticate(),
        steps.Authenticate(KEYS),
        steps.Authenticate(),
    ]
    first, second = world.requests
    assert "Credential=AKIDEXAMPLE/" in first.headers["Authorization"]
    assert "Credential=ASIAEXAMPLE/" in second.headers["Authorization"]
    assert second.headers["X-Amz-Security-Token"] == "token"
    assert (world.pauses, world.shared.quota.available) == ([], 500)


def test_the_same_credentials_are_not_tried_again() -> None:
    """A revoked key costs two requests for each call."""
    world = World(refusal("UnrecognizedClientException"), credentials=(KEYS, KEYS))
    assert type(world.failed_call()) is AuthenticationError
    assert len(world.requests) == 1


def test_credentials_are_replaced_once_a_call() -> None:
    """A source that returns new keys each time is asked for ever."""
    world = World(refusal("ExpiredToken"), credentials=(KEYS, OTHER_KEYS, KEYS, OTHER_KEYS))
    assert world.failed_call().attempts == 2


@pytest.mark.parametrize("code", ["NotAuthorizedException", "InvalidSignatureException", "TooManyRequestsException"])
def test_credentials_are_not_replaced_for_another_reason(code: str) -> None:
    """A missing permission makes every call load its credentials again."""
    world = World(refusal(code), credentials=(KEYS, OTHER_KEYS))
    world.failed_call()
    assert all("Credential=AKIDEXAMPLE/" in request.headers["Authorization"] for request in world.requests)


def test_a_source_that_fails_to_return_others_is_named() -> None:
    """The reason why there are no other credentials is lost."""
    world = World(refusal("ExpiredToken"), credentials=(KEYS, CredentialsError("SSO has expired")))
    error = world.failed_call()
    assert type(error) is CredentialsError
    assert (error.message, error.attempts, error.username) == ("SSO has expired", 1, "alice")


def test_one_call_corrects_the_clock_and_replaces_the_keys() -> None:
    """A wrong clock and rotated keys, or a throttle, fail a call together."""
    world = World(
        THROTTLED,
        refusal("RequestExpired", date=http_date(NOW + 3600)),
        refusal("ExpiredToken"),
        THROTTLED,
        OK,
        credentials=(KEYS, OTHER_KEYS),
    )
    assert world.call().attempts == 5
    assert [r.headers["amz-sdk-request"] for r in world.requests] == [
        "attempt=1; max=3",
        "attempt=2; max=3",
        "attempt=3; max=3",
        "attempt=4; max=4",
        "attempt=5; max=5",
    ]
    assert world.pauses == pytest.approx([0.5, 1.0])


@pytest.mark.parametrize(
    ("answer", "credentials"),
    [
        ((10.0, refusal("RequestExpired", date=http_date(NOW + 3600))), (KEYS,)),
        ((10.0, refusal("ExpiredToken")), (KEYS, OTHER_KEYS)),
        (refusal("ExpiredToken"), (KEYS, (10.0, OTHER_KEYS))),
    ],
)
def test_the_refusal_is_raised_if_there_is_no_time_for_a_correction(answer: Any, credentials: tuple[Any, ...]) -> None:
    """A time-out hides the refusal."""
    world = World(answer, credentials=credentials)
    error = world.failed_call(timeout=10)
    assert type(error) is AuthenticationError
    assert error.attempts == 1


@pytest.mark.parametrize(
    ("answer", "pauses"),
    [
        (refusal("RequestExpired", date=http_date(NOW + 3600)), []),
        (refusal("ExpiredToken"), []),
        (BROKEN, [0.025]),
    ],
)
def test_a_correction_happens_even_shortly_before_the_timeout(answer: Any, pauses: list[float]) -> None:
    """A call fails although half a second is left."""
    world = World((9.5, answer), OK, credentials=(KEYS, OTHER_KEYS))
    assert world.call(timeout=10).attempts == 2
    assert world.pauses == pytest.approx(pauses)


def test_every_step_gets_the_remaining_time() -> None:
    """A source of credentials that hangs delays a call beyond its timeout."""
    world = World((2.0, refusal("ExpiredToken")), OK, credentials=((1.0, KEYS), (3.0, OTHER_KEYS)))
    world.call(timeout=10)
    questions = [step for step in world.steps if not isinstance(step, steps.Pause)]
    assert [type(step) for step in questions] == [
        steps.Configure,
        steps.Authenticate,
        steps.Send,
        steps.Authenticate,
        steps.Authenticate,
        steps.Send,
    ]
    assert [step.timeout for step in questions] == pytest.approx([10.0, 10.0, 9.0, 7.0, 4.0, 4.0])


@pytest.mark.parametrize(
    ("raised", "cls"),
    [
        (OSError("no route to host"), SignOutConnectionError),
        (ConnectionRefusedError(111, "refused"), SignOutConnectionError),
        (BrokenPipeError(), SignOutConnectionError),
        (TimeoutError("timed out"), SignOutTimeoutError),
    ],
)
def test_exceptions_of_sockets_are_mapped(raised: OSError, cls: type[SignOutError]) -> None:
    """A user's transport fails a call with an untyped error, or the reason is hidden."""
    error = World(raised, max_attempts=1).failed_call()
    assert type(error) is cls
    assert error.__cause__ is raised
    assert str(raised) in error.message
    assert (error.attempts, error.user_pool_id, error.username) == (1, POOL, "alice")


@pytest.mark.parametrize("raised", [RuntimeError("bug"), KeyError("bug"), KeyboardInterrupt(), GeneratorExit()])
def test_other_exceptions_pass_unchanged(raised: BaseException) -> None:
    """A bug in a transport looks like a network error, or Ctrl-C is swallowed."""
    world = World(raised)
    with pytest.raises(type(raised)) as caught:
        world.call()
    assert caught.value is raised
    assert len(world.requests) == 1


def test_a_retry_has_the_previous_error() -> None:
    """The logs do not say why there is another attempt."""
    world = World(ConnectionResetError("reset"), OK)
    world.call()
    first, second = world.sends
    assert first.after is None
    assert type(second.after) is SignOutConnectionError


@pytest.mark.parametrize("username", ["alice", "connection", "ERROR"])
def test_a_username_in_an_errors_code_does_not_drop_the_cause(username: str) -> None:
    """The cause is dropped because the username is a word in the error's code."""
    below = ConnectionResetError(104, "reset by peer")
    raised = SignOutConnectionError("no answer")
    raised.__cause__ = below
    error = World(raised, max_attempts=1).failed_call(username=username)
    assert error.__cause__ is below
    assert "reset by peer" in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("telling", [True, False])
@pytest.mark.parametrize("is_cause", [True, False])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_cause_is_kept_if_it_is_safe_to_show(telling: bool, is_cause: bool, is_known: bool) -> None:
    """A traceback shows a username, or does not show what went wrong."""
    raised = SignOutConnectionError("no", username="bob" if is_known else "")  # bob's is copied for alice
    below = KeyError("alice" if telling else "the pool of sockets")
    raised.__cause__, raised.__context__ = (below, None) if is_cause else (None, below)
    raised.__suppress_context__ = is_cause
    error = World(raised, max_attempts=1).failed_call()
    shown = "".join(traceback.format_exception(error))
    assert ("alice" in shown, "the pool of sockets" in shown) == (False, not telling)
    assert (error is raised) is not is_known


@pytest.mark.parametrize("raised", [ConfigurationError("no region"), CredentialsError("none found")])
def test_an_error_of_the_set_up_has_the_username(raised: SignOutError) -> None:
    """A caller who signs out many users does not know which user failed."""
    world = World(OK, credentials=(raised,)) if isinstance(raised, CredentialsError) else World(OK)
    if isinstance(raised, ConfigurationError):
        world.settings = raised
    error = world.failed_call()
    assert error is raised
    assert (error.user_pool_id, error.username, error.attempts) == (POOL, "alice", 0)
    assert world.requests == []


def test_an_exception_that_is_raised_for_several_users_is_copied() -> None:
    """A mock raises the same exception again: all failed users seem to be the last one."""
    raised = SignOutConnectionError("cut off", request_id="id")
    world = World(raised, max_attempts=2)
    errors = [world.failed_call(username=username) for username in ("alice", "bob", "bob", "carol")]
    assert [error.username for error in errors] == ["alice", "bob", "bob", "carol"]
    assert [error.__cause__ for error in errors] == [None, raised, raised, raised]
    for error in errors:
        assert type(error) is SignOutConnectionError
        assert (error.message, error.request_id) == ("cut off", "id")
        assert (error.user_pool_id, error.attempts) == (POOL, 2)


@pytest.mark.parametrize("raised", [ConfigurationError("no region"), CredentialsError("none found")])
def test_an_exception_of_the_set_up_that_is_raised_for_several_users_is_copied(raised: SignOutError) -> None:
    """A set-up raises the same exception again: all failed users seem to be the last one."""
    errors = [World(raised).failed_call(username=username) for username in ("alice", "bob")]
    worlds = [World(OK, credentials=(raised,)) for _ in errors]
    errors += [world.failed_call(username=username) for world, username in zip(worlds, ("carol", "dave"), strict=True)]
    assert [error.username for error in errors] == ["alice", "bob", "carol", "dave"]
    assert all(type(error) is type(raised) and error.message == raised.message for error in errors)


def test_an_exception_that_is_raised_again_for_a_user_is_copied() -> None:
    """The outcome of a finished call changes."""
    raised = SignOutConnectionError("cut off")
    before, after = (World(raised, max_attempts=attempts).failed_call() for attempts in (3, 1))
    assert (before.attempts, after.attempts) == (3, 1)
    assert (before.username, after.username) == ("alice", "alice")


class Paced(World):
    """A world for a call of many.

    Args:
        answers: As before.
        max_rate: The pacer's.
        world: What else there is, as before.
    """

    def __init__(self, *answers: Any, max_rate: float | None = None, **world: Any) -> None:
        super().__init__(*answers, **world)
        self.pacer = Pacer(max_rate)

    def call(self, *, user_pool_id: Any = POOL, username: Any = "alice", timeout: Any = None) -> SignOutResult:
        """Runs one call to its end."""
        return self.run(
            sign_out_flow(
                self, self.shared, user_pool_id=user_pool_id, username=username, timeout=timeout, pacer=self.pacer
            )
        )


def test_a_call_of_many_waits_for_its_turn() -> None:
    """The pace depends on who pulls the usernames."""
    world = Paced(OK, max_rate=2)
    for _ in range(3):
        world.call()
    assert sum(world.pauses) == pytest.approx(1.0)
    assert world.time == pytest.approx(1.0)
    assert [type(step) for step in world.steps[:3]] == [steps.Configure, steps.Authenticate, steps.Send]
    kinds = [type(step) for step in world.steps[3:]]
    assert kinds == [steps.Configure, steps.Pause, steps.Pause, steps.Authenticate, steps.Send] * 2


@pytest.mark.parametrize("answer", [OK, refusal("UserNotFoundException")])
def test_a_call_of_many_is_the_same_as_a_single_call(answer: HttpResponse) -> None:
    """A call of many signs out another user, or reports another."""
    outcomes: list[SignOutResult | dict[str, Any]] = []
    bodies = []
    for world in (World(answer), Paced(answer)):
        try:
            outcomes.append(world.call(username="bob"))
        except SignOutError as error:
            outcomes.append(vars(error))
        bodies.append(world.requests[0].body)
    assert outcomes[0] == outcomes[1]
    assert bodies[0] == bodies[1]
    assert b'"bob"' in bodies[0]


@pytest.mark.parametrize("answer", [THROTTLED, BROKEN])
def test_a_user_of_many_is_retried_even_shortly_before_the_timeout(answer: HttpResponse) -> None:
    """A user fails although half a second is left."""
    assert Paced((9.5, answer), OK).call(timeout=10).attempts == 2


def test_every_attempt_of_many_waits_for_its_turn() -> None:
    """Retries exceed the pace."""
    world = Paced(BROKEN, BROKEN, OK, max_rate=0.1, random=0.0)
    assert world.call().attempts == 3
    times = [0.0, 10.0, 20.0]
    assert [r.headers["X-Amz-Date"][-3:-1] for r in world.requests] == [f"{time:02.0f}" for time in times]


def test_a_throttle_costs_no_attempts() -> None:
    """Users fail because other callers have used up the quota."""
    world = Paced(*[THROTTLED] * 50, OK, max_attempts=1)
    assert world.call().attempts == 51
    assert world.shared.quota.available == 500
    assert world.requests[-1].headers["amz-sdk-request"] == "attempt=51; max=51"


@pytest.mark.parametrize("answer", [BROKEN, SignOutConnectionError("reset"), TimeoutError("late"), HttpResponse(503)])
def test_other_temporary_errors_cost_attempts(answer: Any) -> None:
    """A run without a network never ends."""
    world = Paced(answer, THROTTLED, answer, THROTTLED, THROTTLED, answer, OK, max_attempts=3)
    error = world.failed_call()
    assert error.attempts == 6
    assert not isinstance(error, TooManyRequestsError)
    assert world.shared.quota.available == 500, "the pacer sees to it that nobody storms"


@pytest.mark.parametrize(("answer", "cls"), FINAL)
def test_permanent_errors_are_raised_at_once_in_a_call_of_many(answer: Any, cls: type[SignOutError]) -> None:
    """All later users wait for a retry that can't succeed."""
    world = Paced(THROTTLED, answer)
    error = world.failed_call()
    assert type(error) is cls
    assert (error.attempts, error.username) == (2, "alice")


def test_each_attempt_gets_the_current_credentials() -> None:
    """A user who has waited long signs with expired keys."""
    world = Paced(THROTTLED, BROKEN, OK)
    world.call()
    kinds = [type(step) for step in world.steps if not isinstance(step, steps.Pause)]
    assert kinds == [steps.Configure, *[steps.Authenticate, steps.Send] * 3]


def test_a_call_of_many_corrects_the_clock_and_replaces_the_keys() -> None:
    """Rotated keys end a run of hours."""
    world = Paced(
        THROTTLED,
        refusal("RequestExpired", date=http_date(NOW + 3600)),
        refusal("ExpiredToken"),
        OK,
        credentials=(KEYS, OTHER_KEYS),
        max_attempts=1,
    )
    assert world.call().attempts == 4


def test_a_pause_that_the_service_asks_for_delays_all_users() -> None:
    """All other users are throttled at once."""
    world = Paced(refusal("TooManyRequestsException", x_amz_retry_after="4000"), OK)
    world.call()
    assert world.time >= 4


def test_the_timeout_of_a_call_of_many_starts_with_its_first_attempt() -> None:
    """A user who waits for a turn, or for the first credentials, times out."""
    world = Paced(OK, max_rate=0.01, credentials=((50.0, KEYS),))
    world.pacer.reserve("another user", 0.0, 0.0)
    assert world.call(timeout=10).attempts == 1
    assert world.time == pytest.approx(150)
    assert world.sends[0].timeout == pytest.approx(10)


@pytest.mark.parametrize("timeout", [0.1, 1, 10, 100])
def test_a_timeout_ends_a_call_of_many_with_the_last_error(timeout: float) -> None:
    """The error does not say why a user failed, or the call takes longer than its timeout."""
    world = Paced((0.05, THROTTLED))
    error = world.failed_call(timeout=timeout)
    assert type(error) is TooManyRequestsError
    assert error.attempts == len(world.requests)
    assert world.time < timeout + 0.05


@pytest.mark.parametrize("answer", [THROTTLED, BROKEN])
def test_a_response_at_the_end_of_the_timeout_is_the_error(answer: Any) -> None:
    """A time-out that says that nothing was sent hides the error."""
    world = Paced((10.0, answer), (10.0, answer))
    error = world.failed_call(timeout=10)
    assert type(error) in (TooManyRequestsError, InternalServiceError)
    assert error.attempts == 1


def test_a_call_of_many_raises_the_last_error_if_a_pause_takes_too_long() -> None:
    """On a busy machine, a time-out hides why the call failed."""
    world = Paced(THROTTLED)
    world.oversleeps = 1000.0
    error = world.failed_call(timeout=10)
    assert type(error) is TooManyRequestsError
    assert error.attempts == 1


@given(
    timeout=st.none() | st.floats(0.001, 100),
    answers=st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from([THROTTLED, BROKEN, OK, SignOutTimeoutError("late")])), min_size=1
    ),
    max_rate=st.none() | st.floats(0.1, 100),
    random=st.floats(0, 0.999),
)
def test_no_request_of_many_starts_after_the_timeout(
    timeout: float | None, answers: list[Any], max_rate: float | None, random: float
) -> None:
    """A call takes longer than its timeout."""
    world = Paced(*answers, (0.0, OK), max_attempts=4, random=random, max_rate=max_rate)
    try:
        outcome: SignOutResult | SignOutError = world.call(timeout=timeout)
    except SignOutError as error:
        outcome = error
    assert outcome.attempts == len(world.requests) >= 1
    assert not isinstance(outcome, SignOutTimeoutError) or outcome.message == "late"
    for send in world.sends:
        assert (send.timeout is None) is (timeout is None)
        assert send.timeout is None or timeout is None or 0 < send.timeout <= timeout
