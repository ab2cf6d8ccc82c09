"""Other runtimes in the place of the clients' own, for the whole process: what a fake does while it is active."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._async_runtime import AsyncRuntime
    from ._options import Options
    from ._runtime import Runtime


@frozen(eq=False)  # one is unlike any other, however often one fake is active
class Substitute:
    """What gives the clients of a process other runtimes, call by call.

    Attributes:
        blocking: Gives one to a blocking client, of these arguments.
        asynchronous: Gives one to an async client.
    """

    blocking: Callable[[object, Options], Runtime]
    asynchronous: Callable[[object, Options], AsyncRuntime]


#: Those that are in force, while fakes are active. There is no lock, which another thread might hold at a fork: to
#: append, to remove and to look at the last one are atomic.
_substitutes: list[Substitute] = []


def substitute() -> Substitute | None:
    """The one that is in force, if any: the innermost."""
    try:
        return _substitutes[-1]
    except IndexError:
        return None


@contextmanager
def substituted(
    blocking: Callable[[object, Options], Runtime],
    asynchronous: Callable[[object, Options], AsyncRuntime],
) -> Generator[None]:
    """Gives every client in the process another runtime. The innermost wins; the order of leaving does not matter."""
    entry = Substitute(blocking, asynchronous)
    _substitutes.append(entry)
    try:
        yield
    finally:
        _substitutes.remove(entry)
