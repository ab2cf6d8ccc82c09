"""One call from its arguments to its outcome, driven by hand: no I/O, a clock that the test moves."""

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
    """The service's no."""
    body = json.dumps({"__type": aws_code, "message": f"{aws_code}!"}).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def http_date(seconds: float) -> str:
    """The ``Date`` of a service whose clock says so."""
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


THROTTLED = refusal("TooManyRequestsException")
BROKEN = refusal("InternalErrorException", 500)


class World:
    """All that a call meets: answers to its requests, credentials, settings, time and chance.

    Args:
        answers: What comes of each request: a response, an exception to raise, or a pair of the seconds that it
            takes and either of these. The last one is repeated.
        credentials: What a question for credentials is answered with, until they are refused and the next are due.
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
        """What the machine's clock says."""
        return NOW + self.time + self.clock_is_off_by

    def monotonic(self) -> float:
        """A clock that never goes back."""
        return self.time

    def random(self) -> float:
        """What chance says."""
        return self.chance

    def trace_header(self) -> str | None:
        """The trace that the process is part of."""
        return self.trace

    def call(self, *, user_pool_id: Any = POOL, username: Any = "alice", timeout: Any = None) -> SignOutResult:
        """Runs one call to its end."""
        return self.run(sign_out_flow(self, self.shared, user_pool_id=user_pool_id, username=username, timeout=timeout))

    def run(self, flow: steps.Flow) -> SignOutResult:
        """Does what a flow asks for."""
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
        """Each request, with the time that it was given."""
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


# One attempt


def test_a_call_asks_for_settings_then_credentials_then_sends() -> None:
    """Credentials would be looked up where the configuration is wrong anyway, or a request be sent without."""
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
def test_a_request_has_these_headers_and_no_others(token: str | None, trace: str | None) -> None:
    """The service would not understand the request, or AWS's statistics not see its retries."""
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
    """AWS would refuse from us what it accepts from boto3."""
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


def test_the_result_has_our_id_and_time_where_the_service_gives_none() -> None:
    """A result without an id could not be found in any log."""
    world = World((1.5, HttpResponse(200, {}, b"{}")))
    outcome = world.call()
    assert outcome.id == world.requests[0].headers["amz-sdk-invocation-id"]
    assert outcome.created_at == datetime(2025, 1, 1, 0, 0, 1, tzinfo=timezone.utc)


# Trying again

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
def test_what_may_pass_is_tried_again_as_often_as_was_chosen(
    answer: Any, cls: type[SignOutError], cost: int, max_attempts: int
) -> None:
    """A hiccup would fail a call, or a call would go on for longer than was chosen."""
    world = World(answer, max_attempts=max_attempts)
    error = world.failed_call()
    assert type(error) is cls
    assert error.attempts == len(world.requests) == max_attempts
    assert len(world.pauses) == max_attempts - 1
    assert world.shared.quota.available == 500 - cost * (max_attempts - 1)
    assert (error.user_pool_id, error.username) == (POOL, "alice")


@pytest.mark.parametrize(("answer", "cost"), [(answer, cost) for answer, _, cost in RETRYABLE])
def test_a_later_attempt_may_succeed(answer: Any, cost: int) -> None:
    """A hiccup would fail a call that could have been saved, or use up the quota for good."""
    world = World(answer, answer, OK)
    assert world.call().attempts == 3
    assert world.shared.quota.available == 500 - cost  # the last retry's cost is given back


@pytest.mark.parametrize(("answer", "cls"), FINAL)
def test_what_will_not_pass_is_raised_at_once(answer: Any, cls: type[SignOutError]) -> None:
    """A user would wait for what can't come, and the quota pay for it."""
    world = World(answer)
    error = world.failed_call()
    assert type(error) is cls
    assert (error.attempts, len(world.requests), world.pauses) == (1, 1, [])
    assert (error.user_pool_id, error.username) == (POOL, "alice")
    assert world.shared.quota.available == 500


