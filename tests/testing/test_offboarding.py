"""The fake's other operations, its tokens, its server for other programs, and reproducible runs."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import jwt
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from cognito_signout import ResourceNotFoundError, SignOutClient, TooManyRequestsError, UserNotFoundError
from cognito_signout.testing import FakeCognito, FakeCognitoServer

pytest_plugins = ["pytester"]

if TYPE_CHECKING:
    from collections.abc import Generator

POOL, CLIENT = "us-east-1_Test00001", "1client234567890abcdefghij"
ALICE: dict[str, Any] = {"user_pool_id": POOL, "username": "alice"}
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with two users."""
    fake = FakeCognito()
    fake.add_user(**ALICE, aliases=["alice@example.com"], password="open sesame")
    fake.add_user(user_pool_id=POOL, username="bob")
    return fake


@pytest.fixture
def server(fake: FakeCognito) -> Generator[FakeCognitoServer]:
    """The server of the fake."""
    with FakeCognitoServer(fake) as server:
        yield server


@pytest.fixture
def cognito(fake: FakeCognito, server: FakeCognitoServer) -> Any:
    """A boto3 client for the server."""
    return boto3.client(
        "cognito-idp",
        region_name="us-east-1",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=fake.access_key,
        aws_secret_access_key=fake.secret_key,
    )


def code_of(call: Any, **arguments: Any) -> str:
    """The error code of a boto3 call, or an empty string for a success."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_disabled_and_signed_out_user_can_do_nothing(fake: FakeCognito, cognito: Any) -> None:
    """A user who was disabled and signed out can still sign in or refresh."""
    sign_in = {
        "ClientId": CLIENT,
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": "alice@example.com", "PASSWORD": "open sesame"},
    }
    tokens = cognito.initiate_auth(**sign_in)["AuthenticationResult"]
    assert cognito.get_user(AccessToken=tokens["AccessToken"])["Username"] == "alice"
    refresh = {"ClientId": CLIENT, "RefreshToken": tokens["RefreshToken"]}
    assert "AccessToken" in cognito.get_tokens_from_refresh_token(**refresh)["AuthenticationResult"]

    cognito.admin_disable_user(UserPoolId=POOL, Username="alice")
    fake.client().sign_out(**ALICE)

    assert cognito.admin_get_user(UserPoolId=POOL, Username="alice")["Enabled"] is False
    assert code_of(cognito.initiate_auth, **sign_in) == "NotAuthorizedException"
    assert code_of(cognito.get_tokens_from_refresh_token, **refresh) == "NotAuthorizedException"
    assert code_of(cognito.get_user, AccessToken=tokens["AccessToken"]) == "NotAuthorizedException"
    with pytest.raises(ValueError, match="disabled"):
        fake.sign_in(**ALICE)

    cognito.admin_enable_user(UserPoolId=POOL, Username="alice")
    assert code_of(cognito.initiate_auth, **sign_in) == ""
    assert code_of(cognito.get_user, AccessToken=tokens["AccessToken"]) == "NotAuthorizedException"


def test_disable_user_does_what_the_operation_does(fake: FakeCognito) -> None:
    """The fake's method differs from AdminDisableUser."""
    tokens = fake.sign_in(**ALICE)
    fake.disable_user(**ALICE)
    assert (tokens.refreshable, tokens.accepted_by_cognito, tokens.valid_offline) == (False, False, True)
    with pytest.raises(LookupError):
        fake.disable_user(user_pool_id=POOL, username="mallory")


