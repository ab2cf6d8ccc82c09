"""Credentials that expire while many concurrent calls share one source."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import RefreshableCredentials

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, SignOutOutcome

from ..ways import OK, PATIENCE, refusal
from .play import POOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cognito_signout.transports import HttpRequest, HttpResponse

CALLS = 32
#: How long credentials are valid, in minutes. botocore must refresh them in the last 10 minutes, and tries to in the
#: last 15.
LEFT = {"mandatory": 5, "advisory": 12}
PROCESS = """
import datetime as dt, json, sys
with open(sys.argv[1], 'a') as log: print('run', file=log)
with open(sys.argv[1]) as log: run = len(log.readlines())
minutes = int(sys.argv[2]) if run == 1 else 60
expires = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=minutes)).isoformat()
key = f'AKID{run}' if sys.argv[3] == 'rotating' else 'AKID1'
keys = {'AccessKeyId': key, 'SecretAccessKey': 'secret', 'SessionToken': 'token', 'Expiration': expires}
print(json.dumps({'Version': 1, **keys}))
"""


class Service:
    """Records the access keys of requests, and decides which requests to refuse.

    Args:
        refused: The access key to refuse, once all calls have arrived with it.
    """

    def __init__(self, refused: str | None = None) -> None:
        self.access_keys: list[str] = []
        self._refused = refused

    def is_refused(self, request: HttpRequest) -> bool:
        """Records the request's access key. Returns whether to refuse the request."""
        self.access_keys.append(request.headers["authorization"].partition("Credential=")[2].partition("/")[0])
        return self.access_keys[-1] == self._refused


def in_threads(service: Service, **arguments: Any) -> list[SignOutOutcome]:
    """Makes the calls with a blocking client."""
    begin, refuse = threading.Barrier(CALLS), threading.Barrier(CALLS)

    class Transport:
        def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
            if not service.is_refused(request):
                return OK
            refuse.wait(PATIENCE)
            return refusal("ExpiredTokenException")

        def close(self) -> None: ...

    client = SignOutClient(transport=Transport(), **arguments)

    def sign_out(number: int) -> SignOutOutcome:
        begin.wait(PATIENCE)
        try:
            return client.sign_out(user_pool_id=POOL, username=f"user-{number}")
        except SignOutError as error:
            return error

    with ThreadPoolExecutor(CALLS) as threads:
        return list(threads.map(sign_out, range(CALLS)))


def in_tasks(service: Service, **arguments: Any) -> list[SignOutOutcome]:
    """Makes the calls with an async client."""

    async def main() -> list[SignOutOutcome]:
        all_arrived = asyncio.Event()

        class Transport:
            async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
                if not service.is_refused(request):
                    return OK
                if len(service.access_keys) >= CALLS:
                    all_arrived.set()
                await asyncio.wait_for(all_arrived.wait(), PATIENCE)
                return refusal("ExpiredTokenException")

            async def close(self) -> None: ...

        client = AsyncSignOutClient(transport=Transport(), **arguments)

        async def sign_out(number: int) -> SignOutOutcome:
            try:
                return await client.sign_out(user_pool_id=POOL, username=f"user-{number}")
            except SignOutError as error:
                return error

        return await asyncio.gather(*(sign_out(number) for number in range(CALLS)))

    return asyncio.run(main())


@pytest.fixture(params=[in_threads, in_tasks])
def make_calls(request: pytest.FixtureRequest) -> Callable[..., list[SignOutOutcome]]:
    """Makes the calls: the test runs with each client."""
    way: Callable[..., list[SignOutOutcome]] = request.param
    return way


@pytest.mark.parametrize("window", LEFT)
def test_keys_that_are_about_to_expire_are_refreshed_once(window: str, make_calls: Any) -> None:
    """Each call in flight refreshes the credentials itself, all at the same time."""
    refreshes: list[int] = []
    another = threading.Barrier(2)

    def metadata(access_key: str, minutes: int) -> dict[str, str]:
        expires = dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=minutes)
        return {"access_key": access_key, "secret_key": "s", "token": "t", "expiry_time": expires.isoformat()}

    def refresh() -> dict[str, str]:
        refreshes.append(1)
        with suppress(threading.BrokenBarrierError):
            another.wait(0.2)  # for another refresh, which must not happen
        return metadata("AKIDNEW", 60)

    source = RefreshableCredentials.create_from_metadata(metadata("AKIDOLD", LEFT[window]), refresh, "sts-assume-role")
    service = Service()
    outcomes = make_calls(service, credentials=source)
    assert [outcome.attempts for outcome in outcomes] == [1] * CALLS
    assert len(refreshes) == 1
    assert set(service.access_keys) <= ({"AKIDNEW"} if window == "mandatory" else {"AKIDNEW", "AKIDOLD"})
    assert "AKIDNEW" in service.access_keys


def a_process(folder: Path, monkeypatch: pytest.MonkeyPatch, minutes: int, kind: str) -> Path:
    """Sets up a profile ``process`` with a credential process. Returns the path of the log of its runs."""
    log, script, config = folder / "log", folder / "process.py", folder / "config"
    script.write_text(PROCESS)
    config.write_text(f"[profile process]\ncredential_process = {sys.executable} {script} {log} {minutes} {kind}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return log


@pytest.mark.parametrize("window", LEFT)
def test_a_credential_process_is_started_once_for_a_refresh(
    window: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_calls: Any
) -> None:
    """A busy service starts one process for each call in flight."""
    log = a_process(tmp_path, monkeypatch, LEFT[window], "rotating")
    service = Service()
    outcomes = make_calls(service, profile_name="process")
    assert [outcome.attempts for outcome in outcomes] == [1] * CALLS
    assert log.read_text() == "run\n" * 2  # the first run and the refresh
    assert "AKID2" in service.access_keys


def test_keys_that_the_service_rejects_as_expired_are_resolved_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_calls: Any
) -> None:
    """Each call in flight resolves revoked credentials itself."""
    log = a_process(tmp_path, monkeypatch, 60, "rotating")
    service = Service("AKID1")
    outcomes = make_calls(service, profile_name="process")
    assert [type(outcome).__name__ for outcome in outcomes] == ["SignOutResult"] * CALLS
    assert service.access_keys.count("AKID2") == CALLS
    assert log.read_text() == "run\n" * 2


def test_calls_share_a_failed_attempt_to_get_new_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_calls: Any
) -> None:
    """The calls in flight try to get new keys one after the other, for minutes."""
    log = a_process(tmp_path, monkeypatch, 60, "always the same")
    outcomes = make_calls(Service("AKID1"), profile_name="process")
    assert [(type(outcome).__name__, outcome.attempts) for outcome in outcomes] == [("AuthenticationError", 1)] * CALLS
    assert 2 <= log.read_text().count("run") <= 5  # a call that is refused after the shared attempt makes another one
