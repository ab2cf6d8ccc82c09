"""Processes that fork while their threads make calls."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .play import RecordingServer, needs_fork, play

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_fork


def test_a_parent_and_its_children_use_a_client_at_once() -> None:
    """A forked worker deadlocks or reads another process's response."""
    with RecordingServer() as server:
        played = play(
            """
used, unused = SignOutClient(endpoint_url=url), SignOutClient(endpoint_url=url)
for _ in range(3): call(used)

def work():
    for client in (used, unused, used):
        for _ in range(3): call(client)
    usernames = [name() for _ in range(12)]
    for client in (used, unused):
        outcomes = list(client.sign_out_many(user_pool_id=POOL, usernames=usernames))
        assert sorted((outcome.username, outcome.id) for outcome in outcomes) == sorted((n, n) for n in usernames)

def call_many():
    usernames = [name() for _ in range(12)]
    outcomes = list(used.sign_out_many(user_pool_id=POOL, usernames=usernames, max_concurrency=4))
    assert sorted(outcome.id for outcome in outcomes) == sorted(usernames)

call_many()
with Callers(lambda: call(used)), Callers(call_many, 2):
    for _ in range(8):
        wait_for([fork(work) for _ in range(4)])
used.close(); unused.close()
print('done')
""",
            is_measured=False,
            url=server.url,
        )
    assert played == "done"
    server.memory.assert_each_process_has_its_own()
    assert server.memory.open == 0
    assert max(server.memory.usernames.values()) == 2  # sign_out_many of two clients has each user once


def test_a_forked_child_has_its_own_copy_of_the_fake() -> None:
    """A test that forks a worker sees requests of the other process, or hangs."""
    assert (
        play(
            """
from cognito_signout.testing import FakeCognito
fake = FakeCognito()
fake.add_user(user_pool_id=POOL, username='alice')
client = fake.client()

def work():
    for each in (client, SignOutClient()):
        assert each.sign_out(user_pool_id=POOL, username='alice').username == 'alice'
    fake.assert_signed_out(user_pool_id=POOL, username='alice', times=2)

with fake.activate():
    wait_for([fork(work), fork(work)])
fake.assert_no_requests()
print('done')
"""
        )
        == "done"
    )


def test_a_parent_and_its_children_use_an_active_fake_at_once() -> None:
    """A test that forks workers while the fake is active sometimes hangs."""
    assert (
        play(
            """
from cognito_signout.testing import FakeCognito
fake = FakeCognito()
usernames = [f'user-{number}' for number in range(4)]
for username in usernames: fake.add_user(user_pool_id=POOL, username=username)
client = SignOutClient()

def sign_out(client, username):
    assert client.sign_out(user_pool_id=POOL, username=username).username == username

def work():
    made_before = fake.client()
    with fake.activate():
        for username in usernames:
            for each in (client, SignOutClient(), made_before): sign_out(each, username)
    fake.assert_signed_out(user_pool_id=POOL, username=usernames[0])

def reactivate():
    with fake.activate(): sign_out(client, usernames[0])

with fake.activate(), Callers(lambda: sign_out(client, usernames[1])), Callers(reactivate, 2):
    for _ in range(8):
        wait_for([fork(work) for _ in range(4)])
print('done')
""",
            is_measured=False,
        )
        == "done"
    )


def test_an_iterator_that_was_started_before_a_fork_works_only_in_the_parent() -> None:
    """A child hangs or keeps the parent from finishing."""
    with RecordingServer() as server:
        played = play(
            """
client = SignOutClient(endpoint_url=url)
usernames = [name() for _ in range(60)]
outcomes = client.sign_out_many(user_pool_id=POOL, usernames=iter(usernames), max_concurrency=4)
done = [next(outcomes).username for _ in range(20)]

def leave():
    outcomes.close()
    call(client)

def drop():
    del globals()['outcomes']
    call(client)

def go_on():
    try: next(outcomes)
    except SignOutError as error: assert error.code == 'CONFIGURATION_ERROR' and 'fork' in str(error), error
    else: raise AssertionError
    assert len(list(client.sign_out_many(user_pool_id=POOL, usernames=[name() for _ in range(5)]))) == 5

for _ in range(8):
    wait_for([fork(leave), fork(drop), fork(go_on)])
    done.append(next(outcomes).username)
done += [outcome.username for outcome in outcomes]
assert sorted(done) == sorted(usernames)
client.close()
print('done')
""",
            url=server.url,
        )
    assert played == "done"
    server.memory.assert_each_process_has_its_own()
    assert set(server.memory.usernames.values()) == {1}


