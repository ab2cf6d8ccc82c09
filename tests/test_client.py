"""The blocking client doing its job: against moto in process and over HTTP, beside boto3, among threads and forks."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import botocore.auth
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from moto import mock_aws

from cognito_signout import (
    AuthenticationError,
    ConfigurationError,
    ResourceNotFoundError,
    SignOutClient,
    SignOutConnectionError,
    UserNotFoundError,
)
from cognito_signout.transports import HttpRequest, HttpResponse

from .moto_pools import MotoPool

if TYPE_CHECKING:
    from collections.abc import Generator

ELSEWHERE = "eu-central-1"


@pytest.fixture(params=["in process", "server"])
def moto_pool(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[MotoPool, SignOutClient]]:
    """A pool in moto, in either form, and our client for it. The pool is in another region than the default one."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if request.param == "in process":
        with mock_aws(), SignOutClient() as client:
            yield MotoPool(boto3.client("cognito-idp", ELSEWHERE)), client
    else:
        url = request.getfixturevalue("moto_server")
        boto3_client = boto3.client("cognito-idp", ELSEWHERE, endpoint_url=url)
        with SignOutClient(endpoint_url=url) as client:
            yield MotoPool(boto3_client), client
        boto3_client.close()


def test_a_signed_out_user_cannot_refresh_and_others_can(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """The main job: one user's refresh tokens are revoked, and nobody else's."""
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


def test_signing_out_twice_is_harmless(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """Retries rely on it."""
    pool, client = moto_pool
    pool.add_user("alice")
    first = client.sign_out(user_pool_id=pool.id, username="alice")
    second = client.sign_out(user_pool_id=pool.id, username="alice")
    assert first.id != second.id


def test_an_unknown_user_and_an_unknown_pool_have_classes(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """Nobody should have to compare strings to tell them apart."""
    pool, client = moto_pool
    with pytest.raises(UserNotFoundError) as no_user:
        client.sign_out(user_pool_id=pool.id, username="nobody")
    with pytest.raises(ResourceNotFoundError) as no_pool:
        client.sign_out(user_pool_id=f"{ELSEWHERE}_nowhere", username="nobody")
    assert no_user.value.aws_code == "UserNotFoundException"
    assert no_pool.value.aws_code == "ResourceNotFoundException"
    assert no_user.value.http_status == no_pool.value.http_status == 400


class Recorder:
    """A transport that keeps what it was given."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.closed = False

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Answers as AWS does."""
        self.requests.append(request)
        return HttpResponse(200, {"x-amzn-RequestId": "1"}, b"{}")

    def close(self) -> None:
        """Notes it."""
        self.closed = True


def sent_by_boto3(region: str, endpoint_url: str | None, **arguments: str) -> Any:
    """The request that boto3 sends, as it was when it left."""
    requests: list[Any] = []

    class HasLeftError(Exception):
        pass

    def keep(request: Any, **_: Any) -> None:
        requests.append(request)
        raise HasLeftError

    session = boto3.Session()
    session.events.register("before-send.cognito-identity-provider", keep)
    config = Config(retries={"total_max_attempts": 1})
    client = session.client("cognito-idp", region, endpoint_url=endpoint_url, config=config)
    with pytest.raises(HasLeftError):
        client.admin_user_global_sign_out(**arguments)
    return requests[0]


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEBYaD//a+b=="])
@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:4566", "https://example.com:8443/a/../b%20c//d/"])
@pytest.mark.parametrize("username", ["alice", "älice@例え.jp", '🦄\u0301"'])
def test_the_request_is_the_one_that_boto3_sends(
    monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint_url: str | None, username: str
) -> None:
    """Same instant, keys and body: the same URL, body and signed headers, and so the same Authorization."""
    if token is not None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    theirs = sent_by_boto3("eu-west-3", endpoint_url, UserPoolId="eu-west-3_Ab1", Username=username)
    their_headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in theirs.headers.items()
    }
    signed_at = dt.datetime.strptime(their_headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.timezone.utc)
    monkeypatch.setattr("time.time", signed_at.timestamp)
    recorder = Recorder()
    client = SignOutClient(endpoint_url=endpoint_url, transport=recorder)
    client.sign_out(user_pool_id="eu-west-3_Ab1", username=username)
    (ours,) = recorder.requests
    assert (ours.method, ours.url.split("//", 1)[1], ours.body) == (
        theirs.method,
        theirs.url.split("//", 1)[1],
        theirs.body,
    )
    signed = their_headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {name: ours.headers[name] for name in signed if name != "host"} == {
        name: their_headers[name] for name in signed if name != "host"
    }
    assert ours.headers["host"] == botocore.auth._host_from_url(theirs.url)
    assert ours.headers["authorization"] == their_headers["authorization"]


def test_a_transport_that_was_passed_in_is_the_callers_to_close() -> None:
    """It may be shared by several clients."""
    recorder = Recorder()
    with SignOutClient(transport=recorder) as client:
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
    assert not recorder.closed
    assert len(recorder.requests) == 1


def run(code: str, **environment: str) -> str:
    """Runs code in a fresh process; returns what it printed."""
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


def test_importing_brings_in_nothing_heavy() -> None:
    """A library that depends on this one should not pay for it at import."""
    code = (
        "import sys; import cognito_signout; from cognito_signout import *; SignOutClient()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_a_client_is_made_without_io() -> None:
    """No file is opened, no name looked up, no process started before the first call, whatever the set-up."""
    code = """
import sys
from cognito_signout import SignOutClient
SignOutClient().close()  # loads what a constructor needs
watched = []
sys.addaudithook(lambda event, args: watched.append(event) if event.split('.')[0] in ('open', 'socket', 'subprocess')
                 else None)
SignOutClient(profile_name='nope', region_name='us-east-1', endpoint_url='http://127.0.0.1:1')
print(watched)
"""
    assert run(code) == "[]"


def test_threads_share_a_client(moto_server: str) -> None:
    """Each call gets its own answer, over connections that are reused."""
    pool = MotoPool(boto3.client("cognito-idp", ELSEWHERE, endpoint_url=moto_server))
    usernames = [f"user{number}" for number in range(8)]
    for username in usernames:
        pool.add_user(username)
    with SignOutClient(endpoint_url=moto_server) as client, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda name: client.sign_out(user_pool_id=pool.id, username=name), usernames * 10))
    assert [result.username for result in results] == usernames * 10
    assert len({result.id for result in results}) == 80
    pool.boto3_client.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_connections_of_its_own(moto_server: str) -> None:
    """Parent and child must not read each other's answers, nor wait for a lock that a lost thread holds."""
    code = f"""
import os, sys, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of forking while threads run, which is the point
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
    """Reads a request, which may arrive in several pieces."""
    request = b""
    while not request.endswith(b"}"):
        request += connection.recv(65536)


def test_close_lets_go_of_the_connections_and_a_later_call_opens_new_ones() -> None:
    """A closed client that failed forever, or one that kept its sockets, would both surprise."""
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


def test_nobody_listens() -> None:
    """A refused connection is an error of the connection, after as many attempts as were allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = SignOutClient(endpoint_url=f"http://127.0.0.1:{port}", config=Config(retries={"total_max_attempts": 2}))
    with pytest.raises(SignOutConnectionError) as refused:
        client.sign_out(user_pool_id="us-east-1_A", username="alice")
    assert refused.value.attempts == 2
    assert f"127.0.0.1:{port}" in str(refused.value)


def test_a_clock_that_is_off_is_corrected_for_all_calls_at_once() -> None:
    """The first calls of many threads are all refused; each must be signed again, whoever stored the correction."""
    start = threading.Barrier(8)
    ahead = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)

    class Service(Recorder):
        def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            if request.headers["amz-sdk-request"].startswith("attempt=1;"):
                start.wait(timeout=20)
            headers = {"Date": ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")}
            if request.headers["x-amz-date"][:11] != ahead.strftime("%Y%m%dT%H"):
                return HttpResponse(400, headers, b'{"__type": "InvalidSignatureException"}')
            return HttpResponse(200, headers, b"{}")

    client = SignOutClient(transport=Service())
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.sign_out(user_pool_id="us-east-1_A", username="alice"), range(8)))
    assert [result.attempts for result in results] == [2] * 8


