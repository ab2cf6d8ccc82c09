"""The exceptions, and the table that maps the service's error codes to them.

Nothing here does I/O. ``str()``, ``repr()``, ``message``, ``args`` and the envelope of an error contain no username,
key or token. The service's message, which may contain them, is in ``service_message``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._envelopes import ErrorEnvelope

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ConfigurationError",
    "CredentialsError",
    "InternalServiceError",
    "InvalidParameterError",
    "InvalidResponseError",
    "NotAuthorizedError",
    "OperationNotEnabledError",
    "ResourceNotFoundError",
    "ServiceError",
    "SignOutConnectionError",
    "SignOutError",
    "SignOutTimeoutError",
    "TooManyRequestsError",
    "UnknownServiceError",
    "UserNotFoundError",
    "ValidationError",
]


class SignOutError(Exception):
    """The user was not signed out, or the outcome is unknown. The base class of all errors of this library.

    Attributes:
        code: A stable, upper-case name for the kind of error, such as ``USER_NOT_FOUND``.
        message: What went wrong, in at most 4 KiB. Safe to show and to log: ``***`` replaces the username, keys, tokens
            and passwords.
        user_pool_id: The user pool of the call; empty if the error is not about a user.
        username: The user of the call; empty if the error is not about a user.
        attempts: The number of requests sent.
        retryable: Whether the same call may succeed later.
        aws_code: The service's error code, such as ``UserNotFoundException``; ``None`` if there was none.
        http_status: The HTTP status of the response; ``None`` if there was no response.
        request_id: The service's ID of the request, for AWS support; ``None`` if there was none.
        service_message: The service's message, verbatim; ``None`` if there was none. It may contain the username, and
            even the session token: do not log it.
        reason_code: The ``reasonCode`` of an ``InvalidParameterException``, else ``None``.
    """

    code: str = "UNKNOWN"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        user_pool_id: str = "",
        username: str = "",
        attempts: int = 0,
        retryable: bool | None = None,
        aws_code: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        service_message: str | None = None,
        reason_code: str | None = None,
    ) -> None:
        self.message: str = masked(message, username)
        super().__init__(self.message)
        self.user_pool_id = user_pool_id
        self.username = username
        self.attempts = attempts
        self.aws_code = aws_code
        self.http_status = http_status
        self.request_id = request_id
        self.service_message = service_message
        self.reason_code = reason_code
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def to_envelope(self) -> ErrorEnvelope:
        """The error as the documented JSON envelope.

        >>> UserNotFoundError("User does not exist.").to_envelope()
        {'success': False, 'error': {'code': 'USER_NOT_FOUND', 'message': 'User does not exist.'}}
        """
        return {"success": False, "error": {"code": self._mask_code(self.code), "message": self.message}}

    def __str__(self) -> str:
        details = [self._mask_code(self.code)]
        if self.aws_code is not None and self.aws_code != self.code:
            details.append(self._mask_code(self.aws_code))
        if self.http_status is not None:
            details.append(f"HTTP {self.http_status}")
        if self.request_id is not None:
            details.append(f"request id {self._mask(self.request_id)}")
        if self.attempts > 1:
            details.append(f"{self.attempts} attempts")
        return f"{self.message} [{', '.join(details)}]"

    def __repr__(self) -> str:
        fields: dict[str, object] = {
            "code": self._mask_code(self.code),
            "message": self.message,
            "user_pool_id": self.user_pool_id,
            "attempts": self.attempts,
            "retryable": self.retryable,
        }
        answered = {
            "aws_code": self.aws_code and self._mask_code(self.aws_code),
            "http_status": self.http_status,
            "request_id": self.request_id and self._mask(self.request_id),
            "reason_code": self.reason_code and self._mask(self.reason_code),
        }
        fields |= {name: value for name, value in answered.items() if value is not None}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    def _mask_code(self, code: str) -> str:
        # Known codes contain no usernames. Masking would only make them unreadable for a user called "user".
        return code if code in BY_CODE or code in BY_AWS_CODE else self._mask(code)

    def _mask(self, text: str) -> str:
        return masked(text, self.username)


def _restore(cls: type[SignOutError], args: tuple[Any, ...], state: dict[str, Any]) -> SignOutError:
    """Creates a copied or unpickled error without ``__init__``, whose arguments a subclass may change."""
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ValidationError(SignOutError, ValueError):
    """An argument is invalid, such as a username that breaks the service's constraints. Nothing was sent.

    Only the subclass :class:`InvalidParameterError` comes from the service, which found a parameter invalid.
    """

    code = "VALIDATION_ERROR"


class CredentialsError(SignOutError):
    """There are no usable AWS credentials: they are missing, incomplete, or expired and not refreshable, or their
    source failed. The message says what was tried.
    """

    code = "CREDENTIALS_ERROR"


class ConfigurationError(SignOutError, ValueError):
    """The configuration can't be used: no region, an unknown profile, a malformed setting."""

    code = "CONFIGURATION_ERROR"


class SignOutConnectionError(SignOutError, ConnectionError):
    """There was no complete HTTP response: DNS, a refused or reset connection, TLS, a proxy, a response that was cut
    off or is not HTTP. The user may or may not be signed out.
    """

    code = "CONNECTION_ERROR"
    retryable = True


