"""Usernames are read from files in any common encoding and format."""

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
    """Whether the service accepts the username."""
    try:
        check_username(text)
    except ValidationError:
        return False
    return True


USERNAMES = st.text(min_size=1, max_size=128).filter(is_username)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the file in a test."""
    return tmp_path_factory.mktemp("names") / "users.txt"


def read(path: Path) -> list[str | ValidationError]:
    """The usernames and errors in a file."""
    file = UsernameFile(str(path))
    try:
        return list(file.read(print))
    finally:
        file.close()


def count(path: Path) -> int | None:
    """The number of usernames in a file, counted before they are read."""
    file = UsernameFile(str(path))
    try:
        number = file.count(Interruption())
        assert number == len(list(file.read(print)))
        return number
    finally:
        file.close()


@given(
    names=st.lists(USERNAMES),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n", "\n\n", " \t\n  "]),
    ends_with_newline=st.booleans(),
)
def test_names_are_read_in_every_encoding_and_with_every_line_ending(
    path: Path, names: list[str], encoding: str, newline: str, ends_with_newline: bool
) -> None:
    """Users stay signed in because of the editor or operating system that wrote the file."""
    path.write_bytes((newline.join(names) + (newline if ends_with_newline else "")).encode(encoding))
    assert read(path) == names
    assert count(path) == len(names)


@given(st.binary())
def test_any_bytes_are_read_as_usernames_or_errors(path: Path, content: bytes) -> None:
    """A damaged or binary file crashes the command, or an invalid username is sent."""
    path.write_bytes(content)
    for name in read(path):
        if isinstance(name, ValidationError):
            (name.username or "").encode("utf-8")
        else:
            check_username(name)


def test_only_a_line_feed_ends_a_line(path: Path) -> None:
    """A line with another separator is split into two wrong usernames."""
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
def test_the_error_for_an_invalid_line_says_where_it_is(
    path: Path, content: bytes, username: str, message: str
) -> None:
    """The invalid line can't be found in a file of 200,000 usernames."""
    path.write_bytes(content + b"")
    error = read(path)[-1]
    assert isinstance(error, ValidationError)
    assert error.username == username
    assert error.message.startswith(f"{path}, {message}")


def test_a_line_after_a_long_line_is_read(path: Path) -> None:
    """A long line is read as several usernames, or hides the next line."""
    path.write_bytes(b"alice\n" + b"b" * 3 * MAX_LINE + b"\ncarol\n")
    names = read(path)
    assert [names[0], names[2]] == ["alice", "carol"]
    assert len(names) == 3


@pytest.mark.parametrize(("argument", "username"), [("  ", ""), ("a\udcffb", "a\N{REPLACEMENT CHARACTER}b")])
def test_an_argument_that_is_not_a_username_is_rejected(argument: str, username: str) -> None:
    """An unset variable in a script is ignored like a blank line in a file."""
    error = checked(argument)
    assert isinstance(error, ValidationError)
    assert error.username == username


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    """Users are signed out before the error is found, or the error does not name the file."""
    with pytest.raises(UnreadableError, match=name):
        UsernameFile(str(tmp_path / name))


def test_a_file_that_cannot_be_read_is_named() -> None:
    """A read error looks like the end of the file."""
    file = UsernameFile("/proc/self/mem")  # it can be opened, but its first byte can't be read
    with pytest.raises(UnreadableError, match=r"can't read /proc/self/mem: Input/output error"):
        list(file.read(print))
    file.close()


def test_a_pipe_is_not_counted(tmp_path: Path) -> None:
    """Counting consumes the usernames."""
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"alice\nbob\n")
    file = UsernameFile(str(tmp_path / "pipe"))
    assert file.count(Interruption()) is None
    names = file.read(print)
    assert [next(names), next(names)] == ["alice", "bob"]  # they are read before the pipe is closed
    os.close(writer)
    assert list(names) == []
    file.close()


def test_a_file_is_not_loaded_into_memory(path: Path) -> None:
    """Memory use grows with the number of users."""
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{number:0>128}\n" for number in range(20_000))
    file = UsernameFile(str(path))
    tracemalloc.start()
    try:
        assert sum(isinstance(name, str) for name in file.read(print)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
        file.close()
