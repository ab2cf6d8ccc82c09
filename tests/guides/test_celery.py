"""The guide to Celery: with real workers, a real Redis, and processes that are killed."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout import SignOutError, errors
from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests.pages import Page, runs
from tests.test_revocation import Server, needs_redis

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from typing_extensions import Self

    from cognito_signout.testing import Tokens

pytestmark = pytest.mark.skipif(find_spec("celery") is None, reason="needs celery")

NAME = "docs/guides/celery.md"
POOL = "us-east-1_Ab129faBb"
USERS = [f"user-{number}@example.com" for number in range(60)]
#: How long the fake takes for a request, in seconds: so long that requests are in flight when a process is killed.
LATENCY = 0.1
#: How long, in seconds, a test waits for what is bound to happen.
PATIENCE = 60
#: Sends a task for each of the users in its arguments, and prints the results.
SEND = """
import json, sys
from celery import exceptions
from tasks import sign_out

def code(result):
    try: return result.get(timeout=20)
    except exceptions.TimeoutError: return "NO_RESULT"

results = [sign_out.delay(username) for username in sys.argv[1:]]
print("sent", flush=True)
print(json.dumps([code(result) for result in results]))
"""


# In this process


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """The page's module with the tasks."""
    Page(NAME).take_files(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("tasks")
    del sys.modules["tasks"]


@pytest.fixture
def fake(fake_cognito: FakeCognito) -> FakeCognito:
    """A fake with the user alice."""
    fake_cognito.add_user(user_pool_id=POOL, username="alice")
    return fake_cognito


def test_a_user_is_signed_out_after_a_retry(tasks: Any, fake: FakeCognito) -> None:
    """A quota that is used up for a moment leaves users signed in."""
    fake.fail("TooManyRequestsException", times=4)
    assert tasks.sign_out.apply(args=["alice"]).get() is None
    fake.assert_signed_out(user_pool_id=POOL, username="alice", times=1)


def test_retries_end(tasks: Any, fake: FakeCognito) -> None:
    """A task is retried for ever, or its error contains the arguments."""
    fake.fail("TooManyRequestsException", times=100)
    result = tasks.sign_out.apply(args=["alice"])
    assert isinstance(result.result, errors.TooManyRequestsError)
    assert "alice" not in f"{result.result!r} {result.traceback}"
    assert len(fake.requests) == 9 * 3


@pytest.mark.parametrize("name", ["UserNotFoundException", "AccessDeniedException"])
def test_other_errors_are_not_retried(tasks: Any, fake: FakeCognito, name: str) -> None:
    """A task is retried in vain, or its result is not the code."""
    fake.fail(name)
    assert tasks.sign_out.apply(args=["alice"]).get() == errors.BY_AWS_CODE[name].code
    assert len(fake.requests) == 1


def test_a_batch_says_where_the_failed_users_are(tasks: Any, fake: FakeCognito) -> None:
    """The wrong users are sent again."""
    result = tasks.sign_out_batch.apply(args=[["mallory", "alice", "trudy"]])
    assert sorted(result.get()) == [(0, "USER_NOT_FOUND"), (2, "USER_NOT_FOUND")]
    fake.assert_signed_out(user_pool_id=POOL, username="alice", times=1)


def test_an_error_that_affects_every_user_ends_a_batch(tasks: Any, fake: FakeCognito) -> None:
    """The caller does not learn of a missing permission."""
    fake.fail("AccessDeniedException")
    with pytest.raises(errors.AccessDeniedError):
        tasks.sign_out_batch.apply(args=[["alice"]]).get()


def test_the_visibility_timeout_is_long_enough(tasks: Any) -> None:
    """Batches or retries are always delivered twice, or the page's numbers are wrong."""
    text = Page(NAME).text
    options = tasks.app.conf.broker_transport_options
    batch = 500 / (tasks.RATE / tasks.AT_ONCE)
    last_countdown = 2 ** (tasks.sign_out.max_retries - 1)
    assert options["visibility_timeout"] > 2 * (batch + last_countdown)
    assert "BATCH = 500\n" in text
    assert f"here {batch:.0f} seconds" in text
    assert f"here {last_countdown} seconds" in text


every_class = pytest.mark.parametrize("cls", [getattr(errors, name) for name in errors.__all__])
FIELDS: Mapping[str, Any] = {
    "user_pool_id": POOL,
    "username": "alice",
    "attempts": 3,
    "request_id": "request",
    "service_message": "No, alice.",
}


def stored(error: SignOutError, serializer: str) -> tuple[str, SignOutError]:
    """What a result backend of Celery stores for an error, and what it makes of that."""
    from celery import Celery

    app = Celery(set_as_current=False, backend="cache+memory://")
    app.conf.update(result_serializer=serializer, accept_content=[serializer])
    backend = app.backend
    text = backend.encode(backend.prepare_exception(error))
    restored = backend.exception_to_python(backend.decode(text))
    assert isinstance(restored, SignOutError)
    return str(text), restored


@every_class
def test_json_keeps_class_code_and_message_of_an_error(cls: type[SignOutError]) -> None:
    """A caller of ``get()`` can't tell the errors apart, or a result contains a username."""
    text, restored = stored(cls("No such user: alice.", **FIELDS), "json")
    assert type(restored) is cls
    assert (restored.code, restored.message) == (cls.code, "No such user: ***.")
    assert str(restored) == f"No such user: ***. [{cls.code}]"
    assert (restored.username, restored.request_id, restored.attempts) == ("", None, 0)
    assert "alice" not in text


@every_class
def test_pickle_keeps_everything_of_an_error(cls: type[SignOutError]) -> None:
    """The page promises attributes that are lost."""
    error = cls("No.", **FIELDS)
    _, restored = stored(error, "pickle")
    assert type(restored) is cls
    assert (vars(restored), restored.args) == (vars(error), error.args)


# With workers


class Users(FakeCognito):
    """The users, who are signed in."""

    def __init__(self) -> None:
        super().__init__()
        self.add_users(user_pool_id=POOL, usernames=USERS)
        self.tokens: list[Tokens] = [self.sign_in(user_pool_id=POOL, username=name) for name in USERS]
        assert all(tokens.refreshable for tokens in self.tokens)

    @property
    def signed_out(self) -> int:
        """How many sign-outs there were."""
        return sum(request.code is None for request in self.requests)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A Redis server without persistence."""
    server = Server(tmp_path_factory.mktemp("redis"), "--save", "")
    yield server
    server.kill()


class Fleet:
    """Workers, their Redis, and the processes that send tasks.

    Args:
        page: The page, whose files and commands are used.
        directory: Where its files are.
        environment: The environment of the processes.
    """

    def __init__(self, page: Page, directory: Path, environment: Mapping[str, str]) -> None:
        page.take_files(directory)
        self.directory = directory
        self.log = directory / "worker.log"
        self._environment = {**os.environ, **environment}
        self._worker, self._send = map(shlex.split, page.take("sh"))
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in self._processes:
            self.kill(process)

    def start_worker(self) -> subprocess.Popen[str]:
        """Starts a worker by the page's command."""
        program, *arguments = self._worker
        assert program == "celery"
        with self.log.open("a") as log:
            return self._start([sys.executable, "-m", "celery", *arguments, "--loglevel", "info"], stderr=log)

    def send_batches(self, usernames: list[str]) -> subprocess.Popen[str]:
        """Runs the page's command that sends all users."""
        program, script, less, source, *_ = self._send
        assert (program, less) == ("python", "<")
        file = self.directory / source
        file.write_text("\n".join(usernames) + "\n", encoding="utf-8")
        with file.open() as lines:
            return self._start([sys.executable, script], stdin=lines)

    def send_users(self, usernames: list[str]) -> subprocess.Popen[str]:
        """Sends a task for each user. Returns when they are in Redis."""
        sender = self._start([sys.executable, "-c", SEND, *usernames])
        assert sender.stdout is not None
        assert sender.stdout.readline() == "sent\n"
        return sender

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kills a process with all its children, as a machine does that loses its power."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _start(self, command: list[str], **streams: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            env=self._environment,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **streams,
        )
        self._processes.append(process)
        return process


