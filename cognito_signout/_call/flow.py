"""The outer part of a call: it checks the arguments, runs :mod:`.attempts`, and completes and masks the error.

It is a generator that does no I/O. It yields :mod:`.steps` and is sent their results by a driver, blocking or async. It
returns a result or raises a :class:`SignOutError` that names the user, the pool and the number of attempts, and has no
cause that would show a username or a secret in a traceback.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

from .._masking import masked, safe_to_show
from ..errors import BY_AWS_CODE, BY_CODE, SignOutError, ValidationError
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

    With a pacer, every attempt waits for its turn, throttling does not count as an attempt, and the timeout starts with
    the first attempt.
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
        complete = with_context(
            error,
            user_pool_id=user_pool_id if protocol.is_user_pool_id(user_pool_id) else "",
            username=username if isinstance(username, str) else "",
            attempts=call.attempts,
        )
        if not _mask(complete, error, call):
            raise complete from None
        if complete is error:
            raise
        raise complete from error


def _mask(error: SignOutError, original: SignOutError, call: Call) -> bool:
    """Masks the username and the secrets of the call in everything that the error shows.

    Error trackers show the local variables of the frames in a traceback. This function, which has the secrets in its
    local variables, is not among them.

    Args:
        error: The error.
        original: The error that ``error`` is a copy of, or ``error`` itself.
        call: The call.

    Returns:
        Whether a traceback may show the cause: the original, or the cause of the error itself.
    """
    context = None if error.__suppress_context__ else error.__context__
    cause = (error.__cause__ or context) if error is original else original
    secrets = call.secrets()
    error.message = masked(error.message, error.username, secrets)
    error.args = (error.message,)
    for name in ("code", "aws_code", "request_id", "reason_code"):
        value = getattr(error, name)
        if value and value not in BY_AWS_CODE and value not in BY_CODE:
            vars(error)[name] = masked(value, error.username, secrets)
    return safe_to_show(cause, error.username, secrets) is cause


class _ClientTimeout:
    """The default of ``timeout`` for one call."""

    def __repr__(self) -> str:
        return "<the client's timeout>"


CLIENT_TIMEOUT: Any = _ClientTimeout()


def check_timeout(timeout: float | timedelta | None) -> float | None:
    """A timeout in seconds; ``None`` for no limit.

    Raises:
        ValidationError: It is not a positive number.
    """
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValidationError("timeout must be a positive number of seconds, a timedelta, or None")
    return float(seconds) if seconds <= TIMEOUT_MAX else None  # beyond a socket's maximum: no limit


def with_context(error: SignOutError, **context: Any) -> SignOutError:
    """The error, with the user and the pool that it is about.

    It is a copy if the error already belongs to another call: a mock may raise the same exception for every call.
    """
    if context.items() <= vars(error).items():
        return error
    if error.username:
        error = copy(error)
    vars(error).update(context)
    return error
