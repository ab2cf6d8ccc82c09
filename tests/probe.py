"""One call in a process of its own, by this library or by boto3, and a report of what came of it.

``python -m tests.probe`` reads JSON objects (:class:`Task`), a line each, from standard input and writes one
(:class:`Report`) to standard output for each. Our calls are made in the process itself, one a process. boto3's,
which would cost as much again in imports alone, are each made in a fork of a process that has imported boto3 and
done nothing else.

Both sides are given the same arguments, and find the same environment. A *recorded* call stops short of the
network: ours ends in a transport, and once more, with botocore loaded, in botocore's ``before-send`` event, where
boto3's ends too. Any other call goes out, and the sockets are watched.
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
    """What to do."""

    environ: dict[str, str]
    user_pool_id: str
    arguments: dict[str, Any]
    recorded: bool
    status: int  # what a recorded request is answered with


class Sent(TypedDict):
    """What was sent, as far as settings decide it."""

    url: str
    access_key: str
    signing_region: str
    token: str | None
    app_id: str | None
    trace: str | None


class Report(TypedDict):
    """What came of it."""

    sent: list[Sent]
    errors: list[str]  # the classes of the error, the narrowest first
    sent_with_botocore: list[Sent]  # ours again, once botocore was loaded by someone else
    errors_with_botocore: list[str]
    message: str
    connect_timeout: float | None
    read_timeout: float | None
    keepalive: bool | None


def main(side: str) -> None:
    """Does the tasks on standard input."""
    random.random = lambda: 0.0  # so that nobody waits before the next attempt
    if side == "boto3":
        import boto3  # noqa: F401 -- for the forks
    for line in sys.stdin:
        task: Task = json.loads(line)
        if side == "boto3":
            if os.fork():
                os.wait()
                continue
            sys.stdin = open(os.devnull)  # noqa: SIM115 -- the tasks that follow are the parent's
        print(json.dumps(_report(task, side)), flush=True)
        return


def _report(task: Task, side: str) -> Report:
    os.environ.clear()
    os.environ.update(task["environ"])
    watched = _Watched()
    if not task["recorded"]:
        watched.install()
    first, again = _Recorder(task["status"]), _Recorder(task["status"])
    later_error = None
    if side == "boto3":
        error = _caught(lambda: _boto3(task, first))
    elif task["recorded"]:
        error = _caught(lambda: _ours(task, transport=first))
        _record_events(again)
        later_error = _caught(lambda: _ours(task))
    else:
        error = _caught(lambda: _ours(task))
    return Report(
        sent=first.sent,
        errors=_names(error),
        sent_with_botocore=again.sent,
        errors_with_botocore=_names(later_error),
        message=str(error) if error else "",
        connect_timeout=watched.connect_timeout,
        read_timeout=watched.read_timeout,
        keepalive=watched.keepalive,
    )


def _caught(call: Callable[[], None]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 -- to be reported
        return error
    return None


def _names(error: Exception | None) -> list[str]:
    return [cls.__name__ for cls in type(error).__mro__] if error else []


class _Recorder:
    """Keeps what would be sent, and answers it: as a transport of ours, and as a handler of botocore's event."""

    def __init__(self, status: int) -> None:
        self.sent: list[Sent] = []
        self._status = status

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        from cognito_signout.transports import HttpResponse

        self._keep(request.url, request.headers)
        return HttpResponse(self._status, {}, b"{}")

    def close(self) -> None:
        """There is nothing to close."""

    def before_send(self, request: Any, **_: object) -> Any:
        from botocore.awsrequest import AWSResponse

        headers = request.headers.items()
        self._keep(
            request.url, {name: value.decode() if isinstance(value, bytes) else value for name, value in headers}
        )
        return AWSResponse(request.url, self._status, {}, _Raw())

    def _keep(self, url: str, headers: Mapping[str, str]) -> None:
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
    """The body of an answer, as botocore reads it."""

    def stream(self) -> list[bytes]:
        return [b"{}"]


class _Watched:
    """Notes the timeouts and options of the first TCP connection, and of the first read from it."""

    connect_timeout: float | None = None
    read_timeout: float | None = None
    keepalive: bool | None = None

    def install(self) -> None:
        connect, recv, recv_into = socket.socket.connect, socket.socket.recv, socket.socket.recv_into

        def watched_connect(sock: socket.socket, address: Any) -> None:
            self.connect_timeout = _rounded(sock.gettimeout())
            connect(sock, address)

        def note(sock: socket.socket) -> None:
            if self.keepalive is None:
                self.read_timeout = _rounded(sock.gettimeout())
                self.keepalive = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

        def watched_recv(sock: socket.socket, *arguments: Any) -> bytes:
            note(sock)
            return recv(sock, *arguments)

        def watched_recv_into(sock: socket.socket, *arguments: Any) -> int:
            note(sock)
            return recv_into(sock, *arguments)

        socket.socket.connect = watched_connect  # type: ignore[method-assign, assignment]
        socket.socket.recv = watched_recv  # type: ignore[method-assign, assignment]
        socket.socket.recv_into = watched_recv_into  # type: ignore[method-assign, assignment]


def _rounded(timeout: float | None) -> float | None:
    """In halves of a second, up: what is left of a deadline is a little less than was given."""
    return None if timeout is None else math.ceil(timeout * 2) / 2


def _ours(task: Task, **more: Any) -> None:
    from cognito_signout import SignOutClient

    with SignOutClient(**_arguments(task["arguments"]), **more) as client:
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
    """Has every botocore session that is made from now on ask the recorder before it sends."""
    from botocore.handlers import BUILTIN_HANDLERS

    BUILTIN_HANDLERS.append(("before-send.cognito-identity-provider", recorder.before_send))


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(given)
    if "config" in arguments:
        from botocore.config import Config

        arguments["config"] = Config(**_with_tuples(arguments["config"]))
    return arguments


def _with_tuples(value: Any) -> Any:
    """A value as botocore wants it: pairs, such as of certificate and key, are tuples there, and lists in JSON."""
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main(sys.argv[1])
