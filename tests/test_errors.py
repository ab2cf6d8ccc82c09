"""Error classes: their bases, attributes and copies, and that they do not show secrets."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import cognito_signout
from cognito_signout import errors
from cognito_signout._masking import MIN_NAME
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

if TYPE_CHECKING:
    from collections.abc import Callable

#: Each class, its bases, its code, and whether a retry of the call may succeed.
CLASSES: list[tuple[type[SignOutError], tuple[type[Exception], ...], str, bool]] = [
    (SignOutError, (Exception,), "UNKNOWN", False),
    (ValidationError, (SignOutError, ValueError), "VALIDATION_ERROR", False),
    (CredentialsError, (SignOutError,), "CREDENTIALS_ERROR", False),
    (ConfigurationError, (SignOutError, ValueError), "CONFIGURATION_ERROR", False),
    (SignOutConnectionError, (SignOutError, ConnectionError), "CONNECTION_ERROR", True),
    (SignOutTimeoutError, (SignOutError, TimeoutError), "TIMEOUT", True),
    (InvalidResponseError, (SignOutError,), "INVALID_RESPONSE", False),
    (ServiceError, (SignOutError,), "UNKNOWN", False),
    (InvalidParameterError, (ServiceError, ValidationError), "VALIDATION_ERROR", False),
    (UserNotFoundError, (ServiceError,), "USER_NOT_FOUND", False),
    (ResourceNotFoundError, (ServiceError,), "RESOURCE_NOT_FOUND", False),
    (AccessDeniedError, (ServiceError,), "ACCESS_DENIED", False),
    (NotAuthorizedError, (ServiceError,), "NOT_AUTHORIZED", False),
    (AuthenticationError, (ServiceError,), "AUTHENTICATION_FAILED", False),
    (TooManyRequestsError, (ServiceError,), "TOO_MANY_REQUESTS", True),
    (OperationNotEnabledError, (ServiceError,), "OPERATION_NOT_ENABLED", False),
    (InternalServiceError, (ServiceError,), "INTERNAL_ERROR", False),
    (UnknownServiceError, (ServiceError,), "UNKNOWN", False),
]
every_class = pytest.mark.parametrize("cls", [cls for cls, *_ in CLASSES])

FIELDS: dict[str, Any] = {
    "user_pool_id": "us-east-1_Ab129faBb",
    "username": "alice",
    "attempts": 3,
    "retryable": True,
    "aws_code": "SomeException",
    "http_status": 418,
    "request_id": "request",
    "service_message": "No, role the service.",
    "reason_code": "reason",
}


@pytest.mark.parametrize(("cls", "bases", "code", "retryable"), CLASSES)
def test_a_class_has_the_documented_bases_and_defaults(
    cls: type[SignOutError], bases: tuple[type[Exception], ...], code: str, retryable: bool
) -> None:
    """An ``except`` clause or a comparison of codes stops working after an upgrade."""
    assert cls.__bases__ == bases
    error = cls("No.")
    assert (error.code, error.retryable, error.message) == (code, retryable, "No.")
    assert (error.user_pool_id, error.username, error.attempts) == ("", "", 0)
    assert (error.aws_code, error.http_status, error.request_id, error.reason_code) == (None, None, None, None)
    assert error.service_message is None
    assert error.args == ("No.",)


def test_the_table_above_has_every_class() -> None:
    """A new class is not tested."""
    assert {cls.__name__ for cls, *_ in CLASSES} == set(errors.__all__)


@pytest.mark.parametrize(
    ("cls", "caught_by"),
    [
        (ValidationError, ValueError),
        (ConfigurationError, ValueError),
        (InvalidParameterError, ValidationError),
        (InvalidParameterError, ServiceError),
        (InvalidParameterError, ValueError),
        (SignOutConnectionError, ConnectionError),
        (SignOutConnectionError, OSError),
        (SignOutTimeoutError, TimeoutError),
        (SignOutTimeoutError, OSError),
    ],
)
def test_an_error_is_also_an_instance_of_pythons_error(cls: type[SignOutError], caught_by: type[Exception]) -> None:
    """Code that handles Python's errors does not catch ours."""
    with pytest.raises(caught_by, match="No"):
        raise cls("No.")


@every_class
def test_every_argument_is_an_attribute(cls: type[SignOutError]) -> None:
    """An error loses details, such as the request ID that AWS Support needs."""
    error = cls("No.", code="CODE", **FIELDS)
    assert {**vars(error)} == {"message": "No.", "code": "CODE", **FIELDS}


@every_class
@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6)),
    ],
)
def test_a_copy_has_all_attributes(cls: type[SignOutError], duplicate: Callable[[Any], Any]) -> None:
    """An error from a worker process loses its details or breaks the process pool."""
    error = cls("No.", code="CODE", **FIELDS)
    restored = duplicate(error)
    assert restored is not error
    assert type(restored) is cls
    assert vars(restored) == vars(error)
    assert (str(restored), repr(restored), restored.args) == (str(error), repr(error), error.args)
    assert restored.to_envelope() == error.to_envelope()


