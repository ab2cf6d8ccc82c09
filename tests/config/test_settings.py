"""How a client resolves its settings: options, credentials, the user agent, botocore's events."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import boto3
import botocore.credentials
import botocore.session
import pytest
from attrs import define, field, frozen
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from cognito_signout import (
    AuthenticationError,
    ConfigurationError,
    CredentialsError,
    SignOutClient,
    SignOutConnectionError,
    SignOutTimeoutError,
    UserNotFoundError,
    __version__,
)
from cognito_signout._config.credentials import Credentials, CredentialsProvider
from cognito_signout._config.options import HONOURED, WITHOUT_EFFECT, Options
from cognito_signout._config.settings import MAX_REGIONS, Resolver
from cognito_signout.transports import HttpRequest, HttpResponse
from tests.servers import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POOL = "us-east-1_Ab129faBb"
#: A pool ID without a region.
LOCAL_POOL = "local_Ab129faBb"
EVENT = "before-send.cognito-identity-provider.AdminUserGlobalSignOut"


@define
class Recorder:
    """A transport that records requests.

    Attributes:
        respond: Returns the response to a request. Default: success.
        requests: The requests.
    """

    respond: Callable[[HttpRequest], HttpResponse] = lambda request: HttpResponse(200, {}, b"{}")
    requests: list[HttpRequest] = field(factory=list)

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Records the request."""
        self.requests.append(request)
        return self.respond(request)

    def close(self) -> None:
        """Nothing to close."""


def sent_by(client_arguments: dict[str, Any] | None = None, *, user_pool_id: str = POOL) -> HttpRequest:
    """The request of a client with these arguments."""
    transport = Recorder()
    SignOutClient(transport=transport, **(client_arguments or {})).sign_out(user_pool_id=user_pool_id, username="alice")
    (request,) = transport.requests
    return request


def sent_by_boto3(**client_arguments: Any) -> Any:
    """boto3's request, recorded before it is sent."""
    session = boto3.Session()
    requests = []

    def keep(request: Any, **_: object) -> Any:
        requests.append(request)
        return answer()

    session.events.register(EVENT, keep)
    client = session.client("cognito-idp", **client_arguments)
    client.admin_user_global_sign_out(UserPoolId=POOL, Username="alice")
    (request,) = requests
    return request


def answer(status: int = 200, body: bytes = b"{}", headers: dict[Any, Any] | None = None) -> Any:
    """A response, as a handler of ``before-send`` returns it."""

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield body

    return AWSResponse("https://answered.example", status, headers or {}, Raw())


def access_key(request: HttpRequest) -> str:
    """The access key of the signature."""
    return request.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


def scope(authorization: str) -> str:
    """The credential scope of the signature."""
    return authorization.partition("Credential=")[2].partition(",")[0].split("/", 2)[2]


def error_response(code: str) -> HttpResponse:
    """A response of the service with this error."""
    return HttpResponse(400, {}, json.dumps({"__type": code, "message": "no"}).encode())


@pytest.fixture
def aws_folder() -> Path:
    """The folder of the AWS files in the home directory of this test."""
    from pathlib import Path

    folder = Path(os.environ["HOME"]) / ".aws"
    folder.mkdir()
    return folder


def use_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the keys of the environment, so that files decide."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def write_keys(folder: Path, name: str) -> None:
    """Writes keys into the shared credentials file."""
    (folder / "credentials").write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n")


class AsyncSession:
    """A session like aiobotocore's."""

    def get_component(self, name: str) -> None:
        """A component of the session."""

    async def get_credentials(self) -> None:
        """The credentials, as a coroutine."""


class AsyncCredentials:
    """Credentials like aiobotocore's."""

    async def get_frozen_credentials(self) -> None:
        """The keys, as a coroutine."""


