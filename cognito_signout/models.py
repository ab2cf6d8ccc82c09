"""The result of a sign-out, and the JSON envelopes.

These are frozen values. Times come from the service, unless its response has none. What a sign-out revokes, and
what stays valid until it expires:
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUserGlobalSignOut.html
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from attrs import field, frozen

from ._masking import masked, without_keys
from .errors import SignOutError, ValidationError

if TYPE_CHECKING:
    from typing import TypeAlias

    from ._envelopes import ErrorDetails, ErrorEnvelope, SuccessData, SuccessEnvelope

__all__ = ["ErrorDetails", "ErrorEnvelope", "SignOutOutcome", "SignOutResult", "SuccessData", "SuccessEnvelope"]

#: How far the ``iat`` of Cognito's tokens can be ahead of the time of issue, in seconds.
IAT_TOLERANCE = 1
#: How long a hosted-UI cookie can get new tokens after its last use, unless the pool is configured otherwise.
HOSTED_UI_COOKIE_VALIDITY = timedelta(hours=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


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
        shown = {"id": masked(without_keys(self.id), self.username), "created_at": self.created_at}
        shown |= {"user_pool_id": self.user_pool_id, "attempts": self.attempts}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def revokes(self, *, issued_at: datetime | float) -> bool:
        """Whether a token with this ``iat`` was issued before the sign-out, so that services must refuse it.

        A service that verifies access and ID tokens offline accepts them until they expire, unless it checks this.

        Args:
            issued_at: The token's ``iat`` claim, in seconds since the epoch, or an aware datetime.

        Returns:
            ``True`` if the token was issued at or before this sign-out. Whole seconds are compared, with one second of
            tolerance: Cognito's ``iat`` can be a second ahead.

        Raises:
            ValidationError: The datetime has no time zone, or the number is not finite.

        >>> signed_out = SignOutResult(
        ...     id="1", created_at=datetime(2025, 1, 1, tzinfo=timezone.utc), user_pool_id="us-east-1_A", username="a"
        ... )
        >>> signed_out.revokes(issued_at=1735689600), signed_out.revokes(issued_at=1735689602)
        (True, False)
        """
        return _seconds(issued_at) <= whole_seconds(self.created_at) + IAT_TOLERANCE

    def tokens_expire_by(self, validity: timedelta) -> datetime:
        """When the last access or ID token issued before this sign-out expires.

        Args:
            validity: The longest validity of access and ID tokens in the settings of the pool's app clients. Cognito's
                default is an hour, and its maximum a day.

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
        """An hour after the sign-out. A hosted-UI (managed login) cookie expires then if it is not used again.

        Until then it can get new tokens. Each use starts the hour again, and a pool may be configured with longer
        sessions. To end the session at once, send the browser to the pool's ``/logout``.
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
        return whole_seconds(issued_at)
    if isinstance(issued_at, int) and not isinstance(issued_at, bool):
        return issued_at
    if not isinstance(issued_at, float) or not math.isfinite(issued_at):
        raise ValidationError("issued_at must be an aware datetime or a finite number of seconds since the epoch")
    return math.floor(issued_at)


def whole_seconds(moment: datetime) -> int:
    """The whole seconds since the epoch."""
    return (moment - _EPOCH) // timedelta(seconds=1)  # exact, unlike timestamp()


#: The outcome for one user. Results and errors have a ``user_pool_id`` and a ``username``.
SignOutOutcome: TypeAlias = SignOutResult | SignOutError


def __getattr__(name: str) -> object:
    if name in __all__:  # an envelope
        from . import _envelopes

        return getattr(_envelopes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
