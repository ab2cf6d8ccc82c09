"""The short path resolves the same settings as botocore without importing it, if environment and files are simple."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
SERVICE_URL = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"

#: Environments that the short path supports: only variables matter.
SUPPORTED: dict[str, dict[str, str]] = {
    "keys": {},
    "a token": {"AWS_SESSION_TOKEN": "token"},
    "a token in the old variable": {"AWS_SECURITY_TOKEN": "old"},
    "two tokens": {"AWS_SECURITY_TOKEN": "old", "AWS_SESSION_TOKEN": "token"},
    "an empty token": {"AWS_SECURITY_TOKEN": "", "AWS_SESSION_TOKEN": "token"},
    "a region": {"AWS_DEFAULT_REGION": "eu-west-1"},
    "a region that botocore ignores": {"AWS_REGION": "eu-west-1"},
    "China": {"AWS_DEFAULT_REGION": "cn-north-1"},
    "an endpoint": {"AWS_ENDPOINT_URL": "http://localhost:4566"},
    "the service's endpoint": {"AWS_ENDPOINT_URL": "http://other:1", SERVICE_URL: "https://localhost:4566/path"},
    "an endpoint that is ignored": {
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE",
    },
    "an endpoint that is not ignored": {
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "no",
    },
    "attempts": {"AWS_MAX_ATTEMPTS": "7"},
    "attempts in a mode": {"AWS_MAX_ATTEMPTS": "2", "AWS_RETRY_MODE": "legacy"},
    "a mode": {"AWS_RETRY_MODE": "adaptive"},
    "a bundle": {"AWS_CA_BUNDLE": "/some/bundle.pem"},
    "a bundle in REQUESTS_CA_BUNDLE": {"REQUESTS_CA_BUNDLE": "/other/bundle.pem"},
    "two bundles": {"AWS_CA_BUNDLE": "/some/bundle.pem", "REQUESTS_CA_BUNDLE": "/other/bundle.pem"},
    "no proxies": {"HTTPS_PROXY": "", "NO_PROXY": "localhost"},
    "an application ID": {"AWS_SDK_UA_APP_ID": "shop"},
    "Lambda": {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "leave",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_REGION": "us-east-2",
        "AWS_SESSION_TOKEN": "token",
    },
    "invalid attempts": {"AWS_MAX_ATTEMPTS": "abc"},
    "no attempts": {"AWS_MAX_ATTEMPTS": "0"},
    "an invalid mode": {"AWS_RETRY_MODE": "foo"},
    "an empty bundle": {"AWS_CA_BUNDLE": " "},
    "an invalid endpoint": {"AWS_ENDPOINT_URL": "localhost"},
    "an invalid region": {"AWS_DEFAULT_REGION": "no region"},
    "an empty region": {"AWS_DEFAULT_REGION": ""},
}
#: Environments that the short path does not support.
UNSUPPORTED: dict[str, dict[str, str]] = {
    "an incomplete key": {"AWS_SECRET_ACCESS_KEY": ""},
    "no key": {"AWS_ACCESS_KEY_ID": ""},
    "a proxy": {"HTTPS_PROXY": "http://proxy:3128"},
    "a proxy in lower case, for another scheme": {"ftp_proxy": "http://proxy:3128"},
    **{
        f"{name}={value}": {name: value}
        for name, value in {
            "AWS_PROFILE": "",
            "AWS_DEFAULT_PROFILE": "work",
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
            "AWS_CREDENTIAL_EXPIRATION": "2100-01-01T00:00:00Z",
            "AWS_DATA_PATH": "/nowhere",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_USE_DUALSTACK_ENDPOINT": "false",
            "AWS_DEFAULTS_MODE": "standard",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost/",
            "AWS_STS_REGIONAL_ENDPOINTS": "legacy",
            "AWS_FUTURE_SETTING": "1",
            "BOTO_CONFIG": "/nowhere",
            "BOTOCORE_TCP_KEEPALIVE": "true",
        }.items()
    },
}
#: Files in the home directory that the short path does not support.
OTHER_FILES = {
    ".aws/config": "",
    ".aws/models/other/1/service-2.json": "",
    ".aws/credentials": "[default]\nregion = eu-west-1\n",
}
STATIC_KEYS = "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
#: Credentials files that the short path does not support: they contain more than static keys, or no complete keys.
UNSUPPORTED_FILES = {
    "a role": f"{STATIC_KEYS}role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = other\n",
    "a process": f"{STATIC_KEYS}credential_process = /bin/true\n",
    "a setting": f"{STATIC_KEYS}region = eu-west-1\n",
    "an unknown setting": f"{STATIC_KEYS}something = else\n",
    "a nested section": f"{STATIC_KEYS}s3 =\n  addressing_style = path\n",
    "a nested section in another profile": f"{STATIC_KEYS}[other]\ns3 =\n  addressing_style = path\n",
    "a DEFAULT section": f"{STATIC_KEYS}[DEFAULT]\nregion = eu-west-1\n",
    "malformed": f"{STATIC_KEYS}[default\n",
    "an incomplete key": "[default]\naws_access_key_id = FILE\n",
    "an empty key": "[default]\naws_access_key_id = FILE\naws_secret_access_key =\n",
    "no default profile": "[other]\naws_access_key_id = FILE\naws_secret_access_key = s\n",
}
#: Credentials files that the short path supports: they contain only static keys.
SUPPORTED_FILES = {
    "keys": "[default]\naws_access_key_id = FILE\naws_secret_access_key = s3cret%\n",
    "a token": "[default]\nAWS_ACCESS_KEY_ID=FILE\naws_secret_access_key=s\naws_session_token = t\n",
    "two tokens": f"{STATIC_KEYS}aws_session_token = t\naws_security_token = u\n",
    "another profile": "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n[work]\nregion=eu-west-1\n",
    "comments": "# mine\n[default]\n; keys\naws_access_key_id: FILE\naws_secret_access_key = a#b;c\n",
}

#: Resolves settings for a list of cases in one process, each with its variables. Prints the results.
RESOLVE = """
import json, os, sys
if sys.argv[1] == "full":
    import botocore
