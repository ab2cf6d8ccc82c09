"""Many users: what the blocking and the async client share of it.

Pure: which arguments will do, how many users may be in hand, which errors end the work, and in which order all that
is told. Whoever consumes the outcomes is the only one to pull usernames, so no more of them are held than are in
hand: in flight, or done and waiting to be yielded.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING

from .._call.flow import check_timeout
from .._call.protocol import check_user_pool_id
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    NotAuthorizedError,
    OperationNotEnabledError,
    ResourceNotFoundError,
    SignOutError,
    ValidationError,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from ..models import SignOutOutcome

#: What would befall every other user alike.
ENDING_ERRORS = (
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    NotAuthorizedError,
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
    """Raises a :class:`ValidationError` for what can't be right, before a username is pulled."""
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
    """How far the work has got: how many users are in hand, whether more may be pulled, and what has ended it.

    Args:
        max_concurrency: How many users may be in hand.
    """

    def __init__(self, max_concurrency: int) -> None:
        self.pending = 0
        self._max_pending = max_concurrency
        self._is_exhausted = False
        self._failure: BaseException | None = None

    def may_pull(self) -> bool:
        """Whether another username may be pulled."""
        return not self._is_exhausted and self._failure is None and self.pending < self._max_pending

    def pulled(self) -> None:
        """A username is in hand."""
        self.pending += 1

    def exhausted(self, failure: BaseException | None = None) -> None:
        """There are no more usernames, or there is an error instead of the next one."""
        self._is_exhausted = True
        self._failure = self._failure or failure

    def settled(self, outcome: SignOutOutcome | BaseException) -> SignOutOutcome | None:
        """An outcome is there. Returns it if it is to be yielded, and not the one to be raised in the end."""
        self.pending -= 1
        if isinstance(outcome, BaseException) and not isinstance(outcome, SignOutError):
            self._failure = self._failure or outcome
            return None
        if isinstance(outcome, ENDING_ERRORS) and self._failure is None:
            self._failure = outcome
            return None
        return outcome

    def finish(self) -> None:
        """All that was in hand is yielded: raises what has ended the work, even if it was the last user's."""
        if self._failure is not None:
            raise self._failure
