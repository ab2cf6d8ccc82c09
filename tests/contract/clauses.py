"""What every backend owes: AWS's behaviour as far as a sign-out goes, a clause a function.

A clause fails by ``AssertionError``. It is given a world with two empty pools, and says nothing about which.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from .worlds import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worlds import World


def revokes_every_refresh_token_of_the_user(world: World) -> None:
    """On all devices."""
    world.add_user(world.pools[0], "alice", ())
    sign_ins = [world.sign_in(world.pools[0], "alice") for _ in range(2)]
    assert [sign_in.refusal_to_refresh() for sign_in in sign_ins] == [None, None]
    assert world.sign_out(world.pools[0], "alice").code is None
    assert [sign_in.refusal_to_refresh() for sign_in in sign_ins] == ["NotAuthorizedException"] * 2


def leaves_other_users_alone(world: World) -> None:
    """Nobody else is signed out."""
    for username in ("alice", "bob"):
        world.add_user(world.pools[0], username, ())
    bob = world.sign_in(world.pools[0], "bob")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert bob.refusal_to_refresh() is None
    assert bob.refusal_to_tell_who() is None


def leaves_other_pools_alone(world: World) -> None:
    """A user of the same name in another pool is another user."""
    for pool in world.pools:
        world.add_user(pool, "alice", ())
    here, elsewhere = (world.sign_in(pool, "alice") for pool in world.pools)
    assert world.sign_out(world.pools[0], "alice").code is None
    assert here.refusal_to_refresh() == "NotAuthorizedException"
    assert elsewhere.refusal_to_refresh() is None


def finds_the_user_by_alias(world: World) -> None:
    """Signed in by username, signed out by email address."""
    world.add_user(world.pools[0], "alice", ["alice@example.com"])
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], "alice@example.com").code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def finds_sign_ins_by_alias(world: World) -> None:
    """Signed in by email address, signed out by username."""
    world.add_user(world.pools[0], "alice", ["alice@example.com"])
    sign_in = world.sign_in(world.pools[0], "alice@example.com")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def finds_the_user_by_sub(world: World) -> None:
    """The ``sub`` is a name too."""
    sub = world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], sub).code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def refuses_access_tokens_at_its_own_operations(world: World) -> None:
    """Cognito refuses the access token at once."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert sign_in.refusal_to_tell_who() is None
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.refusal_to_tell_who() == "NotAuthorizedException"


