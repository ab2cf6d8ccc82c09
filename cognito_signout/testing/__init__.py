"""Testing without AWS: a fake of Cognito user pools.

Requests are built, signed, verified, answered and read as with AWS; nothing is patched. See :class:`FakeCognito`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._fake import FakeCognito, RecordedRequest
    from ._server import FakeCognitoServer
    from ._users import HostedUICookie, Tokens

__all__ = ["FakeCognito", "FakeCognitoServer", "HostedUICookie", "RecordedRequest", "Tokens"]

_LAZY = {
    "FakeCognito": "_fake",
    "FakeCognitoServer": "_server",
    "HostedUICookie": "_users",
    "RecordedRequest": "_fake",
    "Tokens": "_users",
}


def __getattr__(name: str) -> object:
    # pytest imports this package in every run if the library is installed.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