def test_the_error_is_that_of_the_last_attempt() -> None:
    """The cause that was raised would not be the one that stopped the call."""
    world = World(THROTTLED, SignOutConnectionError("reset"), refusal("UserNotFoundException"))
    error = world.failed_call()
    assert type(error) is UserNotFoundError
    assert error.attempts == 3


def test_attempts_are_numbered_under_one_id_and_signed_each_at_its_time() -> None:
    """AWS could not tell a retry from another call, or would refuse a retry after a long pause as too old."""
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
    """Two calls of a fleet could have one id, or the id be refused by whoever parses it."""
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
    """A service in trouble would be asked again too soon."""
    world = World(answer, max_attempts=6, random=random)
    world.failed_call()
    assert world.pauses == pytest.approx(pauses)


def test_a_pause_that_an_earlier_response_asked_for_is_forgotten() -> None:
    """A call would wait for what the response before the last one asked."""
    world = World(refusal("TooManyRequestsException", x_amz_retry_after="4000"), ConnectionResetError(), OK)
    world.call()
    assert world.pauses == pytest.approx([4.0, 0.05])


def test_an_empty_quota_stops_retries_until_calls_succeed_again() -> None:
    """Clients would add to the load of a service that is down, or not recover once it is back."""
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


# The timeout


@pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10)])
def test_a_request_is_told_how_much_time_is_left(timeout: Any) -> None:
    """A call would take longer than it may."""
    world = World((2.0, THROTTLED), (3.0, THROTTLED), OK)
    world.call(timeout=timeout)
    assert [send.timeout for send in world.sends] == pytest.approx([10.0, 7.5, 3.5])


def test_resolving_settings_and_credentials_counts_against_the_timeout() -> None:
    """A call would take longer than it may where credentials come from a slow source."""
    world = World(OK, credentials=((4.0, KEYS),))
    world.call(timeout=10)
    assert world.sends[0].timeout == pytest.approx(6.0)


def test_no_request_is_sent_when_the_time_is_up() -> None:
    """A user would be signed out by a call that has failed already."""
    world = World(OK, credentials=((10.0, KEYS),))
    error = world.failed_call(timeout=10)
    assert type(error) is SignOutTimeoutError
    assert (error.attempts, error.username, world.requests) == (0, "alice", [])
    assert "timeout ran out" in error.message


@pytest.mark.parametrize(("timeout", "attempts"), [(0.4, 1), (0.5, 1), (0.6, 2), (1.5, 2), (1.6, 3)])
def test_the_last_error_is_raised_where_there_is_no_time_for_another_attempt(timeout: float, attempts: int) -> None:
    """A call would take longer than it may, or hide what stopped it behind a time-out."""
    world = World(THROTTLED, max_attempts=9, random=0.5)
    error = world.failed_call(timeout=timeout)
    assert type(error) is TooManyRequestsError
    assert error.attempts == attempts
    assert world.time < timeout
    assert world.shared.quota.available == 500 - 5 * (attempts - 1)


def test_who_oversleeps_is_told_the_last_error() -> None:
    """On a busy machine, what stopped the call would be hidden behind a time-out."""
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
def test_no_request_begins_and_no_pause_ends_after_the_timeout(
    timeout: float, answers: list[Any], random: float
) -> None:
    """A call would take longer than it may."""
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
def test_a_call_may_take_for_ever(timeout: Any) -> None:
    """Whoever wants no bound would get an error, or a bound that no socket can hold."""
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
def test_a_timeout_that_can_not_be_is_refused_before_anything_is_done(timeout: Any) -> None:
    """A typo would become a call without a bound, or an error that is none of ours."""
    world = World(OK)
    error = world.failed_call(timeout=timeout)
    assert type(error) is ValidationError
    assert "timeout" in error.message
    assert (error.attempts, error.user_pool_id, error.username, world.steps) == (0, POOL, "alice", [])


