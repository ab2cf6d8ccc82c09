"""The async client doing its job: against moto and a server, on one event loop and several, cancelled and timed out."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from moto import mock_aws

from cognito_signout import (
    AsyncSignOutClient,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    SignOutError,
    SignOutResult,
    SignOutTimeoutError,
    UserNotFoundError,
)
from cognito_signout.transports import HttpRequest, HttpResponse

from .moto_pools import MotoPool
from .servers import LoopbackServer
from .test_client import HEAVY, run
from .ways import OK, PATIENCE, BlockingTransport, Script, TaskTransport

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

ELSEWHERE = "eu-central-1"
POOL = "us-east-1_Ab129faBb"


def on_a_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs it, and fails where it leaves a task behind, or hangs."""

    async def watch() -> Any:
        result = await asyncio.wait_for(main, PATIENCE)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(watch())


@pytest.fixture(params=["in process", "server"])
def moto_pool(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[MotoPool, AsyncSignOutClient]]:
    """A pool in moto, in either form, and our client for it. The pool is in another region than the default one."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if request.param == "in process":
        with mock_aws():
            yield MotoPool(boto3.client("cognito-idp", ELSEWHERE)), AsyncSignOutClient()
    else:
        url = request.getfixturevalue("moto_server")
        boto3_client = boto3.client("cognito-idp", ELSEWHERE, endpoint_url=url)
        yield MotoPool(boto3_client), AsyncSignOutClient(endpoint_url=url)
        boto3_client.close()


# The job


def test_a_signed_out_user_cannot_refresh_and_others_can(moto_pool: tuple[MotoPool, AsyncSignOutClient]) -> None:
    """The main job: one user's refresh tokens are revoked, and nobody else's."""
    pool, client = moto_pool
    for username in ("alice", "bob"):
        pool.add_user(username)
    tokens = {username: pool.sign_in(username) for username in ("alice", "bob")}
    assert pool.refusal_to_refresh(tokens["alice"]) is None

    async def main() -> SignOutResult:
        async with client:
            return await client.sign_out(user_pool_id=pool.id, username="alice", timeout=dt.timedelta(seconds=30))

    result = on_a_loop(main())
    assert pool.refusal_to_refresh(tokens["alice"]) == "NotAuthorizedException"
    assert pool.refusal_to_refresh(tokens["bob"]) is None
    assert (result.user_pool_id, result.username, result.attempts) == (pool.id, "alice", 1)
    assert result.created_at.tzinfo is dt.timezone.utc


def test_an_unknown_user_and_an_unknown_pool_have_classes(moto_pool: tuple[MotoPool, AsyncSignOutClient]) -> None:
    """Nobody should have to compare strings to tell them apart."""
    pool, client = moto_pool

    async def main() -> None:
        async with client:
            with pytest.raises(UserNotFoundError) as no_user:
                await client.sign_out(user_pool_id=pool.id, username="nobody")
            with pytest.raises(ResourceNotFoundError) as no_pool:
                await client.sign_out(user_pool_id=f"{ELSEWHERE}_nowhere", username="nobody")
        assert (no_user.value.aws_code, no_user.value.http_status) == ("UserNotFoundException", 400)
        assert (no_pool.value.aws_code, no_pool.value.username) == ("ResourceNotFoundException", "nobody")

    on_a_loop(main())


def test_it_sends_what_the_blocking_client_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was learned about the one would have to be learned about the other."""
    monkeypatch.setattr("time.time", lambda: 1735689600.0)
    blocking, asynchronous = Script(), Script()
    arguments: dict[str, Any] = {"region_name": "eu-west-3", "config": Config(user_agent_extra="extra")}
    SignOutClient(transport=BlockingTransport(blocking), **arguments).sign_out(user_pool_id=POOL, username="älice")
    client = AsyncSignOutClient(transport=TaskTransport(asynchronous), **arguments)
    on_a_loop(client.sign_out(user_pool_id=POOL, username="älice"))
    (one,), (other,) = blocking.requests, asynchronous.requests
    assert (one.method, one.url, one.body) == (other.method, other.url, other.body)
    of_no_account = {"amz-sdk-invocation-id": ""}
    assert {**one.headers, **of_no_account} == {**other.headers, **of_no_account}


