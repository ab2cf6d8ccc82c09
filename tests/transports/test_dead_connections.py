"""Idle connections that have died unnoticed: a call over one needs a retry, and no call fails.

This module also defines :class:`Calls`, which lets one test use both clients.
"""

from __future__ import annotations

import asyncio
import select
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutResult

from .on_a_loop import Loop
from .scripted import OK, PATIENCE, ScriptedServer, calls, reads, receives, resets, sends, serves, waits_for_close

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from cognito_signout import SignOutOutcome

    from .scripted import Peer, Script, Step

    NewClient: TypeAlias = Callable[..., "Calls"]

T = TypeVar("T")
POOL = "us-east-1_Ab129faBb"
#: How many idle connections die at once: as many as a client keeps by default.
IDLE = 10


class Calls:
    """The blocking client's calls. Use it as a context manager.

    Args:
        arguments: Arguments of the client. Default: a pair of keys, and a botocore session that all tests share.
    """

    def __init__(self, **arguments: Any) -> None:
        defaults = {"session": _session(), "credentials": Credentials("AKIDEXAMPLE", "secret-access-key")}
        self._client = self._new_client({**defaults, **arguments})

    def sign_out(self, username: str = "alice", *, timeout: float | None = None) -> SignOutResult:
        """Signs a user out."""
        result: SignOutResult = self._client.sign_out(user_pool_id=POOL, username=username, timeout=timeout)
        return result

    def sign_out_many(self, usernames: Iterable[str], *, max_concurrency: int) -> list[SignOutOutcome]:
        """Signs out many users. Returns all outcomes."""
        return list(self._client.sign_out_many(user_pool_id=POOL, usernames=usernames, max_concurrency=max_concurrency))

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _new_client(self, arguments: dict[str, Any]) -> Any:
        return SignOutClient(**arguments)


class CallsOnALoop(Calls):
    """The async client's calls, made on an event loop in another thread.

    Args:
        loop: The event loop.
        arguments: Arguments of the client.
    """

    def __init__(self, loop: Loop, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._loop = loop._loop

    def sign_out(self, username: str = "alice", *, timeout: float | None = None) -> SignOutResult:
        """Like the method of the blocking client."""
        result: SignOutResult = self._run(self._client.sign_out(user_pool_id=POOL, username=username, timeout=timeout))
        return result

    def sign_out_many(self, usernames: Iterable[str], *, max_concurrency: int) -> list[SignOutOutcome]:
        """Like the method of the blocking client."""

        async def collect() -> list[SignOutOutcome]:
            outcomes = self._client.sign_out_many(
                user_pool_id=POOL, usernames=usernames, max_concurrency=max_concurrency
            )
            return [outcome async for outcome in outcomes]

        return self._run(collect())

    def close(self) -> None:
        """Like the method of the blocking client."""

        async def close() -> None:
            await self._client.aclose()
            for _ in range(5):  # asyncio closes a connection in one of its next iterations
                await asyncio.sleep(0)

        self._run(close())

    def _new_client(self, arguments: dict[str, Any]) -> Any:
        return AsyncSignOutClient(**arguments)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(3 * PATIENCE)


@cache
def _session() -> Session:
    """A session, created once because that takes longer than a call."""
    return Session()


def new_clients(kind: str) -> Iterator[NewClient]:
    """The body of a fixture that makes clients of a kind: ``blocking`` or ``asyncio``."""
    if kind == "blocking":
        yield Calls
    else:
        with Loop() as loop:
            yield lambda **arguments: CallsOnALoop(loop, **arguments)


@pytest.fixture(params=["blocking", "asyncio"])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients: the test runs with each kind."""
    yield from new_clients(request.param)


def server_of_dying_connections(*death: Step) -> ScriptedServer:
    """A server whose first ten connections answer once, all at the same time, and then die. Later ones stay alive."""
    all_arrived = threading.Barrier(IDLE)
    dying: Script = [reads(), calls(lambda: all_arrived.wait(PATIENCE)), sends(OK), *death]
    return ScriptedServer(*[dying] * IDLE, [serves()])


def fill_pool(client: Calls) -> None:
    """Leaves ten idle connections in the client's pool."""
    usernames = [f"user-{number}" for number in range(IDLE)]
    with ThreadPoolExecutor(IDLE) as threads:
        assert [result.attempts for result in threads.map(client.sign_out, usernames)] == [1] * IDLE


DEATHS: dict[str, list[Step]] = {
    "reset by the first bytes": [receives(), resets()],
    "reset by the request": [reads(), resets()],
    "closed by the request": [reads()],
    "silent": [reads(), waits_for_close()],
}
#: In seconds. Short, because some servers stay silent, but long enough for a response on a busy machine.
READ_TIMEOUT = 1.5


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_ten_dead_connections_cost_a_call_one_retry(death: list[Step], new_client: NewClient) -> None:
    """Dropped idle connections use up all attempts of the next call."""
    with (
        server_of_dying_connections(*death) as server,
        new_client(endpoint_url=server.url, config=Config(read_timeout=READ_TIMEOUT)) as client,
    ):
        fill_pool(client)
        assert client.sign_out().attempts == 2
        assert client.sign_out().attempts == 1
    assert len(server.peers) == IDLE + 1


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_ten_dead_connections_fail_no_user_of_many(death: list[Step], new_client: NewClient) -> None:
    """A batch after a pause reports failures for users that can be signed out."""
    usernames = [f"user-{number}" for number in range(2 * IDLE)]
    with (
        server_of_dying_connections(*death) as server,
        new_client(endpoint_url=server.url, config=Config(read_timeout=READ_TIMEOUT)) as client,
    ):
        fill_pool(client)
        outcomes = client.sign_out_many(usernames, max_concurrency=IDLE)
    assert {type(outcome) for outcome in outcomes} == {SignOutResult}
    assert sorted(outcome.username or "" for outcome in outcomes) == sorted(usernames)
    assert max(outcome.attempts for outcome in outcomes) <= 2


def serves_until_idle(seconds: float) -> Step:
    """Answers requests until none has followed the last one for this time, then closes the connection.

    The first request may take longer: a busy machine can need more than this between the connection and the request.
    """

    def step(peer: Peer) -> None:
        while peer.read_request():
            peer.sock.sendall(OK)
            if not select.select([peer.sock], [], [], seconds)[0]:
                return

    return step


def test_a_server_that_closes_idle_connections_fails_no_call(new_client: NewClient) -> None:
    """Calls sometimes fail when the server's keep-alive time ends."""
    never = threading.Event()

    def call_repeatedly(number: int) -> list[int]:
        attempts = []
        with new_client(endpoint_url=server.url) as client:
            for call in range(20):
                attempts.append(client.sign_out().attempts)
                never.wait(0.035 + 0.0015 * ((7 * call + number) % 20))
        return attempts

    with ScriptedServer([serves_until_idle(0.05)]) as server, ThreadPoolExecutor(10) as threads:
        attempts = [each for of_client in threads.map(call_repeatedly, range(10)) for each in of_client]
    assert len(attempts) == 200
    assert max(attempts) <= 2
    assert 10 < len(server.peers) < 200  # some connections were used again, and some were closed before
