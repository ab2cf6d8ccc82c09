"""Edges of the transports that no server causes by itself, and whether the environment names a proxy."""

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
def test_a_header_whose_name_is_none_is_refused(name: str) -> None:
    """If this failed, a header could smuggle another one."""
    transport = HttpTransport()
    with ScriptedServer([waits_for_close()]) as server, pytest.raises(ConfigurationError, match="header"):
        transport.send(make_request(server.url, headers={name: "value"}), timeout=PATIENCE)
    assert not any(segment for peer in server.peers for segment in peer.segments)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_request_that_a_server_does_not_read_ends_at_the_deadline(new_transport: NewTransport) -> None:
    """If this failed, a server that stops reading could hold a call for ever."""
    transport = new_transport(read_timeout=0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # whose queue accepts the connection, and nothing reads it
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(SignOutTimeoutError):
            transport.send(make_request(url, b"x" * 20_000_000), timeout=PATIENCE)


def test_a_reset_within_a_refusal_behind_a_proxy_keeps_its_status() -> None:
    """If this failed, a proxy's refusal would be reported as a lost connection, and be tried again in vain."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nno"
    with ScriptedServer([answers(refusal), resets()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        assert send(transport, "http://service.example/").status == 403
        transport.close()


def test_a_reset_within_an_answer_behind_a_proxy_is_a_connection_error() -> None:
    """If this failed, half an answer could count as a sign-out."""
    with ScriptedServer([reads(), sends(HEAD + b"Content-Length: 99\r\n\r\n{}"), resets()]) as proxy:
        transport = HttpTransport(proxies=proxies_to(proxy))
        with pytest.raises(SignOutConnectionError, match="through the proxy"):
            send(transport, "http://service.example/")
        transport.close()


def test_a_connection_that_is_closed_while_another_thread_calls_leaves_the_call_alone() -> None:
    """If this failed, closing a client would make a call of another thread fail with a KeyError."""
    transport, ends, faults = HttpTransport(), threading.Event(), []

    def closes() -> None:
        while not ends.is_set():
            transport.close()

    with ScriptedServer([serves()]) as server:
        thread = threading.Thread(target=closes)
        thread.start()
        try:
            for _ in range(200):
                try:
                    assert send(transport, server.url).status == 200
                except Exception as error:  # noqa: BLE001 -- any is one too many
                    faults.append(error)
        finally:
            ends.set()
            thread.join()
        transport.close()
    assert not faults


@pytest.mark.parametrize("found", [{}, {"https": "http://proxy:3128"}])
def test_the_systems_settings_count_where_there_are_any(found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """If this failed, a proxy in the settings of macOS or Windows would be passed by."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("urllib.request.getproxies", lambda: found)
    assert environment_has_proxies() is bool(found)


def test_what_can_have_no_thread_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this failed, a call would end in a RuntimeError where the process may start no more threads."""
    import asyncio

    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> int:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        return await in_thread(lambda: 7)

    assert asyncio.run(main()) == 7
