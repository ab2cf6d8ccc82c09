"""Ctrl-C and SIGTERM: the first asks the command to come to an end, the second ends it.

A signal's handler raises nothing, lest it tear what is being written, but for one place that says it may be torn:
a read that could block for ever.
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
_NOTICE = b"interrupted: finishing what is in flight; once more, and it is given up\n"

T = TypeVar("T")


class _Interrupt(Exception):  # noqa: N818 -- it is no error
    """Takes a blocking read out of its wait."""


class Interruption:
    """Within ``with``, in the main thread, hears SIGINT and SIGTERM.

    Attributes:
        requested: Whether there was one. A second one ends the process at once, with status 130.
    """

    def __init__(self) -> None:
        self.requested = False
        self._may_raise = False
        self._former = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> Self:
        for number, former in self._former.items():
            if former not in (signal.SIG_IGN, None):  # a shell has what runs in the background ignore Ctrl-C
                signal.signal(number, self._hear)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            if former is not None:
                signal.signal(number, former)

    def wait(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; ``None``, at once and without calling it again, when it is to stop."""
        try:
            try:
                self._may_raise = True
                return None if self.requested else read()
            finally:
                self._may_raise = False
        except _Interrupt:
            return None

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            os._exit(INTERRUPTED)
        self.requested = True
        with suppress(OSError):
            os.write(_STDERR, b"\n" + _NOTICE if os.isatty(_STDERR) else _NOTICE)
        if self._may_raise:
            raise _Interrupt
