"""Requests follow the service model that ships with botocore, and every response becomes a result or an error."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import botocore.loaders
import botocore.model
import botocore.retries.standard
import botocore.serialize
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout import errors
from cognito_signout._call import protocol
from cognito_signout.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    InternalServiceError,
    InvalidParameterError,
    InvalidResponseError,
    NotAuthorizedError,
    OperationNotEnabledError,
    ResourceNotFoundError,
    ServiceError,
    SignOutConnectionError,
    SignOutError,
    SignOutTimeoutError,
    TooManyRequestsError,
    UnknownServiceError,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout.models import SignOutResult
from cognito_signout.transports import MAX_BODY, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_signout.models import SignOutOutcome

POOL = "us-east-1_Ab129faBb"
NOW = 1735689600.75  # 2025-01-01T00:00:00.75Z
DATE = "Thu, 02 Jan 2025 03:04:05 GMT"

LOADER = botocore.loaders.create_loader()
MODEL = botocore.model.ServiceModel(LOADER.load_service_model("cognito-idp", "service-2"))
OPERATION: Any = MODEL.operation_model("AdminUserGlobalSignOut")


def read(status: int, body: bytes | str | object, headers: Mapping[str, str], *, now: float = NOW) -> SignOutOutcome:
    """The outcome of a response. Underscores in the names of headers become hyphens."""
    if isinstance(body, str):
        body = body.encode()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)
    return protocol.read_response(
        response, user_pool_id=POOL, username="alice", attempts=1, invocation_id="invocation", now=now
    )


def error(status: int, body: bytes | str | object = b"", **headers: str) -> SignOutError:
    """The error that a response means."""
    outcome = read(status, body, headers)
    assert isinstance(outcome, SignOutError)
    return outcome


def result(status: int = 200, body: bytes | str | object = b"{}", **headers: str) -> SignOutResult:
    """The result that a response means."""
    outcome = read(status, body, headers)
    assert isinstance(outcome, SignOutResult)
    return outcome


def test_the_request_follows_the_service_model() -> None:
    """The service does not know the operation."""
    metadata = MODEL.metadata
    assert metadata["protocol"] == "json"
    assert f"{metadata['targetPrefix']}.{OPERATION.name}" == protocol.TARGET
    assert f"application/x-amz-json-{metadata['jsonVersion']}" == protocol.CONTENT_TYPE
    assert OPERATION.http["method"] == "POST"
    assert OPERATION.http["requestUri"] == "/"


def test_the_constraints_follow_the_service_model() -> None:
    """The library refuses what the service accepts, or sends what the service refuses."""
    shape = OPERATION.input_shape
    assert sorted(shape.members) == sorted(shape.required_members) == ["UserPoolId", "Username"]
    pool, user = shape.members["UserPoolId"].metadata, shape.members["Username"].metadata
    assert (pool["min"], pool["max"], pool["pattern"]) == (
        1,
        protocol.MAX_USER_POOL_ID,
        protocol.USER_POOL_ID.pattern,
    )
    assert (user["min"], user["max"]) == (1, protocol.MAX_USERNAME)
    assert set(re.findall(r"\\p\{(\w)\}", user["pattern"])) == protocol.USERNAME_CATEGORIES
    assert user["sensitive"] is True


usernames = st.text(st.characters(categories=["L", "M", "S", "N", "P"]), min_size=1, max_size=128)


@given(user_pool_id=st.from_regex(r"[a-zA-Z0-9_-]{1,20}_[0-9a-zA-Z]{1,30}", fullmatch=True), username=usernames)
@example(user_pool_id=POOL, username="alice")
@example(user_pool_id=POOL, username='"\\/\x7f'[:3])
@example(user_pool_id=POOL, username="\U0001f600é")
@settings(deadline=None)
def test_the_body_is_the_one_that_boto3_sends(user_pool_id: str, username: str) -> None:
    """The body differs from boto3's, and some names arrive changed."""
    protocol.check_arguments(user_pool_id, username)
    serializer = botocore.serialize.create_serializer("json")
    request = serializer.serialize_to_request({"UserPoolId": user_pool_id, "Username": username}, OPERATION)
    assert protocol.encode_body(user_pool_id, username) == request["body"]


@pytest.mark.parametrize(
    "user_pool_id",
    ["us-east-1_Ab129faBb", "us-gov-west-1_0", "local_a", "__a", "-_A", "a_b_C", "a" * 53 + "_b"],
)
def test_a_valid_pool_id_is_accepted(user_pool_id: str) -> None:
    """Users of a real pool, or of an emulator's, can't be signed out."""
    protocol.check_arguments(user_pool_id, "alice")


