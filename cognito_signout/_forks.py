"""Objects that must start again in a forked child: their sockets are the parent's, and locks may have been held.

A child calls ``after_fork()`` of each registered object at once, before any of its own code runs: a daemon that closes
all descriptors later finds nothing of ours that still refers to their numbers.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object with something to do in a forked child."""

    def after_fork(self) -> None:
        """Starts again, without what belongs to the parent. Called in the child, which has one thread."""
        ...


#: What a child must neither use nor close, such as sockets that an event loop of the parent waits for.
inherited: list[object] = []

_registered: WeakSet[Forkable] = WeakSet()


def register(item: Forkable) -> None:
    """Calls ``item.after_fork()`` in each forked child, as long as the item exists."""
    _registered.add(item)


def _after_fork() -> None:
    for item in list(_registered):
        item.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch -- there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
