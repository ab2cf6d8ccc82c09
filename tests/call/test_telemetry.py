"""Log records of the logger ``cognito_signout``, and OpenTelemetry spans."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.credentials import Credentials
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cognito_signout import (
    AsyncSignOutClient,
    SignOutClient,
    SignOutError,
    SignOutTimeoutError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout._call.steps import Pause
from cognito_signout._call.telemetry import observed
from cognito_signout.testing import FakeCognito
from cognito_signout.transports import HttpResponse
from tests.ways import OK, BlockingTransport, InTasks, InThreads, Script, Way

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from cognito_signout.transports import HttpRequest

POOL = "us-east-1_Test00001"
USER = "alice-who-is-private"


@pytest.fixture(params=[InThreads, InTasks], ids=["blocking", "async"])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Either client."""
    way: Way = request.param()
    yield way
    way.finish()


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with one user."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username=USER)
    return fake


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of this test. A process can't replace its tracer provider."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def sign_out(client: SignOutClient | AsyncSignOutClient, username: str = USER, **arguments: Any) -> Any:
    """The outcome of a call of either client."""
    try:
        outcome: Any = client.sign_out(user_pool_id=POOL, username=username, **arguments)
        return outcome if isinstance(client, SignOutClient) else asyncio.run(outcome)
    except SignOutError as error:
        return error


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span, as a dictionary."""
    return dict(span.attributes or {})


def test_each_request_is_a_record_of_level_debug(way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture) -> None:
    """A developer needs a debugger to see what a call does."""
    with caplog.at_level("DEBUG", "cognito_signout"):
        result = sign_out(way.client_of(fake))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("cognito_signout", "DEBUG")
    told = vars(record)
    assert record.getMessage().startswith(f"{POOL}, call {told['invocation_id']}, attempt 1: HTTP 200 from")
    assert (told["user_pool_id"], told["attempt"], told["http_status"]) == (POOL, 1, 200)
    assert told["aws_request_id"] == result.id
    assert told["seconds"] >= 0


@pytest.mark.parametrize(
    ("fault", "what"),
    [("TooManyRequestsException", "HTTP 400"), ("reset", "SignOutConnectionError")],
)
def test_each_retry_is_a_record_of_level_info(
    fault: str, what: str, way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that throttles or fails is noticed only when retries no longer help."""
    fake.fail(fault, times=2)
    with caplog.at_level("DEBUG", "cognito_signout"):
        assert sign_out(way.client_of(fake)).attempts == 3
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "DEBUG", "INFO", "DEBUG"]
    assert f"attempt 1: {what} from cognito-idp.us-east-1.amazonaws.com, " in caplog.messages[0]
    cause = "TooManyRequestsError" if what.startswith("HTTP") else what
    (call,) = {vars(record)["invocation_id"] for record in caplog.records}
    assert caplog.messages[1::2] == [
        f"{POOL}, call {call}, attempt 2: trying again after {cause}",
        f"{POOL}, call {call}, attempt 3: trying again after {cause}",
    ]


def test_records_of_calls_can_be_told_apart(way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture) -> None:
    """The records of concurrent calls are mixed up."""
    client = way.client_of(fake)
    with caplog.at_level("DEBUG", "cognito_signout"):
        sign_out(client)
        sign_out(client)
    assert len({vars(record)["invocation_id"] for record in caplog.records}) == 2


