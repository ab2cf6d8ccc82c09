"""Runs code in a strict separate process, against a server that records the requests of each connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

POOL = "us-east-1_Ab129faBb"
#: How long, in seconds, a process may take. Then it prints the stack of each thread and ends.
PATIENCE = 40

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

#: The start of the code of every process.
PRELUDE = f"""
import asyncio, faulthandler, gc, itertools, logging, os, signal, sys, threading, warnings
logging.getLogger('asyncio').setLevel(logging.ERROR)  # warnings only mean that the machine is slow
faulthandler.register(signal.SIGALRM, chain=True)  # prints the stack of every thread, and ends the process
signal.alarm({PATIENCE})
warnings.filterwarnings('ignore', '.*fork', DeprecationWarning)  # fork with threads
from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError
POOL = {POOL!r}
numbers = itertools.count()

def name(): return f'{{os.getpid()}}-{{next(numbers)}}'

def call(client, username=None):
    username = username or name()
    result = client.sign_out(user_pool_id=POOL, username=username)
    assert (result.id, result.username) == (username, username), result

async def acall(client, username=None):
    username = username or name()
    result = await client.sign_out(user_pool_id=POOL, username=username)
    assert (result.id, result.username) == (username, username), result

def fork(work):
    '''Forks a child that does the work and exits. Returns its process id.'''
    pid = os.fork()
    if pid == 0:
        signal.alarm({PATIENCE // 2})
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

def wait_for(children):
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert not any(statuses), statuses

class Callers:
    '''Threads that do the work repeatedly until the block ends.'''
    def __init__(self, work, count=4):
        self.stop, self.failures, self.done = threading.Event(), [], [0] * count
        self.threads = [threading.Thread(target=self.run, args=(work, each)) for each in range(count)]
    def run(self, work, each):
        try:
            while not self.stop.is_set():
                work()
                self.done[each] += 1
        except BaseException as error:
            self.failures.append(error)
    def __enter__(self):
        for thread in self.threads: thread.start()
        return self
    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads: thread.join()
        assert not self.failures, self.failures
        assert all(self.done), self.done
"""


@frozen(kw_only=True)
class Memory:
    """What the server has recorded.

    Attributes:
        connections: The number of requests for each user, for each connection.
        open: The number of connections that were open at the end.
        most_open: The maximum number of open connections.
    """

    connections: Sequence[Mapping[str, int]] = field(repr=False)
    open: int
    most_open: int

    @property
    def usernames(self) -> Counter[str]:
        """The number of requests for each user, on all connections."""
        return sum(map(Counter, self.connections), Counter[str]())

    def assert_each_process_has_its_own(self) -> None:
        """Fails if two processes have sent requests on one connection."""
        for usernames in self.connections:
            assert len({username.partition("-")[0] for username in usernames}) <= 1, usernames


class RecordingServer:
    """The server, in a separate process. It has a :class:`Memory` after the ``with`` block."""

    memory: Memory

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).with_name("server.py"))]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("COV")
        }  # coverage is slow
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        output, _ = self._process.communicate(timeout=PATIENCE)  # closes its standard input, which stops the server
        self.memory = Memory(**json.loads(output))


def play(code: str, *, environment: Mapping[str, str] | None = None, is_measured: bool = True, **names: Any) -> str:
    """Runs code in a separate process where every warning is an error. Any output to stderr fails the test.

    Args:
        code: The code, which runs after the prelude.
        environment: Additional environment variables.
        is_measured: Whether to measure coverage. The tracer has locks, which another thread may hold at a fork.
        names: Variables for the code, as keyword arguments.

    Returns:
        The output, without surrounding whitespace.
    """
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    inherited = {name: value for name, value in os.environ.items() if is_measured or not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + given + code],
        env={**inherited, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    if sys.version_info < (3, 11) and done.returncode == -signal.SIGSEGV and done.stdout:
        pytest.xfail("before Python 3.11, an interpreter that ends may crash in a thread that is just being started")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()
