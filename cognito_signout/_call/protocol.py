"""AWS JSON 1.1 for AdminUserGlobalSignOut: the body of a request, and the meaning of a response.

It takes arguments or a complete response, and does no I/O. The constraints, the error codes and the target are those of
the service model in botocore; a test compares them. Every response, whatever its bytes, becomes a result or an error.
Both are returned, not raised.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from ..errors import (
    BY_AWS_CODE,
    BY_CODE,
    InternalServiceError,
    InvalidResponseError,
    SignOutError,
    TooManyRequestsError,
    UnknownServiceError,
    ValidationError,
)
from ..models import SignOutResult
from ..transports import MAX_BODY, HttpResponse

if TYPE_CHECKING:
    from ..models import SignOutOutcome

TARGET = "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut"
CONTENT_TYPE = "application/x-amz-json-1.1"

MAX_USER_POOL_ID = 55
USER_POOL_ID = re.compile(r"[\w-]+_[0-9a-zA-Z]+", re.ASCII)
MAX_USERNAME = 128
#: The first letters of the Unicode categories that the service model allows: letters, marks, symbols,
#: numbers, punctuation.
USERNAME_CATEGORIES = frozenset("LMSNP")

#: The HTTP statuses and codes that AWS's standard mode retries, in addition to the throttling codes.
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
TRANSIENT_CODES = frozenset(
    {"InternalErrorException", "RequestTimeout", "RequestTimeoutException", InternalServiceError.code}
)

#: The maximum size of a plain-text body that is a message, in bytes.
MAX_PLAIN_TEXT = 256

#: Quotes a string as ``json.dumps`` does, several times as fast.
_quoted = json.encoder.encode_basestring_ascii

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HTTP_DATE = re.compile(r"[A-Za-z]{3}, (\d\d) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
#: The last second that a datetime can hold.
_LATEST = 253402300799
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def check_arguments(user_pool_id: str, username: str) -> None:
    """Raises a :class:`ValidationError` for arguments that the service model refuses. The error does not quote them."""
    check_user_pool_id(user_pool_id)
    check_username(username)


def check_user_pool_id(user_pool_id: str) -> None:
    """Raises a :class:`ValidationError` if this is not a user pool ID."""
    if not isinstance(user_pool_id, str):
        raise ValidationError(f"user_pool_id must be a str, not {type(user_pool_id).__name__}")
    if user_pool_id.startswith("arn:"):
        raise ValidationError("user_pool_id is an ARN; pass the ID alone, which is the part after `userpool/`")
    if len(user_pool_id) > MAX_USER_POOL_ID:
        raise ValidationError(f"user_pool_id must have up to {MAX_USER_POOL_ID} characters, not {len(user_pool_id)}")
    if not USER_POOL_ID.fullmatch(user_pool_id):
        raise ValidationError(
            "user_pool_id must be a region, an underscore, and ASCII letters and digits, such as us-east-1_Ab129faBb"
        )


def is_user_pool_id(value: object) -> bool:
    """Whether this can be a user pool ID, rather than a username that was passed by mistake."""
    return isinstance(value, str) and USER_POOL_ID.fullmatch(value) is not None


def check_username(username: str) -> None:
    """Raises a :class:`ValidationError` if this is not a username."""
    if not isinstance(username, str):
        raise ValidationError(f"username must be a str, not {type(username).__name__}")
    if not 1 <= len(username) <= MAX_USERNAME:
        raise ValidationError(f"username must have 1 to {MAX_USERNAME} characters, not {len(username)}")
    if username.isalnum() and username.isascii():
        return
    for position, character in enumerate(username, 1):
        category = unicodedata.category(character)
        # Cn: a code point that this Python does not know. The service may know it.
        if category[0] not in USERNAME_CATEGORIES and category != "Cn":
            raise ValidationError(
                f"username may hold letters, marks, symbols, numbers and punctuation only; "
                f"character {position} is {unicodedata.name(character, f'U+{ord(character):04X}')}"
            )


def encode_body(user_pool_id: str, username: str) -> bytes:
    """The body of the request, as boto3 writes it."""
    return f'{{"UserPoolId": {_quoted(user_pool_id)}, "Username": {_quoted(username)}}}'.encode()


def read_response(
    response: HttpResponse, *, user_pool_id: str, username: str, attempts: int, invocation_id: str, now: float
) -> SignOutOutcome:
    """The result or the error that a response means.

    Args:
        response: The response of the service, or of something between us and the service.
        user_pool_id: The pool, for the outcome.
        username: The user, for the outcome.
        attempts: The number of requests sent, for the outcome.
        invocation_id: The result's ID if the response has none.
        now: The time of the result if the response has no date, in seconds since the epoch.
    """
    identifier = request_id(response)
    body = None if len(response.body) > MAX_BODY else _json(response.body)
    document = _object(body)

    def failure(cls: type[SignOutError], message: str, **fields: Any) -> SignOutError:
        return cls(
            message,
            user_pool_id=user_pool_id,
            username=username,
            attempts=attempts,
            http_status=response.status,
            request_id=identifier,
            **fields,
        )

    if document.get("success") is not False:
        if 200 <= response.status < 300:
            if not _is_success(response, body):
                return failure(InvalidResponseError, _not_an_answer(response))
            data = _object(document.get("data"))
            return SignOutResult(
                id=_text(data.get("id")) or identifier or invocation_id,
                created_at=_timestamp(data.get("created_at")) or service_time(response) or _whole_second(now),
                user_pool_id=user_pool_id,
                username=username,
                attempts=attempts,
            )
        if 300 <= response.status < 400:
            return failure(InvalidResponseError, "the endpoint answered with a redirect, which is never followed")

    aws_code = _error_code(response, document)
    cls = BY_AWS_CODE.get(aws_code) or BY_CODE.get(aws_code) or _class_of_status(response.status)
    message = _error_message(document) or _plain_text(response)
    return failure(
        cls,
        message or _describe(response.status, aws_code),
        service_message=message or None,
        code=aws_code if cls is UnknownServiceError and aws_code else None,
        aws_code=aws_code or None,
        reason_code=_text(document.get("reasonCode")) or None,
        retryable=(cls.retryable or aws_code in TRANSIENT_CODES or response.status in TRANSIENT_STATUSES),
    )


def request_id(response: HttpResponse) -> str | None:
    """The service's ID of the request."""
    return response.headers.get("x-amzn-requestid") or None


