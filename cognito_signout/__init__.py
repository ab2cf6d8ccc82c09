"""Sign users of Amazon Cognito user pools out of all devices: a typed client for AdminUserGlobalSignOut."""

from ._botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
from ._version import __version__
from .client import SignOutClient
from .errors import (
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
from .models import ErrorDetails, ErrorEnvelope, SignOutOutcome, SignOutResult, SuccessData, SuccessEnvelope

__all__ = [
    "AuthenticationError",
    "BotocoreConfig",
    "BotocoreSession",
    "ConfigurationError",
    "CredentialsError",
    "ErrorDetails",
    "ErrorEnvelope",
    "FrozenCredentialsSource",
    "InternalServiceError",
    "InvalidParameterError",
    "InvalidResponseError",
    "NotAuthorizedError",
    "OperationNotEnabledError",
    "ResourceNotFoundError",
    "ServiceError",
    "SignOutClient",
    "SignOutConnectionError",
    "SignOutError",
    "SignOutOutcome",
    "SignOutResult",
    "SignOutTimeoutError",
    "StaticCredentials",
    "SuccessData",
    "SuccessEnvelope",
    "TooManyRequestsError",
    "UnknownServiceError",
    "UserNotFoundError",
    "ValidationError",
    "__version__",
]
