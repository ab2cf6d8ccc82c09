"""How these stories are played: against a server that remembers, in processes in which nothing may go unnoticed."""

from __future__ import annotations

import json
import os
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
#: How long, in seconds, a process may take before it is taken for a hang; it says then where each thread is.
PATIENCE = 40

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

#: What every played process begins with.
PRELUDE = f"""
import asyncio, faulthandler, gc, itertools, logging, os, signal, sys, threading, warnings
logging.getLogger('asyncio').setLevel(logging.ERROR)  # below that, it is that the machine is slow
faulthandler.register(signal.SIGALRM, chain=True)  # says where every thread is, and ends the process
signal.alarm({PATIENCE})
warnings.filterwarnings('ignore', '.*fork', DeprecationWarning)  # of forking while threads run, which is the point
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
    '''The process id of a child that does the work, and then ends as any process does.'''
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
    '''Threads that call a client, all the time.'''
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
    """What the server remembers.

    Attributes:
        connections: How often each user was asked for, connection by connection.
        open: How many connections were open at the end.
        most_open: How many there were at most.
    """

    connections: Sequence[Mapping[str, int]] = field(repr=False)
    open: int
    most_open: int

    @property
    def usernames(self) -> Counter[str]:
        """How often each user was asked for."""
        return sum(map(Counter, self.connections), Counter[str]())

    def assert_each_process_has_its_own(self) -> None:
        """Fails if two processes have sent requests on one connection."""
        for usernames in self.connections:
            assert len({username.partition("-")[0] for username in usernames}) <= 1, usernames


class RememberingServer:
    """The server, in a process of its own. Once it is left, it has a :class:`Memory`."""

    memory: Memory

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).with_name("server.py"))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # be quick
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        output, _ = self._process.communicate(timeout=PATIENCE)  # which ends its standard input
        self.memory = Memory(**json.loads(output))


def play(code: str, *, environment: Mapping[str, str] | None = None, is_measured: bool = True, **names: Any) -> str:
    """Runs code in a process of its own, where every warning is an error, and what is complained of at its end fails
    the test. Returns what it printed.

    Args:
        code: What comes after the prelude.
        environment: Further variables.
        is_measured: Whether its coverage may be measured, by a tracer: it has locks of its own, which another thread
            may hold at a fork.
        names: What else the code may refer to.
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
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()
