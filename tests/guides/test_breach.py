"""The guide to signing everyone out after a breach: its commands, with the AWS CLI, moto and the fake."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests.moto_pools import MotoPool
from tests.pages import Page, runs

pytestmark = pytest.mark.slow

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
MISSING = [command for command in ("bash", "aws", "cognito-signout") if shutil.which(command, path=PATH) is None]
POOL = "us-east-1_Test00001"
#: Usernames that a shell, a text format or an option parser could trip over.
ODD = [
    "-dash", "--from-file", "#hash", "*", "$HOME", "`id`", "o'brien", 'a"b', '{"success":true}', '"code":"X"', "a\\b",
    "a,b", "None", "null", "{}", "[]", "alice+tag@example.com", "ünï¢ødé", "日本語", "\N{GRINNING FACE}", "-",
]  # fmt: skip
#: Users with ordinary names, so many that there are two pages and a bit.
ORDINARY = [f"user-{number:03}" for number in range(104)]


@runs("docs/guides/breach.md")
@pytest.mark.skipif(bool(MISSING), reason=f"not on the PATH: {', '.join(MISSING)}")
def test_the_commands_sign_everyone_out(
    page: Page, moto_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An operator who follows the page leaves users signed in."""
    boto3_client = boto3.client("cognito-idp", region_name="us-east-1", endpoint_url=moto_server)
    pool = MotoPool(boto3_client)
    for name in [*ORDINARY, *ODD, "leaver"]:
        boto3_client.admin_create_user(UserPoolId=pool.id, Username=name)
    devices = [_signed_in(pool, name) for name in ("alice", "o'connor", "日本")]
    boto3_client.admin_disable_user(UserPoolId=pool.id, Username=ORDINARY[0])
    everyone = {*ORDINARY, *ODD, "leaver", "alice", "o'connor", "日本"}
    monkeypatch.setenv("PATH", PATH)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("pool", pool.id)  # and not the one that the page's first command says
    monkeypatch.chdir(tmp_path)
    assign, make_list, compare, rehearse, run, count, list_left, go_on = page.take("sh")
    assert re.fullmatch(r"pool=\S+\n", assign)

    _bash(make_list)
    assert sorted(_lines("users.txt")) == sorted(everyone)
    assert _bash(compare).stdout.split() == [str(len(everyone))] * 2
    assert f"would sign out {len(everyone)}; takes" in _bash(rehearse).stderr
    assert [pool.refusal_to_refresh(token) for token in devices] == [None] * len(devices)

    boto3_client.admin_delete_user(UserPoolId=pool.id, Username="leaver")
    _bash(run, status=1)
    assert [pool.refusal_to_refresh(token) for token in devices] == ["NotAuthorizedException"] * len(devices)
    counts = _bash(count).stdout.split()
    assert counts == [str(len(everyone)), str(len(everyone) - 1), "1", '"code":', '"USER_NOT_FOUND"']
    _bash(list_left)
    assert _lines("left.txt") == ["leaver"]

    assert "1 failed (USER_NOT_FOUND 1)" in _bash(run, status=1).stderr
    newcomer = _signed_in(pool, "newcomer")
    assert f"{len(everyone)} usernames: 1 signed out, {len(everyone) - 1} already signed out" in _bash(go_on).stderr
    assert pool.refusal_to_refresh(newcomer) == "NotAuthorizedException"


@runs("docs/guides/breach.md")
@pytest.mark.skipif(bool(MISSING), reason=f"not on the PATH: {', '.join(MISSING)}")
def test_the_commands_work_with_the_fake_alone(page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A team can't rehearse the page without moto."""
    fake = FakeCognito()
    everyone = {*ORDINARY, *ODD, "alice"}
    fake.add_users(user_pool_id=POOL, usernames=everyone)
    device = fake.sign_in(user_pool_id=POOL, username="alice")
    fake.disable_user(user_pool_id=POOL, username=ORDINARY[0])
    with FakeCognitoServer(fake) as server:
        for name, value in {**server.environment, "PATH": PATH, "pool": POOL}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        _, make_list, compare, rehearse, run, count, list_left, go_on = page.take("sh")
        _bash(make_list)
        assert sorted(_lines("users.txt")) == sorted(everyone)
        assert _bash(compare).stdout.split() == [str(len(everyone))] * 2
        _bash("echo leaver >> users.txt")
        assert f"would sign out {len(everyone) + 1}; takes" in _bash(rehearse).stderr
        assert device.refreshable
        _bash(run, status=1)
        assert not device.refreshable
        assert _bash(count).stdout.split()[-2:] == ['"code":', '"USER_NOT_FOUND"']
        _bash(list_left)
        assert _lines("left.txt") == ["leaver"]
        fake.add_user(user_pool_id=POOL, username="newcomer")
        assert f"{len(everyone) + 1} usernames: 1 signed out, {len(everyone)} already signed out" in _bash(go_on).stderr
    fake.assert_signed_out(user_pool_id=POOL, username="newcomer", times=1)


def test_the_table_is_right() -> None:
    """An operator plans the night with wrong times."""
    header, *rows = re.findall(
        r"^\| (.+) \|$", Page("docs/guides/breach.md").text.replace("| --- | --- | --- | --- |\n", ""), re.M
    )
    rates = [int(rate) for rate in re.findall(r"(\d+) a second", header)]
    assert len(rates) == len(rows) == 3
    for row in rows:
        users, *times = row.split(" | ")
        for rate, time in zip(rates, times, strict=True):
            hours, minutes, seconds = map(int, time.split(":"))
            duration = timedelta(hours=hours, minutes=minutes, seconds=seconds)
            assert duration == timedelta(seconds=int(users.replace(",", "")) / rate)


def _signed_in(pool: MotoPool, username: str) -> str:
    """Adds a user, and signs it in. Returns the refresh token, which works."""
    pool.add_user(username)
    token = pool.sign_in(username)
    assert pool.refusal_to_refresh(token) is None
    return token


def _bash(commands: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == status, done.stderr
    return done


def _lines(name: str) -> list[str]:
    return Path(name).read_text(encoding="utf-8").splitlines()
