"""The messages between clients and transports: equality, repr, immutability, and the cost of importing them."""

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


def test_header_lookup_ignores_case() -> None:
    """A proxy that changes the case of headers hides the request id."""
    headers = Headers({"X-Amzn-RequestId": "1"})
    assert headers["x-amzn-requestid"] == headers["X-AMZN-REQUESTID"] == headers.get("x-Amzn-RequestId") == "1"
    assert "X-AMZN-requestid" in headers
    assert "other" not in headers
    assert headers.get("other") is None
    with pytest.raises(KeyError):
        headers["other"]


def test_headers_keep_their_names_and_their_order() -> None:
    """Requests are not sent as they were built."""
    headers = Headers([("Host", "a"), ("content-type", "b"), ("X-Amz-Date", "c")])
    assert list(headers.items()) == [("Host", "a"), ("content-type", "b"), ("X-Amz-Date", "c")]
    assert len(headers) == 3


def test_the_values_of_a_repeated_header_are_joined() -> None:
    """One of two headers with the same name is lost."""
    assert dict(Headers([("A", "1"), ("B", "2"), ("a", "3")])) == {"a": "1, 3", "B": "2"}


@given(st.dictionaries(NAMES, st.text(max_size=3)))
def test_header_equality_ignores_case(given_headers: dict[str, str]) -> None:
    """Tests can't compare requests and responses or keep them in sets."""
    headers = Headers(given_headers)
    swapped = Headers({name.swapcase(): value for name, value in headers.items()})
    assert headers == swapped
    assert hash(headers) == hash(swapped)
    assert headers == {name.lower(): value for name, value in headers.items()}
    assert headers != {**headers, "another": "one"}


@pytest.mark.parametrize("other", [None, 1, "a", [("a", "b")]])
def test_headers_do_not_equal_other_types(other: object) -> None:
    """A comparison raises instead of returning false."""
    assert Headers({"a": "b"}) != other


REQUEST = HttpRequest("POST", "https://host/", {"Authorization": "signature"}, b"alice")
RESPONSE = HttpResponse(200, {"Set-Cookie": "session"}, b"alice")


@pytest.mark.parametrize("message", [REQUEST, RESPONSE, REQUEST.headers, RESPONSE.headers])
def test_repr_and_str_hide_secrets(message: object) -> None:
    """A log line with a request in it shows a username and a signature."""
    for secret in ("alice", "signature", "session"):
        assert secret not in f"{message!r} {message}"


@pytest.mark.parametrize(("message", "name"), [(REQUEST, "url"), (RESPONSE, "status")])
def test_messages_are_immutable(message: Any, name: str) -> None:
    """Code that only inspects a request can change it by mistake."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(message, name, None)


@pytest.mark.parametrize("headers", [{"A": "b"}, [("A", "b")], Headers({"A": "b"})])
def test_messages_accept_headers_as_mapping_or_pairs(headers: Mapping[str, str]) -> None:
    """A fake transport has to use our Headers class."""
    assert HttpResponse(200, headers).headers["a"] == "b"
    assert HttpRequest("POST", "https://host/", headers, b"").headers["a"] == "b"


def test_a_response_needs_only_a_status() -> None:
    """Fakes need more code than necessary."""
    assert HttpResponse(200) == HttpResponse(200, {}, b"")


def test_evolving_a_request_keeps_the_other_fields() -> None:
    """A transport that adds a header has to copy every field."""
    evolved = attrs.evolve(REQUEST, headers={**REQUEST.headers, "X-Audit": "1"})
    assert (evolved.url, evolved.body, evolved.headers["authorization"]) == ("https://host/", b"alice", "signature")


def test_importing_transports_imports_no_http_library() -> None:
    """Importing the library loads modules that only the first call needs."""
    code = (
        "import sys, cognito_signout.transports as t; heavy = {'ssl', 'http.client', 'urllib3', 'botocore', 'email', "
        "'asyncio', 'aiohttp'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules};"
        "t.HttpTransport();"
        "heavy -= {'ssl', 'http.client', 'email'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_in_transports_is_an_attribute_error() -> None:
    """A misspelled import raises a misleading error."""
    with pytest.raises(AttributeError, match="HttpTransports"):
        transports.HttpTransports  # noqa: B018


def test_the_transports_satisfy_their_protocols() -> None:
    """The library's transports don't match its own protocols."""
    transport: Transport = HttpTransport()
    transport.close()
    asynchronous: AsyncTransport = AsyncHttpTransport()
    asyncio.run(asynchronous.close())
