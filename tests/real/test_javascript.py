"""Two packages from npm against the fake: the AWS SDK for JavaScript v3, and aws-jwt-verify."""

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
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    #: Makes calls with one client of the SDK: pairs of an operation and its input. Returns what became of each.
    Call: TypeAlias = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.slow

POOL, OTHER_POOL = "us-east-1_Test00001", "us-east-1_Test00002"
CLIENT = "1example23456789"
ALICE: dict[str, Any] = {"user_pool_id": POOL, "username": "alice"}
SIGN_OUT = ("AdminUserGlobalSignOut", {"UserPoolId": POOL, "Username": "alice"})
PACKAGES = ("@aws-sdk/client-cognito-identity-provider@3", "aws-jwt-verify@5")
#: How long, in seconds, an installation or a program may take.
PATIENCE = 300

CALLS = """
import * as cognito from "@aws-sdk/client-cognito-identity-provider";

const client = new cognito.CognitoIdentityProviderClient({});
const outcomes = [];
for (const [operation, input] of JSON.parse(process.argv[2])) {
  try {
    const { $metadata, ...output } = await client.send(new cognito[`${operation}Command`](input));
    outcomes.push({ code: null, output, metadata: $metadata });
  } catch (error) {
    outcomes.push({ code: error.name, message: error.message, metadata: error.$metadata });
  }
}
console.log(JSON.stringify(outcomes));
"""

VERIFICATIONS = """
import { CognitoJwtVerifier } from "aws-jwt-verify";

const { jwks, settings, tokens } = JSON.parse(process.argv[2]);
const verifier = CognitoJwtVerifier.create(settings);
verifier.cacheJwks(jwks);
const outcomes = [];
for (const token of tokens) {
  try {
    outcomes.push({ claims: await verifier.verify(token) });
  } catch (error) {
    outcomes.push({ error: error.constructor.name });
  }
}
console.log(JSON.stringify(outcomes));
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm has installed the packages."""
    npm = path_of("npm")
    path_of("node")
    folder = tmp_path_factory.mktemp("npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}", *PACKAGES]
    try:
        subprocess.run(install, cwd=folder, capture_output=True, text=True, check=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm could not install {' and '.join(PACKAGES)}: {error.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install {' and '.join(PACKAGES)} within {PATIENCE} s")
    (folder / "calls.mjs").write_text(CALLS, encoding="utf-8")
    (folder / "verifications.mjs").write_text(VERIFICATIONS, encoding="utf-8")
    return folder


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user in each of two pools."""
    fake = FakeCognito()
    fake.add_user(**ALICE)
    fake.add_user(user_pool_id=OTHER_POOL, username="alice")
    return fake


@pytest.fixture
def call(fake: FakeCognito, packages: Path) -> Iterator[Call]:
    """Calls the fake's server, which the SDK finds by the environment alone."""
    with FakeCognitoServer(fake) as server:
        yield lambda *calls, **variables: run(
            packages / "calls.mjs", calls, {**os.environ, **server.environment, **variables}
        )


def run(program: Path, argument: object, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Runs a program with a JSON argument, and returns the JSON that it prints."""
    command = [path_of("node"), str(program), json.dumps(argument)]
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


# The AWS SDK


def test_a_user_is_signed_out(call: Call, fake: FakeCognito) -> None:
    """Tests of a JavaScript application can't use the fake."""
    tokens = fake.sign_in(**ALICE)
    (outcome,) = call(SIGN_OUT)
    assert (outcome["code"], outcome["metadata"]["httpStatusCode"], outcome["metadata"]["attempts"]) == (None, 200, 1)
    assert outcome["metadata"]["requestId"]
    assert not tokens.refreshable
    fake.assert_signed_out(**ALICE, times=1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"UserPoolId": POOL, "Username": "mallory"}, "UserNotFoundException"),
        ({"UserPoolId": "us-east-1_Other", "Username": "alice"}, "ResourceNotFoundException"),
        ({"UserPoolId": "malformed", "Username": "alice"}, "InvalidParameterException"),
    ],
)
def test_an_unknown_user_or_pool_is_refused(call: Call, arguments: dict[str, str], code: str) -> None:
    """An application's handling of errors can't be tested with the fake."""
    (outcome,) = call(("AdminUserGlobalSignOut", arguments))
    assert (outcome["code"], outcome["metadata"]["httpStatusCode"]) == (code, 400)
    assert outcome["message"]
    assert outcome["metadata"]["requestId"]


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "UnrecognizedClientException"),
        ({"AWS_SESSION_TOKEN": "of another account"}, "UnrecognizedClientException"),
    ],
)
def test_wrong_keys_are_refused(call: Call, fake: FakeCognito, variables: dict[str, str], code: str) -> None:
    """The fake accepts requests that AWS refuses."""
    tokens = fake.sign_in(**ALICE)
    (outcome,) = call(SIGN_OUT, **variables)
    assert (outcome["code"], outcome["metadata"]["httpStatusCode"]) == (code, 400)
    assert tokens.refreshable


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_the_sdk_corrects_its_clock(call: Call, fake: FakeCognito, hours: int) -> None:
    """The refusal or its ``Date`` differs from AWS's, by which the SDK finds out the time."""
    fake.advance(timedelta(hours=hours))
    first, second = call(SIGN_OUT, SIGN_OUT)
    assert (first["code"], first["metadata"]["attempts"]) == (None, 2)
    assert (second["code"], second["metadata"]["attempts"]) == (None, 1)
    assert [request.code for request in fake.requests] == ["InvalidSignatureException", None, None]


