"""Edge cases of the transports that no server can cause alone, and the detection of proxies in the environment."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout import ConfigurationError, SignOutConnectionError, SignOutTimeoutError
from cognito_signout._concurrency.waiting import in_thread
from cognito_signout._config.botocore import environment_has_proxies
from cognito_signout.transports import HttpTransport

from .scripted import PATIENCE, ScriptedServer, answers, reads, resets, sends, serves, waits_for_close
from .test_http import HEAD, make_request, send
from .test_proxies import proxies_to

if TYPE_CHECKING:
    from .on_a_loop import NewTransport


@pytest.mark.parametrize("name", ["X\nHeader", "X\0Header"])
def test_a_header_with_an_invalid_name_is_rejected(name: str) -> None:
    """A header name can inject another header."""
    transport = HttpTransport()
    with ScriptedServer([waits_for_close()]) as server, pytest.raises(ConfigurationError, match="header"):
        transport.send(make_request(server.url, headers={name: "value"}), timeout=PATIENCE)
    assert not any(segment for peer in server.peers for segment in peer.segments)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_request_that_a_server_does_not_read_ends_at_the_deadline(new_transport: NewTransport) -> None:
    """A server that stops reading blocks a call forever."""
    transport = new_transport(read_timeout=0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # its queue accepts the connection, and nothing reads it
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(SignOutTimeoutError):
            transport.send(make_request(url, b"x" * 20_000_000), timeout=PATIENCE)


def test_a_reset_within_a_proxys_error_response_keeps_the_status() -> None:
    """A proxy's refusal looks like a lost connection and is retried."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nno"
    with ScriptedServer([answers(refusal), resets()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        assert send(transport, "http://service.example/").status == 403
        transport.close()


def test_a_reset_within_a_response_behind_a_proxy_is_a_connection_error() -> None:
    """Half a response counts as a sign-out."""
    with ScriptedServer([reads(), sends(HEAD + b"Content-Length: 99\r\n\r\n{}"), resets()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        with pytest.raises(SignOutConnectionError, match="through the proxy"):
            send(transport, "http://service.example/")
        transport.close()


def test_closing_in_one_thread_does_not_break_calls_in_another() -> None:
    """Closing a client makes a call in another thread raise a KeyError."""
    transport, ends, faults = HttpTransport(), threading.Event(), []

    def close_repeatedly() -> None:
        while not ends.is_set():
            transport.close()

    with ScriptedServer([serves()]) as server:
        thread = threading.Thread(target=close_repeatedly)
        thread.start()
        try:
            for _ in range(200):
                try:
                    assert send(transport, server.url).status == 200
                except Exception as error:  # noqa: BLE001 -- no exception is acceptable here
                    faults.append(error)
        finally:
            ends.set()
            thread.join()
        transport.close()
    assert not faults


@pytest.mark.parametrize("found", [{}, {"https": "http://proxy:3128"}])
def test_system_proxy_settings_are_detected(found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the settings of macOS or Windows is ignored."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("urllib.request.getproxies", lambda: found)
    assert environment_has_proxies() is bool(found)


def test_a_lookup_runs_inline_when_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call raises a RuntimeError when the process can't start threads."""
    import asyncio

    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> int:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        return await in_thread(lambda: 7)

    assert asyncio.run(main()) == 7