def test_records_of_concurrent_calls_can_be_told_apart(
    way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempts of users in flight at the same time can't be put together."""
    names = [f"user-{number}" for number in range(20)]
    fake.add_users(user_pool_id=POOL, usernames=names)
    fake.fail("InternalErrorException", times=10)
    with caplog.at_level("DEBUG", "cognito_signout"):
        outcomes = list(way.sign_out_many(way.client_of(fake), user_pool_id=POOL, usernames=names))
    attempts: dict[str, list[int]] = {}
    for record in caplog.records:
        told = vars(record)
        assert f", call {told['invocation_id']}, attempt {told['attempt']}: " in record.getMessage()
        if record.levelname == "DEBUG":
            attempts.setdefault(told["invocation_id"], []).append(told["attempt"])
    assert sorted(attempts.values()) == sorted([*range(1, outcome.attempts + 1)] for outcome in outcomes)


def test_every_record_of_a_call_is_made_within_its_span(
    way: Way, fake: FakeCognito, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A log handler that adds the trace's ID puts a record of a call into no span."""
    fake.fail("reset", times=2)
    seen: list[trace.Span] = []
    caplog.handler.addFilter(lambda _: not seen.append(trace.get_current_span()))  # type: ignore[func-returns-value]
    with caplog.at_level("DEBUG", "cognito_signout"):
        sign_out(way.client_of(fake))
    (span,) = exporter.get_finished_spans()
    assert [each.get_span_context() for each in seen] == [span.get_span_context()] * 5


def test_level_info_shows_retries_and_no_requests(
    way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """Level info is as verbose as level debug, or silent."""
    fake.fail("reset")
    with caplog.at_level("INFO", "cognito_signout"):
        sign_out(way.client_of(fake))
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_call_that_needs_no_retry_says_nothing_by_default(
    way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """The library logs too much by default."""
    sign_out(way.client_of(fake))
    sign_out(way.client_of(fake), "nobody")
    assert not caplog.records


@pytest.mark.parametrize("echo", ["InternalErrorException", "UserNotFoundException"])
def test_no_record_names_a_user(
    echo: str, way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture, exporter: InMemorySpanExporter
) -> None:
    """The logs contain personal data."""
    fake.fail(echo, times=2)
    with caplog.at_level("DEBUG"):
        sign_out(way.client_of(fake))
        sign_out(way.client_of(fake), "nobody-in-particular")
    told = [str(vars(record)) + record.getMessage() for record in caplog.records if record.name == "cognito_signout"]
    told += [span.to_json() for span in exporter.get_finished_spans()]
    assert len(told) >= 4
    assert not [text for text in told if USER in text or "nobody-in-particular" in text]


def test_a_call_without_listeners_imports_nothing_and_is_not_wrapped() -> None:
    """Users who want no logs pay for them."""
    program = (
        "import sys\n"
        "from cognito_signout import SignOutClient\n"
        "from cognito_signout._call.telemetry import observed\n"
        "from cognito_signout.transports import HttpResponse\n"
        "class Transport:\n"
        "    def send(self, request, *, timeout): return HttpResponse(200, {}, b'{}')\n"
        "    def close(self): pass\n"
        f"SignOutClient(transport=Transport()).sign_out(user_pool_id={POOL!r}, username='alice')\n"
        "loaded = {'logging', 'opentelemetry'} & set(sys.modules)\n"
        "flow = (step for step in ())\n"
        "print(sorted(loaded), observed(flow) is flow)\n"
        "import logging\n"
        "print(observed(flow) is flow)\n"
        "logging.basicConfig(level='INFO')\n"
        "print(observed(flow) is flow)\n"
    )
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split("\n")[:3] == ["[] True", "True", "False"]


def test_a_call_is_a_span_with_conventional_attributes(
    way: Way, fake: FakeCognito, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """Sign-outs are missing from traces, or are not found where boto3's calls are."""
    with caplog.at_level("DEBUG", "cognito_signout"):
        result = sign_out(way.client_of(fake))
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("Cognito Identity Provider.AdminUserGlobalSignOut", SpanKind.CLIENT)
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "cognito_signout"
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span) == {
        "rpc.system": "aws-api",
        "rpc.service": "Cognito Identity Provider",
        "rpc.method": "AdminUserGlobalSignOut",
        "aws.request_id": result.id,
        "cloud.region": "us-east-1",
        "cognito_signout.invocation_id": vars(caplog.records[0])["invocation_id"],
        "http.response.status_code": 200,
        "server.address": "cognito-idp.us-east-1.amazonaws.com",
    }


def test_a_span_counts_the_retries_and_names_the_port(way: Way, exporter: InMemorySpanExporter) -> None:
    """A slow call can't be told from a call with three attempts."""
    answers: Iterator[Any] = iter([ConnectionResetError, ConnectionResetError, HttpResponse(200, {}, b"{}")])
    keys = Credentials("AKIDEXAMPLE", "secret")
    client = way.client(Script(lambda _: next(answers)), endpoint_url="http://localhost:5000", credentials=keys)
    assert sign_out(client).attempts == 3
    (span,) = exporter.get_finished_spans()
    told = attributes_of(span)
    assert told["http.request.resend_count"] == 2
    assert "aws.request_id" not in told
    assert (told["server.address"], told["server.port"]) == ("localhost", 5000)


@pytest.mark.parametrize(
    ("username", "fault", "error"),
    [("nobody", None, UserNotFoundError), (USER, "timeout", SignOutTimeoutError), ("", None, ValidationError)],
)
def test_a_span_of_a_call_that_failed_says_so(
    username: str,
    fault: str | None,
    error: type[SignOutError],
    way: Way,
    fake: FakeCognito,
    exporter: InMemorySpanExporter,
) -> None:
    """In a trace, errors look like successes."""
    if fault is not None:
        fake.fail(fault, times=3)
    assert type(sign_out(way.client_of(fake), username)) is error
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == error.__name__


def test_a_span_is_a_child_of_the_callers_span(way: Way, fake: FakeCognito, exporter: InMemorySpanExporter) -> None:
    """A sign-out is a trace of its own, without its caller."""
    client = way.client_of(fake)
    with trace.get_tracer("application").start_as_current_span("request") as request:
        sign_out(client)
        list(way.sign_out_many(client, user_pool_id=POOL, usernames=[USER, "nobody"]))
        assert trace.get_current_span() is request
    *calls, _ = exporter.get_finished_spans()
    assert [call.parent and call.parent.span_id for call in calls] == [request.get_span_context().span_id] * 3


def test_spans_of_a_transport_are_children_of_the_calls_span(exporter: InMemorySpanExporter) -> None:
    """The spans of an instrumented HTTP library are not children of the call's span."""
    seen: list[trace.Span] = []

    class Transport(BlockingTransport):
        def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            seen.append(trace.get_current_span())
            return super().send(request, timeout=timeout)

    keys = Credentials("AKIDEXAMPLE", "secret")
    client = SignOutClient(transport=Transport(Script(lambda _: OK)), credentials=keys)
    client.sign_out(user_pool_id=POOL, username=USER)
    (span,) = exporter.get_finished_spans()
    assert [each.get_span_context() for each in seen] == [span.get_span_context()]


class Broken:
    """A log filter, a log handler and a span processor that always fail."""

    level = 0

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_broken_listener_does_not_fail_a_call(way: Way, fake: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user is signed out, and the call ends in an exception of the logging."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(cast("Any", Broken()))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    logger = logging.getLogger("cognito_signout")
    broken = cast("Any", Broken())
    logger.setLevel("DEBUG")
    logger.addFilter(broken)
    try:
        assert sign_out(way.client_of(fake)).attempts == 1
        assert type(sign_out(way.client_of(fake), "nobody")) is UserNotFoundError
    finally:
        logger.removeFilter(broken)
        logger.setLevel("NOTSET")


def test_a_call_that_ends_in_a_bug_has_a_span_that_says_so(exporter: InMemorySpanExporter) -> None:
    """A broken transport looks like an abandoned call."""
    keys = Credentials("AKIDEXAMPLE", "secret")
    client = SignOutClient(transport=BlockingTransport(Script(lambda _: ZeroDivisionError("a bug"))), credentials=keys)
    with pytest.raises(ZeroDivisionError):
        client.sign_out(user_pool_id=POOL, username=USER)
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == "ZeroDivisionError"


def test_a_malformed_request_id_is_not_logged(
    way: Way, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A server can put a username into logs and traces."""
    answer = HttpResponse(200, {"x-amzn-RequestId": USER}, b"{}")
    client = way.client(Script(lambda _: answer), credentials=Credentials("AKIDEXAMPLE", "secret"))
    with caplog.at_level("DEBUG", "cognito_signout"):
        assert sign_out(client).id == USER
    (span,) = exporter.get_finished_spans()
    assert USER not in f"{vars(caplog.records[0])}{span.to_json()}"


def test_a_cancelled_call_ends_its_span_in_its_own_context(
    exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """Cancelled calls are missing from traces, or later spans become their children."""

    class Transport:
        async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async def close(self) -> None:
            """Nothing to close."""

    async def main() -> None:
        client = AsyncSignOutClient(transport=Transport(), credentials=Credentials("AKIDEXAMPLE", "secret"))
        before = trace.get_current_span()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.sign_out(user_pool_id=POOL, username=USER), 0.05)
        assert trace.get_current_span() is before

    asyncio.run(main())
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.UNSET
    assert not caplog.records  # OpenTelemetry logs it when a context is detached in the wrong order


def test_observing_a_flow_does_not_change_it() -> None:
    """Listening changes the answers, exceptions or results of a call."""
    failure, answer = OSError("reset"), object()
    seen: list[OSError] = []

    def flow() -> Generator[Any, Any, Any]:
        try:
            yield Pause(1)
        except OSError as error:
            seen.append(error)
        return (yield Pause(2))

    logging.getLogger("cognito_signout").setLevel("DEBUG")
    try:
        told = observed(flow())
    finally:
        logging.getLogger("cognito_signout").setLevel("NOTSET")
    assert next(told) == Pause(1)
    assert told.throw(failure) == Pause(2)
    with pytest.raises(StopIteration) as done:
        told.send(answer)
    assert done.value.value is answer
    assert seen == [failure]
