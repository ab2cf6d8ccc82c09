"""Usernames from arguments, files and standard input: one per line, streamed, and checked as they are read.

Files are UTF-8, or UTF-16 with a byte order mark, as PowerShell writes them. Byte order marks, CRLF, blank lines and
white space around a name are accepted. For an invalid line, a :class:`~cognito_signout.errors.ValidationError` that
names the line is yielded instead of a username.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from .._call.protocol import check_username
from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .interruption import Interruption

#: The name of standard input, as an argument and as a file.
STDIN = "-"
#: The maximum number of characters read of a line. A username has at most 128.
MAX_LINE = 4096

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: The characters that replace bytes that could not be decoded, in arguments, too. Usernames can't contain them.
_SURROGATES = re.compile("[\ud800-\udfff]")
_UNDECODABLE = "cognito_signout.undecodable"
#: The first lines of lists that have a header.
_HEADERS = frozenset({"username", "usernames", "user", "users", "name", "email", "sub", "cognito:username", "userid"})


def _mark_undecodable(error: Any) -> tuple[str, int]:
    return "\udcff", error.end


codecs.register_error(_UNDECODABLE, _mark_undecodable)


class UnreadableError(Exception):
    """A file of usernames can't be opened, or can't be read to the end."""


class UsernameFile:
    """A file of usernames, one per line.

    Args:
        path: The file; ``-`` is standard input.

    Raises:
        UnreadableError: It can't be opened.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == STDIN else path
        try:
            self._file = io.BufferedReader(io.FileIO(0 if path == STDIN else path, closefd=path != STDIN))
        except OSError as error:
            raise self._unreadable(error) from None

    def count(self, interruption: Interruption) -> int | None:
        """The number of usernames in the file; ``None`` if it can be read only once, such as a pipe.

        Raises:
            UnreadableError: The file can't be read to the end.
        """
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            return None
        start = self._file.tell()
        count = sum(1 for _ in takewhile(lambda _: not interruption.requested, self._lines()))
        self._file.seek(start)
        return count

    def read(self, warn: Callable[[str], None]) -> Iterator[str | ValidationError]:
        """The usernames, each as soon as its line is available.

        Args:
            warn: Called with a message, before the first username, if the first lines do not look like usernames.

        Raises:
            UnreadableError: The file can't be read to the end.
        """
        for number, line in self._lines(warn):
            place = f"{self.name}, line {number}: "
            if len(line) > MAX_LINE:
                yield _refused(line, f"{place}longer than {MAX_LINE} characters")
            else:
                yield checked(line, place)

    def close(self) -> None:
        """Closes the file, unless it is standard input."""
        self._file.close()

    def _lines(self, warn: Callable[[str], None] | None = None) -> Iterator[tuple[int, str]]:
        """The numbered lines that are not blank. Very long lines are cut."""
        try:
            start = self._file.peek(2)
            encoding = "utf-16" if start[:2] in _UTF_16_MARKS else "utf-8-sig"
            doubt = doubtful(start.decode(encoding, "ignore").split("\n"))
            if doubt and warn is not None:
                warn(f"warning: {self.name}: {doubt}. Each line is one username, and is sent as it is")
            text = io.TextIOWrapper(self._file, encoding, errors=_UNDECODABLE, newline="\n")
            number = 0
            while line := text.readline(MAX_LINE + 1):
                number += 1
                rest = line
                while rest and len(rest) > MAX_LINE and not rest.endswith("\n"):
                    rest = text.readline(MAX_LINE + 1)
                if not line.isspace() or len(line) > MAX_LINE:
                    yield number, line
            text.detach()  # otherwise it would close the file
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> UnreadableError:
        return UnreadableError(f"can't read {self.name}: {error.strerror}")


def doubtful(lines: Sequence[str]) -> str:
    """Why the first lines of a list do not look like usernames; empty if they do.

    Args:
        lines: The first lines. The last one may be cut off.
    """
    names = [line.strip() for line in lines[:-1] or lines if line.strip()]
    if not names:
        return ""
    if names[0][0] in "{[":
        return "this looks like JSON"
    if all(len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" for name in names):
        return "every line is in quotes"
    if any(name == "None" for name in names):
        return "a line is `None`, which the AWS CLI prints for a missing value"
    if re.sub(r"[\s\"'_-]", "", names[0]).lower() in _HEADERS:
        return f"the first line is `{names[0]}`, which looks like a header"
    if all(re.search("[,;\t]", name) for name in names):
        return "every line contains a comma, a semicolon or a tab, as in a CSV file"
    return ""


def checked(text: str, place: str = "") -> str | ValidationError:
    """The username without surrounding white space, or the error if it is invalid.

    Args:
        text: An argument, or a line.
        place: A prefix for the message.
    """
    name = text.strip()
    if _SURROGATES.search(name):
        return _refused(name, f"{place}neither UTF-8 nor UTF-16 with a byte order mark")
    try:
        check_username(name)
    except ValidationError as error:
        return _refused(name, f"{place}{error.message}")
    return name


def _refused(name: str, message: str) -> ValidationError:
    return ValidationError(message, username=_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", name.strip()))
