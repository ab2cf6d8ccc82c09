"""The two ways to sign out many users, in threads and in tasks, with one interface, so that each test runs both."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from cognito_signout import AsyncSignOutClient, SignOutClient
from cognito_signout.transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from cognito_signout import AsyncSignOutOutcomes, SignOutOutcome, SignOutOutcomes
    from cognito_signout.testing import FakeCognito
    from cognito_signout.transports import HttpRequest

#: The maximum time that a test waits before it fails, in seconds.
PATIENCE = 60
OK = HttpResponse(200, {"x-amzn-requestid": "request"}, b"{}")


def refusal(aws_code: str, **headers: str) -> HttpResponse:
    """A refusal of the service."""
    body = json.dumps({"__type": aws_code, "message": f"{aws_code}!"}).encode()
    return HttpResponse(400, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def username_of(request: HttpRequest) -> str:
    """The username in a request."""
    username: str = json.loads(request.body)["Username"]
    return username


class Script:
    """The behaviour of a service, for both kinds of transports.

    Args:
        answer: Returns the result of a user's request: a response, an exception to raise, or a class of them.
        wait_for: Returns an event that the request waits for, or ``None``.
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
        """The usernames in the requests, in order."""
        return [username_of(request) for request in self.requests]

    def begin(self, request: HttpRequest) -> Any:
        """Records a request. Returns the event that it waits for."""
        with self._lock:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            return self.wait_for(username_of(request))

    def end(self, request: HttpRequest) -> HttpResponse:
        """Returns the response."""
        with self._lock:
            self.in_flight -= 1
            answer = self.answer(username_of(request))
        if isinstance(answer, HttpResponse):
            return answer
        raise answer if isinstance(answer, BaseException) else answer("raised by the script")


class BlockingTransport:
    """Plays a script in threads."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Waits for the event, and responds."""
        event = self._script.begin(request)
        if event is not None:
            assert event.wait(PATIENCE)
        return self._script.end(request)

    def close(self) -> None:
        """Nothing to close."""


class TaskTransport:
    """Plays a script in tasks."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Waits for the event, and responds."""
        event = self._script.begin(request)
        if event is not None:
            await asyncio.wait_for(event.wait(), PATIENCE)
        await asyncio.sleep(0)
        return self._script.end(request)

    async def close(self) -> None:
        """Nothing to close."""


class Way:
    """One of the two ways."""

    def client(self, transport: Script | None = None, **arguments: Any) -> Any:
        """A client. A script can be its transport."""
        raise NotImplementedError

    def client_of(self, fake: FakeCognito, **arguments: Any) -> Any:
        """A client of a fake."""
        raise NotImplementedError

    def event(self) -> Any:
        """An event for a script."""
        raise NotImplementedError

    def sign_out_many(self, client: Any, **arguments: Any) -> Any:
        """Calls it. Returns an iterator over the outcomes."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Closes a client."""
        raise NotImplementedError

    def at_work(self) -> int:
        """The number of threads or tasks."""
        raise NotImplementedError

    def finish(self) -> None:
        """Releases its resources."""

    def all(self, client: Any, usernames: Any, **arguments: Any) -> tuple[list[Any], BaseException | None]:
        """All outcomes for users of one pool, and the exception that ended the run, if there is one."""
        outcomes: list[Any] = []
        arguments = {"user_pool_id": "us-east-1_Test00001", **arguments}
        try:
            for outcome in self.sign_out_many(client, usernames=usernames, **arguments):
                outcomes.append(outcome)  # one by one, because those before an exception count
        except Exception as error:  # noqa: BLE001 -- which is what the test asks for
            return outcomes, error
        return outcomes, None


class InThreads(Way):
    """The blocking client."""

    def client(self, transport: Script | None = None, **arguments: Any) -> SignOutClient:
        """A blocking client."""
        return SignOutClient(transport=None if transport is None else BlockingTransport(transport), **arguments)

    def client_of(self, fake: FakeCognito, **arguments: Any) -> SignOutClient:
        """A blocking client of a fake."""
        return fake.client(**arguments)

    def event(self) -> threading.Event:
        """An event for threads."""
        return threading.Event()

    def sign_out_many(self, client: SignOutClient, **arguments: Any) -> SignOutOutcomes:
        """The iterator itself."""
        return client.sign_out_many(**arguments)

    def close(self, client: SignOutClient) -> None:
        """Closes a client."""
        client.close()

    def at_work(self) -> int:
        """The number of its threads that are alive."""
        return sum(thread.name == "cognito-signout" for thread in threading.enumerate())


class OnALoop:
    """Iterates over async outcomes. The event loop runs while the next one is awaited."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outcomes: AsyncSignOutOutcomes) -> None:
        self._loop = loop
        self._outcomes = outcomes

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SignOutOutcome:
        try:
            return self._loop.run_until_complete(anext(self._outcomes))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Closes the iterator."""
        self._loop.run_until_complete(self._outcomes.aclose())

    def __del__(self) -> None:
        if not (self._loop.is_closed() or self._loop.is_running()):
            self.close()


class InTasks(Way):
    """The async client. Its event loop runs while an outcome is awaited."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def client(self, transport: Script | None = None, **arguments: Any) -> AsyncSignOutClient:
        """An async client."""
        return AsyncSignOutClient(transport=None if transport is None else TaskTransport(transport), **arguments)

    def client_of(self, fake: FakeCognito, **arguments: Any) -> AsyncSignOutClient:
        """An async client of a fake."""
        return fake.async_client(**arguments)

    def event(self) -> asyncio.Event:
        """An event for tasks."""
        return asyncio.Event()

    def sign_out_many(self, client: AsyncSignOutClient, **arguments: Any) -> OnALoop:
        """An iterator that runs the loop for each outcome."""
        return OnALoop(self._loop, client.sign_out_many(**arguments))

    def close(self, client: AsyncSignOutClient) -> None:
        """Closes a client."""
        self._loop.run_until_complete(client.aclose())

    def at_work(self) -> int:
        """The number of tasks."""
        return len(asyncio.all_tasks(self._loop))

    def finish(self) -> None:
        """Closes the loop, as ``asyncio.run`` does."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