from attrs import asdict
from cognito_signout import SignOutError
from cognito_signout._config.short_path import is_enough
from cognito_signout._config.options import Options
from cognito_signout._config.settings import Resolver
from cognito_signout.transports._proxies import find_proxy

base = dict(os.environ)
results = []
for variables, pool in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(base)
    os.environ.update(variables)
    options = Options()
    result = {"enough": is_enough(options)}
    results.append(result)
    if sys.argv[1] == "check":
        continue
    resolver = Resolver(options)
    try:
        settings = resolver.settings(pool)
        result["settings"] = {**asdict(settings, recurse=False), "endpoint": settings.endpoint._asdict()}
        result["credentials"] = asdict(resolver.credentials.current())
        result["proxy"] = str(find_proxy(settings.endpoint.url, settings.proxies))
    except SignOutError as error:
        result["error"] = type(error).__name__
print(json.dumps({"results": results, "botocore": "botocore" in sys.modules}))
"""


def environment(home: Path) -> dict[str, str]:
    """An environment with keys, an empty home directory and no other AWS variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HOME"))}
    return {**kept, **KEYS, "HOME": str(home)}


def resolve(path: str, cases: list[tuple[dict[str, str], str]], home: Path) -> Any:
    """The results of a new process. For ``full``, it imports botocore first and so does not use the short path."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, path],
        env=environment(home),
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_both_paths_resolve_the_same_settings(tmp_path: Path) -> None:
    """Settings depend on whether botocore is imported."""
    pools = ("us-east-1_A", "eu-central-1_A", "cn-north-1_A", "us-gov-west-1_A", "local_A")
    cases = [(variables, pool) for variables in SUPPORTED.values() for pool in pools]
    short, full = (resolve(path, cases, tmp_path) for path in ("short", "full"))
    assert (short["botocore"], full["botocore"]) == (False, True)
    assert all(result.pop("enough") for result in short["results"])
    assert not any(result.pop("enough") for result in full["results"])
    names = [f"{name}, {pool}" for name in SUPPORTED for pool in pools]
    assert dict(zip(names, short["results"], strict=True)) == dict(zip(names, full["results"], strict=True))
    assert sum("settings" in result for result in short["results"]) > 90


def test_the_short_path_is_not_used_for_unsupported_variables(tmp_path: Path) -> None:
    """A variable that only botocore supports, now or in a later version, is ignored."""
    results = resolve("check", [(variables, "") for variables in UNSUPPORTED.values()], tmp_path)["results"]
    assert [name for name, result in zip(UNSUPPORTED, results, strict=True) if result["enough"]] == []


@pytest.mark.parametrize("file", OTHER_FILES)
def test_the_short_path_is_not_used_for_unsupported_files(file: str, tmp_path: Path) -> None:
    """Settings in a file are ignored."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(OTHER_FILES[file])
    assert resolve("check", [({}, "")], tmp_path)["results"] == [{"enough": False}]


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def write_credentials(home: Path, text: str) -> None:
    """Writes the shared credentials file."""
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(text)


@pytest.mark.parametrize("name", UNSUPPORTED_FILES)
def test_the_short_path_is_not_used_for_unsupported_credentials_files(name: str, tmp_path: Path) -> None:
    """A role in the file is ignored, and calls use other credentials."""
    write_credentials(tmp_path, UNSUPPORTED_FILES[name])
    assert resolve("check", [(NO_KEYS, "")], tmp_path)["results"] == [{"enough": False}]


