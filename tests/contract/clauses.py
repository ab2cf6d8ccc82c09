"""The contract of a sign-out: how AWS behaves, with one function for each clause.

A clause takes a world with two empty pools. It raises ``AssertionError`` if the backend breaks it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from .worlds import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worlds import World


def revokes_every_refresh_token_of_the_user(world: World) -> None:
    """The user is signed out on all devices."""
    world.add_user(world.pools[0], "alice", ())
    sign_ins = [world.sign_in(world.pools[0], "alice") for _ in range(2)]
    assert [sign_in.refusal_to_refresh() for sign_in in sign_ins] == [None, None]
    assert world.sign_out(world.pools[0], "alice").code is None
    assert [sign_in.refusal_to_refresh() for sign_in in sign_ins] == ["NotAuthorizedException"] * 2


def does_not_affect_other_users(world: World) -> None:
    """No other user of the pool is signed out."""
    for username in ("alice", "bob"):
        world.add_user(world.pools[0], username, ())
    bob = world.sign_in(world.pools[0], "bob")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert bob.refusal_to_refresh() is None
    assert bob.refusal_to_get_user() is None


def does_not_affect_other_pools(world: World) -> None:
    """A user with the same name in another pool is not signed out."""
    for pool in world.pools:
        world.add_user(pool, "alice", ())
    here, elsewhere = (world.sign_in(pool, "alice") for pool in world.pools)
    assert world.sign_out(world.pools[0], "alice").code is None
    assert here.refusal_to_refresh() == "NotAuthorizedException"
    assert elsewhere.refusal_to_refresh() is None


def finds_the_user_by_alias(world: World) -> None:
    """A user who signed in by username is signed out by email address."""
    world.add_user(world.pools[0], "alice", ["alice@example.com"])
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], "alice@example.com").code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def finds_sign_ins_by_alias(world: World) -> None:
    """A user who signed in by email address is signed out by username."""
    world.add_user(world.pools[0], "alice", ["alice@example.com"])
    sign_in = world.sign_in(world.pools[0], "alice@example.com")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def finds_the_user_by_sub(world: World) -> None:
    """A user is signed out by ``sub``."""
    sub = world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], sub).code is None
    assert sign_in.refusal_to_refresh() == "NotAuthorizedException"


def revokes_access_tokens_at_cognito(world: World) -> None:
    """GetUser refuses the access token immediately."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert sign_in.refusal_to_get_user() is None
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.refusal_to_get_user() == "NotAuthorizedException"