class Named:
    """Incomplete credentials: only the access key."""

    access_key = "AKID"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param({"session": AsyncSession()}, "async", id="session of aiobotocore"),
        pytest.param({"session": object()}, "botocore.session.Session", id="session of nothing"),
        pytest.param({"session": "default"}, "botocore.session.Session", id="session by name"),
        pytest.param(
            {"session": botocore.session.Session(), "profile_name": "default"}, "profile_name", id="session and profile"
        ),
        pytest.param({"credentials": AsyncCredentials()}, "async", id="credentials of aiobotocore"),
        pytest.param({"credentials": ("AKID", "secret")}, "get_frozen_credentials", id="credentials in a pair"),
        pytest.param({"credentials": {"access_key": "AKID"}}, "get_frozen_credentials", id="credentials in a mapping"),
        pytest.param({"config": {"region_name": "us-east-1"}}, "botocore.config.Config", id="config in a mapping"),
        pytest.param({"config": Config(signature_version=UNSIGNED)}, "signature_version", id="unsigned"),
        pytest.param({"config": Config(signature_version="v4a")}, "signature_version", id="v4a"),
        pytest.param(
            {"config": Config(client_context_params={"name": True})}, "client_context_params", id="client context"
        ),
    ],
)
def test_arguments_that_can_not_be_honoured_are_refused(arguments: dict[str, Any], complaint: str) -> None:
    """An argument that can't be honoured is ignored, or fails at the first call with an obscure error."""
    with pytest.raises(ConfigurationError, match=complaint):
        SignOutClient(**arguments)


def test_every_field_of_a_config_is_known() -> None:
    """A field that botocore has added is honoured or ignored by accident."""
    undecided = set(Config.OPTION_DEFAULTS) - HONOURED - WITHOUT_EFFECT
    assert undecided <= {"client_context_params"}


def test_fields_without_effect_are_accepted() -> None:
    """A Config that a program uses for all its clients can't be passed to this one."""
    config = Config(
        s3={"addressing_style": "path"}, parameter_validation=False, inject_host_prefix=False, signature_version="v4"
    )
    assert access_key(sent_by({"config": config})) == "AKIDEXAMPLE"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("connect_timeout", "read_timeout")
            for value in ("5", 0, -1, True, 1e12, float("nan"))
        ),
        ("max_pool_connections", "10"),
        ("client_cert", 5),
        ("client_cert", ["certificate", "key"]),
        ("client_cert", ("certificate", "key", "chain")),
        ("client_cert", ("certificate", 5)),
        ("proxies", "http://proxy.example"),
        ("proxies", {"https": 3128}),
        ("proxies_config", "proxy.pem"),
        ("proxies_config", {"proxy_ca_bundle": True}),
        ("proxies_config", {"proxy_client_cert": ["certificate", "key"]}),
    ],
)
def test_a_field_of_a_config_must_have_the_right_type(name: str, value: object) -> None:
    """A wrong value fails at the first call, as a TypeError, or looks like a slow service."""
    with pytest.raises(ConfigurationError, match=f"config.{name} must be"):
        SignOutClient(config=Config(**{name: value}))


def test_fields_of_a_config_may_have_every_type_of_botocore() -> None:
    """A Config that works with boto3 is refused."""
    config = Config(
        connect_timeout=0.5,
        read_timeout=None,
        client_cert=("certificate", "key"),
        proxies={"https": None, "http": "proxy.example"},
        proxies_config={"proxy_ca_bundle": "proxy.pem", "proxy_client_cert": "client.pem"},
    )
    assert access_key(sent_by({"config": config})) == "AKIDEXAMPLE"


def test_a_boto3_session_and_the_botocore_session_in_it_are_the_same() -> None:
    """A user of a boto3 session must find the botocore session in it."""
    botocore_session = botocore.session.Session()
    session = boto3.Session(
        "AKIDSESSION", "secret", "TOKEN", region_name="eu-west-1", botocore_session=botocore_session
    )
    for given in (session, botocore_session):
        request = sent_by({"session": given}, user_pool_id=LOCAL_POOL)
        assert access_key(request) == "AKIDSESSION"
        assert request.headers["X-Amz-Security-Token"] == "TOKEN"
        assert request.url == "https://cognito-idp.eu-west-1.amazonaws.com/"


def test_the_default_config_of_a_session_is_merged() -> None:
    """A program's settings for all clients of a session have no effect."""
    session = botocore.session.Session()
    session.set_default_client_config(Config(region_name="eu-west-1", user_agent_extra="of-the-session"))
    alone = sent_by({"session": session})
    assert alone.url == "https://cognito-idp.eu-west-1.amazonaws.com/"
    assert alone.headers["User-Agent"].endswith(" of-the-session")
    merged = sent_by({"session": session, "config": Config(region_name="eu-west-2")})
    assert merged.url == "https://cognito-idp.eu-west-2.amazonaws.com/"
    assert merged.headers["User-Agent"].endswith(" of-the-session")


