"""The guide to many machines, on a cluster of processes of this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests.pages import Page, runs

if TYPE_CHECKING:
    from pathlib import Path

    from cognito_signout.transports import HttpRequest, HttpResponse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask.distributed"),
]

NAME = "docs/guides/many-machines.md"
POOL = "us-east-1_Ab129faBb"
#: There is nobody of these names.
STRANGERS = ["mallory", "trudy"]
#: Requests a second: so many that the rate is not what the test waits for.
RATE = "100000"
#: How long, in seconds, it waits for what is bound to happen.
PATIENCE = 120


class Pool(FakeCognito):
    """A pool of so many users, which can be waited for to be half signed out.

    Args:
        size: How many users it has.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.names = [f"user-{number}@example.com" for number in range(size)]
        for name in self.names:
            self.add_user(user_pool_id=POOL, username=name)
        self.half_done = threading.Event()
        self._missing = threading.Semaphore(size // 2)

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Answers a request."""
        answer = super().exchange(request, patience=patience, sent_at=sent_at)
        if not self._missing.acquire(blocking=False):
            self.half_done.set()
        return answer


def start(page: Page, server: FakeCognitoServer, names: list[str], directory: Path) -> subprocess.Popen[str]:
    """Runs the page's program by the page's command, but for the rate."""
    page.take_files(directory)
    directory.joinpath("users.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (command,) = page.take("sh")
    python, *arguments, rate = shlex.split(command.partition(">")[0])
    assert (python, rate) == ("python", "20")
    return subprocess.Popen(
        # Another test may have the port of Dask's dashboard.
        [sys.executable, "-W", "error", "-W", "ignore:Port 8787 is already in use", *arguments, RATE],
        env={**os.environ, **server.environment, "DASK_TEMPORARY_DIRECTORY": str(directory)},
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@runs(NAME)
def test_the_fleet_signs_everyone_out_once(page: Page, tmp_path: Path) -> None:
    """Spread over processes, users would be left signed in, be signed out twice, or failures go unnoticed."""
    pool = Pool(10_000)
    with FakeCognitoServer(pool) as server, start(page, server, [*STRANGERS, *pool.names], tmp_path) as fleet:
        failed, progress = fleet.communicate(timeout=PATIENCE)

    assert fleet.returncode == 0, progress
    assert sorted(failed.splitlines()) == [f"{name}\tUSER_NOT_FOUND" for name in STRANGERS]
    assert "10000 signed out" in progress.splitlines()  # Dask may log its end after it
    by_name = {request.username: request.code for request in pool.requests}
    assert len(pool.requests) == len(by_name) == len(pool.names) + len(STRANGERS)
    assert all(by_name[name] is None for name in pool.names)


@runs(NAME)
def test_lost_workers_lose_nobody(page: Page, tmp_path: Path) -> None:
    """A machine that goes down would take with it the users of its batch, who would stay signed in."""
    import psutil

    pool = Pool(3_000)
    with FakeCognitoServer(pool) as server, start(page, server, pool.names, tmp_path) as fleet:
        assert pool.half_done.wait(PATIENCE)
        children = psutil.Process(fleet.pid).children(recursive=True)
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        for worker in workers:
            worker.kill()
        failed, progress = fleet.communicate(timeout=PATIENCE)

    assert workers
    assert fleet.returncode == 0, progress
    assert failed == ""
    assert "3000 signed out" in progress
    signed_out = [request.username for request in pool.requests if request.code is None]
    assert set(signed_out) == set(pool.names)
    assert len(signed_out) > len(pool.names)  # which shows that a batch was begun again
