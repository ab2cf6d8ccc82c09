"""The fake: what a test sets up, breaks and asks, and what it gets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from botocore.config import Config

import cognito_signout
from cognito_signout import (
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    InternalServiceError,
    InvalidParameterError,
    InvalidResponseError,
    NotAuthorizedError,
    OperationNotEnabledError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    SignOutError,
    SignOutTimeoutError,
    TooManyRequestsError,
    UnknownServiceError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout.testing import FakeCognito

from ..ways import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from cognito_signout.transports import HttpRequest, HttpResponse


class Named(TypedDict):
    """The arguments that name a user."""

    user_pool_id: str
    username: str


POOL = "us-east-1_Test00001"
ALICE: Named = {"user_pool_id": POOL, "username": "alice"}
START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user, at a time that only the test moves."""
    fake = FakeCognito(now=START)
    fake.add_user(**ALICE, aliases=["alice@example.com"])
    return fake


# -- tokens


def test_tokens_die_or_live_as_cognitos_do(fake: FakeCognito) -> None:
    """What sign-out does not end is what surprises everyone: the fake must not be kinder than AWS."""
    tokens = fake.sign_in(**ALICE)
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (True, True, True)
    result = fake.client().sign_out(**ALICE)
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (False, False, True)
    assert result.revokes(issued_at=tokens.issued_at)
    fake.advance(timedelta(minutes=59, seconds=59))
    assert tokens.valid_offline
    fake.advance(timedelta(seconds=1))
    assert not tokens.valid_offline
    assert fake.now == tokens.expires_at == result.tokens_expire_by()


def test_tokens_expire_by_themselves(fake: FakeCognito) -> None:
    """An access token after its validity, a refresh token after thirty days."""
    tokens = fake.sign_in(**ALICE, validity=timedelta(minutes=5))
    fake.advance(timedelta(minutes=5))
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (True, False, False)
    fake.advance(timedelta(days=30))
    assert not tokens.refreshable


def test_a_hosted_ui_cookie_outlives_the_sign_out_by_an_hour(fake: FakeCognito) -> None:
    """A cookie that can still fetch tokens is how a thief stays in."""
    cookie = fake.sign_in(**ALICE, hosted_ui=True).hosted_ui_cookie
    assert cookie is not None
    assert fake.sign_in(**ALICE).hosted_ui_cookie is None
    fake.client().sign_out(**ALICE)
    assert cookie.fetch_tokens().refreshable
    fake.advance(timedelta(hours=1))
    assert not cookie.valid
    with pytest.raises(ValueError, match="expired"):
        cookie.fetch_tokens()


def test_tokens_show_no_secret(fake: FakeCognito) -> None:
    """A failed assertion prints them."""
    tokens = fake.sign_in(**ALICE, hosted_ui=True)
    assert tokens.refresh_token not in repr(tokens)
    assert tokens.access_token not in repr(tokens)


def test_who_does_not_exist_cannot_sign_in(fake: FakeCognito) -> None:
    """A typing error in a test should be told at once."""
    with pytest.raises(LookupError, match="add_user"):
        fake.sign_in(user_pool_id=POOL, username="bob")
    with pytest.raises(LookupError, match="add_user"):
        fake.sign_in(user_pool_id="us-east-1_Other", username="alice")


def test_what_is_added_keeps_the_constraints(fake: FakeCognito) -> None:
    """Users that AWS could not have would make tests that mean nothing."""
    with pytest.raises(ValidationError):
        fake.add_user_pool("nowhere")
    with pytest.raises(ValidationError):
        fake.add_user(user_pool_id="nowhere", username="bob")
    with pytest.raises(ValidationError):
        fake.add_user(user_pool_id=POOL, username="bob", aliases=["b b"])
    with pytest.raises(ValueError, match="already"):
        fake.add_user(user_pool_id=POOL, username="bob", aliases=["alice@example.com"])


# -- time


def test_time_moves_only_forward(fake: FakeCognito) -> None:
    """A token that comes back to life would be no test; nor would a time that means another instant elsewhere."""
    with pytest.raises(ValueError, match="time zone"):
        FakeCognito(now=datetime(2025, 1, 1))  # noqa: DTZ001 -- that is the point
    with pytest.raises(ValueError, match="back"):
        fake.advance(timedelta(seconds=-1))


