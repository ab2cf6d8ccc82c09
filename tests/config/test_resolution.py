"""Which session and which keys a call uses, and what concurrent calls get when resolving them is slow or fails."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from cognito_signout import (
    AsyncSignOutClient,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutError,
    SignOutResult,
    ValidationError,
)
from cognito_signout._concurrency.single_flight import SingleFlight
from cognito_signout._config.credentials import CredentialsProvider
from tests.ways import InTasks, InThreads, Script, Way, refusal

if TYPE_CHECKING:
    from collections.abc import Generator

    from cognito_signout import SignOutOutcome

POOL = "us-east-1_Test00001"
CALLS = 10


@pytest.fixture(params=[InThreads, InTasks])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Both clients."""
    way: Way = request.param()
    yield way
    way.finish()


def concurrently(is_async: bool, script: Script, **arguments: Any) -> list[SignOutOutcome]:
    """The outcomes of ten concurrent calls."""
    timeout = arguments.pop("timeout", None)
    from tests.ways import BlockingTransport, TaskTransport

    async def main() -> list[SignOutOutcome]:
        client = AsyncSignOutClient(transport=TaskTransport(script), **arguments)

        async def call() -> SignOutOutcome:
            try:
                return await client.sign_out(user_pool_id=POOL, username="alice", timeout=timeout)
            except SignOutError as error:
                return error

        return await asyncio.gather(*(call() for _ in range(CALLS)))

    if is_async:
        return asyncio.run(main())
    blocking = SignOutClient(transport=BlockingTransport(script), **arguments)
    barrier = threading.Barrier(CALLS)

    def call(_: int) -> SignOutOutcome:
        barrier.wait()
        try:
            return blocking.sign_out(user_pool_id=POOL, username="alice", timeout=timeout)
        except SignOutError as error:
            return error

    with ThreadPoolExecutor(CALLS) as threads:
        return list(threads.map(call, range(CALLS)))


class Source:
    """Temporary keys whose refresh takes a while, and fails."""

    def __init__(self, minutes: float) -> None:
        self.refreshes = 0
        expiry = datetime.now(timezone.utc) + timedelta(minutes=minutes)
        self.credentials = RefreshableCredentials(
            "AKIDOLD", "secret", "token", expiry, refresh_using=self.refresh, method="test"
        )

    def refresh(self) -> dict[str, str]:
        """Fails after half a second."""
        self.refreshes += 1
        time.sleep(0.5)
        raise ConnectionError("the source is down")


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_a_refresh_that_fails_does_not_block_while_the_keys_are_valid(is_async: bool) -> None:
    """A source that is down fails calls although the keys are valid for 12 more minutes."""
    source = Source(minutes=12)
    start = time.monotonic()
    outcomes = concurrently(is_async, Script(), credentials=source.credentials, timeout=2)
    assert {type(outcome) for outcome in outcomes} == {SignOutResult}
    assert source.refreshes == 1
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_concurrent_calls_share_the_failure_of_a_refresh(is_async: bool) -> None:
    """Each call waits for its own refresh, one after the other."""
    source = Source(minutes=5)
    start = time.monotonic()
    outcomes = concurrently(is_async, Script(), credentials=source.credentials, timeout=3)
    assert {type(outcome) for outcome in outcomes} == {CredentialsError}
    assert time.monotonic() - start < 2.5
    assert source.refreshes <= 2


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_concurrent_calls_share_the_failure_of_a_lookup(is_async: bool) -> None:
    """Ten calls wait for ten lookups, one after the other."""
    lookups = []

    class Session(botocore.session.Session):  # type: ignore[misc]
        def get_credentials(self) -> Any:
            lookups.append(threading.current_thread().name)
            time.sleep(0.5)
            raise OSError("the source is down")

    start = time.monotonic()
    outcomes = concurrently(is_async, Script(), session=Session(), timeout=3)
    assert {type(outcome) for outcome in outcomes} == {CredentialsError}
    assert len({id(outcome) for outcome in outcomes}) == CALLS
    assert time.monotonic() - start < 2.5
    assert len(lookups) <= 2


def test_the_keys_are_refreshed_in_the_background() -> None:
    """The async client never refreshes in the advisory window."""
    is_refreshed = threading.Event()

    def refresh() -> dict[str, str]:
        is_refreshed.set()
        expiry = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
        return {"access_key": "AKIDNEW", "secret_key": "secret", "token": "token", "expiry_time": expiry}

    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    credentials = RefreshableCredentials("AKIDOLD", "secret", "t", expiry, refresh_using=refresh, method="test")
    script, way = Script(), InTasks()
    client = way.client(script, credentials=credentials)
    way.all(client, ["alice"])
    credentials._expiry_time = datetime.now(timezone.utc) + timedelta(minutes=12)
    keys: list[str] = []
    while not keys or (keys[-1] == "AKIDOLD" and len(keys) < 1000):
        way.all(client, ["alice"])
        keys.append(script.requests[-1].headers["authorization"].partition("=")[2].partition("/")[0])
        is_refreshed.wait(10)
    way.finish()
    assert (keys[0], keys[-1]) == ("AKIDOLD", "AKIDNEW")


def test_valid_keys_are_used_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may have no more threads can't sign out although its keys are valid."""

    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    source = Source(minutes=60)
    provider = CredentialsProvider(lambda _: source.credentials, tried=str)
    provider.current()
    source.credentials._expiry_time = datetime.now(timezone.utc) + timedelta(minutes=12)
    monkeypatch.setattr("threading.Thread.start", fail)
    for _ in range(2):
        keys = provider.valid()
        assert keys is not None
        assert keys.access_key == "AKIDOLD"
    with provider._background:  # another thread refreshes them
        assert provider.valid() == keys


