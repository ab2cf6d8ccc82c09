"""Signals: heard between two steps, and within a read that could last for ever."""

from __future__ import annotations

import os
import signal

import pytest

from cognito_signout._cli.interruption import SIGNALS, Interruption


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


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """A run in the background of a shell would be ended by a Ctrl-C that was for somebody else."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interruption.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_handler_that_is_not_pythons_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be put back, and the command would end in a traceback."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda _: None)
        with Interruption():
            pass
    assert [signal.getsignal(number) for number in SIGNALS] == before
