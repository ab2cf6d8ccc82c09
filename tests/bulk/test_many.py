"""Many users, in threads and in tasks: outcomes, memory, errors, and how a run ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import subprocess
import sys
import threading
import time
import warnings
from datetime import datetime, timedelta, timezone
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from moto import mock_aws

from cognito_signout import (
    AccessDeniedError,
    AsyncSignOutClient,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    InternalServiceError,
    OperationNotEnabledError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    SignOutError,
    SignOutOutcomes,
    SignOutResult,
    SignOutTimeoutError,
    TooManyRequestsError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout._bulk.pacing import Pacer
from cognito_signout._bulk.progress import Progress
from cognito_signout._bulk.threads import Run
from cognito_signout._config.options import Options
from cognito_signout._runtime import Stopped
from cognito_signout._runtime.blocking import BlockingRuntime
from cognito_signout.testing import FakeCognito
from cognito_signout.transports import HttpResponse
from tests.moto_pools import MotoPool
from tests.ways import OK, PATIENCE, BlockingTransport, InTasks, InThreads, Script, TaskTransport, Way, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

    from cognito_signout.transports import HttpRequest

POOL = "us-east-1_Test00001"
START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(params=[InThreads, InTasks], ids=["threads", "tasks"])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Both clients. Each test checks that no thread or task is left behind."""
    way: Way = request.param()
    yield way
    deadline = time.monotonic() + 5
    while (left := way.at_work()) and time.monotonic() < deadline:
        time.sleep(0.01)  # the threads of a collected iterator end soon
    way.finish()
    assert left == 0, "threads or tasks were left behind"


def names(number: int) -> list[str]:
    """As many usernames."""
    return [f"user{index}" for index in range(number)]


def fake_with(usernames: list[str], fake: FakeCognito | None = None) -> FakeCognito:
    """A fake with these users. Its time passes only by waiting."""
    fake = fake if fake is not None else FakeCognito(now=START)
    for username in usernames:
        fake.add_user(user_pool_id=POOL, username=username)
    return fake


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user_pool_id": "nowhere"}, "pool"),
        ({"user_pool_id": None}, "pool"),
        ({"usernames": "alice"}, "usernames"),
        ({"usernames": b"alice"}, "usernames"),
        ({"usernames": None}, "usernames"),
        ({"usernames": 3}, "usernames"),
        ({"max_rate": 0}, "max_rate"),
        ({"max_rate": -1.0}, "max_rate"),
        ({"max_rate": float("nan")}, "max_rate"),
        ({"max_rate": float("inf")}, "max_rate"),
        ({"max_rate": True}, "max_rate"),
        ({"max_rate": "25"}, "max_rate"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": -1}, "max_concurrency"),
        ({"max_concurrency": 2.0}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"max_concurrency": None}, "max_concurrency"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "10"}, "timeout"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("make_client", [SignOutClient, AsyncSignOutClient])
def test_arguments_are_checked_at_the_call(make_client: Any, wrong: dict[str, Any], message: str) -> None:
    """A typing error is found at the first user."""
    arguments = {"user_pool_id": POOL, "usernames": ["alice"], **wrong}
    with pytest.raises(ValidationError, match=message):
        make_client().sign_out_many(**arguments)


def test_the_blocking_client_refuses_async_usernames() -> None:
    """The blocking client can't iterate over them."""

    async def usernames() -> AsyncGenerator[str, None]:
        yield "alice"

    with pytest.raises(ValidationError, match="usernames"):
        SignOutClient().sign_out_many(user_pool_id=POOL, usernames=usernames())  # type: ignore[arg-type]


def test_the_configuration_is_checked_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that affects every user is found after a file of users was opened."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "abc")
    with pytest.raises(ConfigurationError):
        SignOutClient().sign_out_many(user_pool_id=POOL, usernames=["alice"])


def test_the_async_client_checks_the_configuration_when_iterating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading files at the call blocks the event loop."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "abc")
    way = InTasks()
    outcomes, ended = way.all(way.client(), names(20), max_concurrency=3)
    way.finish()
    assert isinstance(ended, ConfigurationError)
    assert ended.username in names(3)
    assert all(isinstance(outcome, ConfigurationError) for outcome in outcomes)
    assert len(outcomes) == 2


def test_everyone_gets_an_outcome(way: Way) -> None:
    """A user without an outcome stays signed in, and nobody notices."""
    fake = fake_with(names(30))
    wrong: list[Any] = ["", "a b", "x" * 129, None, 7, b"bytes", ["list"]]
    usernames = [*names(30), *wrong, "nobody", "user3", "user3"]
    outcomes, ended = way.all(way.client_of(fake), usernames)
    assert ended is None
    assert len(outcomes) == len(usernames)
    signed_out = [outcome.username for outcome in outcomes if isinstance(outcome, SignOutResult)]
    assert sorted(signed_out) == sorted([*names(30), "user3", "user3"])
    (unknown,) = (outcome for outcome in outcomes if isinstance(outcome, UserNotFoundError))
    assert unknown.username == "nobody"
    refused = [outcome for outcome in outcomes if type(outcome) is ValidationError]
    assert len(refused) == len(wrong)
    assert sorted(str(outcome.username) for outcome in refused) == sorted(["", "a b", "x" * 129, *[""] * 4])
    assert all(outcome.user_pool_id == POOL for outcome in outcomes)
    fake.assert_signed_out(user_pool_id=POOL, username="user3", times=3)