def test_the_default_config_of_a_session_is_checked() -> None:
    """A setting of the session that can't be honoured is ignored."""
    session = botocore.session.Session()
    session.set_default_client_config(Config(signature_version=UNSIGNED))
    with pytest.raises(ConfigurationError, match="signature_version"):
        sent_by({"session": session})


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("region", "Unable to parse config file"),
        ("[default]\nservices = mine", "does not exist"),
        ("[default]\nservices = mine\n[services mine]\ncognito_identity_provider = x", "indented"),
        ("[default]\nmax_attempts = some", "max_attempts"),
        ("[default]\nmax_attempts = 0", "max_attempts"),
        ("[default]\nretry_mode = foo", "retry_mode"),
        ("[default]\ndefaults_mode = foo", "defaults_mode"),
        ("[default]\napi_versions = 2016", "AWS configuration"),
    ],
)
def test_a_setting_that_botocore_refuses_is_a_configuration_error(
    aws_folder: Path, config: str, complaint: str
) -> None:
    """A mistake in a file raises an untyped error."""
    (aws_folder / "config").write_text(config + "\n")
    with pytest.raises(ConfigurationError, match=complaint):
        sent_by()
    with pytest.raises(Exception):  # noqa: B017, PT011 -- of many kinds
        sent_by_boto3(region_name="us-east-1")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"region_name": "us_east_1"}, "us_east_1"),
        ({"endpoint_url": "nonsense"}, "endpoint URL"),
        ({"profile_name": "nobody"}, "nobody"),
        ({"verify": " "}, "CA bundle"),
        ({"verify": 5}, "CA bundle"),
        ({"config": Config(user_agent_extra=5)}, "AWS configuration"),
    ],
)
def test_a_bad_argument_is_a_configuration_error(arguments: dict[str, Any], complaint: str) -> None:
    """A mistake in a program surfaces as an error of botocore, or as a failed connection."""
    with pytest.raises(ConfigurationError, match=complaint):
        sent_by(arguments)


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_empty_bundle_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An empty variable turns verification off, as in older versions of botocore."""
    monkeypatch.setenv(name, "")
    with pytest.raises(ConfigurationError, match="CA bundle"):
        sent_by()


def test_without_any_region_the_error_says_what_to_do() -> None:
    """The error does not say what is missing."""
    with pytest.raises(ConfigurationError, match="AWS_DEFAULT_REGION"):
        sent_by(user_pool_id=LOCAL_POOL)


@pytest.mark.parametrize(
    ("variables", "config", "url"),
    [
        ({"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://one.example"}, "", "http://one.example/"),
        ({"AWS_ENDPOINT_URL": "http://two.example"}, "", "http://two.example/"),
        (
            {},
            "[default]\nservices = mine\n[services mine]\ncognito_identity_provider =\n  endpoint_url = http://three.example",
            "http://three.example/",
        ),
        (
            {},
            "[default]\nservices = mine\nendpoint_url = http://four.example\n[services mine]\ns3 =\n  a = b\n",
            "http://four.example/",
        ),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "", "https://cognito-idp-fips.us-east-1.amazonaws.com/"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "", "https://cognito-idp.us-east-1.amazonaws.com/"),
        (
            {"AWS_ENDPOINT_URL": "http://two.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "",
            "https://cognito-idp.us-east-1.amazonaws.com/",
        ),
    ],
)
def test_endpoints_are_boto3s(
    monkeypatch: pytest.MonkeyPatch, aws_folder: Path, variables: dict[str, str], config: str, url: str
) -> None:
    """Requests go to another host than boto3's."""
    (aws_folder / "config").write_text(config)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ours = sent_by().url
    assert ours.rstrip("/") == sent_by_boto3(region_name="us-east-1").url.rstrip("/")
    if "DUALSTACK" not in str(variables):
        assert ours == url


@frozen
class OwnData:
    """An ``endpoints.json`` of the user."""

    hostname: str
    variants: list[dict[str, Any]]
    scope: str = "us-east-1"

    def write(self, folder: Path) -> None:
        """Writes it into a folder."""
        folder.mkdir(parents=True)
        partition = {
            "partition": "aws",
            "regionRegex": "^(us|eu)\\-\\w+\\-\\d+$",
            "dnsSuffix": "own.example",
            "defaults": {
                "hostname": self.hostname,
                "protocols": ["https"],
                "signatureVersions": ["v4"],
                "variants": self.variants,
            },
            "regions": {"us-east-1": {}},
            "services": {"cognito-idp": {"endpoints": {"us-east-1": {"credentialScope": {"region": self.scope}}}}},
        }
        (folder / "endpoints.json").write_text(json.dumps({"version": 3, "partitions": [partition]}))


