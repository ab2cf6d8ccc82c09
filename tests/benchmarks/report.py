"""What the numbers say: medians, ratios, whether each budget holds; as a table for people and as JSON."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from platform import python_implementation, python_version, system
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .row import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .row import Row

PEERS = ("boto3", "capo", "floor")
DISTRIBUTIONS = ("cognito-signout", "boto3", "capo-cognito-identity-provider", "urllib3")


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
        return median(values) * UNITS[self.row.unit] if values else None

    def ratio(self, peer: str) -> float | None:
        """Our median as a share of a peer's."""
        ours, theirs = self.median("ours"), self.median(peer)
        return ours / theirs if ours is not None and theirs else None

    def holds(self, peer: str) -> bool | None:
        """Whether the budget towards a peer holds; ``None`` where the peer was not measured."""
        ratio = self.ratio(peer)
        return None if ratio is None else ratio <= self.row.budget[peer]


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
    """A table in Markdown, padded so that it can be read as it is. Behind a peer's median is our share of it."""
    lines: list[tuple[str, ...]] = [("what", "ours", *PEERS, "budget")]
    lines += [
        (
            finding.row.what,
            number(finding.median("ours"), finding.row.unit),
            *(_peer(finding, peer) for peer in PEERS),
            ", ".join(_budget(finding, peer) for peer in finding.row.budget),
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
    """Everything, for machines. Samples are in seconds or bytes, medians in the row's unit."""
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
            {"peer": peer, "at_most": most, "ratio": finding.ratio(peer), "holds": finding.holds(peer)}
            for peer, most in row.budget.items()
        ],
        "samples": finding.samples,
    }


def _peer(finding: Finding, peer: str) -> str:
    ratio = finding.ratio(peer)
    text = number(finding.median(peer), finding.row.unit)
    return text if ratio is None else f"{text} ({ratio:.2f} ×)"


def _budget(finding: Finding, peer: str) -> str:
    verdict = {True: "holds", False: "**exceeded**", None: "not measured"}[finding.holds(peer)]
    return f"≤ {finding.row.budget[peer]:.2f} × {peer}: {verdict}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
