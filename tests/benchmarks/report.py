"""Reports medians, ratios, and whether each budget holds, as a table and as JSON."""

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

#: The peers: the columns of the table.
PEERS = ("boto3", "capo", "floor")
#: Contestants that some rows show in a peer's column.
IN_COLUMN_OF = {"aiobotocore": "boto3", "pyjwt": "boto3", "aiohttp": "floor"}
DISTRIBUTIONS = (
    "cognito-signout",
    "boto3",
    "aiobotocore",
    "capo-cognito-identity-provider",
    "aiohttp",
    "urllib3",
    "pyjwt",
)
VERDICTS = {True: "holds", False: "**missed**", None: "not measured"}


@frozen
class Finding:
    """A row and its samples.

    Attributes:
        row: The row.
        samples: The samples of each contestant, in seconds or bytes.
    """

    row: Row
    samples: Mapping[str, Sequence[float]]

    def median(self, contestant: str) -> float | None:
        """A contestant's median, in the row's unit."""
        values = self.samples.get(contestant)
        return self.row.in_unit(median(values)) if values else None

    def time_or_memory(self, contestant: str) -> float:
        """A contestant's median as a value where less is better: for a rate, the seconds of one call."""
        return median(self.samples[contestant])

    def ratio(self, peer: str) -> float | None:
        """Our median divided by a peer's."""
        ours, theirs = self.median("ours"), self.median(peer)
        return ours / theirs if ours is not None and theirs else None

    def holds(self, peer: str) -> bool | None:
        """Whether the budget holds, or ``None`` if the peer was not measured."""
        ratio = self.ratio(peer)
        if ratio is None:
            return None
        return ratio >= self.row.budget[peer] if self.row.is_rate else ratio <= self.row.budget[peer]

    def is_within_limit(self) -> bool | None:
        """Whether our median is within its limit, or ``None`` without a median or a limit."""
        ours = self.median("ours")
        return None if ours is None or self.row.limit is None else ours <= self.row.limit

    def peer_of(self, column: str) -> str:
        """The contestant that this row shows in a column of the table."""
        return next((name for name in self.row.contestants if IN_COLUMN_OF.get(name) == column), column)


def number(value: float | None, unit: str) -> str:
    """A number with its unit, or an empty string for ``None``."""
    if value is None:
        return ""
    return f"{value:.1f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def left_out(findings: Iterable[Finding]) -> list[str]:
    """The contestants that were not measured because they are not installed."""
    return sorted({name for finding in findings for name in finding.row.contestants if name not in finding.samples})


def environment(cores: int) -> dict[str, Any]:
    """The versions of Python and the packages, the operating system and the number of cores."""
    return {
        "python": f"{python_implementation()} {python_version()}",
        "system": system(),
        "cores": cores,
        "versions": {name: found for name in DISTRIBUTIONS if (found := _version(name))},
    }


def table(findings: Iterable[Finding]) -> str:
    """A Markdown table with aligned columns. In parentheses: our median divided by the peer's."""
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


def short_table(findings: Iterable[Finding]) -> str:
    """The table of the page: our figure, and its share of the figures of boto3 and capo."""
    lines = ["| what | ours | of boto3's | of capo's |", "| --- | --- | --- | --- |"]
    for finding in findings:
        figures = [number(finding.median("ours"), finding.row.unit), _share(finding, "boto3"), _share(finding, "capo")]
        unbroken = [figure.replace(" ", "\N{NO-BREAK SPACE}", 1) for figure in figures]
        lines.append(f"| {' | '.join((finding.row.what, *unbroken))} |")
    return "\n".join(lines)


def notes(findings: Sequence[Finding], cores: int) -> str:
    """How and where the numbers of the table were measured."""
    machine = environment(cores)
    rounds = sorted({len(values) for finding in findings for values in finding.samples.values()})
    pinned = {0: "not pinned to cores", 1: "one core for contestant and server"}.get(
        cores, "one core each for contestant and server"
    )
    text = (
        f"{machine['python']} on {machine['system']}; "
        + ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
        + f"; {pinned}; medians of {' to '.join(map(str, sorted({rounds[0], rounds[-1]})))} rounds."
    )
    missing = left_out(findings)
    return f"{text} Left out, because not installed: {', '.join(missing)}." if missing else text


def as_json(findings: Iterable[Finding], cores: int) -> str:
    """The findings as JSON. Samples are in seconds (rates: of one call) or bytes; medians are in the row's unit."""
    findings = list(findings)
    return json.dumps(
        {**environment(cores), "left_out": left_out(findings), "rows": [*map(_as_json, findings)]}, indent=2
    )


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


def _share(finding: Finding, column: str) -> str:
    peer = finding.peer_of(column)
    ratio = finding.ratio(peer)
    if ratio is None:
        return ""
    return f"{ratio:.2f} ×" if peer == column else f"{ratio:.2f} × ({peer})"


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
