"""The async client: sign-outs with moto and with servers, event loops, cancellation, timeouts and credentials."""

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

OTHER_REGION = "eu-central-1"
POOL = "us-east-1_Ab129faBb"


def on_a_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine. Fails if it hangs or leaves a task running."""

    async def watch() -> Any:
        result = await asyncio.wait_for(main, PATIENCE)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(watch())


@pytest.fixture(params=["in process", "server"])
def moto_pool(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[MotoPool, AsyncSignOutClient]]:
    """A pool in moto, in process or on a server, and a client for it. The pool is not in the default region."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if request.param == "in process":
        with mock_aws():
            yield MotoPool(boto3.client("cognito-idp", OTHER_REGION)), AsyncSignOutClient()
    else:
        url = request.getfixturevalue("moto_server")
        boto3_client = boto3.client("cognito-idp", OTHER_REGION, endpoint_url=url)
        yield MotoPool(boto3_client), AsyncSignOutClient(endpoint_url=url)
        boto3_client.close()


# Sign-outs


def test_a_signed_out_user_cannot_refresh_and_others_can(moto_pool: tuple[MotoPool, AsyncSignOutClient]) -> None:
    """A sign-out does not revoke the user's refresh tokens, or revokes those of another user."""
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


def test_an_unknown_user_and_an_unknown_pool_raise_different_errors(
    moto_pool: tuple[MotoPool, AsyncSignOutClient],
) -> None:
    """An application has to compare error codes."""
    pool, client = moto_pool

    async def main() -> None:
        async with client:
            with pytest.raises(UserNotFoundError) as no_user:
                await client.sign_out(user_pool_id=pool.id, username="nobody")
            with pytest.raises(ResourceNotFoundError) as no_pool:
                await client.sign_out(user_pool_id=f"{OTHER_REGION}_nowhere", username="nobody")
        assert (no_user.value.aws_code, no_user.value.http_status) == ("UserNotFoundException", 400)
        assert (no_pool.value.aws_code, no_pool.value.username) == ("ResourceNotFoundException", "nobody")

    on_a_loop(main())


def test_the_async_client_sends_the_same_request_as_the_blocking_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two clients send different requests."""
    monkeypatch.setattr("time.time", lambda: 1735689600.0)
    blocking, asynchronous = Script(), Script()
    arguments: dict[str, Any] = {"region_name": "eu-west-3", "config": Config(user_agent_extra="extra")}
    SignOutClient(transport=BlockingTransport(blocking), **arguments).sign_out(user_pool_id=POOL, username="älice")
    client = AsyncSignOutClient(transport=TaskTransport(asynchronous), **arguments)
    on_a_loop(client.sign_out(user_pool_id=POOL, username="älice"))
    (first,), (second,) = blocking.requests, asynchronous.requests
    assert (first.method, first.url, first.body) == (second.method, second.url, second.body)
    ignored = {"amz-sdk-invocation-id": ""}
    assert {**first.headers, **ignored} == {**second.headers, **ignored}


def test_tasks_can_share_a_client() -> None:
    """A call returns the result of another task's call."""

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


def test_the_constructor_rejects_wrong_arguments() -> None:
    """A wrong argument is only found by the first call."""

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


def test_the_blocking_client_rejects_an_async_transport() -> None:
    """A call fails with an untyped error because the response is a coroutine."""
    with pytest.raises(ConfigurationError, match="async"):
        SignOutClient(transport=TaskTransport(Script()))  # type: ignore[arg-type]