def test_a_subclass_with_a_different_constructor_can_be_pickled() -> None:
    """An application's subclass breaks the process pool."""
    restored = pickle.loads(pickle.dumps(CountingError(3)))
    assert (type(restored), restored.count, restored.message) == (CountingError, 3, "3 users")


class CountingError(UserNotFoundError):
    """A subclass whose ``__init__`` has other arguments."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} users")
        self.count = count


def test_str_contains_the_message_and_the_request_id() -> None:
    """A log lacks the request ID that AWS Support needs."""
    assert str(UserNotFoundError("No.")) == "No. [USER_NOT_FOUND]"
    error = UserNotFoundError(
        "User does not exist.", aws_code="UserNotFoundException", http_status=400, request_id="1-2", attempts=2
    )
    assert str(error) == (
        "User does not exist. [USER_NOT_FOUND, UserNotFoundException, HTTP 400, request id 1-2, 2 attempts]"
    )
    assert str(UnknownServiceError("No.", code="New", aws_code="New", attempts=1)) == "No. [New]"


def test_repr_shows_the_fields() -> None:
    """A debugger does not show the fields."""
    assert repr(ValidationError("No.")) == (
        "ValidationError(code='VALIDATION_ERROR', message='No.', user_pool_id='', attempts=0, retryable=False)"
    )
    assert repr(InvalidParameterError("No.", **FIELDS)) == (
        "InvalidParameterError(code='VALIDATION_ERROR', message='No.', user_pool_id='us-east-1_Ab129faBb', attempts=3,"
        " retryable=True, aws_code='SomeException', http_status=418, request_id='request', reason_code='reason')"
    )


def test_the_envelope_has_the_documented_format() -> None:
    """The JSON lacks the code, or contains the username in the message."""
    error = ValidationError("Invalid request parameters of alice", username="alice")
    assert error.to_envelope() == {
        "success": False,
        "error": {"code": "VALIDATION_ERROR", "message": "Invalid request parameters of ***"},
    }


@every_class
def test_an_error_can_be_rebuilt_from_its_arguments(cls: type[SignOutError]) -> None:
    """Celery's JSON backend loses the message."""
    error = cls("No.", **FIELDS)
    restored = cls(*error.args)
    assert (restored.message, restored.code) == ("No.", cls.code)


#: Usernames without asterisks, because the mask consists of asterisks.
usernames = st.text(
    st.characters(categories=["L", "M", "S", "N", "P"], exclude_characters="*"), min_size=1, max_size=128
)
echoes: list[Callable[[str], str]] = [str, str.lower, str.upper, str.casefold]


@given(username=usernames, echo=st.sampled_from(echoes))
@example(username="Alice@Example.com", echo=str.lower)
@example(username="İstanbul", echo=str.lower)
@example(username="straße", echo=str.upper)
@example(username="ΟΔΟΣ", echo=str.lower)
@example(username="a.c+(d)\\1'\"", echo=str)
@settings(deadline=None)
def test_an_error_does_not_show_a_username_in_the_services_message(username: str, echo: Callable[[str], str]) -> None:
    """Usernames, often email addresses, end up in logs and error trackers."""
    echoed = echo(username)
    template = "User {} does not exist"
    gap = "-" if len(username) < MIN_NAME else ""  # short names are only masked as whole words
    error = UserNotFoundError(
        template.format(echoed),
        code=f"X{gap}{echoed}",
        aws_code=f"Y{gap}{echoed}",
        request_id=f"Z{gap}{echoed}",
        reason_code=f"W{gap}{echoed}",
        user_pool_id="us-east-1_Ab129faBb",
        username=username,
        attempts=2,
    )
    bare = UserNotFoundError(template, code="X-", aws_code="Y-", request_id="Z-", reason_code="W-", attempts=2)
    frame = f"{_last_line(bare)}{bare!r}us-east-1_Ab129faBb***"
    assume(all(name.lower() not in frame.lower() for name in (username, echoed)))
    for shown in (str(error), repr(error), f"{error}", _last_line(error), str(error.args), f"{error.to_envelope()}"):
        assert username not in shown
        assert echoed not in shown
        assert "***" in shown
    assert echoed not in error.message
    assert error.username == username


@pytest.mark.parametrize("username", ["a", "1", "aws", "-"])
def test_a_short_username_does_not_make_a_message_unreadable(username: str) -> None:
    """Every "a" in the message is masked for a user who is named "a"."""
    error = UserNotFoundError(
        "no credentials were found: see `configure`",
        request_id="1c0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a51",
        user_pool_id="us-east-1_Ab129faBb",
        username=username,
    )
    shown = (
        "no credentials were found: see `configure` [USER_NOT_FOUND, request id 1c0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a51]"
    )
    assert str(error) == shown


