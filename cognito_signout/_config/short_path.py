"""The short path: what botocore's session would answer where nothing can decide but environment variables, and a
shared credentials file that holds static keys and nothing else.

botocore would hand back exactly those, and importing it would cost as much again as all the rest of a first call. So
where :func:`is_enough`, a stand-in for its session answers instead, with botocore's own data files and without
botocore. It decides by an allow-list: whatever it does not understand makes it step aside, and a test holds its answers
to the real session's. Only :mod:`_config.settings` knows of it.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .botocore import environment_has_proxies
from .credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .options import Options

ACCESS_KEY, SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
#: The names of the session token, in botocore's order.
TOKENS = ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")

#: botocore's configuration variables that an environment variable may set here, and how botocore converts them.
VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "region": ("AWS_DEFAULT_REGION", str),
    "ca_bundle": ("AWS_CA_BUNDLE", str),
    "ignore_configured_endpoint_urls": ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", lambda text: text.lower() == "true"),
    "max_attempts": ("AWS_MAX_ATTEMPTS", int),
    "retry_mode": ("AWS_RETRY_MODE", str),
    "user_agent_appid": ("AWS_SDK_UA_APP_ID", str),
}
#: botocore's answers where neither a variable nor a file says anything, as far as they are not ``None``.
DEFAULTS: Mapping[str, Any] = {"api_versions": {}, "defaults_mode": "legacy"}

#: The variables that are understood, and those that decide nothing here.
UNDERSTOOD = frozenset(
    {
        ACCESS_KEY,
        SECRET_KEY,
        *TOKENS,
        *(name for name, _ in VARIABLES.values()),
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EXECUTION_ENV",
        "AWS_REGION",  # which botocore does not read, and Lambda sets
    }
)
UNDERSTOOD_PREFIXES = ("AWS_LAMBDA_", "AWS_XRAY_")  # what else Lambda sets
#: Everything of botocore's that could be set begins with one of these.
CONFIGURING_PREFIXES = ("AWS_", "BOTO")
#: Files and folders that could decide, if they are there.
FILES = ("~/.aws/config", "~/.aws/models")
CREDENTIALS_FILE = "~/.aws/credentials"
#: The names of the keys in it; the token's are in botocore's order.
FILE_KEYS = ("aws_access_key_id", "aws_secret_access_key")
FILE_TOKENS = ("aws_security_token", "aws_session_token")


def is_enough(options: Options) -> bool:
    """Whether the environment variables decide alone, for a client of these options, as things are."""
    return (
        "botocore" not in sys.modules  # else there are its events, too, and nothing would be saved
        and options.session is None
        and options.profile_name is None
        and all(_is_understood(name) for name in os.environ if name.startswith(CONFIGURING_PREFIXES))
        and not any(os.path.exists(os.path.expanduser(path)) for path in FILES)
        and _is_understood_file()
        and (options.credentials is not None or _keys() is not None)
        and not environment_has_proxies()  # botocore sends through them, so nothing would be saved
        and _directory() is not None
    )


def _is_understood(name: str) -> bool:
    return name in UNDERSTOOD or name.startswith(UNDERSTOOD_PREFIXES)


def _keys() -> Credentials | None:
    """The static keys of the environment, else those of the file; ``None`` if there are none, or half of them."""
    if os.environ.get(ACCESS_KEY):
        keys, tokens, values = (ACCESS_KEY, SECRET_KEY), TOKENS, dict(os.environ)
    else:
        keys, tokens, values = FILE_KEYS, FILE_TOKENS, _default_profile()
    access_key, secret_key = (values.get(name) for name in keys)
    if not access_key or not secret_key:
        return None
    return Credentials(access_key, secret_key, next(filter(None, map(values.get, tokens)), None))


def _is_understood_file() -> bool:
    """Whether there is no credentials file, or one whose default profile holds static keys and nothing else."""
    path = os.path.expanduser(CREDENTIALS_FILE)
    if not os.path.exists(path):
        return True
    from configparser import Error

    try:
        return os.path.isfile(path) and all(name in (*FILE_KEYS, *FILE_TOKENS) for name in _default_profile())
    except (Error, UnicodeDecodeError):
        return False


def _default_profile() -> dict[str, str]:
    """The default profile of the credentials file, read as botocore reads it."""
    path = os.path.expanduser(CREDENTIALS_FILE)
    if not os.path.exists(path):
        return {}
    from configparser import RawConfigParser

    parser = RawConfigParser()
    parser.read(path)
    sections = {name: dict(parser[name]) for name in parser.sections()}
    if any("\n" in value for section in sections.values() for value in section.values()):
        return {"": ""}  # settings within settings, which are not understood
    return sections.get("default", {})


@lru_cache(maxsize=1)
def _directory() -> str | None:
    """The folder of botocore's data files, which is found without importing botocore; ``None`` if botocore is not a
    folder on disk, but in a zip or a frozen program. Never relative: anyone may write to the working directory.
    """
    spec = find_spec("botocore")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        data = os.path.join(place, "data")
        if os.path.isabs(data) and os.path.isdir(data):
            return data
    return None


class EnvironmentSession:
    """As much of botocore's ``Session`` as :mod:`_config.settings` asks."""

    def get_config_variable(self, name: str) -> Any:
        """The variable, converted; botocore's default; or ``None``."""
        variable, convert = VARIABLES.get(name, ("", str))
        text = os.environ.get(variable)
        return DEFAULTS.get(name) if text is None else convert(text)

    def get_scoped_config(self) -> Mapping[str, Any]:
        """The profile: there are no files."""
        return {}

    def get_default_client_config(self) -> None:
        """None: nobody has had the session to set one."""

    def get_component(self, _name: str) -> DataFiles:
        """The loader of data files: no other component is asked for."""
        return DataFiles()

    def get_credentials(self) -> Credentials | None:
        """The keys."""
        return _keys()


class DataFiles:
    """As much of botocore's ``Loader`` as is asked, over the files that botocore ships."""

    def __init__(self) -> None:
        self.BUILTIN_DATA_PATH = _directory() or ""
        self.search_paths = [self.BUILTIN_DATA_PATH]

    def determine_latest_version(self, service_name: str, type_name: str) -> str:
        """The latest version of the service that has such a file."""
        folder = os.path.join(self.BUILTIN_DATA_PATH, service_name)
        return max(version for version in os.listdir(folder) if self._find(service_name, version, type_name))

    def load_data(self, name: str) -> Any:
        """The JSON of a file, packed or not."""
        path = self._find(name)
        with open(path, "rb") as file:
            raw = file.read()
        return json.loads(zlib.decompress(raw, wbits=zlib.MAX_WBITS | 16) if path.endswith(".gz") else raw)

    def _find(self, *parts: str) -> str:
        path = os.path.join(self.BUILTIN_DATA_PATH, *parts)
        return next(filter(os.path.exists, (f"{path}.json", f"{path}.json.gz")), "")
