"""The messages of the seam: what they compare equal to, what they show, and what importing them costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_signout import transports
from cognito_signout.transports import (
    AsyncHttpTransport,
    AsyncTransport,
    Headers,
    HttpRequest,
    HttpResponse,
    HttpTransport,
    Transport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = st.text("abcABC-", min_size=1, max_size=4)


def test_headers_are_looked_up_without_regard_to_case() -> None:
    """If this failed, a proxy that changes the case of headers would hide the request id."""
    headers = Headers({"X-Amzn-RequestId": "1"})
    assert headers["x-amzn-requestid"] == headers["X-AMZN-REQUESTID"] == headers.get("x-Amzn-RequestId") == "1"
    assert "X-AMZN-requestid" in headers
    assert "other" not in headers
    assert headers.get("other") is None
    with pytest.raises(KeyError):
        headers["other"]


def test_headers_keep_their_names_and_their_order() -> None:
    """If this failed, requests would not be sent as they were built."""
    headers = Headers([("Host", "a"), ("content-type", "b"), ("X-Amz-Date", "c")])
    assert list(headers.items()) == [("Host", "a"), ("content-type", "b"), ("X-Amz-Date", "c")]
    assert len(headers) == 3


def test_the_values_of_a_repeated_header_are_joined() -> None:
    """If this failed, of two headers of one name one would be lost."""
    assert dict(Headers([("A", "1"), ("B", "2"), ("a", "3")])) == {"a": "1, 3", "B": "2"}


@given(st.dictionaries(NAMES, st.text(max_size=3)))
def test_equal_headers_are_equal_whatever_their_case(given_headers: dict[str, str]) -> None:
    """If this failed, requests and responses could not be compared in tests, or be kept in sets."""
    headers = Headers(given_headers)
    swapped = Headers({name.swapcase(): value for name, value in headers.items()})
    assert headers == swapped
    assert hash(headers) == hash(swapped)
    assert headers == {name.lower(): value for name, value in headers.items()}
    assert headers != {**headers, "another": "one"}


@pytest.mark.parametrize("other", [None, 1, "a", [("a", "b")]])
def test_headers_differ_from_what_is_no_mapping(other: object) -> None:
    """If this failed, a comparison would raise instead of being false."""
    assert Headers({"a": "b"}) != other


REQUEST = HttpRequest("POST", "https://host/", {"Authorization": "signature"}, b"alice")
RESPONSE = HttpResponse(200, {"Set-Cookie": "session"}, b"alice")


@pytest.mark.parametrize("message", [REQUEST, RESPONSE, REQUEST.headers, RESPONSE.headers])
def test_what_is_secret_is_not_shown(message: object) -> None:
    """If this failed, a log line with a request in it would hold a username and a signature."""
    for secret in ("alice", "signature", "session"):
        assert secret not in f"{message!r} {message}"


@pytest.mark.parametrize(("message", "name"), [(REQUEST, "url"), (RESPONSE, "status")])
def test_messages_are_immutable(message: Any, name: str) -> None:
    """If this failed, whoever audits a request could change it unnoticed."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(message, name, None)


@pytest.mark.parametrize("headers", [{"A": "b"}, [("A", "b")], Headers({"A": "b"})])
def test_messages_take_headers_in_any_shape(headers: Mapping[str, str]) -> None:
    """If this failed, a fake transport would have to know of our class of headers."""
    assert HttpResponse(200, headers).headers["a"] == "b"
    assert HttpRequest("POST", "https://host/", headers, b"").headers["a"] == "b"


def test_a_response_needs_no_more_than_a_status() -> None:
    """If this failed, fakes would be longer than they must be."""
    assert HttpResponse(200) == HttpResponse(200, {}, b"")


def test_evolving_a_request_keeps_the_rest() -> None:
    """If this failed, a transport that adds a header would have to copy every field."""
    evolved = attrs.evolve(REQUEST, headers={**REQUEST.headers, "X-Audit": "1"})
    assert (evolved.url, evolved.body, evolved.headers["authorization"]) == ("https://host/", b"alice", "signature")


def test_the_seam_brings_in_no_sockets() -> None:
    """If this failed, everyone who imports the library would pay for what only the first call needs."""
    code = (
        "import sys, cognito_signout.transports as t; heavy = {'ssl', 'http.client', 'urllib3', 'botocore', 'email', "
        "'asyncio', 'aiohttp'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules};"
        "t.HttpTransport();"
        "heavy -= {'ssl', 'http.client', 'email'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_seam_does_not_have_is_an_attribute_error() -> None:
    """If this failed, a misspelt import would be reported as something else."""
    with pytest.raises(AttributeError, match="HttpTransports"):
        transports.HttpTransports  # noqa: B018


def test_the_transports_are_such() -> None:
    """If this failed, the library's own transports would not satisfy its own protocols."""
    transport: Transport = HttpTransport()
    transport.close()
    asynchronous: AsyncTransport = AsyncHttpTransport()
    asyncio.run(asynchronous.close())