OWN = OwnData(
    "{service}.{region}.{dnsSuffix}",
    [{"dnsSuffix": "fips.example", "hostname": "{service}-fips.{region}.{dnsSuffix}", "tags": ["fips"]}],
    scope="us-west-2",
)


@pytest.mark.parametrize("where", ["AWS_DATA_PATH", "data_path of the profile", "~/.aws/models"])
@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        ({"region_name": "us-east-1"}, {}),
        ({"region_name": "us-east-1"}, {"AWS_USE_FIPS_ENDPOINT": "true"}),
        ({"region_name": "eu-west-1"}, {}),
        ({"region_name": "nowhere"}, {}),
        ({"region_name": "us-east-1", "endpoint_url": "http://one.example"}, {}),
    ],
    ids=str,
)
def test_endpoint_data_of_the_user_have_the_same_effect_as_with_boto3(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    aws_folder: Path,
    where: str,
    arguments: dict[str, Any],
    variables: dict[str, str],
) -> None:
    """A program that patches botocore's data for a private region calls another host."""
    folder = aws_folder / "models" if where == "~/.aws/models" else tmp_path / "data"
    OWN.write(folder)
    # botocore reads the home directory once, when it is imported.
    monkeypatch.setattr(botocore.loaders.Loader, "CUSTOMER_DATA_PATH", str(aws_folder / "models"))
    if where == "AWS_DATA_PATH":
        monkeypatch.setenv("AWS_DATA_PATH", str(folder))
    elif where != "~/.aws/models":
        (aws_folder / "config").write_text(f"[default]\ndata_path = {folder}\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ours, theirs = sent_by(arguments), sent_by_boto3(**arguments)
    assert ours.url.rstrip("/") == theirs.url.rstrip("/")
    assert scope(ours.headers["Authorization"]) == scope(theirs.headers["Authorization"].decode())


def test_endpoint_data_of_the_user_can_remove_an_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A request that must be FIPS-validated goes to another endpoint."""
    OwnData("{service}.{region}.{dnsSuffix}", []).write(tmp_path / "data")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "data"))
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with pytest.raises(ConfigurationError, match="fips"):
        sent_by()
    with pytest.raises(botocore.exceptions.EndpointVariantError):
        sent_by_boto3(region_name="us-east-1")


def test_broken_endpoint_data_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broken file in a data path raises an error of the JSON parser."""
    (tmp_path / "partitions.json").write_text("{")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="AWS configuration"):
        sent_by()


def test_a_configured_api_version_is_used(aws_folder: Path) -> None:
    """A program that is pinned to a version of the service gets endpoints of another."""
    (aws_folder / "config").write_text("[default]\napi_versions =\n  cognito-idp = 2016-04-18\n")
    assert sent_by().url == "https://cognito-idp.us-east-1.amazonaws.com/"
    (aws_folder / "config").write_text("[default]\napi_versions =\n  cognito-idp = 1999-01-01\n")
    with pytest.raises(ConfigurationError, match="1999-01-01"):
        sent_by()


@pytest.mark.parametrize(
    ("config", "variables", "attempts"),
    [
        (None, {}, 3),
        (None, {"AWS_MAX_ATTEMPTS": "2"}, 2),
        (Config(retries={"max_attempts": 0}), {"AWS_MAX_ATTEMPTS": "2"}, 1),
        (Config(retries={"max_attempts": 0}), {"AWS_MAX_ATTEMPTS": "abc"}, 1),
        (Config(retries={"total_max_attempts": 1}), {}, 1),
        (Config(retries={"mode": "adaptive"}), {"AWS_MAX_ATTEMPTS": "2", "AWS_RETRY_MODE": "foo"}, 2),
    ],
)
def test_the_configured_attempts(
    monkeypatch: pytest.MonkeyPatch, config: Config | None, variables: dict[str, str], attempts: int
) -> None:
    """A call makes more or fewer attempts than configured, or reports another maximum."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sent_by({"config": config}).headers["amz-sdk-request"] == f"attempt=1; max={attempts}"


@pytest.mark.parametrize("mode", ["legacy", "standard", "in-region", "auto"])
@pytest.mark.parametrize("config", [None, Config(connect_timeout=None), Config()], ids=["none", "no timeout", "own"])
def test_a_defaults_mode_is_understood(monkeypatch: pytest.MonkeyPatch, mode: str, config: Config | None) -> None:
    """A mode that boto3 accepts fails the call."""
    monkeypatch.setenv("AWS_DEFAULTS_MODE", mode)
    assert sent_by({"config": config}).url == "https://cognito-idp.us-east-1.amazonaws.com/"


def test_without_credentials_the_error_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error does not say where credentials are looked for, nor what to do."""
    use_file(monkeypatch)
    with pytest.raises(CredentialsError, match=r"tried: env, assume-role, .*aws configure"):
        sent_by()