def test_tasks_share_a_client() -> None:
    """Each call gets its own answer, over connections that are reused."""

    async def main(url: str) -> None:
        async with AsyncSignOutClient(endpoint_url=url) as client:
            for _ in range(3):
                results = await asyncio.gather(
                    *(client.sign_out(user_pool_id=POOL, username=f"user{number}") for number in range(20))
                )
                assert [result.username for result in results] == [f"user{number}" for number in range(20)]

    with LoopbackServer() as server:
        on_a_loop(main(server.url))
    assert len(server.arrivals) == 60


# Arguments


def test_arguments_are_refused_at_once() -> None:
    """Not at the first call, in the middle of the night."""

    class AsyncSession:
        def get_component(self, _: str) -> None: ...

        async def get_credentials(self) -> None: ...

    class AsyncKeys:
        async def get_frozen_credentials(self) -> None: ...

    for arguments, message in (
        ({"session": AsyncSession()}, "async"),
        ({"credentials": AsyncKeys()}, "async"),
        ({"session": object()}, "session"),
        ({"credentials": object()}, "credentials"),
        ({"config": object()}, "config"),
        ({"verify": 3}, "verify"),
        ({"transport": object()}, "transport"),
        ({"transport": print}, "transport"),
        ({"transport": BlockingTransport(Script())}, "transport must have async send"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            AsyncSignOutClient(**arguments)


def test_the_blocking_client_refuses_an_async_transport() -> None:
    """Its answer would be a coroutine, and the call fail in an untyped way."""
    with pytest.raises(ConfigurationError, match="async"):
        SignOutClient(transport=TaskTransport(Script()))  # type: ignore[arg-type]


def test_importing_brings_in_no_asyncio() -> None:
    """Whoever uses the blocking client would pay for the other."""
    code = (
        "import sys; from cognito_signout import *; AsyncSignOutClient\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_a_client_may_be_made_where_no_event_loop_runs() -> None:
    """Applications make theirs when they are imported."""
    client = AsyncSignOutClient(transport=TaskTransport(Script()))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 1


# Opening and closing


def test_a_transport_that_was_passed_in_is_the_callers_to_close() -> None:
    """It may be shared by several clients."""

    class Watched(TaskTransport):
        closed = False

        async def close(self) -> None:
            self.closed = True

    transport = Watched(Script())

    async def main() -> None:
        async with AsyncSignOutClient(transport=transport) as client:
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert not transport.closed


def test_a_closed_client_may_be_used_again() -> None:
    """A closed client that failed for ever, or one that kept its sockets, would both surprise."""

    async def main() -> None:
        accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            accepted.put_nowait((reader, writer))

        server = await asyncio.start_server(serve, "127.0.0.1")
        client = AsyncSignOutClient(endpoint_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await client.aclose()  # which has nothing to close yet
        for _ in range(2):
            await client.sign_out(user_pool_id=POOL, username="alice")
            await client.aclose()
            reader, writer = await accepted.get()
            assert await reader.read() == b""
            writer.close()
        await client.aclose()
        server.close()
        await server.wait_closed()

    on_a_loop(main())


def test_one_event_loop_after_the_other() -> None:
    """Whoever calls asyncio.run() for each request would be left with connections of a loop that is gone."""
    with LoopbackServer() as server:
        client = AsyncSignOutClient(endpoint_url=server.url)
        for _ in range(3):
            assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 1
        on_a_loop(client.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_connections_of_its_own() -> None:
    """Parent and child would read each other's answers."""
    with LoopbackServer() as server:
        code = f"""
import asyncio, os, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of forking while threads run
from cognito_signout import AsyncSignOutClient
client = AsyncSignOutClient(endpoint_url={server.url!r})
async def call(times):
    for _ in range(times):
        await client.sign_out(user_pool_id='us-east-1_A', username=str(os.getpid()))
asyncio.run(call(2))
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(call(5))
            os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc(); os._exit(1)
    children.append(pid)
asyncio.run(call(5))
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""
        assert run(code) == "[0, 0]"
    assert len(server.arrivals) == 17


def test_a_cancelled_call_lets_go_of_its_connection() -> None:
    """A user who hits reload would leave a socket behind each time."""

    async def main() -> None:
        arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            arrived.put_nowait((reader, writer))  # and never answers

        server = await asyncio.start_server(serve, "127.0.0.1")
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with AsyncSignOutClient(endpoint_url=url) as client:
            call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
            reader, writer = await arrived.get()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await reader.read() == b""  # before the client is closed
        writer.close()
        server.close()
        await server.wait_closed()

    on_a_loop(main())


def test_a_call_may_be_cancelled_while_it_pauses() -> None:
    """A back-off of twenty seconds would be sat out by whoever is not interested any more."""

    async def main() -> None:
        is_throttled = asyncio.Event()

        def answer(_: str) -> HttpResponse:
            is_throttled.set()
            return HttpResponse(400, {"x-amz-retry-after": "5000"}, b'{"__type": "TooManyRequestsException"}')

        client = AsyncSignOutClient(transport=TaskTransport(Script(answer)))
        call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
        await is_throttled.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    on_a_loop(main())


# Credentials and configuration


class SlowKeys:
    """Credentials whose source takes until it is told to go on."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self.threads: list[int] = []

    def get_frozen_credentials(self) -> Any:
        """Keys, at last."""
        self.threads.append(threading.get_ident())
        self.is_asked.set()
        assert self.may_answer.wait(PATIENCE)
        return Credentials("AKIDSLOW", "secret").get_frozen_credentials()


async def beats_until(event: threading.Event) -> None:
    """Comes back when the event is set, if the event loop goes on meanwhile."""
    while not event.is_set():
        await asyncio.sleep(0)


def test_a_source_of_credentials_does_not_block_the_event_loop() -> None:
    """Everything else in the process would stand still while a process or a single sign-on is asked."""
    keys = SlowKeys()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=keys, transport=TaskTransport(Script()))
        call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
        await beats_until(keys.is_asked)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not call.done()
        keys.may_answer.set()
        await call

    on_a_loop(main())
    assert threading.get_ident() not in keys.threads


def test_reading_the_configuration_does_not_block_the_event_loop() -> None:
    """Files on a network drive, and botocore's import, take their time."""
    is_asked, may_answer = threading.Event(), threading.Event()

    class SlowSession(botocore.session.Session):  # type: ignore[misc]
        def get_component(self, name: str) -> Any:
            if not is_asked.is_set():
                is_asked.set()
                assert may_answer.wait(PATIENCE)
            return super().get_component(name)

    async def main() -> None:
        client = AsyncSignOutClient(session=SlowSession(), transport=TaskTransport(Script()))
        call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
        await beats_until(is_asked)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not call.done()
        may_answer.set()
        await call

    on_a_loop(main())


@pytest.mark.parametrize("what", ["credentials", "other credentials", "configuration"])
def test_a_timeout_bounds_what_is_resolved(what: str) -> None:
    """A call that may take a second would wait for a hanging process for ever."""
    may_answer = threading.Event()

    class Session(botocore.session.Session):  # type: ignore[misc]
        def get_component(self, name: str) -> Any:
            if what == "configuration":
                assert may_answer.wait(PATIENCE)
            return super().get_component(name)

        def get_credentials(self) -> Any:
            if what == "credentials":
                assert may_answer.wait(PATIENCE)
            return super().get_credentials()

    class Keys:
        asked = 0

        def get_frozen_credentials(self) -> Any:
            self.asked += 1
            if self.asked == 3:  # once for the request, and once to see whether those are the refused ones
                assert may_answer.wait(PATIENCE)
            return Credentials("AKID", "secret").get_frozen_credentials()

    refused = HttpResponse(400, {}, b'{"__type": "ExpiredTokenException"}')
    script = Script(lambda _: refused)
    arguments: dict[str, Any] = {"credentials": Keys()} if what == "other credentials" else {"session": Session()}

    async def main() -> SignOutError:
        client = AsyncSignOutClient(transport=TaskTransport(script), **arguments)
        try:
            with pytest.raises(SignOutTimeoutError, match="timeout") as late:
                await client.sign_out(user_pool_id=POOL, username="alice", timeout=0.5)
        finally:
            may_answer.set()
        return late.value

    error = on_a_loop(main())
    assert what.split()[0] in str(error)
    assert (error.username, error.user_pool_id) == ("alice", POOL)
    assert error.attempts == len(script.requests) == (1 if what == "other credentials" else 0)


def test_a_source_that_hangs_holds_up_nobody_else() -> None:
    """A script would not end, and names not be looked up any more, until the source gives up."""
    code = """
import asyncio, threading
from cognito_signout import AsyncSignOutClient, SignOutTimeoutError
from cognito_signout.transports import HttpResponse

class Keys:
    def get_frozen_credentials(self):
        threading.Event().wait()

class Nothing:
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b'{}')
    async def close(self): pass

async def main():
    client = AsyncSignOutClient(credentials=Keys(), transport=Nothing())
    calls = [client.sign_out(user_pool_id='us-east-1_A', username='alice', timeout=0.5) for _ in range(64)]
    late = await asyncio.gather(*calls, return_exceptions=True)
    print({type(error) for error in late} == {SignOutTimeoutError}, threading.active_count() < 9)
    await asyncio.to_thread(int)

asyncio.run(main())
"""
    assert run(code) == "True True"


def test_a_source_that_fails_when_nobody_waits_any_more_is_not_complained_of() -> None:
    """asyncio would log an error that nobody can do anything about, and the next call never get its turn."""
    may_fail = threading.Event()

    class Keys:
        def get_frozen_credentials(self) -> Any:
            assert may_fail.wait(PATIENCE)
            raise RuntimeError("signed out")

    async def main() -> list[dict[str, Any]]:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        client = AsyncSignOutClient(credentials=Keys(), transport=TaskTransport(Script()))
        with pytest.raises(SignOutTimeoutError):
            await client.sign_out(user_pool_id=POOL, username="alice", timeout=0.1)
        may_fail.set()
        with pytest.raises(CredentialsError, match="signed out"):
            await client.sign_out(user_pool_id=POOL, username="alice")
        gc.collect()
        return complaints

    assert on_a_loop(main()) == []


def test_a_timeout_bounds_the_look_up_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocking client can't interrupt it; this one promises to."""
    may_answer = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        assert may_answer.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_NONAME, "nobody of this name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    async def main() -> None:
        async with AsyncSignOutClient(endpoint_url="http://service.invalid") as client:
            try:
                with pytest.raises(SignOutTimeoutError):
                    await client.sign_out(user_pool_id=POOL, username="alice", timeout=1)
            finally:
                may_answer.set()

    on_a_loop(main())


def test_credentials_are_refreshed_once_for_all_tasks() -> None:
    """A hundred calls at once would ask STS a hundred times."""
    refreshed: list[int] = []

    def metadata(minutes: int) -> dict[str, str]:
        expires = dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=minutes)
        number = len(refreshed)
        return {"access_key": f"AKID{number}", "secret_key": "s", "token": "t", "expiry_time": expires.isoformat()}

    def refresh() -> dict[str, str]:
        refreshed.append(threading.get_ident())
        return metadata(60)

    keys = RefreshableCredentials.create_from_metadata(metadata(1), refresh, method="sts-assume-role")
    script = Script()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=keys, transport=TaskTransport(script))
        for _ in range(2):
            await asyncio.gather(
                *(client.sign_out(user_pool_id=POOL, username=f"user{number}") for number in range(30))
            )

    on_a_loop(main())
    assert len(refreshed) == 1
    assert threading.get_ident() not in refreshed
    assert {request.headers["authorization"].split("=")[1].split("/")[0] for request in script.requests} == {"AKID1"}


def test_plain_credentials_are_taken_without_a_thread() -> None:
    """Each call would take a detour that costs more than the call itself."""
    asked_by: list[int] = []

    class Plain:
        secret_key, token = "secret", None

        @property
        def access_key(self) -> str:
            asked_by.append(threading.get_ident())
            return "AKID"

    async def main() -> None:
        client = AsyncSignOutClient(credentials=Plain(), transport=TaskTransport(Script()))
        await client.sign_out(user_pool_id=POOL, username="alice")
        asked_by.clear()
        for _ in range(3):
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert set(asked_by) == {threading.get_ident()}


@pytest.mark.parametrize("refresh_needed", ["raises", "is missing"])
def test_a_source_that_nothing_is_known_of_is_asked_in_a_thread(refresh_needed: str) -> None:
    """It could block the event loop: whatever looks like botocore's need not be quick."""
    asked_by: list[int] = []

    class Source:
        def get_frozen_credentials(self) -> Any:
            asked_by.append(threading.get_ident())
            return Credentials("AKID", "secret").get_frozen_credentials()

    class Moody(Source):
        def refresh_needed(self) -> bool:
            raise RuntimeError("who knows")

    source = Moody() if refresh_needed == "raises" else Source()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=source, transport=TaskTransport(Script()))
        for _ in range(3):
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert len(asked_by) == 3
    assert threading.get_ident() not in asked_by


def test_a_source_that_fails_is_an_error_of_the_credentials() -> None:
    """A call would fail in an untyped way."""

    class Source:
        def get_frozen_credentials(self) -> Any:
            raise TimeoutError("single sign-on is slow today")

    async def main() -> None:
        client = AsyncSignOutClient(credentials=Source(), transport=TaskTransport(Script()))
        with pytest.raises(CredentialsError, match="slow today"):
            await client.sign_out(user_pool_id=POOL, username="alice", timeout=PATIENCE)

    on_a_loop(main())


def test_keys_that_can_not_be_sent_are_an_error_at_once() -> None:
    """Keys that are at hand are checked as those from a thread are."""

    class Keys:
        access_key, secret_key, token = "AKID", "secret", None

    keys = Keys()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=keys, transport=TaskTransport(Script()))
        await client.sign_out(user_pool_id=POOL, username="alice")
        keys.access_key = "AKID with a space"
        with pytest.raises(CredentialsError):
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())


