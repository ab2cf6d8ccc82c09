"""The result: which tokens a sign-out revokes, and when the others expire."""

from __future__ import annotations

import copy
import json
import pickle
import time
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout import SignOutResult, ValidationError
from cognito_signout.models import HOSTED_UI_COOKIE_VALIDITY

NEW_YEAR = datetime(2025, 1, 1, tzinfo=timezone.utc)
NEW_YEAR_SECONDS = 1735689600


def signed_out(created_at: datetime = NEW_YEAR, **changes: Any) -> SignOutResult:
    """A sign-out of Alice."""
    return attrs.evolve(
        SignOutResult(id="request", created_at=created_at, user_pool_id="us-east-1_Ab129faBb", username="alice"),
        **changes,
    )


class ZoneWithoutOffset(tzinfo):
    """A time zone without an offset from UTC."""

    def utcoffset(self, _: datetime | None) -> None:
        """No offset."""

    dst = tzname = utcoffset


@pytest.mark.parametrize(
    ("issued_at", "revoked"),
    [
        (0, True),
        (-1, True),
        (NEW_YEAR_SECONDS - 1, True),
        (NEW_YEAR_SECONDS, True),
        (NEW_YEAR_SECONDS + 0.999, True),
        (NEW_YEAR_SECONDS + 1, True),
        (NEW_YEAR_SECONDS + 1.999, True),
        (NEW_YEAR_SECONDS + 2, False),
        (NEW_YEAR_SECONDS - 0.001, True),
        (1e300, False),
        pytest.param(10**400, False, id="past any float"),
        pytest.param(-(10**400), True, id="before any float"),
        (NEW_YEAR, True),
        (NEW_YEAR + timedelta(microseconds=999_999), True),
        (NEW_YEAR + timedelta(seconds=1), True),
        (NEW_YEAR + timedelta(seconds=2), False),
        (datetime(2025, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), True),
        (datetime(2025, 1, 1, 5, 30, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))), False),
        (datetime(2024, 12, 31, 16, tzinfo=timezone(-timedelta(hours=8))), True),
    ],
)
@pytest.mark.parametrize("fraction", [timedelta(0), timedelta(microseconds=1), timedelta(microseconds=999_999)])
def test_a_token_issued_at_or_before_the_sign_out_is_revoked(
    issued_at: float | datetime, revoked: bool, fraction: timedelta
) -> None:
    """A stolen token is accepted, or a token issued after the sign-out is refused."""
    assert signed_out(NEW_YEAR + fraction).revokes(issued_at=issued_at) is revoked


moments = st.datetimes(timezones=st.timezones() | st.just(timezone.utc))


