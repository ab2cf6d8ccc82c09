"""Outages in the middle of a run, and users who always fail: nobody is lost, and every run ends."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import RefreshableCredentials

from cognito_signout import (
    CredentialsError,
    InternalServiceError,
    SignOutConnectionError,
    SignOutError,
    SignOutResult,
)
from cognito_signout.testing import FakeCognito
from cognito_signout.transports import HttpResponse
from tests.ways import OK, InTasks, InThreads, Script, Way

if TYPE_CHECKING:
    from collections.abc import Generator

    from cognito_signout.transports import HttpRequest

POOL = "us-east-1_Test00001"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
GATEWAY_ERROR = HttpResponse(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>")


@pytest.fixture(params=[InThreads, InTasks])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Both clients."""
    way: Way = request.param()
    yield way
    way.finish()


class Network(FakeCognito):
    """A fake that can't be reached for some time."""

    down = (START, START)

    def exchange(self, request: HttpRequest, **arguments: Any) -> HttpResponse | str:
        """The response, if there is a network."""
        response = super().exchange(request, **arguments)
        start, end = self.down
        return "refused" if start <= self.now < end else response


@pytest.mark.slow
@pytest.mark.parametrize(("users", "in_flight"), [(100, 10), (500, 50), (2000, 200)])
def test_ten_minutes_without_network_fail_no_user(users: int, in_flight: int) -> None:
    """The users in flight use up their attempts while the network is down."""
    fake = Network(now=START)
    fake.latency = timedelta(seconds=0.1)
    names = [f"user{number}" for number in range(users)]
    for name in names:
        fake.add_user(user_pool_id=POOL, username=name)
    fake.down = START + timedelta(seconds=0.5), START + timedelta(minutes=10)
    way = InTasks()
    outcomes, ended = way.all(way.client_of(fake), names, max_concurrency=in_flight)
    way.finish()
    assert ended is None
    assert Counter(type(outcome) for outcome in outcomes) == {SignOutResult: users}
    assert fake.now < START + timedelta(minutes=15)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [ConnectionRefusedError("refused"), TimeoutError("late"), GATEWAY_ERROR])
def test_an_outage_between_answers_fails_no_user(way: Way, answer: Any) -> None:
    """A gateway that restarts fails the users in flight."""
    lock, count = threading.Lock(), [0]

    def result(_: str) -> Any:
        with lock:
            count[0] += 1
            return answer if 10 <= count[0] < 17 else OK

    outcomes, ended = way.all(way.client(Script(result)), [f"user{number}" for number in range(60)])
    assert ended is None
    assert sum(isinstance(outcome, SignOutResult) for outcome in outcomes) == 60


def test_one_user_at_a_time_survives_an_outage(way: Way) -> None:
    """With ``max_concurrency=1``, each user uses up its attempts."""
    count = [0]

    def result(_: str) -> Any:
        count[0] += 1
        return ConnectionRefusedError("refused") if 3 <= count[0] < 8 else OK

    outcomes, ended = way.all(way.client(Script(result)), [f"user{number}" for number in range(9)], max_concurrency=1)
    assert ended is None
    assert sum(isinstance(outcome, SignOutError) for outcome in outcomes) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("failing", [("user3",), ("user3", "user7"), ("user1", "user3", "user7")])
@pytest.mark.parametrize("answer", [GATEWAY_ERROR, ConnectionResetError("reset")])
def test_users_who_always_fail_do_not_stop_a_run(way: Way, failing: tuple[str, ...], answer: Any) -> None:
    """A user whose requests a gateway refuses keeps the run from ending."""
    script = Script(lambda username: answer if username in failing else OK)
    names = [f"user{number}" for number in range(40)]
    outcomes, ended = way.all(way.client(script), names, max_concurrency=4, timeout=60)
    assert ended is None
    assert sorted(str(outcome.username) for outcome in outcomes if isinstance(outcome, SignOutError)) == sorted(failing)
    assert all(3 <= outcome.attempts <= 20 for outcome in outcomes if outcome.username in failing)


def test_users_whose_failures_arrive_last_do_not_stop_a_run(way: Way) -> None:
    """A run waits for an hour because a slow machine reads the failures after all other responses."""
    failing, others = ("user0", "user1"), [0]
    all_passed = way.event()

    def result(username: str) -> HttpResponse:
        if username in failing:
            return GATEWAY_ERROR
        others[0] += 1
        if others[0] == 10:
            all_passed.set()
        return OK

    script = Script(result, wait_for=lambda username: all_passed if username in failing else None)
    names = [f"user{number}" for number in range(12)]
    outcomes, ended = way.all(way.client(script), names, max_concurrency=4, timeout=60)
    assert ended is None
    attempts = {outcome.username: outcome.attempts for outcome in outcomes if isinstance(outcome, SignOutError)}
    assert attempts.keys() == set(failing)
    assert all(3 <= count <= 20 for count in attempts.values())


