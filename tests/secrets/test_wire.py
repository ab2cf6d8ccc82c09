"""Checks the bytes that are sent: no argument, setting or environment variable can inject anything, and requests go
only to the intended server.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from attrs import field, frozen
from botocore.config import Config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cognito_signout import SignOutResult, errors
from cognito_signout.transports import HttpResponse
from tests.transports.scripted import ScriptedServer, answers, serves

from .watch import POOL, USERNAME, WAYS, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cognito_signout.transports import HttpRequest

pytestmark = pytest.mark.slow

ONE_CALL = [way for way in WAYS if not way.is_many]
every_way = pytest.mark.parametrize("way", WAYS, ids=repr)

#: The headers of every request, in lower case, and those that only some environments add.
HEADERS = {
    "content-type", "host", "x-amz-date", "x-amz-target", "authorization", "user-agent", "accept-encoding",
    "content-length", "amz-sdk-invocation-id", "amz-sdk-request",
}  # fmt: skip
OPTIONAL = {"x-amz-security-token", "x-amzn-trace-id", "proxy-authorization"}

#: Texts that could inject something into a header, a request line, a URL or a JSON string.
BREAKS = (
    "\r\nX-Injected: yes", "\nX-Injected: yes", "\rX-Injected: yes", "\r\n\r\nPOST / HTTP/1.1", "\x00", "\x0b", "\x0c",
    "\x85X-Injected: yes", "\u2028X-Injected: yes", "\u560d\u560aX-Injected: yes", "%0d%0aX-Injected: yes",
    "\r\n X-Injected: yes", '", "Injected": "yes', "\\", "é", "\N{SNOWMAN}", "\udcff", "\ud800", " ", "\t", "#", "?",
    "/..", ";", ",", ":", "[", "]", "X-Injected: yes",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(BREAKS) | st.text(max_size=4), min_size=1, max_size=4).map("".join)
NAMES = TEXTS.map(lambda text: f"a{text}b")


@frozen
class Keys:
    """Credentials as plain values."""

    access_key: Any = "AKIDEXAMPLE"
    secret_key: Any = field(default="s3cret", repr=False)
    token: Any = None


def without_at(text: str) -> str:
    """The text without ``@``, so that a URL with it can't point to another host."""
    return text.replace("@", "")


#: Where a text can be placed: functions from the server's URL and a text to the arguments of a call.
def _config(name: str) -> Any:
    return lambda _, text: {"config": Config(retries={"total_max_attempts": 1}, **{name: text})}