@pytest.fixture
def users() -> Users:
    """The users."""
    return Users()


@pytest.fixture
def fleet(page: Page, users: Users, redis_server: Server, tmp_path: Path) -> Generator[Fleet]:
    """A fleet without workers, and an empty Redis."""
    import redis

    url = f"redis://127.0.0.1:{redis_server.port}"
    with redis.Redis(port=redis_server.port) as client:
        client.flushall()
    with FakeCognitoServer(users, latency=LATENCY) as server:
        environment = {"CELERY_BROKER_URL": f"{url}/0", "CELERY_RESULT_BACKEND": f"{url}/1", **server.environment}
        with Fleet(page, tmp_path, environment) as fleet:
            yield fleet


def wait_until_half_done(users: Users) -> None:
    """Waits until half of the users are signed out."""
    deadline = time.monotonic() + PATIENCE
    while users.signed_out < len(USERS) // 2:
        assert time.monotonic() < deadline, f"{users.signed_out} users are signed out"
        time.sleep(0.01)


def assert_all_signed_out(users: Users, fleet: Fleet, redis_server: Server) -> None:
    """Nobody is signed in, nothing is left in the queue, and no username is in the results or in the log."""
    import redis

    for name in USERS:
        users.assert_signed_out(user_pool_id=POOL, username=name)
    assert not any(tokens.refreshable for tokens in users.tokens)
    with redis.Redis(port=redis_server.port, db=1) as results:
        stored = [results.get(key) for key in results.scan_iter("celery-task-meta-*")]
    assert stored
    assert "@example.com" not in str(stored)
    assert "@example.com" not in fleet.log.read_text(encoding="utf-8")


