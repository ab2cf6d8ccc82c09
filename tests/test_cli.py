"""The command, as a process and in process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from cognito_signout._cli import main
from cognito_signout._version import __version__
from cognito_signout.testing import FakeCognito, FakeCognitoServer

POOL = "us-east-1_Test00001"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cognito_signout", *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines(output: str) -> list[Any]:
    """The JSON of each line."""
    return [json.loads(line) for line in output.splitlines()]


def test_it_prints_an_envelope_a_line() -> None:
    """Scripts read it; a name that is refused must not keep the others from being signed out."""
    done = run("--fake", "--user-pool-id", POOL, "alice", "mallory", "a b", "bob")
    alice, mallory, malformed, bob = lines(done.stdout)
    assert list(alice) == ["username", "success", "data"]
    assert (alice["username"], alice["success"]) == ("alice", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", alice["data"]["created_at"])
    assert mallory == {
        "username": "mallory",
        "success": False,
        "error": {"code": "USER_NOT_FOUND", "message": "User does not exist."},
    }
    assert malformed["error"]["code"] == "VALIDATION_ERROR"
    assert bob["success"]
    assert (done.returncode, done.stderr) == (1, "")


def test_all_signed_out_is_status_0() -> None:
    """`&&` goes on."""
    done = run("--fake", "--user-pool-id", POOL, "alice", "bob", "carol")
    assert (done.returncode, [line["success"] for line in lines(done.stdout)]) == (0, [True] * 3)


def test_it_signs_out_for_real(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a server, with the environment's keys; a name that only JSON can write arrives as it is."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username='"älice",🦄')
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", fake.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake.secret_key)
    with FakeCognitoServer(fake) as server:
        arguments = ["--user-pool-id", POOL, "--endpoint-url", server.endpoint_url, "--region", "us-east-1"]
        assert main([*arguments, '"älice",🦄']) == 0
    (line,) = lines(capsys.readouterr().out)
    assert line["username"] == '"älice",🦄'
    fake.assert_signed_out(user_pool_id=POOL, username='"älice",🦄', times=1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["alice"], "--user-pool-id"),
        (["--user-pool-id", POOL], "USERNAME"),
        (["--user-pool-id", "nowhere", "alice"], "user_pool_id must be"),
        (["--fake", "--user-pool-id", "nowhere", "alice"], "user_pool_id must be"),
        (["--user-pool-id", POOL, "--profile", "nobody", "alice"], "nobody"),
        (["--user-pool-id", POOL, "--endpoint-url", "localhost:1", "alice"], "http://"),
    ],
)
def test_wrong_usage_and_configuration_are_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line on standard error says what is wrong, and nothing was sent."""
    try:
        status = main(arguments)
    except SystemExit as left:  # as argparse leaves
        status = int(left.code or 0)
    output = capsys.readouterr()
    assert status == 2
    assert complaint in output.err
    assert output.out == ""


def test_no_credentials_is_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody else would fare better, so nobody else is tried."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert main(["--user-pool-id", POOL, "alice", "bob"]) == 2
    assert "no AWS credentials" in capsys.readouterr().err


def test_it_says_its_version_and_how_it_is_used() -> None:
    """What everyone tries first."""
    assert run("--version").stdout.strip() == f"cognito-signout {__version__}"
    help_text = run("--help").stdout
    assert "Exit status" in help_text
