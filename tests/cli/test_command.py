"""The command, run in a separate process and in this one."""

from __future__ import annotations

import fcntl
import json
import math
import os
import pty
import random
import re
import select
import signal
import stat
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import IO, TYPE_CHECKING, Any

import pytest

from cognito_signout._cli.main import main
from cognito_signout._cli.usernames import UnreadableError, UsernameFile
from cognito_signout._version import __version__
from cognito_signout.testing import FakeCognito, FakeCognitoServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from cognito_signout.transports import HttpRequest, HttpResponse

POOL = "us-east-1_Test00001"
COMMAND = (sys.executable, "-m", "cognito_signout", "--user-pool-id", POOL)
#: How long, in seconds, a process may take. Normally it takes far less.
PATIENCE = 120


class Service(FakeCognito):
    """A fake that can delay its responses.

    Attributes:
        limit: The number of requests that are answered at once. Later requests wait for :meth:`open`.
        failures: The AWS error codes of requests that fail, by the number of the request. The first request is 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.limit = math.inf
        self.failures: Mapping[int, str] = {}
        self._arrived = 0
        self._changed = threading.Condition()

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Answers a request as soon as the limit allows it."""
        with self._changed:
            self._arrived += 1
            number = self._arrived
            self._changed.notify_all()
            self._changed.wait_for(lambda: number <= self.limit, PATIENCE)
            if number in self.failures:
                self.fail(self.failures[number])
            return super().exchange(request, patience=patience, sent_at=sent_at)

    def wait_for_requests(self, count: int) -> None:
        """Waits until this many requests have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._arrived >= count, PATIENCE)

    def open(self) -> None:
        """Answers all requests."""
        with self._changed:
            self.limit = math.inf
            self._changed.notify_all()

    def add_many(self, count: int) -> list[str]:
        """Adds users. Returns their names."""
        names = [f"user-{number:05}" for number in range(count)]
        for name in names:
            self.add_user(user_pool_id=POOL, username=name)
        return names

    @property
    def usernames(self) -> list[str | None]:
        """The usernames in the requests, in order of arrival."""
        return [request.username for request in self.requests]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Generator[Service]:
    """A server. The environment makes the command use it."""
    fake = Service()
    with FakeCognitoServer(fake) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield fake
        fake.open()


@pytest.fixture
def fake() -> Generator[FakeCognito]:
    """An active fake in this process, with a few users."""
    fake = FakeCognito()
    for name in ("alice", "bob", "carol"):
        fake.add_user(user_pool_id=POOL, username=name)
    with fake.activate():
        yield fake


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Starts the command."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *arguments], env=os.environ, text=True, **{**pipes, **options})


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command until it ends."""
    return finish(start(*arguments), stdin)


