"""Ctrl-C and SIGTERM: the first one asks the command to stop, the second one ends the process.

The signal handler raises no exception, because that could interrupt a write.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from typing_extensions import Self

#: The exit status of an interrupted process: 128 and the number of SIGINT.
INTERRUPTED = 130
#: The signals, and how a user sends them again.
SIGNALS = {signal.SIGINT: "press Ctrl-C", signal.SIGTERM: "send SIGTERM"}
_STDERR = 2
_STOPPED = b"stopped: users in flight may be signed out or not; to resume, start the same command again\n"


class Interruption:
    """Handles SIGINT and SIGTERM within ``with``, in the main thread.

    Attributes:
        requested: Whether there was a signal. A second signal ends the process at once, with status 130.
        wake: Called by the signal handler, to end a wait.
    """

    def __init__(self) -> None:
        self.requested = False
        self.wake: Callable[[], None] = lambda: None
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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            with suppress(OSError):
                os.write(_STDERR, _STOPPED)
            os._exit(INTERRUPTED)
        self.requested = True
        again = SIGNALS[signal.Signals(number)]
        notice = f"interrupted: finishing requests in flight ({again} again to stop now)\n"
        with suppress(OSError):
            os.write(_STDERR, b"\n" * os.isatty(_STDERR) + notice.encode())
        self.wake()