PLACES: dict[str, Any] = {
    "user_pool_id": lambda _, text: {"user_pool_id": POOL + text},
    "username": lambda _, text: {"username": text},
    "region_name": lambda _, text: {"region_name": text},
    "region_name, suffix": lambda _, text: {"region_name": f"us-east-1{text}"},
    "endpoint_url, path": lambda url, text: {"endpoint_url": url + without_at(text)},
    "endpoint_url, port": lambda url, text: {"endpoint_url": url.rstrip("/") + without_at(text)},
    "endpoint_url, user": lambda url, text: {"endpoint_url": url.replace("//", f"//{text}@")},
    "endpoint_url, prefix": lambda url, text: {"endpoint_url": text + url},
    "profile_name": lambda _, text: {"profile_name": text},
    "access key": lambda _, text: {"credentials": Keys(access_key=text)},
    "secret key": lambda _, text: {"credentials": Keys(secret_key=text)},
    "token": lambda _, text: {"credentials": Keys(token=text)},
    "user_agent": _config("user_agent"),
    "user_agent_extra": _config("user_agent_extra"),
    "user_agent_appid": _config("user_agent_appid"),
    "Config, region_name": _config("region_name"),
}
VARIABLES: dict[str, Mapping[str, str]] = {
    "AWS_EXECUTION_ENV": {},
    "AWS_SDK_UA_APP_ID": {},
    "AWS_ACCESS_KEY_ID": {},
    "AWS_SECRET_ACCESS_KEY": {},
    "AWS_SESSION_TOKEN": {},
    "AWS_SECURITY_TOKEN": {},
    "AWS_DEFAULT_REGION": {"pool": "nowhere_A"},
    "AWS_PROFILE": {},
    "AWS_MAX_ATTEMPTS": {},
    "AWS_RETRY_MODE": {},
    "AWS_DEFAULTS_MODE": {},
    "_X_AMZN_TRACE_ID": {"AWS_LAMBDA_FUNCTION_NAME": "function"},
    "AWS_LAMBDA_FUNCTION_NAME": {"_X_AMZN_TRACE_ID": "Root=1"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server that confirms every request."""
    with ScriptedServer([serves()]) as server:
        yield server


@lru_cache(maxsize=1)
def session() -> Any:
    """One session for many calls, because creating it takes longer than a call."""
    return botocore.session.Session()


def check(way: Way, server: ScriptedServer, *, is_alone: bool = False, **arguments: Any) -> None:
    """Makes a call, with its own session if ``is_alone``, and checks every byte that arrives."""
    del server.peers[:-1]  # of earlier calls, except the last one, whose thread may still be running
    before = {id(peer): len(peer.segments) for peer in server.peers}
    arguments = {"endpoint_url": server.url, "user_pool_id": POOL, "username": USERNAME, **arguments}
    if not is_alone and "profile_name" not in arguments:
        arguments["session"] = session()
    outcome = way.call(**arguments)
    arrived = b"".join(b"".join(peer.segments[before.get(id(peer), 0) :]) for peer in server.peers)
    if not isinstance(outcome, SignOutResult):
        assert isinstance(outcome, errors.SignOutError)
        assert arrived == b""
        return
    head, end, body = arrived.partition(b"\r\n\r\n")
    request_line, *lines = head.split(b"\r\n")
    assert end
    assert not any(character in head.replace(b"\r\n", b"") for character in b"\r\n\0")
    assert re.fullmatch(rb"POST [!-~]+ HTTP/1\.1", request_line)
    fields = dict(line.decode("latin-1").split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    assert HEADERS <= {name.lower() for name in fields} <= HEADERS | OPTIONAL
    assert all(value.isascii() and value.isprintable() for value in fields.values())
    assert fields["Content-Length"] == str(len(body))
    assert json.loads(body) == {"UserPoolId": arguments["user_pool_id"], "Username": arguments["username"]}
    assert list(json.loads(body)) == ["UserPoolId", "Username"]


def breaks_for(way: Way) -> tuple[str, ...]:
    """The texts to try: all with the blocking client, and a few with the async one, which shares most of the code."""
    return (BREAKS[0], BREAKS[4], "\udcff") if way.is_async else BREAKS


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables in a block. A fixture would set them once for all examples."""
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("way", ONE_CALL, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_no_argument_can_inject_into_the_request(way: Way, place: str, server: ScriptedServer) -> None:
    """An argument can add a header or change the user or the host of a request."""
    for text in breaks_for(way):
        check(way, server, **PLACES[place](server.url, f"a{text}b"))


@SETTINGS
@given(text=TEXTS | NAMES, place=st.sampled_from(sorted(PLACES)))
@example(text="a%0d%0ab", place="endpoint_url, path")
def test_no_generated_argument_can_inject_into_the_request(text: str, place: str, server: ScriptedServer) -> None:
    """An unforeseen argument can change the rest of a request."""
    check(ONE_CALL[0], server, **PLACES[place](server.url, text))


@pytest.mark.parametrize("way", ONE_CALL, ids=repr)
@pytest.mark.parametrize("variable", VARIABLES)
def test_no_environment_variable_can_inject_into_the_request(way: Way, variable: str, server: ScriptedServer) -> None:
    """An environment variable can change the rest of a request."""
    others = dict(VARIABLES[variable])
    pool = others.pop("pool", POOL)
    for text in breaks_for(way):
        if text not in ("\0", "\ud800"):  # an environment variable can't contain these
            with environment({**others, variable: f"a{text}b"}):
                check(way, server, is_alone=True, user_pool_id=pool)


@pytest.mark.parametrize("way", ONE_CALL, ids=repr)
@pytest.mark.parametrize("part", ["user", "password"])
def test_no_proxy_user_or_password_can_inject_into_the_request(way: Way, part: str, server: ScriptedServer) -> None:
    """A proxy's user name or password can change the rest of a request."""
    for text in breaks_for(way):
        user, password = (text, "b") if part == "user" else ("a", text)
        url = server.url.replace("//", f"//{without_at(user)}:{without_at(password)}@")
        config = Config(retries={"total_max_attempts": 1}, proxies={"http": url})
        check(way, server, config=config, endpoint_url="http://service.example/path")


# Recipients


@every_way
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_nothing_is_sent_to_the_target_of_a_redirect(way: Way, status: int) -> None:
    """An open redirect or an attacker gets a signed request with a username."""
    with ScriptedServer([serves()]) as elsewhere:
        reply = f"HTTP/1.1 {status} Look\r\nLocation: {elsewhere.url}\r\nContent-Length: 2\r\n\r\n{{}}"
        with ScriptedServer([answers(reply.encode())]) as server:
            outcome = way.call(endpoint_url=server.url)
    assert isinstance(outcome, errors.InvalidResponseError)
    assert len(server.requests) == 1
    assert not elsewhere.peers


@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dualstack", [False, True])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "xx-nowhere-1"])
def test_plain_http_is_used_only_for_an_explicit_endpoint_url(region: str, fips: bool, dualstack: bool) -> None:
    """The network can read session tokens and usernames."""
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(200, {}, b"{}")

    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dualstack)
    for way in ONE_CALL:
        outcome = way.call(transport=send, config=config, region_name=region)
        assert isinstance(outcome, (SignOutResult, errors.ConfigurationError))
    assert all(request.url.startswith("https://cognito-idp") for request in sent)
    for way in ONE_CALL:
        way.call(transport=send, config=config, region_name=region, endpoint_url="http://localhost:5000")
    assert [request.url for request in sent[-2:]] == ["http://localhost:5000/"] * 2


@every_way
def test_a_proxy_sees_only_the_host_of_an_https_request(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy can read https requests."""
    with ScriptedServer([answers(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        outcome = way.call(endpoint_url="https://service.example")
    assert isinstance(outcome, errors.SignOutConnectionError)
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT service.example:443 HTTP/1.")
    assert b"mz-" not in request
    assert b"uthorization" not in request
