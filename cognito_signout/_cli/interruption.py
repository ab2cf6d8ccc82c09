"""Ctrl-C and SIGTERM: the first one asks the command to stop, the second one ends the process.

The signal handler raises no exception, because that could interrupt a write. The only exception is a read that may
block forever.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from typing_extensions import Self

#: The exit status of an interrupted process: 128 and the number of SIGINT.
INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2
_NOTICE = b"interrupted: finishing requests in flight (press Ctrl-C again to stop now)\n"

T = TypeVar("T")


class _Interrupt(Exception):  # noqa: N818 -- it is not an error
    """Ends a blocking read."""


class Interruption:
    """Handles SIGINT and SIGTERM within ``with``, in the main thread.

    Attributes:
        requested: Whether there was a signal. A second signal ends the process at once, with status 130.
    """

    def __init__(self) -> None:
        self.requested = False
        self._may_raise = False
        self._previous = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> Self:
        for number, previous in self._previous.items():
            if previous not in (signal.SIG_IGN, None):  # shells let background processes ignore Ctrl-C
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            if previous is not None:
                signal.signal(number, previous)

    def wait(self, read: Callable[[], T]) -> T | None:
        """The result of ``read``, or ``None`` at once if there was a signal."""
        try:
            try:
                self._may_raise = True
                return None if self.requested else read()
            finally:
                self._may_raise = False
        except _Interrupt:
            return None

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            os._exit(INTERRUPTED)
        self.requested = True
        with suppress(OSError):
            os.write(_STDERR, b"\n" + _NOTICE if os.isatty(_STDERR) else _NOTICE)
        if self._may_raise:
            raise _Interrupt