def test_list_users_lists_all_users_page_by_page(fake: FakeCognito, cognito: Any) -> None:
    """A run over all users of a pool misses users."""
    names = [f"user{number:03}" for number in range(150)]
    fake.add_users(user_pool_id=POOL, usernames=names)
    fake.disable_user(user_pool_id=POOL, username="user007")
    pages = list(cognito.get_paginator("list_users").paginate(UserPoolId=POOL))
    assert [len(page["Users"]) for page in pages] == [60, 60, 32]
    assert sorted(user["Username"] for page in pages for user in page["Users"]) == sorted(["alice", "bob", *names])
    enabled = cognito.get_paginator("list_users").paginate(UserPoolId=POOL, Filter='status = "Enabled"')
    assert sum(len(page["Users"]) for page in enabled) == 151
    assert cognito.list_users(UserPoolId=POOL, Limit=1)["Users"][0]["Attributes"]
    assert cognito.describe_user_pool(UserPoolId=POOL)["UserPool"]["EstimatedNumberOfUsers"] == 152


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("list_users", {"UserPoolId": "us-east-1_Other"}, "ResourceNotFoundException"),
        ("list_users", {"UserPoolId": POOL, "Filter": 'email = "a"'}, "InvalidParameterException"),
        ("list_users", {"UserPoolId": POOL, "PaginationToken": "x"}, "InvalidParameterException"),
        ("admin_disable_user", {"UserPoolId": POOL, "Username": "mallory"}, "UserNotFoundException"),
        ("admin_get_user", {"UserPoolId": POOL, "Username": "mallory"}, "UserNotFoundException"),
        ("describe_user_pool", {"UserPoolId": "us-east-1_Other"}, "ResourceNotFoundException"),
        ("global_sign_out", {"AccessToken": "a.b.c"}, "NotAuthorizedException"),
        ("get_user", {"AccessToken": "nothing"}, "NotAuthorizedException"),
        ("get_tokens_from_refresh_token", {"RefreshToken": "x", "ClientId": CLIENT}, "NotAuthorizedException"),
    ],
)
def test_errors_are_in_the_service_model(cognito: Any, operation: str, arguments: dict[str, Any], code: str) -> None:
    """The fake returns an error code that AWS does not return."""
    assert code_of(getattr(cognito, operation), **arguments) == code
    name = {
        "list_users": "ListUsers",
        "get_user": "GetUser",
        "global_sign_out": "GlobalSignOut",
        "get_tokens_from_refresh_token": "GetTokensFromRefreshToken",
    }.get(operation, "".join(part.title() for part in operation.split("_")))
    assert code in {shape.name for shape in cognito.meta.service_model.operation_model(name).error_shapes}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"USERNAME": "alice", "PASSWORD": "wrong"}, "NotAuthorizedException"),
        ({"USERNAME": "mallory", "PASSWORD": "x"}, "UserNotFoundException"),
        ({"USERNAME": "alice"}, "InvalidParameterException"),
        ({"USERNAME": "bob", "PASSWORD": "any password"}, ""),
    ],
)
def test_admin_initiate_auth_checks_the_password(cognito: Any, parameters: dict[str, str], code: str) -> None:
    """A wrong password is accepted, or a correct one is refused."""
    arguments = {"UserPoolId": POOL, "ClientId": CLIENT, "AuthParameters": parameters}
    assert code_of(cognito.admin_initiate_auth, AuthFlow="ADMIN_USER_PASSWORD_AUTH", **arguments) == code
    assert code_of(cognito.admin_initiate_auth, AuthFlow="CUSTOM_AUTH", **arguments) == "InvalidParameterException"


def test_invalid_arguments_are_refused(fake: FakeCognito, server: FakeCognitoServer) -> None:
    """The fake accepts a request that AWS refuses."""
    cognito = boto3.client(
        "cognito-idp",
        region_name="us-east-1",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=fake.access_key,
        aws_secret_access_key=fake.secret_key,
        config=Config(parameter_validation=False),
    )
    assert code_of(cognito.list_users, UserPoolId=POOL, Limit=61) == "InvalidParameterException"
    sign_in = {"AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": {"USERNAME": "bob", "PASSWORD": "x"}}
    assert code_of(cognito.initiate_auth, **sign_in) == "InvalidParameterException"
    assert code_of(cognito.get_user, AccessToken=7) == "NotAuthorizedException"


def test_global_sign_out_signs_out_all_devices(fake: FakeCognito, cognito: Any) -> None:
    """GlobalSignOut leaves another device signed in."""
    phone, laptop = fake.sign_in(**ALICE), fake.sign_in(**ALICE)
    cognito.global_sign_out(AccessToken=phone.access_token)
    assert not phone.refreshable
    assert not laptop.refreshable


