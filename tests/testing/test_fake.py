"""The fake: setup, faults, assertions and responses."""

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
    AccessDeniedError,
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
from cognito_signout.testing import FakeCognito, FakeCognitoServer

from ..ways import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from cognito_signout.transports import HttpRequest, HttpResponse


class UserArguments(TypedDict):
    """The arguments that identify a user."""

    user_pool_id: str
    username: str


POOL = "us-east-1_Test00001"
ALICE: UserArguments = {"user_pool_id": POOL, "username": "alice"}
START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user, and a clock that only the test moves."""
    fake = FakeCognito(now=START)
    fake.add_user(**ALICE, aliases=["alice@example.com"])
    return fake


def test_a_sign_out_revokes_what_cognito_revokes(fake: FakeCognito) -> None:
    """The fake revokes tokens that AWS leaves valid, or leaves tokens valid that AWS revokes."""
    tokens = fake.sign_in(**ALICE)
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (True, True, True)
    result = fake.client().sign_out(**ALICE)
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (False, False, True)
    assert result.revokes(issued_at=tokens.issued_at)
    fake.advance(timedelta(minutes=59, seconds=59))
    assert tokens.valid_offline
    fake.advance(timedelta(seconds=1))
    assert not tokens.valid_offline
    assert fake.now == tokens.expires_at == result.tokens_expire_by(timedelta(hours=1))


def test_tokens_expire(fake: FakeCognito) -> None:
    """An access token is accepted after its validity, or a refresh token after thirty days."""
    tokens = fake.sign_in(**ALICE, validity=timedelta(minutes=5))
    fake.advance(timedelta(minutes=5))
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (True, False, False)
    fake.advance(timedelta(days=30))
    assert not tokens.refreshable


def test_a_hosted_ui_cookie_is_valid_for_an_hour_after_the_sign_out(fake: FakeCognito) -> None:
    """A cookie stops working at the sign-out, so tests miss that it gets new tokens for an hour."""
    cookie = fake.sign_in(**ALICE, hosted_ui=True).hosted_ui_cookie
    assert cookie is not None
    assert fake.sign_in(**ALICE).hosted_ui_cookie is None
    fake.client().sign_out(**ALICE)
    assert cookie.fetch_tokens().refreshable
    fake.advance(timedelta(minutes=59))
    assert cookie.fetch_tokens().refreshable  # each use starts the hour again
    fake.advance(timedelta(minutes=59))
    assert cookie.valid
    fake.advance(timedelta(minutes=1))
    assert not cookie.valid
    with pytest.raises(ValueError, match="expired"):
        cookie.fetch_tokens()


def test_the_repr_of_tokens_shows_no_token(fake: FakeCognito) -> None:
    """A failed assertion prints tokens."""
    tokens = fake.sign_in(**ALICE, hosted_ui=True)
    assert tokens.refresh_token not in repr(tokens)
    assert tokens.access_token not in repr(tokens)


def test_an_unknown_user_cannot_sign_in(fake: FakeCognito) -> None:
    """A test with a mistyped username passes."""
    with pytest.raises(LookupError, match="add_user"):
        fake.sign_in(user_pool_id=POOL, username="bob")
    with pytest.raises(LookupError, match="add_user"):
        fake.sign_in(user_pool_id="us-east-1_Other", username="alice")


def test_invalid_users_and_pools_are_refused(fake: FakeCognito) -> None:
    """A test uses a user or pool that can't exist at AWS."""
    with pytest.raises(ValidationError):
        fake.add_user_pool("nowhere")
    with pytest.raises(ValidationError):
        fake.add_user(user_pool_id="nowhere", username="bob")
    with pytest.raises(ValidationError):
        fake.add_user(user_pool_id=POOL, username="bob", aliases=["b b"])
    with pytest.raises(ValueError, match="already"):
        fake.add_user(user_pool_id=POOL, username="bob", aliases=["alice"])
    with pytest.raises(ValueError, match="already"):
        fake.add_user(user_pool_id=POOL, username="alice@example.com")


def test_an_alias_moves_to_its_last_user(fake: FakeCognito) -> None:
    """A test can't set up two users with the same email address."""
    for username in ("bob", "carol"):
        fake.add_user(user_pool_id=POOL, username=username, aliases=["shared@example.com"])
    bobs, carols = (fake.sign_in(user_pool_id=POOL, username=username) for username in ("bob", "carol"))
    fake.client().sign_out(user_pool_id=POOL, username="shared@example.com")
    assert bobs.refreshable
    assert not carols.refreshable