def test_the_sdk_retries_when_it_is_throttled(call: Call, fake: FakeCognito) -> None:
    """The SDK does not recognise the fake's throttling."""
    fake.fail("TooManyRequestsException")
    (outcome,) = call(SIGN_OUT)
    assert (outcome["code"], outcome["metadata"]["attempts"]) == (None, 2)


def test_a_refresh_is_refused_after_the_sign_out(call: Call) -> None:
    """A test can't see the sign-out as the user's device does."""
    password = {"USERNAME": "alice", "PASSWORD": "any"}
    (signed_in,) = call(
        ("InitiateAuth", {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": CLIENT, "AuthParameters": password})
    )
    tokens = signed_in["output"]["AuthenticationResult"]
    parameters = {"REFRESH_TOKEN": tokens["RefreshToken"]}
    refresh = ("InitiateAuth", {"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": CLIENT, "AuthParameters": parameters})
    exchange = ("GetTokensFromRefreshToken", {"RefreshToken": tokens["RefreshToken"], "ClientId": CLIENT})
    who = ("GetUser", {"AccessToken": tokens["AccessToken"]})
    before, after = (
        [outcome["code"] for outcome in call(refresh, exchange, who)],
        [outcome["code"] for outcome in call(SIGN_OUT, refresh, exchange, who)],
    )
    assert before == [None] * 3
    assert after == [None, *["NotAuthorizedException"] * 3]


def test_an_off_boarding(call: Call, fake: FakeCognito) -> None:
    """The SDK can't read an output of the fake."""
    alice = {"UserPoolId": POOL, "Username": "alice"}
    fake.add_user(user_pool_id=POOL, username="bob")
    first, described, disabled, signed_out, user, enabled = call(
        ("ListUsers", {"UserPoolId": POOL, "Limit": 1}),
        ("DescribeUserPool", {"UserPoolId": POOL}),
        ("AdminDisableUser", alice),
        ("AdminUserGlobalSignOut", alice),
        ("AdminGetUser", alice),
        ("AdminEnableUser", alice),
    )
    assert [user["Username"] for user in first["output"]["Users"]] == ["alice"]
    assert first["output"]["Users"][0]["UserCreateDate"].startswith(str(fake.now.year))
    (second,) = call(
        ("ListUsers", {"UserPoolId": POOL, "Limit": 1, "PaginationToken": first["output"]["PaginationToken"]})
    )
    assert [user["Username"] for user in second["output"]["Users"]] == ["bob"]
    assert "PaginationToken" not in second["output"]
    assert described["output"]["UserPool"]["Id"] == POOL
    assert user["output"]["Enabled"] is False
    assert [disabled["code"], signed_out["code"], enabled["code"]] == [None] * 3


# aws-jwt-verify


def verdicts(packages: Path, fake: FakeCognito, use: str, *tokens: str) -> list[str]:
    """What the verifier of an application says about tokens: the user that it accepts, or the error."""
    settings = {"userPoolId": POOL, "tokenUse": use, "clientId": CLIENT}
    outcomes = run(packages / "verifications.mjs", {"jwks": fake.jwks(POOL), "settings": settings, "tokens": tokens})
    name = {"access": "username", "id": "cognito:username"}[use]
    return [outcome["error"] if "error" in outcome else str(outcome["claims"][name]) for outcome in outcomes]


@pytest.mark.parametrize("use", ["access", "id"])
def test_the_verifier_accepts_valid_tokens_alone(packages: Path, fake: FakeCognito, use: str) -> None:
    """An application that verifies tokens can't be tested with the fake's."""
    valid = fake.sign_in(**ALICE, client_id=CLIENT)
    fake.client().sign_out(**ALICE)  # offline, a token is accepted until it expires
    tokens = {
        "valid": valid,
        "expired": fake.sign_in(**ALICE, client_id=CLIENT, validity=timedelta(seconds=-60)),
        "of another pool": fake.sign_in(user_pool_id=OTHER_POOL, username="alice", client_id=CLIENT),
        "of another client": fake.sign_in(**ALICE, client_id="2example23456789"),
    }
    texts = {kind: str(getattr(issued, f"{use}_token")) for kind, issued in tokens.items()}
    texts["of the other use"] = valid.id_token if use == "access" else valid.access_token
    texts["changed"] = texts["valid"][:-8] + "AAAAAAAA"
    assert dict(zip(texts, verdicts(packages, fake, use, *texts.values()), strict=True)) == {
        "valid": "alice",
        "expired": "JwtExpiredError",
        "of another pool": "ParameterValidationError",  # it knows no verifier for the issuer
        "of another client": "CognitoJwtInvalidClientIdError",
        "of the other use": "CognitoJwtInvalidTokenUseError",
        "changed": "JwtInvalidSignatureError",
    }