def test_time_goes_on_by_itself_unless_it_was_set() -> None:
    """A server that runs for hours must go on accepting signatures of the moment."""
    before = time.time()
    assert before <= FakeCognito().now.timestamp() <= time.time()


# -- faults


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidParameterError, InvalidParameterError),
        (UserNotFoundError, UserNotFoundError),
        (ResourceNotFoundError, ResourceNotFoundError),
        (NotAuthorizedError, NotAuthorizedError),
        (AuthenticationError, AuthenticationError),
        (TooManyRequestsError, TooManyRequestsError),
        (OperationNotEnabledError, OperationNotEnabledError),
        (InternalServiceError, InternalServiceError),
        (UnknownServiceError, UnknownServiceError),
        (SignOutConnectionError, SignOutConnectionError),
        (SignOutTimeoutError, SignOutTimeoutError),
        ("AccessDeniedException", NotAuthorizedError),
        ("ServiceUnavailable", InternalServiceError),
        ("refused", SignOutConnectionError),
        ("reset", SignOutConnectionError),
        ("truncated", SignOutConnectionError),
        ("garbage", SignOutConnectionError),
        ("timeout", SignOutTimeoutError),
        ("html", InvalidResponseError),
        (InvalidResponseError, InvalidResponseError),
    ],
)
def test_what_is_told_to_fail_fails_so(
    fake: FakeCognito, error: type[SignOutError] | str, expected: type[SignOutError]
) -> None:
    """Who names a class of error wants that class, through the whole of the client."""
    tokens = fake.sign_in(**ALICE)
    fake.fail(error, times=3)
    with pytest.raises(SignOutError) as failed:
        fake.client().sign_out(**ALICE)
    assert type(failed.value) is expected
    assert failed.value.attempts == (3 if failed.value.retryable else 1)
    assert tokens.refreshable is (error != "truncated")  # then the service did it, and the answer was lost


def test_faults_come_one_after_the_other_and_then_are_over(fake: FakeCognito) -> None:
    """A retry is only tested if the next attempt meets what was set for it."""
    fake.fail("reset")
    fake.fail(TooManyRequestsError)
    assert fake.client().sign_out(**ALICE).attempts == 3
    assert [request.code for request in fake.requests] == ["reset", "TooManyRequestsException", None]
    assert fake.client().sign_out(**ALICE).attempts == 1


@pytest.mark.parametrize("error", ["Reset by peer".lower(), "", ValidationError, CredentialsError, ConfigurationError])
def test_what_no_request_can_end_in_is_refused(fake: FakeCognito, error: type[SignOutError] | str) -> None:
    """A fault that never happens would make a test pass for the wrong reason."""
    with pytest.raises(ValueError, match="refused"):
        fake.fail(error)
    with pytest.raises(ValueError, match="times"):
        fake.fail("reset", times=0)


def test_the_number_of_attempts_is_the_configured_one(fake: FakeCognito) -> None:
    """The fake's clients retry as often as they would in earnest."""
    fake.fail("reset", times=9)
    with pytest.raises(SignOutConnectionError) as failed:
        fake.client(config=Config(retries={"total_max_attempts": 5})).sign_out(**ALICE)
    assert failed.value.attempts == 5


def test_throttling_is_by_the_fakes_clock(fake: FakeCognito) -> None:
    """A token bucket: the burst passes, the rest waits for its second, and no test does."""
    fake.throttle(rate=1, burst=2)
    once = Config(retries={"total_max_attempts": 1})
    client = fake.client(config=once)
    for _ in range(2):
        client.sign_out(**ALICE)
    with pytest.raises(TooManyRequestsError) as throttled:
        client.sign_out(**ALICE)
    assert throttled.value.http_status == 400
    fake.advance(timedelta(seconds=1))
    client.sign_out(**ALICE)
    with pytest.raises(ValueError, match="rate"):
        fake.throttle(rate=0)
    with pytest.raises(ValueError, match="burst"):
        fake.throttle(rate=1, burst=0.5)