def test_refused_credentials_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process would have to be restarted when its keys were rotated."""

    def answer(_: str) -> HttpResponse:
        if "AKIDNEW" in script.requests[-1].headers["authorization"]:
            return OK
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
        return HttpResponse(400, {}, b'{"__type": "UnrecognizedClientException"}')

    script = Script(answer)
    client = AsyncSignOutClient(transport=TaskTransport(script))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 2


def test_botocore_may_be_imported_between_two_calls() -> None:
    """Its events, and so moto, would be ignored until the next client; or its import block the event loop."""
    code = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient
from cognito_signout.transports import HttpResponse
import cognito_signout._runtime.asynchronous as runtime
import cognito_signout.transports as transports

class Nothing:
    def __init__(self, **_): pass
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b'{}')
    async def close(self): pass
transports.AsyncHttpTransport = Nothing

async def main():
    async with AsyncSignOutClient() as client:
        alice = dict(user_pool_id='us-east-1_A', username='alice')
        await client.sign_out(**alice)
        print('botocore' in sys.modules)
        import botocore.session
        print((await client.sign_out(**alice)).attempts)
asyncio.run(main())
"""
    assert run(code).split() == ["False", "1"]


# botocore's event


def test_a_handler_of_botocores_event_answers_or_changes_the_request() -> None:
    """Tools that hook into boto3 would see nothing of this client."""
    session = botocore.session.Session()
    answers: list[AWSResponse | None] = []

    def handler(request: Any, **_: Any) -> AWSResponse | None:
        request.headers["X-Audit"] = "1"
        return answers[-1]

    session.register("before-send.cognito-identity-provider.AdminUserGlobalSignOut", handler)

    async def main(url: str) -> None:
        async with AsyncSignOutClient(session=session, endpoint_url=url) as client:
            answers.append(None)
            await client.sign_out(user_pool_id=POOL, username="alice")
            body = type("Body", (), {"stream": lambda *_, **__: iter([b"{}"])})()
            answers.append(AWSResponse("", 200, {"x-amzn-RequestId": "handler"}, body))
            assert (await client.sign_out(user_pool_id=POOL, username="alice")).id == "handler"

    with LoopbackServer() as server:
        on_a_loop(main(server.url))
    (arrival,) = server.arrivals
    assert arrival.headers["x-audit"] == "1"