# Tokens


def verified(server: FakeCognitoServer, token: str, **options: Any) -> dict[str, Any]:
    """The claims of a token. PyJWT verifies it with the server's keys."""
    keys = jwt.PyJWKClient(f"{server.endpoint_url}/{POOL}/.well-known/jwks.json")
    claims: dict[str, Any] = jwt.decode(
        token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], leeway=5, **options
    )
    return claims


def test_tokens_verify_with_the_servers_keys(fake: FakeCognito, server: FakeCognitoServer) -> None:
    """An application can't test its token verification with the fake's server."""
    tokens = fake.sign_in(**ALICE, client_id=CLIENT)
    issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
    access = verified(server, tokens.access_token, issuer=issuer)
    identity = verified(server, tokens.id_token, issuer=issuer, audience=CLIENT)
    assert (access["client_id"], access["username"], access["token_use"]) == (CLIENT, "alice", "access")
    assert (identity["cognito:username"], identity["email"]) == ("alice", "alice@example.com")
    assert access["sub"] == identity["sub"]
    assert set(access) == {
        *("sub", "iss", "version", "client_id", "origin_jti", "event_id", "token_use", "scope", "auth_time", "exp"),
        *("iat", "jti", "username"),
    }
    with pytest.raises(jwt.InvalidAudienceError):
        verified(server, tokens.id_token, audience="another")
    with pytest.raises(jwt.InvalidIssuerError):
        verified(server, tokens.access_token, issuer=issuer + "2")
    with pytest.raises(jwt.InvalidSignatureError):
        verified(server, tokens.access_token[:-8] + "AAAAAAAA")
    old = fake.sign_in(**ALICE, validity=timedelta(seconds=-60))
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(server, old.access_token)


def test_tokens_verify_without_a_server(fake: FakeCognito) -> None:
    """A test has to start a server to verify a token."""
    tokens = fake.sign_in(**ALICE)
    keys = KeySet.import_key_set(fake.jwks(POOL))  # type: ignore[arg-type]
    for token in (tokens.access_token, tokens.id_token):
        assert jose.decode(token, keys, algorithms=["RS256"]).claims["iss"].endswith(POOL)
    with pytest.raises(LookupError):
        fake.jwks("us-east-1_Other")


def test_a_refresh_keeps_the_session(fake: FakeCognito, cognito: Any) -> None:
    """An application can't see that a refreshed token belongs to an older session."""
    tokens = fake.sign_in(**ALICE)
    fake.advance(timedelta(minutes=10))
    fresh = cognito.get_tokens_from_refresh_token(RefreshToken=tokens.refresh_token, ClientId=CLIENT)
    old, new = (
        jwt.decode(token, options={"verify_signature": False})
        for token in (tokens.access_token, fresh["AuthenticationResult"]["AccessToken"])
    )
    assert (new["auth_time"], new["origin_jti"]) == (old["auth_time"], old["origin_jti"])
    assert new["iat"] >= old["iat"] + 600
    assert new["jti"] != old["jti"]


# Reproducible runs and copies


def ids_and_tokens(fake: FakeCognito) -> list[str]:
    """The IDs and tokens of a run."""
    fake.add_user(**ALICE)
    tokens = fake.sign_in(**ALICE)
    return [tokens.access_token, tokens.id_token, tokens.refresh_token, fake.client().sign_out(**ALICE).id]


def test_a_fake_with_a_start_time_is_reproducible() -> None:
    """Snapshots of tokens or IDs differ in each test run."""
    fake = FakeCognito(now=START)
    first = ids_and_tokens(fake)
    assert ids_and_tokens(FakeCognito(now=START)) == first
    fake.advance(timedelta(hours=1))
    fake.fail("reset")
    fake.reset()
    assert fake.requests == []
    assert fake.now == START
    assert ids_and_tokens(fake) == first
    assert ids_and_tokens(FakeCognito()) != ids_and_tokens(FakeCognito())