def test_no_usernames_no_requests(way: Way) -> None:
    """An empty list starts threads or sends requests."""
    fake = fake_with([])
    assert way.all(way.client_of(fake), []) == ([], None)
    fake.assert_no_requests()


def test_outcomes_arrive_in_completion_order(way: Way) -> None:
    """A slow user delays the outcomes of all later users."""
    may_be_answered = way.event()
    script = Script(wait_for=lambda username: may_be_answered if username == "first" else None)
    outcomes = way.sign_out_many(way.client(script), user_pool_id=POOL, usernames=["first", "second"])
    assert next(outcomes).username == "second"
    may_be_answered.set()
    assert [outcome.username for outcome in outcomes] == ["first"]


@pytest.mark.parametrize("max_concurrency", [1, 4])
def test_max_concurrency_users_are_in_flight(way: Way, max_concurrency: int) -> None:
    """A run takes longer than necessary, or sends more concurrent requests than allowed."""
    all_are_here = way.event()

    def wait_for(_: str) -> Any:
        if script.in_flight == max_concurrency:
            all_are_here.set()
        return all_are_here

    script = Script(wait_for=wait_for)
    outcomes, ended = way.all(way.client(script), names(30), max_concurrency=max_concurrency)
    assert (len(outcomes), ended) == (30, None)
    assert script.most_in_flight == max_concurrency


def test_there_are_no_more_threads_than_users(way: Way) -> None:
    """Three users start ten thousand threads."""
    script = Script()
    outcomes = way.sign_out_many(way.client(script), user_pool_id=POOL, usernames=names(3), max_concurrency=10_000)
    next(outcomes)
    assert way.at_work() <= 3
    assert len(list(outcomes)) == 2


def test_it_works_against_moto() -> None:
    """With real requests, refresh tokens still work."""
    import boto3

    with mock_aws():
        pool = MotoPool(boto3.client("cognito-idp", "us-east-1"))
        for username in names(3):
            pool.add_user(username)
        for way in (InThreads(), InTasks()):
            tokens = [pool.sign_in(username) for username in names(3)]
            outcomes, ended = way.all(way.client(), [*names(3), "nobody"], user_pool_id=pool.id)
            way.finish()
            assert ended is None
            assert sum(isinstance(outcome, SignOutResult) for outcome in outcomes) == 3
            assert sum(isinstance(outcome, UserNotFoundError) for outcome in outcomes) == 1
            assert {pool.refusal_to_refresh(token) for token in tokens} == {"NotAuthorizedException"}


class Counting:
    """An iterable that counts the usernames that were pulled."""

    def __init__(self, number: int | None = None) -> None:
        self.pulled = 0
        self.pulled_by: set[int] = set()
        self._numbers = count() if number is None else iter(range(number))

    def __iter__(self) -> Iterator[str]:
        for number in self._numbers:
            self.pulled += 1
            self.pulled_by.add(threading.get_ident())
            yield f"user{number}"


@pytest.mark.parametrize("max_concurrency", [1, 3, 10])
def test_no_more_usernames_are_pulled_than_are_pending(way: Way, max_concurrency: int) -> None:
    """With a slow consumer, a million results are held in memory."""
    usernames = Counting(50)
    outcomes = way.sign_out_many(
        way.client(Script()), user_pool_id=POOL, usernames=usernames, max_concurrency=max_concurrency
    )
    assert usernames.pulled == 0
    yielded = 0
    for _ in outcomes:
        assert usernames.pulled <= yielded + max_concurrency
        yielded += 1
        still = usernames.pulled
        assert usernames.pulled == still, "they are pulled by the consumer alone"
    assert yielded == usernames.pulled == 50
    assert usernames.pulled_by == {threading.get_ident()}


def test_usernames_can_be_endless(way: Way) -> None:
    """A queue that never ends can't be used as a list."""
    usernames = Counting()
    outcomes = way.sign_out_many(way.client(Script()), user_pool_id=POOL, usernames=usernames, max_concurrency=4)
    with contextlib.closing(outcomes):
        assert len(list(islice(outcomes, 100))) == 100
    assert usernames.pulled <= 104


PEAK = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient, SignOutClient
from cognito_signout.transports import HttpResponse

class Blocking:
    def send(self, request, *, timeout): return HttpResponse(200, {}, b"{}")
    def close(self): pass

class InATask:
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b"{}")
    async def close(self): pass

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def arguments(number):
    return {"user_pool_id": "us-east-1_A", "usernames": (f"user{index}" for index in range(number))}

def in_threads(number):
    return sum(1 for _ in SignOutClient(transport=Blocking()).sign_out_many(**arguments(number)))

async def in_tasks(number):
    outcomes = AsyncSignOutClient(transport=InATask()).sign_out_many(**arguments(number))
    return sum([1 async for _ in outcomes])

