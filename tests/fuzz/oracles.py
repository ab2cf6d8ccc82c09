"""Checks that hold for any input, one function for each part.

They fail with an ``AssertionError``. They need neither pytest nor a generator of inputs.
"""

from __future__ import annotations

import codecs
import json
import tempfile
from collections import deque
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from cognito_signout import SignOutResult, ValidationError, errors
from cognito_signout._call import protocol
from cognito_signout._call import steps as call_steps
from cognito_signout._call.flow import sign_out as sign_out_flow
from cognito_signout._cli.interruption import Interruption
from cognito_signout._cli.journal import FORMAT, VERSION, Journal, JournalError
from cognito_signout._cli.usernames import UsernameFile
from cognito_signout._config.credentials import Credentials
from cognito_signout._config.endpoints import Endpoint
from cognito_signout._config.settings import Settings
from cognito_signout.errors import SignOutError
from cognito_signout.transports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognito_signout import SignOutOutcome

POOL = "us-east-1_Test00001"
#: A name that appears in none of our texts.
USERNAME = "Alice+1@example.com"

# The meaning of responses


def check_protocol(status: int, headers: dict[str, str], body: bytes, now: float) -> None:
    """Checks that any response becomes a complete result or error that does not show the username."""
    outcome = protocol.read_response(
        HttpResponse(status, headers, body),
        user_pool_id=POOL,
        username=USERNAME,
        attempts=2,
        invocation_id="invocation",
        now=now,
    )
    assert (outcome.user_pool_id, outcome.username, outcome.attempts) == (POOL, USERNAME, 2)
    shown = f"{outcome!r} {outcome}".casefold()
    assert USERNAME.casefold() not in shown
    if isinstance(outcome, SignOutResult):
        assert 200 <= status < 300
        document = json.loads(body) if body else {}
        is_from_aws = "x-amz-json-1.1" in str(headers).lower() or "x-amzn-requestid" in str(headers).lower()
        assert document.get("success") is True or (status == 200 and (document == {} or is_from_aws))
        assert outcome.id
        assert outcome.created_at.utcoffset() is not None
        assert outcome.to_envelope()["success"] is True
    else:
        assert isinstance(outcome, SignOutError)
        assert outcome.message
        assert outcome.code
        assert outcome.http_status == status
        assert outcome.to_envelope()["success"] is False
    json.dumps(outcome.to_envelope())


# The flow of a call

KEYS, OTHER_KEYS = Credentials("AKIDEXAMPLE", "s" * 40), Credentials("AKIDOTHER", "t" * 40, "token")
NOW = 1764000000.0
ENDPOINT = Endpoint("https://service.example/", "service.example", "/", "us-east-1")


def _answer(status: int, code: str = "", **headers: str) -> HttpResponse:
    body = json.dumps({"__type": code, "message": f"{USERNAME} is not welcome"}).encode() if code else b"{}"
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


#: The possible results of each kind of step. An exception class is instantiated each time, like a network error. An
#: exception instance is raised repeatedly, as a mock does.
SETTINGS: tuple[Any, ...] = ("settings", "settings", "settings", errors.ConfigurationError, errors.SignOutTimeoutError)
CREDENTIALS: tuple[Any, ...] = (KEYS, KEYS, KEYS, OTHER_KEYS, errors.CredentialsError, errors.SignOutTimeoutError)
RESPONSES: tuple[Any, ...] = (
    _answer(200),
    _answer(200, "UserNotFoundException"),
    _answer(302, location="http://elsewhere.example/"),
    _answer(400, "UserNotFoundException"),
    _answer(400, "TooManyRequestsException"),
    _answer(400, "TooManyRequestsException", x_amz_retry_after="900"),
    _answer(400, "ExpiredTokenException"),
    _answer(400, "InvalidSignatureException", date="Sat, 22 Nov 2025 12:00:00 GMT"),
    _answer(400, "InvalidSignatureException", date="Fri, 31 Dec 9999 23:59:59 GMT"),
    _answer(429, "Whatever", retry_after="3"),
    _answer(500, "InternalErrorException"),
    _answer(503),
    HttpResponse(200, {}, b"<html>"),
    HttpResponse(200, {}, b'{"success": true, "data": {"id": "Alice+1@example.com"}}'),
    ConnectionResetError,
    OSError,
    TimeoutError,
    errors.SignOutConnectionError,
    errors.SignOutTimeoutError,
    errors.ConfigurationError,
    errors.SignOutConnectionError("again", username="bob", attempts=7),
    errors.UserNotFoundError("again"),
)


class _World:
    """The environment of a call: results of its steps, in order. The last result of each kind is repeated."""

    def __init__(self, settings: Any, credentials: Any, responses: Any, max_attempts: int, chance: float) -> None:
        self.sends: list[call_steps.Send] = []
        self.last: Any = None
        self._settings = Settings(endpoint=ENDPOINT, max_attempts=max_attempts, user_agent="agent/1")
        self._answers = {
            call_steps.Configure: deque(settings),
            call_steps.Authenticate: deque(credentials),
            call_steps.Send: deque(responses),
        }
        self._chance = chance
        self._time = 0.0

    def now(self) -> float:
        return NOW + self._time

    def monotonic(self) -> float:
        return self._time

    def random(self) -> float:
        return self._chance

    def trace_header(self) -> str | None:
        return None

    def perform(self, step: call_steps.Step) -> Any:
        """The result of a step. The caller raises it if it is an exception."""
        if isinstance(step, call_steps.Pause):
            assert step.seconds >= 0
            self._time += step.seconds
            return None
        if isinstance(step, call_steps.Send):
            self.sends.append(step)
            assert len(self.sends) < 50
        answers = self._answers[type(step)]
        seconds, answer = answers.popleft() if len(answers) > 1 else answers[0]
        self._time += seconds
        if isinstance(answer, type):
            answer = answer(f"{USERNAME} can't be reached")
        self.last = answer
        return self._settings if answer == "settings" else answer