PROCESS = """
import json, os, sys
with open(sys.argv[1], 'a') as log: print('run', file=log)
if os.stat(sys.argv[1]).st_size == len('run\\n'):  # the first run waits until the test releases it
    open(sys.argv[2]).read()
print(json.dumps({'Version': 1, 'AccessKeyId': 'AKIDPROCESS', 'SecretAccessKey': 'secret'}))
"""


def test_a_child_can_resolve_credentials_after_a_fork_during_a_lookup(tmp_path: Path) -> None:
    """A child deadlocks on a lock that a thread of the parent holds."""
    log, gate, script = tmp_path / "log", tmp_path / "gate", tmp_path / "process.py"
    os.mkfifo(gate)
    script.write_text(PROCESS)
    config = tmp_path / "config"
    config.write_text(f"[profile slow]\ncredential_process = {sys.executable} {script} {log} {gate}\n")
    with RecordingServer() as server:
        played = play(
            """
warnings.filterwarnings('ignore', category=DeprecationWarning, module='botocore')
client = SignOutClient(endpoint_url=url, profile_name='slow')
caller = threading.Thread(target=call, args=(client,))
caller.start()
with open(gate, 'w'):  # opening waits for the process to start, and closing lets it finish
    wait_for([fork(lambda: [call(client) for _ in range(3)]) for _ in range(3)])
    assert caller.is_alive()
caller.join()
call(client)
client.close()
print('done')
""",
            environment={"AWS_CONFIG_FILE": str(config)},
            url=server.url,
            gate=str(gate),
        )
    assert played == "done"
    assert log.read_text() == "run\n" * 4  # one for the parent, and one for each child
    server.memory.assert_each_process_has_its_own()
    assert sum(server.memory.usernames.values()) == 11


def test_multiprocessing_workers_use_a_client_that_was_created_before_the_fork() -> None:
    """Workers of multiprocessing hang or print errors when they end."""
    with RecordingServer() as server:
        played = play(
            """
import multiprocessing
used, unused = SignOutClient(endpoint_url=url), SignOutClient(endpoint_url=url)
call(used)

def work(_):
    for client in (used, unused): call(client)
    return os.getpid()

with Callers(lambda: call(used), 2):
    forks = multiprocessing.get_context('fork')
    with forks.Pool(4) as pool:
        pids = pool.map(work, range(40))
        pool.close()
        pool.join()
    processes = [forks.Process(target=work, args=(0,)) for _ in range(4)]
    for process in processes: process.start()
    for process in processes: process.join()
    assert [process.exitcode for process in processes] == [0] * 4
assert os.getpid() not in pids
used.close()
print('done')
""",
            is_measured=False,
            url=server.url,
        )
    assert played == "done"
    server.memory.assert_each_process_has_its_own()
    assert set(server.memory.usernames.values()) == {1}
    assert server.memory.open == 0


def test_a_forked_child_exits_without_warnings() -> None:
    """A forked child warns about the parent's resources when it exits."""
    with RecordingServer() as server:
        played = play(
            """
used, unused = SignOutClient(endpoint_url=url), SignOutClient(endpoint_url=url)
call(used)
callers = Callers(lambda: call(used), 2)
callers.__enter__()
child = os.fork()
if child == 0:
    signal.alarm(20)
    call(used)
    call(unused)
    raise SystemExit
wait_for([child])
callers.__exit__()
used.close()
print('done')
""",
            is_measured=False,
            url=server.url,
        )
    assert played == "done"
    server.memory.assert_each_process_has_its_own()
