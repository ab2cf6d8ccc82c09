"""The fake refuses each kind of wrong request with AWS's error code."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from cognito_signout._call.protocol import CONTENT_TYPE, TARGET
from cognito_signout._call.signature import authorization
from cognito_signout.testing import FakeCognito
from cognito_signout.transports import HttpRequest, HttpResponse

NOW = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
HOST = "cognito-idp.us-east-1.amazonaws.com"
ALICE = {"UserPoolId": "us-east-1_A", "Username": "alice"}


def send(fake: FakeCognito, body: bytes, *, header: str | None = None, **changes: str) -> dict[str, Any]:
    """The fake's response to a signed request. ``changes`` change its headers; underscores become hyphens."""
    signed = {
        "content-type": CONTENT_TYPE,
        "host": HOST,
        "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", NOW.timetuple()),
        "x-amz-target": TARGET,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    if header is None:
        header = authorization(
            access_key=fake.access_key,
            secret_key=fake.secret_key,
            region="us-east-1",
            path="/",
            headers=signed,
            body=body,
        )
    response = fake.exchange(HttpRequest("POST", f"https://{HOST}/", {**signed, "authorization": header}, body))
    assert isinstance(response, HttpResponse)
    document: dict[str, Any] = json.loads(response.body)
    assert (response.status == 200) is (document == {})
    return document


@pytest.fixture
def fake() -> FakeCognito:
    """A fake with a user."""
    fake = FakeCognito(now=NOW)
    fake.add_user(user_pool_id="us-east-1_A", username="alice")
    return fake


def test_a_valid_request_succeeds(fake: FakeCognito) -> None:
    """All requests of this module are refused for a reason that the tests don't expect."""
    assert send(fake, json.dumps(ALICE).encode()) == {}
    fake.assert_signed_out(user_pool_id="us-east-1_A", username="alice", times=1)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "SerializationException", ""),
        (b"[]", "SerializationException", ""),
        (b"{", "SerializationException", ""),
        (b"\xff", "SerializationException", ""),
        (b"{}", "InvalidParameterException", "Value at 'userPoolId' failed .*: Member must not be null"),
        ({**ALICE, "Username": None}, "InvalidParameterException", "'username' failed .*: Member must not be null"),
        ({**ALICE, "Username": 7}, "SerializationException", ""),
        ({**ALICE, "Username": ""}, "InvalidParameterException", "Value at 'username' .* greater than or equal to 1"),
        ({**ALICE, "Username": "x" * 129}, "InvalidParameterException", "Value at 'username' .* or equal to 128"),
        ({**ALICE, "Username": "a b"}, "InvalidParameterException", r"'username' .* pattern: \[\\p\{L\}"),
        ({**ALICE, "UserPoolId": "a" * 56}, "InvalidParameterException", "'userPoolId' .* or equal to 55"),
        ({**ALICE, "UserPoolId": "nowhere"}, "InvalidParameterException", "Value 'nowhere' at 'userPoolId' .* pattern"),
    ],
)
def test_an_invalid_body_is_refused(fake: FakeCognito, body: bytes | dict[str, Any], code: str, message: str) -> None:
    """A body that AWS refuses is accepted, or the message shows the username."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    document = send(fake, raw)
    assert document["__type"] == code
    assert re.search(message, document["message"])
    fake.assert_signed_out(user_pool_id="us-east-1_A", username="alice", times=0)


SIGNED = "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + "0" * 64


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"x_amz_date": "20250101T115501Z"}, None),
        ({"x_amz_date": "20250101T115459Z"}, "InvalidSignatureException"),
        ({"x_amz_date": "20250101T120459Z"}, None),
        ({"x_amz_date": "20250101T120501Z"}, "InvalidSignatureException"),
        ({"x_amz_date": "20251301T120000Z"}, "IncompleteSignatureException"),
        ({"x_amz_date": "yesterday"}, "IncompleteSignatureException"),
        ({"x_amz_target": TARGET.replace("Admin", "")}, "UnknownOperationException"),
        ({"x_amz_target": TARGET.partition(".")[2]}, "UnknownOperationException"),
        ({"content_type": "application/json"}, "UnknownOperationException"),
        ({"header": ""}, "MissingAuthenticationTokenException"),
        ({"header": "AWS4-HMAC-SHA256 Credential=x"}, "IncompleteSignatureException"),
        (
            {"header": f"AWS4-HMAC-SHA256 Credential=KEY/20250101/us-east-1/s3/aws4_request, {SIGNED}"},
            "InvalidSignatureException",
        ),
        (
            {"header": f"AWS4-HMAC-SHA256 Credential=KEY/20241231/us-east-1/cognito-idp/aws4_request, {SIGNED}"},
            "InvalidSignatureException",
        ),
        (
            {"header": f"AWS4-HMAC-SHA256 Credential=KEY/20250101/us-east-1/cognito-idp/aws4_request, {SIGNED}"},
            "InvalidSignatureException",
        ),
    ],
)
def test_wrong_headers_are_refused(fake: FakeCognito, changes: dict[str, str], code: str | None) -> None:
    """The tests of a wrong signer pass on the fake."""
    changes = {name: value.replace("=KEY/", f"={fake.access_key}/") for name, value in changes.items()}
    document = send(fake, json.dumps(ALICE).encode(), **changes)
    assert document.get("__type") == code
