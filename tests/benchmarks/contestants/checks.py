"""Checks whether a token is revoked, in memory and with a Redis server."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import redis

from cognito_signout.revocation import MemoryStore, RevocationList

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def checker(store: str) -> Generator[Callable[[], object]]:
    """The function that checks whether a token is revoked."""
    now = datetime.now(timezone.utc)
    claims: dict[str, Any] = {
        "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab129faBb",
        "sub": "94382408-2081-7023-a0c2-1c3b8f0b1a2d",
        "iat": int(now.timestamp()),
    }
    with redis_server() if store == "redis" else nullcontext(MemoryStore()) as place:
        revocations = RevocationList(place)
        revocations.add_user(user_pool_id="us-east-1_Ab129faBb", sub=claims["sub"], before=now - timedelta(hours=1))
        if revocations.is_revoked(claims):
            raise SystemExit("a new token is not revoked")
        yield lambda: revocations.is_revoked(claims)


@contextmanager
def redis_server() -> Generator[Any]:
    """A client of a Redis server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            with redis.Redis(port=port) as client:
                for _ in range(500):
                    with suppress(redis.ConnectionError):
                        client.ping()
                        break
                    time.sleep(0.02)
                yield client
        finally:
            server.terminate()
