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
from typing import TYPE_CHECKING, Any

from .._call.protocol import check_username
from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .interruption import Interruption

#: The name of standard input, as an argument and as a file.
STDIN = "-"
#: The maximum number of characters read of a line. A username has at most 128.
MAX_LINE = 4096

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: The characters that replace bytes that could not be decoded, in arguments, too. Usernames can't contain them.
_SURROGATES = re.compile("[\ud800-\udfff]")
_UNDECODABLE = "cognito_signout.undecodable"


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
        count = sum(1 for _ in self._lines(interruption))
        self._file.seek(start)
        return count

    def read(self, interruption: Interruption) -> Iterator[str | ValidationError]:
        """The usernames, each as soon as its line is available, until the end or the interruption.

        Raises:
            UnreadableError: The file can't be read to the end.
        """
        for number, line in self._lines(interruption):
            place = f"{self.name}, line {number}: "
            if len(line) > MAX_LINE:
                yield _refused(line, f"{place}longer than {MAX_LINE} characters")
            else:
                yield checked(line, place)

    def close(self) -> None:
        """Closes the file, unless it is standard input."""
        self._file.close()

    def _lines(self, interruption: Interruption) -> Iterator[tuple[int, str]]:
        """The numbered lines that are not blank. Very long lines are cut."""
        try:
            start = interruption.wait(lambda: self._file.peek(2)) or b""
            encoding = "utf-16" if start[:2] in _UTF_16_MARKS else "utf-8-sig"
            text = io.TextIOWrapper(self._file, encoding, errors=_UNDECODABLE, newline="\n")
            number = 0
            while line := interruption.wait(lambda: text.readline(MAX_LINE + 1)):
                number += 1
                rest: str | None = line
                while rest and len(rest) > MAX_LINE and not rest.endswith("\n"):
                    rest = interruption.wait(lambda: text.readline(MAX_LINE + 1))
                if not line.isspace() or len(line) > MAX_LINE:
                    yield number, line
            text.detach()  # otherwise it would close the file
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> UnreadableError:
        return UnreadableError(f"can't read {self.name}: {error.strerror}")


def checked(text: str, place: str = "") -> str | ValidationError:
    """The username without surrounding white space, or the error if it is invalid.

    Args:
        text: An argument, or a line.
        place: A prefix for the message.
    """
    name = text.strip()
    if _SURROGATES.search(name):
        return _refused(name, f"{place}neither UTF-8 nor, with a byte order mark, UTF-16")
    try:
        check_username(name)
    except ValidationError as error:
        return _refused(name, f"{place}{error.message}")
    return name


def _refused(name: str, message: str) -> ValidationError:
    return ValidationError(message, username=_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", name.strip()))