def test_a_run_that_never_gets_an_answer_ends(way: Way) -> None:
    """A run with a mistyped region never ends."""
    script = Script(lambda _: ConnectionRefusedError("refused"))
    outcomes, ended = way.all(way.client(script), [f"user{number}" for number in range(12)])
    assert ended is None
    assert {(type(outcome), outcome.attempts) for outcome in outcomes} == {(SignOutConnectionError, 3)}


def test_an_error_with_a_code_of_aws_is_no_outage(way: Way) -> None:
    """A service that fails for every user is taken for a network that is down, so the run never ends."""
    fake = FakeCognito(now=START)
    names = [f"user{number}" for number in range(6)]
    for name in names:
        fake.add_user(user_pool_id=POOL, username=name)
    fake.fail(InternalServiceError, times=1000)
    outcomes, ended = way.all(way.client_of(fake), names)
    assert ended is None
    assert {(type(outcome), outcome.attempts) for outcome in outcomes} == {(InternalServiceError, 3)}


def test_a_certificate_that_can_not_be_verified_is_no_outage(way: Way) -> None:
    """A server with another certificate keeps a run waiting for ever."""

    def result(username: str) -> Any:
        if username == "user0":
            return OK
        error = SignOutConnectionError("certificate verify failed")
        error.__cause__ = ssl.SSLCertVerificationError("certificate verify failed")
        return error

    outcomes, ended = way.all(way.client(Script(result)), [f"user{number}" for number in range(6)], max_concurrency=2)
    assert ended is None
    assert sorted(outcome.attempts for outcome in outcomes) == [1, 3, 3, 3, 3, 3]


class Source:
    """Temporary keys that expire, and whose source fails for some time."""

    def __init__(self, failures: int, expires_in: timedelta) -> None:
        self._failures = failures
        self._expires_in = expires_in
        self.lookups = 0

    def credentials(self) -> RefreshableCredentials:
        """The credentials, which botocore refreshes."""
        keys = {**self._keys(timedelta(minutes=11)), "expiry_time": (self._now() + timedelta(hours=1)).isoformat()}
        credentials = RefreshableCredentials.create_from_metadata(keys, refresh_using=self.refresh, method="test")
        self._credentials = credentials
        return credentials

    def expire(self) -> None:
        """The keys expire."""
        self._credentials._expiry_time = self._now() + self._expires_in

    def refresh(self) -> dict[str, str]:
        """New keys, or a failure."""
        self.lookups += 1
        if self.lookups <= self._failures:
            raise ConnectionError("the source is down")
        return self._keys(timedelta(hours=1))

    def _keys(self, validity: timedelta) -> dict[str, str]:
        expiry = (self._now() + validity).isoformat()
        return {"access_key": "AKIDEXAMPLE", "secret_key": "secret", "token": "token", "expiry_time": expiry}

    @staticmethod
    def _now() -> datetime:
        return datetime.now(timezone.utc)


def run_with(way: Way, source: Source, **arguments: Any) -> tuple[list[Any], BaseException | None]:
    """A run in whose middle the keys expire."""

    def result(username: str) -> HttpResponse:
        if username == "user5":
            source.expire()
        return OK

    client = way.client(Script(result), credentials=source.credentials())
    return way.all(client, [f"user{number}" for number in range(30)], **arguments)


@pytest.mark.slow
def test_expired_keys_whose_source_fails_are_an_outage(way: Way) -> None:
    """A source of credentials that is down for a moment ends a run of hours."""
    outcomes, ended = run_with(way, Source(6, timedelta(seconds=-1)))
    assert ended is None
    assert [type(outcome) for outcome in outcomes] == [SignOutResult] * 30


def test_credentials_that_fail_before_the_first_answer_end_the_run(way: Way) -> None:
    """A run without credentials never ends."""
    source = Source(1000, timedelta(seconds=-1))
    credentials = source.credentials()
    source.expire()
    outcomes, ended = way.all(way.client(Script(), credentials=credentials), ["user1", "user2"])
    assert {type(error) for error in [*outcomes, ended]} == {CredentialsError}


class Flaky(BaseHTTPRequestHandler):
    """Answers 50 requests, drops every connection for two seconds, and then answers all requests."""

    protocol_version = "HTTP/1.1"
    count = 0
    down_until: float | None = None

    def do_POST(self) -> None:
        """Success, or no answer."""
        self.rfile.read(int(self.headers["content-length"]))
        Flaky.count += 1
        if Flaky.count > 50:
            Flaky.down_until = Flaky.down_until or time.monotonic() + 2
            if time.monotonic() < Flaky.down_until:
                self.close_connection = True
                return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_server_that_drops_connections_for_two_seconds_fails_no_user(way: Way) -> None:
    """Over real sockets, an outage uses up attempts."""
    Flaky.count, Flaky.down_until = 0, None
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        client = way.client(
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            credentials=Source(0, timedelta(0)).credentials(),
        )
        outcomes, ended = way.all(client, [f"user{number}" for number in range(200)], max_concurrency=20)
        way.close(client)
        server.shutdown()
        serving.join()
    assert ended is None
    assert Counter(type(outcome) for outcome in outcomes) == {SignOutResult: 200}
