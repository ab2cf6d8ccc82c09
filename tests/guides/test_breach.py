"""The guide to signing everyone out after a breach: its very commands, with the real AWS CLI and moto."""

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

from tests.moto_pools import MotoPool
from tests.pages import Page, runs

pytestmark = pytest.mark.slow

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
MISSING = [command for command in ("bash", "aws", "cognito-signout") if shutil.which(command, path=PATH) is None]
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
    """Who follows the page at three in the morning would leave users signed in, or believe so."""
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
    assert f"would sign out {len(everyone)}, 0 skipped, 0 invalid; at 20 a second" in _bash(rehearse).stderr
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
    assert f"1 signed out, {len(everyone) - 1} skipped" in _bash(go_on).stderr
    assert pool.refusal_to_refresh(newcomer) == "NotAuthorizedException"


def test_the_table_is_right() -> None:
    """Who plans the night by the table would be wrong."""
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
