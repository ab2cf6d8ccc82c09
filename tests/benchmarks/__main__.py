"""The command: ``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import page, report
from .measure import missing, samples, world
from .rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .row import Row

QUICK_ROUNDS = 3


def main() -> None:
    """Measures the requested rows, and prints the results."""
    options = _options()
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    findings, cores = run(rows, quick=options.quick)
    print(
        report.as_json(findings, cores)
        if options.json
        else f"{report.table(findings)}\n\n{report.notes(findings, cores)}"
    )
    if options.write:
        page.write(findings, cores)


def run(rows: Sequence[Row], *, quick: bool) -> tuple[list[report.Finding], int]:
    """Measures the rows. Returns the findings, and the number of cores."""
    rounds = {row.name: min(QUICK_ROUNDS, row.rounds) if quick else row.rounds for row in rows}
    total = sum((rounds[row.name] + 1) * sum(missing(name, row) is None for name in row.contestants) for row in rows)
    with world() as setup, _progress(total) as tick:
        findings = [
            report.Finding(row, samples(row, setup, rounds=rounds[row.name], quick=quick, tick=tick)) for row in rows
        ]
        return findings, setup.cores


@contextmanager
def _progress(total: int) -> Generator[Callable[[], object]]:
    """Yields the function to call after each step. It moves a progress bar, if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda: None
        return
    with tqdm(total=total, desc="measuring", unit="process", leave=False, disable=None) as bar:
        yield bar.update


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=report.__doc__)
    parser.add_argument(
        "--only", action="append", choices=[row.name for row in ROWS], help="measure only this row (can be repeated)"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROUNDS} short rounds, to check that everything runs"
    )
    parser.add_argument("--json", action="store_true", help="print all measurements as JSON")
    parser.add_argument("--write", action="store_true", help="update docs/speed.md and docs/speed.svg")
    options = parser.parse_args()
    if options.write and (options.quick or options.only):
        parser.error("--write needs a complete run: leave out --quick and --only")
    return options


if __name__ == "__main__":
    main()
