"""What a row of the table is: what is measured of whom, and what we allow ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .measure import World

#: By the name of a unit, how many of it there are in a second or in a byte.
UNITS = {"ms": 1e3, "µs": 1e6, "MiB": 1 / 1024**2}


@frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        name: What ``--only`` calls it.
        what: What is measured, for people.
        unit: The unit to show it in: a key of ``UNITS``.
        contestants: Those measured, in the order in which they take turns.
        budget: At most how large our median may be, as a share of a peer's.
        rounds: How often each contestant takes its turn.
        sample: Measures a contestant once, in seconds or bytes; the last argument asks for haste.
    """

    name: str
    what: str
    unit: str
    contestants: tuple[str, ...]
    budget: Mapping[str, float]
    rounds: int
    sample: Callable[[World, str, bool], float]