def test_a_session_without_credentials_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is sent unsigned."""
    use_file(monkeypatch)
    with pytest.raises(CredentialsError, match="no AWS credentials were found"):
        sent_by({"session": boto3.Session()})


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), KeyError("token"), OSError("disk"), TypeError("none")], ids=str
)
def test_any_exception_of_a_source_is_a_credentials_error(error: Exception) -> None:
    """A plugin's failure is an untyped error."""

    class Source:
        def get_frozen_credentials(self) -> None:
            raise error

    with pytest.raises(CredentialsError, match="could not be refreshed") as caught:
        sent_by({"credentials": Source()})
    assert caught.value.__cause__ is error


def test_any_exception_of_a_provider_is_a_credentials_error() -> None:
    """A failure in botocore's chain is an untyped error."""

    class Provider(botocore.credentials.CredentialProvider):  # type: ignore[misc]
        METHOD = "broken"

        def load(self) -> None:
            raise ZeroDivisionError("boom")

    session = botocore.session.Session()
    session.get_component("credential_provider").insert_before("env", Provider())
    with pytest.raises(CredentialsError, match=r"could not be loaded: boom"):
        sent_by({"session": session})


@frozen
class Keys:
    """Credentials as plain values."""

    access_key: Any = "AKIDOWN"
    secret_key: Any = "s3cret"
    token: Any = None


@pytest.mark.parametrize(
    "source",
    [
        Keys(),
        botocore.credentials.Credentials("AKIDOWN", "secret"),
        botocore.credentials.ReadOnlyCredentials("AKIDOWN", "secret", None),
        boto3.Session("AKIDOWN", "secret").get_credentials(),
    ],
    ids=lambda source: type(source).__name__,
)
def test_the_kinds_of_credentials(source: Any) -> None:
    """A program can't use the credentials that it has."""
    assert access_key(sent_by({"credentials": source})) == "AKIDOWN"


def test_an_empty_token_is_none() -> None:
    """The service refuses keys that are valid without a token."""
    assert "X-Amz-Security-Token" not in sent_by({"credentials": Keys(token="")}).headers


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (Keys(access_key=None), "no access key"),
        (Keys(access_key=""), "no access key"),
        (Keys(secret_key=None), "no secret key"),
        (Keys(secret_key=b"s3cret"), "no secret key"),
        (Keys(token=b"token"), "session token must be a str"),
        (Keys(access_key="AKID\nX-Injected: yes"), "access key contains"),
        (Keys(access_key="AKID OWN"), "access key contains"),
        (Keys(access_key="AKIDÖWN"), "access key contains"),
        (Keys(token="token\r\n"), "session token contains"),
        (Keys(token="to ken"), "session token contains"),
        (Keys(secret_key="s3cret\ud800"), "secret key contains"),
        (Keys(secret_key="s3cret\n"), "secret key contains"),
        (Keys(secret_key=" s3cret"), "secret key contains"),
        (Named(), "could not be refreshed"),
    ],
)
def test_credentials_that_can_not_be_sent_are_refused(source: Any, complaint: str) -> None:
    """A line break in a token adds a header to the request, or raises an untyped error."""
    transport = Recorder()
    with pytest.raises(CredentialsError, match=complaint) as caught:
        SignOutClient(transport=transport, credentials=source).sign_out(user_pool_id=POOL, username="alice")
    assert not transport.requests
    assert "s3cret" not in repr(caught.value)


