"""Environments that a client may run in, and a class that makes a call in an environment and reports the outcome.

An :class:`Environment` consists of variables, files and arguments. :class:`Probes` creates a home directory for it
and makes a call in a process that shares no state with earlier calls. Values may contain placeholders in braces, for
what is only known when the tests run: ``{home}``, ``{python}``, the URL of a server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha1
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from tests.servers import CredentialSources

from .probe import Report, Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

ROOT = Path(__file__).parents[2]
POOL = "us-east-1_Ab129faBb"
#: A pool ID without a region, as some emulators create them.
LOCAL_POOL = "local_Ab129faBb"


@frozen(kw_only=True, eq=False)  # compared by identity, so that pytest groups the tests of one environment
class Environment:
    """The environment of a client, and the expected outcome of a call if it is not the same as with boto3.

    Attributes:
        name: What is special about it, also the ID of its tests.
        variables: Environment variables.
        files: Files below the home directory.
        arguments: The client's arguments. ``config`` contains the arguments of a ``Config``.
        user_pool_id: The ID of the user pool.
        attempts: How many requests both clients must send to a service that is down. ``None`` if it is up.
        error: The class of the error that this library must raise. boto3 must raise an error too, unless ``differs`` is
            set.
        differs: The reason why this library does not do the same as boto3. ``None`` if it must do the same.
        url: The URL that this library must send to, if that differs.
    """

    name: str
    variables: Mapping[str, str] = field(factory=dict)
    files: Mapping[str, str] = field(factory=dict)
    arguments: Mapping[str, Any] = field(factory=dict)
    user_pool_id: str = POOL
    attempts: int | None = None
    error: str | None = None
    differs: str | None = None
    url: str | None = None


class Probes:
    """Makes each call in a separate process. A context manager. Only one thread at a time may call ``boto3()``.

    Args:
        home: An empty directory for the home directories.
        placeholders: The values of the placeholders, by name.
        recorded: Whether requests are recorded instead of sent.
    """

    def __init__(self, home: Path, placeholders: Mapping[str, str], *, recorded: bool) -> None:
        self._home = home
        self._boto3_home = home / "boto3"
        self._placeholders = placeholders
        self._recorded = recorded

    def ours(self, environment: Environment) -> Report:
        """Makes a call with this library in an environment."""
        home = Path(mkdtemp(dir=self._home))
        with _probe("ours", home) as process:
            return self._call(process, environment, home)

    def boto3(self, environment: Environment) -> Report:
        """Makes a call with boto3 in an environment."""
        shutil.rmtree(self._boto3_home, ignore_errors=True)
        self._boto3_home.mkdir()
        return self._call(self._boto3, environment, self._boto3_home)

    def __enter__(self) -> Self:
        self._boto3 = _probe("boto3", self._boto3_home)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._boto3:  # closes the pipes and waits for the process
            pass

    def _call(self, process: subprocess.Popen[str], environment: Environment, home: Path) -> Report:
        placeholders = {**self._placeholders, "home": str(home), "python": sys.executable}
        for path, content in environment.files.items():
            file = home / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_filled(content, placeholders))
        variables = {"AWS_EC2_METADATA_DISABLED": "true", **environment.variables}
        task = Task(
            environ={**_bare_environ(home), **_filled(variables, placeholders)},
            user_pool_id=environment.user_pool_id,
            arguments=_filled(dict(environment.arguments), placeholders),
            recorded=self._recorded,
            status=200 if environment.attempts is None else 503,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(task), file=process.stdin, flush=True)
        return cast("Report", json.loads(process.stdout.readline()))


def _probe(side: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.config.probe", side],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=_bare_environ(home),  # botocore reads HOME when it is imported
    )


def _bare_environ(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


def _filled(value: Any, placeholders: Mapping[str, str]) -> Any:
    """The value with its placeholders replaced."""
    if isinstance(value, dict):
        return {_filled(key, placeholders): _filled(item, placeholders) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, placeholders) for item in value]
    if isinstance(value, str):
        for name, replacement in placeholders.items():
            value = value.replace(f"{{{name}}}", replacement)
    return value


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
REGION = {"AWS_DEFAULT_REGION": "us-east-1"}
BASICS = {**KEYS, **REGION}

CONFIG = ".aws/config"
CREDENTIALS = ".aws/credentials"


def _keys(name: str) -> str:
    return f"aws_access_key_id = AKID{name}\naws_secret_access_key = secret\n"


def _process(output: Mapping[str, object]) -> Mapping[str, str]:
    """The files of a profile with a ``credential_process`` that prints this as JSON."""
    return {
        CONFIG: "[default]\ncredential_process = {python} {home}/process.py\n",
        "process.py": f"import json\nprint(json.dumps({dict(output)!r}))\n",
    }


PROCESS_OUTPUT = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "secret", "SessionToken": "TOKEN"}
STS = {**REGION, "AWS_ENDPOINT_URL_STS": "{sources}"}
METADATA = {
    **REGION,
    "AWS_EC2_METADATA_DISABLED": "false",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{sources}/",
    "AWS_METADATA_SERVICE_TIMEOUT": "20",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
}
SSO_PROFILE = """\
[default]
sso_start_url = https://sso.example/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = role
"""
SSO_CACHE = f".aws/sso/cache/{sha1(b'https://sso.example/start', usedforsecurity=False).hexdigest()}.json"
SSO_TOKEN = {"accessToken": CredentialSources.SSO_TOKEN, "expiresAt": "2099-01-01T00:00:00Z"}

CREDENTIAL_ENVIRONMENTS = [
    Environment(name="static keys", variables=BASICS),
    Environment(name="AWS_SESSION_TOKEN", variables={**BASICS, "AWS_SESSION_TOKEN": "TOKENSESSION"}),
    Environment(name="AWS_SECURITY_TOKEN", variables={**BASICS, "AWS_SECURITY_TOKEN": "TOKENSECURITY"}),
    Environment(
        name="both tokens",
        variables={**BASICS, "AWS_SECURITY_TOKEN": "TOKENSECURITY", "AWS_SESSION_TOKEN": "TOKENSESSION"},
    ),
    Environment(name="empty token", variables={**BASICS, "AWS_SESSION_TOKEN": ""}),
    Environment(
        name="keys that expire later", variables={**BASICS, "AWS_CREDENTIAL_EXPIRATION": "2099-01-01T00:00:00Z"}
    ),
    Environment(
        name="keys that have expired",
        variables={**BASICS, "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"},
        error="CredentialsError",
    ),
    Environment(
        name="invalid expiry",
        variables={**BASICS, "AWS_CREDENTIAL_EXPIRATION": "tomorrow"},
        error="CredentialsError",
    ),
    Environment(name="only the key id", variables={**REGION, "AWS_ACCESS_KEY_ID": "AKID"}, error="CredentialsError"),
    Environment(
        name="only the secret key", variables={**REGION, "AWS_SECRET_ACCESS_KEY": "secret"}, error="CredentialsError"
    ),
    Environment(name="empty secret key", variables={**BASICS, "AWS_SECRET_ACCESS_KEY": ""}, error="CredentialsError"),
    Environment(name="empty key id", variables={**BASICS, "AWS_ACCESS_KEY_ID": ""}, error="CredentialsError"),
    Environment(name="no keys", variables=REGION, error="CredentialsError"),
    Environment(
        name="empty key id, keys in a file",
        variables={**BASICS, "AWS_ACCESS_KEY_ID": ""},
        files={CREDENTIALS: f"[default]\n{_keys('FILE')}"},
    ),
    Environment(name="credentials file", variables=REGION, files={CREDENTIALS: f"[default]\n{_keys('FILE')}"}),
    Environment(
        name="credentials file elsewhere",
        variables={**REGION, "AWS_SHARED_CREDENTIALS_FILE": "{home}/elsewhere"},
        files={"elsewhere": f"[default]\n{_keys('ELSEWHERE')}aws_session_token = TOKENFILE\n"},
    ),
    Environment(name="config file", variables=REGION, files={CONFIG: f"[default]\n{_keys('CONFIG')}"}),
    Environment(
        name="config file elsewhere",
        variables={"AWS_CONFIG_FILE": "{home}/elsewhere"},
        files={"elsewhere": f"[default]\nregion = us-east-1\n{_keys('ELSEWHERE')}"},
    ),
    Environment(
        name="both files",
        variables=REGION,
        files={CREDENTIALS: f"[default]\n{_keys('FILE')}", CONFIG: f"[default]\n{_keys('CONFIG')}"},
    ),
    Environment(name="files and keys", variables=BASICS, files={CREDENTIALS: f"[default]\n{_keys('FILE')}"}),
    Environment(
        name="incomplete keys in the file",
        variables=REGION,
        files={CREDENTIALS: "[default]\naws_access_key_id = AKIDFILE\n"},
        error="CredentialsError",
    ),
    Environment(name="malformed config file", variables=BASICS, files={CONFIG: "region\n"}, error="ConfigurationError"),
    Environment(
        name="malformed credentials file",
        variables=REGION,
        files={CREDENTIALS: "aws_access_key_id = AKID\n"},
        error="ConfigurationError",
    ),
    Environment(
        name="boto 2 file",
        variables={**REGION, "BOTO_CONFIG": "{home}/boto.cfg"},
        files={"boto.cfg": f"[Credentials]\n{_keys('BOTO')}"},
    ),
    Environment(
        name="EC2 tools file",
        variables={**REGION, "AWS_CREDENTIAL_FILE": "{home}/ec2"},
        files={"ec2": "AWSAccessKeyId=AKIDEC2\nAWSSecretKey=secret\n"},
    ),
    Environment(name="process", variables=REGION, files=_process(PROCESS_OUTPUT)),
    Environment(
        name="process with expired credentials",
        variables=REGION,
        files=_process({**PROCESS_OUTPUT, "Expiration": "2020-01-01T00:00:00Z"}),
        error="CredentialsError",
    ),
    Environment(
        name="process without a secret",
        variables=REGION,
        files=_process({"Version": 1, "AccessKeyId": "AKIDPROCESS"}),
        error="CredentialsError",
    ),
    Environment(
        name="process that fails",
        variables=REGION,
        files={CONFIG: "[default]\ncredential_process = {python} -c 'import sys; sys.exit(3)'\n"},
        error="CredentialsError",
    ),
    Environment(
        name="process without output",
        variables=REGION,
        files={CONFIG: "[default]\ncredential_process = {python} -c ''\n"},
        error="CredentialsError",
    ),
    Environment(
        name="assumed role",
        variables=STS,
        files={
            CONFIG: "[default]\nrole_arn = arn:aws:iam::123456789012:role/role\nsource_profile = source\n",
            CREDENTIALS: f"[source]\n{_keys('SOURCE')}",
        },
    ),
    Environment(
        name="assumed role, in the region of the call",
        variables={"AWS_ENDPOINT_URL_STS": "{sources}"},
        arguments={"region_name": "eu-central-1"},
        files={
            CONFIG: "[default]\nrole_arn = arn:aws:iam::123456789012:role/role\nsource_profile = source\n",
            CREDENTIALS: f"[source]\n{_keys('SOURCE')}",
        },
    ),
    Environment(
        name="assumed role, with the environment's keys",
        variables={**STS, **KEYS, "AWS_PROFILE": "role"},
        files={
            CONFIG: "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/role\ncredential_source = Environment\n"
        },
        arguments={"profile_name": "role"},
    ),
    Environment(
        name="assumed role without a source",
        variables=STS,
        files={CONFIG: "[default]\nrole_arn = arn:aws:iam::123456789012:role/role\n"},
        error="CredentialsError",
    ),
    Environment(
        name="web identity",
        variables={
            **STS,
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/role",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token",
        },
        files={"token": "web-identity"},
    ),
    Environment(
        name="web identity of a profile",
        variables=STS,
        files={
            CONFIG: "[default]\nrole_arn = arn:aws:iam::123456789012:role/role\n"
            "web_identity_token_file = {home}/token\n",
            "token": "web-identity",
        },
    ),
    Environment(
        name="web identity that STS rejects",
        variables={
            **STS,
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/role",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token",
        },
        files={"token": "other-identity"},
        error="CredentialsError",
    ),
    Environment(
        name="web identity, missing token file",
        variables={
            **STS,
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/role",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/nowhere",
        },
        error="CredentialsError",
    ),
    Environment(
        name="SSO",
        variables={**REGION, "AWS_ENDPOINT_URL_SSO": "{sources}"},
        files={CONFIG: SSO_PROFILE, SSO_CACHE: json.dumps(SSO_TOKEN)},
    ),
    Environment(name="SSO, not logged in", variables=REGION, files={CONFIG: SSO_PROFILE}, error="CredentialsError"),
    Environment(
        name="SSO, login expired",
        variables=REGION,
        files={CONFIG: SSO_PROFILE, SSO_CACHE: json.dumps({**SSO_TOKEN, "expiresAt": "2020-01-01T00:00:00Z"})},
        error="CredentialsError",
    ),
    Environment(
        name="container",
        variables={
            **REGION,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{sources}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CredentialSources.CONTAINER_TOKEN,
        },
    ),
    Environment(
        name="container, token in a file",
        variables={
            **REGION,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{sources}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token",
        },
        files={"token": CredentialSources.CONTAINER_TOKEN},
    ),
    Environment(
        name="container on a host that is not allowed",
        variables={**REGION, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/container"},
        error="CredentialsError",
    ),
    Environment(name="instance", variables=METADATA),
]

PROFILES = f"[default]\n{_keys('DEFAULT')}[one]\n{_keys('ONE')}[two]\n{_keys('TWO')}"

PROFILE_ENVIRONMENTS = [
    Environment(name="AWS_PROFILE", variables={**REGION, "AWS_PROFILE": "one"}, files={CREDENTIALS: PROFILES}),
    Environment(
        name="AWS_DEFAULT_PROFILE", variables={**REGION, "AWS_DEFAULT_PROFILE": "one"}, files={CREDENTIALS: PROFILES}
    ),
    Environment(
        name="both profile variables",
        variables={**REGION, "AWS_DEFAULT_PROFILE": "one", "AWS_PROFILE": "two"},
        files={CREDENTIALS: PROFILES},
    ),
    Environment(name="AWS_PROFILE and keys", variables={**BASICS, "AWS_PROFILE": "one"}, files={CREDENTIALS: PROFILES}),
    Environment(
        name="profile_name and keys",
        variables=BASICS,
        files={CREDENTIALS: PROFILES},
        arguments={"profile_name": "one"},
    ),
    Environment(
        name="profile_name and AWS_PROFILE",
        variables={**REGION, "AWS_PROFILE": "two"},
        files={CREDENTIALS: PROFILES},
        arguments={"profile_name": "one"},
    ),
    Environment(
        name="region of the profile",
        variables=KEYS,
        files={CONFIG: "[default]\nregion = eu-west-1\n[profile one]\nregion = eu-central-1\n"},
        arguments={"profile_name": "one"},
        user_pool_id=LOCAL_POOL,
        error="CredentialsError",  # with profile_name, boto3 ignores the environment's keys
    ),
    Environment(
        name="unknown AWS_PROFILE",
        variables={**BASICS, "AWS_PROFILE": "nobody"},
        files={CREDENTIALS: PROFILES},
        error="ConfigurationError",
    ),
    Environment(
        name="unknown profile_name", variables=BASICS, arguments={"profile_name": "nobody"}, error="ConfigurationError"
    ),
    Environment(
        name="unknown profile, endpoint_url given",
        variables={**BASICS, "AWS_PROFILE": "nobody"},
        arguments={"endpoint_url": "http://127.0.0.1:5000"},
        error="ConfigurationError",
    ),
    Environment(name="empty AWS_PROFILE", variables={**BASICS, "AWS_PROFILE": ""}, error="ConfigurationError"),
]

SERVICES = "[services mine]\ncognito_identity_provider =\n  endpoint_url = http://127.0.0.1:5003/services\n"
IGNORE_URLS = {**BASICS, "AWS_ENDPOINT_URL": "http://127.0.0.1:5002"}

ENDPOINT_ENVIRONMENTS = [
    Environment(name="endpoint_url", variables=BASICS, arguments={"endpoint_url": "http://127.0.0.1:5000"}),
    Environment(
        name="endpoint_url with a path", variables=BASICS, arguments={"endpoint_url": "http://127.0.0.1:5000/idp/v1"}
    ),
    Environment(name="endpoint_url with a slash", variables=BASICS, arguments={"endpoint_url": "https://idp.example/"}),
    Environment(name="endpoint_url with IPv6", variables=BASICS, arguments={"endpoint_url": "http://[::1]:5000"}),
    Environment(
        name="endpoint_url with the default port",
        variables=BASICS,
        arguments={"endpoint_url": "https://idp.example:443"},
    ),
    Environment(
        name="AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        variables={
            **BASICS,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://127.0.0.1:5001",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:5002",
        },
    ),
    Environment(
        name="endpoint_url and AWS_ENDPOINT_URL",
        variables=IGNORE_URLS,
        arguments={"endpoint_url": "http://127.0.0.1:5000"},
    ),
    Environment(name="AWS_ENDPOINT_URL", variables=IGNORE_URLS),
    Environment(name="empty AWS_ENDPOINT_URL", variables={**BASICS, "AWS_ENDPOINT_URL": ""}),
    Environment(name="services section", variables=BASICS, files={CONFIG: f"[default]\nservices = mine\n{SERVICES}"}),
    Environment(
        name="services section and the profile's endpoint_url",
        variables=BASICS,
        files={CONFIG: f"[default]\nservices = mine\nendpoint_url = http://127.0.0.1:5004\n{SERVICES}"},
    ),
    Environment(
        name="services section and AWS_ENDPOINT_URL",
        variables=IGNORE_URLS,
        files={CONFIG: f"[default]\nservices = mine\n{SERVICES}"},
    ),
    Environment(
        name="services section of other services",
        variables=BASICS,
        files={
            CONFIG: "[default]\nservices = mine\nendpoint_url = http://127.0.0.1:5004\n"
            "[services mine]\ns3 =\n  endpoint_url = http://127.0.0.1:5003\n"
        },
    ),
    Environment(
        name="services section that does not exist",
        variables=BASICS,
        files={CONFIG: "[default]\nservices = mine\n"},
        error="ConfigurationError",
    ),
    Environment(
        name="services section with a plain value",
        variables=BASICS,
        files={CONFIG: "[default]\nservices = mine\n[services mine]\ncognito_identity_provider = http://127.0.0.1\n"},
        error="ConfigurationError",
    ),
    Environment(
        name="endpoint_url of the profile",
        variables=BASICS,
        files={CONFIG: "[default]\nendpoint_url = http://127.0.0.1:5004\n"},
    ),
    Environment(
        name="AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        variables={**IGNORE_URLS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        files={CONFIG: f"[default]\nservices = mine\n{SERVICES}"},
    ),
    Environment(
        name="ignored by the profile",
        variables=IGNORE_URLS,
        files={CONFIG: "[default]\nignore_configured_endpoint_urls = true\n"},
    ),
    Environment(
        name="ignored by the Config",
        variables=IGNORE_URLS,
        arguments={"config": {"ignore_configured_endpoint_urls": True}},
    ),
    Environment(
        name="not ignored because of the Config",
        variables={**IGNORE_URLS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        arguments={"config": {"ignore_configured_endpoint_urls": False}},
    ),
    Environment(
        name="ignored, except endpoint_url",
        variables={**IGNORE_URLS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        arguments={"endpoint_url": "http://127.0.0.1:5000"},
    ),
    *(
        Environment(
            name=f"endpoint_url {url!r}", variables=BASICS, arguments={"endpoint_url": url}, error="ConfigurationError"
        )
        for url in ("", "localhost:5000", "http://", "http://two words")
    ),
    Environment(
        name="invalid AWS_ENDPOINT_URL",
        variables={**BASICS, "AWS_ENDPOINT_URL": "nonsense"},
        error="ConfigurationError",
    ),
]

FIPS = {**BASICS, "AWS_USE_FIPS_ENDPOINT": "true"}
DUALSTACK = {**BASICS, "AWS_USE_DUALSTACK_ENDPOINT": "true"}

FLAG_ENVIRONMENTS = [
    Environment(name="FIPS", variables=FIPS),
    Environment(name="AWS_USE_FIPS_ENDPOINT=yes", variables={**BASICS, "AWS_USE_FIPS_ENDPOINT": "yes"}),
    Environment(name="FIPS of the profile", variables=BASICS, files={CONFIG: "[default]\nuse_fips_endpoint = true\n"}),
    Environment(
        name="FIPS disabled in spite of the profile",
        variables={**BASICS, "AWS_USE_FIPS_ENDPOINT": "false"},
        files={CONFIG: "[default]\nuse_fips_endpoint = true\n"},
    ),
    Environment(name="FIPS of the Config", variables=BASICS, arguments={"config": {"use_fips_endpoint": True}}),
    Environment(name="FIPS disabled by the Config", variables=FIPS, arguments={"config": {"use_fips_endpoint": False}}),
    Environment(name="FIPS prefix of a region", variables=KEYS, arguments={"region_name": "fips-us-east-1"}),
    Environment(name="FIPS suffix of a region", variables=KEYS, arguments={"region_name": "us-gov-west-1-fips"}),
    Environment(name="dual-stack", variables=DUALSTACK),
    Environment(
        name="dual-stack of the profile", variables=BASICS, files={CONFIG: "[default]\nuse_dualstack_endpoint = true\n"}
    ),
    Environment(
        name="dual-stack of the Config", variables=BASICS, arguments={"config": {"use_dualstack_endpoint": True}}
    ),
    Environment(name="FIPS and dual-stack", variables={**FIPS, **DUALSTACK}),
    Environment(name="dual-stack in China", variables=DUALSTACK, arguments={"region_name": "cn-north-1"}),
    Environment(name="FIPS and endpoint_url", variables=FIPS, arguments={"endpoint_url": "http://127.0.0.1:5000"}),
    Environment(
        name="dual-stack and AWS_ENDPOINT_URL", variables={**DUALSTACK, "AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}
    ),
]

REGION_ENVIRONMENTS = [
    Environment(name="region_name", variables=BASICS, arguments={"region_name": "eu-west-1"}),
    Environment(name="region of the Config", variables=BASICS, arguments={"config": {"region_name": "eu-west-2"}}),
    Environment(
        name="region_name and region of the Config",
        variables=BASICS,
        arguments={"region_name": "eu-west-1", "config": {"region_name": "eu-west-2"}},
    ),
    Environment(name="China", variables=KEYS, arguments={"region_name": "cn-north-1"}),
    Environment(name="future region", variables=KEYS, arguments={"region_name": "eu-middle-7"}),
    Environment(name="region outside all partitions", variables=KEYS, arguments={"region_name": "nowhere"}),
    Environment(
        name="AWS_DEFAULT_REGION, pool without region",
        variables={**KEYS, "AWS_DEFAULT_REGION": "ap-south-1"},
        user_pool_id=LOCAL_POOL,
    ),
    Environment(
        name="region of the default profile, pool without region",
        variables=KEYS,
        files={CONFIG: "[default]\nregion = sa-east-1\n"},
        user_pool_id=LOCAL_POOL,
    ),
    Environment(
        name="AWS_REGION, which boto3 ignores",
        variables={**KEYS, "AWS_REGION": "eu-west-1"},
        user_pool_id=LOCAL_POOL,
        error="ConfigurationError",
    ),
    Environment(name="no region", variables=KEYS, user_pool_id=LOCAL_POOL, error="ConfigurationError"),
    Environment(
        name="region of the pool only",
        variables=KEYS,
        differs="the region is read from the pool ID; boto3 has no region",
        url="https://cognito-idp.us-east-1.amazonaws.com/",
    ),
    Environment(
        name="region of the pool and AWS_DEFAULT_REGION",
        variables={**KEYS, "AWS_DEFAULT_REGION": "eu-west-1"},
        differs="the region of the pool ID takes precedence over the session's: the pool exists in no other region",
        url="https://cognito-idp.us-east-1.amazonaws.com/",
    ),
    *(
        Environment(
            name=f"region_name {region!r}",
            variables=BASICS,
            arguments={"region_name": region},
            error="ConfigurationError",
        )
        for region in ("", "us_east_1", "e" * 64, "42")
    ),
    Environment(
        name="empty AWS_DEFAULT_REGION",
        variables={**KEYS, "AWS_DEFAULT_REGION": ""},
        user_pool_id=LOCAL_POOL,
        error="ConfigurationError",
    ),
]


def _attempts(name: str, attempts: int, *, config: str = "", retries: Any = None, **variables: str) -> Environment:
    return Environment(
        name=name,
        variables={**BASICS, **variables},
        files={CONFIG: f"[default]\n{config}"} if config else {},
        arguments={} if retries is None else {"config": {"retries": retries}},
        attempts=attempts,
    )


ATTEMPT_ENVIRONMENTS = [
    _attempts("AWS_MAX_ATTEMPTS", 4, AWS_MAX_ATTEMPTS="4"),
    _attempts("AWS_MAX_ATTEMPTS=1", 1, AWS_MAX_ATTEMPTS="1"),
    _attempts("max_attempts of the profile", 2, config="max_attempts = 2\n"),
    _attempts("AWS_MAX_ATTEMPTS and the profile", 4, config="max_attempts = 2\n", AWS_MAX_ATTEMPTS="4"),
    _attempts("max_attempts of the Config, which counts retries", 3, retries={"max_attempts": 2}),
    _attempts("no retries because of the Config", 1, retries={"max_attempts": 0}),
    _attempts("total_max_attempts", 2, retries={"total_max_attempts": 2}, AWS_MAX_ATTEMPTS="4"),
    _attempts("total_max_attempts and max_attempts", 4, retries={"total_max_attempts": 4, "max_attempts": 1}),
    _attempts("legacy", 4, AWS_RETRY_MODE="legacy", AWS_MAX_ATTEMPTS="4"),
    _attempts("standard", 4, AWS_RETRY_MODE="standard", AWS_MAX_ATTEMPTS="4"),
    _attempts("default of the standard mode", 3, AWS_RETRY_MODE="standard"),
    _attempts("adaptive", 3, AWS_RETRY_MODE="adaptive", AWS_MAX_ATTEMPTS="3"),
    _attempts("mode of the profile", 2, config="retry_mode = standard\nmax_attempts = 2\n"),
    _attempts("mode of the Config", 2, retries={"mode": "standard"}, AWS_MAX_ATTEMPTS="2", AWS_RETRY_MODE="legacy"),
    _attempts(
        "mode of the Config and an invalid AWS_RETRY_MODE",
        2,
        retries={"mode": "standard", "max_attempts": 1},
        AWS_RETRY_MODE="foo",
    ),
    _attempts("AWS_DEFAULTS_MODE=standard", 2, AWS_DEFAULTS_MODE="standard", AWS_MAX_ATTEMPTS="2"),
    Environment(
        name="default attempts",
        variables=BASICS,
        attempts=3,
        differs="the default is 3 attempts in standard mode, regardless of the default mode of the installed botocore",
    ),
    Environment(
        name="default of the legacy mode",
        variables={**BASICS, "AWS_RETRY_MODE": "legacy"},
        attempts=3,
        differs="the default is 3 attempts in every mode",
    ),
    *(
        Environment(
            name=f"{name}={value}",
            variables={**BASICS, name: value},
            error="ConfigurationError",
        )
        for name, value in (
            ("AWS_MAX_ATTEMPTS", "abc"),
            ("AWS_MAX_ATTEMPTS", ""),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("AWS_MAX_ATTEMPTS", "-1"),
            ("AWS_RETRY_MODE", "foo"),
            ("AWS_RETRY_MODE", ""),
            ("AWS_RETRY_MODE", "Standard"),
        )
    ),
    Environment(
        name="AWS_MAX_ATTEMPTS=abc and the Config",
        variables={**BASICS, "AWS_MAX_ATTEMPTS": "abc"},
        arguments={"config": {"retries": {"max_attempts": 1}}},
        attempts=2,
    ),
]

#: Endpoint data of the user, which sends requests to a private domain.
OWN_ENDPOINTS = json.dumps(
    {
        "version": 3,
        "partitions": [
            {
                "partition": "aws",
                "regionRegex": "^us-.*$",
                "dnsSuffix": "own.example",
                "defaults": {
                    "hostname": "{service}.{region}.{dnsSuffix}",
                    "protocols": ["https"],
                    "signatureVersions": ["v4"],
                },
                "regions": {"us-east-1": {}},
                "services": {},
            }
        ],
    }
)

OTHER_ENVIRONMENTS = [
    Environment(name="~/.aws/models", variables=BASICS, files={".aws/models/endpoints.json": OWN_ENDPOINTS}),
    Environment(
        name="AWS_DATA_PATH",
        variables={**BASICS, "AWS_DATA_PATH": "{home}/data"},
        files={"data/endpoints.json": OWN_ENDPOINTS},
    ),
    Environment(
        name="data_path of the profile",
        variables=BASICS,
        files={CONFIG: "[default]\ndata_path = {home}/data\n", "data/endpoints.json": OWN_ENDPOINTS},
    ),
    Environment(
        name="AWS_DATA_PATH with a broken file",
        variables={**BASICS, "AWS_DATA_PATH": "{home}/data"},
        files={"data/partitions.json": "{"},
        error="ConfigurationError",
    ),
    *(
        Environment(name=f"AWS_DEFAULTS_MODE={mode}", variables={**BASICS, "AWS_DEFAULTS_MODE": mode})
        for mode in ("legacy", "In-Region", "auto")
    ),
    Environment(
        name="AWS_DEFAULTS_MODE=foo", variables={**BASICS, "AWS_DEFAULTS_MODE": "foo"}, error="ConfigurationError"
    ),
    Environment(
        name="AWS_DEFAULTS_MODE=foo and the Config",
        variables={**BASICS, "AWS_DEFAULTS_MODE": "foo"},
        arguments={"config": {"defaults_mode": "standard"}},
    ),
    Environment(name="application id", variables={**BASICS, "AWS_SDK_UA_APP_ID": "shop/1 é"}),
    Environment(
        name="application id of the Config",
        variables={**BASICS, "AWS_SDK_UA_APP_ID": "shop"},
        arguments={"config": {"user_agent_appid": "back-office"}},
    ),
    Environment(
        name="trace in Lambda",
        variables={
            **BASICS,
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "_X_AMZN_TRACE_ID": 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1 "{é}"',
        },
    ),
    Environment(name="trace outside Lambda", variables={**BASICS, "_X_AMZN_TRACE_ID": "Root=1"}),
    Environment(
        name="variables without effect",
        variables={
            **BASICS,
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_ACCOUNT_ID": "123456789012",
            "AWS_S3_USE_ARN_REGION": "true",
        },
    ),
]

ENVIRONMENTS = [
    *CREDENTIAL_ENVIRONMENTS,
    *PROFILE_ENVIRONMENTS,
    *ENDPOINT_ENVIRONMENTS,
    *FLAG_ENVIRONMENTS,
    *REGION_ENVIRONMENTS,
    *ATTEMPT_ENVIRONMENTS,
    *OTHER_ENVIRONMENTS,
]
