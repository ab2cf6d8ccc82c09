"""The errors: what catches them, what they hold, and what they must not show."""

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
from cognito_signout._masking import MIN_LENGTH
from cognito_signout.errors import (
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

#: Each class, its bases, its code, and whether the same call may succeed later.
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
    "reason_code": "reason",
}


@pytest.mark.parametrize(("cls", "bases", "code", "retryable"), CLASSES)
def test_a_class_is_what_the_documentation_says(
    cls: type[SignOutError], bases: tuple[type[Exception], ...], code: str, retryable: bool
) -> None:
    """An ``except`` clause, or a comparison of codes, that worked yesterday would not catch it any more."""
    assert cls.__bases__ == bases
    error = cls("No.")
    assert (error.code, error.retryable, error.message) == (code, retryable, "No.")
    assert (error.user_pool_id, error.username, error.attempts) == (None, None, 0)
    assert (error.aws_code, error.http_status, error.request_id, error.reason_code) == (None, None, None, None)
    assert error.args == ()


def test_the_table_above_has_every_class() -> None:
    """A class would be added without anyone having decided what catches it."""
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
def test_an_error_is_caught_by_pythons_own_name_for_it(cls: type[SignOutError], caught_by: type[Exception]) -> None:
    """Code that handles Python's errors would let ours through."""
    with pytest.raises(caught_by, match="No"):
        raise cls("No.")


@every_class
def test_a_field_that_is_given_is_kept(cls: type[SignOutError]) -> None:
    """The id that AWS support asks for would be lost."""
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
def test_a_copy_has_all_that_the_error_had(cls: type[SignOutError], duplicate: Callable[[Any], Any]) -> None:
    """An error that crosses a process, as from a pool's worker, would lose its details or break the pool."""
    error = cls("No.", code="CODE", **FIELDS)
    twin = duplicate(error)
    assert twin is not error
    assert type(twin) is cls
    assert vars(twin) == vars(error)
    assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
    assert twin.to_envelope() == error.to_envelope()


def test_a_subclass_with_arguments_of_its_own_pickles() -> None:
    """An application's subclass would break the pool that it crosses."""
    twin = pickle.loads(pickle.dumps(TellTaleError(3)))
    assert (type(twin), twin.tales, twin.message) == (TellTaleError, 3, "3 tales")


class TellTaleError(UserNotFoundError):
    """An error whose ``__init__`` takes something else than ours."""

    def __init__(self, tales: int) -> None:
        super().__init__(f"{tales} tales")
        self.tales = tales


def test_str_says_what_went_wrong_and_where() -> None:
    """A log would not say which request AWS support should look for."""
    assert str(UserNotFoundError("No.")) == "No. [USER_NOT_FOUND]"
    error = UserNotFoundError(
        "User does not exist.", aws_code="UserNotFoundException", http_status=400, request_id="1-2", attempts=2
    )
    assert str(error) == (
        "User does not exist. [USER_NOT_FOUND, UserNotFoundException, HTTP 400, request id 1-2, 2 attempts]"
    )
    assert str(UnknownServiceError("No.", code="New", aws_code="New", attempts=1)) == "No. [New]"


def test_repr_shows_the_fields() -> None:
    """A debugger would show nothing to go by."""
    assert repr(ValidationError("No.")) == (
        "ValidationError(code='VALIDATION_ERROR', message='No.', user_pool_id=None, attempts=0, retryable=False)"
    )
    assert repr(InvalidParameterError("No.", **FIELDS)) == (
        "InvalidParameterError(code='VALIDATION_ERROR', message='No.', user_pool_id='us-east-1_Ab129faBb', attempts=3,"
        " retryable=True, aws_code='SomeException', http_status=418, request_id='request', reason_code='reason')"
    )


def test_the_envelope_is_the_documented_one() -> None:
    """Whoever reads the JSON would not find the code, or not the whole message."""
    error = ValidationError("Invalid request parameters of alice", username="alice")
    assert error.to_envelope() == {
        "success": False,
        "error": {"code": "VALIDATION_ERROR", "message": "Invalid request parameters of alice"},
    }


#: Asterisks are what a mask is made of.
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
def test_an_error_does_not_show_the_username_that_the_service_echoed(username: str, echo: Callable[[str], str]) -> None:
    """Names of users, often e-mail addresses, would end up in logs and error trackers."""
    echoed = echo(username)
    template = "User {} does not exist"
    gap = "-" if len(username) < MIN_LENGTH else ""  # short names are looked for as words
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
    for shown in (str(error), repr(error), f"{error}", _last_line(error)):
        assert username not in shown
        assert echoed not in shown
        assert "***" in shown
    assert error.message == template.format(echoed)
    assert error.username == username


@pytest.mark.parametrize("username", ["a", "1", "aws", "-"])
def test_a_short_name_does_not_make_a_message_unreadable(username: str) -> None:
    """There is an "a" in most texts: who has that name could not read a word of what went wrong."""
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
    "said",
    [
        "arn:aws:sts::123456789012:assumed-role/AccountsStack-SignOutRoleA1B2C3D4-Qm7Zk2Xw9Lp1/AccountsStackSignOut5E6F7A8B",
        "arn:aws-us-gov:iam::123456789012:role/SignsUsersOutOfEveryDeviceWhenTheyLeave01",
    ],
)
def test_a_role_is_named(said: str) -> None:
    """Who was refused what is what an administrator has to know, however much the name looks like a key."""
    error = NotAuthorizedError(f"User: {said} is not authorized to perform cognito-idp:AdminUserGlobalSignOut")
    assert f"User: {said} is not" in str(error)