@needs_redis
@pytest.mark.slow
@runs(NAME)
def test_a_lost_worker_loses_nobody(page: Page, fleet: Fleet, users: Users, redis_server: Server) -> None:
    """Users whose task was running when a machine went down stay signed in."""
    import redis

    assert page.name == NAME
    module = fleet.directory / "tasks.py"
    text = module.read_text(encoding="utf-8")
    patient = '"visibility_timeout": 600,'
    assert patient in text
    # The last one: the worker may be killed while it has the lock for such tasks, which is kept for 5 minutes.
    impatient = '"visibility_timeout": 2, "unacked_restore_interval": 1, "unacked_mutex_expire": 2,'
    text = text.replace(patient, impatient)
    module.write_text(text, encoding="utf-8")

    sender = fleet.send_users(USERS)
    lost = fleet.start_worker()
    wait_until_half_done(users)
    fleet.kill(lost)
    with redis.Redis(port=redis_server.port) as broker:
        assert broker.hlen("unacked") > 0  # the tasks that were running
    fleet.start_worker()
    printed, _ = sender.communicate(timeout=PATIENCE)

    assert sender.returncode == 0
    codes = dict(zip(USERS, json.loads(printed), strict=True))
    missing = [name for name, code in codes.items() if code == "NO_RESULT"]
    assert len(missing) <= 1  # Kombu loses a task that a worker is just receiving when it is killed
    assert all(code is None for name, code in codes.items() if name not in missing)
    if missing:
        fleet.send_users(missing).communicate(timeout=PATIENCE)
    assert_all_signed_out(users, fleet, redis_server)


@needs_redis
@pytest.mark.slow
@runs(NAME)
def test_a_task_without_a_result_is_reported(page: Page, fleet: Fleet) -> None:
    """The program waits for ever for a task that was lost, or its users are reported as signed out."""
    assert page.name == NAME
    module = fleet.directory / "send.py"
    text = module.read_text(encoding="utf-8")
    assert "PATIENCE = 1800" in text
    module.write_text(text.replace("PATIENCE = 1800", "PATIENCE = 1"), encoding="utf-8")

    sender = fleet.send_batches(USERS[:2])  # to no worker
    printed, _ = sender.communicate(timeout=PATIENCE)

    assert sender.returncode == 0
    assert printed == "".join(f"{name}\tNO_RESULT\n" for name in USERS[:2])


@needs_redis
@pytest.mark.slow
@runs(NAME)
def test_a_lost_process_of_the_pool_loses_nobody(page: Page, fleet: Fleet, users: Users, redis_server: Server) -> None:
    """The rest of a batch is lost when the kernel kills a process that needs too much memory."""
    import psutil

    assert page.name == NAME
    worker = fleet.start_worker()
    sender = fleet.send_batches(["mallory@example.com", *USERS])
    wait_until_half_done(users)
    for process in psutil.Process(worker.pid).children():
        process.kill()
    printed, _ = sender.communicate(timeout=PATIENCE)

    assert sender.returncode == 0
    assert printed == "mallory@example.com\tUSER_NOT_FOUND\n"
    assert users.signed_out > len(USERS)  # the batch was started again
    assert_all_signed_out(users, fleet, redis_server)
