"""The journal survives crashes and rejects damaged files, and never reports a user as signed out by mistake."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout._cli.journal import Journal, JournalError

if TYPE_CHECKING:
    from pathlib import Path

POOL = "us-east-1_Test00001"
ENTRIES = st.lists(st.tuples(st.text(min_size=1), st.booleans()), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the journal in a property test."""
    return tmp_path_factory.mktemp("journal") / "run.jsonl"


def outcome(username: str, success: bool = True) -> str:
    """An outcome, as the command prints it."""
    details: dict[str, object] = {"data": {"id": "1", "created_at": "2025-01-01T00:00:00Z"}}
    if not success:
        details = {"error": {"code": "TIMEOUT", "message": 'too long: "}, "check": "'}}
    return json.dumps({"username": username, "success": success, **details})


def write(path: Path, entries: list[tuple[str, bool]]) -> bytes:
    """Writes a journal. Returns its bytes."""
    path.unlink(missing_ok=True)
    with Journal(str(path), POOL) as journal:
        for username, success in entries:
            journal.append(outcome(username, success))
    return path.read_bytes()


def read(path: Path, *, read_only: bool = False) -> set[str]:
    """The users that are signed out according to a journal."""
    with Journal(str(path), POOL, read_only=read_only) as journal:
        return journal.signed_out


def signed_out(entries: list[tuple[str, bool]]) -> set[str]:
    """The users in these entries that are signed out."""
    return {username for username, success in entries if success}


@given(ENTRIES)
def test_any_username_is_read_back(path: Path, entries: list[tuple[str, bool]]) -> None:
    """A user with unusual characters in the name is signed out in every run, or never."""
    content = write(path, entries)
    assert read(path) == signed_out(entries)
    assert content.isascii()


def test_a_line_is_the_printed_line_with_a_checksum(tmp_path: Path) -> None:
    """Tools that read the output can't read the journal."""
    header, line = write(tmp_path / "run.jsonl", [("älice", True)]).splitlines()
    assert json.loads(header) == {"format": "cognito-signout journal", "version": 1, "user_pool_id": POOL}
    entry = json.loads(line)
    assert entry.pop("check")
    assert json.dumps(entry) == outcome("älice")


@given(ENTRIES, st.data())
def test_a_truncated_last_line_is_ignored(path: Path, entries: list[tuple[str, bool]], data: st.DataObject) -> None:
    """A run can't be resumed after a power cut, or it forgets users."""
    content = write(path, entries)
    start = content.rindex(b"\n", 0, -1) + 1
    path.write_bytes(content[: data.draw(st.integers(start, len(content) - 1))])
    assert read(path, read_only=True) == signed_out(entries[:-1])
    with Journal(str(path), POOL) as journal:
        assert journal.signed_out == signed_out(entries[:-1])
        journal.append(outcome(*entries[-1]))
    assert path.read_bytes() == content


@given(st.data())
def test_a_truncated_header_is_ignored(path: Path, data: st.DataObject) -> None:
    """A run that was killed right after its start can't be started again."""
    content = write(path, [])
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert read(path) == set()
    assert path.read_bytes() == content


@given(ENTRIES, st.data())
def test_any_other_damage_is_rejected_or_adds_no_user(
    path: Path, entries: list[tuple[str, bool]], data: st.DataObject
) -> None:
    """A damaged journal reports a user as signed out by mistake, and the user stays signed in."""
    content = write(path, entries)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    damaged = content[:start] + data.draw(st.binary(max_size=12)) + content[end:]
    path.write_bytes(damaged)
    try:
        with Journal(str(path), POOL) as journal:
            assert journal.signed_out <= signed_out(entries)
    except JournalError:
        assert path.read_bytes() == damaged


