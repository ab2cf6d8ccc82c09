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
#: What the picture is of, by what each contestant is divided.
PEER = "boto3"


def write(findings: Sequence[report.Finding], cores: int) -> None:
    """Updates the page, between its markers, and the picture beside it."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page.name} has lost its markers")
    text = f"{report.table(findings)}\n\n{report.notes(findings, cores)}\n"
    page.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")
    _draw(findings, DOCS / "speed.svg")


def _draw(findings: Sequence[report.Finding], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # No date and no random ids, so that a picture changes only with its numbers; text stays text.
    mpl.rcParams.update({"svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure = Figure(figsize=(8, 0.9 * len(findings) + 1), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(COLOURS)
    for place, finding in enumerate(findings):
        unit = finding.median(PEER) or 1.0
        for turn, (name, colour) in enumerate(COLOURS.items()):
            value = finding.median(name)
            if value is None:
                continue
            bar = axes.barh(
                place + turn * height, value / unit, height, color=colour, label=name if not place else None
            )
            axes.bar_label(bar, [f" {report.number(value, finding.row.unit)}"], fontsize=8)
        budget = finding.row.budget.get(PEER)
        if budget is not None:
            axes.vlines(budget, place - height / 2, place + height / 2, color="black", linewidth=2)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(findings))])
    axes.set_yticklabels([finding.row.name.replace("-", " ") for finding in findings])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2)
    axes.set_xlabel(f"share of {PEER}'s median; less is better; the black mark is our budget")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS), frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib ends lines with spaces, which no editor here would keep
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")
