"""Sign users of Amazon Cognito user pools out of all devices: a typed client for AdminUserGlobalSignOut.

The public names, each loaded from its module when it is first used.
"""

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from ._bulk.outcomes import AsyncSignOutOutcomes, SignOutOutcomes
    from ._config.botocore import BotocoreConfig, BotocoreSession, FrozenCredentialsSource, StaticCredentials
    from .aio import AsyncSignOutClient
    from .client import SignOutClient
    from .errors import (
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
    from .models import ErrorDetails, ErrorEnvelope, SignOutOutcome, SignOutResult, SuccessData, SuccessEnvelope

__all__ = [
    "AccessDeniedError",
    "AsyncSignOutClient",
    "AsyncSignOutOutcomes",
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
    "SignOutOutcomes",
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


_LAZY = {
    "AsyncSignOutClient": "aio",
    "AsyncSignOutOutcomes": "_bulk.outcomes",
    "SignOutClient": "client",
    "SignOutOutcomes": "_bulk.outcomes",
    **dict.fromkeys(
        ("BotocoreConfig", "BotocoreSession", "FrozenCredentialsSource", "StaticCredentials"), "_config.botocore"
    ),
    **dict.fromkeys(("ErrorDetails", "ErrorEnvelope", "SuccessData", "SuccessEnvelope"), "models"),
    **dict.fromkeys(("SignOutOutcome", "SignOutResult"), "models"),
}

_MODULES = ("aio", "client", "errors", "models", "revocation", "testing", "transports")


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f".{_LAZY.get(name, 'errors')}", __name__)
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return __all__
