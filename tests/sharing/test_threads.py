"""One client and many threads."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config

from cognito_signout import SignOutClient

from .play import POOL, RememberingServer

pytestmark = pytest.mark.slow

THREADS = 32


def test_many_threads_make_very_many_calls_with_one_client() -> None:
    """A busy service would now and then tell one user's fate to another, lose a call, or run out of descriptors."""
    calls = 20_000 if sys.gettrace() is None else 4_000  # under a tracer, such as that of coverage, it takes its time
    usernames = [f"user-{number}" for number in range(calls)]
    threads_before, before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with RememberingServer() as server:
        client = SignOutClient(endpoint_url=server.url, config=Config(max_pool_connections=THREADS))
        in_process = len(os.listdir("/proc/self/fd"))

        def sign_out(username: str) -> tuple[str, str, int]:
            result = client.sign_out(user_pool_id=POOL, username=username)
            return result.username, result.id, result.attempts

        with ThreadPoolExecutor(THREADS) as threads:
            told = list(threads.map(sign_out, usernames))
        assert len(os.listdir("/proc/self/fd")) <= in_process + THREADS
        client.close()
        assert len(os.listdir("/proc/self/fd")) == in_process
    assert told == [(username, username, 1) for username in usernames]
    assert server.memory.usernames == dict.fromkeys(usernames, 1)
    assert len(server.memory.connections) <= THREADS
    assert server.memory.open == 0
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads_before, before)
