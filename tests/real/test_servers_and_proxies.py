"""Both clients through the distribution's nginx, squid and tinyproxy, to the fake's server and to moto's."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from botocore.config import Config
from botocore.credentials import Credentials

from cognito_signout import (
    AsyncSignOutClient,
    InternalServiceError,
    InvalidResponseError,
    SignOutClient,
    SignOutConnectionError,
    SignOutError,
    SignOutResult,
    UserNotFoundError,
)
from cognito_signout.testing import FakeCognito, FakeCognitoServer

from ..faults.scene import check_error
from .programs import PASSWORD, USER, free_port, nginx, squid, tinyproxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    Outcome: TypeAlias = SignOutResult | SignOutError
    #: Signs users out one after the other, with a pause between them. Returns the outcomes.
    SignOut: TypeAlias = Callable[..., list[Outcome]]

pytestmark = pytest.mark.slow

POOL = "us-east-1_Test00001"
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "secret-key-of-the-fake"


def blocking(usernames: list[str], pause: float = 0.0, pool: str = POOL, **arguments: Any) -> list[Outcome]:
    """Signs users out with the blocking client."""
    outcomes: list[Outcome] = []
    with SignOutClient(**arguments) as client:
        for number, username in enumerate(usernames):
            threading.Event().wait(pause * bool(number))
            try:
                outcomes.append(client.sign_out(user_pool_id=pool, username=username, timeout=20))
            except SignOutError as error:
                outcomes.append(error)
    return outcomes


def asynchronous(usernames: list[str], pause: float = 0.0, pool: str = POOL, **arguments: Any) -> list[Outcome]:
    """Signs users out with the async client."""

    async def main() -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with AsyncSignOutClient(**arguments) as client:
            for number, username in enumerate(usernames):
                await asyncio.sleep(pause * bool(number))
                try:
                    outcomes.append(await client.sign_out(user_pool_id=pool, username=username, timeout=20))
                except SignOutError as error:
                    outcomes.append(error)
        return outcomes

    return asyncio.run(main())


@pytest.fixture(params=[blocking, asynchronous], ids=["blocking", "async"])
def sign_out(request: pytest.FixtureRequest) -> SignOut:
    """Signs users out: the test runs with each client."""
    result: SignOut = request.param
    return result


def arguments(url: str, bundle: str | None = None, **config: Any) -> dict[str, Any]:
    """The arguments of a client of the fake."""
    return {
        "endpoint_url": url,
        "credentials": Credentials(ACCESS_KEY, SECRET_KEY),
        "verify": bundle,
        "config": Config(retries={"total_max_attempts": 2}, **config),
    }


@pytest.fixture(scope="module")
def fake() -> FakeCognito:
    """A fake with a few users."""
    fake = FakeCognito(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    for number in range(300):
        fake.add_user(user_pool_id=POOL, username=f"user-{number}")
    return fake


@pytest.fixture(scope="module")
def fake_port(fake: FakeCognito) -> Iterator[int]:
    """The port of the fake's server, which speaks plain HTTP."""
    with FakeCognitoServer(fake) as server:
        yield int(server.endpoint_url.rpartition(":")[2])


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The paths of the server's certificate with its key, and of the authority's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "server.pem", str(folder / "authority.pem")


