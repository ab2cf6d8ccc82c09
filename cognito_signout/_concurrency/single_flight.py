"""Runs a slow lookup once for all threads that ask at the same time."""

from __future__ import annotations

import threading
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One thread runs the lookup. Threads that ask in the meantime wait, and get its value or its error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flight: _Flight | None = None

    def do(self, find: Callable[[], T]) -> T:
        """The value that ``find`` returns, in this thread or in the one that is already looking."""
        while True:
            with self._lock:
                flight = self._flight
                if flight is None:
                    own = self._flight = _Flight()
                    break
            flight.done.wait()
            if flight.error is not None:
                raise copy(flight.error)
            if flight.has_value:
                return cast("T", flight.value)
        try:
            own.value = value = find()
            own.has_value = True
        except Exception as error:
            own.error = error
            raise
        finally:  # also after KeyboardInterrupt: then another thread looks
            self._flight = None
            own.done.set()
        return value


class _Flight:
    """A lookup in progress."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.has_value = False
        self.value: object = None
        self.error: Exception | None = None