run = in_threads if sys.argv[1] == "threads" else lambda number: asyncio.run(in_tasks(number))
assert run(1_000) == 1_000
before = peak()
assert run(int(sys.argv[2])) == int(sys.argv[2])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_users() -> None:
    """A run over millions of users runs out of memory."""
    number = 15_000 if sys.gettrace() is None else 2_000  # tracers, such as that of coverage, make it slow
    runs = [
        subprocess.Popen([sys.executable, "-c", PEAK, way, str(number)], stdout=subprocess.PIPE, text=True)
        for way in ("threads", "tasks")
    ]
    for run in runs:
        printed, _ = run.communicate(timeout=PATIENCE * 5)
        assert run.returncode == 0
        assert int(printed) < 1024, "KiB: more than a few bytes a user"


ENDING: list[tuple[Any, type[SignOutError]]] = [
    (refusal("UnrecognizedClientException"), AuthenticationError),
    (refusal("ExpiredTokenException"), AuthenticationError),
    (refusal("InvalidSignatureException"), AuthenticationError),
    (refusal("AccessDeniedException"), AccessDeniedError),
    (refusal("ResourceNotFoundException"), ResourceNotFoundError),
    (refusal("OperationNotEnabledException"), OperationNotEnabledError),
    (CredentialsError, CredentialsError),
    (ConfigurationError, ConfigurationError),
]
NOT_ENDING: list[Any] = [
    refusal("UserNotFoundException"),
    refusal("InvalidParameterException"),
    refusal("SomethingNew"),
    HttpResponse(200, {}, b"<html>"),
    HttpResponse(302, {"location": "https://elsewhere/"}),
    ConnectionRefusedError,
]


@pytest.mark.parametrize(("answer", "cls"), ENDING)
def test_an_error_that_affects_every_user_is_raised_after_the_outcomes_in_flight(
    way: Way, answer: Any, cls: type[SignOutError]
) -> None:
    """With a wrong password, two hundred thousand users fail one by one."""
    usernames = Counting(1000)
    all_are_here = way.event()
    here: list[str] = []

    def wait_for(username: str) -> Any:
        if int(username.removeprefix("user")) < 10:
            return None
        here.append(username)
        if len(here) == 4:
            all_are_here.set()
        return all_are_here

    script = Script(lambda username: OK if int(username.removeprefix("user")) < 10 else answer, wait_for)
    outcomes, ended = way.all(way.client(script), usernames, max_concurrency=4)
    assert type(ended) is cls
    assert isinstance(ended, SignOutError)
    results = [outcome.username for outcome in outcomes if isinstance(outcome, SignOutResult)]
    others = [str(outcome.username) for outcome in outcomes if not isinstance(outcome, SignOutResult)]
    assert sorted(results) == names(10)
    assert {type(outcome) for outcome in outcomes[10:]} <= {cls}
    assert sorted([*others, str(ended.username)]) == sorted(f"user{number}" for number in range(10, 14))
    assert usernames.pulled == 14
    assert ended.user_pool_id == POOL


@pytest.mark.parametrize("answer", NOT_ENDING)
def test_an_error_of_one_user_is_an_outcome(way: Way, answer: Any) -> None:
    """A deleted user ends the whole run."""
    script = Script(lambda username: answer if username in ("user3", "user7") else OK)
    outcomes, ended = way.all(way.client(script), names(12), max_concurrency=3)
    assert ended is None
    refused = [str(outcome.username) for outcome in outcomes if isinstance(outcome, SignOutError)]
    assert sorted(refused) == ["user3", "user7"]
    assert len(outcomes) == 12


def test_an_ending_error_of_the_last_user_is_raised_too(way: Way) -> None:
    """A user who was refused looks signed out."""
    script = Script(lambda username: refusal("AccessDeniedException") if username == "user2" else OK)
    outcomes, ended = way.all(way.client(script), names(3), max_concurrency=1)
    assert [outcome.username for outcome in outcomes] == ["user0", "user1"]
    assert isinstance(ended, AccessDeniedError)
    assert ended.username == "user2"


class Keys:
    """Credentials whose source fails after some calls."""

    def __init__(self, fake: FakeCognito, good_for: int) -> None:
        self._keys = (fake.access_key, fake.secret_key)
        self._good_for = good_for
        self._lock = threading.Lock()

    def get_frozen_credentials(self) -> Any:
        """The fake's own keys, until the source fails."""
        with self._lock:
            self._good_for -= 1
        if self._good_for < 0:
            raise RuntimeError("the SSO session has expired")

        class Frozen:
            access_key, secret_key = self._keys
            token = None

        return Frozen


def check_half_way(outcomes: list[Any], ended: BaseException | None, cls: type[SignOutError], done: int) -> None:
    """Users in flight are missing from the outcomes, or appear twice."""
    assert type(ended) is cls
    assert isinstance(ended, SignOutError)
    results = [outcome.username for outcome in outcomes if isinstance(outcome, SignOutResult)]
    refused = [outcome.username for outcome in outcomes if not isinstance(outcome, SignOutResult)]
    assert len(results) == done
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, SignOutError)} <= {cls}
    told = [*results, *refused, ended.username]
    assert len(set(told)) == len(told) <= done + 10
    assert ended.username is not None


