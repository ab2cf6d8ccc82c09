"""The two ways to sign out many users, in threads and in tasks, behind one face: one story is played by both."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from cognito_signout import AsyncSignOutClient, SignOutClient
from cognito_signout.transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cognito_signout import SignOutOutcome
    from cognito_signout.testing import FakeCognito
    from cognito_signout.transports import HttpRequest

#: How long, in seconds, anything may take before it is taken for a hang.
PATIENCE = 60
OK = HttpResponse(200, {"x-amzn-requestid": "request"}, b"{}")


def refusal(aws_code: str, **headers: str) -> HttpResponse:
    """The service's no."""
    body = json.dumps({"__type": aws_code, "message": f"{aws_code}!"}).encode()
    return HttpResponse(400, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def username_of(request: HttpRequest) -> str:
    """Whom a request is about."""
    username: str = json.loads(request.body)["Username"]
    return username


class Script:
    """What a service does, for a transport of either kind.

    Args:
        answer: What comes of a user's request: a response, an exception to raise, or a class of them.
        wait_for: An event that must be set before that: one of the way's, or ``None``.
    """

    def __init__(
        self,
        answer: Callable[[str], HttpResponse | BaseException | type[Exception]] = lambda _: OK,
        wait_for: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self.answer = answer
        self.wait_for = wait_for
        self.in_flight = 0
        self.most_in_flight = 0
        self.requests: list[HttpRequest] = []
        self._lock = threading.Lock()

    @property
    def usernames(self) -> list[str]:
        """Whom the requests were about, in their order."""
        return [username_of(request) for request in self.requests]

    def begin(self, request: HttpRequest) -> Any:
        """A request has arrived; returns the event to wait for."""
        with self._lock:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            return self.wait_for(username_of(request))

    def end(self, request: HttpRequest) -> HttpResponse:
        """It is answered."""
        with self._lock:
            self.in_flight -= 1
            answer = self.answer(username_of(request))
        if isinstance(answer, HttpResponse):
            return answer
        raise answer if isinstance(answer, BaseException) else answer("it was to be raised")


class BlockingTransport:
    """Plays a script in threads."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Waits for what it is to wait for, and answers."""
        event = self._script.begin(request)
        if event is not None:
            assert event.wait(PATIENCE)
        return self._script.end(request)

    def close(self) -> None:
        """There is nothing to close."""


class TaskTransport:
    """Plays a script in tasks."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Waits for what it is to wait for, and answers."""
        event = self._script.begin(request)
        if event is not None:
            await asyncio.wait_for(event.wait(), PATIENCE)
        await asyncio.sleep(0)
        return self._script.end(request)

    async def close(self) -> None:
        """There is nothing to close."""


class Way:
    """One of the two."""

    def client(self, transport: Script | None = None, **arguments: Any) -> Any:
        """A client, which may have a script for its transport."""
        raise NotImplementedError

    def client_of(self, fake: FakeCognito, **arguments: Any) -> Any:
        """A client of a fake."""
        raise NotImplementedError

    def event(self) -> Any:
        """An event that a script may wait for, and set."""
        raise NotImplementedError

    def sign_out_many(self, client: Any, **arguments: Any) -> Generator[SignOutOutcome, None, None]:
        """Calls it, and returns an iterator over its outcomes."""
        raise NotImplementedError

    def at_work(self) -> int:
        """How many threads or tasks are at work."""
        raise NotImplementedError

    def finish(self) -> None:
        """Lets go of what it needed."""

    def all(self, client: Any, usernames: Any, **arguments: Any) -> tuple[list[Any], BaseException | None]:
        """All outcomes for users of one pool, and the exception that ended it, if one did."""
        outcomes: list[Any] = []
        arguments = {"user_pool_id": "us-east-1_Test00001", **arguments}
        try:
            for outcome in self.sign_out_many(client, usernames=usernames, **arguments):
                outcomes.append(outcome)  # one by one: those before an exception count
        except Exception as error:  # noqa: BLE001 -- which is what the test asks for
            return outcomes, error
        return outcomes, None


class InThreads(Way):
    """The blocking client's."""

    def client(self, transport: Script | None = None, **arguments: Any) -> SignOutClient:
        """A blocking client."""
        return SignOutClient(transport=None if transport is None else BlockingTransport(transport), **arguments)

    def client_of(self, fake: FakeCognito, **arguments: Any) -> SignOutClient:
        """A blocking client of a fake."""
        return fake.client(**arguments)

    def event(self) -> threading.Event:
        """One for threads."""
        return threading.Event()

    def sign_out_many(self, client: SignOutClient, **arguments: Any) -> Generator[SignOutOutcome, None, None]:
        """As it is."""
        return client.sign_out_many(**arguments)

    def at_work(self) -> int:
        """How many of its threads are alive."""
        return sum(thread.name == "cognito-signout" for thread in threading.enumerate())


class InTasks(Way):
    """The async client's, on an event loop that runs while an outcome is waited for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def client(self, transport: Script | None = None, **arguments: Any) -> AsyncSignOutClient:
        """An async client."""
        return AsyncSignOutClient(transport=None if transport is None else TaskTransport(transport), **arguments)

    def client_of(self, fake: FakeCognito, **arguments: Any) -> AsyncSignOutClient:
        """An async client of a fake."""
        return fake.async_client(**arguments)

    def event(self) -> asyncio.Event:
        """One for tasks."""
        return asyncio.Event()

    def sign_out_many(self, client: AsyncSignOutClient, **arguments: Any) -> Generator[SignOutOutcome, None, None]:
        """Step by step."""
        return self._iterate(client.sign_out_many(**arguments))

    def _iterate(self, outcomes: Any) -> Generator[SignOutOutcome, None, None]:
        try:
            while True:
                try:
                    outcome = self._loop.run_until_complete(outcomes.__anext__())
                except StopAsyncIteration:
                    return
                yield outcome
        finally:
            self._loop.run_until_complete(outcomes.aclose())

    def at_work(self) -> int:
        """How many tasks there are."""
        return len(asyncio.all_tasks(self._loop))

    def finish(self) -> None:
        """Closes the loop, as ``asyncio.run`` does."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
