"""Tests of the asyncio transport that the blocking one does not need: event loops, cancellation, forks."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout._concurrency.waiting import in_thread, within
from cognito_signout.transports import AsyncHttpTransport

from .scripted import (
    OK,
    PATIENCE,
    ScriptedServer,
    answers,
    calls,
    echoes,
    reads,
    receives,
    serves,
    waits_for_close,
)
from .test_http import client_sockets, fork, make_request, unanswering_server

if TYPE_CHECKING:
    import ssl

    from cognito_signout.transports import HttpResponse

    from .scripted import Step


#: The messages of aiohttp about a session whose loop was closed by hand.
CLOSED_BY_HAND = frozenset({"Unclosed client session", "Unclosed connector"})


@pytest.fixture(autouse=True)
def nothing_is_logged(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Any:
    """Normal work fills the log with errors of the event loop."""
    yield
    for _ in range(3):  # a finalizer can leave garbage for the next collection
        gc.collect()
    # Depending on the order of the collection, aiohttp says that a session of a closed loop was not closed.
    allowed = CLOSED_BY_HAND if "closed_without_cleanup" in request.node.name else frozenset()
    assert {record.getMessage().partition("\n")[0] for record in caplog.records} <= allowed


async def send(transport: AsyncHttpTransport, url: str, timeout: float | None = PATIENCE) -> HttpResponse:
    """Sends an ordinary request."""
    return await transport.send(make_request(url), timeout=timeout)


def test_a_transport_outlives_its_event_loops() -> None:
    """A client fails or leaks connections when asyncio.run is called more than once."""
    transport = AsyncHttpTransport()
    with ScriptedServer([answers(OK), waits_for_close()]) as server:
        for _ in range(3):
            assert asyncio.run(send(transport, server.url)).status == 200
            assert server.closed_by_client.wait(PATIENCE)
            server.closed_by_client.clear()
            assert not client_sockets(server)
    assert len(server.peers) == 3


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # for the loop itself
@pytest.mark.parametrize("is_used_again", [True, False])
def test_a_loop_that_was_closed_without_cleanup_breaks_nothing(is_used_again: bool) -> None:
    """A client can't be used in another loop, or garbage collection raises an exception."""
    transport = AsyncHttpTransport()
    with ScriptedServer([serves()]) as server:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(send(transport, server.url))
        loop.close()
        if is_used_again:
            assert asyncio.run(send(transport, server.url)).status == 200
        del loop, transport
        gc.collect()


def test_a_connection_is_closed_by_the_loop_that_opened_it() -> None:
    """Close() touches a loop that is closed or runs in another thread."""
    transport = AsyncHttpTransport()
    with ScriptedServer([answers(OK), waits_for_close()]) as server:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(send(transport, server.url))
        asyncio.run(transport.close())
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        assert server.closed_by_client.wait(PATIENCE)
        loop.close()


def test_concurrent_calls_share_one_pool_and_one_tls_context(bundle: str, server_context: ssl.SSLContext) -> None:
    """Concurrent calls mix up responses or each load the CA bundle."""

    async def main(url: str) -> None:
        transport = AsyncHttpTransport(verify=bundle, max_pool_connections=16)
        for _ in range(5):
            bodies = [b"%d" % number for number in range(16)]
            sent = [transport.send(make_request(url, body), timeout=PATIENCE) for body in bodies]
            assert [response.body for response in await asyncio.gather(*sent)] == bodies
        await transport.close()

    with ScriptedServer([echoes()], context=server_context) as server:
        asyncio.run(main(server.url))
    assert 16 <= len(server.peers) < 32  # some connections may not be reused


@pytest.mark.parametrize("where", ["the handshake", "the response", "an idle connection's response"])
def test_cancelling_closes_the_connection(where: str) -> None:
    """The next call reads the response of a cancelled call."""

    async def main(server: ScriptedServer, url: str) -> None:
        transport = AsyncHttpTransport(verify=False)
        if where.startswith("an idle"):
            await send(transport, url)
        call = asyncio.create_task(send(transport, url))
        await asyncio.to_thread(arrived.acquire, timeout=PATIENCE)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(server.closed_by_client.wait, PATIENCE)
        assert not client_sockets(server)
        await transport.close()

    arrived = threading.Semaphore(0)
    first: dict[str, list[Step]] = {
        "the handshake": [receives()],
        "the response": [reads()],
        "an idle connection's response": [answers(OK), reads()],
    }
    with ScriptedServer([*first[where], calls(arrived.release), waits_for_close()]) as server:
        asyncio.run(main(server, server.url.replace("http:", "https:") if "handshake" in where else server.url))
    assert len(server.peers) == 1


def test_cancelling_while_connecting_closes_the_socket() -> None:
    """Cancelling a call to a host that does not answer leaks a socket."""

    async def main(url: str) -> None:
        transport = AsyncHttpTransport()
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(send(transport, url), 0.2)
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before
        await transport.close()

    with unanswering_server() as url:
        asyncio.run(main(url))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own_connections() -> None:
    """A parent and its children read each other's responses."""
    transport = AsyncHttpTransport()

    async def exchange(url: str) -> bool:
        bodies = [b"%d %d" % (os.getpid(), call) for call in range(20)]
        return [(await transport.send(make_request(url, body), timeout=PATIENCE)).body for body in bodies] == bodies

    def work(url: str) -> bool:
        return asyncio.run(exchange(url))

    with ScriptedServer([echoes()]) as server:
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(exchange(server.url))
        children = [fork(work, server.url) for _ in range(2)]
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
        assert loop.run_until_complete(exchange(server.url))
        loop.run_until_complete(transport.close())
        loop.close()
    assert len(server.peers) == 3


def test_idle_connections_are_reused_without_select_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are not reused on Windows."""
    monkeypatch.delattr(select, "poll")

    async def main(url: str) -> None:
        transport = AsyncHttpTransport()
        for _ in range(3):
            assert (await send(transport, url)).status == 200
        await transport.close()

    with ScriptedServer([serves()]) as server:
        asyncio.run(main(server.url))
    assert len(server.peers) == 1


def test_a_connection_that_was_closed_while_the_loop_was_busy_is_not_reused() -> None:
    """Stale data is read as the next response."""

    async def main(server: ScriptedServer) -> None:
        transport = AsyncHttpTransport()
        for _ in range(3):
            assert (await send(transport, server.url)).status == 200
            server.wait_until_finished()  # this blocks the loop
        await transport.close()

    with ScriptedServer([answers(OK)]) as server:
        asyncio.run(main(server))
    assert len(server.peers) == 3


def test_a_cancellation_at_the_same_time_as_the_result_is_not_lost() -> None:
    """Before Python 3.12, a cancelled call goes on and signs the user out."""

    async def main() -> None:
        ready = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(within(None, ready))
        await asyncio.sleep(0)
        ready.set_result(None)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())


def test_the_result_of_a_cancelled_lookup_is_discarded() -> None:
    """A slow credential source logs errors after its caller gave up."""

    async def main() -> None:
        released = threading.Event()
        found = in_thread(released.wait)
        found.cancel()
        released.set()
        for thread in threading.enumerate():
            if thread.name == "cognito-signout-lookup":
                await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)

    asyncio.run(main())