class SignOutTimeoutError(SignOutError, TimeoutError):
    """Connecting or reading took too long, or the call's ``timeout`` ran out. The user may or may not be
    signed out.
    """

    code = "TIMEOUT"
    retryable = True


class InvalidResponseError(SignOutError):
    """The response did not come from Cognito: a page of HTML with status 200, a redirect, a body over 1 MiB. It does
    not count as a sign-out.
    """

    code = "INVALID_RESPONSE"


class ServiceError(SignOutError):
    """The service responded with an error. The base class of the classes below."""


class InvalidParameterError(ServiceError, ValidationError):
    """The service found a parameter invalid (``InvalidParameterException``, ``ValidationException``)."""


class UserNotFoundError(ServiceError):
    """The pool has no such user (``UserNotFoundException``)."""

    code = "USER_NOT_FOUND"


class ResourceNotFoundError(ServiceError):
    """There is no such user pool in this account and region (``ResourceNotFoundException``)."""

    code = "RESOURCE_NOT_FOUND"


class AccessDeniedError(ServiceError):
    """The credentials are valid, but IAM does not allow ``cognito-idp:AdminUserGlobalSignOut`` on this pool
    (``AccessDeniedException``).
    """

    code = "ACCESS_DENIED"


class NotAuthorizedError(ServiceError):
    """Cognito refuses the request for this user (``NotAuthorizedException``, ``ForbiddenException``)."""

    code = "NOT_AUTHORIZED"


class AuthenticationError(ServiceError):
    """The service does not accept the credentials or the signature (``UnrecognizedClientException``,
    ``InvalidSignatureException``, ``ExpiredTokenException``).
    """

    code = "AUTHENTICATION_FAILED"


class TooManyRequestsError(ServiceError):
    """The account's request quota is used up (``TooManyRequestsException``, HTTP 429)."""

    code = "TOO_MANY_REQUESTS"
    retryable = True


class OperationNotEnabledError(ServiceError):
    """The operation is not available in this region or for this pool (``OperationNotEnabledException``)."""

    code = "OPERATION_NOT_ENABLED"


class InternalServiceError(ServiceError):
    """The service failed (``InternalErrorException``, a 5xx status)."""

    code = "INTERNAL_ERROR"


class UnknownServiceError(ServiceError):
    """The service returned an error that this library does not know. ``code`` is the service's code, or ``UNKNOWN`` if
    there was none.
    """


#: The throttling codes of AWS's standard retry mode, from botocore.
THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

#: The class of each error code: those that the service model lists for this operation, and those that every AWS API may
#: return (https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html).
BY_AWS_CODE: Mapping[str, type[ServiceError]] = {
    "InvalidParameterException": InvalidParameterError,
    "SerializationException": InvalidParameterError,
    "ValidationError": InvalidParameterError,
    "ValidationException": InvalidParameterError,
    "UserNotFoundException": UserNotFoundError,
    "ResourceNotFoundException": ResourceNotFoundError,
    "AccessDenied": AccessDeniedError,
    "AccessDeniedException": AccessDeniedError,
    "OptInRequired": AccessDeniedError,
    "UnauthorizedOperation": AccessDeniedError,
    "ForbiddenException": NotAuthorizedError,
    "NotAuthorized": NotAuthorizedError,
    "NotAuthorizedException": NotAuthorizedError,
    "AuthFailure": AuthenticationError,
    "ExpiredToken": AuthenticationError,
    "ExpiredTokenException": AuthenticationError,
    "IncompleteSignature": AuthenticationError,
    "IncompleteSignatureException": AuthenticationError,
    "InvalidAccessKeyId": AuthenticationError,
    "InvalidClientTokenId": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "InvalidToken": AuthenticationError,
    "MissingAuthenticationToken": AuthenticationError,
    "MissingAuthenticationTokenException": AuthenticationError,
    "RequestExpired": AuthenticationError,
    "RequestInTheFuture": AuthenticationError,
    "RequestTimeTooSkewed": AuthenticationError,
    "SignatureDoesNotMatch": AuthenticationError,
    "UnrecognizedClientException": AuthenticationError,
    "OperationNotEnabledException": OperationNotEnabledError,
    "InternalError": InternalServiceError,
    "InternalErrorException": InternalServiceError,
    "InternalFailure": InternalServiceError,
    "InternalServerError": InternalServiceError,
    "InternalServerException": InternalServiceError,
    "ServiceUnavailable": InternalServiceError,
    "ServiceUnavailableException": InternalServiceError,
    **dict.fromkeys(THROTTLING_CODES, TooManyRequestsError),
}

#: The class of each code of the documented envelope, for responses that are envelopes.
BY_CODE: Mapping[str, type[SignOutError]] = {
    cls.code: cls
    for cls in (
        InvalidParameterError,
        CredentialsError,
        ConfigurationError,
        SignOutConnectionError,
        SignOutTimeoutError,
        InvalidResponseError,
        UserNotFoundError,
        ResourceNotFoundError,
        AccessDeniedError,
        NotAuthorizedError,
        AuthenticationError,
        TooManyRequestsError,
        OperationNotEnabledError,
        InternalServiceError,
    )
}
