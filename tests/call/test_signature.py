"""The signature, compared with botocore's signer: the same time, keys and request give the same header."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout._call import signature as _sigv4
from cognito_signout._call.protocol import CONTENT_TYPE, TARGET
from cognito_signout._config.endpoints import endpoint_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

#: The characters of a header. Keys and tokens with other characters are refused before they are signed.
visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
access_keys = st.text(visible, min_size=1, max_size=128)
secret_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
tokens = st.none() | st.text(visible, min_size=1)
regions = st.sampled_from(["us-east-1", "cn-north-1", "local"]) | st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True
)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["LOCALHOST", "127.0.0.1", "example.com.", "[::1]", "[2001:DB8::A]", "[::ffff:10.0.0.1]"]),
)
ports = st.sampled_from(["", ":", ":80", ":443"]) | st.integers(1, 65535).map(":{}".format)
segments = st.one_of(
    st.sampled_from(["", ".", "..", "...", "a", "%", "%2F", "%2e", "%zz", "~", "a+b", ";", "[", "@", ":"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#"), max_size=8),
)
paths = st.just("") | st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(parts))
instants = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31))  # noqa: DTZ001 -- as botocore's


def urls() -> SearchStrategy[str]:
    """Custom endpoints."""
    return st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["http", "https", "HTTPS"]),
        st.sampled_from(["", "user@", "user:pass%40word@"]),
        hosts,
        ports,
        paths,
    )


@contextmanager
def botocore_at(instant: datetime) -> Iterator[None]:
    """Stops the clock of botocore's signer."""
    clock: Any
    if hasattr(botocore.auth, "get_current_datetime"):
        name, clock = "get_current_datetime", mock.Mock(return_value=instant)
    else:  # the name in the oldest botocore that is supported
        name, clock = "datetime", SimpleNamespace(datetime=SimpleNamespace(utcnow=lambda: instant))
    with mock.patch.object(botocore.auth, name, clock):
        yield


def signed_by_botocore(
    url: str, body: bytes, *, instant: datetime, region: str, access_key: str, secret_key: str, token: str | None
) -> Any:
    """The headers of a request, signed by botocore."""
    request = botocore.awsrequest.AWSRequest(
        "POST", url=url, data=body, headers={"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET, "User-Agent": "any"}
    )
    credentials = botocore.credentials.Credentials(access_key, secret_key, token)
    with botocore_at(instant):
        botocore.auth.SigV4Auth(credentials, "cognito-idp", region).add_auth(request)
    return request.headers


def signed_by_us(
    url: str, body: bytes, *, date: str, region: str, access_key: str, secret_key: str, token: str | None
) -> str:
    """The ``Authorization`` header of the same request, with the ``Host`` and the path that the library sends."""
    endpoint = endpoint_for(region, url=url, use_fips=False, use_dualstack=False, rules={}, partitions={})
    headers = {"content-type": CONTENT_TYPE, "x-amz-target": TARGET, "x-amz-date": date, "host": endpoint.host}
    if token is not None:
        headers["x-amz-security-token"] = token
    return _sigv4.authorization(
        access_key=access_key, secret_key=secret_key, region=region, path=endpoint.path, headers=headers, body=body
    )


@given(
    url=urls(),
    body=st.binary(),
    instant=instants,
    region=regions,
    access_key=access_keys,
    secret_key=secret_keys,
    token=tokens,
)
@example(
    url="https://cognito-idp.us-east-1.amazonaws.com/",
    body=b'{"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}',
    instant=datetime(2025, 1, 1),  # noqa: DTZ001
    region="us-east-1",
    access_key="AKIDEXAMPLE",
    secret_key=SECRET_KEY,
    token=None,
)
@settings(deadline=None, max_examples=150)
def test_the_authorization_header_is_botocores(
    url: str, body: bytes, instant: datetime, region: str, access_key: str, secret_key: str, token: str | None
) -> None:
    """AWS refuses, for some keys, endpoints or days, what it accepts from boto3."""
    expected = signed_by_botocore(
        url, body, instant=instant, region=region, access_key=access_key, secret_key=secret_key, token=token
    )
    authorization = signed_by_us(
        url,
        body,
        date=expected["X-Amz-Date"],
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        token=token,
    )
    assert authorization == expected["Authorization"]


@given(value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=30))
@settings(deadline=None)
def test_runs_of_spaces_in_a_header_are_signed_as_one(value: str) -> None:
    """A header with several spaces breaks the signature."""
    request = botocore.awsrequest.AWSRequest(
        "POST", url="http://localhost/", data=b"", headers={"X-Amz-Target": value, "X-Amz-Date": "20250101T000000Z"}
    )
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials("A", "S"), "cognito-idp", "local")
    with botocore_at(datetime(2025, 1, 1)):  # noqa: DTZ001
        signer.add_auth(request)
    headers = {"host": "localhost", "x-amz-date": "20250101T000000Z", "x-amz-target": value}
    ours = _sigv4.authorization(access_key="A", secret_key="S", region="local", path="/", headers=headers, body=b"")
    assert ours == request.headers["Authorization"]


@pytest.mark.parametrize(
    ("date", "key"),
    [
        ("20120215", "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"),
        ("20150830", "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
    ],
)
def test_the_signing_key_is_that_of_awss_examples(date: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivation of the key is not AWS's."""
    monkeypatch.setattr(_sigv4, "SERVICE", "iam")
    assert _sigv4.signing_key(SECRET_KEY, date, "us-east-1").hex() == key


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("//a///b", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("/../..", "/"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/%20", "/%2520"),
        ("/~user+x", "/~user%2Bx"),
    ],
)
def test_a_path_is_normalised_and_encoded_once_more(path: str, canonical: str) -> None:
    """A service behind a path computes another canonical request."""
    assert _sigv4.canonical_path(path) == canonical