def test_credentials_whose_source_fails_half_way_raise_once(way: Way) -> None:
    """An SSO session that ends at night fails 100,000 users, or hides who was signed out."""
    fake = fake_with(names(100))
    outcomes, ended = way.all(way.client_of(fake, credentials=Keys(fake, 40)), names(100))
    check_half_way(outcomes, ended, CredentialsError, 40)
    assert len(fake.requests) == 40


class TurningFake(FakeCognito):
    """A fake that refuses its own keys after some requests."""

    code = "ExpiredTokenException"
    good_for = 40
    _seen = 0

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Responds, or refuses the keys."""
        with self._lock:
            self._seen += 1
            if self._seen > self.good_for:
                self.fail(self.code)
            return super().exchange(request, patience=patience, sent_at=sent_at)


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_credentials_that_are_refused_half_way_raise_once(way: Way, code: str) -> None:
    """When temporary keys expire in a run of hours, it is unknown who was signed out, or all others are tried."""
    fake = fake_with(names(100), TurningFake(now=START))
    fake.code = code  # type: ignore[attr-defined]
    outcomes, ended = way.all(way.client_of(fake), names(100))
    check_half_way(outcomes, ended, AuthenticationError, 40)
    assert len(fake.requests) <= 50


def test_a_username_source_that_fails_half_way(way: Way) -> None:
    """A file that can't be read to its end hides the outcomes of users in flight."""

    def usernames() -> Iterator[str]:
        yield from names(7)
        raise OSError("the disk is gone")

    outcomes, ended = way.all(way.client(Script()), usernames(), max_concurrency=3)
    assert sorted(outcome.username for outcome in outcomes) == names(7)
    assert isinstance(ended, OSError)
    assert str(ended) == "the disk is gone"


def test_a_username_source_that_fails_at_once(way: Way) -> None:
    """The run waits although no user is in flight."""

    class Wrong:
        def __iter__(self) -> Iterator[str]:
            raise OSError("no such file")

    outcomes, ended = way.all(way.client(Script()), Wrong())
    assert (outcomes, str(ended)) == ([], "no such file")


def test_an_unexpected_exception_of_a_transport_reaches_the_consumer(way: Way) -> None:
    """A bug in a transport is hidden, or the consumer waits for ever."""
    raised = KeyError("a bug")
    script = Script(lambda username: raised if username == "user5" else OK)
    outcomes, ended = way.all(way.client(script), names(100), max_concurrency=3)
    assert ended is raised
    usernames = [outcome.username for outcome in outcomes]
    assert sorted([*usernames, "user5"]) == sorted(names(len(usernames) + 1))


def test_an_exception_of_a_botocore_handler_reaches_the_consumer(way: Way) -> None:
    """A failure of an audit looks like a user who could not be signed out."""

    def audit(**_: Any) -> None:
        raise RuntimeError("the audit log is full")

    session = botocore.session.Session()
    session.register("before-send.cognito-identity-provider", audit)
    outcomes, ended = way.all(way.client(session=session), names(100), max_concurrency=3)
    assert (outcomes, str(ended)) == ([], "the audit log is full")


def test_the_first_error_is_the_one_that_is_raised() -> None:
    """The raised error is a consequence of the first one."""
    progress = Progress(3, Pacer())
    first, second = RuntimeError("first"), RuntimeError("second")
    later = AccessDeniedError("it would have ended the work, too")
    for outcome in (first, second, later):
        progress.pulled()
        progress.completed(outcome)
    assert [progress.settled(outcome) for outcome in (first, second, later)] == [None, None, later]
    progress.exhausted(OSError("third"))
    with pytest.raises(RuntimeError) as raised:
        progress.finish()
    assert raised.value is first


def test_nothing_is_sent_before_the_first_outcome_is_requested(way: Way) -> None:
    """A request is sent before the first outcome is requested."""
    script = Script()
    outcomes = way.sign_out_many(way.client(script), user_pool_id=POOL, usernames=Counting())
    assert way.at_work() == 0
    outcomes.close()
    assert script.requests == []


@pytest.mark.parametrize("how", ["close", "break", "exception"])
def test_leaving_early_stops_the_work(way: Way, how: str) -> None:
    """After the operator has stopped a run, users are still signed out."""
    script = Script()
    usernames = Counting()
    outcomes = way.sign_out_many(way.client(script), user_pool_id=POOL, usernames=usernames, max_concurrency=3)
    if how == "close":
        next(outcomes)
        outcomes.close()
    elif how == "break":
        with contextlib.closing(outcomes):
            for _ in outcomes:
                break
    else:
        with contextlib.suppress(ZeroDivisionError), contextlib.closing(outcomes):
            for _ in outcomes:
                raise ZeroDivisionError
    assert way.at_work() == 0
    assert 1 <= usernames.pulled <= 3
    assert len(script.requests) <= 3
    assert list(outcomes) == []


