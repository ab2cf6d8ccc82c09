"""What the numbers say: medians, ratios, whether each budget holds; as a table for people and as JSON."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from platform import python_implementation, python_version, system
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .row import Row

#: The peers' columns of the table, and those who stand in the column of another, which is not in their row.
PEERS = ("boto3", "capo", "floor")
STANDS_IN_FOR = {"aiobotocore": "boto3", "aiohttp": "floor"}
DISTRIBUTIONS = ("cognito-signout", "boto3", "aiobotocore", "capo-cognito-identity-provider", "aiohttp", "urllib3")
VERDICTS = {True: "holds", False: "**missed**", None: "not measured"}


@frozen
class Finding:
    """A row and what came of it.

    Attributes:
        row: What was measured.
        samples: The numbers of each contestant, in seconds or bytes.
    """

    row: Row
    samples: Mapping[str, Sequence[float]]

    def median(self, contestant: str) -> float | None:
        """A contestant's median, in the row's unit."""
        values = self.samples.get(contestant)
        return self.row.in_unit(median(values)) if values else None

    def time_or_memory(self, contestant: str) -> float:
        """A contestant's median of what was measured, of which less is better; a rate is that for one."""
        return median(self.samples[contestant])

    def ratio(self, peer: str) -> float | None:
        """Our median as a share of a peer's; of a rate, how many times the peer's it is."""
        ours, theirs = self.median("ours"), self.median(peer)
        return ours / theirs if ours is not None and theirs else None

    def holds(self, peer: str) -> bool | None:
        """Whether the budget towards a peer holds; ``None`` where the peer was not measured."""
        ratio = self.ratio(peer)
        if ratio is None:
            return None
        return ratio >= self.row.budget[peer] if self.row.is_rate else ratio <= self.row.budget[peer]

    def is_within_limit(self) -> bool | None:
        """Whether our median is as small as it must be; ``None`` where it is not known, or need not be."""
        ours = self.median("ours")
        return None if ours is None or self.row.limit is None else ours <= self.row.limit

    def peer_of(self, column: str) -> str:
        """Who is in a column of the table."""
        return next((name for name in self.row.contestants if STANDS_IN_FOR.get(name) == column), column)


def number(value: float | None, unit: str) -> str:
    """A figure with its unit; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def left_out(findings: Iterable[Finding]) -> list[str]:
    """Those who would have been measured, were they installed."""
    return sorted({name for finding in findings for name in finding.row.contestants if name not in finding.samples})


def where(cores: int) -> dict[str, Any]:
    """What it was measured on, as far as it is of use to a reader elsewhere."""
    return {
        "python": f"{python_implementation()} {python_version()}",
        "system": system(),
        "cores": cores,
        "versions": {name: found for name in DISTRIBUTIONS if (found := _version(name))},
    }


def table(findings: Iterable[Finding]) -> str:
    """A table in Markdown, padded so that it can be read as it is. Behind a peer's median is our share of it, or, of a
    rate, how many times as many ours is.
    """
    lines: list[tuple[str, ...]] = [("what", "ours", *PEERS, "budget")]
    lines += [
        (
            finding.row.what,
            number(finding.median("ours"), finding.row.unit),
            *(_peer(finding, column) for column in PEERS),
            ", ".join(_budgets(finding)),
        )
        for finding in findings
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def notes(findings: Sequence[Finding], cores: int) -> str:
    """What a reader of the table should know about where it comes from."""
    place = where(cores)
    rounds = sorted({len(values) for finding in findings for values in finding.samples.values()})
    pinned = {0: "not pinned to cores", 1: "one core for contestant and server"}.get(
        cores, "one core each for contestant and server"
    )
    text = (
        f"{place['python']} on {place['system']}; "
        + ", ".join(f"{name} {found}" for name, found in place["versions"].items())
        + f"; {pinned}; medians of {' to '.join(map(str, sorted({rounds[0], rounds[-1]})))} rounds."
    )
    missing = left_out(findings)
    return f"{text} Left out, because not installed: {', '.join(missing)}." if missing else text


def as_json(findings: Iterable[Finding], cores: int) -> str:
    """Everything, for machines. Samples are in seconds (for one, of a rate) or bytes, medians in the row's unit."""
    findings = list(findings)
    return json.dumps({**where(cores), "left_out": left_out(findings), "rows": [*map(_as_json, findings)]}, indent=2)


def _as_json(finding: Finding) -> dict[str, Any]:
    row = finding.row
    return {
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "medians": {name: finding.median(name) for name in finding.samples},
        "ratios": {name: finding.ratio(name) for name in finding.samples if name != "ours"},
        "budgets": [
            {
                "peer": peer,
                "at_least" if row.is_rate else "at_most": bound,
                "ratio": finding.ratio(peer),
                "holds": finding.holds(peer),
            }
            for peer, bound in row.budget.items()
        ],
        "limit": None if row.limit is None else {"at_most": row.limit, "holds": finding.is_within_limit()},
        "samples": finding.samples,
    }


def _peer(finding: Finding, column: str) -> str:
    peer = finding.peer_of(column)
    ratio = finding.ratio(peer)
    text = number(finding.median(peer), finding.row.unit)
    if ratio is not None:
        text += f" ({ratio:.2f} ×)"
    return f"{peer}: {text}" if text and peer != column else text


def _budgets(finding: Finding) -> Iterator[str]:
    row = finding.row
    for peer, bound in row.budget.items():
        yield f"{'≥' if row.is_rate else '≤'} {bound:.2f} × {peer}: {VERDICTS[finding.holds(peer)]}"
    if row.limit is not None:
        yield f"≤ {number(row.limit, row.unit)}: {VERDICTS[finding.is_within_limit()]}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
