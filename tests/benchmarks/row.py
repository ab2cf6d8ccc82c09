"""What a row of the table is: what is measured of whom, and what we allow ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .measure import World

#: By the name of a unit, how many of it there are in a second or in a byte.
UNITS = {"ms": 1e3, "µs": 1e6, "MiB": 1 / 1024**2}
#: The unit of what is measured in seconds for one, and shown as how many there are in a second.
RATE = "/s"


@frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        name: What ``--only`` calls it.
        what: What is measured, for people.
        unit: The unit to show it in: a key of ``UNITS``, or ``RATE``.
        contestants: Those measured, in the order in which they take turns.
        budget: By peer, at most how large our median may be as a share of the peer's; of a rate, at least how large.
        rounds: How often each contestant takes its turn.
        sample: Measures a contestant once, in seconds or bytes; the last argument asks for haste.
        limit: At most how large our median may be, in the unit, where it is not to be compared with a peer's.
        extra: The package that we need for it, beside those that the library can't be without.
    """

    name: str
    what: str
    unit: str
    contestants: tuple[str, ...]
    budget: Mapping[str, float]
    rounds: int
    sample: Callable[[World, str, bool], float]
    limit: float | None = None
    extra: str | None = None

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.unit == RATE

    def in_unit(self, sample: float) -> float:
        """What was measured, in the unit."""
        return 1 / sample if self.is_rate else sample * UNITS[self.unit]