def test_leaving_early_does_not_wait_for_pauses(way: Way) -> None:
    """Ctrl-C takes as long as the longest pause."""
    outcomes = way.sign_out_many(
        way.client(Script()), user_pool_id=POOL, usernames=names(10), max_rate=1e-4, max_concurrency=5
    )
    assert next(outcomes).username in names(5)
    outcomes.close()  # the others would wait for hours
    assert way.at_work() == 0


@pytest.mark.parametrize("seconds", [1e10, math.inf])
def test_the_pace_can_be_very_slow(seconds: float) -> None:
    """A wait that is longer than a thread can wait fails with an untyped error."""
    run = Run(Pacer())
    run.stop()
    for _ in range(2):
        with pytest.raises(Stopped):
            BlockingRuntime(Options(), None).sleep(seconds, run)


def test_leaving_early_stops_users_who_are_always_throttled(way: Way) -> None:
    """A throttled user keeps a closed run alive."""
    fake = fake_with(names(2), TurningFake(now=START))
    fake.code, fake.good_for = "TooManyRequestsException", 1  # type: ignore[attr-defined]
    fake.latency = timedelta(seconds=2)
    outcomes = way.sign_out_many(way.client_of(fake), user_pool_id=POOL, usernames=names(2))
    assert isinstance(next(outcomes), SignOutResult)
    closing = threading.Thread(target=outcomes.close, daemon=True)
    if isinstance(way, InThreads):
        closing.start()
        closing.join(PATIENCE)
        stopped = not closing.is_alive()
        fake.code = "UserNotFoundException"  # type: ignore[attr-defined]  # which ends it in any case
        closing.join()
        assert stopped
    else:
        outcomes.close()


def test_an_iterator_that_is_lost_stops_its_work(way: Way) -> None:
    """The threads of a lost iterator run for ever."""
    outcomes = way.sign_out_many(
        way.client(Script()), user_pool_id=POOL, usernames=names(10), max_rate=1e-4, max_concurrency=5
    )
    next(outcomes)
    del outcomes
    gc.collect()
    deadline = time.monotonic() + PATIENCE
    while way.at_work() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert way.at_work() == 0


def test_an_iterator_can_be_collected_in_one_of_its_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that collects garbage waits for itself."""
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    is_here, is_lost, is_collected = threading.Event(), threading.Event(), threading.Event()

    def answer(username: str) -> HttpResponse:
        if username == "user1":
            is_here.set()
            assert is_lost.wait(PATIENCE)
            gc.collect()
            is_collected.set()
        assert is_here.wait(PATIENCE)
        return OK

    script = Script(answer)
    script._lock = contextlib.nullcontext()  # type: ignore[assignment]
    outcomes = SignOutClient(transport=BlockingTransport(script)).sign_out_many(
        user_pool_id=POOL, usernames=names(2), max_concurrency=2
    )
    next(outcomes)
    threads = [thread for thread in threading.enumerate() if thread.name == "cognito-signout"]
    cycle: list[Any] = [outcomes]
    cycle.append(cycle)
    gc.disable()
    try:
        del outcomes, cycle
        is_lost.set()
        assert is_collected.wait(PATIENCE)
    finally:
        gc.enable()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert complaints == []


def test_cancelling_the_consumer_stops_the_tasks() -> None:
    """A request goes on in the background after it was cancelled."""

    async def main() -> None:
        never, is_here = asyncio.Event(), asyncio.Event()

        def wait_for(username: str) -> Any:
            if script.in_flight == 3:
                is_here.set()
            return never

        script = Script(wait_for=wait_for)

        async def consume() -> None:
            client = AsyncSignOutClient(transport=TaskTransport(script))
            async for _ in client.sign_out_many(user_pool_id=POOL, usernames=names(9), max_concurrency=3):
                raise AssertionError("nobody was answered")

        consumer = asyncio.create_task(consume())
        await is_here.wait()
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_breaking_out_of_aclosing_stops_the_tasks() -> None:
    """The way that the documentation shows does not work."""

    async def main() -> None:
        client = AsyncSignOutClient(transport=TaskTransport(Script()))
        async with contextlib.aclosing(client.sign_out_many(user_pool_id=POOL, usernames=Counting())) as outcomes:
            async for _ in outcomes:
                break
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_task_that_other_code_cancels_ends_the_run() -> None:
    """The consumer waits for ever for a cancelled task."""

    async def main() -> None:
        def cancel(username: str) -> HttpResponse:
            if username == "user1":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            return OK

        script = Script(cancel)

        class Transport(TaskTransport):
            async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
                response = await super().send(request, timeout=timeout)
                await asyncio.sleep(0)
                return response

        client = AsyncSignOutClient(transport=Transport(script))
        usernames: list[str | None] = []

        async def consume() -> None:
            async for outcome in client.sign_out_many(user_pool_id=POOL, usernames=names(9), max_concurrency=3):
                usernames.append(outcome.username)

        with pytest.raises(asyncio.CancelledError):
            await consume()
        assert "user1" not in usernames
        assert "cognito-signout" not in {task.get_name() for task in asyncio.all_tasks()}

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


UNFINISHED = """
import asyncio, sys, threading
from cognito_signout import AsyncSignOutClient, SignOutClient
from cognito_signout.transports import HttpResponse

answers = iter([True])

