"""The journal: a file of outcomes, from which an interrupted run can be resumed.

It is JSON Lines in ASCII. The first line contains the format and the user pool. Every other line is an outcome as it is
printed, with a checksum. Lines are appended, each by one write, so if the process dies, only the last line can be cut
off. Such a line is ignored. A file with any other damage is refused: with a letter missing from a username, the wrong
user would count as signed out.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, cast
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows: nothing prevents two processes from using the same journal
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

FORMAT = "cognito-signout journal"
VERSION = 1

_CHECK = b', "check": '
_OWNER_ALONE = 0o600
_LOCAL_DISK = "put the journal on a local disk"
#: The maximum size of a header, in bytes.
_MAX_HEADER = 4096


class JournalError(Exception):
    """The journal can't be used or written. The message names the file."""


class Journal:
    """An open journal.

    Args:
        path: The file. It is created, readable by its owner alone, if it does not exist.
        user_pool_id: The user pool.
        endpoint: The endpoint. A sign-out at one endpoint, such as a fake, is not a sign-out at another one.
        read_only: Whether to leave the file unchanged. A missing file then counts as empty.

    Attributes:
        signed_out: The users that the journal lists as signed out when it is opened.

    Raises:
        JournalError: The file can't be opened, is not a journal, is damaged, is about another pool or endpoint, or is
            in use by another process. The file is unchanged.
    """

    def __init__(self, path: str, user_pool_id: str, *, endpoint: str | None = None, read_only: bool = False) -> None:
        self.path = path
        self.signed_out: set[str] = set()
        self._user_pool_id, self._endpoint = user_pool_id, endpoint
        header = {"format": FORMAT, "version": VERSION, "user_pool_id": user_pool_id}
        self._header = _line(header if endpoint is None else {**header, "endpoint": endpoint})
        flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._fd = -1
        self._broken: JournalError | None = None
        try:
            self._fd = os.open(path, flags | getattr(os, "O_BINARY", 0), _OWNER_ALONE)
            self._open(read_only=read_only)
        except FileNotFoundError as error:
            if not read_only:
                raise self._error(error) from None
        except OSError as error:
            self.close()
            raise self._error(error) from None
        except JournalError:
            self.close()
            raise

    def append(self, line: str) -> None:
        """Adds an outcome. It survives the end of the process and, after the next :meth:`sync`, a power failure.

        Args:
            line: The outcome as it is printed: a JSON object in ASCII.

        Raises:
            JournalError: The file can't be written, for example because the disk is full.
        """
        outcome = line.encode("ascii")
        self._write(outcome[:-1] + _CHECK + _checksum(outcome))

    def sync(self) -> None:
        """Writes all added outcomes to the disk.

        Raises:
            JournalError: The file can't be synced.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise JournalError(f"{self.path} can't be synced to the disk ({error.strerror}); {_LOCAL_DISK}") from None

    def close(self) -> None:
        """Closes the file and releases its lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, *, read_only: bool) -> None:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise JournalError(f"{self.path} is not a regular file, so it can't be a journal")
        if not read_only:
            self._lock()
        with open(self._fd, "rb", closefd=False) as file:
            size = self._read(file)
        if read_only:
            return
        if stat.S_IMODE(status.st_mode) & ~_OWNER_ALONE:
            try:
                os.chmod(self._fd if os.chmod in os.supports_fd else self.path, _OWNER_ALONE)
            except OSError as error:
                raise JournalError(
                    f"{self.path} is readable by others, and that can't be changed ({error.strerror}); "
                    "use a journal that you own"
                ) from None
        if size < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, size)
        if size == 0:
            self._write(self._header)
            self.sync()
            self._sync_directory()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path} is in use by another process") from None
        except OSError as error:
            raise JournalError(f"{self.path} can't be locked ({error.strerror}); {_LOCAL_DISK}") from None

    def _read(self, file: BinaryIO) -> int:
        """Reads the users that are signed out. Returns the number of bytes in complete lines."""
        header = file.readline(_MAX_HEADER)
        if header != self._header:
            if self._header.startswith(header):  # empty, or cut off
                return 0
            raise JournalError(f"{self.path} {self._complaint(header)}")
        size = len(header)
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                break
            body, _, check = line.rpartition(_CHECK)
            outcome = body + b"}"
            entry = _json_object(outcome) if check == _checksum(outcome) else {}
            username = entry.get("username")
            if not isinstance(username, str):
                raise JournalError(f"{self.path} is damaged: line {number} has changed")
            if entry.get("success") is True:
                self.signed_out.add(username)
            size += len(line)
        return size

    def _complaint(self, header: bytes) -> str:
        if header.startswith(b"\xef\xbb\xbf"):
            return "was changed by an editor: it begins with a byte order mark; restore the original"
        found = _json_object(header)
        if found.get("format") != FORMAT:
            return "is not a journal of this command"
        if found.get("version") != VERSION:
            return "was written by another version of this command"
        if found.get("user_pool_id") != self._user_pool_id:
            return f"is about {found.get('user_pool_id')}, not about {self._user_pool_id}; use another file"
        if found.get("endpoint") != self._endpoint:
            return f"is about {found.get('endpoint') or 'AWS'}, not about {self._endpoint or 'AWS'}; use another file"
        return (
            "was changed by an editor or a transfer: its first line ends differently or has other characters; "
            "restore the original"
        )

    def _write(self, data: bytes) -> None:
        if self._broken is not None:
            raise self._broken
        size = os.fstat(self._fd).st_size
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._broken = self._error(error)
            with suppress(OSError):  # no other line may follow an incomplete one
                os.ftruncate(self._fd, size)
            raise self._broken from None

    def _sync_directory(self) -> None:
        with suppress(OSError):  # not every system and file system supports it
            directory = os.open(os.path.dirname(os.path.abspath(self.path)), os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _error(self, error: OSError) -> JournalError:
        return JournalError(f"{self.path}: {error.strerror}")


def _line(value: object) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def _json_object(line: bytes) -> dict[str, object]:
    """The JSON object, or an empty one if the line is not a JSON object."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _checksum(outcome: bytes) -> bytes:
    return b'"%08x"}\n' % crc32(outcome)