def test_what_is_no_transport_is_refused_at_once() -> None:
    """Not at the first call, in the middle of the night."""
    for wrong in (object(), print):
        with pytest.raises(ConfigurationError, match="transport must have send"):
            SignOutClient(transport=wrong)  # type: ignore[arg-type]


def test_credentials_that_somebody_put_into_a_session_are_not_exchanged_for_others() -> None:
    """The chain's would be somebody else's: a call that was refused must not be made in another's name."""
    recorder = Recorder()
    refused = HttpResponse(400, {}, b'{"__type": "ExpiredTokenException"}')
    recorder.send = lambda request, *, timeout: recorder.requests.append(request) or refused  # type: ignore[method-assign, func-returns-value]
    session = botocore.session.Session()
    expires = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)).isoformat()
    role = {"access_key": "ASIAROLE", "secret_key": "secret", "token": "token", "expiry_time": expires}
    session._credentials = RefreshableCredentials.create_from_metadata(role, lambda: role, method="sts-assume-role")
    with pytest.raises(AuthenticationError):
        SignOutClient(session=session, transport=recorder).sign_out(user_pool_id="us-east-1_A", username="alice")
    (request,) = recorder.requests
    assert "Credential=ASIAROLE/" in request.headers["authorization"]


def test_a_call_may_have_a_timeout(moto_pool: tuple[MotoPool, SignOutClient]) -> None:
    """A bound that is kept is one that changes nothing."""
    pool, client = moto_pool
    pool.add_user("alice")
    assert client.sign_out(user_pool_id=pool.id, username="alice", timeout=dt.timedelta(seconds=30)).attempts == 1


def test_modules_can_be_reached_through_the_package() -> None:
    """As type checkers believe they can."""
    code = (
        "import cognito_signout as c; print(c.errors.SignOutError, c.transports.HttpTransport, c.testing.FakeCognito)"
    )
    assert "HttpTransport" in run(code)