def finish(process: subprocess.Popen[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Waits until the command ends, and checks that it printed no traceback."""
    with process:
        output, errors = process.communicate(stdin, timeout=PATIENCE)
    assert "Traceback" not in (errors or "")
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def text_of(stream: IO[str] | None) -> IO[str]:
    """A pipe of a process. Fails if it is ``None``."""
    assert stream is not None
    return stream


def lines(output: str) -> list[Any]:
    """Each line, parsed as JSON."""
    return [json.loads(line) for line in output.splitlines()]


def names_in(output: str) -> list[str]:
    """The users that are signed out according to the output."""
    return [line["username"] for line in lines(output) if line.get("success")]


def users_file(path: Path, names: list[str]) -> str:
    """Writes a file of usernames. Returns its path."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return str(path)


# -- output


def test_each_line_is_an_envelope() -> None:
    """Scripts can't read the output, or an invalid username prevents other sign-outs."""
    done = run("--fake", "alice", "mallory", "a b", "bob")
    by_name = {line["username"]: line for line in lines(done.stdout)}
    assert len(by_name) == len(lines(done.stdout)) == 4
    alice = by_name["alice"]
    assert list(alice) == ["username", "success", "data"]
    assert alice["success"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", alice["data"]["created_at"])
    assert by_name["mallory"] == {
        "username": "mallory",
        "success": False,
        "error": {"code": "USER_NOT_FOUND", "message": "User does not exist."},
    }
    assert by_name["a b"]["error"]["code"] == "VALIDATION_ERROR"
    assert by_name["bob"]["success"]
    assert (done.returncode, done.stderr) == (1, "")


def test_the_status_is_0_if_all_users_are_signed_out() -> None:
    """A shell stops after a successful command."""
    done = run("--fake", "alice", "bob", "carol")
    assert (done.returncode, [line["success"] for line in lines(done.stdout)]) == (0, [True] * 3)


def test_a_user_is_signed_out_on_a_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ignores the environment's keys, or changes special characters in a username."""
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


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_output_can_be_the_names_of_users_who_are_not_signed_out(
    quiet: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The output of a run can't be the input of another one."""
    assert main(["--user-pool-id", POOL, *quiet, "--output", "names", "alice", "mallory", "a b"]) == 1
    assert capsys.readouterr().out == "mallory\n"


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_the_output_is_utf_8_in_every_locale(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output contains wrong usernames, or a username stops the run."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    users = users_file(tmp_path / "users.txt", ["älice🦄"])
    assert run("--fake", "--output", "names", "--from-file", users).stdout == "älice🦄\n"


def test_quiet_prints_only_failures(fake: FakeCognito, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cron sends an email after a successful run."""
    journal = tmp_path / "run.jsonl"
    assert main(["--user-pool-id", POOL, "--quiet", "--journal", str(journal), "alice", "bob"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(fake.requests) == 2
    assert len(journal.read_text().splitlines()) == 3


def test_the_summary_counts_errors_by_code_and_contains_no_usernames(service: Service, tmp_path: Path) -> None:
    """Usernames end up in logs of standard error."""
    names = service.add_many(30)
    path = users_file(tmp_path / "users.txt", [*names, "user-unknown", "user-a b"])
    done = run("--from-file", path)
    assert done.returncode == 1
    assert sorted(names_in(done.stdout)) == names
    assert re.fullmatch(
        r"32 usernames: 30 signed out, 2 failed "
        r"\((USER_NOT_FOUND 1, VALIDATION_ERROR 1|VALIDATION_ERROR 1, USER_NOT_FOUND 1)\); "
        r"took \d+:\d\d, [\d,]+\.\d a second\n",
        done.stderr,
    )
    assert "user-" not in done.stderr


def test_version_and_help_are_printed() -> None:
    """`--version` or `--help` does not work."""
    assert run("--version").stdout.strip() == f"cognito-signout {__version__}"
    help_text = run("--help").stdout
    assert "Exit status" in help_text


# -- usernames


def test_names_come_from_arguments_files_and_standard_input(service: Service, tmp_path: Path) -> None:
    """One of the sources of usernames is ignored, or can't be combined with others."""
    names = service.add_many(6)
    first, second = (users_file(tmp_path / name, part) for name, part in (("a", names[2:4]), ("b", names[4:5])))
    done = run("-", names[0], "--from-file", first, "--from-file", second, stdin=f"{names[1]}\r\n\n{names[5]}")
    assert done.returncode == 0
    assert sorted(names_in(done.stdout)) == names
    done = run("--from-file", "-", stdin=f"{names[1]}\n")
    assert names_in(done.stdout) == [names[1]]


def test_an_invalid_line_is_reported_with_its_line_number(
    fake: FakeCognito, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid line is ignored, or prevents later sign-outs."""
    path = users_file(tmp_path / "users.txt", ["alice", "b o b", "carol"])
    assert main(["--user-pool-id", POOL, "--from-file", path]) == 1
    failed = [line for line in lines(capsys.readouterr().out) if not line["success"]]
    assert [line["username"] for line in failed] == ["b o b"]
    assert failed[0]["error"]["message"].startswith(f"{path}, line 2: username may hold")
    assert len(fake.requests) == 2


def test_the_status_is_2_if_a_file_cannot_be_read(service: Service, tmp_path: Path) -> None:
    """An incomplete list looks like a complete one."""
    names = service.add_many(2)
    done = run("--journal", str(tmp_path / "run.jsonl"), *names, "--from-file", "/proc/self/mem")
    assert done.returncode == 2
    assert "can't read /proc/self/mem" in done.stderr
    done = run("--journal", str(tmp_path / "run.jsonl"), "--from-file", "/proc/self/mem", *names)
    assert done.returncode == 2


def test_an_empty_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with an empty file, for example from a failed export, looks like a success."""
    path = users_file(tmp_path / "users.txt", [])
    assert main(["--user-pool-id", POOL, "--from-file", path]) == 0
    assert capsys.readouterr() == ("", "there were no usernames\n")


# -- usage and configuration


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alice"], "--user-pool-id"),
        (["--user-pool-id", POOL], "USERNAME"),
        (["--user-pool-id", "nowhere", "alice"], "user_pool_id must be"),
        (["--fake", "--user-pool-id", "nowhere", "alice"], "user_pool_id must be"),
        (["--user-pool-id", POOL, "--profile", "nobody", "alice"], "nobody"),
        (["--user-pool-id", POOL, "--endpoint-url", "localhost:1", "alice"], "http://"),
        (["--user-pool-id", POOL, "--max-rate", "0", "alice"], "--max-rate: must be"),
        (["--user-pool-id", POOL, "--max-rate", "nan", "alice"], "--max-rate: must be"),
        (["--user-pool-id", POOL, "--max-rate", "many", "alice"], "--max-rate: must be"),
        (["--user-pool-id", POOL, "--max-concurrency", "0", "alice"], "--max-concurrency: must be"),
        (["--user-pool-id", POOL, "--max-concurrency", "many", "alice"], "--max-concurrency: must be"),
        (["--user-pool-id", POOL, "--from-file", "nowhere.txt"], "can't read nowhere.txt: No such file"),
        (["--user-pool-id", POOL, "--journal", "/nowhere/run", "alice"], "/nowhere/run: No such file"),
        (["--user-pool-id", POOL, "--journal", __file__, "alice"], "is not a journal of this command"),
    ],
)
def test_the_status_is_2_if_usage_or_configuration_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error does not say what is wrong, or standard output is not empty."""
    try:
        status = main(arguments)
    except SystemExit as exit_error:  # raised by argparse
        status = int(exit_error.code or 0)
    output = capsys.readouterr()
    assert status == 2
    assert message in output.err
    assert output.out == ""


def test_the_status_is_2_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command tries every user although every call must fail."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert main(["--user-pool-id", POOL, "alice", "bob"]) == 2
    assert "no AWS credentials" in capsys.readouterr().err


def test_an_error_that_affects_every_user_stops_the_run_which_can_be_resumed(service: Service, tmp_path: Path) -> None:
    """Expired credentials cause a request for every remaining user, or lose all progress."""
    names = service.add_many(20)
    service.failures = {6: "AccessDeniedException"}
    arguments = ["--from-file", users_file(tmp_path / "users.txt", names), "--journal", str(tmp_path / "run.jsonl")]
    done = run(*arguments, "--max-concurrency", "1")
    assert done.returncode == 2
    assert names_in(done.stdout) == names[:5]
    message, summary, advice = done.stderr.splitlines()
    assert message.startswith("cognito-signout: The fake was told to fail. [ACCESS_DENIED, AccessDeniedException")
    assert summary.startswith("20 usernames: 5 signed out, 15 not started; took")
    assert advice == "to resume, start the same command again: it skips the 5 users who are signed out already"
    assert len(service.requests) == 6
    done = run(*arguments)
    assert (done.returncode, sorted(names_in(done.stdout))) == (0, names[5:])
    assert "20 usernames: 15 signed out, 5 already signed out; took" in done.stderr


def test_a_run_ends_if_the_service_never_responds(service: Service, tmp_path: Path) -> None:
    """A run that starts during an outage fails 200,000 users."""
    names = service.add_many(300)
    service.failures = dict.fromkeys(range(1, 5000), "reset")
    path = users_file(tmp_path / "users.txt", [*names, "a b"])
    arguments = ["--from-file", path, "--journal", str(tmp_path / "run.jsonl")]
    done = run(*arguments)
    assert done.returncode == 2
    message, summary = done.stderr.splitlines()
    assert message == (
        "cognito-signout: the service did not respond to any of the first 20 users; "
        "check the region, the endpoint and the network"
    )
    expected = "301 usernames: 0 signed out, [23][0-9] failed .CONNECTION_ERROR [23][0-9].+ [0-9]{3} not started"
    assert re.match(expected, summary)
    service.failures = {}
    done = run(*arguments, "--quiet")
    assert (done.returncode, len(lines(done.stdout))) == (1, 1)
    assert sorted(service.usernames[-300:], key=str) == names


def test_users_who_failed_can_be_retried(service: Service, tmp_path: Path) -> None:
    """A run ends with failed users, and does not say what to do about them."""
    names = service.add_many(1)
    service.failures = dict.fromkeys(range(1, 4), "InternalErrorException")
    journal = ["--journal", str(tmp_path / "run.jsonl")]
    done = run(*names, *journal)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "to retry the users who failed, start the same command again"
    assert run(*names, *journal).returncode == 0
    assert "to retry" not in run(*names, "nobody", *journal).stderr


def test_a_dry_run_says_where_the_requests_go(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal goes to AWS unnoticed, because a variable is not exported."""
    url = os.environ["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"]
    assert main(["--user-pool-id", POOL, "--dry-run", "alice"]) == 0
    assert capsys.readouterr().err == f"{url}/: would sign out 1\n"
    assert main(["--user-pool-id", POOL, "--dry-run", "--endpoint-url", "http://me:secret@localhost:1", "alice"]) == 0
    assert capsys.readouterr().err == "http://localhost:1/: would sign out 1\n"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert main(["--user-pool-id", POOL, "--dry-run", "alice"]) == 0
    assert capsys.readouterr().err == "https://cognito-idp.us-east-1.amazonaws.com/: would sign out 1\n"
    assert not service.requests


def test_concurrency_is_not_limited_by_the_default_pool_of_connections(service: Service) -> None:
    """20 concurrent requests wait for 10 connections."""
    names = service.add_many(20)
    service.limit = 0
    process = start("--max-concurrency", "20", *names)
    service.wait_for_requests(20)
    service.open()
    assert len(names_in(finish(process).stdout)) == 20


# -- the journal


def test_a_run_can_be_repeated_with_its_journal(service: Service, tmp_path: Path) -> None:
    """A user is signed out twice, or a failed user is not retried."""
    names = service.add_many(3)
    journal = tmp_path / "run.jsonl"
    arguments = ["--journal", str(journal), *names, names[0], "new-user"]
    first = run(*arguments)
    assert first.returncode == 1
    assert sorted(service.usernames, key=str) == ["new-user", *names]
    assert "5 usernames: 3 signed out, 1 repeated, 1 failed (USER_NOT_FOUND 1)" in first.stderr
    service.add_user(user_pool_id=POOL, username="new-user")
    second = run(*arguments)
    assert (second.returncode, names_in(second.stdout)) == (0, ["new-user"])
    assert len(service.requests) == 5
    third = run(*arguments)
    assert (third.returncode, third.stdout) == (0, "")
    assert "5 usernames: 0 signed out, 5 already signed out; took" in third.stderr
    assert len(service.requests) == 5
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    written = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    printed = lines(first.stdout) + lines(second.stdout)
    assert [{**line, "check": entry["check"]} for line, entry in zip(printed, written, strict=True)] == written


@pytest.mark.parametrize("is_embedded", [True, False], ids=["--fake", "--endpoint-url"])
def test_users_of_a_fake_do_not_count_as_signed_out_of_aws(
    is_embedded: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users who were signed out of a fake are skipped in a real run."""
    arguments = ["--user-pool-id", POOL, "--journal", str(tmp_path / "run.jsonl"), "alice"]
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with FakeCognitoServer(fake) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", fake.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake.secret_key)
        elsewhere = ["--fake"] if is_embedded else ["--endpoint-url", server.endpoint_url]
        assert main([*arguments, *elsewhere]) == 0
        assert main([*arguments, *elsewhere, "--dry-run"]) == 0
    assert main(arguments) == 2
    assert "not about https://cognito-idp.us-east-1.amazonaws.com/; use another file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_is_killed_repeatedly_signs_every_user_out(service: Service, tmp_path: Path) -> None:
    """SIGKILL or the OOM killer loses users, or many users are signed out twice."""
    names = service.add_many(3_000)
    journal = tmp_path / "run.jsonl"
    arguments = ["--from-file", users_file(tmp_path / "users.txt", names), "--journal", str(journal)]
    rng = random.Random(20260101)
    kills, concurrency = 12, 8
    reported: set[str] = set()
    for _ in range(kills):
        process = start(*arguments, "--max-concurrency", str(concurrency))
        output = text_of(process.stdout)
        for _ in range(rng.randrange(300)):
            if line := output.readline():
                reported.add(json.loads(line)["username"])
        process.kill()
        finish(process)
    done = run(*arguments, "--max-concurrency", str(concurrency))
    assert done.returncode == 0
    assert set(service.usernames) == set(names)
    assert len(names) <= len(service.requests) <= len(names) + kills * concurrency
    recorded = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert all(entry["success"] for entry in recorded)
    assert sorted(entry["username"] for entry in recorded) == names
    assert not reported & set(names_in(done.stdout))
    sent = len(service.requests)
    again = run(*arguments)
    assert (again.returncode, again.stdout, len(service.requests)) == (0, "", sent)


def test_a_dry_run_sends_nothing_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run changes something or needs credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    journal = tmp_path / "run.jsonl"
    arguments = ["--user-pool-id", POOL, "--journal", str(journal), "--fake"]
    assert main([*arguments, "alice"]) == 0
    before = journal.read_bytes()
    capsys.readouterr()
    assert main([*arguments, "--dry-run", "--max-rate", "0.5", "alice", "bob", "carol", "d d"]) == 1
    output = capsys.readouterr()
    planned = [{"username": "bob"}, {"username": "carol"}]
    assert [line for line in lines(output.out) if "success" not in line] == planned
    assert output.err == (
        "the embedded fake: would sign out 2, 1 already signed out, 1 invalid; takes 0:04 at 0.5 a second\n"
    )
    assert journal.read_bytes() == before
    journal.unlink()
    assert main([*arguments, "--dry-run", "--output", "names", "alice"]) == 0
    assert capsys.readouterr() == ("alice\n", "the embedded fake: would sign out 1\n")
    assert not journal.exists()


# -- the terminal


def cells_of(output: str) -> list[str]:
    """The lines that a wide terminal shows: text after a carriage return overwrites the line."""
    shown: list[str] = []
    for line in output.split("\r\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        shown.append(cells.rstrip())
    return shown


def read_terminal(descriptor: int) -> str:
    """Everything that is written to a terminal, until its last writer closes it."""
    output = b""
    while True:
        assert select.select([descriptor], [], [], PATIENCE)[0]
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # how Linux reports the end
            data = b""
        if not data:
            return output.decode()
        output += data


@pytest.fixture(params=[24, 100])
def terminal(request: pytest.FixtureRequest) -> Generator[tuple[int, int, int]]:
    """The two ends of a terminal, and the number of its columns."""
    reader, writer = pty.openpty()
    columns: int = request.param
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    yield reader, writer, columns
    os.close(reader)


def test_the_bar_fits_the_terminal(service: Service, tmp_path: Path, terminal: tuple[int, int, int]) -> None:
    """A bar that is too wide fills the terminal with copies of itself."""
    reader, writer, columns = terminal
    names = service.add_many(300)
    process = start("--from-file", users_file(tmp_path / "users.txt", names), stderr=writer)
    os.close(writer)
    shown = read_terminal(reader)  # first, because the buffer of a terminal is small
    done = finish(process)
    *bars, last = shown.split("\r")[:-1]
    assert "0/300 |" in shown
    assert all(len(bar) <= columns for bar in bars)
    assert cells_of(shown)[:-1] == [cells_of(shown)[0]]
    assert cells_of(shown)[0].startswith("300 usernames: 300 signed out; took")
    assert last.startswith("300 usernames: 300 signed out; took")
    assert len(names_in(done.stdout)) == 300


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [100], indirect=True)
def test_an_outage_is_shown_on_the_terminal(service: Service, tmp_path: Path, terminal: tuple[int, int, int]) -> None:
    """A run looks stuck while it waits for the end of an outage."""
    reader, writer, _ = terminal
    names = service.add_many(30)
    service.limit = 4
    service.failures = dict.fromkeys(range(5, 20), "reset")
    process = start("--from-file", users_file(tmp_path / "users.txt", names), stderr=writer)
    os.close(writer)
    service.wait_for_requests(14)
    service.open()
    shown = read_terminal(reader)
    assert len(names_in(finish(process).stdout)) == 30
    assert "no response" in shown
    assert cells_of(shown)[0].startswith("30 usernames: 30 signed out; took")


def test_the_bar_and_the_output_share_a_terminal(
    service: Service, tmp_path: Path, terminal: tuple[int, int, int]
) -> None:
    """The bar and the output overwrite each other."""
    reader, writer, _ = terminal
    names = service.add_many(300)
    process = start("--from-file", users_file(tmp_path / "users.txt", names), stdout=writer, stderr=writer)
    os.close(writer)
    shown = read_terminal(reader)
    finish(process)
    *printed, summary, rest = cells_of(shown)
    assert sorted(names_in("\n".join(printed))) == names
    assert summary.startswith("300 usernames: 300 signed out; took")
    assert rest == ""


def test_there_is_no_bar_for_a_few_users(service: Service, terminal: tuple[int, int, int]) -> None:
    """A bar flickers for a moment."""
    reader, writer, _ = terminal
    names = service.add_many(2)
    process = start(*names, stderr=writer)
    os.close(writer)
    assert read_terminal(reader) == ""
    assert finish(process).returncode == 0


# -- interruptions and errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_requests_in_flight_finish(service: Service, tmp_path: Path, number: signal.Signals) -> None:
    """An interrupted run does not report every sign-out, or can't be resumed."""
    names = service.add_many(100)
    service.limit = 5
    arguments = ["--from-file", users_file(tmp_path / "users.txt", names), "--journal", str(tmp_path / "run.jsonl")]
    process = start(*arguments, "--max-concurrency", "3")
    printed = "".join(text_of(process.stdout).readline() for _ in range(5))
    service.wait_for_requests(8)
    process.send_signal(number)
    notice = text_of(process.stderr).readline()
    service.open()
    done = finish(process)
    assert done.returncode == 130
    assert notice.startswith("interrupted: finishing requests in flight")
    summary, advice = done.stderr.splitlines()
    assert summary.startswith("100 usernames: 8 signed out, 92 not started; took")
    assert advice == "to resume, start the same command again: it skips the 8 users who are signed out already"
    assert sorted(names_in(printed + done.stdout)) == sorted(service.usernames, key=str)
    done = run(*arguments)
    assert (done.returncode, len(names_in(done.stdout))) == (0, 92)
    assert len(service.requests) == 100


def test_a_signal_interrupts_waiting_for_standard_input(service: Service) -> None:
    """The command can't be interrupted while it waits for input, or it loses results."""
    names = service.add_many(2)
    process = start("-")
    stdin = text_of(process.stdin)
    stdin.write("".join(f"{name}\n" for name in names))
    stdin.flush()
    service.wait_for_requests(2)
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    done = finish(process)
    assert done.returncode == 130
    assert sorted(names_in(done.stdout)) == names
    assert done.stderr.splitlines()[1].startswith("2 signed out; took")
    assert "with --journal FILE" in done.stderr


def test_a_second_signal_ends_the_command_at_once(service: Service) -> None:
    """The command hangs with a service that does not respond."""
    names = service.add_many(1)
    service.limit = 0
    process = start(*names)
    service.wait_for_requests(1)
    process.send_signal(signal.SIGINT)
    text_of(process.stderr).readline()
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped: users in flight may be signed out or not; to resume, start the same command again\n"


def test_a_closed_output_stops_the_run_without_a_message(service: Service, tmp_path: Path) -> None:
    """`| head -1` prints an error, or sign-outs are missing from the journal."""
    names = service.add_many(4_000)  # more than the pipe and the command's own queue hold
    service.limit = 100
    journal = tmp_path / "run.jsonl"
    process = start("--journal", str(journal), "--from-file", users_file(tmp_path / "users.txt", names))
    stdout = text_of(process.stdout)
    stdout.readline()
    stdout.close()
    process.stdout = None
    service.open()
    done = finish(process)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(journal.read_text().splitlines()) - 1 == len(service.requests) < 4_000


def test_the_status_is_2_if_output_cannot_be_written() -> None:
    """A run looks successful although the disk is full."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = finish(start("--fake", "alice", stdout=full))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "cognito-signout: can't write to standard output: No space left on device\n1 username: 1 signed"
    )


def test_without_standard_streams_only_outcomes_are_written_to_the_journal(tmp_path: Path) -> None:
    """The journal gets the descriptor of standard error, and messages damage it."""
    journal = tmp_path / "run.jsonl"
    arguments = [*COMMAND, "--fake", "--journal", str(journal), "alice", "mallory"]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *arguments]
    assert subprocess.run(shell, env=os.environ, check=False, timeout=PATIENCE).returncode == 1
    assert len(journal.read_text().splitlines()) == 3
    assert run("--fake", "--journal", str(journal), "alice").returncode == 0


# -- files without usernames, trial runs and slow input


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (['"alice"', '"bob"'], "every line is in quotes"),
        (["username", "alice"], "looks like a header"),
        (["alice,2024-01-01", "bob,2024-01-02"], "comma"),
        (['{"Users": [', "]}"], "JSON"),
        (["alice", "None", "bob"], "`None`"),
    ],
)
def test_a_file_that_does_not_look_like_usernames_causes_a_warning(
    lines: list[str], reason: str, tmp_path: Path, fake: FakeCognito, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the wrong format only causes errors about unknown users."""
    assert main(["--user-pool-id", POOL, "--from-file", users_file(tmp_path / "users.txt", lines)]) == 1
    warnings = capsys.readouterr().err.splitlines()
    assert warnings[0].startswith("warning: ")
    assert reason in warnings[0]
    assert ("none of these users" in warnings[-1]) == ("alice" not in lines)
    assert fake.requests


@pytest.mark.parametrize("lines", [["alice", '"bob"'], ["alice@example.com"], ["o'neil,jr", "alice"], ["name2"]])
def test_a_list_of_usernames_causes_no_warning(
    lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Valid usernames cause warnings, so that users ignore warnings."""
    main(["--fake", "--user-pool-id", POOL, "--dry-run", "--from-file", users_file(tmp_path / "users.txt", lines)])
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"])
def test_a_journal_of_another_endpoint_is_rejected(
    variable: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users who were signed out of a fake are skipped in a real run."""
    names = service.add_many(2)
    journal = ["--journal", str(tmp_path / "run.jsonl")]
    endpoint = os.environ["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"]
    monkeypatch.delenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER")
    monkeypatch.setenv(variable, endpoint)
    assert run(*journal, *names).returncode == 0
    monkeypatch.delenv(variable)
    done = run(*journal, *names)
    assert done.returncode == 2
    assert "is about http://127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        "endpoint_url = {}\n",
        "services = local\n[services local]\ncognito_identity_provider =\n  endpoint_url = {}\n",
    ],
)
def test_a_journal_of_another_profiles_endpoint_is_rejected(
    settings: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users who were signed out of the fake of a profile are skipped in a real run."""
    names = service.add_many(2)
    journal = ["--journal", str(tmp_path / "run.jsonl")]
    config = tmp_path / "config"
    keys = [f"aws_{name} = {os.environ[f'AWS_{name.upper()}']}\n" for name in ("access_key_id", "secret_access_key")]
    endpoint = settings.format(os.environ["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"])
    config.write_text(f"[profile rehearsal]\n{''.join(keys)}{endpoint}", encoding="utf-8")
    monkeypatch.delenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert run(*journal, "--profile", "rehearsal", *names).returncode == 0
    monkeypatch.delenv("AWS_CONFIG_FILE")
    done = run(*journal, *names)
    assert done.returncode == 2
    assert "is about http://127.0.0.1" in done.stderr


def test_a_run_that_skips_every_user_prints_a_message(service: Service, tmp_path: Path) -> None:
    """A run that sends nothing looks like a success."""
    names = service.add_many(2)
    journal = ["--journal", str(tmp_path / "run.jsonl")]
    run(*journal, *names)
    done = run(*journal, *names)
    assert done.returncode == 0
    assert "nothing was sent" in done.stderr


def test_an_outcome_is_reported_before_the_next_line_arrives(service: Service, tmp_path: Path) -> None:
    """The outcome is lost if the producer is killed before it sends the next line."""
    (name,) = service.add_many(1)
    journal = tmp_path / "run.jsonl"
    process = start("-", "--journal", str(journal))
    stdin = text_of(process.stdin)
    stdin.write(f"{name}\n")
    stdin.flush()
    assert names_in(text_of(process.stdout).readline()) == [name]
    assert name in journal.read_text(encoding="utf-8")
    process.kill()
    process.communicate()


def test_a_signal_stops_a_command_whose_users_are_all_throttled(service: Service, tmp_path: Path) -> None:
    """Ctrl-C does not work while every user is throttled."""
    names = service.add_many(30)
    service.failures = dict.fromkeys(range(4, 100_000), "TooManyRequestsException")
    journal = ["--journal", str(tmp_path / "run.jsonl")]
    process = start("--from-file", users_file(tmp_path / "users.txt", names), *journal)
    service.wait_for_requests(10)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130
    assert '"INTERRUPTED"' in done.stdout
    assert " interrupted, " in done.stderr
    assert "INTERRUPTED" not in (tmp_path / "run.jsonl").read_text(encoding="utf-8")


def test_a_file_that_can_not_be_read_to_the_end_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run looks complete although a disk failed while the list was read."""

    def read(self: UsernameFile, warn: object) -> Iterator[str]:
        yield "alice"
        raise UnreadableError("can't read users.txt: Input/output error")

    monkeypatch.setattr(UsernameFile, "read", read)
    users = users_file(tmp_path / "users.txt", ["alice"])
    assert main(["--fake", "--user-pool-id", POOL, "--from-file", users]) == 2


def test_a_dry_run_waits_for_a_slow_producer() -> None:
    """A dry run ends before all names have arrived."""
    process = start("--fake", "--dry-run", "-")
    stdin = text_of(process.stdin)
    stdin.write("alice\n")
    stdin.flush()
    assert "alice" in text_of(process.stdout).readline()
    time.sleep(0.7)  # longer than the interval at which the command looks for a signal
    stdin.write("bob\n")
    assert "bob" in finish(process).stdout
