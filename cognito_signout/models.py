"""The result of a sign-out, and the JSON envelopes.

These are frozen values. All times are those of the service. For what a sign-out ends, and what it leaves to expire, see
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUserGlobalSignOut.html
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal, TypedDict

from attrs import field, frozen

from ._masking import masked_id
from .errors import SignOutError, ValidationError

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["ErrorDetails", "ErrorEnvelope", "SignOutOutcome", "SignOutResult", "SuccessData", "SuccessEnvelope"]

#: The validity of access and ID tokens, unless the app client has another setting.
DEFAULT_TOKEN_VALIDITY = timedelta(hours=1)
#: How long a hosted-UI cookie can still get new tokens. It can't be configured.
HOSTED_UI_COOKIE_VALIDITY = timedelta(hours=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class SuccessData(TypedDict):
    """The ``data`` of a :class:`SuccessEnvelope`."""

    id: str
    created_at: str


class SuccessEnvelope(TypedDict):
    """A sign-out as JSON: ``{"success": true, "data": {"id": …, "created_at": …}}``."""

    success: Literal[True]
    data: SuccessData


class ErrorDetails(TypedDict):
    """The ``error`` of an :class:`ErrorEnvelope`."""

    code: str
    message: str


class ErrorEnvelope(TypedDict):
    """A failed sign-out as JSON: ``{"success": false, "error": {"code": …, "message": …}}``."""

    success: Literal[False]
    error: ErrorDetails


def _check_is_aware(_result: object, _attribute: object, created_at: datetime) -> None:
    if created_at.utcoffset() is None:
        raise ValidationError("created_at needs a time zone")


@frozen(kw_only=True)
class SignOutResult:
    """A user was signed out: every refresh token issued to the user before ``created_at`` is revoked.

    Attributes:
        id: The service's ID of this sign-out: ``data.id`` of the envelope; else the request ID
            (``x-amzn-RequestId``); else the invocation ID that the client sent.
        created_at: The time of the sign-out: ``data.created_at`` of the envelope; else the ``Date`` of the response;
            else this machine's clock. Aware, in UTC.
        user_pool_id: The pool of the user.
        username: The user, as passed to the call. It is not in ``repr``, not even as a part of the ID.
        attempts: The number of requests sent.
    """

    id: str
    created_at: datetime = field(validator=_check_is_aware)
    user_pool_id: str
    username: str
    attempts: int = 1

    def __repr__(self) -> str:
        shown = {"id": masked_id(self.id, self.username), "created_at": self.created_at}
        shown |= {"user_pool_id": self.user_pool_id, "attempts": self.attempts}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def revokes(self, *, issued_at: datetime | float) -> bool:
        """Whether a token with this ``iat`` was issued before the sign-out, so that services must refuse it.

        A service that verifies access and ID tokens offline accepts them until they expire, unless it checks this.

        Args:
            issued_at: The token's ``iat`` claim, in seconds since the epoch, or an aware datetime.

        Returns:
            ``True`` if the token was issued at or before this sign-out. Both are compared in whole
            seconds, and a tie counts as revoked.

        Raises:
            ValidationError: The datetime has no time zone, or the number is not finite.

        >>> signed_out = SignOutResult(
        ...     id="1", created_at=datetime(2025, 1, 1, tzinfo=timezone.utc), user_pool_id="us-east-1_A", username="a"
        ... )
        >>> signed_out.revokes(issued_at=1735689600), signed_out.revokes(issued_at=1735689601)
        (True, False)
        """
        return _seconds(issued_at) <= _whole_seconds(self.created_at)

    def tokens_expire_by(self, validity: timedelta = DEFAULT_TOKEN_VALIDITY) -> datetime:
        """When the last access or ID token issued before this sign-out expires.

        Args:
            validity: The longest validity of access and ID tokens in the settings of the pool's app clients.
                Default: 1 hour, which is Cognito's default.

        Raises:
            ValidationError: ``validity`` is not a timedelta, is negative, or reaches beyond the year 9999.
        """
        if not isinstance(validity, timedelta) or validity < timedelta(0):
            raise ValidationError("validity must be a timedelta, and not negative")
        try:
            return self.created_at + validity
        except OverflowError:
            raise ValidationError("validity reaches beyond the year 9999") from None

    @property
    def hosted_ui_expires_by(self) -> datetime:
        """When the last hosted-UI (managed login) cookie that can still get new tokens expires, which is one hour after
        the sign-out. To end that session at once, send the browser to the pool's ``/logout``.
        """
        return self.tokens_expire_by(HOSTED_UI_COOKIE_VALIDITY)

    def to_envelope(self) -> SuccessEnvelope:
        """The result as the documented JSON envelope."""
        created_at = self.created_at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        return {"success": True, "data": {"id": self.id, "created_at": created_at}}


def _seconds(issued_at: datetime | float) -> int:
    if isinstance(issued_at, datetime):
        if issued_at.utcoffset() is None:
            raise ValidationError("issued_at needs a time zone: a datetime without one could mean any instant")
        return _whole_seconds(issued_at)
    if isinstance(issued_at, int) and not isinstance(issued_at, bool):
        return issued_at
    if not isinstance(issued_at, float) or not math.isfinite(issued_at):
        raise ValidationError("issued_at must be an aware datetime or a finite number of seconds since the epoch")
    return math.floor(issued_at)


def _whole_seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)  # exact, unlike timestamp()


#: The outcome for one user. Results and errors have a ``user_pool_id`` and a ``username``.
SignOutOutcome: TypeAlias = SignOutResult | SignOutError
