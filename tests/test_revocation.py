"""Old tokens are refused: the rule, the claims, the stores, and the races."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
import valkey
import valkey.asyncio
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout import SignOutResult, ValidationError
from cognito_signout.revocation import (
    POOL_LIFETIME,
    USER_LIFETIME,
    AsyncRevocationList,
    MemoryStore,
    RevocationList,
)
from cognito_signout.testing import FakeCognito

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

POOL, OTHER_POOL = "us-east-1_Test00001", "us-east-1_Test00002"
SUB, OTHER_SUB = "94382408-2081-7023-a0c2-1c3b8f0b1a2d", "14c8b4d8-00a1-70e5-5a0c-2d6f5d9e0b11"
AT = datetime(2025, 1, 1, tzinfo=timezone.utc)
SECOND = int(AT.timestamp())


def result(at: datetime = AT, *, pool: str = POOL, username: str = "alice") -> SignOutResult:
    """A sign-out."""
    return SignOutResult(id="1", created_at=at, user_pool_id=pool, username=username)


def claims(iat: Any = SECOND - 60, *, pool: str = POOL, sub: str = SUB, **others: Any) -> dict[str, Any]:
    """The verified claims of a token."""
    issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"
    return {"iss": issuer, "sub": sub, "iat": iat, "token_use": "access", **others}


@pytest.fixture
def revocations() -> RevocationList:
    """A list in memory."""
    return RevocationList(MemoryStore())


# The rule


@pytest.mark.parametrize(
    ("seconds", "is_revoked"), [(-3600, True), (-1, True), (0, True), (1, True), (2, False), (3600, False)]
)
@pytest.mark.parametrize("kind", [int, float, str])
def test_a_token_from_before_the_sign_out_is_refused(
    revocations: RevocationList, seconds: int, is_revoked: bool, kind: Any
) -> None:
    """An old token is accepted, or a new one is refused."""
    revocations.add(result(AT + timedelta(milliseconds=900)), sub=SUB)
    assert (
        revocations.is_revoked(claims(kind(SECOND + seconds) if kind is not str else str(SECOND + seconds)))
        is is_revoked
    )


@pytest.mark.parametrize(("auth_time", "is_revoked"), [(-3600, True), (-1, True), (0, False), (5, False)])
def test_a_token_that_was_refreshed_from_an_older_session_is_refused(
    revocations: RevocationList, auth_time: int, is_revoked: bool
) -> None:
    """A thief who refreshes a stolen token after the cut-off passes."""
    revocations.add_all(POOL, before=AT)
    assert revocations.is_revoked(claims(SECOND + 600, auth_time=SECOND + auth_time)) is is_revoked


def test_only_the_user_of_the_pool_is_refused(revocations: RevocationList) -> None:
    """Other users have to sign in again."""
    revocations.add(result(), sub=SUB)
    assert revocations.is_revoked(claims())
    assert not revocations.is_revoked(claims(sub=OTHER_SUB))
    assert not revocations.is_revoked(claims(pool=OTHER_POOL))


def test_a_cutoff_of_a_pool_refuses_all_its_users(revocations: RevocationList) -> None:
    """After a breach, old tokens of some users pass."""
    revocations.add_all(POOL, before=AT)
    assert revocations.is_revoked(claims())
    assert revocations.is_revoked(claims(sub=OTHER_SUB))
    assert not revocations.is_revoked(claims(pool=OTHER_POOL))
    assert not revocations.is_revoked(claims(SECOND + 60))


@pytest.mark.parametrize("username", ["alice", "ALICE", "alice@example.com", SUB, "Google_1234567890"])
def test_the_name_of_the_sign_out_does_not_matter(revocations: RevocationList, username: str) -> None:
    """A user who was signed out by an alias keeps old tokens."""
    revocations.add(result(username=username), sub=SUB)
    assert revocations.is_revoked(claims())


@given(times=st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_the_latest_sign_out_counts(times: list[int]) -> None:
    """An earlier sign-out that arrives later makes old tokens valid again."""
    revocations = RevocationList(MemoryStore())
    for seconds in times:
        revocations.add(result(AT + timedelta(seconds=seconds)), sub=SUB)
    assert revocations.is_revoked(claims(SECOND + max(times) + 1))
    assert not revocations.is_revoked(claims(SECOND + max(times) + 2))


def test_a_user_can_be_added_without_a_result(revocations: RevocationList) -> None:
    """The tokens of a deleted user are accepted for up to a day."""
    revocations.add_user(user_pool_id=POOL, sub=SUB, before=AT)
    assert revocations.is_revoked(claims())


# Claims


@pytest.mark.parametrize("host", ["cognito-idp.us-east-1.amazonaws.com", "issuer-cognito-idp.us-east-1.amazonaws.com"])
@pytest.mark.parametrize("token", [{"token_use": "access"}, {"token_use": "id", "aud": "client"}])
def test_tokens_of_both_kinds_and_issuers_are_refused(
    revocations: RevocationList, host: str, token: dict[str, str]
) -> None:
    """ID tokens, or tokens of the other issuer, are accepted."""
    revocations.add(result(), sub=SUB)
    assert revocations.is_revoked({**claims(), "iss": f"https://{host}/{POOL}", **token})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"iat": None}, "iat"),
        ({"iat": True}, "iat"),
        ({"iat": float("nan")}, "iat"),
        ({"iat": float("inf")}, "iat"),
        ({"iat": "2025-01-01T00:00:00Z"}, "iat"),
        ({"iat": ""}, "iat"),
        ({"iat": [1]}, "iat"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": "soon"}, "auth_time"),
        ({"iss": None}, "iss"),
        ({"iss": ""}, "iss"),
        ({"iss": "https://accounts.google.com"}, "iss"),
        ({"iss": f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}/"}, "iss"),
        ({"iss": 7}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "a}:b"}, "sub"),
        ({"sub": 7}, "sub"),
    ],
)
def test_claims_that_can_not_be_judged_are_an_error(
    revocations: RevocationList, changes: dict[str, Any], name: str
) -> None:
    """A token without the claims passes."""
    with pytest.raises(ValidationError, match=f"`{name}`"):
        revocations.is_revoked({**claims(), **changes})
    for missing in ("iss", "sub", "iat"):
        with pytest.raises(ValidationError, match=f"`{missing}`"):
            revocations.is_revoked({key: value for key, value in claims().items() if key != missing})


def test_a_token_of_client_credentials_is_not_refused(revocations: RevocationList) -> None:
    """A service is locked out because a user was signed out."""
    revocations.add(result(), sub=SUB)
    assert not revocations.is_revoked(claims(sub="1example23456789"))


# Arguments


@pytest.mark.parametrize("before", [datetime(2025, 1, 1), "2025-01-01", 1735689600, None])  # noqa: DTZ001
def test_a_time_without_a_time_zone_is_refused(revocations: RevocationList, before: Any) -> None:
    """The cut-off is off by hours."""
    with pytest.raises(ValidationError, match="time zone"):
        revocations.add_all(POOL, before=before)


def test_a_time_in_the_future_is_refused(revocations: RevocationList) -> None:
    """Nobody can sign in any more."""
    future = datetime.now(timezone.utc) + timedelta(minutes=1)
    with pytest.raises(ValidationError, match="future"):
        revocations.add_user(user_pool_id=POOL, sub=SUB, before=future)
    revocations.add_all(POOL, before=datetime.now(timezone.utc))


@pytest.mark.parametrize("sub", ["", "alice", "Google_123", "alice@example.com", None, 7])
def test_a_username_is_not_a_sub(revocations: RevocationList, sub: Any) -> None:
    """An entry is written that no token matches."""
    with pytest.raises(ValidationError, match="`sub`"):
        revocations.add(result(), sub=sub)


def test_an_invalid_pool_is_refused(revocations: RevocationList) -> None:
    """The same for the pool."""
    with pytest.raises(ValidationError, match="user_pool_id"):
        revocations.add_all("pool", before=AT)


# Stores


def test_a_copy_in_memory_has_entries_of_its_own(revocations: RevocationList) -> None:
    """A list can't be copied, as Django copies a test's attributes, or a test changes the list of the next one."""
    revocations.add(result(), sub=SUB)
    twin = copy.deepcopy(revocations)
    assert twin.is_revoked(claims())
    twin.add(result(), sub=OTHER_SUB)
    assert twin.is_revoked(claims(sub=OTHER_SUB))
    assert not revocations.is_revoked(claims(sub=OTHER_SUB))


def test_entries_in_memory_expire() -> None:
    """The memory of a process grows without end, or old tokens are accepted too early."""
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])
    revocations = RevocationList(store)
    revocations.add(result(), sub=SUB)
    now[0] = USER_LIFETIME - 1
    assert revocations.is_revoked(claims())
    now[0] = USER_LIFETIME
    assert not revocations.is_revoked(claims())
    revocations.add_all(POOL, before=AT)
    assert len(store) == 1
    now[0] += POOL_LIFETIME - 1
    assert revocations.is_revoked(claims())


@pytest.mark.parametrize("value", [b"later", "", b"\xff", True, 1.5, {}])
def test_a_store_that_holds_something_else_is_an_error(value: Any) -> None:
    """A value that can't be read counts as "not revoked"."""

    class Store:
        def mget(self, keys: Any) -> Any:
            return [value, None]

        def set(self, name: str, value: int, *, ex: int, get: bool) -> Any:
            raise ConnectionError("down")

    with pytest.raises(ValueError, match="not a time"):
        RevocationList(Store()).is_revoked(claims())
    with pytest.raises(ConnectionError, match="down"):
        RevocationList(Store()).add(result(), sub=SUB)