@given(created_at=moments, issued_at=moments)
@example(
    created_at=datetime(9999, 12, 31, 23, 59, 58, tzinfo=timezone.utc),
    issued_at=datetime(9999, 12, 31, 23, 59, 58, 999_999, tzinfo=timezone.utc),
)
@settings(deadline=None)
def test_both_times_are_compared_in_whole_seconds(created_at: datetime, issued_at: datetime) -> None:
    """A token of the same second is judged by a fraction that its ``iat`` does not have."""
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    created, issued = ((moment - epoch) // timedelta(seconds=1) for moment in (created_at, issued_at))
    outcome = signed_out(created_at)
    assert outcome.revokes(issued_at=issued_at) is (issued <= created + 1)
    assert outcome.revokes(issued_at=issued) is (issued <= created + 1)
    assert outcome.revokes(issued_at=created + 1)
    assert not outcome.revokes(issued_at=created + 2)


@pytest.mark.parametrize(
    "issued_at",
    [
        datetime(2025, 1, 1),  # noqa: DTZ001 -- the point of it
        datetime(2025, 1, 1, tzinfo=ZoneWithoutOffset()),
        float("nan"),
        float("inf"),
        float("-inf"),
        True,
        None,
        "1735689600",
        Decimal(1735689600),
        NEW_YEAR.date(),
    ],
)
def test_an_invalid_iat_is_refused(issued_at: Any) -> None:
    """Nonsense is compared, and a stolen token is accepted."""
    with pytest.raises(ValidationError, match="issued_at"):
        signed_out().revokes(issued_at=issued_at)


def test_tokens_expire_an_hour_later_unless_the_pool_says_otherwise() -> None:
    """An application takes tokens for expired too early."""
    assert timedelta(hours=1) == HOSTED_UI_COOKIE_VALIDITY
    assert signed_out().tokens_expire_by(timedelta(hours=1)) == NEW_YEAR + timedelta(hours=1)
    assert signed_out().tokens_expire_by(timedelta(minutes=5)) == NEW_YEAR + timedelta(minutes=5)
    assert signed_out().tokens_expire_by(validity=timedelta(days=1)) == NEW_YEAR + timedelta(days=1)
    assert signed_out().tokens_expire_by(timedelta(0)) == NEW_YEAR
    assert signed_out().hosted_ui_expires_by == NEW_YEAR + timedelta(hours=1)


@pytest.mark.parametrize("validity", [timedelta(seconds=-1), timedelta.min, timedelta.max, 3600, None])
def test_an_invalid_validity_is_refused(validity: Any) -> None:
    """A wrong setting becomes an expiry in the past, or an untyped error."""
    with pytest.raises(ValidationError, match="validity"):
        signed_out().tokens_expire_by(validity)


def test_a_hosted_ui_cookie_beyond_the_calendar_is_a_typed_error() -> None:
    """A nonsensical date from the network ends in an untyped error."""
    with pytest.raises(ValidationError):
        _ = signed_out(datetime.max.replace(tzinfo=timezone.utc)).hosted_ui_expires_by


@pytest.mark.parametrize(
    ("created_at", "text"),
    [
        (NEW_YEAR, "2025-01-01T00:00:00Z"),
        (NEW_YEAR + timedelta(milliseconds=250), "2025-01-01T00:00:00.250000Z"),
        (datetime(2025, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2025-01-01T00:00:00Z"),
    ],
)
def test_the_envelope_is_the_documented_one(created_at: datetime, text: str) -> None:
    """A reader of the JSON finds no ID or no time, or a time in another zone."""
    envelope = signed_out(created_at).to_envelope()
    assert envelope == {"success": True, "data": {"id": "request", "created_at": text}}
    assert json.loads(json.dumps(envelope)) == envelope


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="a system whose time zone can't be set for a process")
def test_the_envelope_is_in_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record written in Berlin is read in Seattle as another time."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-5:30")
        time.tzset()
        assert datetime.now().astimezone().utcoffset() == timedelta(hours=5, minutes=30)
        envelope = signed_out().to_envelope()
    time.tzset()
    assert envelope["data"]["created_at"] == "2025-01-01T00:00:00Z"


def test_a_result_can_not_be_changed() -> None:
    """An audit record can be altered."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        signed_out().id = "other"  # type: ignore[misc]


def test_a_result_takes_names_only() -> None:
    """The pool and the user can be swapped by mistake."""
    with pytest.raises(TypeError):
        SignOutResult("request", NEW_YEAR, "pool", "alice")  # type: ignore[call-arg]


def test_a_result_does_not_show_the_username() -> None:
    """Usernames are in logs."""
    result = signed_out(attempts=2)
    shown = f"created_at={result.created_at!r}, user_pool_id='us-east-1_Ab129faBb', attempts=2)"
    assert repr(result) == f"SignOutResult(id='request', {shown}"
    assert repr(attrs.evolve(result, id="of alice")) == f"SignOutResult(id='of ***', {shown}"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_equal(duplicate: Any) -> None:
    """A result can't be passed to another process."""
    assert duplicate(signed_out(attempts=2)) == signed_out(attempts=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "2"},
        {"created_at": NEW_YEAR + timedelta(1)},
        {"user_pool_id": "b_B"},
        {"username": "bob"},
        {"attempts": 2},
    ],
)
def test_results_are_equal_by_value(changes: dict[str, Any]) -> None:
    """An assertion in an application's test passes for another user's sign-out."""
    assert signed_out() == signed_out()
    assert len({signed_out(), signed_out(), signed_out(**changes)}) == 2


def test_a_result_without_a_time_zone_is_refused() -> None:
    """A result created in a test compares tokens with another time on another machine."""
    with pytest.raises(ValidationError, match="time zone"):
        SignOutResult(id="1", created_at=datetime(2025, 1, 1), user_pool_id="us-east-1_A", username="a")  # noqa: DTZ001
