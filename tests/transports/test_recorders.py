"""HTTP recorders, which temporarily replace a library's classes: vcrpy records and replays calls of both clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import vcr
from botocore.config import Config
from botocore.credentials import Credentials
from vcr.errors import CannotOverwriteExistingCassetteException

from cognito_signout import SignOutResult, UserNotFoundError
from cognito_signout.testing import FakeCognito, FakeCognitoServer

from .scripted import PATIENCE, ScriptedServer, answers, serves
from .test_dead_connections import POOL, new_clients
from .test_http import client_sockets

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from .test_dead_connections import Calls, NewClient

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture(params=["blocking", "asyncio"])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients: the test runs with each kind."""
    yield from new_clients(request.param)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    return fake


def client_of(server: FakeCognitoServer, new_client: NewClient) -> Calls:
    """A client of the fake's server."""
    keys = Credentials(server.fake.access_key, server.fake.secret_key)
    return new_client(endpoint_url=server.endpoint_url, credentials=keys)


def cassette(path: Path, record_mode: str) -> Any:
    """A cassette, to use in a ``with`` statement."""
    return vcr.use_cassette(str(path), record_mode=record_mode)


def test_a_call_is_recorded_and_replayed(new_client: NewClient, fake: FakeCognito, tmp_path: Path) -> None:
    """Tests that use vcrpy call the service each time."""
    path = tmp_path / "cassette.yaml"
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        with cassette(path, "once") as recording:
            recorded = client.sign_out()
            assert (len(recording), recording.play_count) == (1, 0)
        url = server.endpoint_url
    assert len(fake.requests) == 1

    with new_client(endpoint_url=url) as client, cassette(path, "none") as replaying:
        replayed = client.sign_out()
        assert replaying.play_count == 1
    assert (replayed.id, replayed.created_at, replayed.attempts) == (recorded.id, recorded.created_at, 1)
    assert len(fake.requests) == 1


def test_the_recorded_request_equals_the_sent_one(new_client: NewClient, fake: FakeCognito, tmp_path: Path) -> None:
    """A cassette can't be matched by headers or body."""
    with (
        FakeCognitoServer(fake) as server,
        client_of(server, new_client) as client,
        cassette(tmp_path / "cassette.yaml", "once") as recording,
    ):
        client.sign_out()
        url = server.endpoint_url
    (request,) = recording.requests
    assert (request.method, request.uri) == ("POST", f"{url}/")
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    assert body == b'{"UserPoolId": "%s", "Username": "alice"}' % POOL.encode()
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-amz-target"] == "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut"
    assert headers["host"] == url.removeprefix("http://")


def test_an_error_response_is_recorded_and_replayed(new_client: NewClient, fake: FakeCognito, tmp_path: Path) -> None:
    """A replayed error differs from the recorded one."""
    path = tmp_path / "cassette.yaml"
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        with cassette(path, "once"), pytest.raises(UserNotFoundError) as recorded:
            client.sign_out("nobody")
        url = server.endpoint_url
    with new_client(endpoint_url=url) as client, cassette(path, "none"), pytest.raises(UserNotFoundError) as replayed:
        client.sign_out("nobody")
    for name in ("message", "aws_code", "http_status", "request_id"):
        assert getattr(replayed.value, name) == getattr(recorded.value, name)