# Transports of others


@pytest.mark.parametrize(
    ("raised", "cls"),
    [
        (OSError("no route"), SignOutConnectionError),
        (ConnectionResetError("reset"), SignOutConnectionError),
        (TimeoutError("late"), SignOutTimeoutError),
        (asyncio.TimeoutError("late"), SignOutTimeoutError),
        (SignOutConnectionError("ours"), SignOutConnectionError),
        (asyncio.IncompleteReadError(b"", 3), EOFError),
        (KeyError("a bug"), KeyError),
        (StopIteration("a bug"), RuntimeError),
        (StopAsyncIteration("a bug"), (RuntimeError, StopAsyncIteration)),
    ],
    ids=repr,
)
def test_what_a_transport_raises_is_mapped(raised: BaseException, cls: Any) -> None:
    """A transport of the user's would make a call fail in an untyped way, or a bug be taken for the network's."""

    class Failing:
        async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            raise raised

        async def close(self) -> None: ...

    async def main() -> None:
        client = AsyncSignOutClient(transport=Failing(), config=Config(retries={"total_max_attempts": 1}))
        with pytest.raises(cls) as caught:
            await client.sign_out(user_pool_id=POOL, username="alice")
        if isinstance(caught.value, SignOutError):
            assert (caught.value.username, caught.value.attempts) == ("alice", 1)

    on_a_loop(main())


