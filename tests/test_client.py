"""The blocking client: sign-outs with moto, requests compared with boto3's, threads, forks and timeouts."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import inspect
import os
import pickle
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import botocore.auth
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from moto import mock_aws

from cognito_signout import (
    AsyncSignOutClient,
    AuthenticationError,
    ConfigurationError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout.transports import HttpRequest, HttpResponse

from .moto_pools import MotoPool

if TYPE_CHECKING:
    from collections.abc import Generator

OTHER_REGION = "eu-central-1"


@pytest.fixture(params=["in process", "server"])
def moto_pool(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[MotoPool, SignOutClient]]:
    """A pool in moto, in process or on a server, and a client for it. The pool is not in the default region."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if request.param == "in process":
        with mock_aws(), SignOutClient() as client:
            yield MotoPool(boto3.client("cognito-idp", OTHER_REGION)), client
    else:
        url = request.getfixturevalue("moto_server")
        boto3_client = boto3.client("cognito-idp", OTHER_REGION, endpoint_url=url)
        with SignOutClient(endpoint_url=url) as client:
            yield MotoPool(boto3_client), client
        boto3_client.close()


def test_a_signed_out_user_cannot_refresh_and_others_can(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """A sign-out does not revoke the user's refresh tokens, or revokes those of another user."""
    pool, client = moto_pool
    for username in ("alice", "bob"):
        pool.add_user(username)
    tokens = {username: pool.sign_in(username) for username in ("alice", "bob")}
    assert pool.refusal_to_refresh(tokens["alice"]) is None

    result = client.sign_out(user_pool_id=pool.id, username="alice")

    assert pool.refusal_to_refresh(tokens["alice"]) == "NotAuthorizedException"
    assert pool.refusal_to_refresh(tokens["bob"]) is None
    assert (result.user_pool_id, result.username, result.attempts) == (pool.id, "alice", 1)
    assert result.id
    assert result.created_at.tzinfo is dt.timezone.utc


def test_signing_out_twice_succeeds(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """A retry fails if the first attempt has already signed the user out."""
    pool, client = moto_pool
    pool.add_user("alice")
    first = client.sign_out(user_pool_id=pool.id, username="alice")
    second = client.sign_out(user_pool_id=pool.id, username="alice")
    assert first.id != second.id


def test_an_unknown_user_and_an_unknown_pool_raise_different_errors(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """An application has to compare error codes."""
    pool, client = moto_pool
    with pytest.raises(UserNotFoundError) as no_user:
        client.sign_out(user_pool_id=pool.id, username="nobody")
    with pytest.raises(ResourceNotFoundError) as no_pool:
        client.sign_out(user_pool_id=f"{OTHER_REGION}_nowhere", username="nobody")
    assert no_user.value.aws_code == "UserNotFoundException"
    assert no_pool.value.aws_code == "ResourceNotFoundException"
    assert no_user.value.http_status == no_pool.value.http_status == 400


class Recorder:
    """A transport that records requests."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.closed = False

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Returns a successful response."""
        self.requests.append(request)
        return HttpResponse(200, {"x-amzn-RequestId": "1"}, b"{}")

    def close(self) -> None:
        """Records the call."""
        self.closed = True


def sent_by_boto3(region: str, endpoint_url: str | None, **arguments: str) -> Any:
    """The request that boto3 sends, just before it is sent."""
    requests: list[Any] = []

    class RecordedError(Exception):
        pass

    def record(request: Any, **_: Any) -> None:
        requests.append(request)
        raise RecordedError

    session = boto3.Session()
    session.events.register("before-send.cognito-identity-provider", record)
    config = Config(retries={"total_max_attempts": 1})
    client = session.client("cognito-idp", region, endpoint_url=endpoint_url, config=config)
    with pytest.raises(RecordedError):
        client.admin_user_global_sign_out(**arguments)
    return requests[0]


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEBYaD//a+b=="])
@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:4566", "https://example.com:8443/a/../b%20c//d/"])
@pytest.mark.parametrize("username", ["alice", "älice@例え.jp", '🦄\u0301"'])
def test_the_request_is_the_same_as_with_boto3(
    monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint_url: str | None, username: str
) -> None:
    """The URL, the body, a signed header or the signature differs from boto3's."""
    if token is not None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    expected = sent_by_boto3("eu-west-3", endpoint_url, UserPoolId="eu-west-3_Ab1", Username=username)
    expected_headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in expected.headers.items()
    }
    signed_at = dt.datetime.strptime(expected_headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.timezone.utc)
    monkeypatch.setattr("time.time", signed_at.timestamp)
    recorder = Recorder()
    client = SignOutClient(endpoint_url=endpoint_url, transport=recorder)
    client.sign_out(user_pool_id="eu-west-3_Ab1", username=username)
    (request,) = recorder.requests
    assert (request.method, request.url.split("//", 1)[1], request.body) == (
        expected.method,
        expected.url.split("//", 1)[1],
        expected.body,
    )
    signed = expected_headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {name: request.headers[name] for name in signed if name != "host"} == {
        name: expected_headers[name] for name in signed if name != "host"
    }
    assert request.headers["host"] == botocore.auth._host_from_url(expected.url)
    assert request.headers["authorization"] == expected_headers["authorization"]


def test_a_client_does_not_close_the_callers_transport() -> None:
    """Closing one client breaks other clients that share its transport."""
    recorder = Recorder()
    with SignOutClient(transport=recorder) as client:
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
    assert not recorder.closed
    assert len(recorder.requests) == 1


def run(code: str, **environment: str) -> str:
    """Runs code in a new process. Returns its output."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = ("botocore", "boto3", "asyncio", "aiohttp", "urllib3", "ssl", "http", "pytest", "cognito_signout.testing")


def test_importing_the_package_imports_no_heavy_modules() -> None:
    """Importing a library that depends on this one is slow."""
    code = (
        "import sys; import cognito_signout; from cognito_signout import *; SignOutClient()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_creating_a_client_does_no_io() -> None:
    """The constructor opens a file, a socket or a process."""
    code = """
import sys
from cognito_signout import SignOutClient
SignOutClient().close()  # imports everything that a constructor needs
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.split('.')[0] in ('open', 'socket', 'subprocess')
                 else None)
SignOutClient(profile_name='nope', region_name='us-east-1', endpoint_url='http://127.0.0.1:1')
print(events)
"""
    assert run(code) == "[]"


def test_threads_can_share_a_client(moto_server: str) -> None:
    """A call returns the result of another thread's call."""
    pool = MotoPool(boto3.client("cognito-idp", OTHER_REGION, endpoint_url=moto_server))
    usernames = [f"user{number}" for number in range(8)]
    for username in usernames:
        pool.add_user(username)
    with SignOutClient(endpoint_url=moto_server) as client, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda name: client.sign_out(user_pool_id=pool.id, username=name), usernames * 10))
    assert [result.username for result in results] == usernames * 10
    assert len({result.id for result in results}) == 80
    pool.boto3_client.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_opens_its_own_connections(moto_server: str) -> None:
    """A parent and its children read each other's responses, or a child hangs at a lock."""
    code = f"""
import os, sys, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # the test forks while threads run
import threading
from cognito_signout import ResourceNotFoundError, SignOutClient
client = SignOutClient(endpoint_url={moto_server!r})
def call(number):
    try:
        client.sign_out(user_pool_id=f'us-east-1_None{{number}}', username='alice')
    except ResourceNotFoundError as error:
        assert f'us-east-1_None{{number}}' in error.message, error
call(0)
stop = threading.Event()
def work(number):
    while not stop.is_set():
        call(number)
threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
for thread in threads: thread.start()
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(20):
                call(100 * child + number)
            os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc(); os._exit(1)
    children.append(pid)
statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
stop.set()
for thread in threads: thread.join()
print(statuses)
"""
    assert run(code) == "[0, 0, 0, 0]"


