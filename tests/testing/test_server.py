"""The fake's server and its command: real sockets, real processes, boto3."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from cognito_signout import InvalidResponseError, SignOutClient
from cognito_signout.testing import FakeCognito, FakeCognitoServer

if TYPE_CHECKING:
    from collections.abc import Generator

POOL = "us-east-1_Test00001"


class FakesKeys:
    """The keys of a fake, as credentials."""

    def __init__(self, fake: FakeCognito) -> None:
        self.access_key = fake.access_key
        self.secret_key = fake.secret_key
        self.token = None


@pytest.fixture
def server() -> Generator[FakeCognitoServer]:
    """A served fake with a user."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with FakeCognitoServer(fake) as server:
        yield server


@contextmanager
def boto3_client(server: FakeCognitoServer, **arguments: Any) -> Generator[Any]:
    """A boto3 client for the server, which tries once."""
    keys = {"aws_access_key_id": server.fake.access_key, "aws_secret_access_key": server.fake.secret_key, **arguments}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=3)
    client = boto3.client("cognito-idp", "us-east-1", endpoint_url=server.endpoint_url, config=config, **keys)
    with closing(client):
        yield client


def refusal(server: FakeCognitoServer, pool: str = POOL, username: str = "alice", **arguments: Any) -> str:
    """The code with which boto3's sign-out is refused."""
    with boto3_client(server, **arguments) as client, pytest.raises(ClientError) as refused:
        client.admin_user_global_sign_out(UserPoolId=pool, Username=username)
    assert refused.value.response["ResponseMetadata"]["RequestId"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(refused.value.response["Error"]["Code"])


def test_boto3_signs_a_user_out(server: FakeCognitoServer) -> None:
    """The peer is the judge of whether this is AWS's protocol."""
    tokens = server.fake.sign_in(user_pool_id=POOL, username="alice")
    with boto3_client(server) as client:
        client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
    assert not tokens.refreshable
    server.fake.assert_signed_out(user_pool_id=POOL, username="alice", times=1)


def test_boto3_is_refused_in_the_services_words(server: FakeCognitoServer) -> None:
    """Each wrong thing has its code."""
    assert refusal(server, aws_secret_access_key="wrong") == "InvalidSignatureException"
    assert refusal(server, aws_access_key_id="AKIAUNKNOWN") == "UnrecognizedClientException"
    assert refusal(server, aws_session_token="token") == "UnrecognizedClientException"
    assert refusal(server, username="bob") == "UserNotFoundException"
    assert refusal(server, pool="us-east-1_Other") == "ResourceNotFoundException"
    assert refusal(server, pool="malformed") == "InvalidParameterException"
    server.fake.advance(timedelta(hours=1))
    assert refusal(server) == "InvalidSignatureException"


def test_our_client_corrects_its_clock(server: FakeCognitoServer) -> None:
    """With a clock an hour off, the call is made twice, and the next one once."""
    server.fake.advance(timedelta(hours=1))
    with SignOutClient(endpoint_url=server.endpoint_url, credentials=FakesKeys(server.fake)) as client:
        first = client.sign_out(user_pool_id=POOL, username="alice")
        second = client.sign_out(user_pool_id=POOL, username="alice")
    assert (first.attempts, second.attempts) == (2, 1)
    assert abs(first.created_at - server.fake.now) < timedelta(minutes=1)


def test_the_operations_that_notice_a_sign_out(server: FakeCognitoServer) -> None:
    """A refresh fails, and GetUser refuses the access token, as a client of Cognito's would see it."""
    tokens = server.fake.sign_in(user_pool_id=POOL, username="alice")

    def refresh() -> Any:
        return client.initiate_auth(
            AuthFlow="REFRESH_TOKEN_AUTH", ClientId="app", AuthParameters={"REFRESH_TOKEN": tokens.refresh_token}
        )["AuthenticationResult"]

    with boto3_client(server) as client:
        fresh = refresh()
        assert client.get_user(AccessToken=fresh["AccessToken"])["Username"] == "alice"
        assert fresh["ExpiresIn"] == 3600
        client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
        for call, message in (
            (refresh, "Refresh Token has been revoked"),
            (lambda: client.get_user(AccessToken=fresh["AccessToken"]), "Access Token has been revoked"),
            (lambda: client.get_user(AccessToken="nonsense"), "Invalid Access Token"),
            (lambda: client.get_user(AccessToken=tokens.refresh_token), "Invalid Access Token"),
        ):
            with pytest.raises(client.exceptions.NotAuthorizedException, match=message):
                call()
        server.fake.advance(timedelta(hours=1))
        with pytest.raises(client.exceptions.NotAuthorizedException, match="Access Token has expired"):
            client.get_user(AccessToken=fresh["AccessToken"])
        tokens = server.fake.sign_in(user_pool_id=POOL, username="alice")
        server.fake.advance(timedelta(days=30))
        with pytest.raises(client.exceptions.NotAuthorizedException, match="Refresh Token has expired"):
            refresh()
        with pytest.raises(client.exceptions.NotAuthorizedException, match="Invalid Refresh Token"):
            client.initiate_auth(AuthFlow="REFRESH_TOKEN", ClientId="app", AuthParameters={"REFRESH_TOKEN": "x"})
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.initiate_auth(AuthFlow="USER_PASSWORD_AUTH", ClientId="app", AuthParameters={})


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reset", ConnectionClosedError),
        ("refused", ConnectionClosedError),
        ("garbage", ConnectionClosedError),
        ("timeout", ReadTimeoutError),
    ],
)
def test_faults_happen_on_the_wire(server: FakeCognitoServer, fault: str, expected: type[Exception]) -> None:
    """A fault that only our own client could see would not be one."""
    server.fake.fail(fault)
    with boto3_client(server) as client:
        with pytest.raises(expected):
            client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
        client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")


