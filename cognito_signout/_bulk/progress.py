"""The rules of ``sign_out_many`` that both clients share, without I/O.

They say which arguments are valid, how many users may be pending, which errors end the run, and when an error is
raised. Only the consumer of the outcomes pulls usernames, so no more of them are held than are pending: in flight, or
waiting to be yielded.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING

from .._call.flow import check_timeout
from .._call.protocol import check_user_pool_id
from ..errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    OperationNotEnabledError,
    ResourceNotFoundError,
    SignOutError,
    ValidationError,
)
from ..models import SignOutResult

if TYPE_CHECKING:
    from datetime import timedelta

    from ..models import SignOutOutcome
    from .pacing import Pacer

#: The errors that affect every user.
ENDING_ERRORS = (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    OperationNotEnabledError,
    ResourceNotFoundError,
)


def check_arguments(
    *,
    user_pool_id: str,
    usernames: object,
    max_rate: float | None,
    max_concurrency: int,
    timeout: float | timedelta | None,
    takes_async: bool = False,
) -> None:
    """Raises a :class:`ValidationError` for an invalid argument, before a username is pulled."""
    check_user_pool_id(user_pool_id)
    check_timeout(timeout)
    kinds = (Iterable, AsyncIterable) if takes_async else Iterable
    if not isinstance(usernames, kinds) or isinstance(usernames, (str, bytes)):
        raise ValidationError("usernames must be an iterable of names, such as a list; for one user, call sign_out()")
    if max_rate is not None:
        is_number = isinstance(max_rate, (int, float)) and not isinstance(max_rate, bool)
        if not is_number or not 0 < max_rate < math.inf:
            raise ValidationError("max_rate must be a positive number of requests a second, or None")
    if not isinstance(max_concurrency, int) or isinstance(max_concurrency, bool) or max_concurrency < 1:
        raise ValidationError("max_concurrency must be a positive int")


class Progress:
    """The progress of a run: how many users are pending, whether more may be pulled, and which error ends it.

    Args:
        max_concurrency: The maximum number of pending users.
        pacer: Is told how many users are left, when no others will follow.
    """

    def __init__(self, max_concurrency: int, pacer: Pacer) -> None:
        self.pending = 0
        self._max_pending = max_concurrency
        self._pacer = pacer
        self._is_exhausted = False
        self._failure: BaseException | None = None

    def may_pull(self) -> bool:
        """Whether another username may be pulled."""
        return not self._is_exhausted and self._failure is None and self.pending < self._max_pending

    def pulled(self) -> None:
        """A username was pulled."""
        self.pending += 1

    def exhausted(self, failure: BaseException | None = None) -> None:
        """There are no more usernames, or pulling the next one failed."""
        self._is_exhausted = True
        self._failure = self._failure or failure
        self._tell_pacer()

    def completed(self, outcome: SignOutOutcome | BaseException) -> None:
        """A user has an outcome. If it is an error that affects every user, no more users are started."""
        is_error_of_one = isinstance(outcome, SignOutError) and not isinstance(outcome, ENDING_ERRORS)
        if isinstance(outcome, BaseException) and not is_error_of_one and self._failure is None:
            self._failure = outcome

    def settled(self, outcome: SignOutOutcome | BaseException) -> SignOutOutcome | None:
        """A completed outcome is about to be yielded. Returns it, unless it is the error to raise at the end."""
        self.pending -= 1
        self._tell_pacer()
        if outcome is self._failure or not isinstance(outcome, (SignOutResult, SignOutError)):
            return None
        return outcome

    def finish(self) -> None:
        """All outcomes are yielded: raises the error that ended the run, if there is one."""
        if self._failure is not None:
            raise self._failure

    def _tell_pacer(self) -> None:
        if self._is_exhausted or self._failure is not None:
            self._pacer.users_left = self.pending