@pytest.mark.parametrize(
    "role",
    [
        "arn:aws:sts::123456789012:assumed-role/AccountsStack-SignOutRoleA1B2C3D4-Qm7Zk2Xw9Lp1/AccountsStackSignOut5E6F7A8B",
        "arn:aws-us-gov:iam::123456789012:role/SignsUsersOutOfEveryDeviceWhenTheyLeave01",
    ],
)
def test_the_name_of_a_role_is_not_masked(role: str) -> None:
    """An administrator can't see which role lacks a permission."""
    error = NotAuthorizedError(f"User: {role} is not authorized to perform cognito-idp:AdminUserGlobalSignOut")
    assert f"User: {role} is not" in str(error)


def test_a_username_that_looks_like_a_key_is_masked_completely() -> None:
    """A part of the username is shown."""
    username = "Abcdefghij1234567890abcdefghij1234567890@example.com"
    assert str(UserNotFoundError(f"User {username} is gone", username=username)).startswith("User *** is gone [")


def test_the_request_id_is_not_masked() -> None:
    """The request ID that AWS Support needs is masked, because it looks like a key, as in moto."""
    identifier = "kLp3ZkqGzV7ybxWg0mNc8aXr5tQeHuJ1sDfO9iPwBv2TnYlM6RjC"
    assert identifier in str(UserNotFoundError("no", request_id=identifier, username="alice"))


def test_upper_and_lower_case_of_every_letter_are_masked_completely() -> None:
    """A letter whose upper or lower case has another length is not masked, or only in part."""
    spellings = {chr(point): {echo(chr(point)) for echo in echoes} for point in range(0x20000)}
    cased = {letter: echoed for letter, echoed in spellings.items() if len(echoed) > 1}
    assert len(cased) > 2500
    for letter, echoed in cased.items():
        for spelling in echoed:
            assert str(UserNotFoundError(spelling, username=letter)) == "*** [USER_NOT_FOUND]"


def test_a_username_is_masked_in_mixed_case() -> None:
    """A username is shown if the service spells it differently from the call."""
    error = UserNotFoundError("User alice@EXAMPLE.com does not exist", username="Alice@example.com")
    assert str(error) == "User *** does not exist [USER_NOT_FOUND]"


def test_known_codes_are_not_masked() -> None:
    """The code of an error is unreadable for a user who is named "user"."""
    error = UserNotFoundError("User does not exist", aws_code="UserNotFoundException", username="user")
    assert str(error) == "*** does not exist [USER_NOT_FOUND, UserNotFoundException]"
    assert "code='USER_NOT_FOUND'" in repr(error)
    assert "aws_code='UserNotFoundException'" in repr(error)


def _last_line(error: SignOutError) -> str:
    return "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize("log", [logging.Logger.exception, logging.Logger.error])
def test_a_log_record_does_not_show_the_username(log: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """``logging.exception`` writes usernames to logs."""
    logger = logging.getLogger("application")
    error = UserNotFoundError("User alice@example.com does not exist", username="Alice@Example.com")
    try:
        raise error
    except SignOutError as caught:
        log(logger, "failed: %s, %r", caught, caught, exc_info=True)
        assert "alice" not in traceback.format_exc().lower()
    assert "alice" not in caplog.text.lower()
    assert "UserNotFoundError" in caplog.text


def test_an_error_without_a_username_masks_nothing() -> None:
    """An empty username masks parts of every message."""
    assert str(ConfigurationError("no region", username="")) == "no region [CONFIGURATION_ERROR]"


# The tables


def test_every_code_is_mapped_to_its_class() -> None:
    """The error in an envelope can't be restored."""
    codes = {code for _, _, code, _ in CLASSES}
    assert set(errors.BY_CODE) == codes - {"UNKNOWN"}
    for code, cls in errors.BY_CODE.items():
        assert cls.code == code
    assert errors.BY_CODE["VALIDATION_ERROR"] is InvalidParameterError


def test_every_aws_code_is_mapped_to_a_service_error() -> None:
    """``except ServiceError`` does not catch every error of the service."""
    assert all(issubclass(cls, ServiceError) for cls in errors.BY_AWS_CODE.values())
    assert set(errors.BY_AWS_CODE.values()) == set(ServiceError.__subclasses__()) - {UnknownServiceError}
    assert not set(errors.BY_AWS_CODE) & set(errors.BY_CODE)
    assert {errors.BY_AWS_CODE[code] for code in errors.THROTTLING_CODES} == {TooManyRequestsError}


def test_every_error_is_exported() -> None:
    """A documented error can't be imported from ``cognito_signout``."""
    assert set(errors.__all__) <= set(cognito_signout.__all__)
    assert len(set(cognito_signout.__all__)) == len(cognito_signout.__all__)
    for name in cognito_signout.__all__:
        assert getattr(cognito_signout, name) is not None
    for name in errors.__all__:
        assert getattr(cognito_signout, name) is getattr(errors, name)
