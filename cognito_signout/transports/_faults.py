"""What sockets, event loops and the reader of responses raise, turned into this library's errors."""

from __future__ import annotations

from ..errors import SignOutConnectionError, SignOutError, SignOutTimeoutError
from ._response import BadResponse


class Faults:
    """Within ``with``, turns faults into errors that say what was being done.

    Raises:
        SignOutTimeoutError: It took too long.
        SignOutConnectionError: Whatever else can go wrong.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, SignOutError):
            return
        if isinstance(error, TimeoutError):
            raise SignOutTimeoutError(f"{self._doing}: it took too long") from error
        if isinstance(error, (OSError, BadResponse, ValueError)):  # a ValueError: a host name that can't be encoded
            raise SignOutConnectionError(f"{self._doing}: {str(error) or type(error).__name__}") from error