def test_a_copy_has_its_own_users_and_requests(fake: FakeCognito) -> None:
    """Django copies a test class's fake for each test, and the copy shares or loses users."""
    fake.sign_in(**ALICE)
    copied = copy.deepcopy(fake)
    assert repr(copied) == repr(fake) == "FakeCognito(pools=1, users=2, requests=0)"
    copied.client().sign_out(**ALICE)
    copied.assert_signed_out(**ALICE, times=1)
    fake.assert_no_requests()


@pytest.mark.parametrize("order", [["fake", "tokens"], ["tokens", "fake"]], ids=" ".join)
def test_copied_tokens_belong_to_the_copied_fake(fake: FakeCognito, order: list[str]) -> None:
    """Tokens from Django's ``setUpTestData`` can't be copied, or ignore a sign-out at the copied fake."""
    data: dict[str, Any] = {"fake": fake, "tokens": fake.sign_in(**ALICE, hosted_ui=True)}
    memo: dict[int, Any] = {}  # Django copies attributes on first use, with one memo for a test
    copies: dict[str, Any] = {name: copy.deepcopy(data[name], memo) for name in order}
    copied, tokens = copies["fake"], copies["tokens"]
    assert tokens.access_token == data["tokens"].access_token
    assert tokens.hosted_ui_cookie.fetch_tokens().refreshable
    copied.client().sign_out(**ALICE)
    assert (tokens.refreshable, data["tokens"].refreshable) == (False, True)
    copied.advance(timedelta(hours=2))
    assert (tokens.valid_offline, data["tokens"].valid_offline) == (False, True)
    assert (tokens.hosted_ui_cookie.valid, data["tokens"].hosted_ui_cookie.valid) == (False, True)


def test_the_record_of_requests_is_bounded(fake: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a server that runs for weeks grows without bound."""
    monkeypatch.setattr("cognito_signout.testing._fake.MAX_REQUESTS", 5)
    fake = FakeCognito()
    fake.add_user(**ALICE)
    for _ in range(9):
        fake.client().sign_out(**ALICE)
    assert len(fake.requests) == 5


def test_fail_takes_a_message(fake: FakeCognito) -> None:
    """A test can't check how an application handles the service's message."""
    fake.fail(UserNotFoundError, message="Nobody here.")
    with pytest.raises(UserNotFoundError, match="Nobody here"):
        fake.client().sign_out(**ALICE)


def test_an_unknown_pool_says_that_this_is_a_fake(fake: FakeCognito) -> None:
    """A developer who reads the error looks for the pool at AWS."""
    with pytest.raises(ResourceNotFoundError, match=r"fake: add_user_pool\(\)"):
        fake.client().sign_out(user_pool_id="us-east-1_Other", username="alice")


def test_the_throttle_works_when_the_clock_is_set_back(fake: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """With freezegun, every request is throttled, and a run never ends."""
    times = [1_000_000.0]
    monkeypatch.setattr("cognito_signout.testing._users.time.time", lambda: times[0])
    fake.throttle(rate=1)
    client = fake.client()
    client.sign_out(**ALICE)
    times[0] = 1_000.0
    fake._clock.reset()
    with pytest.raises(TooManyRequestsError):
        client.sign_out(**ALICE, timeout=0.1)
    times[0] += 10
    client.sign_out(**ALICE)


# The server


def raw(server: FakeCognitoServer, *requests: bytes) -> bytes:
    """The responses to raw requests on one connection."""
    host, port = server.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        responses = b""
        for request in requests:
            connection.sendall(request)
            response = b""
            while b"\r\n\r\n" not in response:
                response += connection.recv(65536)
            head, _, body = response.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length and not request.startswith(b"HEAD"):
                body += connection.recv(65536)
            responses += head + b"\r\n\r\n" + body
        return responses


def test_health_checks_and_browsers_get_responses(server: FakeCognitoServer) -> None:
    """Docker Compose can't check that the server is up, or a page in a browser can't call it."""
    assert b"200 OK" in raw(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw(server, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")
    assert b"404" in raw(server, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").split(b"\r\n")[0]
    preflight = raw(
        server,
        b"OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\n"
        b"Access-Control-Request-Headers: x-amz-target\r\n\r\n",
    )
    assert b"Access-Control-Allow-Origin: *" in preflight
    assert b"Access-Control-Allow-Headers: x-amz-target" in preflight


def test_the_server_supports_http_1_0_with_keep_alive(server: FakeCognitoServer) -> None:
    """`ab -k` waits forever."""
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    responses = raw(server, request, request)
    assert responses.count(b"200 OK") == 2
    assert b"Connection: keep-alive" in responses


@pytest.mark.parametrize("media_type", [b"application/x-amz-json-1.1", b"Application/X-Amz-JSON-1.1; charset=utf-8"])
def test_the_server_accepts_chunked_bodies_and_media_types_in_any_case(
    fake: FakeCognito, server: FakeCognitoServer, media_type: bytes
) -> None:
    """SDKs of other languages can't call the fake."""
    token = fake.sign_in(**ALICE).access_token.encode()
    body = b'{"AccessToken": "' + token + b'"}'
    chunks = b"%x\r\n%b\r\n%x;ext=1\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    response = raw(
        server,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: " + media_type + b"\r\n"
        b"X-Amz-Target: AWSCognitoIdentityProviderService.GetUser\r\n\r\n" + chunks,
    )
    assert b'"Username": "alice"' in response


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"ffffff\r\nabc", b"-5\r\n"])
def test_a_malformed_chunk_closes_the_connection(server: FakeCognitoServer, chunks: bytes) -> None:
    """A broken client blocks a thread of the server."""
    host, port = server.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_the_environment_sets_the_region_for_every_sdk(server: FakeCognitoServer) -> None:
    """The SDKs for JavaScript and Go have no region."""
    assert server.environment["AWS_REGION"] == server.environment["AWS_DEFAULT_REGION"] == "us-east-1"