@pytest.mark.parametrize(
    "user_pool_id",
    [
        "",
        "us-east-1",
        "_Ab",
        "us-east-1_",
        "us-east-1_Ab!",
        "us-east-1_Ab\n",
        "us-east-1_Aé",
        "é_A",
        "us-east-1_Ab/../x",
        "us.east_A",
        " us-east-1_Ab",
        "a" * 54 + "_b",
        None,
        17,
        b"us-east-1_Ab",
    ],
)
def test_an_invalid_pool_id_is_refused(user_pool_id: Any) -> None:
    """A request is sent that the service must refuse, or a region is read from nonsense."""
    with pytest.raises(ValidationError, match="user_pool_id") as caught:
        protocol.check_arguments(user_pool_id, "alice")
    assert type(caught.value) is ValidationError


@pytest.mark.parametrize(
    "username",
    [
        "a",
        "alice",
        "alice@example.com",
        "+15551234567",
        "é",
        "e\u0301",
        "名前",
        "😀",
        "$€",
        "½",
        "_",
        "x" * 128,
        "\u0378",
    ],
)
def test_a_valid_username_is_accepted(username: str) -> None:
    """Users with letters of some languages, or with new emoji (U+0378 is not assigned yet), can't be signed out."""
    protocol.check_arguments(POOL, username)


@pytest.mark.parametrize(
    "username",
    [
        "",
        "x" * 129,
        "a b",
        " ",
        "a\n",
        "\t",
        "\x00",
        "\u00a0",
        "\u200b",
        "\u2028",
        "\ue000",
        "\ud800",
        None,
        17,
        b"alice",
    ],
)
def test_an_invalid_username_is_refused(username: Any) -> None:
    """A request is sent that the service must refuse."""
    with pytest.raises(ValidationError, match="username") as caught:
        protocol.check_arguments(POOL, username)
    assert type(caught.value) is ValidationError


@pytest.mark.parametrize(
    ("user_pool_id", "username", "words"),
    [
        (17, "alice", "not int"),
        ("a" * 54 + "_b", "alice", "not 56"),
        (POOL, b"alice", "not bytes"),
        (POOL, "x" * 129, "not 129"),
        (POOL, "ab c", "character 3 is SPACE"),
        (POOL, "\ue000", "character 1 is U+E000"),
    ],
)
def test_a_refusal_says_what_is_wrong(user_pool_id: Any, username: Any, words: str) -> None:
    """The error does not name the character that can't be seen."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        protocol.check_arguments(user_pool_id, username)


@given(username=st.text(max_size=140))
@settings(deadline=None)
def test_usernames_are_checked_by_unicode_categories(username: str) -> None:
    """The library reads the model's pattern differently than the service."""
    categories = {unicodedata.category(character) for character in username}
    if 1 <= len(username) <= 128 and all(category[0] in "LMSNP" or category == "Cn" for category in categories):
        protocol.check_arguments(POOL, username)
    else:
        with pytest.raises(ValidationError):
            protocol.check_arguments(POOL, username)


AWS_JSON = "application/x-amz-json-1.1"
#: The status, the body and the headers of responses that confirm a sign-out.
CONFIRMATIONS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "an empty object": (200, b"{}", {}),
    "an empty object with white space": (200, b" {\n} ", {}),
    "an object from AWS with members of the future": (200, b'{"RevokedAt": 1}', {"Content-Type": AWS_JSON}),
    "a charset": (200, b'{"RevokedAt": 1}', {"Content-Type": "Application/X-Amz-JSON-1.1 ; charset=utf-8"}),
    "nothing, from AWS": (200, b"", {"Content-Type": AWS_JSON, "Content-Length": "0"}),
    "nothing, with a request id": (200, b"", {"Content-Length": "0", "x-amzn-RequestId": "request"}),
    "nothing, in chunks": (200, b"", {"Transfer-Encoding": "chunked", "x-amzn-RequestId": "request"}),
    "the envelope": (200, b'{"success": true}', {}),
    "the envelope under 201": (201, b'{"success": true, "data": null}', {}),
    "the envelope under 299": (299, b'{"success": true, "data": {}}', {"Content-Type": "application/json"}),
}