def leaves_tokens_valid_offline(world: World) -> None:
    """The tokens verify offline until they expire."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    assert world.sign_out(world.pools[0], "alice").code is None
    assert sign_in.valid_offline()


def lets_the_user_sign_in_again(world: World) -> None:
    """The user can sign in again."""
    world.add_user(world.pools[0], "alice", ())
    assert world.sign_out(world.pools[0], "alice").code is None
    assert world.sign_in(world.pools[0], "alice").refusal_to_refresh() is None


def can_be_repeated(world: World) -> None:
    """A second sign-out succeeds, with another request ID."""
    world.add_user(world.pools[0], "alice", ())
    first, second = (world.sign_out(world.pools[0], "alice") for _ in range(2))
    assert first.code is second.code is None
    assert first.request_id != second.request_id


def accepts_every_valid_username(world: World) -> None:
    """Names with quotes, commas, combining marks, emoji or 128 characters are accepted."""
    for username in ("o'b\"rien,\\", "e\u0301lodie", "🦄", "名前", "x" * 128):
        world.add_user(world.pools[0], username, ())
        assert world.sign_out(world.pools[0], username).code is None


def refuses_an_unknown_user(world: World) -> None:
    """The code is UserNotFoundException."""
    assert world.sign_out(world.pools[0], "nobody").code == "UserNotFoundException"


def refuses_a_user_of_another_pool(world: World) -> None:
    """The code is UserNotFoundException for a user of another pool."""
    world.add_user(world.pools[1], "alice", ())
    assert world.sign_out(world.pools[0], "alice").code == "UserNotFoundException"


def refuses_an_unknown_pool(world: World) -> None:
    """The code is ResourceNotFoundException."""
    assert world.sign_out("us-west-2_Nowhere", "alice").code == "ResourceNotFoundException"


def refuses_a_malformed_pool(world: World) -> None:
    """The code is InvalidParameterException."""
    assert world.sign_out("nowhere", "alice").code == "InvalidParameterException"


def refuses_a_malformed_name(world: World) -> None:
    """The code is InvalidParameterException for a name with a space and for a name that is too long."""
    assert world.sign_out(world.pools[0], "a b").code == "InvalidParameterException"
    assert world.sign_out(world.pools[0], "x" * 129).code == "InvalidParameterException"


def sends_a_request_id_in_every_response(world: World) -> None:
    """Successes and errors have a request ID."""
    world.add_user(world.pools[0], "alice", ())
    assert world.send(world.pools[0], "alice").request_id
    assert world.send(world.pools[0], "nobody").request_id


def refuses_an_unknown_key(world: World) -> None:
    """The code is UnrecognizedClientException."""
    world.add_user(world.pools[0], "alice", ())
    unknown = Keys(f"AKIA{uuid.uuid4().hex[:16].upper()}", world.keys.secret_key)
    assert world.sign_out_as(world.pools[0], "alice", unknown).code == "UnrecognizedClientException"


def refuses_a_wrong_secret(world: World) -> None:
    """The code is InvalidSignatureException."""
    world.add_user(world.pools[0], "alice", ())
    wrong = Keys(world.keys.access_key, "not the secret")
    assert world.sign_out_as(world.pools[0], "alice", wrong).code == "InvalidSignatureException"


def refuses_a_signature_with_a_wrong_date(world: World) -> None:
    """The code is InvalidSignatureException if the date is off by more than five minutes."""
    world.add_user(world.pools[0], "alice", ())
    for late in (290, -290):
        assert world.send(world.pools[0], "alice", late=late).code is None
    for late in (310, -310, 3600, -3600):
        assert world.send(world.pools[0], "alice", late=late).code == "InvalidSignatureException"


def refuses_a_signature_without_a_required_header(world: World) -> None:
    """The code is InvalidSignatureException if the host or the target is not signed."""
    world.add_user(world.pools[0], "alice", ())
    for unsigned in ("host", "x-amz-target"):
        assert world.send(world.pools[0], "alice", unsigned=unsigned).code == "InvalidSignatureException"


def finds_a_pool_only_in_its_region(world: World) -> None:
    """The code is ResourceNotFoundException in every other region."""
    world.add_user(world.pools[0], "alice", ())
    assert world.send(world.pools[0], "alice", region="eu-central-1").code == "ResourceNotFoundException"


def refuses_an_unknown_target(world: World) -> None:
    """The code is UnknownOperationException, and the user is not signed out."""
    world.add_user(world.pools[0], "alice", ())
    sign_in = world.sign_in(world.pools[0], "alice")
    target = "AWSCognitoIdentityProviderService.AdminUserLocalSignOut"
    assert world.send(world.pools[0], "alice", target=target).code == "UnknownOperationException"
    assert sign_in.refusal_to_refresh() is None


CLAUSES: tuple[Callable[[World], None], ...] = (
    revokes_every_refresh_token_of_the_user,
    does_not_affect_other_users,
    does_not_affect_other_pools,
    finds_the_user_by_alias,
    finds_sign_ins_by_alias,
    finds_the_user_by_sub,
    revokes_access_tokens_at_cognito,
    leaves_tokens_valid_offline,
    lets_the_user_sign_in_again,
    can_be_repeated,
    accepts_every_valid_username,
    refuses_an_unknown_user,
    refuses_a_user_of_another_pool,
    refuses_an_unknown_pool,
    refuses_a_malformed_pool,
    refuses_a_malformed_name,
    sends_a_request_id_in_every_response,
    refuses_an_unknown_key,
    refuses_a_wrong_secret,
    refuses_a_signature_with_a_wrong_date,
    refuses_a_signature_without_a_required_header,
    finds_a_pool_only_in_its_region,
    refuses_an_unknown_target,
)
