"""The journal: what it survives, what it refuses, and that nobody is lost."""

from __future__ import annotations

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
    """Where a property test may write its journal."""
    return tmp_path_factory.mktemp("journal") / "run.jsonl"


def outcome(username: str, success: bool = True) -> str:
    """An outcome, as it is printed."""
    fate: dict[str, object] = {"data": {"id": "1", "created_at": "2025-01-01T00:00:00Z"}}
    if not success:
        fate = {"error": {"code": "TIMEOUT", "message": 'too long: "}, "check": "'}}
    return json.dumps({"username": username, "success": success, **fate})


def write(path: Path, entries: list[tuple[str, bool]]) -> bytes:
    """Writes a journal, and returns its bytes."""
    path.unlink(missing_ok=True)
    with Journal(str(path), POOL) as journal:
        for username, success in entries:
            journal.append(outcome(username, success))
    return path.read_bytes()


def read(path: Path, *, read_only: bool = False) -> set[str]:
    """Who is signed out according to a journal."""
    with Journal(str(path), POOL, read_only=read_only) as journal:
        return journal.signed_out


def signed_out(entries: list[tuple[str, bool]]) -> set[str]:
    """Who is signed out according to what was written."""
    return {username for username, success in entries if success}


@given(ENTRIES)
def test_whatever_the_name_it_comes_back(path: Path, entries: list[tuple[str, bool]]) -> None:
    """A user whose name is strange would be signed out again and again, or never."""
    content = write(path, entries)
    assert read(path) == signed_out(entries)
    assert content.isascii()


def test_a_line_is_what_is_printed_and_a_checksum(tmp_path: Path) -> None:
    """People read it with the tools that they read the output with."""
    header, line = write(tmp_path / "run.jsonl", [("älice", True)]).splitlines()
    assert json.loads(header) == {"format": "cognito-signout journal", "version": 1, "user_pool_id": POOL}
    entry = json.loads(line)
    assert entry.pop("check")
    assert json.dumps(entry) == outcome("älice")


@given(ENTRIES, st.data())
def test_a_last_line_that_was_cut_off_is_forgiven(
    path: Path, entries: list[tuple[str, bool]], data: st.DataObject
) -> None:
    """After a power cut, the run goes on: with everyone before that line, and as if it had never been begun."""
    content = write(path, entries)
    start = content.rindex(b"\n", 0, -1) + 1
    path.write_bytes(content[: data.draw(st.integers(start, len(content) - 1))])
    assert read(path, read_only=True) == signed_out(entries[:-1])
    with Journal(str(path), POOL) as journal:
        assert journal.signed_out == signed_out(entries[:-1])
        journal.append(outcome(*entries[-1]))
    assert path.read_bytes() == content


@given(st.data())
def test_a_header_that_was_cut_off_is_forgiven(path: Path, data: st.DataObject) -> None:
    """A run that was killed at its first breath can be started again, too."""
    content = write(path, [])
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert read(path) == set()
    assert path.read_bytes() == content


@given(ENTRIES, st.data())
def test_any_other_damage_is_refused_or_loses_nobody(
    path: Path, entries: list[tuple[str, bool]], data: st.DataObject
) -> None:
    """Whoever a damaged journal calls signed out though they are not would stay signed in, and nobody would know."""
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
def test_no_bit_of_a_line_may_differ(path: Path, entries: list[tuple[str, bool]], data: st.DataObject) -> None:
    """It could be a letter of a name: somebody else's, then."""
    content = bytearray(write(path, entries))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(JournalError):  # if it is the last line's end, that line is forgotten
        assert read(path) <= signed_out(entries)


@pytest.mark.parametrize(
    ("content", "complaint"),
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
            "is about another user pool",
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
def test_what_is_no_journal_of_this_pool_is_left_alone(
    tmp_path: Path, content: str, complaint: str, read_only: bool
) -> None:
    """`--journal users.txt` must not cost anyone their list, and one pool's journal says nothing about another's."""
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(JournalError, match=complaint):
        read(path, read_only=read_only)
    assert path.read_text(encoding="utf-8") == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It names users."""
    path = tmp_path / "run.jsonl"
    write(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_cannot_use_one(tmp_path: Path) -> None:
    """Each would sign out whom the other has, and neither would know. Looking on is allowed."""
    path = tmp_path / "run.jsonl"
    with Journal(str(path), POOL) as journal:
        journal.append(outcome("alice"))
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(str(path), POOL)
        assert read(path, read_only=True) == {"alice"}
    assert read(path) == {"alice"}


def test_it_works_where_files_cannot_be_locked(tmp_path: Path) -> None:
    """As on Windows."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from cognito_signout._cli.journal import Journal\n"
        "with Journal(sys.argv[1], sys.argv[2]) as journal: journal.append(sys.argv[3])"
    )
    path = tmp_path / "run.jsonl"
    subprocess.run([sys.executable, "-c", code, str(path), POOL, outcome("alice")], check=True, timeout=60)
    assert read(path) == {"alice"}


def test_looking_on_changes_nothing(tmp_path: Path) -> None:
    """A rehearsal is none if it leaves something behind."""
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
def test_where_there_can_be_no_journal_there_is_an_error(tmp_path: Path, name: str) -> None:
    """Nobody is signed out before that is clear; and a device keeps its mode."""
    path = tmp_path / name
    mode = path.stat().st_mode if path.exists() else None
    with pytest.raises(JournalError, match=name):
        Journal(str(path), POOL)
    assert mode is None or path.stat().st_mode == mode


def test_a_disk_that_is_full_is_an_error_and_loses_nobody(tmp_path: Path) -> None:
    """Behind a line that is torn, later ones would make the journal unreadable, and nobody could go on with it."""
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
        with pytest.raises(JournalError, match="File too large"):  # though there is room again
            journal.append(outcome("dave"))
    assert path.stat().st_size == size
    assert read(path) == {"alice", "bob"}


def test_what_the_disk_does_not_take_is_an_error(tmp_path: Path) -> None:
    """It is not to be reported, then."""
    journal = Journal(str(tmp_path / "run.jsonl"), POOL)
    os.close(journal._fd)
    with pytest.raises(JournalError, match="Bad file descriptor"):
        journal.sync()
    journal._fd = -1
    journal.close()
