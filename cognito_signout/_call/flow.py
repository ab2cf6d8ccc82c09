"""The flow of a call, from its arguments to its outcome.

It is a generator that does no I/O. It yields what it needs done (the steps of :mod:`_call.steps`) and is sent back what
came of it; a driver, blocking or async, does it. Time and randomness come from the :class:`Clock` and what calls share
from the :class:`Shared` that it is given. It returns a result, or raises a :class:`SignOutError`, complete with the
user, the pool and the number of attempts, and without a cause that would show a name or a secret in a traceback.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

from .._masking import presentable
from ..errors import SignOutError, ValidationError
from . import protocol
from .attempts import Call, PacedCall

if TYPE_CHECKING:
    from .._bulk.pacing import Pacer
    from .steps import Clock, Flow, Shared


def sign_out(
    clock: Clock,
    shared: Shared,
    *,
    user_pool_id: str,
    username: str,
    timeout: float | timedelta | None,
    pacer: Pacer | None = None,
) -> Flow:
    """The flow of one call. See :meth:`SignOutClient.sign_out` for its arguments.

    With a pacer, it is one call of many: every attempt waits for its turn, being throttled costs nothing but time, and
    the timeout begins with the first attempt.
    """
    call = (
        Call(clock, shared, user_pool_id, username)
        if pacer is None
        else PacedCall(clock, shared, user_pool_id, username, pacer)
    )
    try:
        protocol.check_arguments(user_pool_id, username)
        return (yield from call.run(check_timeout(timeout)))
    except SignOutError as error:
        told = _about(
            error,
            user_pool_id=user_pool_id if protocol.is_user_pool_id(user_pool_id) else None,
            username=username if isinstance(username, str) else None,
            attempts=call.attempts,
        )
        # What it came from, and not itself: it masks the name, and shows codes that only look like it.
        context = None if error.__suppress_context__ else error.__context__
        cause = (error.__cause__ or context) if told is error else error
        if presentable(cause, told.username) is not cause:
            raise told from None
        if told is error:
            raise
        raise told from error


def check_timeout(timeout: float | timedelta | None) -> float | None:
    """A timeout in seconds; ``None`` for none.

    Raises:
        ValidationError: It is not positive, or no time at all.
    """
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValidationError("timeout must be a positive number of seconds, a timedelta, or None")
    return float(seconds) if seconds <= TIMEOUT_MAX else None  # no socket could be told more


def _about(error: SignOutError, **whom: Any) -> SignOutError:
    """The error, which says whom it was about: what transports, settings and credentials raise does not. A copy where
    it is another call's already, since a mock may raise the same one for everybody.
    """
    if whom.items() <= vars(error).items():
        return error
    if error.username is not None:
        error = copy(error)
    vars(error).update(whom)
    return error