# Arguments

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
    """A wrong argument would raise something that is no error of ours, or reach the service."""
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
    named = user_pool_id if protocol.is_user_pool_id(user_pool_id) else None
    assert refused.user_pool_id == named
    assert refused.username == (username if isinstance(username, str) else None)


# A clock that is off

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
def test_a_clock_that_is_off_is_corrected_by_the_services(code: str, offset: int) -> None:
    """On a machine whose clock is off, no call would succeed."""
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
def test_a_clock_that_is_right_is_not_corrected(offset: int) -> None:
    """A wrong secret key would cost two requests, and the clock be moved for no reason."""
    world = World(refusal("InvalidSignatureException", date=http_date(NOW + offset)))
    assert type(world.failed_call()) is AuthenticationError
    assert len(world.requests) == 1
    assert world.shared.clock_offset == 0


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 30 Feb 2025 00:00:00 GMT"])
def test_a_clock_is_not_corrected_without_a_date(date: str) -> None:
    """The time would be guessed."""
    world = World(refusal("RequestExpired", date=date))
    assert world.failed_call().attempts == 1
    assert world.shared.clock_offset == 0


@pytest.mark.parametrize("code", ["UserNotFoundException", "ExpiredTokenException", "TooManyRequestsException"])
def test_a_clock_is_not_corrected_for_another_reason(code: str) -> None:
    """A proxy with a wrong clock would move ours, and break a signature that was fine."""
    world = World(refusal(code, date=http_date(NOW + 86400)))
    world.failed_call()
    assert world.shared.clock_offset == 0
    assert {r.headers["X-Amz-Date"][:8] for r in world.requests} == {"20250101"}


def test_a_clock_is_corrected_once_a_call() -> None:
    """A service whose dates jump would be asked for ever."""
    world = World(*(refusal("RequestExpired", date=http_date(NOW + 1000 * n)) for n in range(1, 9)))
    error = world.failed_call()
    assert type(error) is AuthenticationError
    assert error.attempts == 2
    assert world.shared.clock_offset == 1000


def test_a_corrected_clock_can_be_corrected_again_by_a_later_call() -> None:
    """A machine that sets its clock right would be off by the correction until it is restarted."""
    shared = steps.Shared(clock_offset=3600.0)
    world = World(refusal("RequestTimeTooSkewed", date=http_date(NOW)), OK, shared=shared)
    assert world.call().attempts == 2
    assert shared.clock_offset == 0


def test_a_clock_that_was_corrected_already_is_not_the_reason() -> None:
    """A secret key with a typo would cost two requests for each call on a machine whose clock is off."""
    shared = steps.Shared(clock_offset=3600.0)
    world = World(refusal("SignatureDoesNotMatch", date=http_date(NOW + 3600)), shared=shared)
    assert world.failed_call().attempts == 1
    assert shared.clock_offset == 3600


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"])
def test_an_absurd_date_does_not_break_a_call(date: str) -> None:
    """Whoever answers with nonsense would make a call fail in an untyped way."""
    world = World((0.0, refusal("RequestExpired", date=date)), (5.0, HttpResponse(200, {}, b"{}")))
    assert world.call().attempts == 2
    assert World((5.0, HttpResponse(200, {}, b"{}")), shared=world.shared).call().attempts == 1


# Credentials that are refused

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
    """A process would have to be restarted when its keys were rotated."""
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
    """A revoked key would cost two requests for each call."""
    world = World(refusal("UnrecognizedClientException"), credentials=(KEYS, KEYS))
    assert type(world.failed_call()) is AuthenticationError
    assert len(world.requests) == 1


def test_credentials_are_replaced_once_a_call() -> None:
    """A source that makes up new keys each time would be asked for ever."""
    world = World(refusal("ExpiredToken"), credentials=(KEYS, OTHER_KEYS, KEYS, OTHER_KEYS))
    assert world.failed_call().attempts == 2