def test_a_truncated_answer_is_noticed(server: FakeCognitoServer) -> None:
    """And tried again: the service has done it by then, twice."""
    server.fake.fail("truncated")
    with SignOutClient(endpoint_url=server.endpoint_url, credentials=FakesKeys(server.fake)) as client:
        assert client.sign_out(user_pool_id=POOL, username="alice").attempts == 2
    server.fake.assert_signed_out(user_pool_id=POOL, username="alice", times=2)


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 411), ({"Content-Length": "x"}, 413), ({"Content-Length": "9999999"}, 413)]
)
def test_a_body_without_a_usable_length_is_refused(
    server: FakeCognitoServer, headers: dict[str, str], status: int
) -> None:
    """The server must not wait for what never comes."""
    with closing(HTTPConnection(server.endpoint_url.removeprefix("http://"), timeout=10)) as connection:
        connection.putrequest("POST", "/")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"X-Amz-Target": "Nonsense.AdminUserGlobalSignOut"}, "UnknownOperationException"),
        ({"Content-Type": "text/plain"}, "UnknownOperationException"),
        ({}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Basic YWxpY2U="}, "IncompleteSignatureException"),
    ],
)
def test_a_request_that_is_none_of_awss_is_refused(
    server: FakeCognitoServer, changes: dict[str, str], code: str
) -> None:
    """Each in AWS's way."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut",
        **changes,
    }
    with closing(HTTPConnection(server.endpoint_url.removeprefix("http://"), timeout=10)) as connection:
        connection.request("POST", "/", b"{}", headers)
        assert code.encode() in connection.getresponse().read()


@pytest.mark.parametrize("body", [b"", b'{"UserPoolId":'])
def test_a_request_that_is_cut_off_is_not_taken_for_one(server: FakeCognitoServer, body: bytes) -> None:
    """A client that is killed while it sends would be recorded as one that has asked for nobody."""
    port = int(server.endpoint_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 55\r\n\r\n" + body)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    server.fake.assert_no_requests()


def test_connections_are_kept_and_closed_with_the_server() -> None:
    """A test that ends must not wait for an idle client, nor leak its connection."""
    server = FakeCognitoServer(FakeCognito()).start()
    address = ("127.0.0.1", int(server.endpoint_url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=10) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 404")
        server.stop()
        server.stop()
        assert client.recv(1) == b""


def test_a_page_instead_of_an_answer_is_no_sign_out(server: FakeCognitoServer) -> None:
    """A captive portal answers 200 too."""
    server.fake.fail("html")
    with (
        SignOutClient(endpoint_url=server.endpoint_url, credentials=FakesKeys(server.fake)) as client,
        pytest.raises(InvalidResponseError),
    ):
        client.sign_out(user_pool_id=POOL, username="alice")


def test_it_listens_on_ipv6_too() -> None:
    """Where a container has nothing else."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with (
        FakeCognitoServer(fake, host="::1") as server,
        SignOutClient(endpoint_url=server.endpoint_url, credentials=FakesKeys(fake)) as client,
    ):
        assert client.sign_out(user_pool_id=POOL, username="alice").attempts == 1


def test_starting_and_stopping() -> None:
    """Misuse is told, and a taken port is an OSError."""
    server = FakeCognitoServer(FakeCognito())
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.endpoint_url
    server.stop()
    server.start()
    with pytest.raises(RuntimeError, match="already"):
        server.start()
    port = int(server.endpoint_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        FakeCognitoServer(FakeCognito(), port=port).start()
    server.stop()


# -- the command


@contextmanager
def served(*arguments: str) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The command in a process of its own, and the variables that it printed."""
    command = [sys.executable, "-m", "cognito_signout.testing", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(6)]
            yield process, {name: value for name, _, value in (line.partition("=") for line in lines)}
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """What it prints leads boto3 to it; SIGTERM and Ctrl-C end it cleanly."""
    with served("--user", f"{POOL}/alice,alice@example.com", "--user-pool", "us-east-1_Empty") as (process, variables):
        script = (
            "import boto3; client = boto3.client('cognito-idp')\n"
            f"client.admin_user_global_sign_out(UserPoolId={POOL!r}, Username='alice@example.com')\n"
            "try: client.admin_user_global_sign_out(UserPoolId='us-east-1_Empty', Username='alice')\n"
            "except client.exceptions.UserNotFoundException: print('done')"
        )
        environment = {**os.environ, "AWS_SESSION_TOKEN": "of another account", **variables}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == "done"
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["--user", "alice"], 2, "a slash"),
        (["--user", f"{POOL}/a b"], 2, "username may hold"),
        (["--user", f"{POOL}/alice", "--user", f"{POOL}/alice"], 2, "already"),
        (["--user-pool", "nowhere"], 2, "user_pool_id must be"),
        (["--port", "99999"], 1, "could not listen"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], status: int, complaint: str) -> None:
    """Before it serves anything."""
    done = subprocess.run(
        [sys.executable, "-m", "cognito_signout.testing", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status
    assert complaint in done.stderr
