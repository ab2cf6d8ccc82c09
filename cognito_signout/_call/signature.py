"""AWS Signature Version 4, for a request with a body and no query: plain functions from strings to strings.

They return the ``Authorization`` header, raise nothing and read no clock. Given the same time, keys and headers, the
header is the same as that of botocore's ``SigV4Auth``, byte for byte. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "cognito-idp"


def authorization(
    *, access_key: str, secret_key: str, region: str, path: str, headers: Mapping[str, str], body: bytes
) -> str:
    """The ``Authorization`` header of a ``POST`` to ``path``.

    Args:
        access_key: The AWS access key ID.
        secret_key: The secret access key.
        region: The region of the credential scope.
        path: The path of the URL, as it is sent.
        headers: The headers to sign, by their lower-case names, ``x-amz-date`` among them.
        body: The body of the request.
    """
    canonical_head, head_to_sign, head = _heads(access_key, region, path, tuple(headers.items()))
    canonical_request = f"{canonical_head}{sha256(body).hexdigest()}"
    string_to_sign = f"{head_to_sign}{sha256(canonical_request.encode()).hexdigest()}"
    key = signing_key(secret_key, headers["x-amz-date"][:8], region)
    return f"{head}{hmac.digest(key, string_to_sign.encode(), 'sha256').hex()}"


@lru_cache(maxsize=16)
def _heads(access_key: str, region: str, path: str, headers: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    """The canonical request, the string to sign and the result, each without its end, which is a hash.

    The requests of one second share them, so they are cached.
    """
    amz_date = dict(headers)["x-amz-date"]
    credential_scope = f"{amz_date[:8]}/{region}/{SERVICE}/aws4_request"
    signed_headers = ";".join(sorted(name for name, _ in headers))
    canonical_headers = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in sorted(headers)])
    return (
        "\n".join(("POST", canonical_path(path), "", canonical_headers, signed_headers, "")),
        "\n".join((ALGORITHM, amz_date, credential_scope, "")),
        f"{ALGORITHM} Credential={access_key}/{credential_scope}, SignedHeaders={signed_headers}, Signature=",
    )


@lru_cache(maxsize=16)
def signing_key(secret_key: str, date: str, region: str) -> bytes:
    """The key for one day, region and service. It is cached, because deriving it is the slowest part."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=16)
def canonical_path(path: str) -> str:
    """The path without dot segments and empty segments, percent-encoded again."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment and segment != ".":
            segments.append(segment)
    normalized = "/".join(segments)
    leading = "/" if path.startswith("/") or not path else ""
    trailing = "/" if path.endswith("/") and segments else ""
    return quote(f"{leading}{normalized}{trailing}", safe="/~")
