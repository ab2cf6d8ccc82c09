"""Every clause of the contract, on every backend, through every client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from . import clauses
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

#: Where moto differs from AWS, and why. A difference that goes away is noticed: the failures are expected strictly.
UNVERIFIED = "moto verifies no signatures unless it is told to, and then knows IAM users only"
DIFFERENCES: dict[Clause, str] = {
    clauses.finds_sign_ins_by_alias: "moto keeps tokens by the name that was given at sign-in",
    clauses.finds_the_user_by_alias: "moto keeps tokens by the name that was given at sign-in",
    clauses.finds_the_user_by_sub: "moto keeps tokens by the name that was given at sign-in",
    clauses.refuses_a_malformed_pool: "moto looks for the pool without checking its id",
    clauses.refuses_a_malformed_name: "moto looks for the user without checking the name",
    clauses.refuses_an_unknown_key: UNVERIFIED,
    clauses.refuses_a_wrong_secret: UNVERIFIED,
    clauses.refuses_a_signature_of_another_time: UNVERIFIED,
    clauses.refuses_a_signature_over_too_little: UNVERIFIED,
    clauses.refuses_an_unknown_target: "moto answers an operation that it does not know in ways of its own",
}
#: Of these, our client sees nothing: it does not send what breaks the constraints.
CHECKED_BY_OURS = (clauses.refuses_a_malformed_pool, clauses.refuses_a_malformed_name)


def cases() -> list[object]:
    """Each clause in each world."""
    collected: list[object] = []
    for name in WORLDS:
        for clause in clauses.CLAUSES:
            reason = DIFFERENCES.get(clause) if name.startswith("moto") else None
            if not name.endswith("boto3") and clause in CHECKED_BY_OURS:
                reason = None
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            collected.append(pytest.param(name, clause, marks=marks, id=f"{name}: {clause.__name__}"))
    return collected


@pytest.mark.parametrize(("name", "clause"), cases())
def test_contract(name: str, clause: Clause, request: pytest.FixtureRequest) -> None:
    """A backend that breaks a clause would let a test pass that AWS would not, or the other way round."""
    where = {"url": request.getfixturevalue("moto_server")} if name.startswith("moto's server") else {}
    with WORLDS[name](**where) as world:
        clause(world)
