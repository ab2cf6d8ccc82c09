"""One client and many threads."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config

from cognito_signout import SignOutClient

from .play import POOL, RecordingServer

pytestmark = pytest.mark.slow

THREADS = 32


def test_many_threads_make_many_calls_with_one_client() -> None:
    """Threads mix up results, lose calls or run out of descriptors."""
    calls = 20_000 if sys.gettrace() is None else 4_000  # a tracer, such as that of coverage, makes calls slow
    usernames = [f"user-{number}" for number in range(calls)]
    threads_before, before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with RecordingServer() as server:
        client = SignOutClient(endpoint_url=server.url, config=Config(max_pool_connections=THREADS))
        in_process = len(os.listdir("/proc/self/fd"))

        def sign_out(username: str) -> tuple[str, str, int]:
            result = client.sign_out(user_pool_id=POOL, username=username)
            return result.username, result.id, result.attempts

        with ThreadPoolExecutor(THREADS) as threads:
            results = list(threads.map(sign_out, usernames))
        assert len(os.listdir("/proc/self/fd")) <= in_process + THREADS
        client.close()
        assert len(os.listdir("/proc/self/fd")) == in_process
    assert results == [(username, username, 1) for username in usernames]
    assert server.memory.usernames == dict.fromkeys(usernames, 1)
    assert len(server.memory.connections) <= THREADS
    assert server.memory.open == 0
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads_before, before)
