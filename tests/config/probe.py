"""Makes one call in a separate process, with this library or with boto3, and reports the outcome.

``python -m tests.config.probe`` reads JSON objects (:class:`Task`) from standard input, one per line. For each, it
writes a JSON object (:class:`Report`) to standard output. A call with this library is made in the process, which then
ends. Each call with boto3 is made in a fork of a process that has imported boto3 and done nothing else, which saves
the time of the import.

Both clients get the same arguments and the same environment. A *recorded* call does not use the network. The call
with this library ends in a transport, and a second one, with botocore loaded, in botocore's ``before-send`` event. The
call with boto3 ends in that event too. Any other call uses the network, and its sockets are watched.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import socket
import sys
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cognito_signout.transports import HttpRequest, HttpResponse

USERNAME = "alice"


class Task(TypedDict):
    """One call to make."""

    environ: dict[str, str]
    user_pool_id: str
    arguments: dict[str, Any]
    recorded: bool
    status: int  # the HTTP status of the response to a recorded request


class Sent(TypedDict):
    """The parts of a request that depend on settings."""

    url: str
    access_key: str
    signing_region: str
    token: str | None
    app_id: str | None
    trace: str | None


class Report(TypedDict):
    """The outcome of a call."""

    sent: list[Sent]
    errors: list[str]  # the class of the error and its base classes, in method resolution order
    sent_with_botocore: list[Sent]  # of the second call with this library, with botocore loaded
    errors_with_botocore: list[str]
    message: str
    connect_timeout: float | None
    read_timeout: float | None
    keepalive: bool | None


def main(side: str) -> None:
    """Makes the calls that it reads from standard input."""
    random.random = lambda: 0.0  # no delay before a retry
    if side == "boto3":
        import boto3  # noqa: F401 -- for the forks
    for line in sys.stdin:
        task: Task = json.loads(line)
        if side == "boto3":
            if os.fork():
                os.wait()
                continue
            sys.stdin = open(os.devnull)  # noqa: SIM115 -- the parent reads the next tasks
        print(json.dumps(_report(task, side)), flush=True)
        return


def _report(task: Task, side: str) -> Report:
    os.environ.clear()
    os.environ.update(task["environ"])
    watched = _Watched()
    if not task["recorded"]:
        watched.install()
    first, second = _Recorder(task["status"]), _Recorder(task["status"])
    second_error = None
    if side == "boto3":
        error = _error_of(lambda: _boto3(task, first))
    elif task["recorded"]:
        error = _error_of(lambda: _ours(task, transport=first))
        _record_events(second)
        second_error = _error_of(lambda: _ours(task))
    else:
        error = _error_of(lambda: _ours(task))
    return Report(
        sent=first.sent,
        errors=_names(error),
        sent_with_botocore=second.sent,
        errors_with_botocore=_names(second_error),
        message=str(error) if error else "",
        connect_timeout=watched.connect_timeout,
        read_timeout=watched.read_timeout,
        keepalive=watched.keepalive,
    )


def _error_of(call: Callable[[], None]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 -- it is reported
        return error
    return None


def _names(error: Exception | None) -> list[str]:
    return [cls.__name__ for cls in type(error).__mro__] if error else []


class _Recorder:
    """Records requests and answers them, as a transport of this library or as a handler of botocore's event."""

    def __init__(self, status: int) -> None:
        self.sent: list[Sent] = []
        self._status = status

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        from cognito_signout.transports import HttpResponse

        self._record(request.url, request.headers)
        return HttpResponse(self._status, {}, b"{}")

    def close(self) -> None:
        """Does nothing."""

    def before_send(self, request: Any, **_: object) -> Any:
        from botocore.awsrequest import AWSResponse

        headers = request.headers.items()
        self._record(
            request.url, {name: value.decode() if isinstance(value, bytes) else value for name, value in headers}
        )
        return AWSResponse(request.url, self._status, {}, _Raw())

    def _record(self, url: str, headers: Mapping[str, str]) -> None:
        by_name = {name.lower(): value for name, value in headers.items()}
        access_key, _, region, *_ = by_name["authorization"].partition("Credential=")[2].split("/")
        app_id = re.search(r" app/(\S+)", by_name["user-agent"])
        self.sent.append(
            Sent(
                url=url,
                access_key=access_key,
                signing_region=region,
                token=by_name.get("x-amz-security-token"),
                app_id=app_id and app_id[1],
                trace=by_name.get("x-amzn-trace-id"),
            )
        )


class _Raw:
    """The body of a response, as botocore reads it."""

    def stream(self) -> list[bytes]:
        return [b"{}"]


class _Watched:
    """Records the timeouts and options of the first TCP connection and of the first read from it."""

    connect_timeout: float | None = None
    read_timeout: float | None = None
    keepalive: bool | None = None

    def install(self) -> None:
        connect, recv, recv_into = socket.socket.connect, socket.socket.recv, socket.socket.recv_into

        def watched_connect(sock: socket.socket, address: Any) -> None:
            self.connect_timeout = _rounded(sock.gettimeout())
            connect(sock, address)

        def record(sock: socket.socket) -> None:
            if self.keepalive is None:
                self.read_timeout = _rounded(sock.gettimeout())
                self.keepalive = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

        def watched_recv(sock: socket.socket, *arguments: Any) -> bytes:
            record(sock)
            return recv(sock, *arguments)

        def watched_recv_into(sock: socket.socket, *arguments: Any) -> int:
            record(sock)
            return recv_into(sock, *arguments)

        socket.socket.connect = watched_connect  # type: ignore[method-assign, assignment]
        socket.socket.recv = watched_recv  # type: ignore[method-assign, assignment]
        socket.socket.recv_into = watched_recv_into  # type: ignore[method-assign, assignment]


def _rounded(timeout: float | None) -> float | None:
    """A timeout, rounded up to half a second: the remaining time is slightly shorter than the timeout."""
    return None if timeout is None else math.ceil(timeout * 2) / 2


def _ours(task: Task, **options: Any) -> None:
    from cognito_signout import SignOutClient

    with SignOutClient(**_arguments(task["arguments"]), **options) as client:
        client.sign_out(user_pool_id=task["user_pool_id"], username=USERNAME)


def _boto3(task: Task, first: _Recorder) -> None:
    import boto3

    if task["recorded"]:
        _record_events(first)
    arguments = _arguments(task["arguments"])
    session = boto3.Session(profile_name=arguments.pop("profile_name", None))
    client = session.client("cognito-idp", **arguments)
    client.admin_user_global_sign_out(UserPoolId=task["user_pool_id"], Username=USERNAME)


def _record_events(recorder: _Recorder) -> None:
    """Registers the recorder with every botocore session that is created from now on."""
    from botocore.handlers import BUILTIN_HANDLERS

    BUILTIN_HANDLERS.append(("before-send.cognito-identity-provider", recorder.before_send))


def _arguments(task_arguments: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(task_arguments)
    if "config" in arguments:
        from botocore.config import Config

        arguments["config"] = Config(**_with_tuples(arguments["config"]))
    return arguments


def _with_tuples(value: Any) -> Any:
    """A value from JSON with tuples instead of lists: botocore expects tuples, for example of certificate and key."""
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main(sys.argv[1])
