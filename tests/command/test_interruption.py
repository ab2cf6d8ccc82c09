"""Signals: heard between two steps, and within a read that could last for ever."""

from __future__ import annotations

import os
import signal

import pytest

from cognito_signout._command.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop_and_tears_nothing(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """An exception in the middle of a write would leave half of it; and who waits wants to know what for."""
    former = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested
    assert signal.getsignal(number) is former
    assert capfd.readouterr().err.startswith("interrupted: finishing")


def test_a_signal_ends_a_read(capfd: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C would do nothing until the next line of a pipe that has none."""
    reader, writer = os.pipe()
    with Interruption() as interruption:
        assert interruption.wait(lambda: "a line") == "a line"

        def read() -> bytes:
            os.kill(os.getpid(), signal.SIGINT)
            return os.read(reader, 1)

        assert interruption.wait(read) is None
        assert interruption.wait(read) is None  # or it would have been sent a second signal
    os.close(reader)
    os.close(writer)
    assert capfd.readouterr().err.count("interrupted") == 1