def test_latency_is_the_fakes_and_not_the_tests(fake: FakeCognito) -> None:
    """A slow service is met in no time; what the client waits for in vain, the service may have done."""
    tokens = fake.sign_in(**ALICE)
    fake.latency = timedelta(seconds=30)
    assert fake.latency == timedelta(seconds=30)
    started = fake.now
    with pytest.raises(SignOutTimeoutError):
        fake.client().sign_out(**ALICE, timeout=10)
    assert not tokens.refreshable
    assert fake.client().sign_out(**ALICE, timeout=60).attempts == 1
    assert fake.now == started + timedelta(seconds=10 + 30)
    assert [request.code for request in fake.requests] == ["late", None]
    with pytest.raises(ValueError, match="negative"):
        fake.latency = timedelta(seconds=-1)


def test_a_timeout_takes_as_long_as_the_client_waits(fake: FakeCognito) -> None:
    """The time that a time-out costs is part of what is tested."""
    fake.fail("timeout")
    started = fake.now
    with pytest.raises(SignOutTimeoutError):
        fake.client().sign_out(**ALICE, timeout=10)
    assert fake.now == started + timedelta(seconds=10)


# -- questions


def test_assert_signed_out_counts_by_user_whatever_the_name(fake: FakeCognito) -> None:
    """An alias is the same user."""
    client = fake.client()
    client.sign_out(**ALICE)
    client.sign_out(user_pool_id=POOL, username="alice@example.com")
    fake.assert_signed_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=2)
    fake.assert_signed_out(user_pool_id=POOL, username="alice@example.com", times=2)


def test_a_failed_assertion_says_what_happened_instead(fake: FakeCognito) -> None:
    """Whoever reads the failure should not have to debug the test."""
    with pytest.raises(AssertionError, match=r"'alice' in .* signed out; was signed out 0 times. No request"):
        fake.assert_signed_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=0)
    fake.assert_no_requests()
    fake.client().sign_out(**ALICE)
    with pytest.raises(AssertionError, match=r"2 times; was signed out 1 time\. Of 1 requests"):
        fake.assert_signed_out(**ALICE, times=2)
    with pytest.raises(AssertionError, match=r"'bob' .* has no such user(.|\n)*AdminUserGlobalSignOut of 'alice'"):
        fake.assert_signed_out(user_pool_id=POOL, username="bob")
    with pytest.raises(AssertionError, match="should have been no requests"):
        fake.assert_no_requests()


def test_the_record_tells_what_was_asked_and_answered(fake: FakeCognito) -> None:
    """Tests look at it."""
    with pytest.raises(UserNotFoundError):
        fake.client().sign_out(user_pool_id=POOL, username="bob")
    (request,) = fake.requests
    assert (request.operation, request.user_pool_id, request.username) == ("AdminUserGlobalSignOut", POOL, "bob")
    assert (request.code, request.at) == ("UserNotFoundException", fake.now)
    assert request.request.headers["amz-sdk-request"] == "attempt=1; max=3"
    assert "bob" not in repr(request.request)


# -- clients


class StrangeKeys:
    """Keys that the fake does not know."""

    access_key = "AKIASTRANGER"
    secret_key = "secret"
    token = None


def test_a_client_of_the_fake_may_have_the_wrong_keys(fake: FakeCognito) -> None:
    """What an application does then is worth a test."""
    with pytest.raises(AuthenticationError) as refused:
        fake.client(credentials=StrangeKeys()).sign_out(**ALICE)
    assert refused.value.aws_code == "UnrecognizedClientException"
    assert refused.value.attempts == 1


