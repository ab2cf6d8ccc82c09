"""Processes that know nothing of each other, on one quota: real processes, a real server, half a minute."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer

pytestmark = pytest.mark.slow

POOL = "us-east-1_Test00001"
RATE, BURST = 200, 40
SECONDS = 30
PROCESSES = ("a", "b", "c")

#: Signs users out for a time, and says how many, and how many failed.
CODE = f"""
import sys, time
from cognito_signout import SignOutClient, SignOutResult

end = time.monotonic() + {SECONDS}

def usernames():
    n = 0
    while time.monotonic() < end:
        yield f"{{sys.argv[1]}}-{{n}}"
        n += 1

outcomes = SignOutClient().sign_out_many(user_pool_id={POOL!r}, usernames=usernames())
done = [isinstance(outcome, SignOutResult) for outcome in outcomes]
print(len(done), done.count(False))
"""


def test_three_processes_share_a_quota() -> None:
    """One of three processes gets too little of the quota, users fail, or too many requests are throttled."""
    fake = FakeCognito()
    for name in PROCESSES:
        for n in range(RATE * SECONDS):
            fake.add_user(user_pool_id=POOL, username=f"{name}-{n}")
    fake.throttle(rate=RATE, burst=BURST)
    with FakeCognitoServer(fake) as server:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", CODE, name],
                env=dict(os.environ, **server.environment),
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in PROCESSES
        ]
        reports = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [failed for _, failed in reports] == ["0", "0", "0"]

    requests = [(entry.at, entry.username[0], entry.code) for entry in fake.requests if entry.username]
    times = {name: [at for at, of, _ in requests if of == name] for name in PROCESSES}
    start, end = max(min(at) for at in times.values()), min(max(at) for at in times.values())
    together = [(of, code) for at, of, code in requests if start <= at <= end]
    seconds = (end - start).total_seconds()
    assert seconds >= 20
    passed = Counter(of for of, code in together if code is None)
    assert passed.total() >= 0.85 * RATE * seconds
    assert len(together) - passed.total() <= 0.15 * len(together)
    share = passed.total() / len(PROCESSES)
    assert all(share / 2 <= passed[name] <= share * 2 for name in PROCESSES), passed