# The fixture


def test_the_fixture_hides_real_keys(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test, boto3 or a child process signs with the developer's real keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, "real")
    pytester.makepyfile(
        """
        import os, subprocess, sys
        import boto3

        boto3.DEFAULT_SESSION = object()

        def test_the_environment(fake_cognito):
            assert "AWS_SESSION_TOKEN" not in os.environ
            assert "AWS_PROFILE" not in os.environ
            assert os.environ["AWS_ACCESS_KEY_ID"] == fake_cognito.access_key
            assert boto3.Session().get_credentials().access_key == fake_cognito.access_key
            assert boto3.DEFAULT_SESSION is None

        def test_it_is_restored():
            assert os.environ["AWS_ACCESS_KEY_ID"] == os.environ["AWS_PROFILE"] == "real"
            assert boto3.DEFAULT_SESSION is not None
        """
    )
    # The plugin of this suite resets the session before each test, so the inner run needs its own process.
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_setting_keeps_the_real_keys(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that needs its own keys can't use the fixture."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    pytester.makeini("[pytest]\nfake_cognito_env = false")
    pytester.makepyfile(
        """
        import os

        def test_the_environment(fake_cognito):
            assert os.environ["AWS_ACCESS_KEY_ID"] == "own"
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


# The command


def test_the_command_reads_users_from_a_file(tmp_path: Any) -> None:
    """Every user has to be listed on the command line."""
    users = tmp_path / "users.txt"
    users.write_text("alice\n\nbob\n", encoding="utf-8")
    command = [sys.executable, "-m", "cognito_signout.testing", "--port", "0", "--users-file", f"{POOL}={users}"]
    process = subprocess.Popen(
        [*command, "--throttle", "0.001", "--latency", "0.01"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    variables = dict(process.stdout.readline().strip().split("=", 1) for _ in range(7))
    client = SignOutClient(
        endpoint_url=variables["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"],
        credentials=boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]).get_credentials(),
        config=Config(retries={"total_max_attempts": 1}),
    )
    with client:
        assert client.sign_out(**ALICE).attempts == 1
        with pytest.raises(TooManyRequestsError):
            client.sign_out(user_pool_id=POOL, username="bob")
    process.terminate()
    process.communicate()
    done = subprocess.run([*command[:-1], f"{POOL}=/nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/nowhere" in done.stderr