def test_credentials_are_refreshed_before_they_expire() -> None:
    """A client signs with keys that are about to expire."""
    refreshed = []

    def refresh() -> dict[str, str]:
        refreshed.append(1)
        return {
            "access_key": f"AKIDFRESH{len(refreshed)}",
            "secret_key": "secret",
            "token": "TOKEN",
            "expiry_time": "2099-01-01T00:00:00Z",
        }

    source = botocore.credentials.RefreshableCredentials(
        "AKIDSTALE", "secret", "TOKEN", datetime(2020, 1, 1, tzinfo=timezone.utc), refresh, "test"
    )
    transport = Recorder()
    client = SignOutClient(credentials=source, transport=transport)
    for _ in range(2):
        client.sign_out(user_pool_id=POOL, username="alice")
    assert [access_key(request) for request in transport.requests] == ["AKIDFRESH1", "AKIDFRESH1"]


def expire_once(then: Callable[[], object]) -> Callable[[HttpRequest], HttpResponse]:
    """Answers that the first keys have expired, calls a function, and accepts any other keys."""
    refused: list[str] = []

    def respond(request: HttpRequest) -> HttpResponse:
        if not refused:
            refused.append(access_key(request))
            then()
        return (
            error_response("ExpiredTokenException") if access_key(request) in refused else HttpResponse(200, {}, b"{}")
        )

    return respond


@pytest.mark.parametrize("session", [None, "botocore", "boto3"])
def test_expired_keys_are_read_again(monkeypatch: pytest.MonkeyPatch, aws_folder: Path, session: str | None) -> None:
    """A client must be created again after keys were rotated."""
    use_file(monkeypatch)
    write_keys(aws_folder, "AKIDOLD")
    sessions = {"botocore": botocore.session.Session(), "boto3": boto3.Session()}
    transport = Recorder(expire_once(lambda: write_keys(aws_folder, "AKIDNEW")))
    client = SignOutClient(session=sessions.get(session or ""), transport=transport)
    result = client.sign_out(user_pool_id=POOL, username="alice")
    assert [access_key(request) for request in transport.requests] == ["AKIDOLD", "AKIDNEW"]
    assert result.attempts == 2
    client.sign_out(user_pool_id=POOL, username="bob")
    assert access_key(transport.requests[-1]) == "AKIDNEW"


def test_keys_set_on_a_session_are_not_replaced_by_another_identity(aws_folder: Path) -> None:
    """When its own keys have expired, a program signs with another identity."""
    write_keys(aws_folder, "AKIDFILE")
    transport = Recorder(lambda request: error_response("ExpiredTokenException"))
    client = SignOutClient(session=boto3.Session("AKIDCHOSEN", "secret"), transport=transport)
    with pytest.raises(AuthenticationError):
        client.sign_out(user_pool_id=POOL, username="alice")
    assert [access_key(request) for request in transport.requests] == ["AKIDCHOSEN"]


def test_keys_from_the_caller_are_replaced_only_by_the_caller() -> None:
    """A program's own rotation is not noticed, or keys of another identity are used."""

    @define
    class Rotating:
        access_key: str = "AKIDOLD"
        secret_key: str = "secret"
        token: str | None = None

    source = Rotating()
    transport = Recorder(expire_once(lambda: setattr(source, "access_key", "AKIDNEW")))
    client = SignOutClient(credentials=source, transport=transport)
    client.sign_out(user_pool_id=POOL, username="alice")
    assert [access_key(request) for request in transport.requests] == ["AKIDOLD", "AKIDNEW"]
    transport.respond = lambda request: error_response("UnrecognizedClientException")
    with pytest.raises(AuthenticationError) as caught:
        client.sign_out(user_pool_id=POOL, username="alice")
    assert caught.value.attempts == 1


def test_expired_keys_without_successors_are_an_error(monkeypatch: pytest.MonkeyPatch, aws_folder: Path) -> None:
    """The error says that the service refused keys, although they do not exist any more."""
    use_file(monkeypatch)
    write_keys(aws_folder, "AKIDOLD")
    transport = Recorder(expire_once((aws_folder / "credentials").unlink))
    with pytest.raises(CredentialsError, match="no AWS credentials were found"):
        SignOutClient(transport=transport).sign_out(user_pool_id=POOL, username="alice")