@given(ENTRIES, st.data())
def test_a_flipped_bit_is_detected(path: Path, entries: list[tuple[str, bool]], data: st.DataObject) -> None:
    """A flipped bit can turn a username into that of another user."""
    content = bytearray(write(path, entries))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(JournalError):  # no error if the flipped bit is in the last line feed: the last line is then ignored
        assert read(path) <= signed_out(entries)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alice\nbob\n", "is not a journal of this command"),
        ("alice", "is not a journal of this command"),
        ("[1]\n", "is not a journal of this command"),
        ('"text"\n', "is not a journal of this command"),
        ("{}\n", "is not a journal of this command"),
        (f"{outcome('alice')}\n", "is not a journal of this command"),
        (
            '{"format": "cognito-signout journal", "version": 2, "user_pool_id": "us-east-1_Test00001"}\n',
            "was written by another version",
        ),
        (
            '{"format": "cognito-signout journal", "version": 1, "user_pool_id": "us-east-1_Test00002"}\n',
            "is about us-east-1_Test00002, not about us-east-1_Test00001; use another file",
        ),
        (
            f'{{"format": "cognito-signout journal", "version": 1, "user_pool_id": "{POOL}", "endpoint": "fake"}}\n',
            "is about fake, not about AWS",
        ),
        (
            f'{{"format": "cognito-signout journal", "version": 1, "user_pool_id": "{POOL}"}}\n{outcome("alice")}\n',
            "is damaged: line 2",
        ),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_not_a_journal_of_this_pool_is_not_changed(
    tmp_path: Path, content: str, message: str, read_only: bool
) -> None:
    """`--journal users.txt` overwrites a list of users, or another pool's journal is used."""
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(JournalError, match=message):
        read(path, read_only=read_only)
    assert path.read_text(encoding="utf-8") == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_only_the_owner_can_read_the_journal(tmp_path: Path) -> None:
    """Other users of the machine can read usernames."""
    path = tmp_path / "run.jsonl"
    write(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_cannot_write_the_same_journal(tmp_path: Path) -> None:
    """Two processes sign out the same users, or a journal can't be read during a run."""
    path = tmp_path / "run.jsonl"
    with Journal(str(path), POOL) as journal:
        journal.append(outcome("alice"))
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(str(path), POOL)
        assert read(path, read_only=True) == {"alice"}
    assert read(path) == {"alice"}


def test_the_journal_works_without_file_locks(tmp_path: Path) -> None:
    """The journal does not work on Windows."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from cognito_signout._cli.journal import Journal\n"
        "with Journal(sys.argv[1], sys.argv[2]) as journal: journal.append(sys.argv[3])"
    )
    path = tmp_path / "run.jsonl"
    subprocess.run([sys.executable, "-c", code, str(path), POOL, outcome("alice")], check=True, timeout=60)
    assert read(path) == {"alice"}


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """A dry run changes the journal."""
    path = tmp_path / "run.jsonl"
    assert read(path, read_only=True) == set()
    assert not path.exists()
    content = write(path, [("alice", True), ("bob", True)])
    path.write_bytes(content[:-3])
    path.chmod(0o640)
    assert read(path, read_only=True) == {"alice"}
    assert path.read_bytes() == content[:-3]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", [".", "/dev/null", "nowhere/run.jsonl"])
def test_a_path_that_cannot_be_a_journal_is_an_error(tmp_path: Path, name: str) -> None:
    """Users are signed out without a journal, or the mode of a device is changed."""
    path = tmp_path / name
    mode = path.stat().st_mode if path.exists() else None
    with pytest.raises(JournalError, match=name):
        Journal(str(path), POOL)
    assert mode is None or path.stat().st_mode == mode


def test_a_full_disk_is_an_error_and_does_not_damage_the_journal(tmp_path: Path) -> None:
    """A truncated line stays in the middle of the journal, and the run can't be resumed."""
    path = tmp_path / "run.jsonl"
    size = len(write(path, [("alice", True), ("bob", True)]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(str(path), POOL) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
        try:
            with pytest.raises(JournalError, match="File too large"):
                journal.append(outcome("carol"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with pytest.raises(JournalError, match="File too large"):  # even though there is space again
            journal.append(outcome("dave"))
    assert path.stat().st_size == size
    assert read(path) == {"alice", "bob"}


def test_a_failed_sync_is_an_error(tmp_path: Path) -> None:
    """An outcome that is not on disk is reported."""
    journal = Journal(str(tmp_path / "run.jsonl"), POOL)
    os.close(journal._fd)
    with pytest.raises(JournalError, match="Bad file descriptor"):
        journal.sync()
    journal._fd = -1
    journal.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'\xef\xbb\xbf{"format": "cognito-signout journal"}\n', "byte order mark"),
        (
            b'{"format": "cognito-signout journal", "version": 1, "user_pool_id": "us-east-1_Test00001"}\r\n',
            "ends differently",
        ),
    ],
)
def test_a_header_that_an_editor_has_changed_has_its_own_message(tmp_path: Path, content: bytes, message: str) -> None:
    """The message says that the journal is about AWS, and not about AWS."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=message):
        Journal(str(path), "us-east-1_Test00001")


@pytest.mark.parametrize(
    ("function", "advice"), [("fcntl.flock", "local disk"), ("os.fsync", "local disk"), ("os.chmod", "own")]
)
def test_a_file_system_without_locks_or_sync_has_a_message_with_advice(
    tmp_path: Path, function: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator does not know where to put the journal."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    path = tmp_path / "run.jsonl"
    path.touch(0o644)
    monkeypatch.setattr(function, fail)
    if function == "os.chmod":
        monkeypatch.setattr("os.supports_fd", {fail})
    with pytest.raises(JournalError, match=f"Function not implemented.*{advice}"):
        Journal(str(path), "us-east-1_Test00001")