def test_a_call_over_tls_is_recorded_and_replayed(
    new_client: NewClient, bundle: str, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """Calls to AWS itself can't be recorded."""
    path = tmp_path / "cassette.yaml"
    answer = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: recorded\r\nContent-Length: 2\r\n\r\n{}"
    with ScriptedServer([serves(answer)], context=server_context) as server:
        url = server.url
        for _ in range(2):  # the second one is replayed
            with new_client(endpoint_url=url, verify=bundle) as client, cassette(path, "once"):
                assert client.sign_out().id == "recorded"
            assert not client_sockets(server)
    assert len(server.requests) == 1


def test_a_chunked_response_is_recorded_and_replayed(new_client: NewClient, tmp_path: Path) -> None:
    """A replay looks truncated: recorders drop the chunks, not the header."""
    path = tmp_path / "cassette.yaml"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nTransfer-Encoding: chunked\r\n"
    answer = head + b"x-amzn-RequestId: recorded\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with ScriptedServer([serves(answer)]) as server:
        for _ in range(2):  # the second one is replayed
            with new_client(endpoint_url=server.url) as client, cassette(path, "once"):
                assert client.sign_out().id == "recorded"
    assert len(server.requests) == 1


def test_retries_are_recorded_and_replayed_in_order(new_client: NewClient, tmp_path: Path) -> None:
    """A cassette that contains a failure is replayed differently."""
    path = tmp_path / "cassette.yaml"
    busy = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: recorded\r\nContent-Length: 2\r\n\r\n{}"
    with ScriptedServer([answers(busy)], [serves(answer)]) as server:
        for _ in range(2):  # the second time, both are replayed
            with new_client(endpoint_url=server.url) as client, cassette(path, "once"):
                result = client.sign_out()
                assert (result.id, result.attempts) == ("recorded", 2)
    assert len(server.requests) == 2


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_request_that_is_not_in_the_cassette_is_not_sent(
    is_warm: bool, new_client: NewClient, fake: FakeCognito, tmp_path: Path
) -> None:
    """A test that must not use the network signs out a real user."""
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        if is_warm:  # its pool has an idle connection from before the recorder replaced anything
            client.sign_out()
        with cassette(tmp_path / "cassette.yaml", "none"):
            for _ in range(2):
                with pytest.raises(CannotOverwriteExistingCassetteException) as caught:
                    client.sign_out()
                assert type(caught.value) is CannotOverwriteExistingCassetteException
        assert len(fake.requests) == is_warm
        assert client.sign_out().attempts == 1
        assert len(fake.requests) == is_warm + 1


@pytest.mark.parametrize("is_warm", [False, True])
def test_requests_of_sign_out_many_that_are_not_in_the_cassette_are_not_sent(
    is_warm: bool, new_client: NewClient, fake: FakeCognito, tmp_path: Path
) -> None:
    """The recorder's exception is lost, or users are signed out."""
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        if is_warm:
            client.sign_out()
        with cassette(tmp_path / "c.yaml", "none"), pytest.raises(CannotOverwriteExistingCassetteException):
            client.sign_out_many(["alice", "bob"], max_concurrency=1)  # vcrpy does not support several threads
        assert len(fake.requests) == is_warm
        (outcome,) = client.sign_out_many(["alice"], max_concurrency=1)
        assert type(outcome) is SignOutResult


def test_a_warm_client_is_recorded_and_works_normally_afterwards(
    new_client: NewClient, fake: FakeCognito, tmp_path: Path
) -> None:
    """The recorder misses calls on idle connections, or sees later ones."""
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        before = client.sign_out()
        with cassette(tmp_path / "cassette.yaml", "once") as recording:
            recorded = client.sign_out()
            assert len(recording) == 1
        after = [client.sign_out() for _ in range(2)]
        assert len(recording) == 1
        with cassette(tmp_path / "cassette.yaml", "none"):
            assert client.sign_out().id == recorded.id
        assert client.sign_out().attempts == 1
    assert len({result.id for result in (before, recorded, *after)}) == 4
    assert len(fake.requests) == 5


def test_the_inner_of_two_cassettes_records_the_call(new_client: NewClient, fake: FakeCognito, tmp_path: Path) -> None:
    """A connection of one recorder is used under another one."""
    with FakeCognitoServer(fake) as server, client_of(server, new_client) as client:
        with cassette(tmp_path / "outer.yaml", "once") as outer:
            client.sign_out()
            with cassette(tmp_path / "inner.yaml", "once") as inner:
                client.sign_out()
            assert (len(outer), len(inner)) == (1, 1)
        assert client.sign_out().attempts == 1
    assert len(fake.requests) == 3


def test_recorded_calls_leave_no_connection_open(new_client: NewClient, tmp_path: Path) -> None:
    """A test suite runs out of file descriptors while it records."""
    with ScriptedServer([serves()]) as server:
        with new_client(endpoint_url=server.url) as client:
            for number in range(5):
                with cassette(tmp_path / f"{number}.yaml", "once"):
                    assert client.sign_out(timeout=PATIENCE).attempts == 1
            assert len(client_sockets(server)) <= 1
        assert not client_sockets(server)
    assert len(server.requests) == 5