def test_an_async_store_is_refused_by_the_blocking_list() -> None:
    """A coroutine that nobody awaits counts as "not revoked"."""
    store = redis.asyncio.Redis(port=1)
    with pytest.raises(TypeError, match="AsyncRevocationList"):
        RevocationList(store).is_revoked(claims())
    with pytest.raises(TypeError, match="AsyncRevocationList"):
        RevocationList(store).add(result(), sub=SUB)


@pytest.mark.slow
def test_a_store_that_is_down_is_an_error() -> None:
    """An outage of the store makes every token valid."""
    with redis.Redis(port=1) as store, pytest.raises(redis.ConnectionError):
        RevocationList(store).is_revoked(claims())


def test_the_module_is_loaded_on_use() -> None:
    """Importing the library loads a module that few programs need."""
    code = "import sys, cognito_signout; print('cognito_signout.revocation' in sys.modules); cognito_signout.revocation"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# A real Redis

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


class Server:
    """A Redis server on a free port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = 65535
        while self.port > 55_000:  # a node of a cluster uses another port, 10,000 higher
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        arguments = ["--port", str(self.port), "--dir", str(folder), "--bind", "127.0.0.1", *options]
        self._command = ["redis-server", *arguments]
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            for _ in range(500):
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                else:
                    return
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """Kills it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server without persistence."""
    server = Server(tmp_path_factory.mktemp("redis"), "--save", "")
    yield server
    server.kill()


@needs_redis
@pytest.mark.parametrize("library", [redis, valkey])
@pytest.mark.parametrize("options", [{}, {"decode_responses": True}])
def test_a_blocking_client_is_a_store(server: Server, library: Any, options: dict[str, Any]) -> None:
    """The list does not work with a real server."""
    client = library.Redis if library is redis else library.Valkey
    with client(port=server.port, **options) as store:
        store.flushall()
        revocations = RevocationList(store)
        assert not revocations.is_revoked(claims())
        revocations.add(result(AT + timedelta(minutes=1)), sub=SUB)
        revocations.add(result(AT), sub=SUB)
        assert revocations.is_revoked(claims(SECOND + 60))
        assert not revocations.is_revoked(claims(SECOND + 62))
        revocations.add_all(POOL, before=AT)
        assert revocations.is_revoked(claims(sub=OTHER_SUB))
        keys = [key if isinstance(key, str) else key.decode() for key in store.scan_iter()]
        assert sorted(keys) == [f"cognito-signout:{{{POOL}}}:all", f"cognito-signout:{{{POOL}}}:sub:{SUB}"]
        assert 0 <= USER_LIFETIME - store.ttl(keys[0] if "sub" in keys[0] else keys[1]) <= 60
        assert 0 <= POOL_LIFETIME - store.ttl(f"cognito-signout:{{{POOL}}}:all") <= 60


@needs_redis
@pytest.mark.parametrize("library", [redis, valkey])
def test_an_async_client_is_a_store(server: Server, library: Any) -> None:
    """The same for the async list."""

    async def main() -> None:
        client = library.asyncio.Redis if library is redis else library.asyncio.Valkey
        async with client(port=server.port) as store:
            await store.flushall()
            revocations = AsyncRevocationList(store)
            await revocations.add(result(AT + timedelta(minutes=1)), sub=SUB)
            await revocations.add_user(user_pool_id=POOL, sub=SUB, before=AT)
            assert await revocations.is_revoked(claims(SECOND + 60))
            assert not await revocations.is_revoked(claims(SECOND + 62))
            await revocations.add_all(POOL, before=AT)
            assert await revocations.is_revoked(claims(sub=OTHER_SUB))

    asyncio.run(main())


@needs_redis
def test_entries_of_a_server_expire(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is filled with old entries."""
    monkeypatch.setattr("cognito_signout.revocation.USER_LIFETIME", 1)
    with redis.Redis(port=server.port) as store:
        store.flushall()
        revocations = RevocationList(store)
        revocations.add(result(), sub=SUB)
        assert revocations.is_revoked(claims())
        deadline = time.monotonic() + 10
        while revocations.is_revoked(claims()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert store.dbsize() == 0


RACE = """
import sys
from datetime import datetime, timedelta, timezone
import redis
from cognito_signout.revocation import RevocationList

port, start, step = map(int, sys.argv[1:4])
revocations = RevocationList(redis.Redis(port=port))
for number in range(200):
    at = datetime(2025, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=start + step * (number % 7))
    revocations.add_user(user_pool_id=sys.argv[4], sub=f"{sys.argv[5][:-4]}{number:04}", before=at)
"""


@needs_redis
def test_the_latest_of_racing_sign_outs_counts(server: Server) -> None:
    """The later of two sign-outs at the same time is lost, so a token from in between is accepted."""
    with redis.Redis(port=server.port, max_connections=64) as store:
        store.flushall()
        revocations = RevocationList(store)
        rounds, threads = 100, 32
        barrier = threading.Barrier(threads)

        def add(number: int) -> None:
            for turn in range(rounds):
                barrier.wait()
                at = AT + timedelta(seconds=(number * 7 + turn) % threads)
                revocations.add(result(at), sub=f"{SUB[:-4]}{turn:04}")

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(add, range(threads)))
        latest = [claims(SECOND + threads - 1, sub=f"{SUB[:-4]}{turn:04}") for turn in range(rounds)]
        assert [revocations.is_revoked(claim) for claim in latest] == [True] * rounds

        commands = [
            [sys.executable, "-c", RACE, str(server.port), str(start), str(start), POOL, OTHER_SUB]
            for start in range(4)
        ]
        processes = [subprocess.Popen(command) for command in commands]
        assert [process.wait(60) for process in processes] == [0] * 4
        late = [3 + 3 * (number % 7) for number in range(200)]
        found = [
            revocations.is_revoked(claims(SECOND + seconds, sub=f"{OTHER_SUB[:-4]}{number:04}"))
            for number, seconds in enumerate(late)
        ]
        assert found == [True] * 200