def read_request(connection: socket.socket) -> None:
    """Reads a request, which may arrive in several parts."""
    request = b""
    while not request.endswith(b"}"):
        request += connection.recv(65536)


def test_a_closed_client_can_be_used_again() -> None:
    """A closed client keeps its sockets open or fails in every later call."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                accepted.append(connection)
                read_request(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        server = threading.Thread(target=serve)
        server.start()
        client = SignOutClient(endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
        client.close()
        assert accepted[0].recv(1) == b""
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
        client.close()
        assert accepted[1].recv(1) == b""
        server.join()
    for connection in accepted:
        connection.close()


def test_a_refused_connection_raises_a_connection_error_after_all_attempts() -> None:
    """A refused connection is not retried, or its error does not name the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = SignOutClient(endpoint_url=f"http://127.0.0.1:{port}", config=Config(retries={"total_max_attempts": 2}))
    with pytest.raises(SignOutConnectionError) as caught:
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
    assert caught.value.attempts == 2
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_concurrent_calls_correct_a_wrong_clock() -> None:
    """A rejected call is not retried if another thread has already corrected the clock."""
    start = threading.Barrier(8)
    server_time = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)

    class Service(Recorder):
        def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            if request.headers["amz-sdk-request"].startswith("attempt=1;"):
                start.wait(timeout=20)
            headers = {"Date": server_time.strftime("%a, %d %b %Y %H:%M:%S GMT")}
            if request.headers["x-amz-date"][:11] != server_time.strftime("%Y%m%dT%H"):
                return HttpResponse(400, headers, b'{"__type": "InvalidSignatureException"}')
            return HttpResponse(200, headers, b"{}")

    client = SignOutClient(transport=Service())
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.sign_out(user_pool_id="us-east-1_A", username="alice"), range(8)))
    assert [result.attempts for result in results] == [2] * 8


