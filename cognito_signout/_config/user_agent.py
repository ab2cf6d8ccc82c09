"""The ``User-Agent`` header, in botocore's grammar (``name/version os/… lang/… …``)."""

from __future__ import annotations

import os
import re
import sys

from .._version import __version__

#: The characters that botocore replaces by a dash in a component.
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9!$%&'*+.^_`|~,-]")
_NOT_ALLOWED_IN_EXTRA = re.compile(r"[^ -~]")
_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def user_agent(*, app_id: str | None = None, extra: str | None = None, instead: str | None = None) -> str:
    """The header's value.

    Args:
        app_id: The application's id (``user_agent_appid``, ``AWS_SDK_UA_APP_ID``).
        extra: Text to append, with a dash for each character outside printable ASCII (``user_agent_extra``).
        instead: Text to send in place of everything except ``extra`` (``user_agent``).
    """
    if instead is not None:
        parts = [_NOT_ALLOWED_IN_EXTRA.sub("-", instead)]
    else:
        system = _SYSTEMS.get(sys.platform, f"other#{sys.platform}")
        python = ".".join(str(number) for number in sys.version_info[:3])
        parts = [f"cognito-signout/{__version__}", f"os/{_os(system)}", f"lang/python#{python}"]
        if environment := os.environ.get("AWS_EXECUTION_ENV"):
            parts.append(f"exec-env/{_NOT_ALLOWED.sub('-', environment)}")
        if app_id:
            parts.append(f"app/{_NOT_ALLOWED.sub('-', app_id)}")
    if extra:
        parts.append(_NOT_ALLOWED_IN_EXTRA.sub("-", extra))
    return " ".join(parts)


def _os(system: str) -> str:
    release = os.uname().release if hasattr(os, "uname") else ""
    return f"{system}#{_NOT_ALLOWED.sub('-', release)}" if release and "#" not in system else system
