"""One async client and many event loops: in sequence, concurrent, closed too early, and after forks."""

from __future__ import annotations

import pytest

from .play import RecordingServer, needs_fork, play

pytestmark = pytest.mark.slow


def played_on(code: str) -> RecordingServer:
    """Runs the code and checks that it finishes. Returns the server that it has called."""
    with RecordingServer() as server:
        assert play(f"{code}\nprint('done')", url=server.url) == "done"
    return server


@pytest.mark.parametrize("cleanup", ["client.aclose()", "asyncio.sleep(0)"])
def test_an_ended_loop_leaves_no_connections_open(cleanup: str) -> None:
    """A script that runs one loop for each job leaks, or raises "Event loop is closed"."""
    server = played_on(
        f"""
client = AsyncSignOutClient(endpoint_url=url)
asyncio.run(acall(client))
gc.collect()
before = len(os.listdir('/proc/self/fd'))

async def main():
    usernames = [name() for _ in range(20)]
    await asyncio.gather(*(acall(client) for _ in range(10)))
    outcomes = [outcome async for outcome in client.sign_out_many(user_pool_id=POOL, usernames=usernames)]
    assert sorted(outcome.id for outcome in outcomes) == sorted(usernames)
    await {cleanup}

for _ in range(5):
    asyncio.run(main())
    gc.collect()
    assert len(os.listdir('/proc/self/fd')) == before
"""
    )
    assert server.memory.open == 0
    assert set(server.memory.usernames.values()) == {1}


def test_loops_that_are_never_closed_do_not_leak_descriptors() -> None:
    """A service that does not close its loops runs out of descriptors."""
    played_on(
        """
warnings.simplefilter('ignore', ResourceWarning)  # unclosed loops are the subject of this test
logging.getLogger('asyncio').disabled = True  # aiohttp logs errors as well
sys.unraisablehook = lambda _: None
client = AsyncSignOutClient(endpoint_url=url)

def descriptors():
    for _ in range(10):
        asyncio.new_event_loop().run_until_complete(acall(client))
    gc.collect()
    return len(os.listdir('/proc/self/fd'))

before = descriptors()
assert max(descriptors(), descriptors()) <= before + 8
"""
    )


def test_a_client_works_in_several_loops_at_once() -> None:
    """A web server with a loop in each thread sometimes gets untyped errors."""
    server = played_on(
        """
sys.setswitchinterval(1e-4)
client = AsyncSignOutClient(endpoint_url=url)
failures = []

async def main():
    for _ in range(40): await asyncio.gather(*(acall(client) for _ in range(3)))
    usernames = [name() for _ in range(20)]
    outcomes = [outcome async for outcome in client.sign_out_many(user_pool_id=POOL, usernames=usernames)]
    assert sorted(outcome.id for outcome in outcomes) == sorted(usernames)

def work():
    try: asyncio.run(main())
    except BaseException as error: failures.append(error)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
gc.collect()
"""
    )
    assert server.memory.open == 0
    assert set(server.memory.usernames.values()) == {1}
    assert len(server.memory.connections) <= 4 * 10  # the number of calls in flight in each loop


def test_a_client_can_be_used_after_close() -> None:
    """The next call fails or leaks its connection."""
    server = played_on(
        """
client = AsyncSignOutClient(endpoint_url=url)

async def main():
    for _ in range(3):
        await acall(client)
        await client.aclose()
    await client.aclose()
    await acall(client)

asyncio.run(main())
asyncio.run(client.aclose())
asyncio.run(acall(client))
"""
    )
    assert server.memory.open == 0
    assert len(server.memory.connections) == 5


@pytest.mark.parametrize("how", ["cancelled", "abandoned"])
def test_a_loop_that_ends_with_calls_in_flight_leaves_no_connection_open(how: str) -> None:
    """A program that is stopped prints errors or leaks connections."""
    # asyncio itself warns about the pending work of a loop that is closed without cleanup.
    silencing = (
        "warnings.simplefilter('ignore', ResourceWarning); sys.unraisablehook = lambda _: None\n"
        "import logging; logging.disable()\n"
    )
    server = played_on(
        f"""
client = AsyncSignOutClient(endpoint_url=url)

async def begin():
    global tasks
    await acall(client)
    tasks = [asyncio.create_task(acall(client, f'held-{{number}}')) for number in range(8)]
    for _ in range(50): await acall(client)

gc.collect()
before = len(os.listdir('/proc/self/fd'))
if {how == "cancelled"}:
    asyncio.run(begin())
    assert all(task.cancelled() for task in tasks)
else:
    {silencing.replace(chr(10), chr(10) + "    ")}
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()
    del loop
del tasks
asyncio.run(acall(client))
gc.collect()
assert len(os.listdir('/proc/self/fd')) == before
"""
    )
    assert sum(username.startswith("held") for username in server.memory.usernames) == 8


@needs_fork
def test_a_child_of_a_running_loop_can_run_its_own_loop() -> None:
    """A worker uses the connections of its parent, or disturbs the parent's loop."""
    server = played_on(
        """
client, blocking = AsyncSignOutClient(endpoint_url=url), SignOutClient(endpoint_url=url)

async def child():
    await asyncio.gather(*(acall(client) for _ in range(4)))
    await client.aclose()

def work():
    asyncio.run(child())
    call(blocking)
    asyncio.run(acall(client))

async def main():
    call(blocking)
    calling = True
    async def keep_calling():
        while calling: await acall(client)
    tasks = [asyncio.create_task(keep_calling()) for _ in range(4)]
    for _ in range(6):
        for _ in range(3): await acall(client)
        children = [fork(work) for _ in range(3)]  # with four calls in flight
        await asyncio.to_thread(wait_for, children)
    calling = False
    await asyncio.gather(*tasks)
    await client.aclose()

asyncio.run(main())
blocking.close()
"""
    )
    server.memory.assert_each_process_has_its_own()
    assert server.memory.open == 0
    assert set(server.memory.usernames.values()) == {1}


@needs_fork
def test_a_child_of_a_running_loop_exits_without_warnings() -> None:
    """A child warns about the parent's loop when it exits."""
    server = played_on(
        """
client = AsyncSignOutClient(endpoint_url=url)

async def main():
    await asyncio.gather(*(acall(client) for _ in range(4)))
    return os.fork()

loop = asyncio.new_event_loop()
pid = loop.run_until_complete(main())
if pid == 0:
    asyncio.run(acall(client))
    warnings.simplefilter('ignore', ResourceWarning)  # of the parent's loop, which the child does not use
    raise SystemExit
wait_for([pid])
loop.run_until_complete(acall(client))
loop.run_until_complete(client.aclose())
loop.close()
"""
    )
    server.memory.assert_each_process_has_its_own()