def leaves_tokens_valid_offline(world: World) -> None:
    """But offline it verifies until it expires."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.valid_offline()


def lets_the_user_sign_in_again(world: World) -> None:
    """A sign-out is no ban."""
    world.add_user(world.pools[0], "alice", ())
    assert world.sign_out(world.pools[0], "alice").code is None
    assert world.sign_in(world.pools[0], "alice").refusal_to_refresh() is None


def does_it_twice(world: World) -> None:
    """Without complaint, and under another id."""
    world.add_user(world.pools[0], "alice", ())
    first, second = (world.sign_out(world.pools[0], "alice") for _ in range(2))
    assert first.code is second.code is None
    assert first.request_id != second.request_id


def takes_any_name_that_the_constraints_allow(world: World) -> None:
    """Quotes, commas, marks, symbols and other planes."""
    for username in ("o'b\"rien,\\", "e\u0301lodie", "🦄", "名前", "x" * 128):
        world.add_user(world.pools[0], username, ())
        assert world.sign_out(world.pools[0], username).code is None


def refuses_an_unknown_user(world: World) -> None:
    """UserNotFoundException, and nobody is signed out."""
    assert world.sign_out(world.pools[0], "nobody").code == "UserNotFoundException"


def refuses_a_user_of_another_pool(world: World) -> None:
    """A user is unknown everywhere else."""
    world.add_user(world.pools[1], "alice", ())
    assert world.sign_out(world.pools[0], "alice").code == "UserNotFoundException"


def refuses_an_unknown_pool(world: World) -> None:
    """ResourceNotFoundException."""
    assert world.sign_out("us-west-2_Nowhere", "alice").code == "ResourceNotFoundException"


def refuses_a_malformed_pool(world: World) -> None:
    """InvalidParameterException."""
    assert world.sign_out("nowhere", "alice").code == "InvalidParameterException"


def refuses_a_malformed_name(world: World) -> None:
    """InvalidParameterException, for a space and for a name that is too long."""
    assert world.sign_out(world.pools[0], "a b").code == "InvalidParameterException"
    assert world.sign_out(world.pools[0], "x" * 129).code == "InvalidParameterException"


def gives_every_answer_an_id(world: World) -> None:
    """Successes and errors alike."""
    world.add_user(world.pools[0], "alice", ())
    assert world.send(world.pools[0], "alice").request_id
    assert world.send(world.pools[0], "nobody").request_id


def refuses_an_unknown_key(world: World) -> None:
    """UnrecognizedClientException."""
    world.add_user(world.pools[0], "alice", ())
    stranger = Keys(f"AKIA{uuid.uuid4().hex[:16].upper()}", world.keys.secret_key)
    assert world.sign_out_as(world.pools[0], "alice", stranger).code == "UnrecognizedClientException"


def refuses_a_wrong_secret(world: World) -> None:
    """InvalidSignatureException."""
    world.add_user(world.pools[0], "alice", ())
    impostor = Keys(world.keys.access_key, "not the secret")
    assert world.sign_out_as(world.pools[0], "alice", impostor).code == "InvalidSignatureException"


def refuses_a_signature_of_another_time(world: World) -> None:
    """InvalidSignatureException, beyond five minutes either way."""
    world.add_user(world.pools[0], "alice", ())
    for late in (290, -290):
        assert world.send(world.pools[0], "alice", late=late).code is None
    for late in (310, -310, 3600, -3600):
        assert world.send(world.pools[0], "alice", late=late).code == "InvalidSignatureException"


def refuses_a_signature_over_too_little(world: World) -> None:
    """InvalidSignatureException, where the host, the date or the target could be exchanged."""
    world.add_user(world.pools[0], "alice", ())
    for unsigned in ("host", "x-amz-target"):
        assert world.send(world.pools[0], "alice", unsigned=unsigned).code == "InvalidSignatureException"


def knows_a_pool_in_its_own_region_only(world: World) -> None:
    """ResourceNotFoundException everywhere else."""
    world.add_user(world.pools[0], "alice", ())
    assert world.send(world.pools[0], "alice", region="eu-central-1").code == "ResourceNotFoundException"


def refuses_an_unknown_target(world: World) -> None:
    """UnknownOperationException, and nobody is signed out."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    target = "AWSCognitoIdentityProviderService.AdminUserLocalSignOut"
    assert world.send(world.pools[0], "alice", target=target).code == "UnknownOperationException"
    assert sign_in.refusal_to_refresh() is None


CLAUSES: tuple[Callable[[World], None], ...] = (
    revokes_every_refresh_token_of_the_user,
    leaves_other_users_alone,
    leaves_other_pools_alone,
    finds_the_user_by_alias,
    finds_sign_ins_by_alias,
    finds_the_user_by_sub,
    refuses_access_tokens_at_its_own_operations,
    leaves_tokens_valid_offline,
    lets_the_user_sign_in_again,
    does_it_twice,
    takes_any_name_that_the_constraints_allow,
    refuses_an_unknown_user,
    refuses_a_user_of_another_pool,
    refuses_an_unknown_pool,
    refuses_a_malformed_pool,
    refuses_a_malformed_name,
    gives_every_answer_an_id,
    refuses_an_unknown_key,
    refuses_a_wrong_secret,
    refuses_a_signature_of_another_time,
    refuses_a_signature_over_too_little,
    knows_a_pool_in_its_own_region_only,
    refuses_an_unknown_target,
)