class Blocking:
    def send(self, request, *, timeout):
        if "{how}" == "in flight" and not next(answers, False):
            threading.Event().wait()
        return HttpResponse(200, {{}}, b"{{}}")
    def close(self): pass

class InATask:
    async def send(self, request, *, timeout):
        if "{how}" == "in flight" and not next(answers, False):
            await asyncio.Event().wait()
        return HttpResponse(200, {{}}, b"{{}}")
    async def close(self): pass

arguments = dict(user_pool_id="us-east-1_A", usernames=["a", "b", "c"])
if "{how}" == "waiting":
    arguments["max_rate"] = 1e-4

async def main():
    global outcomes
    outcomes = AsyncSignOutClient(transport=InATask()).sign_out_many(**arguments)
    print((await outcomes.__anext__()).attempts)

if "{way}" == "tasks":
    asyncio.run(main())
else:
    outcomes = SignOutClient(transport=Blocking()).sign_out_many(**arguments)
    print(next(outcomes).attempts)
    keep = [outcomes]
    keep.append(keep)
"""


@pytest.mark.parametrize("how", ["waiting", "in flight"])
@pytest.mark.parametrize("name", ["threads", "tasks"])
def test_an_unfinished_iterator_does_not_keep_the_process(name: str, how: str) -> None:
    """A script does not end after its last line."""
    code = UNFINISHED.format(way=name, how=how)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


class ThrottlingFake(FakeCognito):
    """A fake that throttles every third request in its first minute."""

    _seen = 0

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Responds, or throttles."""
        with self._lock:
            self._seen += 1
            if self._seen % 3 == 0 and self.now < START + timedelta(minutes=1):
                self.fail(TooManyRequestsError)
            return super().exchange(request, patience=patience, sent_at=sent_at)


def test_throttled_users_are_not_lost(way: Way) -> None:
    """Throttled users must be found and tried again by hand."""
    fake = fake_with(names(400), ThrottlingFake(now=START))
    fake.latency = timedelta(milliseconds=20)
    outcomes, ended = way.all(way.client_of(fake), names(400))
    assert ended is None
    assert all(isinstance(outcome, SignOutResult) for outcome in outcomes)
    assert sorted(outcome.username for outcome in outcomes) == sorted(names(400))
    throttled = sum(request.code == "TooManyRequestsException" for request in fake.requests)
    assert throttled > 20
    assert sum(outcome.attempts for outcome in outcomes) == len(fake.requests) == 400 + throttled
    assert fake.now > START + timedelta(minutes=1)


def test_a_quota_is_kept_and_no_user_is_lost(way: Way) -> None:
    """Other applications of the account are throttled, or users are lost."""
    fake = fake_with(names(300))
    fake.latency = timedelta(milliseconds=5)
    fake.throttle(rate=25, burst=25)
    outcomes, ended = way.all(way.client_of(fake), names(300))
    assert ended is None
    assert all(isinstance(outcome, SignOutResult) for outcome in outcomes)
    throttled = sum(request.code == "TooManyRequestsException" for request in fake.requests)
    assert throttled < 150


def test_no_more_requests_are_sent_in_a_second_than_allowed(way: Way) -> None:
    """The run takes more of the quota than the operator allows."""
    fake = fake_with(names(20))
    outcomes, ended = way.all(way.client_of(fake), names(20), max_rate=2)
    assert (len(outcomes), ended) == (20, None)
    assert fake.now >= START + timedelta(seconds=9.5)


def test_a_timeout_starts_with_the_first_attempt(way: Way) -> None:
    """Users who wait for their turn time out."""
    fake = fake_with(names(20))
    outcomes, ended = way.all(way.client_of(fake), names(20), max_rate=0.5, timeout=1)
    assert ended is None
    assert all(isinstance(outcome, SignOutResult) for outcome in outcomes)


def test_a_timeout_ends_users_who_are_always_throttled(way: Way) -> None:
    """The caller does not learn who was not signed out, and why."""
    fake = fake_with(names(3), TurningFake(now=START))
    fake.code, fake.good_for = "TooManyRequestsException", 0  # type: ignore[attr-defined]
    outcomes, ended = way.all(way.client_of(fake), names(3), timeout=timedelta(seconds=30))
    assert ended is None
    assert {type(outcome) for outcome in outcomes} == {TooManyRequestsError}
    assert sum(outcome.attempts for outcome in outcomes) > 3


def test_without_a_network_attempts_count(way: Way) -> None:
    """A run without a network never ends."""
    fake = fake_with(names(5))
    fake.fail("refused", times=1000)
    outcomes, ended = way.all(way.client_of(fake), names(5))
    assert ended is None
    assert {(type(outcome), outcome.attempts) for outcome in outcomes} == {(SignOutConnectionError, 3)}


def test_a_short_outage_loses_few_users(way: Way) -> None:
    """A short outage fails all users in flight and all later users."""
    fake = fake_with(names(100))
    fake.fail(InternalServiceError, times=10)
    outcomes, ended = way.all(way.client_of(fake), names(100))
    assert ended is None
    assert sum(isinstance(outcome, SignOutResult) for outcome in outcomes) >= 90