def check_flow(
    settings: Sequence[tuple[float, Any]],
    credentials: Sequence[tuple[float, Any]],
    responses: Sequence[tuple[float, Any]],
    timeout: float | None,
    max_attempts: int,
    chance: float,
    shared_is_poor: bool,
) -> None:
    """Checks that a call ends in a complete outcome within its attempts and its timeout, for any results of its steps.

    Args:
        settings: The duration and the result of finding the settings.
        credentials: The same for credentials, each time the call needs them.
        responses: The same for requests.
        timeout: The timeout of the call, in seconds.
        max_attempts: The configured number of attempts.
        chance: The value of every random number.
        shared_is_poor: Whether few tokens are left for retries.
    """
    world = _World(settings, credentials, responses, max_attempts, chance)
    shared = call_steps.Shared()
    if shared_is_poor:
        shared.quota._available = 20
    flow = sign_out_flow(world, shared, user_pool_id=POOL, username=USERNAME, timeout=timeout)
    outcome: SignOutOutcome
    try:
        step = next(flow)
        while True:
            answer = world.perform(step)
            step = flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
    except StopIteration as done:
        outcome = done.value
        assert isinstance(outcome, SignOutResult)
        assert isinstance(world.last, HttpResponse)
        assert world.last.status == 200
    except SignOutError as error:
        outcome = error
        _check_error(error)
    assert (outcome.user_pool_id, outcome.username, outcome.attempts) == (POOL, USERNAME, len(world.sends))
    assert USERNAME.casefold() not in f"{outcome!r} {outcome}".casefold()
    assert outcome.attempts <= max_attempts + 2  # the clock is corrected once, and the credentials are replaced once
    for send in world.sends:
        assert json.loads(send.request.body) == {"UserPoolId": POOL, "Username": USERNAME}
        assert send.request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert USERNAME not in send.request.url + "".join(send.request.headers.values())
        if timeout is None:
            assert send.timeout is None
        else:
            assert send.timeout is not None
            assert 0 < send.timeout <= timeout


def _check_error(error: SignOutError) -> None:
    assert error.message
    cause: BaseException | None = error
    while cause is not None:  # the causes that a traceback shows
        assert USERNAME.casefold() not in str(cause).casefold()
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


# The journal

HEADER = json.dumps({"format": FORMAT, "version": VERSION, "user_pool_id": POOL}).encode() + b"\n"
_CHECK = b', "check": '


def journal_line(outcome: str | bytes, *, success: bool = True) -> bytes:
    """A journal line with a valid checksum, for a user or for arbitrary bytes."""
    if isinstance(outcome, str):
        outcome = json.dumps({"username": outcome, "success": success}).encode()
    return outcome[:-1] + _CHECK + b'"%08x"}\n' % crc32(outcome)


def check_journal(content: bytes) -> None:
    """Checks that a user counts as signed out only if a complete line says so, and that an invalid file is not changed.

    Args:
        content: The content of the file.
    """
    path = _folder() / "run.jsonl"
    path.write_bytes(content)
    path.chmod(0o600)
    whole = content[: content.rfind(b"\n") + 1]
    recorded = _recorded(whole)
    seen: set[str] | None = None
    with suppress(JournalError), Journal(str(path), POOL, read_only=True) as journal:
        seen = journal.signed_out
    assert path.read_bytes() == content
    try:
        with Journal(str(path), POOL) as journal:
            assert journal.signed_out == seen
            assert journal.signed_out <= recorded
            assert path.read_bytes() == (whole or HEADER)
            journal.append(json.dumps({"username": "carol", "success": True}))
    except JournalError:
        assert seen is None
        assert path.read_bytes() == content
        assert not HEADER.startswith(content)
        return
    with Journal(str(path), POOL) as journal:
        assert journal.signed_out == (seen or set()) | {"carol"}


def _recorded(whole: bytes) -> set[str]:
    """The users that are signed out according to undamaged lines."""
    recorded = set()
    for line in whole.split(b"\n"):
        body, mark, check = line.rpartition(_CHECK)
        if mark and check == b'"%08x"}' % crc32(body + b"}"):
            try:
                entry = json.loads(body + b"}")
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and entry.get("success") is True and isinstance(entry.get("username"), str):
                recorded.add(entry["username"])
    return recorded


# The usernames


def check_usernames(content: bytes) -> None:
    """Checks that each line of any file is read either as a valid username or as an error.

    Args:
        content: The content of the file.
    """
    path = _folder() / "users.txt"
    path.write_bytes(content)
    with closing(UsernameFile(str(path))) as file:
        count = file.count(Interruption())
        names = list(file.read(print))
    assert count == len(names)
    is_utf_16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    lines = iter(content.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace").split("\n"))
    for name in names:
        if isinstance(name, ValidationError):
            assert "line " in name.message
            (name.username or "").encode("utf-8")
            assert not name.username or name.username not in str(name)
        else:
            protocol.check_username(name)
            assert any(name == line.strip() for line in lines)  # in the order of the file, and no other names


@lru_cache(maxsize=1)
def _folder() -> Path:
    """A temporary folder of this process."""
    folder = tempfile.TemporaryDirectory()
    _folders.append(folder)
    return Path(folder.name)


_folders: list[tempfile.TemporaryDirectory[str]] = []
