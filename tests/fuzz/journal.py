"""Fuzzes the journal: ``python -m tests.fuzz.journal -runs=500000``. See :mod:`tests.fuzz`.

It writes to a temporary folder, in memory if possible.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz.engine import assemble, damage, fuzz, pick

NAMES = ("alice", "bob", "älice", '", "check": "', "\U0001f600", "\n", " ")
IN_MEMORY = Path("/dev/shm")
FRAGMENTS = (
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"null", b"true", b'"username": "alice"', b'"success": true', b"\n",
    b'"format": "cognito-signout journal"', b'"version": 1', b'"user_pool_id": "us-east-1_Test00001"', b"[" * 2000,
    b', "check": ', b'"00000000"}\n', b"9" * 5000,
)  # fmt: skip


def read(provider: Any) -> tuple[bytes]:
    """The content of a file: a damaged journal, with lines whose checksum is valid."""
    from tests.fuzz.oracles import HEADER, journal_line

    lines = [HEADER]
    for _ in range(provider.ConsumeIntInRange(0, 4)):
        if provider.ConsumeIntInRange(0, 3) == 0:
            outcome = assemble(provider, FRAGMENTS, most=8)
            lines.append(journal_line(outcome))
        else:
            lines.append(journal_line(pick(provider, NAMES), success=provider.ConsumeBool()))
    if provider.ConsumeIntInRange(0, 7) == 0:
        return (assemble(provider, FRAGMENTS),)
    return (damage(provider, b"".join(lines)),)


if __name__ == "__main__":
    with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        os.environ["TMPDIR"] = folder
        fuzz("check_journal", read)