def test_two_runs_at_once_on_one_client(way: Way) -> None:
    """Two lists of users are mixed up, or wait for each other."""
    fake = fake_with(names(40))
    client = way.client_of(fake)
    first, second = (
        way.sign_out_many(client, user_pool_id=POOL, usernames=usernames)
        for usernames in (names(40)[:20], names(40)[20:])
    )
    told = [(one.username, other.username) for one, other in zip(first, second, strict=True)]
    assert {one for one, _ in told} == set(names(40)[:20])
    assert {other for _, other in told} == set(names(40)[20:])


async def some(number: int) -> AsyncGenerator[str, None]:
    """As many usernames, each after a while."""
    for username in names(number):
        await asyncio.sleep(0)
        yield username


class LeanIterator:
    """An async iterator with the necessary methods only."""

    def __init__(self, usernames: list[str]) -> None:
        self._usernames = iter(usernames)

    async def __anext__(self) -> str:
        for username in self._usernames:
            return username
        raise StopAsyncIteration


class LeanIterable:
    """The same for an iterable."""

    def __aiter__(self) -> Any:
        return LeanIterator(names(15))


@pytest.mark.parametrize("make", [lambda: some(15), LeanIterable], ids=["generator", "class"])
def test_usernames_can_be_async(make: Any) -> None:
    """A million usernames must be collected first."""
    way = InTasks()
    outcomes, ended = way.all(way.client(Script()), make(), max_concurrency=4)
    way.finish()
    assert ended is None
    assert sorted(outcome.username for outcome in outcomes) == sorted(names(15))


def test_async_usernames_that_fail_half_way() -> None:
    """A database that fails hides the outcomes of users in flight."""

    async def usernames() -> AsyncGenerator[str, None]:
        async for username in some(7):
            yield username
        raise OSError("the database is gone")

    way = InTasks()
    outcomes, ended = way.all(way.client(Script()), usernames(), max_concurrency=3)
    way.finish()
    assert sorted(outcome.username for outcome in outcomes) == names(7)
    assert str(ended) == "the database is gone"


def test_cancelling_while_usernames_are_awaited() -> None:
    """Tasks are left behind if the source is slow."""

    async def main() -> None:
        is_awaited = asyncio.Event()

        async def usernames() -> AsyncGenerator[str, None]:
            yield "user0"
            is_awaited.set()
            await asyncio.Event().wait()

        async def consume() -> None:
            client = AsyncSignOutClient(transport=TaskTransport(Script()))
            async for _ in client.sign_out_many(user_pool_id=POOL, usernames=usernames()):
                pass

        consumer = asyncio.create_task(consume())
        await is_awaited.wait()
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_timeout_bounds_a_request_of_many(way: Way) -> None:
    """A service that does not respond occupies a user's place for a minute and more."""
    fake = fake_with(names(2))
    fake.fail("timeout", times=1)
    outcomes, ended = way.all(way.client_of(fake), names(2), max_concurrency=1, timeout=5)
    assert ended is None
    assert [type(outcome) for outcome in outcomes] == [SignOutTimeoutError, SignOutResult]
    assert START + timedelta(seconds=5) <= fake.now < START + timedelta(seconds=6)