def test_a_later_attempt_may_succeed() -> None:
    """A hiccup would fail a call that could have been saved."""
    answers: list[Any] = [OK, ConnectionResetError("reset")]
    client = AsyncSignOutClient(transport=TaskTransport(Script(lambda _: answers.pop())))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 2


def test_nobody_listens() -> None:
    """A refused connection is an error of the connection, after as many attempts as were allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def main() -> SignOutError:
        config = Config(retries={"total_max_attempts": 2})
        async with AsyncSignOutClient(endpoint_url=f"http://127.0.0.1:{port}", config=config) as client:
            with pytest.raises(SignOutConnectionError) as refused:
                await client.sign_out(user_pool_id=POOL, username="alice")
        return refused.value

    error = on_a_loop(main())
    assert error.attempts == 2
    assert f"127.0.0.1:{port}" in str(error)


def test_an_authentication_error_is_raised_after_one_attempt() -> None:
    """Wrong keys would be tried again and again."""
    script = Script(lambda _: HttpResponse(400, {}, b'{"__type": "InvalidSignatureException"}'))
    client = AsyncSignOutClient(transport=TaskTransport(script))
    with contextlib.suppress(AuthenticationError):
        on_a_loop(client.sign_out(user_pool_id=POOL, username="alice"))
    assert len(script.requests) == 1
