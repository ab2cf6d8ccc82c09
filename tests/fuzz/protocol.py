"""Fuzzes the meaning of responses: ``python -m tests.fuzz.protocol -runs=500000``. See :mod:`tests.fuzz`."""

from __future__ import annotations

from typing import Any

from tests.fuzz.engine import assemble, damage, fuzz, pick

STATUSES = (200, 200, 201, 204, 301, 400, 403, 429, 500, 503, 599)
NAMES = ("date", "x-amzn-requestid", "X-Amzn-ErrorType", "content-type", "location", "retry-after")
FRAGMENTS = (
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"{}", b"true", b"false", b"null", b"1e999", b"-1", b"NaN", b"\\u0000",
    b"\\ud800", b'"success"', b'"success": true', b'"success": false', b'"data": {', b'"id": "1"', b'"created_at": ',
    b'"2025-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b'"error": {',
    b'"code": ', b'"USER_NOT_FOUND"', b'"VALIDATION_ERROR"', b'"message": ', b'"Message": ', b'"__type": ',
    b'"UserNotFoundException"', b'"TooManyRequestsException"', b'"a#b:c"', b'"reasonCode": ', b"alice@example.com",
    b"ALICE%40EXAMPLE.COM", b"[" * 2000, b'{"a":' * 2000, b"9" * 5000, b"\xff", b"\xef\xbb\xbf",
)  # fmt: skip


def read(provider: Any) -> tuple[int, dict[str, str], bytes, float]:
    """A status, headers, a body and the time."""
    status = pick(provider, STATUSES) if provider.ConsumeBool() else provider.ConsumeInt(4)
    headers = {
        pick(provider, NAMES): provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 40))
        for _ in range(provider.ConsumeIntInRange(0, 3))
    }
    now = provider.ConsumeFloatInRange(0.0, 1e12)
    return status, headers, damage(provider, assemble(provider, FRAGMENTS)), now


if __name__ == "__main__":
    fuzz("check_protocol", read)
