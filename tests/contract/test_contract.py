"""Every clause of the contract, on every backend, through every client."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from ..moto_pools import MotoPool
from ..pages import Page
from . import clauses, operations
from .worlds import World, fake_world, moto_world

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Clause = Callable[[World], None]
WORLDS: dict[str, Callable[..., AbstractContextManager[World]]] = {
    "fake, ours": partial(fake_world, "ours", served=False),
    "fake's server, ours": partial(fake_world, "ours", served=True),
    "fake, ours async": partial(fake_world, "ours async", served=False),
    "fake's server, ours async": partial(fake_world, "ours async", served=True),
    "fake's server, boto3": partial(fake_world, "boto3", served=True),
    "moto, ours": partial(moto_world, "ours"),
    "moto, ours async": partial(moto_world, "ours async"),
    "moto, boto3": partial(moto_world, "boto3"),
    "moto's server, ours": partial(moto_world, "ours"),
    "moto's server, ours async": partial(moto_world, "ours async"),
    "moto's server, boto3": partial(moto_world, "boto3"),
}

# Names of rows in the table of ``docs/testing.md``.
ALIAS_OR_SUB = "an alias or the `sub` in place of the username"
MALFORMED_POOL = "a malformed pool ID"
UNVERIFIED = "a wrong or missing key, secret, date or signature"
UNKNOWN_OPERATION = "an unknown operation"
#: The clauses that moto breaks, each with its row in that table. A strict ``xfail`` reports a fix in moto.
DIFFERENCES: dict[Clause, str] = {
    clauses.finds_sign_ins_by_alias: ALIAS_OR_SUB,
    clauses.finds_the_user_by_alias: ALIAS_OR_SUB,
    clauses.finds_the_user_by_sub: ALIAS_OR_SUB,
    clauses.refuses_a_malformed_pool: MALFORMED_POOL,
    clauses.refuses_a_malformed_name: "a malformed username",
    clauses.refuses_an_unknown_key: UNVERIFIED,
    clauses.refuses_a_wrong_secret: UNVERIFIED,
    clauses.refuses_a_signature_with_a_wrong_date: UNVERIFIED,
    clauses.refuses_a_signature_without_a_required_header: UNVERIFIED,
    clauses.refuses_an_unknown_target: UNKNOWN_OPERATION,
    operations.finds_the_user_by_alias_and_sub_in_each_operation: ALIAS_OR_SUB,
    operations.signs_in_by_alias_with_a_password: ALIAS_OR_SUB,
    operations.refuses_a_malformed_pool_in_each_operation: MALFORMED_POOL,
    operations.refuses_unsigned_admin_requests: UNVERIFIED,
    operations.exchanges_refresh_tokens_until_the_sign_out: "`GetTokensFromRefreshToken`",
    operations.refuses_refresh_tokens_of_a_disabled_user: "the refresh token of a disabled user",
    operations.keeps_access_tokens_revoked_when_the_user_is_enabled: "old access tokens of a user who is enabled again",
    operations.refuses_a_sign_in_without_a_password: "a sign-in without a password",
    operations.refuses_a_wrong_pagination_token: "`ListUsers` with a wrong `PaginationToken`",
    operations.refuses_a_page_size_above_60: "`ListUsers` with a `Limit` above 60",
}
#: A row that no clause covers, because it needs another kind of pool.
BY_EMAIL = "signed in by email address, signed out by username"
#: One world for each backend, for the clauses that do not depend on the client.
ONE_PER_BACKEND = ("fake, ours", "fake's server, ours", "moto, ours", "moto's server, ours")
#: The clauses whose requests this library's client refuses to send.
REFUSED_BY_OUR_CLIENT = (clauses.refuses_a_malformed_pool, clauses.refuses_a_malformed_name)


def cases() -> list[object]:
    """Each clause in each world, with the expected failures marked."""
    collected: list[object] = []
    for name in WORLDS:
        for clause in [*clauses.CLAUSES, *(operations.OPERATIONS if name in ONE_PER_BACKEND else ())]:
            reason = DIFFERENCES.get(clause) if name.startswith("moto") else None
            if not name.endswith("boto3") and clause in REFUSED_BY_OUR_CLIENT:
                reason = None
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            collected.append(pytest.param(name, clause, marks=marks, id=f"{name}: {clause.__name__}"))
    return collected


def test_the_page_lists_the_differences() -> None:
    """The page misses a difference of moto, or lists one that was fixed."""
    table = Page("docs/testing.md").text.partition("| | AWS and the fake | moto |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \|", table, re.M)
    assert sorted(set(rows) - {"---"}) == sorted({*DIFFERENCES.values(), BY_EMAIL})


def test_moto_does_not_sign_out_by_username_a_user_who_signed_in_by_email() -> None:
    """The page lists a difference that was fixed in moto."""
    with mock_aws():
        boto3_client = boto3.client("cognito-idp", "us-east-1")
        pool = MotoPool(boto3_client, {"UsernameAttributes": ["email"]})
        pool.add_user("alice@example.com")
        token = pool.sign_in("alice@example.com")
        (user,) = boto3_client.list_users(UserPoolId=pool.id)["Users"]
        boto3_client.admin_user_global_sign_out(UserPoolId=pool.id, Username=user["Username"])
        assert pool.refusal_to_refresh(token) is None


@pytest.mark.parametrize(("name", "clause"), cases())
def test_contract(name: str, clause: Clause, request: pytest.FixtureRequest) -> None:
    """A test of an application passes with this backend and fails with AWS, or the other way round."""
    where = {"url": request.getfixturevalue("moto_server")} if name.startswith("moto's server") else {}
    with WORLDS[name](**where) as world:
        clause(world)
