"""Calls ``_after_fork()`` of each registered object in a forked child. Each class decides what it creates anew.

The sockets of an object belong to the parent, and its locks may have been held. The calls happen before any other code
runs in the child. So a daemon that closes all descriptors later can't close one that an object of this library uses.
"""

from __future__ import annotations

import os
from operator import methodcaller
from weakref import WeakSet

#: What a child must neither use nor close, such as sockets that an event loop of the parent waits for.
inherited: list[object] = []

_registered: WeakSet[object] = WeakSet()


def register(item: object) -> None:
    """Calls ``item._after_fork()`` in each forked child, as long as the item exists."""
    _registered.add(item)


def _after_fork() -> None:
    for item in list(_registered):
        methodcaller("_after_fork")(item)


if hasattr(os, "register_at_fork"):  # pragma: no branch -- there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
