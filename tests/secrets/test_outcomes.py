"""For any outcome of a call, no text that is shown contains the username or a secret."""

from __future__ import annotations

import builtins
import json
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import botocore.session
import pytest
from attrs import field, frozen
from botocore.config import Config

from cognito_signout import SignOutConnectionError, SignOutError, SignOutResult, errors
from cognito_signout._config.options import Options
from cognito_signout._config.settings import Resolver
from cognito_signout.testing import FakeCognito, FakeCognitoServer
from cognito_signout.transports import HttpRequest, HttpResponse
from tests.transports.scripted import Peer, ScriptedServer, answers, resets

from .watch import (
    ACCESS_KEY,
    BASIC,
    PASSWORD,
    POOL,
    SECRET_KEY,
    SECRETS,
    SIGNATURE,
    SPELLINGS,
    TOKEN,
    USERNAME,
    WAYS,
    Watch,
    Way,
    caused,
    found,
    local_variables,
    shown_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

every_way = pytest.mark.parametrize("way", WAYS, ids=repr)
ONCE = Config(retries={"total_max_attempts": 1})
#: AWS's message about a wrong signature, which quotes the request that should have been signed.
CANONICAL = (
    "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this "
    f"request should have been\n'POST\n/\n\nhost:cognito-idp.us-east-1.amazonaws.com\nthe token:{TOKEN}\n\n' "
    f"instead of {'0' * 9}{'abcdef1' * 7}f3f3f3"
)


@pytest.fixture(autouse=True)
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the tests look for in all output."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@frozen
class Keys:
    """Credentials as plain values."""

    access_key: Any = ACCESS_KEY
    secret_key: Any = field(default=SECRET_KEY, repr=False)
    token: Any = field(default=TOKEN, repr=False)


def assert_reveals_nothing(way: Way, **arguments: Any) -> SignOutError | SignOutResult:
    """Makes a call, and looks for secrets in everything that is shown."""
    with Watch():
        outcome = way.call(**arguments)
    assert not found(shown_of(outcome))
    assert outcome.username in (arguments.get("username", USERNAME), "")
    return outcome


def assert_local_variables_hold_no_secret(outcome: SignOutError | SignOutResult) -> None:
    """Looks for secrets, but not for the username, in the local variables of a traceback."""
    assert isinstance(outcome, SignOutError)
    shown = "\n".join(local_variables(outcome)).lower()
    assert shown
    assert not [secret for secret in SECRETS if secret in shown and secret not in USERNAME.lower()]
    assert not re.findall(SIGNATURE, shown)


# Responses of the service, or of another server in its place


def answer(status: int, body: Any, **headers: str) -> bytes:
    """A response."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*(line.replace("_", "-") for line in lines), "", ""]).encode("latin-1") + raw


ECHOES = [f"the user {spelling} of {POOL}" for spelling in SPELLINGS]
ECHOES += [CANONICAL, CANONICAL.replace(TOKEN, "\n".join(textwrap.wrap(TOKEN, 76))), json.dumps(CANONICAL)]
ECHOES += [CANONICAL.replace("/", "_").replace("+", "-"), f"signed by {SECRET_KEY}", f"signed by /{SECRET_KEY}"]
#: One error code for each class. For throttling, Cognito's own code.
CODES = {cls: code for code, cls in errors.BY_AWS_CODE.items()} | {
    errors.TooManyRequestsError: "TooManyRequestsException"
}
ANSWERS = [
    *(answer(400, {"__type": code, "message": ECHOES[n % len(ECHOES)]}) for n, code in enumerate(CODES.values())),
    *(answer(400, {"__type": "InvalidSignatureException", "message": echo}) for echo in ECHOES),
    *(answer(500, {"__type": echo, "message": echo, "reasonCode": echo}) for echo in ECHOES),
    *(answer(400, "{}", x_amzn_ErrorType=USERNAME, x_amzn_RequestId=echo) for echo in SPELLINGS),
    *(answer(200, {"success": False, "error": {"code": echo, "message": echo}}) for echo in ECHOES),
    *(answer(200, {"success": True, "data": {"id": echo}}) for echo in ECHOES),
    *(answer(200, f"<html>{echo}", Content_Type=f"text/{echo[:40]}") for echo in SPELLINGS),
    *(answer(status, USERNAME, Location=f"http://{USERNAME}:{PASSWORD}@host/") for status in (301, 302, 303, 307, 308)),
    f"{USERNAME}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\n{USERNAME}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nContent-Length: {USERNAME}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {USERNAME}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{USERNAME}\r\n".encode(),
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + USERNAME.encode(),
    b"",
]


class Answering:
    """Answers each connection with the bytes in ``data``."""

    data = b""

    def __call__(self, peer: Peer) -> None:
        """Runs the script."""
        peer.read_request()
        peer.sock.sendall(self.data)


@every_way
def test_no_response_reveals_the_username_or_secrets(way: Way) -> None:
    """Logs show the usernames and secrets that a response quotes."""
    script = Answering()
    session = botocore.session.Session()
    outcomes = set()
    with ScriptedServer([script]) as server:
        for data in ANSWERS:
            script.data = data
            if way.is_many and b"TooManyRequests" in data:
                continue  # sign_out_many retries throttled users without a limit
            outcome = assert_reveals_nothing(way, session=session, endpoint_url=server.url, config=ONCE)
            outcomes.add(type(outcome))
    kinds = {SignOutResult, SignOutConnectionError, errors.InvalidResponseError, errors.UnknownServiceError}
    kinds |= set(CODES)
    assert outcomes == (kinds - {errors.TooManyRequestsError} if way.is_many else kinds)


@every_way
def test_a_message_that_quotes_the_request_is_verbatim_in_one_attribute(way: Way) -> None:
    """The session token is shown, or the service's words are lost."""
    text = f"{USERNAME} {CANONICAL}"
    body = json.dumps({"__type": "InvalidSignatureException", "message": text}).encode()
    error = way.call(transport=lambda _: HttpResponse(400, {}, body))
    assert isinstance(error, SignOutError)
    assert error.service_message == text
    assert error.message.startswith("*** The request signature we")
    assert "the token:***\n" in error.message
    assert error.args == (error.message,)
    assert not found(f"{error.message} {error.args} {error.to_envelope()}")


@pytest.mark.parametrize(
    "text",
    [
        "/home/alice/.aws/models/endpoints/of/our/own/that/is/long/enough",
        "/Users/Alice/Library/Application/Certificates/Of/Our/Own",
        "3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "arn:aws:iam::123456789012:role/service-role/SignsUsersOutOfEveryDevice1",
        "/Users/jdoe/Projects/Service2/certs/internal/bundle.pem",
        "http://localhost:8080/aws/credentials/Payments2/production/readonly",
    ],
)
def test_paths_hashes_and_ids_are_not_masked(text: str) -> None:
    """Errors lose the paths, hashes and ids that are needed to understand them."""
    assert text in str(errors.ConfigurationError(f"look at {text}, please"))


# Errors while sending


def raising(make: Callable[[str], Exception]) -> Callable[[HttpRequest], HttpResponse]:
    """A transport's ``send`` that quotes the whole request."""

    def send(request: HttpRequest) -> HttpResponse:
        assert not found(f"{request!r} {request} {request.headers!r}")
        raise make(f"{json.loads(request.body)} {dict(request.headers)}")

    return send


def implied(error: Exception, context: Exception) -> Exception:
    """The error, as if it had been raised while the other one was handled."""
    error.__context__ = context
    return error


class UnprintableError(Exception):
    """An exception that can't be converted to text."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


TRANSPORTS: dict[str, Callable[[str], Exception]] = {
    "OSError": OSError,
    "ConnectionResetError": lambda text: ConnectionResetError(104, text),
    "TimeoutError": TimeoutError,
    "ours": SignOutConnectionError,
    "ours, with a cause": lambda text: caused(SignOutConnectionError("no"), KeyError(text)),
    "with a cause": lambda text: caused(OSError("no"), KeyError(text)),
    "ours, with a context": lambda text: implied(SignOutConnectionError("no"), KeyError(text)),
    "with a context": lambda text: implied(OSError("no"), KeyError(text)),
    "with an unprintable cause": lambda text: caused(OSError(text), UnprintableError()),
    "with an unprintable harmless cause": lambda _: caused(OSError("no"), UnprintableError()),
    "about another user": lambda text: SignOutConnectionError(text, username="bob"),
}


@every_way
@pytest.mark.parametrize("kind", TRANSPORTS)
def test_no_transport_error_reveals_the_request(way: Way, kind: str) -> None:
    """An error of a custom transport or a mock shows the request."""
    outcome = assert_reveals_nothing(way, transport=raising(TRANSPORTS[kind]), config=ONCE)
    assert isinstance(outcome, (errors.SignOutConnectionError, errors.SignOutTimeoutError))


@every_way
def test_a_harmless_cause_is_kept(way: Way) -> None:
    """The cause of an error is dropped although it holds no secret."""

    def send(_: HttpRequest) -> HttpResponse:
        raise ConnectionResetError(104, "Connection reset by peer")

    outcome = assert_reveals_nothing(way, transport=send, config=ONCE)
    assert isinstance(outcome, SignOutConnectionError)
    assert isinstance(outcome.__cause__, ConnectionResetError)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has neither notes nor groups of exceptions")
@every_way
@pytest.mark.parametrize("kind", ["note", "group"])
def test_notes_and_exception_groups_are_checked_for_secrets(way: Way, kind: str) -> None:
    """A traceback shows secrets in notes or in exception groups."""

    def make(text: str) -> Exception:
        error = OSError("no")
        if kind == "note":
            vars(error)["__notes__"] = [text]  # like add_note(), which Python 3.10 does not have
        else:
            group = vars(builtins)["ExceptionGroup"]
            error.__cause__ = group("several", [ValueError("one"), ValueError(text)])
        return error

    assert_reveals_nothing(way, transport=raising(make), config=ONCE)


@every_way
def test_no_error_of_a_botocore_event_handler_reveals_the_request(way: Way) -> None:
    """An event handler's error shows the request that it quotes."""

    def handle(request: Any, **_: Any) -> None:
        assert not found(request.url)
        raise botocore.exceptions.HTTPClientError(error=f"{request.body!r} {request.headers}")

    session = botocore.session.Session()
    session.get_component("event_emitter").register("before-send.cognito-identity-provider", handle)
    outcome = assert_reveals_nothing(way, session=session, config=ONCE)
    assert_local_variables_hold_no_secret(outcome)


@every_way
def test_no_local_variable_shows_the_request_that_a_botocore_event_handler_got(way: Way) -> None:
    """An error tracker gets the request if a handler raises a harmless error."""

    def handle(**_: Any) -> None:
        raise botocore.exceptions.HTTPClientError(error="no")

    session = botocore.session.Session()
    session.get_component("event_emitter").register("before-send.cognito-identity-provider", handle)
    outcome = assert_reveals_nothing(way, session=session, config=ONCE)
    assert isinstance(outcome, SignOutError)
    assert isinstance(outcome.__cause__, botocore.exceptions.HTTPClientError)
    assert_local_variables_hold_no_secret(outcome)


@every_way
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/"])
def test_a_refused_connection_reveals_nothing(way: Way, url: str) -> None:
    """The most common network error shows the username or a secret."""
    assert_reveals_nothing(way, endpoint_url=url, config=ONCE)


@every_way
def test_a_reset_connection_reveals_nothing(way: Way) -> None:
    """An error in the middle of a request shows its bytes."""
    with ScriptedServer([resets()]) as server:
        assert_reveals_nothing(way, endpoint_url=server.url, config=ONCE)


# Proxies with a password in their URL


@every_way
@pytest.mark.parametrize(
    "url",
    [
        f"http://{USERNAME.partition('@')[0]}:{PASSWORD}@127.0.0.1:1",
        f"http://user:{PASSWORD}@127.0.0.1:port",
        f"socks5://user:{PASSWORD}@127.0.0.1:1080",
        f"http://user:a/{PASSWORD}@127.0.0.1:1080",
        f"http://user:{PASSWORD}\udcff@127.0.0.1:1",
        f"http://user:{PASSWORD}@[::1",
    ],
)
@pytest.mark.parametrize("by_environment", [True, False])
def test_the_password_of_a_proxy_is_not_shown(
    way: Way, url: str, by_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is down or mistyped puts its password into every log."""
    if by_environment:
        monkeypatch.setenv("HTTP_PROXY", url)
    proxies = None if by_environment else {"http": url}
    config = Config(retries={"total_max_attempts": 1}, proxies=proxies)
    assert_reveals_nothing(way, endpoint_url="http://service.example", config=config)
    settings = Resolver(Options(endpoint_url=f"http://user:{PASSWORD}@host/", config=config)).settings(POOL)
    assert not found(f"{settings!r} {Options(endpoint_url=f'http://user:{PASSWORD}@host/', config=config)!r}")


@every_way
def test_a_proxy_response_that_quotes_the_request_reveals_nothing(way: Way) -> None:
    """An error shows what a proxy quotes in its 407 response."""
    reply = answer(407, f"{USERNAME} {PASSWORD} {BASIC}", Proxy_Authenticate=PASSWORD)
    with ScriptedServer([answers(reply)]) as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        for endpoint in ("http://service.example", "https://service.example"):
            config = Config(retries={"total_max_attempts": 1}, proxies={"http": url, "https": url})
            assert_reveals_nothing(way, endpoint_url=endpoint, config=config)
    assert len(proxy.requests) == 2


@every_way
def test_a_server_that_quotes_passwords_reveals_nothing(way: Way) -> None:
    """An error shows the password of a proxy or of the endpoint, or its base64."""
    reply = HttpResponse(400, {}, json.dumps({"__type": "X", "message": f"{PASSWORD} and Basic {BASIC}=="}).encode())
    url = f"http://user:{PASSWORD}@service.example"
    for arguments in ({"endpoint_url": url}, {"config": Config(proxies={"https": url})}):
        outcome = assert_reveals_nothing(way, transport=lambda _: reply, **arguments)
        assert isinstance(outcome, SignOutError)
        assert outcome.message == "*** and Basic ***=="


# Local variables, which error trackers send with a traceback


URL = f"http://user:{PASSWORD}@127.0.0.1:1"
FAULTS: dict[str, dict[str, Any]] = {
    "refused by the service": {"reply": answer(400, {"__type": "InvalidSignatureException", "message": CANONICAL})},
    "cut off": {"reply": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
    "not HTTP": {"reply": b"\0\0\0\r\n\r\n"},
    "no connection": {"endpoint_url": "http://127.0.0.1:1"},
    "no connection to a proxy": {"endpoint_url": "http://host", "proxies": {"http": URL}},
    "no tunnel": {"endpoint_url": "https://host", "proxies": {"https": URL}},
    "a malformed proxy": {"endpoint_url": "http://host", "proxies": {"http": f"socks5://user:{PASSWORD}@host"}},
    "a malformed endpoint": {"environment": {"AWS_ENDPOINT_URL": f"http://user:{PASSWORD}@host:port"}},
    "a malformed setting": {"endpoint_url": URL, "environment": {"AWS_RETRY_MODE": "many"}},
    "a malformed key": {"credentials": Keys(token=f"{TOKEN} ")},
}


@every_way
@pytest.mark.parametrize("kind", FAULTS)
def test_no_local_variable_of_a_traceback_holds_a_secret(way: Way, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error tracker gets keys, tokens, signatures or passwords."""
    arguments = dict(FAULTS[kind])
    reply = arguments.pop("reply", b"")
    for name, value in arguments.pop("environment", {}).items():
        monkeypatch.setenv(name, value)
    config = Config(retries={"total_max_attempts": 1}, proxies=arguments.pop("proxies", None))
    with ScriptedServer([answers(reply)]) as server:
        if reply:
            arguments["endpoint_url"] = server.url
        outcome = way.call(config=config, **arguments)
    assert_local_variables_hold_no_secret(outcome)


def test_the_keys_of_the_refused_request_are_masked_after_a_refresh() -> None:
    """An error shows the token of keys that have been replaced."""

    class Rotating:
        """A source that has other keys at each request."""

        calls = 0

        def get_frozen_credentials(self) -> Keys:
            """The next keys."""
            self.calls += 1
            return Keys() if self.calls == 1 else Keys(token="another" * 30)

    source = Rotating()
    body = json.dumps({"__type": "ExpiredTokenException", "message": CANONICAL}).encode()
    outcome = WAYS[0].call(credentials=source, transport=lambda _: HttpResponse(400, {}, body))
    assert isinstance(outcome, errors.AuthenticationError)
    assert source.calls > 1
    assert not found(shown_of(outcome))


# Credentials


class Failing:
    """A source of credentials that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_frozen_credentials(self) -> None:
        """Raises the error."""
        raise self._error


SOURCES: dict[str, Any] = {
    "quotes the key": Failing(RuntimeError(f"not good: {ACCESS_KEY} {SECRET_KEY}")),
    "quotes the token": Failing(ValueError(f"token={TOKEN!r}")),
    "quotes everything": Failing(LookupError({"SecretAccessKey": SECRET_KEY, "Token": TOKEN})),
    "has a cause": Failing(caused(OSError("no"), KeyError(f"{SECRET_KEY} {TOKEN}"))),
    "has a context": Failing(implied(OSError("no"), KeyError(SECRET_KEY))),
    "token with a line break": Keys(token=f"{TOKEN}\r\n"),
    "key as bytes": Keys(secret_key=SECRET_KEY.encode()),
    "token as bytes": Keys(token=TOKEN.encode()),
    "key beyond Unicode": Keys(secret_key=SECRET_KEY + "\ud800"),
    "access key with a line break": Keys(access_key=f"{ACCESS_KEY}\nX-Amz-Security-Token: {TOKEN}"),
}


@every_way
@pytest.mark.parametrize("kind", SOURCES)
def test_no_failing_credential_source_reveals_credentials(way: Way, kind: str) -> None:
    """The error of a credential plugin puts keys into the log."""
    outcome = assert_reveals_nothing(way, credentials=SOURCES[kind], transport=lambda _: HttpResponse(200, {}, b"{}"))
    assert isinstance(outcome, errors.CredentialsError)


@every_way
def test_the_stderr_of_a_credential_process_is_not_shown(way: Way, tmp_path: Path) -> None:
    """Keys that a credential process prints to stderr end up in the log."""
    script = tmp_path / "process"
    script.write_text(f"#!/bin/sh\necho '{SECRET_KEY} {TOKEN}' >&2\nexit 1\n", encoding="ascii")
    script.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[profile own]\ncredential_process = {script}\n", encoding="ascii")
    session = botocore.session.Session(profile="own")
    session.set_config_variable("config_file", str(config))
    with Watch() as watch:
        outcome = way.call(session=session)
        assert any(str(script) in act for act in watch.acts)  # botocore starts it, and its arguments are expected
        watch.acts.clear()
    assert isinstance(outcome, errors.CredentialsError)
    assert not found(shown_of(outcome))


@every_way
@pytest.mark.parametrize(
    "content",
    [
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key {SECRET_KEY}\n",
        f"aws_secret_access_key = {SECRET_KEY}\n",
        f"[default]\npassword {PASSWORD}\n",
        f"[default]\naws_secret_access_key = {SECRET_KEY}\naws_secret_access_key = {SECRET_KEY}\n",
    ],
)
def test_a_malformed_credentials_file_is_not_quoted(
    way: Way, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error quotes the line that can't be parsed, with the secret in it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    path = tmp_path / "credentials"
    path.write_text(content, encoding="ascii")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    outcome = assert_reveals_nothing(way)
    assert isinstance(outcome, (errors.CredentialsError, errors.ConfigurationError))
    assert str(path) in str(outcome)


# Configuration with a secret in the wrong place


@every_way
@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({"AWS_DEFAULT_REGION": SECRET_KEY}, {"user_pool_id": "nowhere_A"}),
        ({"AWS_MAX_ATTEMPTS": SECRET_KEY}, {}),
        ({"AWS_RETRY_MODE": SECRET_KEY}, {}),
        ({"AWS_DEFAULTS_MODE": SECRET_KEY}, {}),
        ({"AWS_PROFILE": SECRET_KEY}, {}),
        ({"AWS_CA_BUNDLE": f"/nowhere/{SECRET_KEY}"}, {"endpoint_url": "http://127.0.0.1:1"}),
        ({"AWS_ENDPOINT_URL": f"http://user:{PASSWORD}@host:port"}, {}),
        ({}, {"region_name": SECRET_KEY}),
        ({}, {"region_name": TOKEN}),
        ({}, {"profile_name": SECRET_KEY}),
        ({}, {"endpoint_url": f"ftp://user:{PASSWORD}@host"}),
        ({}, {"endpoint_url": f"http://user:{PASSWORD}@ho st"}),
        ({}, {"endpoint_url": f"http://host/?{PASSWORD}"}),
        ({}, {"endpoint_url": f"https://user:{PASSWORD}@127.0.0.1:1/"}),
        ({}, {"user_pool_id": USERNAME}),
        ({}, {"username": f"{USERNAME} and more"}),
        ({}, {"username": USERNAME * 9}),
        ({}, {"username": USERNAME.encode()}),
    ],
    ids=str,
)
def test_no_configuration_error_reveals_a_secret(
    way: Way, environment: dict[str, str], arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was entered as the region ends up in the log."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    outcome = assert_reveals_nothing(way, **arguments)
    assert isinstance(outcome, SignOutError)


# Successful calls


@every_way
def test_a_successful_call_reveals_nothing(way: Way) -> None:
    """Ordinary logs, files, processes or URLs show usernames or secrets."""
    with ScriptedServer([answers(answer(200, "{}"))]) as server:
        outcome = assert_reveals_nothing(way, endpoint_url=server.url)
    assert isinstance(outcome, SignOutResult)
    (request,) = server.requests
    head = request.partition(b"\r\n\r\n")[0].decode()
    assert not found(head.partition("\r\n")[0])
    agent = next(line for line in head.split("\r\n") if line.startswith("User-Agent:"))
    assert not found(agent)
    assert USERNAME.encode() not in request  # it is only in the body, escaped as ASCII
    assert SECRET_KEY not in head


@every_way
def test_the_fake_reveals_nothing(way: Way) -> None:
    """Test reports show tokens that look like real ones."""
    fake = FakeCognito(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    fake.add_user(user_pool_id=POOL, username=USERNAME)
    tokens = fake.sign_in(user_pool_id=POOL, username=USERNAME, hosted_ui=True)
    with FakeCognitoServer(fake) as server, Watch():
        outcome = way.call(endpoint_url=server.endpoint_url, credentials=Keys(token=None))
    assert isinstance(outcome, SignOutResult)
    assert not found(shown_of(outcome))
    for thing in (fake, server, fake.requests, fake.requests[0].request, tokens, tokens.hosted_ui_cookie):
        assert not found(f"{thing!r} {thing}")
        assert tokens.access_token[20:60] not in repr(thing)
        assert tokens.refresh_token not in repr(thing)