def test_threads_replace_expired_keys_once() -> None:
    """Each thread of a client asks the source: many log-ins, processes, or calls to STS."""
    loads: list[bool] = []

    def load(afresh: bool) -> Keys:
        loads.append(afresh)
        return Keys(access_key=f"AKID{len(loads)}")

    provider = CredentialsProvider(load, tried=str)
    refused = provider.current()
    barrier = threading.Barrier(8)

    def replace(_: int) -> Credentials:
        barrier.wait()
        return provider.replace(refused)

    with ThreadPoolExecutor(8) as executor:
        replaced = set(executor.map(replace, range(8)))
    assert replaced == {Credentials("AKID2", "s3cret")}
    assert loads == [False, True]
    assert "s3cret" not in repr(refused)


def test_threads_resolve_once(monkeypatch: pytest.MonkeyPatch, aws_folder: Path) -> None:
    """The first calls of a busy program start many processes, or log in many times."""
    use_file(monkeypatch)
    log = aws_folder / "log"
    script = aws_folder / "process.py"
    keys = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "secret"}
    script.write_text(f"import json\nopen({str(log)!r}, 'a').write('run ')\nprint(json.dumps({keys}))\n")
    (aws_folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    transport = Recorder()
    client = SignOutClient(transport=transport)
    barrier = threading.Barrier(32)

    def call(number: int) -> None:
        barrier.wait()
        client.sign_out(user_pool_id=POOL, username=f"user-{number}")

    with ThreadPoolExecutor(32) as executor:
        list(executor.map(call, range(32)))
    assert {access_key(request) for request in transport.requests} == {"AKIDPROCESS"}
    assert log.read_text() == "run "


def user_agent_of(**config: str) -> str:
    """The ``User-Agent`` of a client with this Config."""
    return sent_by({"config": Config(**config)}).headers["User-Agent"]


def test_the_user_agent_names_the_library() -> None:
    """Logs of requests do not show which library and which Python sent them."""
    python = ".".join(str(number) for number in sys.version_info[:3])
    pattern = rf"cognito-signout/{re.escape(__version__)} os/\w+#[^ ]+ lang/python#{re.escape(python)}"
    assert re.fullmatch(pattern, sent_by().headers["User-Agent"])


def test_the_user_agent_names_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls from Lambda look like others, and those of one application like those of another."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "shop")
    assert sent_by().headers["User-Agent"].endswith(" exec-env/AWS_Lambda_python3.11 app/shop")
    assert user_agent_of(user_agent_appid="office").endswith(" app/office")
    assert user_agent_of(user_agent_extra="md/own").endswith(" app/shop md/own")


def test_the_user_agent_may_be_replaced() -> None:
    """A name that operators search for is not sent."""
    assert user_agent_of(user_agent="mine/1.0") == "mine/1.0"
    assert user_agent_of(user_agent="mine/1.0", user_agent_extra="md/own") == "mine/1.0 md/own"


@pytest.mark.parametrize("name", ["user_agent", "user_agent_extra", "user_agent_appid"])
def test_the_user_agent_can_not_add_headers(name: str) -> None:
    """The name of an application can add headers to requests."""
    value = user_agent_of(**{name: "x\r\nX-Injected: yes\x00ü"})
    assert value.isprintable()
    assert value.isascii()
    assert "X-Injected" in value  # it is in the value, and is no header


def test_the_environment_can_not_add_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable can add headers to requests."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", "x\r\nX-Injected: yes")
    assert sent_by().headers["User-Agent"].endswith(" exec-env/x--X-Injected--yes")


@pytest.mark.parametrize(
    ("platform", "name"), [("linux", "linux"), ("darwin", "macos"), ("win32", "windows"), ("plan9", "other#plan9")]
)
def test_the_user_agent_names_systems_as_botocore_does(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str
) -> None:
    """The same system is counted under two names."""
    from cognito_signout._config.user_agent import user_agent

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delattr(os, "uname", raising=False)
    assert f" os/{name} " in user_agent()


