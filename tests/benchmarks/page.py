"""Writes the table of a run into ``docs/speed.md``, and the picture into ``docs/speed.svg``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import report

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).parent.parent.parent / "docs"
BEGIN, END = "<!-- the table: python -m tests.benchmarks --write -->\n", "<!-- the end of the table -->\n"
COLOURS = {"ours": "#0b7285", "boto3": "#adb5bd", "capo": "#f08c00", "floor": "#dee2e6"}
#: The picture shows each result divided by this peer's.
PEER = "boto3"
#: The width of a label, as a share of the peer's bar.
LABEL = 0.2
#: The space between a bar and its label.
GAP = 0.015


def write(findings: Sequence[report.Finding], cores: int) -> None:
    """Updates the page, between its markers, and its picture."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page.name} has no markers for the table: restore them from version control")
    text = f"{report.short_table(findings)}\n\n{report.notes(findings, cores)}\n"
    page.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")
    draw([finding for finding in findings if finding.median(finding.peer_of(PEER))], DOCS / "speed.svg")


def draw(findings: Sequence[report.Finding], path: Path) -> None:
    """Draws a group of bars for each finding."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # No date and no random IDs, so that the picture changes only with its numbers. Text is not turned into paths.
    mpl.rcParams.update({"svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif"})
    # Readable on a phone.
    figure = Figure(figsize=(4.5, 0.9 * len(findings) + 1.2), layout="constrained")
    axes = figure.subplots()
    longest = 1.0
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
            longest = max(longest, share)
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
    axes.set_xlim(0, 1.25 * longest)
    axes.set_xlabel(f"share of {PEER}'s time or memory; less is better;\nthe black mark is our budget")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS), frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib writes spaces at the ends of lines.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")