def test_a_client_of_the_fake_may_have_a_region_of_its_own(fake: FakeCognito) -> None:
    """As in earnest, a named region wins over the pool's, and there the pool is unknown."""
    for client in (fake.client(region_name="eu-west-1"), fake.client(config=Config(region_name="eu-west-1"))):
        with pytest.raises(ResourceNotFoundError):
            client.sign_out(**ALICE)
        assert fake.requests[-1].request.url == "https://cognito-idp.eu-west-1.amazonaws.com/"
    fake.client().sign_out(**ALICE)
    assert fake.requests[-1].request.url == "https://cognito-idp.us-east-1.amazonaws.com/"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever opens a socket fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_active_fake_answers_whatever_the_environment_holds(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A test must pass on a laptop with a profile and in a bare container alike, and no packet may leave."""
    client = SignOutClient()
    if environment != "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if environment == "unknown profile":
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    with fake.activate() as active:
        assert active is fake
        client.sign_out(**ALICE)
        SignOutClient(profile_name="nope", endpoint_url="http://127.0.0.1:1").sign_out(**ALICE)
        client.close()
    fake.assert_signed_out(**ALICE, times=2)


def test_afterwards_everything_is_as_before(fake: FakeCognito) -> None:
    """Whatever happened inside, and for every client."""
    client = SignOutClient(endpoint_url="http://127.0.0.1:1", config=Config(retries={"total_max_attempts": 1}))

    class Trouble(BaseException):
        pass

    @fake.activate()
    def use() -> None:
        client.sign_out(**ALICE)
        raise Trouble

    with pytest.raises(Trouble):
        use()
    with pytest.raises(SignOutConnectionError):
        client.sign_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=1)


def test_the_innermost_fake_answers(fake: FakeCognito) -> None:
    """Nested, re-entered, and left in another order."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = SignOutClient()
    outer_context, inner_context = fake.activate(), inner.activate()
    with outer_context:
        client.sign_out(**ALICE)
        with inner_context, inner_context:
            client.sign_out(**ALICE)
            fake.client().sign_out(**ALICE)  # which was asked for by name
        client.sign_out(**ALICE)
    inner_context.__enter__()
    outer_context.__enter__()
    inner_context.__exit__(None, None, None)
    client.sign_out(**ALICE)
    outer_context.__exit__(None, None, None)
    fake.assert_signed_out(**ALICE, times=4)
    inner.assert_signed_out(**ALICE, times=1)


def test_functions_can_be_decorated(fake: FakeCognito) -> None:
    """Sync and async ones; they keep their names, arguments and results."""

    @fake.activate()
    def sign_out(username: str) -> str:
        return SignOutClient().sign_out(user_pool_id=POOL, username=username).username

    @fake.activate()
    async def sign_out_later(username: str) -> str:
        await asyncio.sleep(0)
        return SignOutClient().sign_out(user_pool_id=POOL, username=username).username

    assert sign_out("alice") == "alice"
    assert asyncio.run(sign_out_later("alice")) == "alice"
    assert sign_out.__name__ == "sign_out"
    fake.assert_signed_out(**ALICE, times=2)


def test_one_fake_within_another_within_the_first(fake: FakeCognito) -> None:
    """Whoever leaves takes away what they brought, and nothing else."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = SignOutClient()
    with fake.activate(), inner.activate():
        with fake.activate():
            client.sign_out(**ALICE)
        client.sign_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=1)
    inner.assert_signed_out(**ALICE, times=1)


def test_what_would_leave_the_fake_too_early_is_refused(fake: FakeCognito) -> None:
    """A decorated class would lose its tests, and a fixture that yields would run without the fake."""

    class Tests:
        pass

    def fixture() -> Generator[None]:
        yield

    async def async_fixture() -> AsyncGenerator[None]:
        yield

    for wrong in (Tests, fixture, async_fixture):
        with pytest.raises(TypeError, match="with"):
            fake.activate()(wrong)


def test_closing_a_client_while_a_fake_is_active_closes_its_real_connections(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is left open is a leak, whatever the test believes."""
    closed = []

    with fake.activate(), SignOutClient() as client:
        monkeypatch.setattr(client._own_runtime, "close", lambda: closed.append(True))
        client.sign_out(**ALICE)
        assert not closed
    assert closed


class Meeting(FakeCognito):
    """A fake that answers nobody before eight requests are there."""

    def __init__(self) -> None:
        super().__init__(now=START)
        self.add_user(**ALICE)
        self._all = threading.Barrier(8)

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Answers a request."""
        self._all.wait(PATIENCE)
        return super().exchange(request, patience=patience, sent_at=sent_at)


def test_threads_do_not_wait_for_each_others_latency() -> None:
    """Eight calls of ten seconds each, at once: none of them takes thirty, and all of them ten."""
    fake = Meeting()
    fake.latency = timedelta(seconds=10)
    client = fake.client()
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.sign_out(**ALICE, timeout=15), range(80)))
    assert [result.attempts for result in results] == [1] * 80
    assert fake.now == START + timedelta(seconds=100)


def test_a_thread_that_is_held_up_has_signed_no_later_for_it() -> None:
    """Where others wait for ten minutes meanwhile, their time would make its signature one of the past."""
    one_has_signed, others_are_done = threading.Event(), threading.Event()

    class HeldUp(FakeCognito):
        def exchange(
            self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
        ) -> HttpResponse | str:
            if not one_has_signed.is_set():
                one_has_signed.set()
                assert others_are_done.wait(PATIENCE)
            return super().exchange(request, patience=patience, sent_at=sent_at)

    fake = HeldUp(now=START)
    fake.add_user(**ALICE)
    client = fake.client()
    with ThreadPoolExecutor(1) as thread:
        held_up = thread.submit(client.sign_out, **ALICE)
        assert one_has_signed.wait(PATIENCE)
        fake.latency = timedelta(seconds=50)
        assert [client.sign_out(**ALICE).attempts for _ in range(12)] == [1] * 12
        others_are_done.set()
        assert held_up.result(PATIENCE).attempts == 1
    assert fake.now == START + timedelta(minutes=10)


def test_it_is_active_in_every_thread(fake: FakeCognito) -> None:
    """Applications do their work in threads."""
    client = SignOutClient()
    with fake.activate(), ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: client.sign_out(**ALICE), range(20)))
    assert len(results) == 20
    fake.assert_signed_out(**ALICE, times=20)


def exact_bookkeeping(run: int) -> None:
    """Eight threads, a thousand sign-outs, failures and throttling."""
    started = datetime(2025, 1, 1, tzinfo=timezone.utc)
    fake = FakeCognito(now=started)
    usernames = [f"user{number}" for number in range(100)]
    for username in usernames:
        fake.add_user(user_pool_id=POOL, username=username)
    tokens = {username: fake.sign_in(user_pool_id=POOL, username=username) for username in usernames}
    fake.fail("reset", times=40)
    fake.fail(InternalServiceError, times=40 + run)
    fake.throttle(rate=300, burst=20)
    outcomes: list[Any] = []

    def sign_out(number: int) -> None:
        try:
            outcomes.append(client.sign_out(user_pool_id=POOL, username=usernames[number % 100]))
        except SignOutError as error:
            outcomes.append(error)

    client = fake.client()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(sign_out, range(1000)))

    requests = fake.requests
    done = [request.username for request in requests if request.code is None]
    succeeded = [outcome.username for outcome in outcomes if not isinstance(outcome, SignOutError)]
    assert len(outcomes) == 1000
    assert len(requests) == sum(outcome.attempts for outcome in outcomes)
    assert sorted(filter(None, done)) == sorted(succeeded)
    assert sum(request.code == "reset" for request in requests) == 40
    assert sum(request.code == "InternalErrorException" for request in requests) == 40 + run
    # The bucket lets through what it holds, and no more; and what it refuses is what is left.
    throttled = sum(request.code == "TooManyRequestsException" for request in requests)
    assert 0 < len(done) <= 20 + 300 * (fake.now - started).total_seconds()
    assert 0 < throttled == len(requests) - len(done) - 80 - run
    for username in usernames:
        assert tokens[username].refreshable is (username not in done)
        fake.assert_signed_out(user_pool_id=POOL, username=username, times=done.count(username))


@pytest.mark.slow
def test_the_bookkeeping_is_exact_under_threads() -> None:
    """Fifty runs: a record that is off by one once a month is a test that fails once a month."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-3)
    try:
        # Under a tracer, such as that of coverage, it would take minutes.
        for run in range(50 if sys.gettrace() is None else 3):
            exact_bookkeeping(run)
    finally:
        sys.setswitchinterval(interval)


# -- the runtime's clock


def test_pauses_pass_on_the_fakes_clock(fake: FakeCognito) -> None:
    """Back-off as in earnest, in no time."""
    started = fake.now
    fake.fail("ThrottlingException", times=2)
    fake.client().sign_out(**ALICE)
    assert timedelta(seconds=1) <= fake.now - started <= timedelta(seconds=3)


def test_names_are_found_and_others_are_not() -> None:
    """The package loads its names late; a typing error must still be an AttributeError."""
    import cognito_signout.testing as testing

    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    for module in (testing, cognito_signout, cognito_signout.transports):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = module.nonsense
    assert set(cognito_signout.__all__) <= set(dir(cognito_signout))


HEAVY = ("botocore", "http", "ssl", "attr", "cognito_signout.client", "cognito_signout.testing._fake")


def test_importing_the_testing_package_loads_nothing_more() -> None:
    """It is imported in every test run of whoever has the library installed."""
    code = (
        "import pytest, sys; before = set(sys.modules); import cognito_signout.testing.plugin\n"
        f"print([name for name in {HEAVY!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