@pytest.mark.parametrize(
    "key",
    [
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "wJalrXUtnFEMI%2FK7MDENG%2bbPxRfiCYEXAMPLEKEY",
        r"wJalrXUtnFEMI\/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ" * 4 + "==",
        "Signature=" + "0123456789abcdef" * 4,
    ],
)
def test_a_key_is_masked_however_it_is_spelled(key: str) -> None:
    """Services and sources of credentials quote what they please; it would end up in logs."""
    shown = str(NotAuthorizedError(f"it says '{key}' here"))
    assert shown.startswith("it says '")
    assert "***' here" in shown
    assert key[-30:] not in shown


def test_a_name_that_looks_like_a_key_is_masked_as_a_whole() -> None:
    """Half of it would be left."""
    username = "Abcdefghij1234567890abcdefghij1234567890@example.com"
    assert str(UserNotFoundError(f"User {username} is gone", username=username)).startswith("User *** is gone [")


def test_the_id_of_a_request_is_shown() -> None:
    """It is what AWS's support asks for; moto's looks like a key."""
    identifier = "kLp3ZkqGzV7ybxWg0mNc8aXr5tQeHuJ1sDfO9iPwBv2TnYlM6RjC"
    assert identifier in str(UserNotFoundError("no", request_id=identifier, username="alice"))
    assert "***" in str(UserNotFoundError("no", request_id=f"{identifier}/{identifier}", username="alice"))


def test_every_spelling_of_a_letter_is_masked_as_a_whole() -> None:
    """A letter that has another length in lower or in upper case would give a name away, or leave half of itself."""
    spellings = {chr(point): {echo(chr(point)) for echo in echoes} for point in range(0x20000)}
    cased = {letter: echoed for letter, echoed in spellings.items() if len(echoed) > 1}
    assert len(cased) > 2500
    for letter, echoed in cased.items():
        for spelling in echoed:
            assert str(UserNotFoundError(spelling, username=letter)) == "*** [USER_NOT_FOUND]"


def test_a_name_is_masked_in_any_mixture_of_cases() -> None:
    """The name would be shown as the user signed up with it, where the call spelled it otherwise."""
    error = UserNotFoundError("User alice@EXAMPLE.com does not exist", username="Alice@example.com")
    assert str(error) == "User *** does not exist [USER_NOT_FOUND]"


def test_known_codes_are_shown_whatever_a_user_is_called() -> None:
    """An error about a user called "user" could not be told from any other."""
    error = UserNotFoundError("User does not exist", aws_code="UserNotFoundException", username="user")
    assert str(error) == "*** does not exist [USER_NOT_FOUND, UserNotFoundException]"
    assert "code='USER_NOT_FOUND'" in repr(error)
    assert "aws_code='UserNotFoundException'" in repr(error)


def _last_line(error: SignOutError) -> str:
    return "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize("log", [logging.Logger.exception, logging.Logger.error])
def test_a_log_record_does_not_show_the_username(log: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """``logging.exception``, which everybody writes, would put names of users in logs."""
    logger = logging.getLogger("application")
    error = UserNotFoundError("User alice@example.com does not exist", username="Alice@Example.com")
    try:
        raise error
    except SignOutError as caught:
        log(logger, "failed: %s, %r", caught, caught, exc_info=True)
        assert "alice" not in traceback.format_exc().lower()
    assert "alice" not in caplog.text.lower()
    assert "UserNotFoundError" in caplog.text


def test_an_error_that_is_about_no_user_masks_nothing() -> None:
    """Every message would be cut to pieces."""
    assert str(ConfigurationError("no region", username="")) == "no region [CONFIGURATION_ERROR]"


# The tables


def test_a_code_leads_back_to_its_class() -> None:
    """An envelope that we wrote could not be read back."""
    codes = {code for _, _, code, _ in CLASSES}
    assert set(errors.BY_CODE) == codes - {"UNKNOWN"}
    for code, cls in errors.BY_CODE.items():
        assert cls.code == code
    assert errors.BY_CODE["VALIDATION_ERROR"] is InvalidParameterError


def test_every_code_of_the_service_leads_to_a_class_of_what_the_service_says() -> None:
    """``except ServiceError`` would miss some of what the service says."""
    assert all(issubclass(cls, ServiceError) for cls in errors.BY_AWS_CODE.values())
    assert set(errors.BY_AWS_CODE.values()) == set(ServiceError.__subclasses__()) - {UnknownServiceError}
    assert not set(errors.BY_AWS_CODE) & set(errors.BY_CODE)
    assert {errors.BY_AWS_CODE[code] for code in errors.THROTTLING_CODES} == {TooManyRequestsError}


def test_every_error_is_exported() -> None:
    """``from cognito_signout import …`` would not find what the documentation names."""
    assert set(errors.__all__) <= set(cognito_signout.__all__)
    assert len(set(cognito_signout.__all__)) == len(cognito_signout.__all__)
    for name in cognito_signout.__all__:
        assert getattr(cognito_signout, name) is not None
    for name in errors.__all__:
        assert getattr(cognito_signout, name) is getattr(errors, name)