def test_without_threads_exceptions_of_a_transport_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a transport is hidden, and its user is lost."""

    class Broken:
        def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            raise ZeroDivisionError

        def close(self) -> None:
            """Nothing to close."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ZeroDivisionError):
        list(SignOutClient(transport=Broken()).sign_out_many(user_pool_id=POOL, usernames=names(2)))


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_process_that_can_not_start_threads_uses_fewer_or_none(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """A container with a limit of threads stops in the middle of a run."""
    start, started = threading.Thread.start, count()

    def limited(thread: threading.Thread) -> None:
        if next(started) >= allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    client = SignOutClient(transport=BlockingTransport(Script()))
    outcomes = client.sign_out_many(user_pool_id=POOL, usernames=names(9), max_concurrency=5)
    assert {outcome.username for outcome in outcomes} == set(names(9))


def test_outcomes_that_are_never_iterated_warn(way: Way) -> None:
    """A call whose result is dropped does nothing, and nobody notices."""
    with pytest.warns(RuntimeWarning, match="never iterated"):
        way.client(Script()).sign_out_many(user_pool_id=POOL, usernames=names(3))  # dropped at once


def test_a_block_that_does_not_iterate_warns() -> None:
    """A ``with`` block without a loop does nothing, and nobody notices."""
    script = Script()
    with (
        pytest.warns(RuntimeWarning, match="never iterated"),
        InThreads().client(script).sign_out_many(user_pool_id=POOL, usernames=names(3)),
    ):
        pass
    assert script.requests == []


def test_an_async_block_that_does_not_iterate_warns() -> None:
    """The same for ``async with``."""
    script = Script()

    async def main() -> None:
        async with AsyncSignOutClient(transport=TaskTransport(script)).sign_out_many(
            user_pool_id=POOL, usernames=names(3)
        ):
            pass

    with pytest.warns(RuntimeWarning, match="never iterated"):
        asyncio.run(main())
    assert script.requests == []


def test_an_async_block_that_raises_does_not_warn() -> None:
    """The warning hides the exception."""

    async def main() -> None:
        async with AsyncSignOutClient(transport=TaskTransport(Script())).sign_out_many(
            user_pool_id=POOL, usernames=names(3)
        ):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_an_async_username_after_an_error_that_ends_the_run_is_not_signed_out() -> None:
    """One more user is signed out although the run has ended."""

    async def main() -> None:
        may_end = asyncio.Event()
        script = Script(
            lambda username: refusal("AccessDeniedException") if username == "user0" else OK,
            lambda username: may_end if username == "user1" else None,
        )

        async def usernames() -> AsyncGenerator[str, None]:
            yield "user0"
            yield "user1"
            while len(script.requests) < 2 or script.in_flight > 1:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            may_end.set()
            yield "user2"

        client = AsyncSignOutClient(transport=TaskTransport(script))
        outcomes = client.sign_out_many(user_pool_id=POOL, usernames=usernames(), max_concurrency=3)
        assert (await anext(outcomes)).username == "user1"
        with pytest.raises(SignOutError):
            await anext(outcomes)
        assert sorted(script.usernames) == ["user0", "user1"]

    asyncio.run(main())


def test_a_run_that_is_drained_does_not_wait_for_ever() -> None:
    """Ctrl-C waits for a request that is never answered."""
    is_over = threading.Event()
    script = Script(lambda _: OK, lambda username: is_over if username == "user0" else None)
    outcomes = SignOutClient(transport=BlockingTransport(script)).sign_out_many(
        user_pool_id=POOL, usernames=names(2), max_concurrency=2
    )
    assert next(outcomes).username == "user1"
    threads = list(outcomes._run.threads)
    assert list(outcomes._run.drain(0.05)) == []
    is_over.set()
    for thread in threads:
        thread.join(PATIENCE)
    outcomes.close()


def test_a_block_that_raises_does_not_warn() -> None:
    """The warning hides the exception of the block."""
    outcomes = InThreads().client(Script()).sign_out_many(user_pool_id=POOL, usernames=names(3))

    def fail() -> None:
        with outcomes:
            raise ZeroDivisionError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ZeroDivisionError):
            fail()


def test_leaving_a_block_stops_the_threads() -> None:
    """Threads run after the end of ``with``."""
    with SignOutClient(transport=BlockingTransport(Script())).sign_out_many(
        user_pool_id=POOL, usernames=Counting()
    ) as outcomes:
        assert isinstance(next(outcomes), SignOutResult)
    assert InThreads().at_work() == 0
    assert list(outcomes) == []


def test_no_user_is_started_after_an_error_that_ends_the_run(way: Way) -> None:
    """One more user is signed out although the run has ended."""
    usernames, is_refused = Counting(), way.event()

    def answer(username: str) -> HttpResponse:
        if username == "user0":
            return OK
        is_refused.set()
        return refusal("AccessDeniedException")

    script = Script(answer, lambda username: is_refused if username == "user0" else None)
    outcomes = way.sign_out_many(way.client(script), user_pool_id=POOL, usernames=usernames, max_concurrency=2)
    assert next(outcomes).username == "user0"
    for _ in range(100):  # in threads, the call of the other user may not have ended yet
        if isinstance(outcomes, SignOutOutcomes) and outcomes._run.events.empty():
            time.sleep(0.001)
    with pytest.raises(SignOutError):
        list(outcomes)
    assert len(script.requests) == 2


COLLECTED_IN_A_THREAD = """
import gc, threading
from cognito_signout import SignOutClient
from cognito_signout.transports import HttpResponse

lock = threading.Lock()  # of a refresh of credentials
is_lost = threading.Event()
is_collected = threading.Event()

class Source:
    access_key, secret_key, token = "AKID", "secret", None

    def get_frozen_credentials(self):
        if first and first.pop(0):
            waiting.acquire()
            waiting.acquire()  # one of the others has the lock, one waits for it
            return self
        waiting.release()
        with lock:
            if not is_collected.is_set():
                assert is_lost.wait(20)
                gc.collect()  # the other thread waits for the lock
                is_collected.set()
        return self

class Transport:
    def send(self, request, *, timeout): return HttpResponse(200, {}, b"{}")
    def close(self): pass

first = [True, False, False]
waiting = threading.Semaphore(0)
gc.disable()
client = SignOutClient(transport=Transport(), credentials=Source())
outcomes = client.sign_out_many(user_pool_id="us-east-1_Test00001", usernames=["a", "b", "c"], max_concurrency=3)
next(outcomes)
cycle = [outcomes]
cycle.append(cycle)
del outcomes, cycle
is_lost.set()
assert is_collected.wait(20)
client.sign_out(user_pool_id="us-east-1_Test00001", username="alice")
print("done")
"""


def test_an_iterator_that_is_collected_while_a_thread_holds_a_lock() -> None:
    """The collector waits for threads that wait for a lock, and every later call hangs."""
    process = subprocess.run(
        [sys.executable, "-c", COLLECTED_IN_A_THREAD],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (process.stdout, process.returncode) == ("done\n", 0), process.stderr
