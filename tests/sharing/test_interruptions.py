"""Calls that are interrupted by Ctrl-C or by the exit of the interpreter."""

from __future__ import annotations

import pytest

from .play import RecordingServer, play


def test_an_interrupt_at_any_moment_leaves_the_client_usable() -> None:
    """After Ctrl-C, a client hangs, leaks or reads an old response."""
    with RecordingServer() as server:
        played = play(
            """
import random
moment = random.Random(7)
client = SignOutClient(endpoint_url=url)
call(client)
armed = False

def interrupt(*_):
    if armed: raise KeyboardInterrupt
signal.alarm(0)  # a process has only one alarm, which is used below
signal.signal(signal.SIGALRM, interrupt)
warnings.simplefilter('ignore', ResourceWarning)  # a socket may be garbage collected before any code refers to it
sys.unraisablehook = lambda _: None  # from standard library objects whose constructors were interrupted
before = len(os.listdir('/proc/self/fd'))
def call_forever():
    while True: call(client)

for _ in range(400):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, moment.uniform(1e-5, 3e-3))
        try:
            call_forever()
        finally:
            armed = False
    except KeyboardInterrupt:
        call(client)
gc.collect()
assert len(os.listdir('/proc/self/fd')) <= before
client.close()
assert len(os.listdir('/proc/self/fd')) == before - 1
print('done')
""",
            is_measured=False,  # the coverage tracer would be interrupted as well
            url=server.url,
        )
    assert played == "done"
    assert server.memory.open == 0


WORK = {
    "a call": "lambda: call(client, 'held')",
    "many": "lambda: list(client.sign_out_many(user_pool_id=POOL, usernames=itertools.repeat('held')))",
    "an event loop": "lambda: asyncio.run(acall(asynchronous, 'held'))",
    "many in an event loop": "lambda: asyncio.run(amany())",
    "calls, over and over": "lambda: [call(client) for _ in numbers]",
    "async calls, over and over": "lambda: asyncio.run(over_and_over())",
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_program_exits_while_daemon_threads_make_calls(work: str) -> None:
    """A program with calls in flight does not exit, or prints errors."""
    with RecordingServer() as server:
        played = play(
            """
client, asynchronous = SignOutClient(endpoint_url=url), AsyncSignOutClient(endpoint_url=url)
call(client)

async def amany():
    async for _ in asynchronous.sign_out_many(user_pool_id=POOL, usernames=itertools.repeat('held')): pass

async def over_and_over():
    for _ in numbers: await acall(asynchronous)

work = """
            + work
            + """
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(200):  # meanwhile, the other threads make calls
    call(client)
print('done')
""",
            url=server.url,
        )
    assert played == "done"
