"""Runs a call against a fault, and checks the outcome, the requests that arrived, and that nothing is leaked."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
import traceback
from base64 import b64encode
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, SignOutResult

from ..transports.scripted import PATIENCE, ScriptedServer, serves
from .matrix import OPENINGS, USERNAME, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from botocore.session import Session

    from ..transports.scripted import Step

    #: Makes a call of one kind of client in a scene. Returns its outcome.
    Play: TypeAlias = Callable[["Scene"], "SignOutResult | SignOutError"]

USER = {"user_pool_id": "us-east-1_Ab129faBb", "username": USERNAME}
#: The name of the server, if its address is looked up.
NAME = "service.example"
ACCESS_KEY, SECRET_KEY, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "session+token/of+the+call"
PROXY_USER, PROXY_PASSWORD = "agent", "open-sesame"
#: Values that no error and no traceback may show.
SECRETS = (
    USERNAME,
    SECRET_KEY,
    TOKEN,
    PROXY_PASSWORD,
    b64encode(f"{PROXY_USER}:{PROXY_PASSWORD}".encode()).decode(),
)
#: The timeouts of a client, in seconds: if every attempt must time out, and if one may succeed.
SHORT, LONGER = 0.1, 1.5
#: How long, in seconds, a call may take in any case, even on a busy machine.
BOUND = 10.0


class Scene:
    """A fault, and the server that causes it.

    Args:
        fault: The fault.
        bundle: The path of the authority's certificate.
        session: A botocore session that all clients share, because creating one takes longer than a call.
        is_once: Whether the fault affects only the first attempt.
        max_attempts: The maximum number of attempts.
        patience: The client's timeout for the step that hangs, in seconds. Default: a short one.
        timeout: The timeout of the call, in seconds.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        bundle: str,
        session: Session,
        is_once: bool = False,
        max_attempts: int = 2,
        patience: float | None = None,
        timeout: float = PATIENCE,
    ) -> None:
        self.timeout = timeout
        self.took = 0.0
        self._max_attempts = max_attempts
        self._patience = patience or (LONGER if is_once else SHORT)
        self._fault = fault
        self._is_once = is_once
        self._bundle = bundle
        self._session = session
        good: list[Step] = [*OPENINGS[fault.way], serves()]
        first = [] if fault.kept is None else [fault.kept]
        if not is_once:
            scripts = [*first, fault.script]
        elif fault.detour is not None:
            scripts = [good]
        else:
            scripts = [*(first or [fault.script_once]), good]
        self._server = ScriptedServer(*scripts)
        self._look_ups = 0

    @contextmanager
    def set(self) -> Iterator[None]:
        """Runs the server, and makes its name resolve to the fault's target."""
        with ExitStack() as stack, pytest.MonkeyPatch.context() as monkeypatch:
            stack.enter_context(self._server)
            watchdog = threading.Timer(BOUND, self._give_up)  # turns a call that hangs into a failure
            watchdog.start()
            stack.callback(watchdog.join)
            stack.callback(watchdog.cancel)
            if self._fault.detour is not None:
                monkeypatch.setattr(socket, "getaddrinfo", self._name_service(self._fault.detour(stack)))
            yield

    def arguments(self) -> dict[str, Any]:
        """The arguments of a client that calls the server."""
        fault, port = self._fault, self._server.port
        host = "127.0.0.1" if fault.detour is None else NAME
        is_tls_proxy = fault.way == "forwarded in TLS"
        user, address = f"{PROXY_USER}:{PROXY_PASSWORD}", f"localhost:{port}" if is_tls_proxy else f"{host}:{port}"
        proxy = f"{'https' if is_tls_proxy else 'http'}://{user}@{address}"
        url = {
            "http": f"http://{host}:{port}",
            "https": f"https://localhost:{port}",
            "forwarded": "http://pools.example",
            "forwarded in TLS": "http://pools.example",
            "tunnelled": "https://localhost",
        }
        return {
            "endpoint_url": url[fault.way],
            "verify": self._bundle,
            "session": self._session,
            "credentials": Credentials(ACCESS_KEY, SECRET_KEY, TOKEN),
            "config": Config(
                retries={"total_max_attempts": self._max_attempts},
                connect_timeout=self._patience if fault.hangs and not fault.arrives else PATIENCE,
                read_timeout=self._patience if fault.hangs and fault.arrives else PATIENCE,
                proxies={"http": proxy, "https": proxy} if fault.way not in ("http", "https") else None,
            ),
        }

    @property
    def has_call_before(self) -> bool:
        """Whether an earlier call leaves an idle connection for this one."""
        return self._fault.kept is not None

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wraps the call and measures its time."""
        if self._fault.ends_idle:
            self._server.wait_until_finished()
        begin = time.monotonic()
        yield
        self.took = time.monotonic() - begin

    def let_finish(self, outcome: SignOutResult | SignOutError) -> None:
        """Waits until the connections of a call that timed out are closed. Close the client first."""
        if self._fault.hangs and self._fault.detour is None:
            # Each attempt has its own connection, but on a busy machine it may time out before it has one.
            for _ in range(min(outcome.attempts, len(self._server.peers))):
                self._server.wait_until_finished()

    def check(self, outcome: SignOutResult | SignOutError) -> None:
        """Checks the outcome. The server must already be stopped."""
        fault = self._fault
        is_recovered = self._is_once and fault.is_retried
        assert type(outcome) is (SignOutResult if is_recovered else fault.ends_in)
        assert outcome.attempts == fault.attempts
        assert (outcome.user_pool_id, outcome.username) == (USER["user_pool_id"], USER["username"])
        self._check_requests(is_recovered=is_recovered)
        assert self.took < BOUND
        if isinstance(outcome, SignOutError):
            check_error(outcome, fault.says)
            assert outcome.retryable is fault.is_retried

    def _check_requests(self, *, is_recovered: bool) -> None:
        fault = self._fault
        requests = self._server.requests[self.has_call_before :]
        seen = [int(number) for number in re.findall(rb"amz-sdk-request: attempt=(\d+)", b"".join(requests))]
        attempts = range(1, fault.attempts + 1)
        if fault.arrives is None:
            assert {*seen} <= {*attempts}
        elif fault.arrives:
            assert seen == [*attempts]
        else:
            assert seen == [*attempts][-1:] * is_recovered
            assert (len(self._server.peers) if fault.detour is None else self._look_ups) == len(attempts)

    def _give_up(self) -> None:
        self._server.stopping.set()
        for peer in self._server.peers:
            with suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    def _name_service(self, detour: tuple[str, int]) -> Callable[..., Any]:
        real = socket.getaddrinfo

        def look_up(host: Any, port: Any, *rest: Any) -> Any:
            if host != NAME:
                return real(host, port, *rest)
            self._look_ups += 1
            is_redirected = not self._is_once or self._look_ups == 1
            return real(*(detour if is_redirected else ("127.0.0.1", self._server.port)), *rest)

        return look_up


def play_blocking(scene: Scene) -> SignOutResult | SignOutError:
    """Makes a call with the blocking client, and checks that nothing is leaked."""
    outcome: SignOutResult | SignOutError
    with no_thread_left(), no_descriptor_left(), scene.set():
        with SignOutClient(**scene.arguments()) as client:
            if scene.has_call_before:
                client.sign_out(**USER, timeout=PATIENCE)
            with scene.call():
                try:
                    outcome = client.sign_out(**USER, timeout=scene.timeout)
                except SignOutError as error:
                    outcome = error
        scene.let_finish(outcome)
    return outcome


def play_async(scene: Scene) -> SignOutResult | SignOutError:
    """Makes a call with the async client, and checks that nothing is leaked."""

    async def main() -> SignOutResult | SignOutError:
        outcome: SignOutResult | SignOutError
        with no_task_left(), no_descriptor_left(), scene.set():
            async with AsyncSignOutClient(**scene.arguments()) as client:
                if scene.has_call_before:
                    await client.sign_out(**USER, timeout=PATIENCE)
                with scene.call():
                    try:
                        outcome = await client.sign_out(**USER, timeout=scene.timeout)
                    except SignOutError as error:
                        outcome = error
            for _ in range(5):  # asyncio closes a connection in one of its next iterations
                await asyncio.sleep(0)
            await asyncio.to_thread(scene.let_finish, outcome)
        return outcome

    with no_thread_left():
        return asyncio.run(main())


def check_error(error: SignOutError, says: str) -> None:
    """Checks that an error has the expected text and shows no secret."""
    assert re.search(says, str(error)), error
    shown = f"{error!r}\n{''.join(traceback.format_exception(error))}"
    assert not [secret for secret in SECRETS if secret in shown]


#: Runs a test once with each client.
by_both_clients = pytest.mark.parametrize("play", [play_blocking, play_async], ids=["blocking", "async"])


def client_of(play: Play) -> Literal["blocking", "async"]:
    """The kind of client that a test runs with."""
    return "blocking" if play is play_blocking else "async"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Checks that all file descriptors that were opened in the block are closed at its end."""
    before = _descriptors()
    yield
    assert not _descriptors() - before, _descriptors() - before


def _descriptors() -> set[tuple[str, str]]:
    if not os.path.isdir("/proc/self/fd"):
        return set()
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of the listing itself
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Checks that all threads that were started in the block end."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)  # a thread whose work is done may still be ending
        assert not thread.is_alive(), thread


@contextmanager
def no_task_left() -> Iterator[None]:
    """Checks that all tasks that were started in the block are done, and that the event loop reported no error."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before
    assert not complaints
