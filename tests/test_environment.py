"""The short path answers as botocore would, steps aside where it can't, and spares botocore's import."""

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

#: Environments in which the variables alone decide.
ENOUGH: dict[str, dict[str, str]] = {
    "keys": {},
    "a token": {"AWS_SESSION_TOKEN": "token"},
    "a token by its old name": {"AWS_SECURITY_TOKEN": "old"},
    "two tokens": {"AWS_SECURITY_TOKEN": "old", "AWS_SESSION_TOKEN": "token"},
    "an empty token": {"AWS_SECURITY_TOKEN": "", "AWS_SESSION_TOKEN": "token"},
    "a region": {"AWS_DEFAULT_REGION": "eu-west-1"},
    "a region that botocore does not read": {"AWS_REGION": "eu-west-1"},
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
    "a bundle of requests'": {"REQUESTS_CA_BUNDLE": "/other/bundle.pem"},
    "two bundles": {"AWS_CA_BUNDLE": "/some/bundle.pem", "REQUESTS_CA_BUNDLE": "/other/bundle.pem"},
    "no proxies": {"HTTPS_PROXY": "", "NO_PROXY": "localhost"},
    "an application's id": {"AWS_SDK_UA_APP_ID": "shop"},
    "Lambda": {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "leave",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_REGION": "us-east-2",
        "AWS_SESSION_TOKEN": "token",
    },
    "bad attempts": {"AWS_MAX_ATTEMPTS": "abc"},
    "no attempts": {"AWS_MAX_ATTEMPTS": "0"},
    "a bad mode": {"AWS_RETRY_MODE": "foo"},
    "an empty bundle": {"AWS_CA_BUNDLE": " "},
    "a bad endpoint": {"AWS_ENDPOINT_URL": "localhost"},
    "a bad region": {"AWS_DEFAULT_REGION": "no region"},
    "an empty region": {"AWS_DEFAULT_REGION": ""},
}
#: Environments that it does not understand, or in which something else may decide.
NOT_ENOUGH: dict[str, dict[str, str]] = {
    "half a key": {"AWS_SECRET_ACCESS_KEY": ""},
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
            "AWS_A_THING_OF_THE_FUTURE": "1",
            "BOTO_CONFIG": "/nowhere",
            "BOTOCORE_TCP_KEEPALIVE": "true",
        }.items()
    },
}
#: Files under the home directory which make it step aside too.
FILES = {
    ".aws/config": "",
    ".aws/models/other/1/service-2.json": "",
    ".aws/credentials": "[default]\nregion = eu-west-1\n",
}
STATIC_KEYS = "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
#: Credentials files that hold more than static keys, or less.
NOT_UNDERSTOOD = {
    "a role": f"{STATIC_KEYS}role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = other\n",
    "a process": f"{STATIC_KEYS}credential_process = /bin/true\n",
    "a setting": f"{STATIC_KEYS}region = eu-west-1\n",
    "a setting of the future": f"{STATIC_KEYS}something = else\n",
    "a section within": f"{STATIC_KEYS}s3 =\n  addressing_style = path\n",
    "something within another profile": f"{STATIC_KEYS}[other]\ns3 =\n  addressing_style = path\n",
    "defaults for all": f"{STATIC_KEYS}[DEFAULT]\nregion = eu-west-1\n",
    "no INI": f"{STATIC_KEYS}[default\n",
    "half a key": "[default]\naws_access_key_id = FILE\n",
    "an empty key": "[default]\naws_access_key_id = FILE\naws_secret_access_key =\n",
    "no default profile": "[other]\naws_access_key_id = FILE\naws_secret_access_key = s\n",
}
#: Credentials files that hold static keys alone.
UNDERSTOOD_FILES = {
    "keys": "[default]\naws_access_key_id = FILE\naws_secret_access_key = s3cret%\n",
    "a token": "[default]\nAWS_ACCESS_KEY_ID=FILE\naws_secret_access_key=s\naws_session_token = t\n",
    "two tokens": f"{STATIC_KEYS}aws_session_token = t\naws_security_token = u\n",
    "another profile": "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n[work]\nregion=eu-west-1\n",
    "comments": "# mine\n[default]\n; keys\naws_access_key_id: FILE\naws_secret_access_key = a#b;c\n",
}

#: Resolves a list of cases, each a set of variables, in one process; prints what came of each.
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
answers = []
for variables, pool in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(base)
    os.environ.update(variables)
    options = Options()
    answer = {"enough": is_enough(options)}
    answers.append(answer)
    if sys.argv[1] == "ask":
        continue
    resolver = Resolver(options)
    try:
        settings = resolver.settings(pool)
        answer["settings"] = {**asdict(settings, recurse=False), "endpoint": settings.endpoint._asdict()}
        answer["credentials"] = asdict(resolver.credentials.current())
        answer["proxy"] = str(find_proxy(settings.endpoint.url, settings.proxies))
    except SignOutError as error:
        answer["error"] = type(error).__name__
print(json.dumps({"answers": answers, "botocore": "botocore" in sys.modules}))
"""


def environment(home: Path) -> dict[str, str]:
    """An environment with keys and an empty home, and nothing else of AWS's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HOME"))}
    return {**kept, **KEYS, "HOME": str(home)}


