"""The documented JSON envelopes, as types.

They are loaded on first use, because importing typing_extensions takes long. Before Python 3.12, pydantic accepts no
other ``TypedDict``.
"""

from __future__ import annotations

import sys
from typing import Literal

if sys.version_info >= (3, 12):  # pragma: no cover -- one of the two runs
    from typing import TypedDict
else:  # pragma: no cover
    from typing_extensions import TypedDict


class SuccessData(TypedDict):
    """The ``data`` of a :class:`SuccessEnvelope`."""

    id: str
    created_at: str


class SuccessEnvelope(TypedDict):
    """A sign-out as JSON: ``{"success": true, "data": {"id": …, "created_at": …}}``."""

    success: Literal[True]
    data: SuccessData


class ErrorDetails(TypedDict):
    """The ``error`` of an :class:`ErrorEnvelope`."""

    code: str
    message: str


class ErrorEnvelope(TypedDict):
    """A failed sign-out as JSON: ``{"success": false, "error": {"code": …, "message": …}}``."""

    success: Literal[False]
    error: ErrorDetails
