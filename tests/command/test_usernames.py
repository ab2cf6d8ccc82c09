"""Reading usernames: what people's files look like."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout import ValidationError
from cognito_signout._call.protocol import check_username
from cognito_signout._cli.interruption import Interruption
from cognito_signout._cli.usernames import MAX_LINE, UnreadableError, UsernameFile, checked

if TYPE_CHECKING:
    from pathlib import Path


def is_username(text: str) -> bool:
    """Whether the service would admit it."""
    try:
        check_username(text)
    except ValidationError:
        return False
    return True


USERNAMES = st.text(min_size=1, max_size=128).filter(is_username)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test may write its file."""
    return tmp_path_factory.mktemp("names") / "users.txt"


def read(path: Path) -> list[str | ValidationError]:
    """What is in a file."""
    file = UsernameFile(str(path))
    try:
        return list(file.read(Interruption()))
    finally:
        file.close()


def count(path: Path) -> int | None:
    """How many are in a file, asked before they are read."""
    file = UsernameFile(str(path))
    try:
        number = file.count(Interruption())
        assert number == len(list(file.read(Interruption())))
        return number
    finally:
        file.close()


@given(
    names=st.lists(USERNAMES),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n", "\n\n", " \t\n  "]),
    ends=st.booleans(),
)
def test_names_come_back_from_every_kind_of_file(
    path: Path, names: list[str], encoding: str, newline: str, ends: bool
) -> None:
    """Otherwise an editor, or an operating system, would decide who stays signed in."""
    path.write_bytes((newline.join(names) + (newline if ends else "")).encode(encoding))
    assert read(path) == names
    assert count(path) == len(names)


@given(st.binary())
def test_any_bytes_are_names_or_reasons(path: Path, content: bytes) -> None:
    """A file that was damaged, or is none of names, must neither crash the command nor make it send what is no name."""
    path.write_bytes(content)
    for name in read(path):
        if isinstance(name, ValidationError):
            (name.username or "").encode("utf-8")
        else:
            check_username(name)


def test_only_a_line_feed_ends_a_line(path: Path) -> None:
    """The names on both sides of another separator would both be wrong, and not be the one that is meant."""
    path.write_text("al\u2028ice\nb\x0bob\ncar\rol\n", encoding="utf-8", newline="")
    assert [type(name) for name in read(path)] == [ValidationError] * 3


@pytest.mark.parametrize(
    ("content", "username", "message"),
    [
        (b"alice\n\na b\n", "a b", "line 3: username may hold"),
        (b"alice\nb\xffb\n", "b\N{REPLACEMENT CHARACTER}b", "line 2: neither UTF-8 nor"),
        (b"\xff\xfea\x00\n\x00\x00\xd8\n\x00", "\N{REPLACEMENT CHARACTER}", "line 2: neither UTF-8 nor"),
        (b"\xff\xfea\x00\n\x00b", "\N{REPLACEMENT CHARACTER}", "line 2: neither UTF-8 nor"),
        (b"alice\n" + b"b" * 129, "b" * 129, "line 2: username must have 1 to 128 characters, not 129"),
        (b"alice\n" + b" " * 10_000 + b"bob\n", "", f"line 2: longer than {MAX_LINE} characters"),
    ],
)
def test_a_line_that_is_no_name_says_where_it_is(path: Path, content: bytes, username: str, message: str) -> None:
    """Whoever mends a file of 200,000 names needs the line."""
    path.write_bytes(content + b"")
    error = read(path)[-1]
    assert isinstance(error, ValidationError)
    assert error.username == username
    assert error.message.startswith(f"{path}, {message}")


def test_the_line_after_a_long_one_is_read(path: Path) -> None:
    """One broken line must not take its neighbours with it, nor be taken for several names."""
    path.write_bytes(b"alice\n" + b"b" * 3 * MAX_LINE + b"\ncarol\n")
    names = read(path)
    assert [names[0], names[2]] == ["alice", "carol"]
    assert len(names) == 3


@pytest.mark.parametrize(("argument", "username"), [("  ", ""), ("a\udcffb", "a\N{REPLACEMENT CHARACTER}b")])
def test_an_argument_that_is_no_name_is_refused(argument: str, username: str) -> None:
    """An unset variable in a script is a mistake; a blank line is not."""
    error = checked(argument)
    assert isinstance(error, ValidationError)
    assert error.username == username


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    """Nobody is signed out before that is clear."""
    with pytest.raises(UnreadableError, match=name):
        UsernameFile(str(tmp_path / name))


def test_a_file_that_cannot_be_read_is_named() -> None:
    """A disk that fails is not the end of the names."""
    file = UsernameFile("/proc/self/mem")  # which opens, and whose first byte is nobody's
    with pytest.raises(UnreadableError, match=r"can't read /proc/self/mem: Input/output error"):
        list(file.read(Interruption()))
    file.close()


def test_a_pipe_is_not_counted(tmp_path: Path) -> None:
    """Counting would use up the names."""
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"alice\nbob\n")
    file = UsernameFile(str(tmp_path / "pipe"))
    assert file.count(Interruption()) is None
    names = file.read(Interruption())
    assert [next(names), next(names)] == ["alice", "bob"]  # which come before the pipe is at its end
    os.close(writer)
    assert list(names) == []
    file.close()


def test_a_file_is_not_held_in_memory(path: Path) -> None:
    """A million users, or ten, take the same."""
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{number:0>128}\n" for number in range(20_000))
    file = UsernameFile(str(path))
    tracemalloc.start()
    try:
        assert sum(isinstance(name, str) for name in file.read(Interruption())) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
        file.close()