@pytest.mark.parametrize(("status", "body", "headers"), CONFIRMATIONS.values(), ids=CONFIRMATIONS)
def test_a_confirmed_sign_out_is_a_result(status: int, body: bytes, headers: dict[str, str]) -> None:
    """A user who was signed out is reported as not signed out."""
    outcome = result(status, body, date=DATE, **{"x-amzn-RequestId": "request", **headers})
    assert outcome == SignOutResult(
        id="request",
        created_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        user_pool_id=POOL,
        username="alice",
        attempts=1,
    )


#: Responses that look like a confirmation, and are none.
FALSE_CONFIRMATIONS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "nginx's return 204": (204, b"", {}),
    "204 from AWS": (204, b"", {"Content-Type": AWS_JSON, "x-amzn-RequestId": "1"}),
    "202 with an empty object": (202, b"{}", {"Content-Type": AWS_JSON}),
    "201 with an empty object": (201, b"{}", {}),
    "nginx's return 200 ''": (200, b"", {"Content-Length": "0", "Content-Type": "text/plain"}),
    "an empty 200 of a portal": (200, b"", {"Content-Length": "0"}),
    "an empty 200 whose end is not framed": (200, b"", {"Content-Type": AWS_JSON, "x-amzn-RequestId": "1"}),
    "an empty 200 with another length": (200, b"", {"Content-Length": "00", "Content-Type": AWS_JSON}),
    "an object of another service": (200, b'{"status": "ok"}', {"Content-Type": "application/json"}),
    "an object of AWS's older protocol": (200, b'{"status": "ok"}', {"Content-Type": "application/x-amz-json-1.0"}),
    "an error's type": (200, b'{"__type": "UserNotFoundException"}', {"Content-Type": AWS_JSON}),
    "an error": (200, b'{"error": {"code": "A"}}', {"Content-Type": AWS_JSON}),
    "success in words": (200, b'{"success": "true"}', {"Content-Type": AWS_JSON}),
    "success and an error": (200, b'{"success": true, "error": {}}', {"Content-Type": AWS_JSON}),
    "success and an error's type": (200, b'{"success": true, "__type": "A"}', {"Content-Type": AWS_JSON}),
    "a list from AWS": (200, b"[]", {"Content-Type": AWS_JSON}),
    "nothing that is JSON from AWS": (200, b"OK", {"Content-Type": AWS_JSON}),
}


@pytest.mark.parametrize(("status", "body", "headers"), FALSE_CONFIRMATIONS.values(), ids=FALSE_CONFIRMATIONS)
def test_a_response_that_confirms_nothing_is_not_a_sign_out(status: int, body: bytes, headers: dict[str, str]) -> None:
    """A user is reported as signed out, although the service did not sign the user out."""
    outcome = error(status, body, **headers)
    assert type(outcome) is InvalidResponseError
    assert outcome.http_status == status
    assert not outcome.retryable


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"\r\n",
        b"null",
        b"[]",
        b"[{}]",
        b"0",
        b"true",
        b'""',
        b'"success"',
        b"{",
        b"{} {}",
        b'{"success": "true"}',
        b'{"success": 1}',
        b'{"success": null}',
        b'{"Success": true}',
        b'{"data": {"id": "1"}}',
        b'{"message": "OK"}',
        b'{"__type": "UserNotFoundException"}',
        b'{"error": {"code": "USER_NOT_FOUND"}}',
        b'{"success": true, "error": {"code": "USER_NOT_FOUND"}}',
        b"<html><body>Sign in to the guest network</body></html>",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"[" * 100_000,
        b'{"success": true, "data": ' + b"9" * 10_000 + b"}",
        b" " * MAX_BODY,
        b"{}" + b" " * (MAX_BODY - 1),
        b'{"success": true}' + b" " * MAX_BODY,
    ],
    # pytest escapes backslashes again when it runs twice in one process, as mutmut does.
    ids=lambda body: repr(body[:20]).replace("\\", ""),
)
def test_any_other_2xx_response_is_no_sign_out(body: bytes) -> None:
    """The page of a captive portal or a proxy counts as a sign-out."""
    outcome = error(200, body, content_type="text/html", x_amzn_requestid="request")
    assert type(outcome) is InvalidResponseError
    assert (outcome.code, outcome.http_status, outcome.request_id) == ("INVALID_RESPONSE", 200, "request")
    assert (outcome.aws_code, outcome.retryable) == (None, False)
    assert "1 MiB" in outcome.message if len(body) > MAX_BODY else "text/html" in outcome.message


