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
    amz_date = headers["x-amz-date"]
    credential_scope = f"{amz_date[:8]}/{region}/{SERVICE}/aws4_request"
    names = sorted(headers)
    signed_headers = ";".join(names)
    canonical_headers = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    canonical_request = "\n".join(
        ("POST", canonical_path(path), "", canonical_headers, signed_headers, sha256(body).hexdigest())
    )
    string_to_sign = "\n".join((ALGORITHM, amz_date, credential_scope, sha256(canonical_request.encode()).hexdigest()))
    key = signing_key(secret_key, amz_date[:8], region)
    signature = hmac.digest(key, string_to_sign.encode(), "sha256").hex()
    return (
        f"{ALGORITHM} Credential={access_key}/{credential_scope}, SignedHeaders={signed_headers}, Signature={signature}"
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
