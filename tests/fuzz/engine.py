"""Runs an oracle on the inputs that atheris generates. Atheris is imported only here, and only when a target runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The modules whose coverage guides atheris. botocore's coverage would only distract it.
GUIDES = ["cognito_signout"]


def fuzz(oracle: str, read: Callable[[Any], tuple[Any, ...]]) -> None:
    """Calls an oracle repeatedly, as the command-line arguments specify.

    Args:
        oracle: The name of the oracle in :mod:`.oracles`.
        read: Creates the oracle's arguments from a ``FuzzedDataProvider``.
    """
    import atheris

    with atheris.instrument_imports(include=GUIDES):
        check = getattr(import_module("tests.fuzz.oracles"), oracle)

    def test_one_input(data: bytes) -> None:
        check(*read(atheris.FuzzedDataProvider(data)))

    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


def pick(provider: Any, values: tuple[Any, ...]) -> Any:
    """One of the values."""
    return values[provider.ConsumeIntInRange(0, len(values) - 1)]


def assemble(provider: Any, fragments: tuple[bytes, ...], *, most: int = 24) -> bytes:
    """Some fragments mixed with a few arbitrary bytes, or only arbitrary bytes."""
    if provider.ConsumeIntInRange(0, 7) == 0:
        return bytes(provider.ConsumeBytes(provider.remaining_bytes()))
    pieces = []
    for _ in range(provider.ConsumeIntInRange(0, most)):
        kind = provider.ConsumeIntInRange(0, len(fragments) + 3)
        pieces.append(fragments[kind] if kind < len(fragments) else provider.ConsumeBytes(kind - len(fragments) + 1))
    return b"".join(pieces)


def damage(provider: Any, data: bytes) -> bytes:
    """The data with a few cuts, insertions and changed bytes."""
    damaged = bytearray(data)
    for _ in range(provider.ConsumeIntInRange(0, 3)):
        start = provider.ConsumeIntInRange(0, len(damaged))
        kind = provider.ConsumeIntInRange(0, 4)
        if kind == 0:
            del damaged[start:]
        elif kind == 1:
            del damaged[start : start + provider.ConsumeIntInRange(1, 64)]
        elif kind == 2:
            damaged[start:start] = provider.ConsumeBytes(provider.ConsumeIntInRange(1, 12))
        elif kind == 3 and start < len(damaged):
            damaged[start] ^= 1 << provider.ConsumeIntInRange(0, 7)
        else:  # duplicates a piece
            damaged[start:start] = damaged[: provider.ConsumeIntInRange(0, len(damaged))]
    return bytes(damaged)
