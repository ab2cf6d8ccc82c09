"""Puts a run's table and picture into ``docs/speed.md``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import report

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).parent.parent.parent / "docs"
BEGIN, END = "<!-- the table: python -m tests.benchmarks --write -->\n", "<!-- the end of the table -->\n"
COLOURS = {"ours": "#0b7285", "boto3": "#adb5bd", "capo": "#f08c00", "floor": "#dee2e6"}
#: What the picture is of, by what each contestant is divided: whoever is in this column.
PEER = "boto3"
#: How much of the peer's bar a figure takes up, behind its own bar.
LABEL = 0.2
#: What is left free before it.
GAP = 0.015


def write(findings: Sequence[report.Finding], cores: int) -> None:
    """Updates the page, between its markers, and the picture beside it, of the rows in which there is a peer."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page.name} has lost its markers")
    text = f"{report.table(findings)}\n\n{report.notes(findings, cores)}\n"
    page.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")
    draw([finding for finding in findings if finding.median(finding.peer_of(PEER))], DOCS / "speed.svg")


def draw(findings: Sequence[report.Finding], path: Path) -> None:
    """Draws the findings, each with whoever is in the column of ``PEER``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # No date and no random ids, so that a picture changes only with its numbers; text stays text.
    mpl.rcParams.update({"svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif"})
    # As wide as a telephone is, with names above the bars: on a wider page it is no wider.
    figure = Figure(figsize=(4.5, 0.9 * len(findings) + 1.2), layout="constrained")
    axes = figure.subplots()
    height = 0.68 / len(COLOURS)
    for place, finding in enumerate(findings):
        peer = finding.peer_of(PEER)
        budget = finding.row.budget.get(peer)
        mark = None if budget is None else 1 / budget if finding.row.is_rate else budget
        axes.text(0, place - 0.6 * height, finding.row.name.replace("-", " "), fontsize=10, fontweight="bold")
        for turn, (column, colour) in enumerate(COLOURS.items()):
            name = finding.peer_of(column)
            value = finding.median(name)
            if value is None:
                continue
            share = finding.time_or_memory(name) / finding.time_or_memory(peer)
            axes.barh(place + turn * height, share, height, color=colour, label=column if not place else None)
            text = report.number(value, finding.row.unit)
            if name == "ours" and mark is not None and share < mark < share + LABEL:
                share = mark
            label = text if name == column else f"{text} ({name})"
            axes.text(share + GAP, place + turn * height, label, fontsize=9, verticalalignment="center")
        if mark is not None:
            axes.vlines(mark, place - height / 2, place + height / 2, color="black", linewidth=2)
    axes.set_yticks([])
    axes.set_ylim(len(findings) - 0.2, -0.5)
    axes.set_xlim(0, 1.25)
    axes.set_xlabel(f"share of {PEER}'s time or memory; less is better;\nthe black mark is our budget")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS), frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib ends lines with spaces, which no editor here would keep
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")
