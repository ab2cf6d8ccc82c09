"""A row of the table: what is measured, for which contestants, and our budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .measure import World

#: The units, and how many of each make a second or a byte.
UNITS = {"ms": 1e3, "µs": 1e6, "MiB": 1 / 1024**2}
#: The unit of rates. Their samples are the seconds of one call.
RATE = "/s"


@frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        name: The name for ``--only``.
        what: What is measured, for readers of the table.
        unit: The unit of the table: a key of ``UNITS``, or ``RATE``.
        contestants: The contestants, in the order in which they take turns.
        budget: The maximum of our median divided by each peer's. For a rate, it is the minimum.
        rounds: The number of measurements of each contestant.
        sample: Measures a contestant once, in seconds or bytes. The last argument asks for a quick measurement.
        limit: The maximum of our median, in the unit, if it is not compared with a peer's.
        extra: A package that the library needs for this row only.
        program: A program that the row needs.
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
    program: str | None = None

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.unit == RATE

    def in_unit(self, sample: float) -> float:
        """Converts a sample to the row's unit."""
        return 1 / sample if self.is_rate else sample * UNITS[self.unit]