def test_time_only_moves_forward(fake: FakeCognito) -> None:
    """An expired token becomes valid again, or a time depends on the machine's time zone."""
    with pytest.raises(ValueError, match="time zone"):
        FakeCognito(now=datetime(2025, 1, 1))  # noqa: DTZ001 -- a time without a zone is what this tests
    with pytest.raises(ValueError, match="back"):
        fake.advance(timedelta(seconds=-1))


def test_without_a_start_time_the_clock_is_the_real_clock() -> None:
    """A server that runs for hours refuses new signatures, because its clock stands still."""
    before = time.time()
    assert before <= FakeCognito().now.timestamp() <= time.time()


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
        ("AccessDeniedException", AccessDeniedError),
        (AccessDeniedError, AccessDeniedError),
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
def test_fail_causes_the_given_error(
    fake: FakeCognito, error: type[SignOutError] | str, expected: type[SignOutError]
) -> None:
    """``fail()`` causes another error than the given one."""
    tokens = fake.sign_in(**ALICE)
    fake.fail(error, times=3)
    with pytest.raises(SignOutError) as failed:
        fake.client().sign_out(**ALICE)
    assert type(failed.value) is expected
    assert failed.value.attempts == (3 if failed.value.retryable else 1)
    # A truncated response means that the service has revoked the tokens and then the response was lost.

    assert tokens.refreshable is (error != "truncated")


def test_faults_happen_in_order(fake: FakeCognito) -> None:
    """Faults happen in another order than the test set them."""
    fake.fail("reset")
    fake.fail(TooManyRequestsError)
    assert fake.client().sign_out(**ALICE).attempts == 3
    assert [request.code for request in fake.requests] == ["reset", "TooManyRequestsException", None]
    assert fake.client().sign_out(**ALICE).attempts == 1


@pytest.mark.parametrize("error", ["Reset by peer".lower(), "", ValidationError, CredentialsError, ConfigurationError])
def test_fail_refuses_an_impossible_fault(fake: FakeCognito, error: type[SignOutError] | str) -> None:
    """A test passes because its fault never happens."""
    with pytest.raises(ValueError, match="refused"):
        fake.fail(error)
    with pytest.raises(ValueError, match="times"):
        fake.fail("reset", times=0)


def test_the_fakes_client_makes_the_configured_number_of_attempts(fake: FakeCognito) -> None:
    """The fake's clients retry more or less often than real ones."""
    fake.fail("reset", times=9)
    with pytest.raises(SignOutConnectionError) as failed:
        fake.client(config=Config(retries={"total_max_attempts": 5})).sign_out(**ALICE)
    assert failed.value.attempts == 5


def test_throttling_uses_the_fakes_clock(fake: FakeCognito) -> None:
    """A test of throttling depends on real time."""
    fake.throttle(rate=1, burst=2)
    one_attempt = Config(retries={"total_max_attempts": 1})
    client = fake.client(config=one_attempt)
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


def test_latency_does_not_make_a_test_wait(fake: FakeCognito) -> None:
    """A test of a slow service is slow."""
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
    """A timeout takes no time on the fake's clock."""
    fake.fail("timeout")
    started = fake.now
    with pytest.raises(SignOutTimeoutError):
        fake.client().sign_out(**ALICE, timeout=10)
    assert fake.now == started + timedelta(seconds=10)


def test_assert_signed_out_counts_usernames_and_aliases(fake: FakeCognito) -> None:
    """A sign-out by alias is counted for another user."""
    client = fake.client()
    client.sign_out(**ALICE)
    client.sign_out(user_pool_id=POOL, username="alice@example.com")
    fake.assert_signed_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=2)
    fake.assert_signed_out(user_pool_id=POOL, username="alice@example.com", times=2)


def test_a_failed_assertion_lists_the_requests(fake: FakeCognito) -> None:
    """The message of a failed assertion does not say what the application did."""
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


def test_requests_are_recorded(fake: FakeCognito) -> None:
    """A test can't check what the application sent."""
    with pytest.raises(UserNotFoundError):
        fake.client().sign_out(user_pool_id=POOL, username="bob")
    (request,) = fake.requests
    assert (request.operation, request.user_pool_id, request.username) == ("AdminUserGlobalSignOut", POOL, "bob")
    assert (request.code, request.at) == ("UserNotFoundException", fake.now)
    assert request.request.headers["amz-sdk-request"] == "attempt=1; max=3"
    assert "bob" not in repr(request.request)


class UnknownKeys:
    """Keys that the fake does not know."""

    access_key = "AKIASTRANGER"
    secret_key = "secret"
    token = None


def test_a_client_of_the_fake_can_have_wrong_keys(fake: FakeCognito) -> None:
    """An application can't test how it handles wrong keys."""
    with pytest.raises(AuthenticationError) as refused:
        fake.client(credentials=UnknownKeys()).sign_out(**ALICE)
    assert refused.value.aws_code == "UnrecognizedClientException"
    assert refused.value.attempts == 1


