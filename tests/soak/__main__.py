"""The command ``python -m tests.soak``. See :mod:`tests.soak`."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from .clients import Async, Blocking

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

#: When the process is measured, in per cent of the calls.
STAGES = (1, 10, 25, 50, 75, 100)
#: How much resources may grow between the first and the last stage.
MAX_GROWTH_OF_MEMORY = 4096  # KiB
MAX_GROWTH = {"descriptors": 0, "threads": 0, "tasks": 0}


class Worker(Protocol):
    """One of the clients."""

    def work(self, usernames: Iterator[str]) -> None:
        """Makes one call for each username."""


@frozen
class Stage:
    """The measurements at a stage, while no call is in flight.

    Attributes:
        percent: The share of calls done.
        seconds: The time since the start, in seconds.
        outcomes: The number of outcomes of each class.
        faults: The number of times the server acted in each way.
        held: The resources of the process: memory in KiB, and counts of the others. ``connections`` counts the idle
            connections, which are closed before the other resources are measured.
    """

    percent: int
    seconds: float
    outcomes: Mapping[str, int]
    faults: Mapping[str, int]
    held: Mapping[str, int]

    @property
    def calls(self) -> int:
        """The number of calls done."""
        return sum(self.outcomes.values())


@contextmanager
def server(seed: int) -> Generator[str]:
    """Runs the server in a separate process. Yields its URL."""
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(seed)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def soak(calls: int, seed: int) -> Generator[Stage]:
    """Makes the calls, half of them blocking and half async. Yields the measurements at each stage."""
    started = time.monotonic()
    done = 0
    with server(seed) as url, closing(Blocking(url)) as blocking, closing(Async(url)) as asynchronous:
        for percent in STAGES:
            upto = calls * percent // 100
            half = (done + upto) // 2
            side_by_side((blocking, _usernames(done, half)), (asynchronous, _usernames(half, upto)))
            done = upto
            connections = _descriptors()
            for client in (blocking, asynchronous):
                client.rest()
            connections -= _descriptors()
            gc.collect()
            yield Stage(
                percent,
                time.monotonic() - started,
                blocking.outcomes + asynchronous.outcomes,
                _counts(url),
                {**_held(), "tasks": asynchronous.tasks(), "connections": connections},
            )


def complaints(first: Stage, last: Stage) -> list[str]:
    """Describes each resource that has grown too much."""
    bounds = {"memory": MAX_GROWTH_OF_MEMORY, **MAX_GROWTH}
    return [
        f"{name} grew from {first.held[name]} to {last.held[name]}, by more than {bound}"
        for name, bound in bounds.items()
        if last.held[name] - first.held[name] > bound
    ]


def table(stages: Sequence[Stage]) -> str:
    """A table with one column for each stage."""
    rows: list[tuple[str, list[str]]] = [
        ("", [f"{stage.percent} %" for stage in stages]),
        ("calls", [f"{stage.calls:,}" for stage in stages]),
        ("seconds", [f"{stage.seconds:,.1f}" for stage in stages]),
        ("calls/s", [f"{stage.calls / stage.seconds:,.0f}" for stage in stages]),
        ("memory, KiB", [f"{stage.held['memory']:,}" for stage in stages]),
        *((name, [str(stage.held[name]) for stage in stages]) for name in (*MAX_GROWTH, "connections")),
    ]
    for title, of in (
        ("outcomes", [stage.outcomes for stage in stages]),
        ("actions of the server", [stage.faults for stage in stages]),
    ):
        rows += [("", []), (title, [])]
        rows += [(f"  {name}", [f"{counts.get(name, 0):,}" for counts in of]) for name in sorted(of[-1])]
    return "\n".join(f"{name:30}{''.join(f'{value:>12}' for value in values)}".rstrip() for name, values in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the soak. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="number of calls (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the server's actions (default: %(default)s)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "secret")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    stages: list[Stage] = []
    try:
        for stage in soak(options.calls, options.seed):
            stages.append(stage)
            held = ", ".join(f"{name} {value:,}" for name, value in stage.held.items())
            print(f"{stage.percent:3} %: {stage.calls:,} calls in {stage.seconds:,.1f} s; {held}", flush=True)
    except Exception:  # noqa: BLE001 -- finding such errors is the purpose of the soak
        traceback.print_exc()
        return 1
    print(f"\n{table(stages)}")
    grown = complaints(stages[0], stages[-1])
    for complaint in grown:
        print(complaint, file=sys.stderr)
    return 1 if grown else 0


def _usernames(first: int, end: int) -> Iterator[str]:
    return (f"user-{number}" for number in range(first, end))


def side_by_side(*work: tuple[Worker, Iterator[str]]) -> None:
    """Does all the work in parallel. If one worker raises an error, stops the others and raises it."""
    failures: list[BaseException] = []

    def run(client: Worker, usernames: Iterator[str]) -> None:
        try:
            client.work(takewhile(lambda _: not failures, usernames))
        except BaseException as error:  # noqa: BLE001 -- raised below
            failures.append(error)

    threads = [threading.Thread(target=run, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _counts(url: str) -> Mapping[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as response:
        counts: Mapping[str, int] = json.load(response)
        return counts


def _held() -> dict[str, int]:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory": int(status["VmRSS"].split()[0]),
        "descriptors": _descriptors(),
        "threads": threading.active_count(),
    }


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    sys.exit(main())
