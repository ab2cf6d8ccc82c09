"""Fuzzes the flow of a call: ``python -m tests.fuzz.flow -runs=500000``. See :mod:`tests.fuzz`."""

from __future__ import annotations

from typing import Any

from tests.fuzz.engine import fuzz, pick


def read(provider: Any) -> tuple[Any, ...]:
    """The results of the steps of a call with their durations, and the arguments of the call."""
    from tests.fuzz.oracles import CREDENTIALS, RESPONSES, SETTINGS

    def answers(values: tuple[Any, ...], most: int) -> list[tuple[float, Any]]:
        count = provider.ConsumeIntInRange(1, most)
        return [(provider.ConsumeIntInRange(0, 40) / 10, pick(provider, values)) for _ in range(count)]

    settings, credentials, responses = answers(SETTINGS, 1), answers(CREDENTIALS, 4), answers(RESPONSES, 8)
    timeout = pick(provider, (None, None, 1, 5, 30))
    chance = provider.ConsumeIntInRange(0, 99) / 100
    return settings, credentials, responses, timeout, provider.ConsumeIntInRange(1, 6), chance, provider.ConsumeBool()


if __name__ == "__main__":
    fuzz("check_flow", read)