def request_uuid(response: HttpResponse) -> str | None:
    """The service's ID of the request, if it is a UUID, as AWS's are. A UUID is safe to log."""
    identifier = request_id(response)
    return identifier if identifier is not None and is_uuid(identifier) else None


def is_uuid(text: str) -> bool:
    """Whether this is a UUID, as request IDs and ``sub`` claims of users are."""
    return _UUID.fullmatch(text) is not None


def service_time(response: HttpResponse) -> datetime | None:
    """The ``Date`` of the response, aware and in UTC; ``None`` if it is missing or malformed."""
    return _http_date(response.headers.get("date", ""))


@lru_cache(maxsize=4)  # most responses have the same second
def _http_date(text: str) -> datetime | None:
    match = _HTTP_DATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second = match.groups()
    try:
        return datetime(
            int(year), _MONTHS.index(match[2]) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc
        )
    except ValueError:
        return None


def _is_success(response: HttpResponse, body: object) -> bool:
    """Whether the service confirms a sign-out by a 2xx response.

    Captive portals, load balancers and other services send 2xx responses, too. A response of an AWS service has AWS's
    media type or a request ID.
    """
    if response.body == b"{}" and response.status == 200:
        return True
    document = _object(body)
    if "error" in document or "__type" in document or document.get("success", True) is not True:
        return False
    if "success" in document:
        return True
    if response.status != 200:
        return False
    is_aws_json = _media_type(response) == CONTENT_TYPE
    if not response.body:
        return _is_framed(response) and (is_aws_json or request_id(response) is not None)
    return body == {} or (is_aws_json and isinstance(body, dict))


def _is_framed(response: HttpResponse) -> bool:
    """Whether an empty body is known to be complete."""
    headers = response.headers
    return headers.get("content-length") == "0" or headers.get("transfer-encoding", "").lower() == "chunked"


def _media_type(response: HttpResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _not_an_answer(response: HttpResponse) -> str:
    if len(response.body) > MAX_BODY:
        return "the response is longer than 1 MiB, so it is no answer to a sign-out"
    kind = response.headers.get("content-type") or "no content type"
    encoding = response.headers.get("content-encoding")  # such as gzip, although it was not requested
    if encoding:
        kind = f"{kind}, {encoding}"
    return f"the response is no answer to a sign-out (HTTP {response.status}, {kind}); check the endpoint"


def _json(raw: bytes) -> object:
    if raw == b"{}":  # the usual success
        return {}
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None


def _object(value: object) -> dict[str, Any]:
    """The JSON object, or an empty one if the value is not an object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _error_code(response: HttpResponse, document: dict[str, Any]) -> str:
    candidates = (
        response.headers.get("x-amzn-errortype"),
        document.get("__type"),
        document.get("code"),
        _object(document.get("error")).get("code"),
    )
    for candidate in candidates:
        # "Code:http://internal.amazon.com/…" and "com.amazonaws.cognito#Code"
        code = _text(candidate).partition(":")[0].rpartition("#")[2].strip()
        if code:
            return code
    return ""


def _error_message(document: dict[str, Any]) -> str:
    return (
        _text(document.get("message"))
        or _text(document.get("Message"))
        or _text(_object(document.get("error")).get("message"))
    )


def _plain_text(response: HttpResponse) -> str:
    """A short plain-text body, as gateways and proxies send it; otherwise an empty string."""
    if len(response.body) > MAX_PLAIN_TEXT or _media_type(response) not in ("", "text/plain"):
        return ""
    try:
        text = " ".join(response.body.decode().split())
    except UnicodeDecodeError:
        return ""
    is_json = _json(response.body) is not None or text == "null"
    return text if text.isprintable() and not is_json and not text.startswith(("<", "{", "[")) else ""


def _describe(status: int, aws_code: str) -> str:
    return f"the service answered {aws_code or 'without an error code'} (HTTP {status}) and gave no message"


def _class_of_status(status: int) -> type[SignOutError]:
    if status == 429:
        return TooManyRequestsError
    return InternalServiceError if status >= 500 else UnknownServiceError


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _timestamp(value: object) -> datetime | None:
    """An ISO 8601 date and time; in UTC if it has no time zone."""
    text = _text(value)
    if not text:
        return None
    if text.endswith(("Z", "z")):  # fromisoformat accepts it from Python 3.11 on
        text = f"{text[:-1]}+00:00"
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _whole_second(now: float) -> datetime:
    # After a correction by a Date of the year 9999, the clock can be beyond the range of datetime.
    return datetime.fromtimestamp(min(now, _LATEST), timezone.utc).replace(microsecond=0)
