"""Runs the oracles on hypothesis's examples: any external input leads to a correct outcome."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tests.fuzz

from . import flow, journal, oracles, protocol

#: How data is damaged: positions, kinds of damage, and bytes to insert.
DAMAGE = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["cut off", "cut out", "insert", "flip"]), st.binary(min_size=1, max_size=6)
    ),
    max_size=3,
)


def damaged(data: bytes, damage: list[tuple[float, str, bytes]]) -> bytes:
    """The data with the damage applied."""
    changed = bytearray(data)
    for place, kind, more in damage:
        start = int(place * len(changed))
        if kind == "cut off":
            del changed[start:]
        elif kind == "cut out":
            del changed[start : start + len(more)]
        elif kind == "insert":
            changed[start:start] = more
        elif start < len(changed):
            changed[start] ^= more[0]
    return bytes(changed)


def assembled(fragments: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Fragments in any order mixed with a few other bytes, or arbitrary bytes."""
    return st.binary(max_size=200) | st.lists(st.sampled_from(fragments) | st.binary(max_size=4), max_size=24).map(
        b"".join
    )


@given(
    status=st.sampled_from(protocol.STATUSES) | st.integers(),
    headers=st.dictionaries(st.sampled_from(protocol.NAMES), st.text(max_size=20), max_size=3),
    body=assembled(protocol.FRAGMENTS),
    now=st.floats(0, 1e12),
)
@example(status=200, headers={}, body=b'{"success": true, "data": {"id": "ALICE+1@example.com"}}', now=0.0)
@example(status=400, headers={"x-amzn-requestid": oracles.USERNAME}, body=b"{}", now=0.0)
@example(status=400, headers={}, body=b'{"message": "/users/alice%2B1%40example.com"}', now=0.0)
@example(status=200, headers={}, body=b"[" * 100_000, now=0.0)
def test_any_response_becomes_an_outcome_without_the_username(
    status: int, headers: dict[str, str], body: bytes, now: float
) -> None:
    """A response causes an untyped error, a false sign-out or a logged username."""
    oracles.check_protocol(status, headers, body, now)


DURATIONS = st.integers(0, 40).map(lambda tenths: tenths / 10)


@given(
    settings=st.lists(st.tuples(DURATIONS, st.sampled_from(oracles.SETTINGS)), min_size=1, max_size=1),
    credentials=st.lists(st.tuples(DURATIONS, st.sampled_from(oracles.CREDENTIALS)), min_size=1, max_size=4),
    responses=st.lists(st.tuples(DURATIONS, st.sampled_from(oracles.RESPONSES)), min_size=1, max_size=8),
    timeout=st.sampled_from([None, 1, 5, 30]),
    max_attempts=st.integers(1, 6),
    chance=st.floats(0, 0.99),
    shared_is_poor=st.booleans(),
)
def test_a_call_ends_in_a_complete_outcome_for_any_results_of_its_steps(
    settings: list[tuple[float, object]],
    credentials: list[tuple[float, object]],
    responses: list[tuple[float, object]],
    timeout: float | None,
    max_attempts: int,
    chance: float,
    shared_is_poor: bool,
) -> None:
    """A call exceeds its attempts or timeout, or its error lacks the user."""
    oracles.check_flow(settings, credentials, responses, timeout, max_attempts, chance, shared_is_poor)


LINES = st.lists(
    st.builds(oracles.journal_line, st.sampled_from(journal.NAMES) | st.text(max_size=5), success=st.booleans())
    | assembled(journal.FRAGMENTS).map(oracles.journal_line),
    max_size=5,
)


@given(lines=LINES, damage=DAMAGE)
@example(lines=[oracles.journal_line(b"1")], damage=[])
@example(lines=[oracles.journal_line(b'{"success": true}')], damage=[])
@example(lines=[oracles.journal_line(b'{"success": true, "username": []}')], damage=[])
@example(lines=[oracles.journal_line(b'{"success": "no", "username": "alice"}')], damage=[])
@example(lines=[oracles.journal_line(b"[" * 100_000)], damage=[])
def test_a_damaged_journal_skips_no_user(lines: list[bytes], damage: list[tuple[float, str, bytes]]) -> None:
    """A user silently stays signed in, or the command prints a traceback."""
    oracles.check_journal(damaged(oracles.HEADER + b"".join(lines), damage))


