"""Locks that are held while the process forks, so that a child finds them free and what they guard in order.

Without that, a child that was forked while another thread held one of them would wait for it for ever.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakKeyDictionary

#: What is held, and how late: whoever holds a lock may wait for one that comes later.
_locks: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
#: What is being held, by the thread that forks.
_held: dict[int, list[Any]] = {}


def hold_at_forks(*locks: Any) -> None:
    """Has locks be held at every fork from now on, as long as anybody refers to them.

    Args:
        locks: In the order in which they are taken.
    """
    _locks.update((lock, order) for order, lock in enumerate(locks))


def _hold() -> None:
    locks = [lock for reference in _locks.keyrefs() if (lock := reference()) is not None]
    locks.sort(key=_locks.__getitem__)
    for lock in locks:
        lock.acquire()
    _held[threading.get_ident()] = locks


def _let_go() -> None:
    for lock in _held.pop(threading.get_ident()):
        lock.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch -- there is none on Windows
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
