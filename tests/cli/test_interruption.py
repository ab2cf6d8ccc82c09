"""Signals interrupt the command between two steps and while it waits for input."""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue

import pytest

from cognito_signout._cli.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_requests_a_stop_and_raises_nothing(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """A signal can cut off a write, or the user is not told why the command still runs."""
    previous = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested
    assert signal.getsignal(number) is previous
    again = {signal.SIGINT: "press Ctrl-C", signal.SIGTERM: "send SIGTERM"}[number]
    notice = f"interrupted: finishing requests in flight ({again} again to stop now)\n"
    assert capfd.readouterr().err == notice


def test_a_signal_ends_a_wait(capfd: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C does nothing until the next outcome arrives."""
    events: SimpleQueue[str] = SimpleQueue()
    with Interruption() as interruption:
        interruption.wake = lambda: events.put("woken")
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        assert events.get(timeout=60) == "woken"
    timer.join()
    assert capfd.readouterr().err.count("interrupted") == 1


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Ctrl-C in a shell stops a command that runs in its background."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interruption.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_signal_handler_that_was_not_set_by_python_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler can't be restored and the command ends with a traceback."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda _: None)
        with Interruption():
            pass
    assert [signal.getsignal(number) for number in SIGNALS] == before