def test_a_body_of_1_mib_is_read() -> None:
    """The limit differs from the documented one."""
    assert result(200, b"{}" + b" " * (MAX_BODY - 2)).id == "invocation"


def test_the_message_says_that_the_content_type_is_missing() -> None:
    """The message has a gap in place of the content type."""
    assert "no content type" in error(200, "hello").message


def test_the_message_names_an_encoding_that_was_not_requested() -> None:
    """The content type looks right, and the message does not say why the response was refused."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "Content-Encoding": "gzip"}
    outcome = error(200, b"\x1f\x8b", **headers)
    assert "(HTTP 200, application/x-amz-json-1.1, gzip)" in outcome.message


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"success": true}', b"<html>"])
def test_a_redirect_is_never_a_sign_out(status: int, body: bytes) -> None:
    """A login page of a proxy counts as the service."""
    outcome = error(status, body, location="https://login.example/")
    assert type(outcome) is InvalidResponseError
    assert "redirect" in outcome.message
    assert outcome.http_status == status
    assert not outcome.retryable


@pytest.mark.parametrize(
    ("data", "headers", "id"),
    [
        ({"id": "envelope"}, {"x_amzn_requestid": "request"}, "envelope"),
        ({"id": ""}, {"x_amzn_requestid": "request"}, "request"),
        ({"id": 17}, {"x_amzn_requestid": "request"}, "request"),
        ({}, {"x_amzn_requestid": "request"}, "request"),
        (None, {"X_Amzn_RequestId": "request"}, "request"),
        ([], {}, "invocation"),
        ({"id": None}, {"x_amzn_requestid": ""}, "invocation"),
    ],
)
def test_the_id_is_the_services_if_there_is_one(data: Any, headers: dict[str, str], id: str) -> None:  # noqa: A002
    """AWS support can't find the request by the logged ID."""
    assert result(200, {"success": True, "data": data}, **headers).id == id


@pytest.mark.parametrize(
    ("data", "date", "created_at"),
    [
        ("2025-02-03T04:05:06Z", DATE, "2025-02-03T04:05:06+00:00"),
        ("2025-02-03T04:05:06z", DATE, "2025-02-03T04:05:06+00:00"),
        ("2025-02-03T04:05:06.250Z", DATE, "2025-02-03T04:05:06.250000+00:00"),
        ("2025-02-03T04:05:06+02:00", DATE, "2025-02-03T02:05:06+00:00"),
        ("2025-02-03T04:05:06", DATE, "2025-02-03T04:05:06+00:00"),
        ("0001-01-01T00:00:00+14:00", DATE, "2025-01-02T03:04:05+00:00"),
        ("9999-12-31T23:59:59-14:00", DATE, "2025-01-02T03:04:05+00:00"),
        ("yesterday", DATE, "2025-01-02T03:04:05+00:00"),
        ("Z", DATE, "2025-01-02T03:04:05+00:00"),
        ("2025-02-30T00:00:00Z", DATE, "2025-01-02T03:04:05+00:00"),
        ("\ud800", DATE, "2025-01-02T03:04:05+00:00"),
        (1735689600, DATE, "2025-01-02T03:04:05+00:00"),
        (None, DATE, "2025-01-02T03:04:05+00:00"),
        (None, "Sat, 29 Feb 2020 23:59:59 GMT", "2020-02-29T23:59:59+00:00"),
        (None, "", "2025-01-01T00:00:00+00:00"),
        (None, "Wed, 30 Feb 2025 00:00:00 GMT", "2025-01-01T00:00:00+00:00"),
        (None, "Thu, 02 Jan 2025 03:04:60 GMT", "2025-01-01T00:00:00+00:00"),
        (None, "Thu, 02 Foo 2025 03:04:05 GMT", "2025-01-01T00:00:00+00:00"),
        (None, "Thu, 02 Jan 2025 03:04:05 CET", "2025-01-01T00:00:00+00:00"),
        (None, "Thu, 02 Jan 2025 03:04:05 GMT, Thu, 02 Jan 2025 03:04:05 GMT", "2025-01-01T00:00:00+00:00"),
        (None, "2025-01-02T03:04:05Z", "2025-01-01T00:00:00+00:00"),
        (None, "0", "2025-01-01T00:00:00+00:00"),
    ],
)
def test_the_time_is_the_services_if_there_is_one(data: Any, date: str, created_at: str) -> None:
    """Tokens are compared with the wrong time, or a malformed date fails the call."""
    outcome = result(200, {"success": True, "data": {"created_at": data}}, date=date)
    assert outcome.created_at.isoformat() == created_at


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="a system whose time zone can't be set for a process")
@pytest.mark.parametrize("text", ["2025-02-03T04:05:06", "2025-02-03T06:05:06+02:00"])
def test_the_time_is_in_utc_wherever_the_machine_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is not in UTC, a sign-out is hours off."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-5:30")
        time.tzset()
        outcome = result(200, {"success": True, "data": {"created_at": text}})
    time.tzset()
    assert outcome.created_at.isoformat() == "2025-02-03T04:05:06+00:00"


