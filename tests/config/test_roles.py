"""Profiles with roles: botocore's providers call STS by clients, whose handlers our session registers only then."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import boto3
import botocore.session
import pytest
from moto import mock_aws

from cognito_signout import SignOutClient
from cognito_signout._config.botocore import load, new_session
from cognito_signout.transports import HttpRequest, HttpResponse
from tests.moto_pools import MotoPool

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/sign-out"
CREDENTIALS = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"""


class Sts(BaseHTTPRequestHandler):
    """STS. It answers every request with the credentials of a role."""

    requests: list[tuple[str, bool]]

    def do_POST(self) -> None:
        """Records the action and whether the request is signed."""
        body = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        action = body["Action"][0]
        self.requests.append((action, "authorization" in self.headers))
        answer = CREDENTIALS.format(action=action).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Recorder:
    """A transport that accepts every request."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Success."""
        self.requests.append(request)
        return HttpResponse(200, {"content-type": "application/x-amz-json-1.1"}, b"{}")

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("profile", "request_of_sts"),
    [
        (f"role_arn = {ROLE}\nsource_profile = source", ("AssumeRole", True)),
        (f"role_arn = {ROLE}\nweb_identity_token_file = TOKEN", ("AssumeRoleWithWebIdentity", False)),
    ],
)
def test_a_role_is_assumed_as_botocore_assumes_it(
    profile: str, request_of_sts: tuple[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS refuses the request, because the handlers of botocore's clients are missing."""
    token = tmp_path / "token"
    token.write_text("web-identity")
    config = tmp_path / "config"
    config.write_text(
        f"[profile role]\nregion = us-east-1\n{profile.replace('TOKEN', str(token))}\n"
        "[profile source]\naws_access_key_id = AKIDSOURCE\naws_secret_access_key = source-secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    Sts.requests = []
    transport = Recorder()
    with ThreadingHTTPServer(("127.0.0.1", 0), Sts) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        client = SignOutClient(profile_name="role", transport=transport)
        client.sign_out(user_pool_id="us-east-1_Test00001", username="alice")
        server.shutdown()
        serving.join()
    assert Sts.requests == [request_of_sts]
    assert "Credential=ASIAROLE/" in transport.requests[0].headers["authorization"]
    assert transport.requests[0].headers["x-amz-security-token"] == "role-token"


def test_moto_answers_sts_and_the_sign_out_of_a_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that mocks AWS with moto calls the real STS, or the real Cognito."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile role]\nregion = us-east-1\nrole_arn = {ROLE}\nsource_profile = source\n"
        "[profile source]\naws_access_key_id = AKIDSOURCE\naws_secret_access_key = source-secret\n"
    )
    with mock_aws():
        pool = MotoPool(boto3.client("cognito-idp", region_name="us-east-1"))
        pool.add_user("alice")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        client = SignOutClient(profile_name="role")
        assert client.sign_out(user_pool_id=pool.id, username="alice").attempts == 1


def _handlers(session: Any) -> list[Any]:
    emitter = session.get_component("event_emitter")
    events = {spec[0] for spec in load("handlers").BUILTIN_HANDLERS}
    return [(event, emitter._emitter._handlers.prefix_search(event)) for event in sorted(events)]


def test_a_client_of_the_session_has_botocores_handlers() -> None:
    """A handler is missing, or is called twice."""
    session = new_session(None)
    create_client = session.create_client  # a second thread may hold it, too
    for _ in range(2):
        create_client("sts", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    complete = botocore.session.Session()
    complete.create_client("sts", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    names = [[(event, [str(h) for h in found]) for event, found in _handlers(each)] for each in (session, complete)]
    assert len(names[0]) > 50
    assert names[0] == names[1]


def test_a_botocore_without_this_way_to_register_handlers_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of botocore ends every call with an AttributeError."""

    class Session:
        """A session."""

        def __init__(self, profile: str | None) -> None:
            self.profile = profile

    monkeypatch.setattr(botocore.session, "Session", Session)
    assert new_session("role").profile == "role"