@pytest.mark.parametrize(
    "trace", ["Root=1-5759e988-bd862e3f;Parent=53995c3f;Sampled=1", 'a b"{}[]&+,\u00e9%', "x\ny", ""]
)
@pytest.mark.parametrize("function", ["function", None])
def test_lambdas_trace_is_sent_as_by_boto3(monkeypatch: pytest.MonkeyPatch, trace: str, function: str | None) -> None:
    """Calls from Lambda are missing from traces, and a loop of functions is not detected."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    if function:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function)
    theirs = sent_by_boto3(region_name="us-east-1").headers.get("X-Amzn-Trace-Id")
    assert sent_by().headers.get("X-Amzn-Trace-Id") == (theirs and theirs.decode())


def test_a_malformed_trace_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed byte in the environment fails a sign-out, as with boto3."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-\udcff")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
    assert sent_by().headers["X-Amzn-Trace-Id"] == "Root=1-%FF"


def session_with(handler: Callable[..., object]) -> botocore.session.Session:
    """A session with a handler of the event."""
    session = botocore.session.Session()
    session.register(EVENT, handler)
    return session


def test_a_handler_can_respond() -> None:
    """moto and similar tools are ignored, and a test calls AWS."""
    seen = []

    def handler(request: Any, **_: object) -> Any:
        seen.append(request)
        return answer(headers={"x-amzn-RequestId": b"answered"})

    client = SignOutClient(session=session_with(handler))
    assert client.sign_out(user_pool_id=POOL, username="alice").id == "answered"
    (request,) = seen
    theirs = sent_by_boto3(region_name="us-east-1")
    assert (request.method, request.url.rstrip("/")) == (theirs.method, theirs.url.rstrip("/"))
    assert json.loads(request.body) == json.loads(theirs.body)
    assert type(request.headers["X-Amz-Target"]) is type(theirs.headers["X-Amz-Target"])


def test_an_error_response_of_a_handler_is_an_error() -> None:
    """A test with moto gets other errors than production."""
    body = json.dumps({"__type": "UserNotFoundException", "message": "no"}).encode()
    client = SignOutClient(session=session_with(lambda request, **_: answer(400, body)))
    with pytest.raises(UserNotFoundError):
        client.sign_out(user_pool_id=POOL, username="alice")


@pytest.mark.parametrize("as_text", [True, False])
def test_changes_by_a_handler_are_sent(as_text: bool) -> None:
    """A header that a program adds to all of botocore's requests is missing."""
    with LoopbackServer() as server:

        def handler(request: Any, **_: object) -> None:
            request.headers["X-Added"] = "yes"
            request.url = f"{server.url}/elsewhere"
            request.body = '{"changed": 1}' if as_text else bytearray(b'{"changed": 1}')
            request.headers["Content-Length"] = str(len(request.body))

        with SignOutClient(session=session_with(handler), endpoint_url=f"{server.url}/") as client:
            client.sign_out(user_pool_id=POOL, username="alice")
    (arrival,) = server.arrivals
    assert (arrival.target, arrival.headers["x-added"], arrival.body) == ("/elsewhere", "yes", b'{"changed": 1}')


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectTimeoutError(endpoint_url="x"), SignOutTimeoutError),
        (ReadTimeoutError(endpoint_url="x"), SignOutTimeoutError),
        (EndpointConnectionError(endpoint_url="x"), SignOutConnectionError),
        (ConnectionClosedError(endpoint_url="x"), SignOutConnectionError),
        (ProxyConnectionError(proxy_url="x"), SignOutConnectionError),
        (SSLError(endpoint_url="x", error="y"), SignOutConnectionError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_connection_error_of_a_handler_is_one_of_the_network(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    """A test that simulates a fault for botocore gets an error that production never raises."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def handler(**_: object) -> None:
        raise raised

    with pytest.raises(expected) as caught:
        SignOutClient(session=session_with(handler)).sign_out(user_pool_id=POOL, username="alice")
    assert caught.value.__cause__ is raised


def test_a_bundle_can_be_a_path() -> None:
    """A Path, which boto3 accepts, is refused."""
    from pathlib import Path

    assert sent_by({"verify": Path("ca.pem")}).url == "https://cognito-idp.us-east-1.amazonaws.com/"


def test_a_custom_transport_comes_before_the_event() -> None:
    """Another handler overrules a fake that a test has passed in."""

    def handler(**_: object) -> None:
        raise AssertionError

    assert access_key(sent_by({"session": session_with(handler)})) == "AKIDEXAMPLE"


def test_pools_of_no_region_do_not_fill_the_memory() -> None:
    """A caller who invents pool IDs fills the memory of a service."""
    resolver = Resolver(Options(region_name="us-east-1"))
    for number in range(MAX_REGIONS + 2):
        assert resolver.settings(f"no-region-{number}_A").endpoint.region == "us-east-1"
    kept = [number for number in range(MAX_REGIONS + 2) if resolver.cached_settings(f"no-region-{number}_A")]
    assert 0 < len(kept) <= MAX_REGIONS