@given(content=assembled(journal.FRAGMENTS))
@example(content=b"[" * 4096)
@example(content=oracles.HEADER)
def test_a_file_that_is_not_a_journal_skips_no_user(content: bytes) -> None:
    """A user silently stays signed in after the wrong file was given."""
    oracles.check_journal(content)


@given(
    content=st.binary(max_size=200)
    | st.builds(
        str.encode,
        st.text(st.sampled_from("ab\u00e9\u00df\U0001f600 \t\r\n\n\ufeff\x00"), max_size=40),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    ),
    damage=DAMAGE,
)
@example(content=b"\xff\xfe", damage=[])
@example(content=b"\xfe\xff\x00a\xd8\x00\x00\n\x00b", damage=[])
@example(content=b"a" * 4097 + b"\nb", damage=[])
def test_a_damaged_username_file_adds_no_other_user(content: bytes, damage: list[tuple[float, str, bytes]]) -> None:
    """A user whose name is not in the file is signed out."""
    oracles.check_usernames(damaged(content, damage))


class Drawer:
    """The part of atheris's ``FuzzedDataProvider`` that the targets use, over the bytes of an example."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def remaining_bytes(self) -> int:
        """The number of bytes that are left."""
        return len(self._data)

    def ConsumeBytes(self, count: int) -> bytes:  # noqa: N802 -- atheris defines these names
        """Up to ``count`` bytes."""
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def ConsumeInt(self, size: int) -> int:  # noqa: N802
        """A signed integer of ``size`` bytes."""
        return int.from_bytes(self.ConsumeBytes(size), "big", signed=True)

    def ConsumeIntInRange(self, low: int, high: int) -> int:  # noqa: N802
        """An integer in the range."""
        return low + int.from_bytes(self.ConsumeBytes(2), "big") % (high - low + 1)

    def ConsumeBool(self) -> bool:  # noqa: N802
        """A boolean."""
        return self.ConsumeIntInRange(0, 1) == 1

    def ConsumeUnicode(self, count: int) -> str:  # noqa: N802
        """A text, possibly with surrogates."""
        return self.ConsumeBytes(4 * count).decode("utf-32-le", "replace")

    def ConsumeFloatInRange(self, low: float, high: float) -> float:  # noqa: N802
        """A float in the range."""
        return low + (high - low) * self.ConsumeIntInRange(0, 999) / 1000


TARGETS = {
    "check_protocol": protocol.read,
    "check_flow": flow.read,
    "check_journal": journal.read,
}


@pytest.mark.parametrize("oracle", TARGETS)
@given(data=st.binary(max_size=200))
def test_each_fuzz_target_makes_valid_inputs_for_its_oracle(oracle: str, data: bytes) -> None:
    """A fuzz target no longer works when someone runs it."""
    getattr(oracles, oracle)(*TARGETS[oracle](Drawer(data)))


def test_the_targets_are_documented_and_need_atheris_only_to_run() -> None:
    """The test suite needs atheris, or nobody knows how to run a target."""
    names = {module.name for module in pkgutil.iter_modules(tests.fuzz.__path__)}
    targets = names - {"engine", "oracles", "test_oracles"}
    assert len(targets) == len(TARGETS)
    assert all(f"python -m tests.fuzz.{name} -runs=" in str(tests.fuzz.__doc__) for name in targets)
    code = f"import sys, importlib\nfor name in {sorted(targets)!r}: importlib.import_module('tests.fuzz.' + name)\n"
    code += "assert 'atheris' not in sys.modules and 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_journal_oracle_parses_lines_of_the_current_format() -> None:
    """The oracle accepts every journal because it recognizes no line."""
    line = oracles.journal_line("alice")
    assert json.loads(line)["username"] == "alice"
    assert oracles._recorded(oracles.HEADER + line) == {"alice"}