def test_a_lookup_that_is_interrupted_is_made_again() -> None:
    """Ctrl-C in one thread leaves the others without a result."""
    flight: SingleFlight[str] = SingleFlight()
    is_looking, may_end = threading.Event(), threading.Event()

    def interrupted() -> str:
        is_looking.set()
        assert may_end.wait(20)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(flight.do, interrupted)
        assert is_looking.wait(20)
        second = threads.submit(flight.do, lambda: "found")
        while not flight._flight.done._cond._waiters:  # type: ignore[union-attr]
            time.sleep(0.001)
        may_end.set()
        assert second.result(20) == "found"
        with pytest.raises(KeyboardInterrupt):
            first.result(20)


# Sessions


def key_of(script: Script) -> str:
    """The access key of the last request."""
    return script.requests[-1].headers["authorization"].partition("=")[2].partition("/")[0]


def write_profile(name: str, key: str) -> None:
    """Adds a profile to the credentials file."""
    path = Path("~/.aws/credentials").expanduser()
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def call(way: Way, client: Any) -> SignOutOutcome:
    """The outcome of a call."""
    outcomes, ended = way.all(client, ["alice"])
    if ended is not None:
        assert isinstance(ended, SignOutError)
        return ended
    outcome: SignOutOutcome = outcomes[0]
    return outcome


def test_the_default_session_of_boto3_is_used(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of production sign what was meant for another account."""
    write_profile("dev", "AKIDDEV")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(profile_name="dev"))
    script = Script()
    assert isinstance(call(way, way.client(script)), SignOutResult)
    assert key_of(script) == "AKIDDEV"


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"profile_name": "other"}, "AKIDOTHER"),
        ({"credentials": Credentials("AKIDGIVEN", "secret")}, "AKIDGIVEN"),
        ({"session": "new"}, "AKIDEXAMPLE"),
    ],
)
def test_arguments_come_before_the_default_session(
    way: Way, arguments: dict[str, Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument is ignored because some other code has set a default."""
    write_profile("dev", "AKIDDEV")
    write_profile("other", "AKIDOTHER")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(profile_name="dev"))
    if "session" in arguments:
        arguments = {"session": boto3.Session()}
    script = Script()
    assert isinstance(call(way, way.client(script, **arguments)), SignOutResult)
    assert key_of(script) == key


def test_a_default_session_that_fails_is_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another identity signs after a failure."""
    session = botocore.session.Session()
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=session))
    client = way.client(Script())
    assert [type(call(way, client)) for _ in range(2)] == [CredentialsError] * 2


def test_a_profile_that_is_written_after_the_first_call_is_found(way: Way) -> None:
    """A process has to be restarted after a mistake in the configuration is corrected."""
    script = Script()
    client = way.client(script, profile_name="late")
    assert type(call(way, client)) is ConfigurationError
    write_profile("late", "AKIDLATE")
    assert isinstance(call(way, client), SignOutResult)
    assert key_of(script) == "AKIDLATE"


def test_credentials_that_are_written_after_the_first_call_are_found(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    script = Script()
    client = way.client(script)
    assert type(call(way, client)) is CredentialsError
    write_profile("default", "AKIDLATE")
    assert isinstance(call(way, client), SignOutResult)
    assert key_of(script) == "AKIDLATE"


# Arguments


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
@pytest.mark.parametrize("url", ["localhost:5000", "http://", "ftp://host", ""])
def test_a_url_without_a_scheme_is_refused_by_the_constructor(make: Any, url: str) -> None:
    """The mistake is found at the first call, in production."""
    with pytest.raises(ConfigurationError, match="such as http://localhost:5000"):
        make(endpoint_url=url)


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
def test_a_region_that_is_no_host_label_is_refused_by_the_constructor(make: Any) -> None:
    """The same for a region."""
    with pytest.raises(ConfigurationError, match="such as us-east-1"):
        make(region_name="us east 1")


def test_a_region_that_does_not_exist_is_named() -> None:
    """The error does not say which setting is wrong."""
    with SignOutClient(region_name="europe") as client, pytest.raises(SignOutError, match="europe"):
        client.sign_out(user_pool_id=POOL, username="alice", timeout=5)


def test_an_arn_is_not_a_pool_id(way: Way) -> None:
    """The error complains about the length of what the caller takes for an ID."""
    arn = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Test00001"
    with pytest.raises(ValidationError, match="after `userpool/`"):
        way.sign_out_many(way.client(Script()), user_pool_id=arn, usernames=["alice"])


def test_the_error_about_an_unknown_pool_names_the_region(way: Way) -> None:
    """Nobody sees that ``region_name`` is wrong."""
    script = Script(lambda _: refusal("ResourceNotFoundException"))
    error = call(way, way.client(script, region_name="eu-west-1"))
    assert isinstance(error, ResourceNotFoundError)
    assert "eu-west-1" in error.message
    assert "eu-west-1" not in (error.service_message or "")


def test_the_last_error_is_raised_if_time_runs_out_while_keys_are_renewed() -> None:
    """A time-out hides why the service refused."""
    is_over = threading.Event()

    class Keys:
        asked = 0
        access_key, secret_key, token = "AKID", "secret", None

        def get_frozen_credentials(self) -> Keys:
            self.asked += 1
            if self.asked > 1:
                is_over.wait(20)
            return self

    script, way = Script(lambda _: refusal("ExpiredTokenException")), InTasks()
    outcomes, ended = way.all(way.client(script, credentials=Keys()), ["alice"], timeout=1.0)
    is_over.set()
    way.finish()
    assert outcomes == []
    assert isinstance(ended, AuthenticationError)