@pytest.mark.parametrize(
    ("header", "identifier"),
    [
        ({}, None),
        ({"X-Amzn-RequestId": ""}, None),
        ({"x-amzn-requestid": "3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55"}, "3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55"),
        ({"X-Amzn-RequestId": "alice@example.com"}, None),
        ({"X-Amzn-RequestId": "3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55 alice"}, None),
    ],
)
def test_only_an_id_in_the_form_of_aws_is_logged(header: dict[str, str], identifier: str | None) -> None:
    """A server can put a username into the logs."""
    assert protocol.request_uuid(HttpResponse(200, header)) == identifier


def test_without_a_date_the_time_is_the_given_one_in_whole_seconds() -> None:
    """The result is later than the service's second, and so refuses tokens issued after it."""
    assert result().created_at.isoformat() == "2025-01-01T00:00:00+00:00"


def test_a_clock_beyond_the_calendar_does_not_break_a_result() -> None:
    """A clock that was corrected by a nonsensical date fails calls with an untyped error."""
    outcome = read(200, b"{}", {}, now=253402300800.5)
    assert isinstance(outcome, SignOutResult)
    assert outcome.created_at.year == 9999


BY_CODE = [
    ("InvalidParameterException", InvalidParameterError, "VALIDATION_ERROR"),
    ("ValidationException", InvalidParameterError, "VALIDATION_ERROR"),
    ("ValidationError", InvalidParameterError, "VALIDATION_ERROR"),
    ("SerializationException", InvalidParameterError, "VALIDATION_ERROR"),
    ("UserNotFoundException", UserNotFoundError, "USER_NOT_FOUND"),
    ("ResourceNotFoundException", ResourceNotFoundError, "RESOURCE_NOT_FOUND"),
    ("NotAuthorizedException", NotAuthorizedError, "NOT_AUTHORIZED"),
    ("ForbiddenException", NotAuthorizedError, "NOT_AUTHORIZED"),
    ("AccessDeniedException", AccessDeniedError, "ACCESS_DENIED"),
    ("AccessDenied", AccessDeniedError, "ACCESS_DENIED"),
    ("OptInRequired", AccessDeniedError, "ACCESS_DENIED"),
    ("UnrecognizedClientException", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("InvalidSignatureException", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("SignatureDoesNotMatch", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("IncompleteSignature", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("MissingAuthenticationToken", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("InvalidClientTokenId", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("ExpiredToken", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("ExpiredTokenException", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("RequestExpired", AuthenticationError, "AUTHENTICATION_FAILED"),
    ("TooManyRequestsException", TooManyRequestsError, "TOO_MANY_REQUESTS"),
    ("ThrottlingException", TooManyRequestsError, "TOO_MANY_REQUESTS"),
    ("OperationNotEnabledException", OperationNotEnabledError, "OPERATION_NOT_ENABLED"),
    ("InternalErrorException", InternalServiceError, "INTERNAL_ERROR"),
    ("InternalFailure", InternalServiceError, "INTERNAL_ERROR"),
    ("ServiceUnavailable", InternalServiceError, "INTERNAL_ERROR"),
    ("ServiceUnavailableException", InternalServiceError, "INTERNAL_ERROR"),
    ("PasswordResetRequiredException", UnknownServiceError, "PasswordResetRequiredException"),
]


@pytest.mark.parametrize(("aws_code", "cls", "code"), BY_CODE)
def test_a_code_of_the_service_is_its_class(aws_code: str, cls: type[ServiceError], code: str) -> None:
    """``except UserNotFoundError`` misses the service's error."""
    outcome = error(400, {"__type": aws_code, "message": "Because."}, x_amzn_requestid="request")
    assert type(outcome) is cls
    assert (outcome.code, outcome.aws_code, outcome.message) == (code, aws_code, "Because.")
    assert (outcome.http_status, outcome.request_id) == (400, "request")
    assert (outcome.user_pool_id, outcome.username, outcome.attempts) == (POOL, "alice", 1)


def test_every_error_of_the_service_model_has_a_class_of_its_own() -> None:
    """A documented error of this operation is an UnknownServiceError."""
    modelled = {shape.name for shape in OPERATION.error_shapes}
    assert modelled - {"OperationNotEnabledException"} == {
        "InternalErrorException",
        "InvalidParameterException",
        "NotAuthorizedException",
        "ResourceNotFoundException",
        "TooManyRequestsException",
        "UserNotFoundException",
    }
    classes = {type(error(400, {"__type": name})) for name in modelled}
    assert len(classes) == len(modelled)
    assert UnknownServiceError not in classes


def test_every_throttling_code_that_botocore_knows_is_a_throttle() -> None:
    """A throttle fails the call, where boto3 retries."""
    checker = botocore.retries.standard.ThrottledRetryableChecker
    policies = json.dumps(LOADER.load_data("_retry")["definitions"])
    known = {*checker._THROTTLED_ERROR_CODES, *re.findall(r'"service_error_code": "(\w*Thr\w+)"', policies)}
    assert known <= errors.THROTTLING_CODES
    for code in errors.THROTTLING_CODES:
        outcome = error(400, {"__type": code})
        assert type(outcome) is TooManyRequestsError
        assert outcome.retryable


def test_botocores_transient_errors_are_retryable() -> None:
    """A call fails where boto3 retries."""
    checker = botocore.retries.standard.TransientRetryableChecker
    assert set(checker._TRANSIENT_STATUS_CODES) == protocol.TRANSIENT_STATUSES
    for status in checker._TRANSIENT_STATUS_CODES:
        assert error(status).retryable
    for code in checker._TRANSIENT_ERROR_CODES:
        assert error(400, {"__type": code}).retryable


@pytest.mark.parametrize(
    ("status", "body", "retryable"),
    [
        (400, {"__type": "InternalErrorException"}, True),
        (400, {"__type": "RequestTimeout"}, True),
        (400, {"__type": "RequestTimeoutException"}, True),
        (400, {"__type": "PriorRequestNotComplete"}, True),
        (400, {"__type": "TooManyRequestsException"}, True),
        (429, {"__type": "SomethingNew"}, True),
        (500, {"__type": "SomethingNew"}, True),
        (503, b"<html>", True),
        (200, {"success": False, "error": {"code": "TOO_MANY_REQUESTS"}}, True),
        (200, {"success": False, "error": {"code": "INTERNAL_ERROR"}}, True),
        (200, {"success": False, "error": {"code": "TIMEOUT"}}, True),
        (400, {"__type": "UserNotFoundException"}, False),
        (400, {"__type": "ServiceUnavailable"}, False),
        (403, b"<html>", False),
        (408, b"", False),
        (501, b"", False),
        (505, b"", False),
        (509, b"", False),
        (200, {"success": False, "error": {"code": "USER_NOT_FOUND"}}, False),
    ],
)
def test_temporary_errors_are_retryable(status: int, body: Any, retryable: bool) -> None:
    """A call that could succeed is not retried, or one that can't is retried."""
    assert error(status, body).retryable is retryable


NAMED = "UserNotFoundException"


@pytest.mark.parametrize(
    "spelled",
    [
        NAMED,
        f"com.amazonaws.cognito#{NAMED}",
        f"{NAMED}:http://internal.amazon.com/coral/com.amazon.coral.service/",
        f"com.amazonaws.cognito#{NAMED}:http://internal.amazon.com/#fragment",
        f"{NAMED}:",
        f"#{NAMED}",
        f"a#b#{NAMED}",
        f" {NAMED} ",
    ],
)
@pytest.mark.parametrize(
    "place", ["x-amzn-errortype", "X-Amzn-ErrorType", "__type", "code", "error.code", "success false"]
)
def test_a_code_is_found_in_every_place_and_spelling(place: str, spelled: str) -> None:
    """An error is unknown because a proxy or an emulator puts its code in another place."""
    headers = {place: spelled} if place.lower() == "x-amzn-errortype" else {}
    body: dict[str, Any] = {"message": "No."}
    if place in ("__type", "code"):
        body[place] = spelled
    elif not headers:
        body["error"] = {"code": spelled}
    if place == "success false":
        body["success"] = False
    outcome = error(400, body, **headers)
    assert type(outcome) is UserNotFoundError
    assert outcome.aws_code == NAMED


@pytest.mark.parametrize(
    ("header", "body", "aws_code"),
    [
        ("A", {"__type": "B", "code": "C", "error": {"code": "D"}}, "A"),
        (None, {"__type": "B", "code": "C", "error": {"code": "D"}}, "B"),
        (None, {"code": "C", "error": {"code": "D"}}, "C"),
        (None, {"error": {"code": "D"}}, "D"),
        ("", {"__type": "B"}, "B"),
        (":http://a", {"__type": "B"}, "B"),
        ("a#", {"__type": "B"}, "B"),
        (" ", {"__type": "B"}, "B"),
        (None, {"__type": None, "code": 404, "error": {"code": "D"}}, "D"),
        (None, {"__type": ["B"], "error": "D"}, None),
        (None, {"error": ["D"]}, None),
        (None, {"Code": "C", "type": "B"}, None),
    ],
)
def test_the_first_place_with_a_code_decides(header: str | None, body: Any, aws_code: str | None) -> None:
    """With two codes in one response, the error depends on chance."""
    headers = {} if header is None else {"x_amzn_errortype": header}
    outcome = error(400, body, **headers)
    assert type(outcome) is UnknownServiceError
    assert outcome.aws_code == aws_code
    assert outcome.code == (aws_code or "UNKNOWN")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "a", "Message": "b", "error": {"message": "c"}}, "a"),
        ({"message": "", "Message": "b", "error": {"message": "c"}}, "b"),
        ({"message": 1, "Message": None, "error": {"message": "c"}}, "c"),
        ({"message": "User alice\n does not exist. "}, "User alice\n does not exist. "),
        ({"__type": "A"}, "the service answered A (HTTP 400) and gave no message"),
        ({}, "the service answered without an error code (HTTP 400) and gave no message"),
    ],
)
def test_the_message_is_the_services(body: Any, message: str) -> None:
    """The error does not say what the service said."""
    refused = error(400, body)
    assert refused.message == message.replace("alice", "***")
    assert refused.service_message == (None if "gave no message" in message else message)


def test_the_reason_of_an_invalid_parameter_is_kept() -> None:
    """The only machine-readable detail of this error is lost."""
    body = {"__type": "InvalidParameterException", "message": "No.", "reasonCode": "1 validation error detected"}
    assert error(400, body).reason_code == "1 validation error detected"
    assert error(400, {**body, "reasonCode": 17}).reason_code is None


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (100, UnknownServiceError),
        (199, UnknownServiceError),
        (400, UnknownServiceError),
        (403, UnknownServiceError),
        (404, UnknownServiceError),
        (407, UnknownServiceError),
        (429, TooManyRequestsError),
        (499, UnknownServiceError),
        (500, InternalServiceError),
        (502, InternalServiceError),
        (503, InternalServiceError),
        (504, InternalServiceError),
        (599, InternalServiceError),
        (999, InternalServiceError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"<html>Forbidden</html>",
        b"\xff",
        b'{"success": true}',
        b"{" * 100_000,
        b" " * (MAX_BODY + 1),
    ],
    ids=lambda body: repr(body[:9]).replace("\\", ""),
)
def test_without_a_code_the_status_decides(status: int, cls: type[ServiceError], body: bytes) -> None:
    """A proxy's page counts as an answer of the service, or as a sign-out."""
    outcome = error(status, body)
    assert type(outcome) is cls
    assert (outcome.http_status, outcome.aws_code) == (status, None)
    assert str(status) in outcome.message


ENVELOPE_CODES = [
    ("VALIDATION_ERROR", InvalidParameterError),
    ("CREDENTIALS_ERROR", CredentialsError),
    ("CONFIGURATION_ERROR", ConfigurationError),
    ("CONNECTION_ERROR", SignOutConnectionError),
    ("TIMEOUT", SignOutTimeoutError),
    ("INVALID_RESPONSE", InvalidResponseError),
    ("USER_NOT_FOUND", UserNotFoundError),
    ("RESOURCE_NOT_FOUND", ResourceNotFoundError),
    ("NOT_AUTHORIZED", NotAuthorizedError),
    ("ACCESS_DENIED", AccessDeniedError),
    ("AUTHENTICATION_FAILED", AuthenticationError),
    ("TOO_MANY_REQUESTS", TooManyRequestsError),
    ("OPERATION_NOT_ENABLED", OperationNotEnabledError),
    ("INTERNAL_ERROR", InternalServiceError),
    ("QUOTA_OF_TOMORROW", UnknownServiceError),
    ("UNKNOWN", UnknownServiceError),
]


@pytest.mark.parametrize("status", [200, 204, 302, 400])
@pytest.mark.parametrize(("code", "cls"), ENVELOPE_CODES)
def test_an_error_envelope_becomes_the_error_that_it_names(status: int, code: str, cls: type[SignOutError]) -> None:
    """A failed sign-out counts as a sign-out, or as another failure."""
    outcome = error(status, {"success": False, "error": {"code": code, "message": "Invalid request parameters"}})
    assert type(outcome) is cls
    assert (outcome.code, outcome.aws_code, outcome.message) == (code, code, "Invalid request parameters")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body", [{}, {"error": None}, {"error": {}}, {"error": {"code": 1, "message": 2}}, {"data": {}}]
)
def test_an_error_envelope_without_an_error_is_an_unknown_error(status: int, body: Any) -> None:
    """Half an envelope counts as a sign-out."""
    outcome = error(status, {"success": False, **body})
    assert type(outcome) is UnknownServiceError
    assert (outcome.code, outcome.aws_code) == ("UNKNOWN", None)


@pytest.mark.parametrize(("status", "cls"), [(429, TooManyRequestsError), (500, InternalServiceError)])
def test_the_status_decides_if_the_code_is_unknown(status: int, cls: type[ServiceError]) -> None:
    """A throttle or a failure of the service is not retried because its code is new."""
    outcome = error(status, {"success": False, "error": {"code": "QUOTA_OF_TOMORROW"}})
    assert type(outcome) is cls
    assert outcome.aws_code == "QUOTA_OF_TOMORROW"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from([*errors.BY_AWS_CODE, *errors.BY_CODE, "UNKNOWN", ":", "#", " "]) | st.text(max_size=20)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans() | json_values,
        "data": json_values | st.fixed_dictionaries({}, optional={"id": json_values, "created_at": json_values}),
        "error": json_values | st.fixed_dictionaries({}, optional={"code": words, "message": json_values}),
        "__type": words | json_values,
        "code": words | json_values,
        "message": json_values,
        "Message": json_values,
        "reasonCode": json_values,
    },
)
bodies = st.binary() | st.one_of(json_values, envelopes).map(lambda value: json.dumps(value).encode())
header_sets = st.dictionaries(
    st.sampled_from(["date", "x-amzn-requestid", "X-Amzn-ErrorType", "content-type", "location", "x-amz-retry-after"]),
    words | st.just(DATE) | st.text(),
)