@pytest.mark.parametrize("name", SUPPORTED_FILES)
def test_both_paths_resolve_the_same_static_keys(name: str, tmp_path: Path) -> None:
    """The short path reads keys from the wrong place, or reads them wrongly."""
    write_credentials(tmp_path, SUPPORTED_FILES[name])
    cases = [(NO_KEYS, "us-east-1_A"), ({"AWS_ACCESS_KEY_ID": ""}, "us-east-1_A"), ({}, "us-east-1_A")]
    short, full = (resolve(path, cases, tmp_path) for path in ("short", "full"))
    assert (short["botocore"], full["botocore"]) == (False, True)
    assert [result.pop("enough") for result in short["results"]] == [True] * 3
    assert [result.pop("enough") for result in full["results"]] == [False] * 3
    assert short["results"] == full["results"]
    assert [result["credentials"]["access_key"] for result in short["results"]] == ["FILE", "FILE", "AKID"]


CALL = """
import sys
from cognito_signout import SignOutClient
client = SignOutClient(endpoint_url=sys.argv[1])
client.sign_out(user_pool_id="us-east-1_Test00001", username="alice")
print([name for name in ("botocore", "urllib3", "aiohttp", "asyncio") if name in sys.modules])
"""

CREATE_CLIENT = (
    "from cognito_signout import SignOutClient, SignOutConnectionError, UserNotFoundError; client = SignOutClient()"
)
IMPORT_MOTO = "from moto import mock_aws"
FAILING_CALL = """
import socket
getaddrinfo = socket.getaddrinfo
socket.getaddrinfo = lambda *_: []  # so that nothing is sent
try:
    client.sign_out(user_pool_id="us-east-1_A", username="alice")
except SignOutConnectionError:
    pass
socket.getaddrinfo = getaddrinfo
"""
#: Orders of imports, creating a client and calling it, before moto's mock is started.
ORDERS = {
    "moto first": (IMPORT_MOTO, CREATE_CLIENT),
    "the client first": (CREATE_CLIENT, IMPORT_MOTO),
    "boto3, the client, moto": ("import boto3", CREATE_CLIENT, IMPORT_MOTO),
    "a call, then moto": (CREATE_CLIENT, FAILING_CALL, IMPORT_MOTO),
    "moto, a call": (IMPORT_MOTO, CREATE_CLIENT, FAILING_CALL),
    "a client created within the mock": (IMPORT_MOTO, "mock_aws().start()", CREATE_CLIENT),
}
CALL_MOTO = """
import boto3
with mock_aws():
    pool = boto3.client("cognito-idp", "us-east-1").create_user_pool(PoolName="p")["UserPool"]["Id"]
    try:
        client.sign_out(user_pool_id=pool, username="nobody")
    except UserNotFoundError:
        print("moto answered")
"""


def run(code: str, *arguments: str, home: Path, **variables: str) -> list[str]:
    """Runs code in a new process. Returns the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**environment(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_call_does_not_import_botocore(tmp_path: Path) -> None:
    """The first call of a process is slow because it imports botocore."""
    fake = FakeCognito(access_key="AKID", secret_key="secret")
    fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
    with FakeCognitoServer(fake) as server:
        assert run(CALL, server.endpoint_url, home=tmp_path) == ["[]"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("moto") is None, reason="needs moto")
@pytest.mark.parametrize("order", ORDERS)
def test_moto_works_in_any_order_of_imports(order: str, tmp_path: Path) -> None:
    """A client calls AWS although a test has started moto."""
    code = "\n".join((*ORDERS[order], CALL_MOTO))
    assert run(code, home=tmp_path, AWS_MAX_ATTEMPTS="1") == ["moto answered"]


def test_the_short_path_works_with_credentials_from_an_argument(tmp_path: Path) -> None:
    """A call with its own credentials imports botocore, or requires keys in the environment."""
    code = """
import os, sys
del os.environ["AWS_ACCESS_KEY_ID"]
from cognito_signout import SignOutClient
class Keys:
    access_key, secret_key, token = "AKID", "secret", None
SignOutClient(endpoint_url=sys.argv[1], credentials=Keys).sign_out(user_pool_id="us-east-1_A", username="alice")
print("botocore" in sys.modules)
"""
    fake = FakeCognito(access_key="AKID", secret_key="secret")
    fake.add_user(user_pool_id="us-east-1_A", username="alice")
    with FakeCognitoServer(fake) as server:
        assert run(code, server.endpoint_url, home=tmp_path) == ["False"]
