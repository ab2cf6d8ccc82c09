"""Processes that fork while their threads are calling."""

from __future__ import annotations

from .play import RememberingServer, needs_fork, play

pytestmark = needs_fork


def test_a_client_is_used_by_the_parent_and_its_children_at_once() -> None:
    """A forked worker would hang on a lock that nobody can release, or read another process's answer."""
    with RememberingServer() as server:
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
    for _ in range(12):
        wait_for([fork(work) for _ in range(4)])
used.close(); unused.close()
print('done')
""",
            url=server.url,
        )
    assert played == "done"
    server.memory.assert_each_process_has_its_own()
    assert server.memory.open == 0
    assert max(server.memory.usernames.values()) == 2  # by sign_out_many of two clients


def test_an_active_fake_is_used_by_the_parent_and_its_children_at_once() -> None:
    """A test that forks workers while the fake is active would hang now and then, and nobody would know why."""
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
    for _ in range(12):
        wait_for([fork(work) for _ in range(4)])
print('done')
"""
        )
        == "done"
    )
