"""The AWS CLI against the fake's server, with version 1 or 2, whichever is on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer

from .programs import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

POOL = "us-east-1_Test00001"
CLIENT = "1example23456789"
ALICE: dict[str, Any] = {"user_pool_id": POOL, "username": "alice"}
OF_ALICE = (f"--user-pool-id={POOL}", "--username=alice")
#: The status with which the CLI exits if the service refused a request, in version 1 and in version 2.
REFUSED = (255, 254)


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user."""
    fake = FakeCognito()
    fake.add_user(**ALICE)
    return fake


@pytest.fixture
def server(fake: FakeCognito) -> Iterator[FakeCognitoServer]:
    """Its server."""
    with FakeCognitoServer(fake) as server:
        yield server


def run(
    server: FakeCognitoServer, operation: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs ``aws cognito-idp``, which finds the server by the environment alone."""
    environment = {**os.environ, **server.environment, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1", **variables}
    return subprocess.run(
        [path_of("aws"), "cognito-idp", operation, "--output=json", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def call(server: FakeCognitoServer, operation: str, *arguments: str) -> dict[str, Any]:
    """The output of a command that succeeds."""
    done = run(server, operation, *arguments)
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout or "{}")
    return output


def assert_refused(
    done: subprocess.CompletedProcess[str], code: str, operation: str = "AdminUserGlobalSignOut"
) -> None:
    """Checks that the service refused a request, in the words in which the CLI reports that."""
    assert done.returncode in REFUSED, done.stderr
    assert f"An error occurred ({code}) when calling the {operation} operation: " in done.stderr


def test_a_user_is_signed_out(server: FakeCognitoServer, fake: FakeCognito) -> None:
    """Scripts that call the CLI can't be tested with the fake."""
    tokens = fake.sign_in(**ALICE)
    assert call(server, "admin-user-global-sign-out", *OF_ALICE) == {}
    assert not tokens.refreshable
    fake.assert_signed_out(**ALICE, times=1)


def test_the_endpoint_can_be_an_argument(server: FakeCognitoServer, fake: FakeCognito) -> None:
    """The advice for versions that ignore ``AWS_ENDPOINT_URL_*`` is wrong."""
    url = f"--endpoint-url={server.endpoint_url}"
    variables = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": ""}
    assert run(server, "admin-user-global-sign-out", url, *OF_ALICE, **variables).returncode == 0
    fake.assert_signed_out(**ALICE, times=1)


@pytest.mark.parametrize(
    ("pool", "username", "code"),
    [
        (POOL, "mallory", "UserNotFoundException"),
        ("us-east-1_Other", "alice", "ResourceNotFoundException"),
        ("malformed", "alice", "InvalidParameterException"),
    ],
)
def test_an_unknown_user_or_pool_is_refused(server: FakeCognitoServer, pool: str, username: str, code: str) -> None:
    """A script's handling of errors can't be tested with the fake."""
    user = (f"--user-pool-id={pool}", f"--username={username}")
    assert_refused(run(server, "admin-user-global-sign-out", *user), code)


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "UnrecognizedClientException"),
        ({"AWS_SESSION_TOKEN": "of another account"}, "UnrecognizedClientException"),
    ],
)
def test_wrong_keys_are_refused(
    server: FakeCognitoServer, fake: FakeCognito, variables: dict[str, str], code: str
) -> None:
    """The fake accepts requests that AWS refuses."""
    tokens = fake.sign_in(**ALICE)
    assert_refused(run(server, "admin-user-global-sign-out", *OF_ALICE, **variables), code)
    assert tokens.refreshable


def test_a_wrong_clock_is_reported(server: FakeCognitoServer, fake: FakeCognito) -> None:
    """The fake accepts an old signature. The CLI does not correct its clock."""
    tokens = fake.sign_in(**ALICE)
    fake.advance(timedelta(hours=1))
    done = run(server, "admin-user-global-sign-out", *OF_ALICE, AWS_MAX_ATTEMPTS="3")
    assert_refused(done, "InvalidSignatureException")
    assert "Signature expired" in done.stderr
    assert [request.code for request in fake.requests] == ["InvalidSignatureException"]
    assert tokens.refreshable


def test_a_refresh_is_refused_after_the_sign_out(server: FakeCognitoServer) -> None:
    """A test can't see the sign-out as the user's device does."""
    client = f"--client-id={CLIENT}"
    password = "--auth-parameters=USERNAME=alice,PASSWORD=any"
    signed_in = call(server, "initiate-auth", "--auth-flow=USER_PASSWORD_AUTH", client, password)
    tokens = signed_in["AuthenticationResult"]
    refresh = ("--auth-flow=REFRESH_TOKEN_AUTH", client, f"--auth-parameters=REFRESH_TOKEN={tokens['RefreshToken']}")
    who = f"--access-token={tokens['AccessToken']}"
    assert call(server, "initiate-auth", *refresh)["AuthenticationResult"]["AccessToken"]
    assert call(server, "get-user", who)["Username"] == "alice"

    call(server, "admin-user-global-sign-out", *OF_ALICE)

    assert_refused(run(server, "initiate-auth", *refresh), "NotAuthorizedException", "InitiateAuth")
    assert_refused(run(server, "get-user", who), "NotAuthorizedException", "GetUser")


def test_a_disabled_user_cannot_sign_in(server: FakeCognitoServer) -> None:
    """An off-boarding by the CLI can't be tested with the fake."""
    sign_in = (
        "admin-initiate-auth",
        f"--user-pool-id={POOL}",
        f"--client-id={CLIENT}",
        "--auth-flow=ADMIN_USER_PASSWORD_AUTH",
        "--auth-parameters=USERNAME=alice,PASSWORD=any",
    )
    assert call(server, *sign_in)["AuthenticationResult"]["RefreshToken"]
    call(server, "admin-disable-user", *OF_ALICE)
    assert call(server, "admin-get-user", *OF_ALICE)["Enabled"] is False
    assert_refused(run(server, *sign_in), "NotAuthorizedException", "AdminInitiateAuth")
    call(server, "admin-enable-user", *OF_ALICE)
    assert call(server, "admin-get-user", *OF_ALICE)["Enabled"] is True


def test_users_are_listed_page_by_page(server: FakeCognitoServer, fake: FakeCognito) -> None:
    """A list of all users misses some, or the CLI can't go on from a page."""
    names = [f"user{number:03}" for number in range(130)]
    fake.add_users(user_pool_id=POOL, usernames=names)
    fake.disable_user(user_pool_id=POOL, username="user007")
    everyone = ["alice", *names]
    pool = f"--user-pool-id={POOL}"

    def listed(*arguments: str) -> tuple[list[str], str | None]:
        """The usernames of a list, and the token of the next one."""
        page = call(server, "list-users", pool, *arguments)
        return [user["Username"] for user in page["Users"]], page.get("NextToken")

    assert listed() == (everyone, None)
    assert len(fake.requests) == 3  # of 60 users at the most
    assert listed("--page-size=50") == (everyone, None)
    assert len(fake.requests) == 6

    first, token = listed("--max-items=70", "--page-size=20")
    rest, end = listed("--page-size=20", f"--starting-token={token}")
    assert (len(first), first + rest, end) == (70, everyone, None)

    assert listed('--filter=status = "Disabled"') == (["user007"], None)
    assert call(server, "describe-user-pool", pool)["UserPool"]["EstimatedNumberOfUsers"] == len(everyone)