def test_importing_the_package_does_not_import_asyncio() -> None:
    """Importing the blocking client is slower because of the async client."""
    code = (
        "import sys; from cognito_signout import *; AsyncSignOutClient\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_a_client_can_be_created_without_an_event_loop() -> None:
    """An application can't create its client at import time."""
    client = AsyncSignOutClient(transport=TaskTransport(Script()))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 1


# Opening and closing


def test_first_calls_in_two_loops_share_a_transport() -> None:
    """Each of two loops that make a client's first calls creates a transport, and one of them is never closed."""
    client = AsyncSignOutClient(endpoint_url="http://127.0.0.1:1")
    runtime = client._own_runtime
    settings = runtime._resolver.settings(POOL)
    first, second = (asyncio.run(runtime._transport(settings)) for _ in range(2))
    assert first is second


def test_a_client_does_not_close_the_callers_transport() -> None:
    """Closing one client breaks other clients that share its transport."""

    class ClosableTransport(TaskTransport):
        closed = False

        async def close(self) -> None:
            self.closed = True

    transport = ClosableTransport(Script())

    async def main() -> None:
        async with AsyncSignOutClient(transport=transport) as client:
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert not transport.closed


def test_a_closed_client_can_be_used_again() -> None:
    """A closed client keeps its sockets open or fails in every later call."""

    async def main() -> None:
        accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            accepted.put_nowait((reader, writer))

        server = await asyncio.start_server(serve, "127.0.0.1")
        client = AsyncSignOutClient(endpoint_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await client.aclose()  # there is nothing to close yet
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


def test_a_client_can_be_used_by_several_event_loops_in_turn() -> None:
    """A second asyncio.run() uses connections of a closed event loop."""
    with LoopbackServer() as server:
        client = AsyncSignOutClient(endpoint_url=server.url)
        for _ in range(3):
            assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 1
        on_a_loop(client.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_opens_its_own_connections() -> None:
    """A parent and its children read each other's responses."""
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


def test_a_cancelled_call_closes_its_connection() -> None:
    """Every cancelled call leaks a socket."""

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


def test_a_call_can_be_cancelled_during_backoff() -> None:
    """A cancelled call waits until its backoff is over."""

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
    """Credentials that are only available after the test has set an event."""

    def __init__(self) -> None:
        self.is_called = threading.Event()
        self.may_answer = threading.Event()
        self.threads: list[int] = []

    def get_frozen_credentials(self) -> Any:
        """Waits for the event, then returns keys."""
        self.threads.append(threading.get_ident())
        self.is_called.set()
        assert self.may_answer.wait(PATIENCE)
        return Credentials("AKIDSLOW", "secret").get_frozen_credentials()


async def wait_without_blocking(event: threading.Event) -> None:
    """Waits for a threading event without blocking the event loop."""
    while not event.is_set():
        await asyncio.sleep(0)


def test_resolving_credentials_does_not_block_the_event_loop() -> None:
    """All tasks stop while a slow credential provider runs."""
    keys = SlowKeys()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=keys, transport=TaskTransport(Script()))
        call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
        await wait_without_blocking(keys.is_called)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not call.done()
        keys.may_answer.set()
        await call

    on_a_loop(main())
    assert threading.get_ident() not in keys.threads


def test_reading_the_configuration_does_not_block_the_event_loop() -> None:
    """All tasks stop while files are read or botocore is imported."""
    is_called, may_answer = threading.Event(), threading.Event()

    class SlowSession(botocore.session.Session):  # type: ignore[misc]
        def get_component(self, name: str) -> Any:
            if not is_called.is_set():
                is_called.set()
                assert may_answer.wait(PATIENCE)
            return super().get_component(name)

    async def main() -> None:
        client = AsyncSignOutClient(session=SlowSession(), transport=TaskTransport(Script()))
        call = asyncio.create_task(client.sign_out(user_pool_id=POOL, username="alice"))
        await wait_without_blocking(is_called)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not call.done()
        may_answer.set()
        await call

    on_a_loop(main())


@pytest.mark.parametrize("what", ["credentials", "other credentials", "configuration"])
def test_the_timeout_of_a_call_includes_resolving_credentials_and_configuration(what: str) -> None:
    """A call with a timeout waits forever for a hanging credential provider."""
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
        lookups = 0

        def get_frozen_credentials(self) -> Any:
            self.lookups += 1
            if self.lookups == 3:  # the first is for the request, the second compares with the rejected keys
                assert may_answer.wait(PATIENCE)
            return Credentials("AKID", "secret").get_frozen_credentials()

    rejected = HttpResponse(400, {}, b'{"__type": "ExpiredTokenException"}')
    script = Script(lambda _: rejected)
    arguments: dict[str, Any] = {"credentials": Keys()} if what == "other credentials" else {"session": Session()}

    async def main() -> SignOutError:
        client = AsyncSignOutClient(transport=TaskTransport(script), **arguments)
        try:
            with pytest.raises(SignOutError) as caught:
                await client.sign_out(user_pool_id=POOL, username="alice", timeout=1.0)
        finally:
            may_answer.set()
        return caught.value

    error = on_a_loop(main())
    if what == "other credentials":
        assert error.aws_code == "ExpiredTokenException", "the error of the last attempt"
    else:
        assert type(error) is SignOutTimeoutError
        assert what in str(error)
    assert (error.username, error.user_pool_id) == ("alice", POOL)
    assert error.attempts == len(script.requests) == (1 if what == "other credentials" else 0)


def test_a_hanging_credential_provider_blocks_nothing_else() -> None:
    """A hanging provider occupies all threads, or the script does not end."""
    code = """
import asyncio, threading
from cognito_signout import AsyncSignOutClient, SignOutTimeoutError
from cognito_signout.transports import HttpResponse

class Keys:
    def get_frozen_credentials(self):
        threading.Event().wait()

class OkTransport:
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b'{}')
    async def close(self): pass

async def main():
    client = AsyncSignOutClient(credentials=Keys(), transport=OkTransport())
    calls = [client.sign_out(user_pool_id='us-east-1_A', username='alice', timeout=0.5) for _ in range(64)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    print({type(error) for error in errors} == {SignOutTimeoutError}, threading.active_count() < 9)
    await asyncio.to_thread(int)

asyncio.run(main())
"""
    assert run(code) == "True True"


def test_a_credential_error_after_the_timeout_is_not_logged() -> None:
    """Asyncio logs an unhandled error, or the next call never gets credentials."""
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


def test_the_timeout_of_a_call_includes_the_lookup_of_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call waits for a slow name server longer than its timeout."""
    may_answer = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        assert may_answer.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_NONAME, "unknown host")

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
    """A hundred concurrent calls send a hundred requests to STS."""
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


def test_plain_credentials_are_read_without_a_thread() -> None:
    """Every call with static keys starts a thread, which takes longer than the call."""
    calling_threads: list[int] = []

    class Plain:
        secret_key, token = "secret", None

        @property
        def access_key(self) -> str:
            calling_threads.append(threading.get_ident())
            return "AKID"

    async def main() -> None:
        client = AsyncSignOutClient(credentials=Plain(), transport=TaskTransport(Script()))
        await client.sign_out(user_pool_id=POOL, username="alice")
        calling_threads.clear()
        for _ in range(3):
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert set(calling_threads) == {threading.get_ident()}


@pytest.mark.parametrize("refresh_needed", ["raises", "is missing"])
def test_an_unknown_credential_provider_is_called_in_a_thread(refresh_needed: str) -> None:
    """A custom credential provider can block the event loop."""
    calling_threads: list[int] = []

    class Provider:
        def get_frozen_credentials(self) -> Any:
            calling_threads.append(threading.get_ident())
            return Credentials("AKID", "secret").get_frozen_credentials()

    class FailingProvider(Provider):
        def refresh_needed(self) -> bool:
            raise RuntimeError("unknown")

    provider = FailingProvider() if refresh_needed == "raises" else Provider()

    async def main() -> None:
        client = AsyncSignOutClient(credentials=provider, transport=TaskTransport(Script()))
        for _ in range(3):
            await client.sign_out(user_pool_id=POOL, username="alice")

    on_a_loop(main())
    assert len(calling_threads) == 3
    assert threading.get_ident() not in calling_threads


def test_a_failing_credential_provider_raises_a_credentials_error() -> None:
    """A call raises an untyped error."""

    class Provider:
        def get_frozen_credentials(self) -> Any:
            raise TimeoutError("single sign-on is slow today")

    async def main() -> None:
        client = AsyncSignOutClient(credentials=Provider(), transport=TaskTransport(Script()))
        with pytest.raises(CredentialsError, match="slow today"):
            await client.sign_out(user_pool_id=POOL, username="alice", timeout=PATIENCE)

    on_a_loop(main())


def test_invalid_keys_raise_an_error_before_sending() -> None:
    """Keys that are read without a thread are not checked."""

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


def test_rejected_credentials_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process must be restarted after its keys were rotated."""

    def answer(_: str) -> HttpResponse:
        if "AKIDNEW" in script.requests[-1].headers["authorization"]:
            return OK
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
        return HttpResponse(400, {}, b'{"__type": "UnrecognizedClientException"}')

    script = Script(answer)
    client = AsyncSignOutClient(transport=TaskTransport(script))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 2


def test_botocore_can_be_imported_between_two_calls() -> None:
    """A client ignores botocore, and so moto, if it is imported after the first call."""
    code = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient
from cognito_signout.transports import HttpResponse
import cognito_signout._runtime.asynchronous as runtime
import cognito_signout.transports as transports

class OkTransport:
    def __init__(self, **_): pass
    async def send(self, request, *, timeout): return HttpResponse(200, {}, b'{}')
    async def close(self): pass
transports.AsyncHttpTransport = OkTransport

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


def test_a_handler_of_a_botocore_event_can_answer_or_change_the_request() -> None:
    """Tools that register handlers with boto3 do not work with this client."""
    session = botocore.session.Session()
    responses: list[AWSResponse | None] = []

    def handler(request: Any, **_: Any) -> AWSResponse | None:
        request.headers["X-Audit"] = "1"
        return responses[-1]

    session.register("before-send.cognito-identity-provider.AdminUserGlobalSignOut", handler)

    async def main(url: str) -> None:
        async with AsyncSignOutClient(session=session, endpoint_url=url) as client:
            responses.append(None)
            await client.sign_out(user_pool_id=POOL, username="alice")
            body = type("Body", (), {"stream": lambda *_, **__: iter([b"{}"])})()
            responses.append(AWSResponse("", 200, {"x-amzn-RequestId": "handler"}, body))
            assert (await client.sign_out(user_pool_id=POOL, username="alice")).id == "handler"

    with LoopbackServer() as server:
        on_a_loop(main(server.url))
    (arrival,) = server.arrivals
    assert arrival.headers["x-audit"] == "1"


# Custom transports


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
def test_errors_of_a_transport_are_mapped(raised: BaseException, cls: Any) -> None:
    """A custom transport's network error is untyped, or its bug looks like a network error."""

    class FailingTransport:
        async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            raise raised

        async def close(self) -> None: ...

    async def main() -> None:
        client = AsyncSignOutClient(transport=FailingTransport(), config=Config(retries={"total_max_attempts": 1}))
        with pytest.raises(cls) as caught:
            await client.sign_out(user_pool_id=POOL, username="alice")
        if isinstance(caught.value, SignOutError):
            assert (caught.value.username, caught.value.attempts) == ("alice", 1)

    on_a_loop(main())


def test_a_retry_can_succeed() -> None:
    """A call fails because of a brief network error."""
    outcomes: list[Any] = [OK, ConnectionResetError("reset")]
    client = AsyncSignOutClient(transport=TaskTransport(Script(lambda _: outcomes.pop())))
    assert on_a_loop(client.sign_out(user_pool_id=POOL, username="alice")).attempts == 2


def test_a_refused_connection_raises_a_connection_error_after_all_attempts() -> None:
    """A refused connection is not retried, or its error does not name the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def main() -> SignOutError:
        config = Config(retries={"total_max_attempts": 2})
        async with AsyncSignOutClient(endpoint_url=f"http://127.0.0.1:{port}", config=config) as client:
            with pytest.raises(SignOutConnectionError) as caught:
                await client.sign_out(user_pool_id=POOL, username="alice")
        return caught.value

    error = on_a_loop(main())
    assert error.attempts == 2
    assert f"127.0.0.1:{port}" in str(error)


def test_an_authentication_error_is_not_retried() -> None:
    """A call is retried although its keys are wrong."""
    script = Script(lambda _: HttpResponse(400, {}, b'{"__type": "InvalidSignatureException"}'))
    client = AsyncSignOutClient(transport=TaskTransport(script))
    with contextlib.suppress(AuthenticationError):
        on_a_loop(client.sign_out(user_pool_id=POOL, username="alice"))
    assert len(script.requests) == 1