def test_an_object_that_is_not_a_transport_is_rejected_by_the_constructor() -> None:
    """A wrong transport is only found by the first call."""
    for wrong in (object(), print):
        with pytest.raises(ConfigurationError, match="transport must have send"):
            SignOutClient(transport=wrong)  # type: ignore[arg-type]


def test_rejected_credentials_of_a_session_are_not_replaced_by_other_credentials() -> None:
    """A rejected call is retried with the credentials of another identity."""
    recorder = Recorder()
    rejected = HttpResponse(400, {}, b'{"__type": "ExpiredTokenException"}')
    recorder.send = lambda request, *, timeout: recorder.requests.append(request) or rejected  # type: ignore[method-assign, func-returns-value]
    session = botocore.session.Session()
    expires = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)).isoformat()
    role = {"access_key": "ASIAROLE", "secret_key": "secret", "token": "token", "expiry_time": expires}
    session._credentials = RefreshableCredentials.create_from_metadata(role, lambda: role, method="sts-assume-role")
    with pytest.raises(AuthenticationError):
        SignOutClient(session=session, transport=recorder).sign_out(user_pool_id="us-east-1_A", username="alice")
    (request,) = recorder.requests
    assert "Credential=ASIAROLE/" in request.headers["authorization"]


def test_a_call_within_its_timeout_succeeds(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """A timeout makes a fast call fail."""
    pool, client = moto_pool
    pool.add_user("alice")
    assert client.sign_out(user_pool_id=pool.id, username="alice", timeout=dt.timedelta(seconds=30)).attempts == 1


def test_modules_are_attributes_of_the_package() -> None:
    """Code that type checkers accept fails with an AttributeError."""
    code = (
        "import cognito_signout as c; print(c.errors.SignOutError, c.transports.HttpTransport, c.testing.FakeCognito)"
    )
    assert "HttpTransport" in run(code)


# Copies and repr


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
def test_a_copy_of_a_client_is_the_same_client(make: Any) -> None:
    """Django's ``setUpTestData`` fails, or every test opens its own connections."""
    client = make()
    assert copy.deepcopy({"client": client})["client"] is copy.copy(client) is client


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
def test_a_client_cannot_be_pickled(make: Any) -> None:
    """The error does not say what to do instead."""
    with pytest.raises(TypeError, match="create a client in each process"):
        pickle.dumps(make())


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
def test_repr_contains_the_settings_of_a_client_but_no_password(make: Any) -> None:
    """A debugger shows no settings, or a password."""
    assert repr(make()) == repr(make.__new__(make)) == f"{make.__name__}()"
    client = make(region_name="eu-west-1", endpoint_url="http://u:hunter2@localhost:5000", profile_name="dev")
    assert repr(client) == (
        f"{make.__name__}(region_name='eu-west-1', profile_name='dev', endpoint_url='http://***@localhost:5000')"
    )


# Timeouts


class Timeouts(list[Any]):
    """A transport that records the timeouts of its calls."""

    def send(self, _request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Returns a successful response."""
        self.append(timeout)
        return HttpResponse(200, {}, b"{}")

    def close(self) -> None:
        """Does nothing."""


class AsyncTimeouts(list[Any]):
    """A transport for the async client that records the timeouts of its calls."""

    async def send(self, _request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Returns a successful response."""
        self.append(timeout)
        return HttpResponse(200, {}, b"{}")

    async def close(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_the_timeout_of_the_client_is_the_default_of_its_calls(is_async: bool) -> None:
    """Calls ignore the client's timeout or their own."""
    users: dict[str, Any] = {"user_pool_id": "us-east-1_Ab129faBb"}
    timeouts: list[dict[str, Any]] = [{}, {"timeout": 5}, {"timeout": None}]
    recorded: list[Any]
    if is_async:
        recorded = transport = AsyncTimeouts()

        async def main() -> None:
            client = AsyncSignOutClient(transport=transport, timeout=timedelta(seconds=50))
            for timeout in timeouts:
                await client.sign_out(username="alice", **users, **timeout)
                assert [outcome async for outcome in client.sign_out_many(usernames=["bob"], **users, **timeout)]

        asyncio.run(main())
    else:
        recorded = blocking = Timeouts()
        client = SignOutClient(transport=blocking, timeout=50)
        for timeout in timeouts:
            client.sign_out(username="alice", **users, **timeout)
            assert list(client.sign_out_many(usernames=["bob"], **users, **timeout))
    assert [timeout and 10 * round(timeout / 10 + 0.4) for timeout in recorded] == [50, 50, 10, 10, None, None]


@pytest.mark.parametrize("make", [SignOutClient, AsyncSignOutClient])
def test_a_timeout_that_is_not_a_number_is_rejected_by_the_constructor(make: Any) -> None:
    """A wrong timeout is only found by the first call."""
    with pytest.raises(ValidationError, match="timeout must be"):
        make(timeout="5")
    assert "<the client's timeout>" in str(inspect.signature(make.sign_out))