@given(status=st.integers(100, 599) | st.integers(), headers=header_sets, body=bodies, now=st.floats(0, 1e12))
@settings(deadline=None, max_examples=300)
def test_any_response_is_a_result_or_an_error(status: int, headers: dict[str, str], body: bytes, now: float) -> None:
    """Some response of a network fails a call with an untyped error, or counts as a sign-out."""
    outcome = protocol.read_response(
        HttpResponse(status, headers, body),
        user_pool_id=POOL,
        username="alice",
        attempts=2,
        invocation_id="invocation",
        now=now,
    )
    assert (outcome.user_pool_id, outcome.username, outcome.attempts) == (POOL, "alice", 2)
    if isinstance(outcome, SignOutResult):
        assert 200 <= status < 300
        document = json.loads(body) if body else {}
        assert document == {} or document["success"] is True
        assert outcome.id
        assert outcome.created_at.utcoffset() is not None
    else:
        assert isinstance(outcome, SignOutError)
        assert outcome.message
        assert outcome.code
        assert outcome.http_status == status
        assert isinstance(str(outcome) + repr(outcome), str)


@given(
    id=st.text(min_size=1, max_size=40),
    created_at=st.datetimes(timezones=st.just(timezone.utc)),
)
@settings(deadline=None)
def test_a_result_reads_back_from_its_envelope(id: str, created_at: datetime) -> None:  # noqa: A002
    """The library misreads its own envelope."""
    written = SignOutResult(id=id, created_at=created_at, user_pool_id=POOL, username="alice")
    assert result(200, written.to_envelope()) == written


@given(code=words, message=st.text(min_size=1, max_size=40), status=st.sampled_from([200, 400]))
@settings(deadline=None)
def test_an_error_reads_back_from_its_envelope(code: str, message: str, status: int) -> None:
    """The library misreads its own envelope."""
    written = error(400, {"code": code, "message": message})
    read_back = error(status, written.to_envelope())
    assert type(read_back) is type(written)
    assert read_back.to_envelope() == written.to_envelope()
