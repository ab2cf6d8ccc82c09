"""The command, as a process and in process."""

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
from typing import IO, TYPE_CHECKING, Any

import pytest

from cognito_signout._cli.main import main
from cognito_signout._version import __version__
from cognito_signout.testing import FakeCognito, FakeCognitoServer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from cognito_signout.transports import HttpRequest, HttpResponse

POOL = "us-east-1_Test00001"
COMMAND = (sys.executable, "-m", "cognito_signout", "--user-pool-id", POOL)
#: How long, in seconds, a process may take. None comes near it.
PATIENCE = 120


class Service(FakeCognito):
    """A fake that can keep requests waiting.

    Attributes:
        admitted: How many requests it answers; those beyond wait until it is opened.
        refusals: The AWS error codes to answer some requests with, by their number, from 1 up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admitted = math.inf
        self.refusals: Mapping[int, str] = {}
        self._arrived = 0
        self._change = threading.Condition()

    def exchange(
        self, request: HttpRequest, *, patience: float | None = None, sent_at: float | None = None
    ) -> HttpResponse | str:
        """Answers, when it is time."""
        with self._change:
            self._arrived += 1
            number = self._arrived
            self._change.notify_all()
            self._change.wait_for(lambda: number <= self.admitted, PATIENCE)
            if number in self.refusals:
                self.fail(self.refusals[number])
            return super().exchange(request, patience=patience, sent_at=sent_at)

    def wait_for_requests(self, count: int) -> None:
        """Returns when so many have arrived."""
        with self._change:
            assert self._change.wait_for(lambda: self._arrived >= count, PATIENCE)

    def open(self) -> None:
        """Answers all."""
        with self._change:
            self.admitted = math.inf
            self._change.notify_all()

    def add_users(self, count: int) -> list[str]:
        """Adds users, and returns their names."""
        names = [f"user-{number:05}" for number in range(count)]
        for name in names:
            self.add_user(user_pool_id=POOL, username=name)
        return names

    @property
    def names(self) -> list[str | None]:
        """Whom it was asked to sign out."""
        return [request.username for request in self.requests]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Generator[Service]:
    """A server that the command finds in its environment."""
    fake = Service()
    with FakeCognitoServer(fake) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield fake
        fake.open()


@pytest.fixture
def fake() -> Generator[FakeCognito]:
    """A fake in this process, with a few users."""
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
    """Runs the command to its end."""
    return finish(start(*arguments), stdin)


def finish(process: subprocess.Popen[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Waits for the command's end, and checks that it was not by an exception."""
    with process:
        output, complaint = process.communicate(stdin, timeout=PATIENCE)
    assert "Traceback" not in (complaint or "")
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaint)


def text_of(stream: IO[str] | None) -> IO[str]:
    """A process's pipe, which it has."""
    assert stream is not None
    return stream


def lines(output: str) -> list[Any]:
    """The JSON of each line."""
    return [json.loads(line) for line in output.splitlines()]


def names_in(output: str) -> list[str]:
    """Who was signed out, according to each line."""
    return [line["username"] for line in lines(output) if line.get("success")]


def users_file(path: Path, names: list[str]) -> str:
    """Writes a file of usernames; its path."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return str(path)


# -- what is printed


def test_it_prints_an_envelope_a_line() -> None:
    """Scripts read it; a name that is refused must not keep the others from being signed out."""
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


def test_all_signed_out_is_status_0() -> None:
    """`&&` goes on."""
    done = run("--fake", "alice", "bob", "carol")
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


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "text"], "alice: signed out\nmallory: failed: User does not exist. [USER_NOT_FOUND]\n"),
        (["--output", "text", "--quiet"], "mallory: failed: User does not exist. [USER_NOT_FOUND]\n"),
    ],
)
def test_it_prints_text_for_people(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads JSON who wanted to know about one user."""
    assert main(["--user-pool-id", POOL, "--max-concurrency", "1", *arguments, "alice", "mallory"]) == 1
    assert capsys.readouterr() == (expected, "")


def test_text_is_printed_in_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the terminal can't show must not end the run."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run("--fake", "--output", "text", "älice").stdout.startswith("\\xe4lice: failed: ")


