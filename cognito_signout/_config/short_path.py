"""The short path: settings without importing botocore, if they depend only on environment variables and static keys.

botocore would return the same values, but importing it would double the time of a first call. If
:func:`is_enough`, an :class:`EnvironmentSession` replaces botocore's session. It reads botocore's data files without
importing botocore. An allow-list decides: any variable, file or setting that is not on it disables the short path. A
test compares the results with those of the real session. Only :mod:`.settings` and the runtimes use it.
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

#: botocore's configuration variables, the environment variables that set them here, and botocore's conversions.
VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "region": ("AWS_DEFAULT_REGION", str),
    "ca_bundle": ("AWS_CA_BUNDLE", str),
    "ignore_configured_endpoint_urls": ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", lambda text: text.lower() == "true"),
    "max_attempts": ("AWS_MAX_ATTEMPTS", int),
    "retry_mode": ("AWS_RETRY_MODE", str),
    "user_agent_appid": ("AWS_SDK_UA_APP_ID", str),
}
#: botocore's defaults that are not ``None``.
DEFAULTS: Mapping[str, Any] = {"api_versions": {}, "defaults_mode": "legacy"}

#: The variables that are understood, and those that have no effect here.
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
        "AWS_REGION",  # set by Lambda, not read by botocore
    }
)
UNDERSTOOD_PREFIXES = ("AWS_LAMBDA_", "AWS_XRAY_")  # also set by Lambda
#: The prefixes of all variables that botocore reads.
CONFIGURING_PREFIXES = ("AWS_", "BOTO")
#: Files and folders that disable the short path.
FILES = ("~/.aws/config", "~/.aws/models")
CREDENTIALS_FILE = "~/.aws/credentials"
#: The names of the keys in the file; the names of the token are in botocore's order.
FILE_KEYS = ("aws_access_key_id", "aws_secret_access_key")
FILE_TOKENS = ("aws_security_token", "aws_session_token")


def is_enough(options: Options) -> bool:
    """Whether the short path can be used for a client with these options."""
    return (
        "botocore" not in sys.modules  # else its events matter, and nothing would be saved
        and options.session is None
        and options.profile_name is None
        and all(_is_understood(name) for name in os.environ if name.startswith(CONFIGURING_PREFIXES))
        and not any(os.path.exists(os.path.expanduser(path)) for path in FILES)
        and _is_understood_file()
        and (options.credentials is not None or _keys() is not None)
        and not environment_has_proxies()  # proxies need botocore
        and _directory() is not None
    )


def _is_understood(name: str) -> bool:
    return name in UNDERSTOOD or name.startswith(UNDERSTOOD_PREFIXES)


def _keys() -> Credentials | None:
    """The static keys of the environment, or those of the file; ``None`` if they are missing or incomplete."""
    if os.environ.get(ACCESS_KEY):
        keys, tokens, values = (ACCESS_KEY, SECRET_KEY), TOKENS, dict(os.environ)
    else:
        keys, tokens, values = FILE_KEYS, FILE_TOKENS, _default_profile()
    access_key, secret_key = (values.get(name) for name in keys)
    if not access_key or not secret_key:
        return None
    return Credentials(access_key, secret_key, next(filter(None, map(values.get, tokens)), None))


def _is_understood_file() -> bool:
    """Whether the credentials file is missing, or its default profile contains only static keys."""
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
        return {"": ""}  # nested settings, which are not understood
    return sections.get("default", {})


@lru_cache(maxsize=1)
def _directory() -> str | None:
    """The folder of botocore's data files, found without importing botocore.

    ``None`` if botocore is not a folder on disk, as in a zip or a frozen program. It is never a relative path, because
    others may write to the working directory.
    """
    spec = find_spec("botocore")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        data = os.path.join(place, "data")
        if os.path.isabs(data) and os.path.isdir(data):
            return data
    return None


class EnvironmentSession:
    """The part of botocore's ``Session`` that :mod:`.settings` uses."""

    def get_config_variable(self, name: str) -> Any:
        """The value of the variable, converted; else botocore's default; else ``None``."""
        variable, convert = VARIABLES.get(name, ("", str))
        text = os.environ.get(variable)
        return DEFAULTS.get(name) if text is None else convert(text)

    def get_scoped_config(self) -> Mapping[str, Any]:
        """An empty profile: there is no configuration file."""
        return {}

    def get_default_client_config(self) -> None:
        """``None``: no other code can have set one on this session."""

    def get_component(self, _name: str) -> DataFiles:
        """The loader of data files, the only component in use."""
        return DataFiles()

    def get_credentials(self) -> Credentials | None:
        """The keys."""
        return _keys()


class DataFiles:
    """The part of botocore's ``Loader`` that :mod:`.settings` uses. It finds only the files of botocore itself."""

    def __init__(self) -> None:
        self.BUILTIN_DATA_PATH = _directory() or ""
        self.search_paths = [self.BUILTIN_DATA_PATH]

    def determine_latest_version(self, service_name: str, type_name: str) -> str:
        """The latest version of the service with a file of this type."""
        folder = os.path.join(self.BUILTIN_DATA_PATH, service_name)
        return max(version for version in os.listdir(folder) if self._find(service_name, version, type_name))

    def load_data(self, name: str) -> Any:
        """The JSON of a file, compressed or not."""
        path = self._find(name)
        with open(path, "rb") as file:
            raw = file.read()
        return json.loads(zlib.decompress(raw, wbits=zlib.MAX_WBITS | 16) if path.endswith(".gz") else raw)

    def _find(self, *parts: str) -> str:
        path = os.path.join(self.BUILTIN_DATA_PATH, *parts)
        return next(filter(os.path.exists, (f"{path}.json", f"{path}.json.gz")), "")