def resolve(how: str, cases: list[tuple[dict[str, str], str]], home: Path) -> Any:
    """What a fresh process resolves, by the short path or, where botocore is imported first, by the full one."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, how],
        env=environment(home),
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_both_paths_answer_alike(tmp_path: Path) -> None:
    """A setting that only one of them heeds would make a call depend on who has imported botocore."""
    pools = ("us-east-1_A", "eu-central-1_A", "cn-north-1_A", "us-gov-west-1_A", "local_A")
    cases = [(variables, pool) for variables in ENOUGH.values() for pool in pools]
    short, full = (resolve(how, cases, tmp_path) for how in ("short", "full"))
    assert (short["botocore"], full["botocore"]) == (False, True)
    assert all(answer.pop("enough") for answer in short["answers"])
    assert not any(answer.pop("enough") for answer in full["answers"])
    names = [f"{name}, {pool}" for name in ENOUGH for pool in pools]
    assert dict(zip(names, short["answers"], strict=True)) == dict(zip(names, full["answers"], strict=True))
    assert sum("settings" in answer for answer in short["answers"]) > 90


def test_it_steps_aside_for_what_it_does_not_understand(tmp_path: Path) -> None:
    """An allow-list: a variable that botocore learns tomorrow must not be ignored."""
    answers = resolve("ask", [(variables, "") for variables in NOT_ENOUGH.values()], tmp_path)["answers"]
    assert [name for name, answer in zip(NOT_ENOUGH, answers, strict=True) if answer["enough"]] == []


@pytest.mark.parametrize("file", FILES)
def test_it_steps_aside_for_files(file: str, tmp_path: Path) -> None:
    """Files may decide anything."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(FILES[file])
    assert resolve("ask", [({}, "")], tmp_path)["answers"] == [{"enough": False}]


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def write_credentials(home: Path, text: str) -> None:
    """Writes the shared credentials file."""
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(text)


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_it_steps_aside_for_a_credentials_file_with_more_than_static_keys(name: str, tmp_path: Path) -> None:
    """A role in the file would be passed over, and its user signed in as somebody else."""
    write_credentials(tmp_path, NOT_UNDERSTOOD[name])
    assert resolve("ask", [(NO_KEYS, "")], tmp_path)["answers"] == [{"enough": False}]


@pytest.mark.parametrize("name", UNDERSTOOD_FILES)
def test_both_paths_read_static_keys_alike(name: str, tmp_path: Path) -> None:
    """From the file where the environment has none, and from the environment where it has."""
    write_credentials(tmp_path, UNDERSTOOD_FILES[name])
    cases = [(NO_KEYS, "us-east-1_A"), ({"AWS_ACCESS_KEY_ID": ""}, "us-east-1_A"), ({}, "us-east-1_A")]
    short, full = (resolve(how, cases, tmp_path) for how in ("short", "full"))
    assert (short["botocore"], full["botocore"]) == (False, True)
    assert [answer.pop("enough") for answer in short["answers"]] == [True] * 3
    assert [answer.pop("enough") for answer in full["answers"]] == [False] * 3
    assert short["answers"] == full["answers"]
    assert [answer["credentials"]["access_key"] for answer in short["answers"]] == ["FILE", "FILE", "AKID"]


CALL = """
import sys
from cognito_signout import SignOutClient
client = SignOutClient(endpoint_url=sys.argv[1])
client.sign_out(user_pool_id="us-east-1_Test00001", username="alice")
print([name for name in ("botocore", "urllib3", "aiohttp", "asyncio") if name in sys.modules])
"""

MAKE_CLIENT = (
    "from cognito_signout import SignOutClient, SignOutConnectionError, UserNotFoundError; client = SignOutClient()"
)
IMPORT_MOTO = "from moto import mock_aws"
CALL_IN_VAIN = """
import socket
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda *_: []  # so no packet leaves this machine
try:
    client.sign_out(user_pool_id="us-east-1_A", username="alice")
except SignOutConnectionError:
    pass
socket.getaddrinfo = look_up
"""
#: In which order things may be imported, made and called before moto's mock is entered.
ORDERS = {
    "moto first": (IMPORT_MOTO, MAKE_CLIENT),
    "the client first": (MAKE_CLIENT, IMPORT_MOTO),
    "boto3, the client, moto": ("import boto3", MAKE_CLIENT, IMPORT_MOTO),
    "a call, then moto": (MAKE_CLIENT, CALL_IN_VAIN, IMPORT_MOTO),
    "moto, a call": (IMPORT_MOTO, MAKE_CLIENT, CALL_IN_VAIN),
    "a client made within": (IMPORT_MOTO, "mock_aws().start()", MAKE_CLIENT),
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
    """Runs code in a fresh process; returns the lines that it printed."""
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


def test_a_call_does_without_botocore(tmp_path: Path) -> None:
    """The short path is what makes a cold start short."""
    fake = FakeCognito(access_key="AKID", secret_key="secret")
    fake.add_user(user_pool_id="us-east-1_Test00001", username="alice")
    with FakeCognitoServer(fake) as server:
        assert run(CALL, server.endpoint_url, home=tmp_path) == ["[]"]


@pytest.mark.skipif(find_spec("moto") is None, reason="needs moto")
@pytest.mark.parametrize("order", ORDERS)
def test_moto_is_heard_whenever_it_is_imported(order: str, tmp_path: Path) -> None:
    """A client that has called without botocore must not call AWS while a test believes it mocked."""
    code = "\n".join((*ORDERS[order], CALL_MOTO))
    assert run(code, home=tmp_path, AWS_MAX_ATTEMPTS="1") == ["moto answered"]


def test_credentials_that_were_passed_in_need_no_keys_in_the_environment(tmp_path: Path) -> None:
    """A light dependency passes its own."""
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
