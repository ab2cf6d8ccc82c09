"""The fake's server and its command, tested with real sockets, real processes and boto3."""

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


class KeysOfFake:
    """The keys of a fake, as credentials."""

    def __init__(self, fake: FakeCognito) -> None:
        self.access_key = fake.access_key
        self.secret_key = fake.secret_key
        self.token = None


@pytest.fixture
def server() -> Generator[FakeCognitoServer]:
    """A server of a fake with a user."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with FakeCognitoServer(fake) as server:
        yield server


@contextmanager
def boto3_client(server: FakeCognitoServer, **arguments: Any) -> Generator[Any]:
    """A boto3 client for the server, without retries."""
    keys = {"aws_access_key_id": server.fake.access_key, "aws_secret_access_key": server.fake.secret_key, **arguments}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=3)
    client = boto3.client("cognito-idp", "us-east-1", endpoint_url=server.endpoint_url, config=config, **keys)
    with closing(client):
        yield client


def refusal(server: FakeCognitoServer, pool: str = POOL, username: str = "alice", **arguments: Any) -> str:
    """The error code of boto3's sign-out, which must fail."""
    with boto3_client(server, **arguments) as client, pytest.raises(ClientError) as refused:
        client.admin_user_global_sign_out(UserPoolId=pool, Username=username)
    assert refused.value.response["ResponseMetadata"]["RequestId"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(refused.value.response["Error"]["Code"])


def test_boto3_signs_a_user_out(server: FakeCognitoServer) -> None:
    """The server does not speak AWS's protocol."""
    tokens = server.fake.sign_in(user_pool_id=POOL, username="alice")
    with boto3_client(server) as client:
        client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
    assert not tokens.refreshable
    server.fake.assert_signed_out(user_pool_id=POOL, username="alice", times=1)


def test_boto3_gets_awss_error_codes(server: FakeCognitoServer) -> None:
    """The server refuses a request with another code than AWS."""
    assert refusal(server, aws_secret_access_key="wrong") == "InvalidSignatureException"
    assert refusal(server, aws_access_key_id="AKIAUNKNOWN") == "UnrecognizedClientException"
    assert refusal(server, aws_session_token="token") == "UnrecognizedClientException"
    assert refusal(server, username="bob") == "UserNotFoundException"
    assert refusal(server, pool="us-east-1_Other") == "ResourceNotFoundException"
    assert refusal(server, pool="malformed") == "InvalidParameterException"
    server.fake.advance(timedelta(hours=1))
    assert refusal(server) == "InvalidSignatureException"


def test_our_client_corrects_its_clock(server: FakeCognitoServer) -> None:
    """A client whose clock is an hour off needs two attempts for every call."""
    server.fake.advance(timedelta(hours=1))
    with SignOutClient(endpoint_url=server.endpoint_url, credentials=KeysOfFake(server.fake)) as client:
        first = client.sign_out(user_pool_id=POOL, username="alice")
        second = client.sign_out(user_pool_id=POOL, username="alice")
    assert (first.attempts, second.attempts) == (2, 1)
    assert abs(first.created_at - server.fake.now) < timedelta(minutes=1)


def test_refresh_and_get_user_fail_after_a_sign_out(server: FakeCognitoServer) -> None:
    """An application's tokens still work after the sign-out."""
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
    """The server's faults do not affect boto3."""
    server.fake.fail(fault)
    with boto3_client(server) as client:
        with pytest.raises(expected):
            client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
        client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")


def test_a_truncated_response_is_retried(server: FakeCognitoServer) -> None:
    """A truncated response counts as a sign-out."""
    server.fake.fail("truncated")
    with SignOutClient(endpoint_url=server.endpoint_url, credentials=KeysOfFake(server.fake)) as client:
        assert client.sign_out(user_pool_id=POOL, username="alice").attempts == 2
    server.fake.assert_signed_out(user_pool_id=POOL, username="alice", times=2)


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 411), ({"Content-Length": "x"}, 413), ({"Content-Length": "9999999"}, 413)]
)
def test_a_body_without_a_usable_length_is_refused(
    server: FakeCognitoServer, headers: dict[str, str], status: int
) -> None:
    """The server waits for a body that never arrives."""
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
def test_a_malformed_request_gets_awss_error_code(
    server: FakeCognitoServer, changes: dict[str, str], code: str
) -> None:
    """The server refuses a malformed request with another code than AWS."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut",
        **changes,
    }
    with closing(HTTPConnection(server.endpoint_url.removeprefix("http://"), timeout=10)) as connection:
        connection.request("POST", "/", b"{}", headers)
        assert code.encode() in connection.getresponse().read()


@pytest.mark.parametrize("body", [b"", b'{"UserPoolId":'])
def test_a_request_that_is_cut_off_is_not_recorded(server: FakeCognitoServer, body: bytes) -> None:
    """A request of a client that was killed while sending is recorded."""
    port = int(server.endpoint_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 55\r\n\r\n" + body)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    server.fake.assert_no_requests()


def test_connections_stay_open_until_the_server_stops() -> None:
    """Stopping the server waits for an idle client, or leaks its connection."""
    server = FakeCognitoServer(FakeCognito()).start()
    address = ("127.0.0.1", int(server.endpoint_url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=10) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 404")
        server.stop()
        server.stop()
        assert client.recv(1) == b""


def test_an_html_page_raises_invalid_response(server: FakeCognitoServer) -> None:
    """The page of a captive portal counts as a sign-out."""
    server.fake.fail("html")
    with (
        SignOutClient(endpoint_url=server.endpoint_url, credentials=KeysOfFake(server.fake)) as client,
        pytest.raises(InvalidResponseError),
    ):
        client.sign_out(user_pool_id=POOL, username="alice")


def test_the_server_listens_on_ipv6() -> None:
    """The server can't be used in a container that has only IPv6."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with (
        FakeCognitoServer(fake, host="::1") as server,
        SignOutClient(endpoint_url=server.endpoint_url, credentials=KeysOfFake(fake)) as client,
    ):
        assert client.sign_out(user_pool_id=POOL, username="alice").attempts == 1


def test_starting_and_stopping_in_the_wrong_order() -> None:
    """Misuse is not reported, or a port in use does not raise OSError."""
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


@contextmanager
def served(*arguments: str) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Runs the command in a child process, and reads the variables that it prints."""
    command = [sys.executable, "-m", "cognito_signout.testing", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(6)]
            yield process, {name: value for name, _, value in (line.partition("=") for line in lines)}
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_runs_until_a_signal(number: signal.Signals) -> None:
    """boto3 can't use the printed variables, or the command does not exit cleanly on SIGTERM and Ctrl-C."""
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
    ("arguments", "status", "message"),
    [
        (["--user", "alice"], 2, "a slash"),
        (["--user", f"{POOL}/a b"], 2, "username may hold"),
        (["--user", f"{POOL}/alice", "--user", f"{POOL}/alice"], 2, "already"),
        (["--user-pool", "nowhere"], 2, "user_pool_id must be"),
        (["--port", "99999"], 1, "could not listen"),
        (["--users-file", "users.txt"], 2, "expected POOL_ID=FILE"),
    ],
)
def test_the_command_refuses_wrong_arguments(arguments: list[str], status: int, message: str) -> None:
    """The command accepts an argument that it can't use, or does not say what is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "cognito_signout.testing", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status
    assert message in done.stderr