@pytest.fixture(scope="module")
def front(tls: tuple[Path, str], fake_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The URL of nginx, without a path, and its process."""
    port, closed, silent = free_port(), free_port(), free_port()
    locations = f"""
        proxy_set_header Host $http_host;
        location / {{ proxy_pass http://127.0.0.1:{fake_port}; }}
        location /bad-gateway {{ proxy_pass http://127.0.0.1:{closed}; }}
        location /gateway-timeout {{ proxy_read_timeout 200ms; proxy_pass http://127.0.0.1:{silent}; }}
        location /unavailable {{ return 503; }}
        location /no-content {{ return 204; }}
        location /nothing {{ return 200 ''; }}
        location /text {{ return 200 'hello'; }}
        location /elsewhere {{ return 302 https://localhost/; }}
    """
    with _silent_server(silent), nginx(tmp_path_factory.mktemp("nginx"), port, tls[0], locations) as process:
        yield f"https://localhost:{port}", process


def _silent_server(port: int) -> Any:
    import socket

    return socket.create_server(("127.0.0.1", port))  # it never accepts a connection


@pytest.fixture(scope="module")
def squid_port() -> Iterator[int]:
    """The port of squid."""
    port = free_port()
    with squid(port):
        yield port


def test_a_sign_out_through_nginx_succeeds_without_compression(
    sign_out: SignOut, front: tuple[str, Any], tls: tuple[Path, str], fake: FakeCognito
) -> None:
    """A load balancer with TLS, gzip or HTTP/1.0 breaks every call."""
    good, bad = sign_out(["user-1", "nobody"], **arguments(front[0], tls[1]))
    assert isinstance(good, SignOutResult), good
    assert type(bad) is UserNotFoundError
    assert (good.attempts, bad.attempts) == (1, 1)
    fake.assert_signed_out(user_pool_id=POOL, username="user-1")


def test_a_connection_that_nginx_closes_while_idle_costs_at_most_one_retry(
    sign_out: SignOut, front: tuple[str, Any], tls: tuple[Path, str]
) -> None:
    """Calls fail when the keep-alive time of the server ends."""
    outcomes = sign_out(["user-2"] * 4, pause=1.0, **arguments(front[0], tls[1]))
    assert all(isinstance(outcome, SignOutResult) for outcome in outcomes), outcomes
    assert max(outcome.attempts for outcome in outcomes) <= 2


@pytest.mark.parametrize(("path", "status"), [("/bad-gateway", 502), ("/unavailable", 503), ("/gateway-timeout", 504)])
def test_a_gateway_error_is_an_internal_error_and_is_retried(
    path: str, status: int, sign_out: SignOut, front: tuple[str, Any], tls: tuple[Path, str]
) -> None:
    """A gateway's error page is reported as another error, or not retried."""
    (outcome,) = sign_out(["user-3"], **arguments(front[0] + path, tls[1]))
    assert isinstance(outcome, InternalServiceError), outcome
    assert (outcome.http_status, outcome.attempts, outcome.retryable) == (status, 2, True)


@pytest.mark.parametrize("path", ["/no-content", "/nothing", "/text", "/elsewhere"])
def test_a_2xx_or_a_redirect_of_nginx_is_never_a_sign_out(
    path: str, sign_out: SignOut, front: tuple[str, Any], tls: tuple[Path, str]
) -> None:
    """A response from a server other than Cognito counts as a sign-out."""
    (outcome,) = sign_out(["user-4"], **arguments(front[0] + path, tls[1]))
    assert isinstance(outcome, InvalidResponseError), outcome
    assert outcome.attempts == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_reloads_of_nginx_under_load_lose_no_user(
    is_async: bool, front: tuple[str, Any], tls: tuple[Path, str]
) -> None:
    """A deployment during a run leaves users signed in."""
    usernames = [f"user-{number}" for number in range(300)]
    given = arguments(front[0], tls[1])
    outcomes: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) in (50, 120, 200):
            front[1].send_signal(signal.SIGHUP)

    async def main() -> None:
        async with AsyncSignOutClient(**given) as client:
            async for outcome in client.sign_out_many(user_pool_id=POOL, usernames=usernames):
                add(outcome)

    if is_async:
        asyncio.run(main())
    else:
        with SignOutClient(**given) as client:
            for outcome in client.sign_out_many(user_pool_id=POOL, usernames=usernames):
                add(outcome)
    assert [outcome for outcome in outcomes if not isinstance(outcome, SignOutResult)] == []
    assert {outcome.username for outcome in outcomes} == {*usernames}


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_sign_out_goes_through_squid(
    scheme: str,
    by_environment: bool,
    sign_out: SignOut,
    front: tuple[str, Any],
    fake_port: int,
    squid_port: int,
    tls: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls can't leave a network with a proxy that requires a password."""
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{squid_port}"
    url = front[0] if scheme == "https" else f"http://127.0.0.1:{fake_port}"
    if by_environment:
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
    config = {} if by_environment else {"proxies": {scheme: proxy}}
    outcomes = sign_out(["user-5", "user-6", "nobody"], **arguments(url, tls[1], **config))
    assert [type(outcome) for outcome in outcomes] == [SignOutResult, SignOutResult, UserNotFoundError], outcomes
    assert {outcome.attempts for outcome in outcomes} == {1}


@pytest.mark.parametrize("kind", ["squid", "tinyproxy"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_password_names_the_proxy_and_shows_no_password(
    kind: str,
    scheme: str,
    sign_out: SignOut,
    front: tuple[str, Any],
    fake_port: int,
    tls: tuple[Path, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """An on-call engineer suspects AWS, or the log shows the password."""
    url = front[0] if scheme == "https" else f"http://127.0.0.1:{fake_port}"
    port = free_port() if kind == "tinyproxy" else request.getfixturevalue("squid_port")

    def call() -> Outcome:
        proxies = {scheme: f"http://{USER}:wrong-{PASSWORD}@127.0.0.1:{port}"}
        (outcome,) = sign_out(["user-7"], **arguments(url, tls[1], proxies=proxies))
        return outcome

    if kind == "tinyproxy":
        with tinyproxy(tmp_path, port):
            outcome = call()
    else:
        outcome = call()
    if kind == "tinyproxy" and scheme == "http":  # it answers 401, like a server
        assert isinstance(outcome, SignOutError)
        assert outcome.http_status == 401 or isinstance(outcome, SignOutConnectionError)
    else:
        assert isinstance(outcome, SignOutConnectionError), outcome
        assert f"127.0.0.1:{port}" in str(outcome)
    assert isinstance(outcome, SignOutError)
    check_error(outcome, "")
    assert PASSWORD not in f"{outcome!r} {outcome} {outcome.message}"


def test_no_proxy_bypasses_squid(
    sign_out: SignOut, fake_port: int, squid_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests to a local endpoint are sent to the proxy."""
    monkeypatch.setenv(
        "http_proxy", f"http://127.0.0.1:{squid_port}"
    )  # squid would refuse a request without a password
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (outcome,) = sign_out(["user-8"], **arguments(f"http://127.0.0.1:{fake_port}"))
    assert isinstance(outcome, SignOutResult), outcome


@pytest.mark.parametrize("way", ["nginx", "squid"])
def test_a_sign_out_works_with_motos_server(way: str, sign_out: SignOut, tls: tuple[Path, str], tmp_path: Path) -> None:
    """The clients depend on details of our own fake."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        peer = boto3.client("cognito-idp", "us-east-1", endpoint_url=f"http://{host}:{port}", **keys)
        pool = peer.create_user_pool(PoolName="pool")["UserPool"]["Id"]
        peer.admin_create_user(UserPoolId=pool, Username="alice")
        front = free_port()
        if way == "nginx":
            with nginx(tmp_path, front, tls[0], f"location / {{ proxy_pass http://{host}:{port}; }}"):
                outcomes = sign_out(["alice", "bob"], pool=pool, **arguments(f"https://localhost:{front}", tls[1]))
        else:
            with squid(front):
                proxies = {"http": f"http://{USER}:{PASSWORD}@127.0.0.1:{front}"}
                outcomes = sign_out(["alice", "bob"], pool=pool, **arguments(f"http://{host}:{port}", proxies=proxies))
        assert [type(outcome) for outcome in outcomes] == [SignOutResult, UserNotFoundError], outcomes
    finally:
        server.stop()