@pytest.mark.parametrize("code", ["NotAuthorizedException", "InvalidSignatureException", "TooManyRequestsException"])
def test_credentials_are_not_replaced_for_another_reason(code: str) -> None:
    """A missing permission would make every call load its credentials anew."""
    world = World(refusal(code), credentials=(KEYS, OTHER_KEYS))
    world.failed_call()
    assert all("Credential=AKIDEXAMPLE/" in request.headers["Authorization"] for request in world.requests)


def test_a_source_that_fails_when_it_is_asked_for_others_is_named() -> None:
    """The reason why there are no other credentials would be lost."""
    world = World(refusal("ExpiredToken"), credentials=(KEYS, CredentialsError("SSO has expired")))
    error = world.failed_call()
    assert type(error) is CredentialsError
    assert (error.message, error.attempts, error.username) == ("SSO has expired", 1, "alice")


def test_all_that_can_be_mended_is_mended_in_one_call() -> None:
    """A clock that is off and keys that were rotated, or a throttle, would fail a call together."""
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
def test_what_was_refused_is_raised_where_there_is_no_time_to_mend_it(
    answer: Any, credentials: tuple[Any, ...]
) -> None:
    """A refusal would be hidden behind a time-out."""
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
def test_what_can_be_mended_in_the_last_moment_is_mended(answer: Any, pauses: list[float]) -> None:
    """A call would fail that had half a second left."""
    world = World((9.5, answer), OK, credentials=(KEYS, OTHER_KEYS))
    assert world.call(timeout=10).attempts == 2
    assert world.pauses == pytest.approx(pauses)


def test_every_question_is_told_how_much_time_is_left() -> None:
    """A source of credentials that hangs would hold up a call for longer than it may take."""
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


# What others raise


@pytest.mark.parametrize(
    ("raised", "cls"),
    [
        (OSError("no route to host"), SignOutConnectionError),
        (ConnectionRefusedError(111, "refused"), SignOutConnectionError),
        (BrokenPipeError(), SignOutConnectionError),
        (TimeoutError("timed out"), SignOutTimeoutError),
    ],
)
def test_what_pythons_sockets_raise_is_mapped(raised: OSError, cls: type[SignOutError]) -> None:
    """A transport of the user's would make a call fail in an untyped way, or hide why."""
    error = World(raised, max_attempts=1).failed_call()
    assert type(error) is cls
    assert error.__cause__ is raised
    assert str(raised) in error.message
    assert (error.attempts, error.user_pool_id, error.username) == (1, POOL, "alice")


