"""The service: it verifies requests, performs operations, and responds with AWS's codes and messages.

Given an :class:`HttpRequest`, it returns the body of an answer, or raises a :class:`ServiceRefusal`. It knows
AdminUserGlobalSignOut, the other operations of an off-boarding, and those by which a client signs in and notices a
sign-out. Their errors are those of the service model.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from attrs import field, frozen

from .._call.protocol import CONTENT_TYPE, MAX_USER_POOL_ID, MAX_USERNAME, TARGET, check_user_pool_id, check_username
from .._call.signature import ALGORITHM, SERVICE, authorization
from ..errors import ValidationError
from ..transports import HttpResponse

if TYPE_CHECKING:
    from ..transports import HttpRequest
    from ._users import Directory, Issue, Tokens, User, UserPool

#: The maximum number of users in a page of ListUsers.
MAX_PAGE = 60
#: The default validity of access and ID tokens.
TOKEN_VALIDITY = timedelta(hours=1)
#: The maximum difference between the date of a signature and the service's clock.
MAX_CLOCK_OFFSET = timedelta(minutes=5)

_PREFIX = TARGET.partition(".")[0]
_AUTHORIZATION = re.compile(
    re.escape(ALGORITHM)
    + r" +Credential=(?P<access_key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request, *"
    r"SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
#: The headers that a signature must cover. Otherwise a request could be changed or sent elsewhere.
_MUST_BE_SIGNED = ("host", "x-amz-date", "x-amz-target")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_STATUS_FILTER = re.compile(r"""\s*status\s*=\s*"(Enabled|Disabled)"\s*""", re.IGNORECASE)
_STATUS = {
    "InternalErrorException": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "UnknownOperationException": 404,
}


@frozen
class ServiceRefusal(Exception):  # noqa: N818 -- it is a response
    """The service refuses a request."""

    code: str
    message: str
    fields: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return _STATUS.get(self.code, 400)


def answer(
    now: float, request_id: str, body: Mapping[str, Any] | None = None, *, refusal: ServiceRefusal | None = None
) -> HttpResponse:
    """A response as AWS sends it, with a request ID, a date and JSON."""
    headers = {
        "Date": formatdate(now, usegmt=True),
        "Content-Type": CONTENT_TYPE,
        "x-amzn-RequestId": request_id,
    }
    if refusal is not None:
        headers |= {"x-amzn-ErrorType": f"{refusal.code}:", "x-amzn-ErrorMessage": _header(refusal.message)}
        body = {"__type": refusal.code, "message": refusal.message, **refusal.fields}
    raw = json.dumps(body or {}).encode()
    headers["Content-Length"] = str(len(raw))
    return HttpResponse(200 if refusal is None else refusal.status, headers, raw)


def operation_of(request: HttpRequest) -> str:
    """The operation that a request names, even if the service does not know it."""
    prefix, _, name = request.headers.get("x-amz-target", "").partition(".")
    return name if prefix == _PREFIX else ""


def arguments_of(request: HttpRequest) -> dict[str, Any]:
    """The arguments of a request, as far as they can be read."""
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


class Service:
    """Verifies and serves requests to a :class:`Directory`."""

    def __init__(self, directory: Directory, *, access_key: str, secret_key: str) -> None:
        self._directory = directory
        self._access_key = access_key
        self._secret_key = secret_key

    def serve(self, request: HttpRequest, sent_at: float) -> Mapping[str, Any]:
        """Performs the operation of a request and returns the body of the response.

        Args:
            request: The request.
            sent_at: When it was sent. The date of its signature must be within 5 minutes of this time.

        Raises:
            ServiceRefusal: The service refuses the request.
        """
        operation = operation_of(request)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = _SIGNED.get(operation) or _UNSIGNED.get(operation)
        if request.method != "POST" or media_type != CONTENT_TYPE or name is None:
            raise ServiceRefusal("UnknownOperationException", "")
        region = self._verify(request, sent_at) if operation in _SIGNED else ""
        perform: _Operation = getattr(self, name)
        return perform(_document(request), region)

    def pool(self, user_pool_id: str, region: str) -> UserPool:
        """The pool with this ID in this region.

        Raises:
            ServiceRefusal: There is none.
        """
        pool = self._directory.pools.get(user_pool_id)
        if pool is None or user_pool_id.partition("_")[0] != region:
            # The message begins with AWS's.
            raise ServiceRefusal(
                "ResourceNotFoundException",
                f"User pool {user_pool_id} does not exist. (This is a fake: add_user_pool() or add_user() adds a pool, "
                f"in the region of its ID.)",
            )
        return pool

    def _verify(self, request: HttpRequest, sent_at: float) -> str:
        """The region in the credential scope of the request."""
        header = request.headers.get("authorization")
        if not header:
            raise ServiceRefusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        match = _AUTHORIZATION.fullmatch(header)
        amz_date = request.headers.get("x-amz-date", "")
        signed_at = _parse_date(amz_date)
        if match is None or signed_at is None:
            raise ServiceRefusal(
                "IncompleteSignatureException",
                "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' "
                "parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires "
                "existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        if match["access_key"] != self._access_key or "x-amz-security-token" in request.headers:
            raise ServiceRefusal(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        _check_date(signed_at, datetime.fromtimestamp(int(sent_at), timezone.utc))
        if match["service"] != SERVICE:
            raise ServiceRefusal(
                "InvalidSignatureException", f"Credential should be scoped to correct service: '{SERVICE}'."
            )
        if match["date"] != amz_date[:8]:
            raise ServiceRefusal(
                "InvalidSignatureException",
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{match['date']}' != '{amz_date[:8]}', from '{amz_date}'.",
            )
        if not hmac.compare_digest(self._signature(request, match), match["signature"]):
            raise ServiceRefusal(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.",
            )
        return match["region"]

    def _signature(self, request: HttpRequest, claimed: re.Match[str]) -> str:
        """The expected signature of the request, over the headers that it names as signed."""
        names = claimed["headers"].split(";")
        if any(name not in names for name in _MUST_BE_SIGNED):
            return ""
        header = authorization(
            access_key=self._access_key,
            secret_key=self._secret_key,
            region=claimed["region"],
            path=urlsplit(request.url).path or "/",
            headers={name: request.headers.get(name, "") for name in names},
            body=request.body,
        )
        return header.rpartition("=")[2]

    def _user(self, arguments: dict[str, Any], region: str) -> User:
        user_pool_id, username = _check(arguments)
        user = self.pool(user_pool_id, region).users.get(username)
        if user is None:
            raise ServiceRefusal("UserNotFoundException", "User does not exist.")
        return user

    def _sign_out(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        self._user(arguments, region).sign_out()
        return {}

    def _disable(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        user = self._user(arguments, region)
        user.enabled = False
        user.revoke()
        return {}

    def _enable(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        self._user(arguments, region).enabled = True
        return {}

    def _admin_get_user(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        return _described(self._user(arguments, region), "UserAttributes")

    def _list_users(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        users = self.pool(_check_pool_id(arguments), region).all_users
        wanted = _STATUS_FILTER.fullmatch(arguments.get("Filter") or "")
        if arguments.get("Filter") and wanted is None:
            raise ServiceRefusal("InvalidParameterException", "The fake knows filters on status only.")
        if wanted is not None:
            users = [user for user in users if user.enabled == (wanted[1].lower() == "enabled")]
        limit, start = arguments.get("Limit", MAX_PAGE), arguments.get("PaginationToken", "0")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
            _refuse(_constraint("limit", str(limit), f"Member must have value less than or equal to {MAX_PAGE}"))
        if not isinstance(start, str) or not start.isdecimal():
            raise ServiceRefusal("InvalidParameterException", "Invalid pagination token.")
        end = int(start) + limit
        page = {"Users": [_described(user, "Attributes") for user in users[int(start) : end]]}
        return {**page, "PaginationToken": str(end)} if end < len(users) else page

    def _describe_pool(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        pool = self.pool(_check_pool_id(arguments), region)
        name = pool.id.partition("_")[2]
        arn = f"arn:aws:cognito-idp:{region}:000000000000:userpool/{pool.id}"
        return {"UserPool": {"Id": pool.id, "Name": name, "Arn": arn, "EstimatedNumberOfUsers": len(pool.all_users)}}

    def _admin_initiate_auth(self, arguments: dict[str, Any], region: str) -> Mapping[str, Any]:
        pool = self.pool(_check_pool_id(arguments), region)
        return self._authenticate(arguments, [pool], "ADMIN_USER_PASSWORD_AUTH")

    def _initiate_auth(self, arguments: dict[str, Any], _region: str) -> Mapping[str, Any]:
        return self._authenticate(arguments, list(self._directory.pools.values()), "USER_PASSWORD_AUTH")

    def _authenticate(self, arguments: dict[str, Any], pools: list[UserPool], flow: str) -> Mapping[str, Any]:
        given = arguments.get("AuthParameters")
        parameters = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        if arguments.get("AuthFlow") in ("REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"):
            return self._refresh(parameters.get("REFRESH_TOKEN"))
        if arguments.get("AuthFlow") != flow:
            known = f"The fake knows the flows {flow} and REFRESH_TOKEN_AUTH."
            raise ServiceRefusal("InvalidParameterException", known)
        username, password = parameters.get("USERNAME"), parameters.get("PASSWORD")
        if not username or not password:
            raise ServiceRefusal("InvalidParameterException", "Missing required parameter USERNAME or PASSWORD")
        found = [(pool, pool.users[username]) for pool in pools if username in pool.users]
        if not found:
            raise ServiceRefusal("UserNotFoundException", "User does not exist.")
        pool, user = found[0]
        if not user.enabled:
            raise ServiceRefusal("NotAuthorizedException", "User is disabled.")
        if user.password not in (None, password):
            raise ServiceRefusal("NotAuthorizedException", "Incorrect username or password.")
        client_id = arguments.get("ClientId")
        if not isinstance(client_id, str):
            _refuse("Value at 'clientId' failed to satisfy constraint: Member must not be null")
        tokens = self._directory.sign_in(pool, user, validity=TOKEN_VALIDITY, client_id=client_id)
        result = _authentication(tokens)
        result["AuthenticationResult"]["RefreshToken"] = tokens.refresh_token
        return result

    def _tokens_from_refresh_token(self, arguments: dict[str, Any], _region: str) -> Mapping[str, Any]:
        return self._refresh(arguments.get("RefreshToken"))

    def _refresh(self, token: object) -> Mapping[str, Any]:
        issue = self._directory.find(token)
        if issue is None or issue.tokens.refresh_token != token:
            raise ServiceRefusal("NotAuthorizedException", "Invalid Refresh Token")
        if not issue.user.enabled:
            raise ServiceRefusal("NotAuthorizedException", "User is disabled.")
        if issue.grant.revoked:
            raise ServiceRefusal("NotAuthorizedException", "Refresh Token has been revoked")
        if not issue.tokens.refreshable:
            raise ServiceRefusal("NotAuthorizedException", "Refresh Token has expired")
        validity = issue.tokens.expires_at - issue.tokens.issued_at
        return _authentication(self._directory.issue(issue.pool, issue.user, validity=validity, grant=issue.grant))

    def _global_sign_out(self, arguments: dict[str, Any], _region: str) -> Mapping[str, Any]:
        self._issue_of(arguments).user.sign_out()
        return {}

    def _get_user(self, arguments: dict[str, Any], _region: str) -> Mapping[str, Any]:
        user = self._issue_of(arguments).user
        return {"Username": user.username, "UserAttributes": _attributes(user)}

    def _issue_of(self, arguments: dict[str, Any]) -> Issue:
        token = arguments.get("AccessToken")
        issue = self._directory.find(token)
        if issue is None or issue.tokens.access_token != token:
            raise ServiceRefusal("NotAuthorizedException", "Invalid Access Token")
        if not issue.tokens.valid_offline:
            raise ServiceRefusal("NotAuthorizedException", "Access Token has expired")
        if not issue.tokens.accepted_by_cognito:
            raise ServiceRefusal("NotAuthorizedException", "Access Token has been revoked")
        return issue


#: The methods for the operations that need AWS credentials, and for the others, as in the service model.
_SIGNED = {
    "AdminUserGlobalSignOut": "_sign_out",
    "AdminDisableUser": "_disable",
    "AdminEnableUser": "_enable",
    "AdminGetUser": "_admin_get_user",
    "AdminInitiateAuth": "_admin_initiate_auth",
    "DescribeUserPool": "_describe_pool",
    "ListUsers": "_list_users",
}
_UNSIGNED = {
    "GetTokensFromRefreshToken": "_tokens_from_refresh_token",
    "GetUser": "_get_user",
    "GlobalSignOut": "_global_sign_out",
    "InitiateAuth": "_initiate_auth",
}
_Operation = Callable[[dict[str, Any], str], Mapping[str, Any]]


def _authentication(tokens: Tokens) -> dict[str, Any]:
    validity = tokens.expires_at - tokens.issued_at
    return {
        "AuthenticationResult": {
            "AccessToken": tokens.access_token,
            "IdToken": tokens.id_token,
            "ExpiresIn": int(validity.total_seconds()),
            "TokenType": "Bearer",
        },
        "ChallengeParameters": {},
    }


def _attributes(user: User) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in user.attributes.items()]


def _described(user: User, attributes: str) -> dict[str, Any]:
    return {
        "Username": user.username,
        attributes: _attributes(user),
        "UserCreateDate": user.created_at,
        "UserLastModifiedDate": user.created_at,
        "Enabled": user.enabled,
        "UserStatus": "CONFIRMED",
    }


def _check_pool_id(arguments: dict[str, Any]) -> str:
    return _check({**arguments, "Username": "-"})[0]


def _check_date(signed_at: datetime, now: datetime) -> None:
    earliest, latest = now - MAX_CLOCK_OFFSET, now + MAX_CLOCK_OFFSET
    if signed_at < earliest:
        limit = f"{_text(earliest)} ({_text(now)} - 5 min.)"
        complaint = f"expired: {_text(signed_at)} is now earlier than {limit}"
    elif signed_at > latest:
        complaint = f"not yet current: {_text(signed_at)} is still later than {_text(latest)} ({_text(now)} + 5 min.)"
    else:
        return
    raise ServiceRefusal("InvalidSignatureException", f"Signature {complaint}")


def _parse_date(amz_date: str) -> datetime | None:
    match = _DATE.fullmatch(amz_date)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None


def _text(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _document(request: HttpRequest) -> dict[str, Any]:
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        raise ServiceRefusal("SerializationException", "") from None
    if not isinstance(document, dict):
        raise ServiceRefusal("SerializationException", "")
    return cast("dict[str, Any]", document)


def _check(arguments: dict[str, Any]) -> tuple[str, str]:
    """The pool ID and the username, if they satisfy the service's constraints."""
    limits = {"UserPoolId": MAX_USER_POOL_ID, "Username": MAX_USERNAME}
    values: list[str] = []
    for name, limit in limits.items():
        value = arguments.get(name)
        field_name = name[0].lower() + name[1:]
        if value is None:
            _refuse(f"Value at '{field_name}' failed to satisfy constraint: Member must not be null")
        if not isinstance(value, str):
            raise ServiceRefusal("SerializationException", "")
        if not value:
            _refuse(_constraint(field_name, value, "Member must have length greater than or equal to 1"))
        if len(value) > limit:
            _refuse(_constraint(field_name, value, f"Member must have length less than or equal to {limit}"))
        values.append(value)
    user_pool_id, username = values
    for name, value, pattern, check in (
        ("userPoolId", user_pool_id, r"[\w-]+_[0-9a-zA-Z]+", check_user_pool_id),
        ("username", username, r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", check_username),
    ):
        try:
            check(value)
        except ValidationError:
            _refuse(_constraint(name, value, f"Member must satisfy regular expression pattern: {pattern}"))
    return user_pool_id, username


def _constraint(name: str, value: str, constraint: str) -> str:
    shown = "" if name == "username" else f" '{value}'"  # the service model marks it as sensitive
    return f"Value{shown} at '{name}' failed to satisfy constraint: {constraint}"


def _refuse(complaint: str) -> NoReturn:
    raise ServiceRefusal("InvalidParameterException", f"1 validation error detected: {complaint}")


def _header(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