def test_quiet_prints_failures_alone(fake: FakeCognito, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """cron sends a mail for whatever is printed."""
    journal = tmp_path / "run.jsonl"
    assert main(["--user-pool-id", POOL, "--quiet", "--journal", str(journal), "alice", "bob"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(fake.requests) == 2
    assert len(journal.read_text().splitlines()) == 3


def test_a_summary_counts_by_code_and_names_nobody(service: Service, tmp_path: Path) -> None:
    """What is on standard error ends up in logs that others read."""
    names = service.add_users(30)
    path = users_file(tmp_path / "users.txt", [*names, "user-unknown", "user-a b"])
    done = run("--from-file", path)
    assert done.returncode == 1
    assert sorted(names_in(done.stdout)) == names
    assert re.fullmatch(
        r"30 signed out, 2 failed \((USER_NOT_FOUND 1, VALIDATION_ERROR 1|VALIDATION_ERROR 1, USER_NOT_FOUND 1)\); "
        r"took \d+:\d\d, [\d,]+\.\d a second\n",
        done.stderr,
    )
    assert "user-" not in done.stderr


def test_it_says_its_version_and_how_it_is_used() -> None:
    """What everyone tries first."""
    assert run("--version").stdout.strip() == f"cognito-signout {__version__}"
    help_text = run("--help").stdout
    assert "Exit status" in help_text


# -- names


def test_names_come_from_arguments_files_and_standard_input(service: Service, tmp_path: Path) -> None:
    """Whichever way a list of names comes about, it is heard, and all ways can be combined."""
    names = service.add_users(6)
    first, second = (users_file(tmp_path / name, part) for name, part in (("a", names[2:4]), ("b", names[4:5])))
    done = run("-", names[0], "--from-file", first, "--from-file", second, stdin=f"{names[1]}\r\n\n{names[5]}")
    assert done.returncode == 0
    assert sorted(names_in(done.stdout)) == names
    done = run("--from-file", "-", stdin=f"{names[1]}\n")
    assert names_in(done.stdout) == [names[1]]


def test_a_line_that_is_no_name_is_reported_with_its_place(
    fake: FakeCognito, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must neither be lost, nor keep those after it from being signed out."""
    path = users_file(tmp_path / "users.txt", ["alice", "b o b", "carol"])
    assert main(["--user-pool-id", POOL, "--from-file", path]) == 1
    failed = [line for line in lines(capsys.readouterr().out) if not line["success"]]
    assert [line["username"] for line in failed] == ["b o b"]
    assert failed[0]["error"]["message"].startswith(f"{path}, line 2: username may hold")
    assert len(fake.requests) == 2


def test_names_that_end_in_an_error_are_status_2_and_those_before_it_are_reported(
    service: Service, tmp_path: Path
) -> None:
    """Half a list must not look like a whole one."""
    names = service.add_users(2)
    done = run("--journal", str(tmp_path / "run.jsonl"), *names, "--from-file", "/proc/self/mem")
    assert done.returncode == 2
    assert "can't read /proc/self/mem" in done.stderr
    done = run("--journal", str(tmp_path / "run.jsonl"), "--from-file", "/proc/self/mem", *names)
    assert done.returncode == 2


def test_no_usernames_in_a_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export that failed leaves an empty file, and nothing printed looks like success."""
    path = users_file(tmp_path / "users.txt", [])
    assert main(["--user-pool-id", POOL, "--from-file", path]) == 0
    assert capsys.readouterr() == ("", "there were no usernames\n")


# -- usage and configuration


@pytest.mark.parametrize(
    ("arguments", "complaint"),
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


def test_what_would_befall_everyone_stops_it_and_the_journal_knows_how_far(service: Service, tmp_path: Path) -> None:
    """Credentials that expire overnight must cost neither the night's work nor a request for each user that is left."""
    names = service.add_users(20)
    service.refusals = {6: "AccessDeniedException"}
    arguments = ["--from-file", users_file(tmp_path / "users.txt", names), "--journal", str(tmp_path / "run.jsonl")]
    done = run(*arguments, "--max-concurrency", "1")
    assert done.returncode == 2
    assert names_in(done.stdout) == names[:5]
    complaint, summary, advice = done.stderr.splitlines()
    assert complaint.startswith("cognito-signout: The fake was told to fail. [NOT_AUTHORIZED, AccessDeniedException")
    assert summary.startswith("5 signed out; took")
    assert advice == "to resume, start the same command again: it skips the 5 users who are signed out already"
    assert len(service.requests) == 6
    done = run(*arguments)
    assert (done.returncode, sorted(names_in(done.stdout))) == (0, names[5:])
    assert "15 signed out, 5 skipped; took" in done.stderr


def test_it_may_have_more_users_under_way_than_a_client_has_connections(service: Service) -> None:
    """Asked for 20 at once, it must not queue them for 10 connections."""
    names = service.add_users(20)
    service.admitted = 0
    process = start("--max-concurrency", "20", *names)
    service.wait_for_requests(20)
    service.open()
    assert len(names_in(finish(process).stdout)) == 20


# -- the journal


def test_the_journal_lets_a_run_be_started_again(service: Service, tmp_path: Path) -> None:
    """Whoever was signed out is not asked for again; whoever failed is; whoever comes up twice has one turn."""
    names = service.add_users(3)
    journal = tmp_path / "run.jsonl"
    arguments = ["--journal", str(journal), *names, names[0], "latecomer"]
    first = run(*arguments)
    assert first.returncode == 1
    assert sorted(service.names, key=str) == ["latecomer", *names]
    assert "3 signed out, 1 skipped, 1 failed (USER_NOT_FOUND 1)" in first.stderr
    service.add_user(user_pool_id=POOL, username="latecomer")
    second = run(*arguments)
    assert (second.returncode, names_in(second.stdout)) == (0, ["latecomer"])
    assert len(service.requests) == 5
    third = run(*arguments)
    assert (third.returncode, third.stdout) == (0, "")
    assert "0 signed out, 5 skipped" in third.stderr
    assert len(service.requests) == 5
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    written = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    printed = lines(first.stdout) + lines(second.stdout)
    assert [{**line, "check": entry["check"]} for line, entry in zip(printed, written, strict=True)] == written


@pytest.mark.parametrize("is_embedded", [True, False], ids=["--fake", "--endpoint-url"])
def test_a_rehearsal_does_not_count_as_a_run(
    is_embedded: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this failed, whoever was signed out of a fake would be skipped when it is meant."""
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
    assert "not about AWS; use another file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_signs_everyone_out(service: Service, tmp_path: Path) -> None:
    """SIGKILL, the OOM killer, a lost machine: nobody may be lost, and hardly anybody asked for twice."""
    names = service.add_users(3_000)
    journal = tmp_path / "run.jsonl"
    arguments = ["--from-file", users_file(tmp_path / "users.txt", names), "--journal", str(journal)]
    chance = random.Random(20260101)
    kills, concurrency = 12, 8
    reported: set[str] = set()
    for _ in range(kills):
        process = start(*arguments, "--max-concurrency", str(concurrency))
        output = text_of(process.stdout)
        for _ in range(chance.randrange(300)):
            if line := output.readline():
                reported.add(json.loads(line)["username"])
        process.kill()
        finish(process)
    done = run(*arguments, "--max-concurrency", str(concurrency))
    assert done.returncode == 0
    assert set(service.names) == set(names)
    assert len(names) <= len(service.requests) <= len(names) + kills * concurrency
    recorded = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert all(entry["success"] for entry in recorded)
    assert sorted(entry["username"] for entry in recorded) == names
    assert not reported & set(names_in(done.stdout))
    sent = len(service.requests)
    again = run(*arguments)
    assert (again.returncode, again.stdout, len(service.requests)) == (0, "", sent)


def test_a_dry_run_sends_nothing_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One looks before one leaps, and before one has the credentials to."""
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
    assert output.err == "would sign out 2, 1 skipped, 1 invalid; at 0.5 a second that takes 0:04\n"
    assert journal.read_bytes() == before
    journal.unlink()
    assert main([*arguments, "--dry-run", "--output", "text", "alice"]) == 0
    assert capsys.readouterr() == ("alice\n", "would sign out 1, 0 skipped, 0 invalid\n")
    assert not journal.exists()


# -- the terminal


def cells_of(output: str) -> list[str]:
    """What a terminal that is wide enough shows: a carriage return goes back, what follows overwrites."""
    shown: list[str] = []
    for line in output.split("\r\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        shown.append(cells.rstrip())
    return shown


def read_terminal(descriptor: int) -> str:
    """Everything that is written to a terminal, until nobody has it open any more."""
    output = b""
    while True:
        assert select.select([descriptor], [], [], PATIENCE)[0]
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # as Linux says that it is over
            data = b""
        if not data:
            return output.decode()
        output += data


@pytest.fixture(params=[24, 100])
def terminal(request: pytest.FixtureRequest) -> Generator[tuple[int, int, int]]:
    """A terminal's two ends, and how many columns it has."""
    ours, theirs = pty.openpty()
    columns: int = request.param
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    yield ours, theirs, columns
    os.close(ours)


def test_a_terminal_gets_a_bar_that_fits(service: Service, tmp_path: Path, terminal: tuple[int, int, int]) -> None:
    """A bar that is wider than the terminal fills it with its own remains."""
    ours, theirs, columns = terminal
    names = service.add_users(300)
    process = start("--from-file", users_file(tmp_path / "users.txt", names), stderr=theirs)
    os.close(theirs)
    shown = read_terminal(ours)  # first: it holds little
    done = finish(process)
    *bars, last = shown.split("\r")[:-1]
    assert "/300" in shown or columns < 30
    assert "0%" in shown
    assert all(len(bar) <= columns for bar in bars)
    assert cells_of(shown)[:-1] == [cells_of(shown)[0]]
    assert cells_of(shown)[0].startswith("300 signed out; took")
    assert last.startswith("300 signed out; took")
    assert len(names_in(done.stdout)) == 300


def test_the_bar_and_the_output_share_a_terminal(
    service: Service, tmp_path: Path, terminal: tuple[int, int, int]
) -> None:
    """What is printed must not be overwritten by the bar, nor have the bar's remains in front of it."""
    ours, theirs, _ = terminal
    names = service.add_users(300)
    process = start("--from-file", users_file(tmp_path / "users.txt", names), stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = read_terminal(ours)
    finish(process)
    *printed, summary, rest = cells_of(shown)
    assert sorted(names_in("\n".join(printed))) == names
    assert summary.startswith("300 signed out; took")
    assert rest == ""


def test_a_handful_gets_no_bar(service: Service, terminal: tuple[int, int, int]) -> None:
    """It would flicker and be gone."""
    ours, theirs, _ = terminal
    names = service.add_users(2)
    process = start(*names, stderr=theirs)
    os.close(theirs)
    assert read_terminal(ours) == ""
    assert finish(process).returncode == 0


# -- the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_in_flight_finish(service: Service, tmp_path: Path, number: signal.Signals) -> None:
    """Whoever stops it must know who was signed out, and be able to go on where it stopped."""
    names = service.add_users(100)
    service.admitted = 5
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
    assert summary.startswith("8 signed out; took")
    assert advice == "to resume, start the same command again: it skips the 8 users who are signed out already"
    assert sorted(names_in(printed + done.stdout)) == sorted(service.names, key=str)
    done = run(*arguments)
    assert (done.returncode, len(names_in(done.stdout))) == (0, 92)
    assert len(service.requests) == 100


def test_a_signal_is_heard_while_standard_input_says_nothing(service: Service) -> None:
    """A pipe whose other end hangs must not make the command hang with it, nor lose what was done."""
    names = service.add_users(2)
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


def test_a_second_signal_gives_up_at_once(service: Service) -> None:
    """A service that does not answer must not hold anyone at the terminal."""
    names = service.add_users(1)
    service.admitted = 0
    process = start(*names)
    service.wait_for_requests(1)
    process.send_signal(signal.SIGINT)
    text_of(process.stderr).readline()
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_reader_that_had_enough_ends_it_quietly(service: Service, tmp_path: Path) -> None:
    """`| head -1` is no error, and whoever was signed out meanwhile is in the journal."""
    names = service.add_users(4_000)  # more than can wait for a reader, in the pipe and before it
    service.admitted = 100
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


def test_output_that_can_not_be_written_is_status_2() -> None:
    """A full disk must not look like a success."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = finish(start("--fake", "alice", stdout=full))
    assert done.returncode == 2
    assert done.stderr.startswith("cognito-signout: can't write to standard output: No space left on device\n1 signed")


def test_without_standard_streams_the_journal_is_written_to_by_nobody_else(tmp_path: Path) -> None:
    """Some supervisors start a process so, and the journal's descriptor would be that of standard error."""
    journal = tmp_path / "run.jsonl"
    arguments = [*COMMAND, "--fake", "--journal", str(journal), "alice", "mallory"]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *arguments]
    assert subprocess.run(shell, env=os.environ, check=False, timeout=PATIENCE).returncode == 1
    assert len(journal.read_text().splitlines()) == 3
    assert run("--fake", "--journal", str(journal), "alice").returncode == 0
