"""The command shows usernames only in its output and its journal, and never shows secrets."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests.transports.scripted import ScriptedServer, answers, reads, waits_for_close

from .watch import ACCESS_KEY, PASSWORD, POOL, SECRET_KEY, SECRETS, TOKEN, USERNAME, found

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-X", "dev", "-m", "cognito_signout", "--user-pool-id", POOL)
#: How long, in seconds, a process may take. No process takes nearly as long.
PATIENCE = 120
NAME = "wonderland.example"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with keys in the environment. No other program writes files to it."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONFAULTHANDLER", "1"),
        ("PYTHONIOENCODING", "utf-8"),
        ("HOME", str(tmp_path)),
        ("TMPDIR", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    (tmp_path / "users.txt").write_text(f"{USERNAME}\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs the command in the folder. Returns the process and the files that it wrote."""
    process = subprocess.run(
        [*COMMAND, "--from-file", "users.txt", "--journal", "run.jsonl", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    written = sorted(path.name for path in folder.rglob("*") if not path.name.startswith(".coverage"))
    written.remove("users.txt")
    return process, written


def assert_no_secret(text: str) -> None:
    """Checks that a text contains no secret except the username, which the output is meant to show."""
    assert not set(found(text)) - {USERNAME.lower(), NAME}


def test_a_run_names_users_only_in_its_output_and_its_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usernames end up in a scheduler's logs or in unexpected files."""
    monkeypatch.delenv("AWS_SESSION_TOKEN")  # the fake does not use one
    fake = FakeCognito(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    fake.add_user_pool(POOL)
    with FakeCognitoServer(fake) as server:
        process, written = run(folder, "--endpoint-url", server.endpoint_url)
    assert process.returncode == 1  # the fake does not know the user
    assert "USER_NOT_FOUND" in process.stdout
    assert_no_secret(process.stdout)
    assert not found(process.stderr)
    assert written == ["run.jsonl"]
    journal = folder / "run.jsonl"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert_no_secret(journal.read_text(encoding="utf-8"))


def test_an_error_that_stops_a_run_is_masked(folder: Path) -> None:
    """The command prints the token and the username that the service quotes."""
    message = f"the user {USERNAME} and the token {TOKEN} and the key {SECRET_KEY}".encode("unicode_escape").decode()
    body = f'{{"__type": "InvalidSignatureException", "message": "{message}"}}'.replace("\\x", "\\u00").encode()
    reply = b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with ScriptedServer([answers(reply)]) as server:
        process, _ = run(folder, "--endpoint-url", server.url)
    assert process.returncode == 2
    assert "***" in process.stderr
    assert not found(process.stderr)


@pytest.mark.parametrize("url", [f"http://user:{PASSWORD}@127.0.0.1:port", f"http://user:{PASSWORD}@127.0.0.1:1"])
def test_the_password_of_a_proxy_is_neither_printed_nor_recorded(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators paste output that contains the proxy's password."""
    monkeypatch.setenv("HTTP_PROXY", url)
    process, written = run(folder, "--endpoint-url", "http://service.example")
    assert process.returncode in (1, 2)
    for text in (process.stdout, process.stderr, (folder / "run.jsonl").read_text(encoding="utf-8")):
        assert_no_secret(text)
    assert not found(process.stderr)
    assert written == ["run.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGABRT, signal.SIGKILL])
def test_a_killed_command_prints_no_secrets(folder: Path, number: signal.Signals) -> None:
    """A crash report or a traceback contains secrets."""
    with ScriptedServer([reads(), waits_for_close()]) as server:
        process = subprocess.Popen(
            [*COMMAND, "--from-file", "users.txt", "--endpoint-url", server.url],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        with process:
            while not server.requests:
                assert process.poll() is None
            process.send_signal(number)
            if number in (signal.SIGINT, signal.SIGTERM):
                assert process.stderr is not None
                process.stderr.readline()  # it has received the signal
                process.send_signal(number)  # the second signal stops it now
            output, complaint = process.communicate(timeout=PATIENCE)
    assert not found(output + complaint)


def test_the_process_arguments_and_title_contain_no_secrets(folder: Path) -> None:
    """Every user of the machine can see secrets in the process list."""
    with ScriptedServer([reads(), waits_for_close()]) as server:
        process = subprocess.Popen(
            [*COMMAND, "--from-file", "users.txt", "--endpoint-url", server.url],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with process:
            while not server.requests:
                assert process.poll() is None
            shown = b""
            for name in ("cmdline", "comm"):
                with open(f"/proc/{process.pid}/{name}", "rb") as file:
                    shown += file.read()
            names = os.listdir(f"/proc/{process.pid}/task")
            for thread in names:
                with open(f"/proc/{process.pid}/task/{thread}/comm", "rb") as file:
                    shown += file.read()
            with open(f"/proc/{process.pid}/task/{process.pid}/children", "rb") as file:
                assert file.read() == b""
            process.kill()
    assert b"cognito_signout" in shown
    assert not [secret for secret in SECRETS if secret.encode() in shown.lower()]