def test_a_client_of_the_fake_can_have_another_region(fake: FakeCognito) -> None:
    """A region argument has no effect, unlike with AWS."""
    for client in (fake.client(region_name="eu-west-1"), fake.client(config=Config(region_name="eu-west-1"))):
        with pytest.raises(ResourceNotFoundError):
            client.sign_out(**ALICE)
        assert fake.requests[-1].request.url == "https://cognito-idp.eu-west-1.amazonaws.com/"
    fake.client().sign_out(**ALICE)
    assert fake.requests[-1].request.url == "https://cognito-idp.us-east-1.amazonaws.com/"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to open a socket fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_active_fake_does_not_depend_on_the_environment(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A test depends on the machine's AWS configuration, or sends requests over the network."""
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


def test_a_client_uses_the_network_again_after_the_fake(fake: FakeCognito) -> None:
    """A client still uses the fake after the test."""
    client = SignOutClient(endpoint_url="http://127.0.0.1:1", config=Config(retries={"total_max_attempts": 1}))

    class Interrupt(BaseException):
        pass

    @fake.activate()
    def use() -> None:
        client.sign_out(**ALICE)
        raise Interrupt

    with pytest.raises(Interrupt):
        use()
    with pytest.raises(SignOutConnectionError):
        client.sign_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=1)


def test_clients_use_the_innermost_fake(fake: FakeCognito) -> None:
    """Fakes that are nested, entered again or left in another order interfere with each other."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = SignOutClient()
    outer_context, inner_context = fake.activate(), inner.activate()
    with outer_context:
        client.sign_out(**ALICE)
        with inner_context, inner_context:
            client.sign_out(**ALICE)
            fake.client().sign_out(**ALICE)  # this client always uses its own fake
        client.sign_out(**ALICE)
    inner_context.__enter__()
    outer_context.__enter__()
    inner_context.__exit__(None, None, None)
    client.sign_out(**ALICE)
    outer_context.__exit__(None, None, None)
    fake.assert_signed_out(**ALICE, times=4)
    inner.assert_signed_out(**ALICE, times=1)


def test_activate_decorates_functions(fake: FakeCognito) -> None:
    """A decorated function loses its name, its arguments or its result."""

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


def test_nested_fakes_end_independently(fake: FakeCognito) -> None:
    """Leaving one fake deactivates another."""
    inner = FakeCognito()
    inner.add_user(**ALICE)
    client = SignOutClient()
    with fake.activate(), inner.activate():
        with fake.activate():
            client.sign_out(**ALICE)
        client.sign_out(**ALICE)
    fake.assert_signed_out(**ALICE, times=1)
    inner.assert_signed_out(**ALICE, times=1)


def test_activate_refuses_to_decorate_classes_and_generators(fake: FakeCognito) -> None:
    """The tests of a decorated class do not run, or a generator fixture runs without the fake."""

    class Tests:
        pass

    def fixture() -> Generator[None]:
        yield

    async def async_fixture() -> AsyncGenerator[None]:
        yield

    for unsupported in (Tests, fixture, async_fixture):
        with pytest.raises(TypeError, match="with"):
            fake.activate()(unsupported)


def test_closing_a_client_while_a_fake_is_active_closes_its_real_connections(
    fake: FakeCognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real connection stays open."""
    closed = []

    with fake.activate(), SignOutClient() as client:
        monkeypatch.setattr(client._own_runtime, "close", lambda: closed.append(True))
        client.sign_out(**ALICE)
        assert not closed
    assert closed


class FakeWithBarrier(FakeCognito):
    """A fake that waits for eight requests before it responds."""

    def __init__(self) -> None:
        super().__init__(now=START)
        self.add_user(**ALICE)
        self._all = threading.Barrier(8)

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Responds when all eight requests have arrived."""
        self._all.wait(PATIENCE)
        return super().exchange(request, patience=patience, sent_at=sent_at)


def test_waits_of_concurrent_threads_do_not_add_up() -> None:
    """Eight concurrent calls of ten seconds take more than ten seconds on the fake's clock."""
    fake = FakeWithBarrier()
    fake.latency = timedelta(seconds=10)
    client = fake.client()
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.sign_out(**ALICE, timeout=15), range(80)))
    assert [result.attempts for result in results] == [1] * 80
    assert fake.now == START + timedelta(seconds=100)