@pytest.mark.slow
@needs_redis
def test_a_server_that_is_restarted_is_used_again(tmp_path: Path) -> None:
    """After an outage of the store, the process has to be restarted."""
    server = Server(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    try:
        with redis.Redis(port=server.port) as store:
            revocations = RevocationList(store)
            revocations.add(result(), sub=SUB)
            server.kill()
            with pytest.raises(redis.ConnectionError):
                revocations.is_revoked(claims())
            server.start()
            assert revocations.is_revoked(claims())
    finally:
        server.kill()


@pytest.mark.slow
@needs_redis
def test_a_cluster_is_a_store(tmp_path: Path) -> None:
    """The keys of a token are in two slots of a cluster, which refuses to read both."""
    servers = []
    try:
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            servers.append(Server(folder, "--cluster-enabled", "yes", "--save", ""))
        nodes = [f"127.0.0.1:{server.port}" for server in servers]
        subprocess.run(
            ["redis-cli", "--cluster", "create", *nodes, "--cluster-yes"], check=True, capture_output=True, timeout=60
        )
        with redis.RedisCluster(port=servers[0].port, host="127.0.0.1") as store:
            revocations = RevocationList(store)
            for pool in (POOL, OTHER_POOL, "eu-west-1_Abc"):
                revocations.add(result(pool=pool), sub=SUB)
                revocations.add_all(pool, before=AT)
                assert revocations.is_revoked(claims(pool=pool))
    finally:
        for server in servers:
            server.kill()


def test_signing_out_and_in_again_on_the_fake() -> None:
    """The story of the documentation does not hold."""
    fake = FakeCognito(now=AT)
    fake.add_user(user_pool_id=POOL, username="alice", aliases=["alice@example.com"])
    revocations = RevocationList(MemoryStore())
    old = claims_of(fake.sign_in(user_pool_id=POOL, username="alice").access_token)
    fake.advance(timedelta(minutes=5))
    assert not revocations.is_revoked(old)
    revocations.add(fake.client().sign_out(user_pool_id=POOL, username="alice@example.com"), sub=old["sub"])
    assert revocations.is_revoked(old)
    fake.advance(timedelta(seconds=2))
    new = claims_of(fake.sign_in(user_pool_id=POOL, username="alice").access_token)
    assert new["sub"] == old["sub"]
    assert not revocations.is_revoked(new)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, without verification."""
    import base64

    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded
