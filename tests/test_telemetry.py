"""What a call tells of itself: records of the logger ``cognito_signout``, and a span of OpenTelemetry."""

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

from .ways import OK, BlockingTransport, InTasks, InThreads, Script, Way

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
    """Where spans go, of this test alone: a process can't take its provider back once it is set."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def sign_out(client: SignOutClient | AsyncSignOutClient, username: str = USER, **arguments: Any) -> Any:
    """What comes of a call of either client."""
    try:
        outcome: Any = client.sign_out(user_pool_id=POOL, username=username, **arguments)
        return outcome if isinstance(client, SignOutClient) else asyncio.run(outcome)
    except SignOutError as error:
        return error


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes, as a plain dictionary."""
    return dict(span.attributes or {})


def test_each_request_is_a_record_of_level_debug(way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture) -> None:
    """If this failed, nobody could see what a call does without a debugger."""
    with caplog.at_level("DEBUG", "cognito_signout"):
        result = sign_out(way.client_of(fake))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("cognito_signout", "DEBUG")
    assert record.getMessage().startswith(f"{POOL}: attempt 1 at cognito-idp.us-east-1.amazonaws.com: HTTP 200")
    told = vars(record)
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
    """If this failed, a service that throttles or fails would only be noticed when retries no longer help."""
    fake.fail(fault, times=2)
    with caplog.at_level("DEBUG", "cognito_signout"):
        assert sign_out(way.client_of(fake)).attempts == 3
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "DEBUG", "INFO", "DEBUG"]
    assert f"attempt 1 at cognito-idp.us-east-1.amazonaws.com: {what}, " in caplog.messages[0]
    cause = "TooManyRequestsError" if what.startswith("HTTP") else what
    assert caplog.messages[1::2] == [
        f"{POOL}: trying again, attempt 2, after {cause}",
        f"{POOL}: trying again, attempt 3, after {cause}",
    ]


def test_retries_are_told_where_requests_are_not(way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture) -> None:
    """If this failed, level info would be as loud as level debug, or silent."""
    fake.fail("reset")
    with caplog.at_level("INFO", "cognito_signout"):
        sign_out(way.client_of(fake))
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_call_that_needs_no_retry_says_nothing_by_default(
    way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """If this failed, the library would be loud in everybody's logs."""
    sign_out(way.client_of(fake))
    sign_out(way.client_of(fake), "nobody")
    assert not caplog.records


@pytest.mark.parametrize("echo", ["InternalErrorException", "UserNotFoundException"])
def test_no_record_names_a_user(
    echo: str, way: Way, fake: FakeCognito, caplog: pytest.LogCaptureFixture, exporter: InMemorySpanExporter
) -> None:
    """If this failed, the logs would hold personal data."""
    fake.fail(echo, times=2)
    with caplog.at_level("DEBUG"):
        sign_out(way.client_of(fake))
        sign_out(way.client_of(fake), "nobody-in-particular")
    told = [str(vars(record)) + record.getMessage() for record in caplog.records if record.name == "cognito_signout"]
    told += [span.to_json() for span in exporter.get_finished_spans()]
    assert len(told) >= 4
    assert not [text for text in told if USER in text or "nobody-in-particular" in text]


def test_where_nobody_listens_a_call_loads_nothing_for_it_and_is_not_wrapped() -> None:
    """If this failed, everybody would pay for what few use."""
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


def test_a_call_is_a_span_with_the_attributes_that_the_conventions_name(
    way: Way, fake: FakeCognito, exporter: InMemorySpanExporter
) -> None:
    """If this failed, sign-outs would be missing from traces, or not be found where boto3's calls are."""
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
        "http.response.status_code": 200,
        "server.address": "cognito-idp.us-east-1.amazonaws.com",
    }


def test_a_span_counts_the_retries_and_names_the_port(way: Way, exporter: InMemorySpanExporter) -> None:
    """If this failed, a slow call could not be told from one that took three attempts."""
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
    """If this failed, errors would look like successes in a trace."""
    if fault is not None:
        fake.fail(fault, times=3)
    assert type(sign_out(way.client_of(fake), username)) is error
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == error.__name__


def test_a_span_belongs_to_the_one_that_the_caller_is_in(
    way: Way, fake: FakeCognito, exporter: InMemorySpanExporter
) -> None:
    """If this failed, sign-outs would be traces of their own, and nobody would know whose."""
    client = way.client_of(fake)
    with trace.get_tracer("application").start_as_current_span("request") as request:
        sign_out(client)
        list(way.sign_out_many(client, user_pool_id=POOL, usernames=[USER, "nobody"]))
        assert trace.get_current_span() is request
    *calls, _ = exporter.get_finished_spans()
    assert [call.parent and call.parent.span_id for call in calls] == [request.get_span_context().span_id] * 3


def test_what_a_transport_does_belongs_to_the_span_of_the_call(exporter: InMemorySpanExporter) -> None:
    """If this failed, the spans of an instrumented HTTP library would not be under the call's."""
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
    """A filter, a handler and a processor of spans that fail at whatever they are asked."""

    level = 0

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_what_is_wrong_with_a_listener_is_no_matter_for_a_call(
    way: Way, fake: FakeCognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this failed, a user could be signed out, and the call end in an exception of the logs."""
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
    """If this failed, a broken transport would look like a call that was abandoned."""
    keys = Credentials("AKIDEXAMPLE", "secret")
    client = SignOutClient(transport=BlockingTransport(Script(lambda _: ZeroDivisionError("a bug"))), credentials=keys)
    with pytest.raises(ZeroDivisionError):
        client.sign_out(user_pool_id=POOL, username=USER)
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == "ZeroDivisionError"


def test_what_is_no_id_of_a_request_is_not_repeated(
    way: Way, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """If this failed, a server could have a user named in logs and traces."""
    answer = HttpResponse(200, {"x-amzn-RequestId": USER}, b"{}")
    client = way.client(Script(lambda _: answer), credentials=Credentials("AKIDEXAMPLE", "secret"))
    with caplog.at_level("DEBUG", "cognito_signout"):
        assert sign_out(client).id == USER
    (span,) = exporter.get_finished_spans()
    assert USER not in f"{vars(caplog.records[0])}{span.to_json()}"


def test_a_call_that_is_cancelled_ends_its_span_in_the_context_it_began_in(
    exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """If this failed, cancelled calls would be missing, or whatever comes next would belong to them."""

    class Transport:
        async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async def close(self) -> None:
            """There is nothing to close."""

    async def main() -> None:
        client = AsyncSignOutClient(transport=Transport(), credentials=Credentials("AKIDEXAMPLE", "secret"))
        before = trace.get_current_span()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.sign_out(user_pool_id=POOL, username=USER), 0.05)
        assert trace.get_current_span() is before

    asyncio.run(main())
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.UNSET
    assert not caplog.records  # OpenTelemetry logs it when a context is left in the wrong order


def test_a_flow_that_is_told_of_does_what_it_did() -> None:
    """If this failed, listening would change what happens: answers, exceptions and results must pass through."""
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
