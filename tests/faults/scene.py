"""Plays a fault to a client, and judges what came of it: the outcome, what the server saw, and what is left behind."""

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

    #: Has a client meet a scene; returns the call's outcome.
    Play: TypeAlias = Callable[["Scene"], "SignOutResult | SignOutError"]

WHOM = {"user_pool_id": "us-east-1_Ab129faBb", "username": USERNAME}
#: The name of the server where its address is looked up.
NAME = "service.example"
ACCESS_KEY, SECRET_KEY, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "session+token/of+the+call"
PROXY_USER, PROXY_PASSWORD = "agent", "open-sesame"
#: What no error and no traceback may show.
SECRETS = (
    USERNAME,
    SECRET_KEY,
    TOKEN,
    PROXY_PASSWORD,
    b64encode(f"{PROXY_USER}:{PROXY_PASSWORD}".encode()).decode(),
)
#: The time-outs, in seconds, of a client that has nothing good to wait for, and of one that has.
SHORT, LONGER = 0.1, 0.5
#: How long, in seconds, a call may take, whatever happens, and whatever else the machine does.
BOUND = 10.0


class Scene:
    """A fault, and the server that has it.

    Args:
        fault: The fault.
        bundle: The path of the authority's certificate.
        session: A botocore session that all clients share, since making one takes longer than a call.
        is_once: Whether it happens to the first attempt alone.
        max_attempts: How many attempts a call may take.
        patience: The client's time-out for what hangs, in seconds. Default: a short one.
        timeout: The time-out of the call.
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
        """Has the server run, and its name lead where it is to lead."""
        with ExitStack() as stack, pytest.MonkeyPatch.context() as monkeypatch:
            stack.enter_context(self._server)
            watchdog = threading.Timer(BOUND, self._give_up)  # so that a call that hangs is a failure, and no hang
            watchdog.start()
            stack.callback(watchdog.join)
            stack.callback(watchdog.cancel)
            if self._fault.detour is not None:
                monkeypatch.setattr(socket, "getaddrinfo", self._name_service(self._fault.detour(stack)))
            yield

    def arguments(self) -> dict[str, Any]:
        """The arguments of a client that meets the fault."""
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
        """Whether another call leaves a connection behind, for this one."""
        return self._fault.kept is not None

    @contextmanager
    def call(self) -> Iterator[None]:
        """The time of the call."""
        if self._fault.ends_idle:
            self._server.wait_until_finished()
        begin = time.monotonic()
        yield
        self.took = time.monotonic() - begin

    def let_finish(self, outcome: SignOutResult | SignOutError) -> None:
        """Waits until the server has seen all of a call that did not wait for it; the client must be closed by then."""
        if self._fault.hangs and self._fault.detour is None:
            for _ in range(outcome.attempts):  # each on a connection of its own
                self._server.wait_until_finished()

    def check(self, outcome: SignOutResult | SignOutError) -> None:
        """Judges what came of it, once the server is gone."""
        fault = self._fault
        is_mended = self._is_once and fault.is_retried
        assert type(outcome) is (SignOutResult if is_mended else fault.ends_in)
        assert outcome.attempts == fault.attempts
        assert (outcome.user_pool_id, outcome.username) == (WHOM["user_pool_id"], WHOM["username"])
        self._check_what_the_server_saw(is_mended=is_mended)
        assert self.took < BOUND
        if isinstance(outcome, SignOutError):
            check_error(outcome, fault.says)
            assert outcome.retryable is fault.is_retried

    def _check_what_the_server_saw(self, *, is_mended: bool) -> None:
        fault = self._fault
        requests = self._server.requests[self.has_call_before :]
        seen = [int(number) for number in re.findall(rb"amz-sdk-request: attempt=(\d+)", b"".join(requests))]
        attempts = range(1, fault.attempts + 1)
        if fault.arrives is None:
            assert {*seen} <= {*attempts}
        elif fault.arrives:
            assert seen == [*attempts]
        else:
            assert seen == [*attempts][-1:] * is_mended
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
            is_led_astray = not self._is_once or self._look_ups == 1
            return real(*(detour if is_led_astray else ("127.0.0.1", self._server.port)), *rest)

        return look_up


def play_blocking(scene: Scene) -> SignOutResult | SignOutError:
    """Has a blocking client meet it, and leave nothing behind."""
    outcome: SignOutResult | SignOutError
    with no_thread_left(), no_descriptor_left(), scene.set():
        with SignOutClient(**scene.arguments()) as client:
            if scene.has_call_before:
                client.sign_out(**WHOM, timeout=PATIENCE)
            with scene.call():
                try:
                    outcome = client.sign_out(**WHOM, timeout=scene.timeout)
                except SignOutError as error:
                    outcome = error
        scene.let_finish(outcome)
    return outcome


def play_async(scene: Scene) -> SignOutResult | SignOutError:
    """Has an async client meet it, and leave nothing behind."""

    async def main() -> SignOutResult | SignOutError:
        outcome: SignOutResult | SignOutError
        with no_task_left(), no_descriptor_left(), scene.set():
            async with AsyncSignOutClient(**scene.arguments()) as client:
                if scene.has_call_before:
                    await client.sign_out(**WHOM, timeout=PATIENCE)
                with scene.call():
                    try:
                        outcome = await client.sign_out(**WHOM, timeout=scene.timeout)
                    except SignOutError as error:
                        outcome = error
            for _ in range(5):  # what a loop closes is closed in one of its next rounds
                await asyncio.sleep(0)
            scene.let_finish(outcome)
        return outcome

    with no_thread_left():
        return asyncio.run(main())


def check_error(error: SignOutError, says: str) -> None:
    """Holds that an error says what it should, and nothing that it should not."""
    assert re.search(says, str(error)), error
    shown = f"{error!r}\n{''.join(traceback.format_exception(error))}"
    assert not [secret for secret in SECRETS if secret in shown]


#: Each story is told twice.
by_both_clients = pytest.mark.parametrize("play", [play_blocking, play_async], ids=["blocking", "async"])


def client_of(play: Play) -> Literal["blocking", "async"]:
    """The client that a story is told of."""
    return "blocking" if play is play_blocking else "async"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Holds that all file descriptors that were opened within are closed at its end."""
    before = _descriptors()
    yield
    assert not _descriptors() - before, _descriptors() - before


def _descriptors() -> set[tuple[str, str]]:
    if not os.path.isdir("/proc/self/fd"):
        return set()
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one by which they are listed
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Holds that all threads that were started within end, at its end at the latest."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)  # one that has done its work may still be about to end
        assert not thread.is_alive(), thread


@contextmanager
def no_task_left() -> Iterator[None]:
    """Holds that all tasks that were begun within are done at its end, and that the event loop did not complain."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before
    assert not complaints
