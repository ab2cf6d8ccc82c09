"""Calls that are interrupted: by Ctrl-C, and by the end of the interpreter."""

from __future__ import annotations

import pytest

from .play import RememberingServer, play


def test_an_interrupt_at_any_moment_leaves_the_client_usable() -> None:
    """After Ctrl-C, a shell or a notebook would have a client that hangs, leaks, or reads the answer before last."""
    with RememberingServer() as server:
        played = play(
            """
import random
moment = random.Random(7)
client = SignOutClient(endpoint_url=url)
call(client)
armed = False

def interrupt(*_):
    if armed: raise KeyboardInterrupt
signal.alarm(0)  # there is one timer, and it is needed
signal.signal(signal.SIGALRM, interrupt)
warnings.simplefilter('ignore', ResourceWarning)  # a socket may be lost before anybody has it, and is closed then
sys.unraisablehook = lambda _: None  # objects of the standard library whose constructors were interrupted
before = len(os.listdir('/proc/self/fd'))
def call_for_ever():
    while True: call(client)

for _ in range(400):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, moment.uniform(1e-5, 3e-3))
        try:
            call_for_ever()
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
            is_measured=False,  # a tracer is interrupted, too
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
def test_a_program_ends_while_daemons_are_calling(work: str) -> None:
    """A program would not end, or end with complaints, because of what is of no interest any more."""
    with RememberingServer() as server:
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
for _ in range(200):  # by then, the others have had their go
    call(client)
print('done')
""",
            url=server.url,
        )
    assert played == "done"