def test_a_delayed_request_is_not_refused_for_its_date() -> None:
    """A request is refused as too old, because other threads have moved the clock."""
    one_has_signed, others_are_done = threading.Event(), threading.Event()

    class DelayedFake(FakeCognito):
        def exchange(
            self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
        ) -> HttpResponse | str:
            if not one_has_signed.is_set():
                one_has_signed.set()
                assert others_are_done.wait(PATIENCE)
            return super().exchange(request, patience=patience, sent_at=sent_at)

    fake = DelayedFake(now=START)
    fake.add_user(**ALICE)
    client = fake.client()
    with ThreadPoolExecutor(1) as thread:
        delayed = thread.submit(client.sign_out, **ALICE)
        assert one_has_signed.wait(PATIENCE)
        fake.latency = timedelta(seconds=50)
        assert [client.sign_out(**ALICE).attempts for _ in range(12)] == [1] * 12
        others_are_done.set()
        assert delayed.result(PATIENCE).attempts == 1
    assert fake.now == START + timedelta(minutes=10)


def test_an_active_fake_is_used_in_every_thread(fake: FakeCognito) -> None:
    """The worker threads of an application call AWS during a test."""
    client = SignOutClient()
    with fake.activate(), ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: client.sign_out(**ALICE), range(20)))
    assert len(results) == 20
    fake.assert_signed_out(**ALICE, times=20)


def check_records(run: int) -> None:
    """Eight threads make a thousand sign-outs, with failures and throttling, and all records agree."""
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
    # The token bucket accepts only requests that it has tokens for.
    throttled = sum(request.code == "TooManyRequestsException" for request in requests)
    assert 0 < len(done) <= 20 + 300 * (fake.now - started).total_seconds()
    assert 0 < throttled == len(requests) - len(done) - 80 - run
    for username in usernames:
        assert tokens[username].refreshable is (username not in done)
        fake.assert_signed_out(user_pool_id=POOL, username=username, times=done.count(username))


@pytest.mark.slow
def test_records_are_exact_with_threads() -> None:
    """A race between threads makes a count wrong."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-3)
    try:
        # With a tracer, such as coverage's, 50 runs take minutes.
        for run in range(50 if sys.gettrace() is None else 3):
            check_records(run)
    finally:
        sys.setswitchinterval(interval)


def test_waits_between_attempts_move_the_fakes_clock(fake: FakeCognito) -> None:
    """A test really waits between attempts."""
    started = fake.now
    fake.fail("ThrottlingException", times=2)
    fake.client().sign_out(**ALICE)
    assert timedelta(seconds=1) <= fake.now - started <= timedelta(seconds=3)


def test_unknown_names_raise_attribute_error() -> None:
    """A mistyped name in a module raises something other than AttributeError."""
    import cognito_signout.testing as testing

    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    for module in (testing, cognito_signout, cognito_signout.transports):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = module.nonsense
    assert set(cognito_signout.__all__) <= set(dir(cognito_signout))


HEAVY = ("botocore", "http", "ssl", "attr", "cognito_signout.client", "cognito_signout.testing._fake")


def test_importing_the_plugin_loads_no_heavy_module() -> None:
    """Every test run of a project that has the library installed starts slower."""
    code = (
        "import pytest, sys; before = set(sys.modules); import cognito_signout.testing.plugin\n"
        f"print([name for name in {HEAVY!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


# Clients of a fake


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_a_client_of_a_fake_takes_a_timeout(fake: FakeCognito, is_async: bool) -> None:
    """A test can't check what an application does when its client times out."""
    fake.latency = timedelta(minutes=1)
    started = fake.now

    async def call() -> None:
        await fake.async_client(timeout=timedelta(seconds=5)).sign_out(**ALICE)

    with pytest.raises(SignOutTimeoutError):
        asyncio.run(call()) if is_async else fake.client(timeout=5).sign_out(**ALICE)
    assert timedelta(seconds=5) <= fake.now - started < timedelta(seconds=10)
    fake.latency = timedelta(seconds=30)
    fake.client(timeout=5).sign_out(**ALICE, timeout=None)
    with pytest.raises(ValidationError, match="timeout must be"):
        fake.client(timeout=0)


def test_the_repr_of_clients_and_fakes(fake: FakeCognito) -> None:
    """A debugger does not show that a client uses a fake, or what the fake contains."""
    fake.add_user_pool("eu-west-1_Test00002")
    fake.client().sign_out(**ALICE)
    assert repr(fake) == "FakeCognito(pools=2, users=1, requests=1)"
    assert repr(fake.client()) == "FakeClient()"
    assert repr(fake.client(region_name="eu-west-1", timeout=5)) == "FakeClient(region_name='eu-west-1')"
    assert repr(fake.async_client(region_name="eu-west-1")) == "FakeAsyncClient(region_name='eu-west-1')"
    server = FakeCognitoServer(fake)
    assert repr(server) == "FakeCognitoServer(not started)"
    with server:
        assert repr(server) == f"FakeCognitoServer({server.endpoint_url!r})"