@pytest.mark.parametrize("raised", [RuntimeError("bug"), KeyError("bug"), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_fault_of_the_network_passes_unchanged(raised: BaseException) -> None:
    """A bug in a transport would be taken for a network that is down, and Ctrl-C be swallowed."""
    world = World(raised)
    with pytest.raises(type(raised)) as caught:
        world.call()
    assert caught.value is raised
    assert len(world.requests) == 1


def test_a_retry_says_what_it_comes_after() -> None:
    """The logs could not say why there is another attempt."""
    world = World(ConnectionResetError("reset"), OK)
    world.call()
    first, second = world.sends
    assert first.after is None
    assert type(second.after) is SignOutConnectionError


@pytest.mark.parametrize("username", ["alice", "connection", "ERROR"])
def test_who_it_was_about_is_no_reason_to_drop_a_cause(username: str) -> None:
    """The same fault would be told in full or in part, by whether a user's name is a word in the error's code."""
    below = ConnectionResetError(104, "reset by peer")
    raised = SignOutConnectionError("no answer")
    raised.__cause__ = below
    error = World(raised, max_attempts=1).failed_call(username=username)
    assert error.__cause__ is below
    assert "reset by peer" in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("telling", [True, False])
@pytest.mark.parametrize("is_cause", [True, False])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_an_error_came_from_is_kept_if_it_names_nobody(telling: bool, is_cause: bool, is_known: bool) -> None:
    """A traceback would show whom it was about, or not what went wrong."""
    raised = SignOutConnectionError("no", username="bob" if is_known else None)  # bob's is copied for alice
    below = KeyError("alice" if telling else "the pool of sockets")
    raised.__cause__, raised.__context__ = (below, None) if is_cause else (None, below)
    raised.__suppress_context__ = is_cause
    error = World(raised, max_attempts=1).failed_call()
    shown = "".join(traceback.format_exception(error))
    assert ("alice" in shown, "the pool of sockets" in shown) == (False, not telling)
    assert (error is raised) is not is_known


@pytest.mark.parametrize("raised", [ConfigurationError("no region"), CredentialsError("none found")])
def test_an_error_of_the_set_up_says_whom_the_call_was_about(raised: SignOutError) -> None:
    """Whoever signs out many would not know for whom it failed."""
    world = World(OK, credentials=(raised,)) if isinstance(raised, CredentialsError) else World(OK)
    if isinstance(raised, ConfigurationError):
        world.settings = raised
    error = world.failed_call()
    assert error is raised
    assert (error.user_pool_id, error.username, error.attempts) == (POOL, "alice", 0)
    assert world.requests == []


def test_an_error_that_is_raised_for_several_users_becomes_one_of_each() -> None:
    """A mock raises what it was given again and again: all that failed would seem to be the last user."""
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
def test_an_error_of_the_set_up_that_is_raised_for_several_users_becomes_one_of_each(raised: SignOutError) -> None:
    """All whom a set-up fails would seem to be the last user, where it raises what it has raised before."""
    errors = [World(raised).failed_call(username=username) for username in ("alice", "bob")]
    worlds = [World(OK, credentials=(raised,)) for _ in errors]
    errors += [world.failed_call(username=username) for world, username in zip(worlds, ("carol", "dave"), strict=True)]
    assert [error.username for error in errors] == ["alice", "bob", "carol", "dave"]
    assert all(type(error) is type(raised) and error.message == raised.message for error in errors)


def test_an_error_that_is_raised_for_a_user_again_counts_afresh() -> None:
    """The outcome of a call that is over would change."""
    raised = SignOutConnectionError("cut off")
    before, after = (World(raised, max_attempts=attempts).failed_call() for attempts in (3, 1))
    assert (before.attempts, after.attempts) == (3, 1)
    assert (before.username, after.username) == ("alice", "alice")


# One call of many


class Paced(World):
    """A world in which a call is one of many.

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
    """The pace would be that of whoever pulls the usernames."""
    world = Paced(OK, max_rate=2)
    for _ in range(3):
        world.call()
    assert world.pauses == pytest.approx([0.5, 0.5])
    assert [type(step) for step in world.steps[:3]] == [steps.Configure, steps.Authenticate, steps.Send]
    assert [type(step) for step in world.steps[3:7]] == [
        steps.Configure,
        steps.Authenticate,
        steps.Pause,
        steps.Send,
    ]


@pytest.mark.parametrize("answer", [OK, refusal("UserNotFoundException")])
def test_a_call_of_many_sends_and_returns_what_a_single_one_does(answer: HttpResponse) -> None:
    """One of many would sign out another user, or say so."""
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
def test_a_user_of_many_has_another_attempt_in_the_last_moment(answer: HttpResponse) -> None:
    """A user would be given up who had half a second left."""
    assert Paced((9.5, answer), OK).call(timeout=10).attempts == 2


def test_every_attempt_of_many_waits_for_its_turn() -> None:
    """Retries would come on top of the pace."""
    world = Paced(BROKEN, BROKEN, OK, max_rate=0.1, random=0.0)
    assert world.call().attempts == 3
    times = [0.0, 10.0, 20.0]
    assert [r.headers["X-Amz-Date"][-3:-1] for r in world.requests] == [f"{time:02.0f}" for time in times]


def test_being_throttled_costs_no_attempts() -> None:
    """Users would be lost to a quota that somebody else has used up."""
    world = Paced(*[THROTTLED] * 50, OK, max_attempts=1)
    assert world.call().attempts == 51
    assert world.shared.quota.available == 500
    assert world.requests[-1].headers["amz-sdk-request"] == "attempt=51; max=51"


@pytest.mark.parametrize("answer", [BROKEN, SignOutConnectionError("reset"), TimeoutError("late"), HttpResponse(503)])
def test_whatever_else_may_pass_costs_attempts(answer: Any) -> None:
    """A run without a network would never end."""
    world = Paced(answer, THROTTLED, answer, THROTTLED, THROTTLED, answer, OK, max_attempts=3)
    error = world.failed_call()
    assert error.attempts == 6
    assert not isinstance(error, TooManyRequestsError)
    assert world.shared.quota.available == 500, "the pacer sees to it that nobody storms"


@pytest.mark.parametrize(("answer", "cls"), FINAL)
def test_what_will_not_pass_is_raised_at_once_in_a_call_of_many(answer: Any, cls: type[SignOutError]) -> None:
    """Everyone behind would wait for what can't come."""
    world = Paced(THROTTLED, answer)
    error = world.failed_call()
    assert type(error) is cls
    assert (error.attempts, error.username) == (2, "alice")


def test_credentials_are_asked_for_anew_for_each_attempt() -> None:
    """Who has waited long enough would sign with keys that have expired meanwhile."""
    world = Paced(THROTTLED, BROKEN, OK)
    world.call()
    kinds = [type(step) for step in world.steps if not isinstance(step, steps.Pause)]
    assert kinds == [steps.Configure, *[steps.Authenticate, steps.Send] * 3]


def test_clock_and_credentials_are_mended_in_a_call_of_many() -> None:
    """Keys that were rotated would end a run of hours."""
    world = Paced(
        THROTTLED,
        refusal("RequestExpired", date=http_date(NOW + 3600)),
        refusal("ExpiredToken"),
        OK,
        credentials=(KEYS, OTHER_KEYS),
        max_attempts=1,
    )
    assert world.call().attempts == 4


def test_a_pause_that_the_service_asks_for_holds_up_everyone() -> None:
    """All others would run into the same throttle at once."""
    world = Paced(refusal("TooManyRequestsException", x_amz_retry_after="4000"), OK)
    world.call()
    assert world.time >= 4


def test_the_timeout_of_a_call_of_many_begins_with_its_first_attempt() -> None:
    """Who waits for a turn, or for the first credentials, would time out before it comes."""
    world = Paced(OK, max_rate=0.01, credentials=((50.0, KEYS),))
    world.pacer.reserve(0.0, 0.0)
    assert world.call(timeout=10).attempts == 1
    assert world.time == pytest.approx(100)
    assert world.sends[0].timeout == pytest.approx(10)


@pytest.mark.parametrize("timeout", [0.1, 1, 10, 100])
def test_a_timeout_ends_a_call_of_many_with_the_last_error(timeout: float) -> None:
    """Whoever sets one would not learn why a user was not done, or wait for longer."""
    world = Paced((0.05, THROTTLED))
    error = world.failed_call(timeout=timeout)
    assert type(error) is TooManyRequestsError
    assert error.attempts == len(world.requests)
    assert world.time < timeout + 0.05


@pytest.mark.parametrize("answer", [THROTTLED, BROKEN])
def test_an_answer_that_comes_when_the_time_is_up_is_the_error(answer: Any) -> None:
    """It would be hidden behind a time-out that says that nothing was sent."""
    world = Paced((10.0, answer), (10.0, answer))
    error = world.failed_call(timeout=10)
    assert type(error) in (TooManyRequestsError, InternalServiceError)
    assert error.attempts == 1


def test_who_oversleeps_in_a_call_of_many_is_told_the_last_error() -> None:
    """On a busy machine, what stopped the call would be hidden behind a time-out."""
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
def test_no_request_of_many_begins_after_the_timeout(
    timeout: float | None, answers: list[Any], max_rate: float | None, random: float
) -> None:
    """A call would take longer than it may."""
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
