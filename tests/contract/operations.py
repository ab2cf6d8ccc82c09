"""The contract of the operations around a sign-out: users and pools, sign-in, refresh and access tokens.

These clauses do not depend on the client, so they run once for each backend. See :mod:`.clauses`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .worlds import PASSWORD, claims_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worlds import World

NOT_AUTHORIZED = "NotAuthorizedException"
#: The operations that take a user.
USER_OPERATIONS = ("AdminDisableUser", "AdminEnableUser", "AdminGetUser")
#: The operations that take a pool.
POOL_OPERATIONS = ("DescribeUserPool", "ListUsers")


def user_of(world: World, username: str = "alice") -> dict[str, str]:
    """The arguments that identify a user of the first pool."""
    return {"UserPoolId": world.pools[0], "Username": username}


def sign_in_of(world: World, username: str = "alice", **parameters: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The two operations that sign in a user of the first pool with a password, and their arguments."""
    credentials = {"USERNAME": username, "PASSWORD": PASSWORD, **parameters}
    arguments = {"ClientId": world.client_id(world.pools[0]), "AuthParameters": credentials}
    return (
        ("InitiateAuth", {"AuthFlow": "USER_PASSWORD_AUTH", **arguments}),
        ("AdminInitiateAuth", {"AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "UserPoolId": world.pools[0], **arguments}),
    )


def tokens_of(world: World, username: str = "alice") -> dict[str, Any]:
    """The tokens of a new sign-in with a password."""
    (operation, arguments), _ = sign_in_of(world, username)
    tokens: dict[str, Any] = world.call(operation, **arguments)["AuthenticationResult"]
    return tokens


def refresh_of(world: World, token: str) -> dict[str, Any]:
    """The arguments of InitiateAuth that use a refresh token."""
    client_id = world.client_id(world.pools[0])
    return {"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client_id, "AuthParameters": {"REFRESH_TOKEN": token}}


# Users and pools


def lists_all_users_page_by_page(world: World) -> None:
    """The list includes disabled users. The last page has no token."""
    for username in ("alice", "bob", "carol"):
        world.add_user(world.pools[0], username, ())
    world.call("AdminDisableUser", **user_of(world, "bob"))
    first = world.call("ListUsers", UserPoolId=world.pools[0], Limit=2)
    second = world.call("ListUsers", UserPoolId=world.pools[0], Limit=2, PaginationToken=first["PaginationToken"])
    assert (len(first["Users"]), len(second["Users"]), "PaginationToken" in second) == (2, 1, False)
    enabled = {user["Username"]: user["Enabled"] for user in [*first["Users"], *second["Users"]]}
    assert enabled == {"alice": True, "bob": False, "carol": True}


def lists_users_by_status(world: World) -> None:
    """A filter selects enabled or disabled users."""
    for username in ("alice", "bob"):
        world.add_user(world.pools[0], username, ())
    world.call("AdminDisableUser", **user_of(world, "bob"))
    for status, username in (("Enabled", "alice"), ("Disabled", "bob")):
        page = world.call("ListUsers", UserPoolId=world.pools[0], Filter=f'status = "{status}"')
        assert [user["Username"] for user in page["Users"]] == [username]


def refuses_a_malformed_filter(world: World) -> None:
    """The code is InvalidParameterException."""
    assert world.refusal("ListUsers", UserPoolId=world.pools[0], Filter="nonsense") == "InvalidParameterException"


def refuses_a_wrong_pagination_token(world: World) -> None:
    """The code is InvalidParameterException."""
    token = {"PaginationToken": "nonsense"}
    assert world.refusal("ListUsers", UserPoolId=world.pools[0], **token) == "InvalidParameterException"


def refuses_a_page_size_above_60(world: World) -> None:
    """The code is InvalidParameterException for a limit above 60."""
    assert world.refusal("ListUsers", UserPoolId=world.pools[0], Limit=60) is None
    assert world.refusal("ListUsers", UserPoolId=world.pools[0], Limit=61) == "InvalidParameterException"


def describes_the_pool(world: World) -> None:
    """The description has the ID and the ARN."""
    pool = world.call("DescribeUserPool", UserPoolId=world.pools[0])["UserPool"]
    assert pool["Id"] == world.pools[0]
    assert pool["Arn"].endswith(f":userpool/{world.pools[0]}")


def describes_the_user(world: World) -> None:
    """AdminGetUser, ListUsers and GetUser return the same username and attributes."""
    sub = world.add_user(world.pools[0], "alice", ["alice@example.com"])
    user = world.call("AdminGetUser", **user_of(world))
    (listed,) = world.call("ListUsers", UserPoolId=world.pools[0])["Users"]
    own = world.call("GetUser", AccessToken=tokens_of(world)["AccessToken"])
    assert user["Username"] == listed["Username"] == own["Username"] == "alice"
    assert (user["Enabled"], user["UserStatus"]) == (listed["Enabled"], listed["UserStatus"]) == (True, "CONFIRMED")
    for attributes in (user["UserAttributes"], listed["Attributes"], own["UserAttributes"]):
        values = {attribute["Name"]: attribute["Value"] for attribute in attributes}
        assert (values["sub"], values["email"]) == (sub, "alice@example.com")


def finds_the_user_by_alias_and_sub_in_each_operation(world: World) -> None:
    """Every operation on a user accepts an alias or the ``sub``."""
    sub = world.add_user(world.pools[0], "alice", ["alice@example.com"])
    for name in ("alice@example.com", sub):
        assert [world.refusal(operation, **user_of(world, name)) for operation in USER_OPERATIONS] == [None] * 3


def refuses_an_unknown_user_in_each_operation(world: World) -> None:
    """The code is UserNotFoundException."""
    codes = {world.refusal(operation, **user_of(world, "mallory")) for operation in USER_OPERATIONS}
    assert codes == {"UserNotFoundException"}


def refuses_an_unknown_pool_in_each_operation(world: World) -> None:
    """The code is ResourceNotFoundException."""
    _, (admin_initiate_auth, arguments) = sign_in_of(world)
    elsewhere = {"UserPoolId": "us-west-2_Nowhere"}
    codes = [world.refusal(operation, **{**user_of(world), **elsewhere}) for operation in USER_OPERATIONS]
    codes += [world.refusal(operation, **elsewhere) for operation in POOL_OPERATIONS]
    codes += [world.refusal(admin_initiate_auth, **{**arguments, **elsewhere})]
    assert set(codes) == {"ResourceNotFoundException"}


def refuses_a_malformed_pool_in_each_operation(world: World) -> None:
    """The code is InvalidParameterException."""
    malformed = {"UserPoolId": "nowhere"}
    codes = [world.refusal(operation, **{**user_of(world), **malformed}) for operation in USER_OPERATIONS]
    codes += [world.refusal(operation, **malformed) for operation in POOL_OPERATIONS]
    assert set(codes) == {"InvalidParameterException"}


def refuses_unsigned_admin_requests(world: World) -> None:
    """The code is MissingAuthenticationTokenException."""
    world.add_user(world.pools[0], "alice", ())
    _, (admin_initiate_auth, arguments) = sign_in_of(world)
    codes = [world.refusal_unsigned(operation, **user_of(world)) for operation in USER_OPERATIONS]
    codes += [world.refusal_unsigned(operation, UserPoolId=world.pools[0]) for operation in POOL_OPERATIONS]
    codes += [world.refusal_unsigned(admin_initiate_auth, **arguments)]
    assert set(codes) == {"MissingAuthenticationTokenException"}


# Disabled users


def refuses_sign_ins_of_a_disabled_user(world: World) -> None:
    """The code is NotAuthorizedException until the user is enabled."""
    world.add_user(world.pools[0], "alice", ())
    world.call("AdminDisableUser", **user_of(world))
    assert world.call("AdminGetUser", **user_of(world))["Enabled"] is False
    assert [world.refusal(name, **arguments) for name, arguments in sign_in_of(world)] == [NOT_AUTHORIZED] * 2
    world.call("AdminEnableUser", **user_of(world))
    assert world.call("AdminGetUser", **user_of(world))["Enabled"] is True
    assert [world.refusal(name, **arguments) for name, arguments in sign_in_of(world)] == [None] * 2


def refuses_access_tokens_of_a_disabled_user(world: World) -> None:
    """The code is NotAuthorizedException. Other users are not affected."""
    for username in ("alice", "bob"):
        world.add_user(world.pools[0], username, ())
    alice, bob = tokens_of(world, "alice"), tokens_of(world, "bob")
    world.call("AdminDisableUser", **user_of(world))
    assert world.refusal("GetUser", AccessToken=alice["AccessToken"]) == NOT_AUTHORIZED
    assert world.refusal("GetUser", AccessToken=bob["AccessToken"]) is None


def refuses_refresh_tokens_of_a_disabled_user(world: World) -> None:
    """The code is NotAuthorizedException."""
    world.add_user(world.pools[0], "alice", ())
    refresh = refresh_of(world, tokens_of(world)["RefreshToken"])
    world.call("AdminDisableUser", **user_of(world))
    assert world.refusal("InitiateAuth", **refresh) == NOT_AUTHORIZED


def keeps_access_tokens_revoked_when_the_user_is_enabled(world: World) -> None:
    """Disabling a user revokes the access tokens permanently."""
    world.add_user(world.pools[0], "alice", ())
    tokens = tokens_of(world)
    world.call("AdminDisableUser", **user_of(world))
    world.call("AdminEnableUser", **user_of(world))
    assert world.refusal("GetUser", AccessToken=tokens["AccessToken"]) == NOT_AUTHORIZED


def signs_out_a_disabled_user(world: World) -> None:
    """A sign-out works after the user was disabled, and stays in effect when the user is enabled."""
    world.add_user(world.pools[0], "alice", ())
    refresh = refresh_of(world, tokens_of(world)["RefreshToken"])
    world.call("AdminDisableUser", **user_of(world))
    assert world.sign_out(world.pools[0], "alice").code is None
    world.call("AdminEnableUser", **user_of(world))
    assert world.refusal("InitiateAuth", **refresh) == NOT_AUTHORIZED


# Sign-ins


def signs_in_with_a_password(world: World) -> None:
    """The tokens are for the user, the pool and the app client."""
    sub = world.add_user(world.pools[0], "alice", ())
    for operation, arguments in sign_in_of(world):
        tokens = world.call(operation, **arguments)["AuthenticationResult"]
        assert (tokens["ExpiresIn"], tokens["TokenType"]) == (3600, "Bearer")
        access, identity = claims_of(tokens["AccessToken"]), claims_of(tokens["IdToken"])
        assert access["sub"] == identity["sub"] == sub
        assert access["iss"] == identity["iss"] == f"https://cognito-idp.us-west-2.amazonaws.com/{world.pools[0]}"
        assert access["client_id"] == identity["aud"] == arguments["ClientId"]
        assert access["username"] == identity["cognito:username"] == "alice"
        assert (access["token_use"], identity["token_use"]) == ("access", "id")
        assert access["exp"] == access["iat"] + 3600
        assert world.refusal("GetUser", AccessToken=tokens["AccessToken"]) is None
        assert world.refusal("InitiateAuth", **refresh_of(world, tokens["RefreshToken"])) is None


def signs_in_by_alias_with_a_password(world: World) -> None:
    """Both sign-in operations accept an alias."""
    world.add_user(world.pools[0], "alice", ["alice@example.com"])
    by_alias = sign_in_of(world, "alice@example.com")
    assert [world.refusal(operation, **arguments) for operation, arguments in by_alias] == [None] * 2


def refuses_a_wrong_password(world: World) -> None:
    """The code is NotAuthorizedException."""
    world.add_user(world.pools[0], "alice", ())
    wrong = sign_in_of(world, PASSWORD="Wrong-horse-1")
    assert [world.refusal(operation, **arguments) for operation, arguments in wrong] == [NOT_AUTHORIZED] * 2


def refuses_the_sign_in_of_an_unknown_user(world: World) -> None:
    """The code is UserNotFoundException, unless the app client hides whether a user exists."""
    unknown = sign_in_of(world, "mallory")
    assert [world.refusal(name, **arguments) for name, arguments in unknown] == ["UserNotFoundException"] * 2


def refuses_a_sign_in_without_a_password(world: World) -> None:
    """The code is InvalidParameterException."""
    world.add_user(world.pools[0], "alice", ())
    for operation, arguments in sign_in_of(world):
        incomplete = {**arguments, "AuthParameters": {"USERNAME": "alice"}}
        assert world.refusal(operation, **incomplete) == "InvalidParameterException"


def refuses_the_flow_of_the_other_operation(world: World) -> None:
    """The code is InvalidParameterException for an admin flow in InitiateAuth, and the other way round."""
    world.add_user(world.pools[0], "alice", ())
    (initiate, of_user), (admin_initiate, of_admin) = sign_in_of(world)
    swapped = {**of_user, "AuthFlow": of_admin["AuthFlow"]}, {**of_admin, "AuthFlow": of_user["AuthFlow"]}
    assert world.refusal(initiate, **swapped[0]) == "InvalidParameterException"
    assert world.refusal(admin_initiate, **swapped[1]) == "InvalidParameterException"


# Refresh and access tokens


def keeps_the_session_on_refresh(world: World) -> None:
    """``auth_time`` and ``origin_jti`` stay the same. There is no new refresh token, because rotation is off."""
    world.add_user(world.pools[0], "alice", ())
    tokens = tokens_of(world)
    fresh = world.call("InitiateAuth", **refresh_of(world, tokens["RefreshToken"]))["AuthenticationResult"]
    old, new = claims_of(tokens["AccessToken"]), claims_of(fresh["AccessToken"])
    assert (new["auth_time"], new["origin_jti"], new["sub"]) == (old["auth_time"], old["origin_jti"], old["sub"])
    assert new["jti"] != old["jti"]
    assert "RefreshToken" not in fresh
    assert world.refusal("GetUser", AccessToken=fresh["AccessToken"]) is None


def refuses_an_unknown_refresh_token(world: World) -> None:
    """The code is NotAuthorizedException, also for another kind of token."""
    world.add_user(world.pools[0], "alice", ())
    for token in ("nonsense", tokens_of(world)["AccessToken"]):
        assert world.refusal("InitiateAuth", **refresh_of(world, token)) == NOT_AUTHORIZED


def refuses_refreshed_access_tokens_after_a_sign_out(world: World) -> None:
    """The code is NotAuthorizedException, because refreshed tokens belong to the same session."""
    world.add_user(world.pools[0], "alice", ())
    refresh = refresh_of(world, tokens_of(world)["RefreshToken"])
    fresh = world.call("InitiateAuth", **refresh)["AuthenticationResult"]
    assert world.sign_out(world.pools[0], "alice").code is None
    assert world.refusal("InitiateAuth", **refresh) == NOT_AUTHORIZED
    assert world.refusal("GetUser", AccessToken=fresh["AccessToken"]) == NOT_AUTHORIZED


def exchanges_refresh_tokens_until_the_sign_out(world: World) -> None:
    """GetTokensFromRefreshToken works until the sign-out, as InitiateAuth does."""
    world.add_user(world.pools[0], "alice", ())
    arguments = {"ClientId": world.client_id(world.pools[0]), "RefreshToken": tokens_of(world)["RefreshToken"]}
    fresh = world.call("GetTokensFromRefreshToken", **arguments)["AuthenticationResult"]
    assert claims_of(fresh["AccessToken"])["username"] == "alice"
    assert world.sign_out(world.pools[0], "alice").code is None
    assert world.refusal("GetTokensFromRefreshToken", **arguments) == NOT_AUTHORIZED


def accepts_only_access_tokens_in_get_user(world: World) -> None:
    """The code is NotAuthorizedException for any other token."""
    world.add_user(world.pools[0], "alice", ())
    tokens = tokens_of(world)
    for token in (tokens["IdToken"], tokens["RefreshToken"], "nonsense"):
        assert world.refusal("GetUser", AccessToken=token) == NOT_AUTHORIZED
    assert world.call("GetUser", AccessToken=tokens["AccessToken"])["Username"] == "alice"


def signs_out_all_devices_with_an_access_token(world: World) -> None:
    """GlobalSignOut revokes the tokens of all devices of the user, and of no other user."""
    for username in ("alice", "bob"):
        world.add_user(world.pools[0], username, ())
    phone, laptop, bob = tokens_of(world), tokens_of(world), tokens_of(world, "bob")
    assert world.call("GlobalSignOut", AccessToken=phone["AccessToken"]) == {}
    for tokens, code in ((phone, NOT_AUTHORIZED), (laptop, NOT_AUTHORIZED), (bob, None)):
        assert world.refusal("GetUser", AccessToken=tokens["AccessToken"]) == code
        assert world.refusal("InitiateAuth", **refresh_of(world, tokens["RefreshToken"])) == code


def refuses_global_sign_out_with_a_wrong_token(world: World) -> None:
    """The code is NotAuthorizedException for a revoked access token, another kind of token, and nonsense."""
    world.add_user(world.pools[0], "alice", ())
    revoked = tokens_of(world)["AccessToken"]
    world.call("GlobalSignOut", AccessToken=revoked)
    tokens = tokens_of(world)
    for token in (revoked, tokens["IdToken"], tokens["RefreshToken"], "nonsense"):
        assert world.refusal("GlobalSignOut", AccessToken=token) == NOT_AUTHORIZED
    assert world.refusal("GetUser", AccessToken=tokens["AccessToken"]) is None


OPERATIONS: tuple[Callable[[World], None], ...] = (
    lists_all_users_page_by_page,
    lists_users_by_status,
    refuses_a_malformed_filter,
    refuses_a_wrong_pagination_token,
    refuses_a_page_size_above_60,
    describes_the_pool,
    describes_the_user,
    finds_the_user_by_alias_and_sub_in_each_operation,
    refuses_an_unknown_user_in_each_operation,
    refuses_an_unknown_pool_in_each_operation,
    refuses_a_malformed_pool_in_each_operation,
    refuses_unsigned_admin_requests,
    refuses_sign_ins_of_a_disabled_user,
    refuses_access_tokens_of_a_disabled_user,
    refuses_refresh_tokens_of_a_disabled_user,
    keeps_access_tokens_revoked_when_the_user_is_enabled,
    signs_out_a_disabled_user,
    signs_in_with_a_password,
    signs_in_by_alias_with_a_password,
    refuses_a_wrong_password,
    refuses_the_sign_in_of_an_unknown_user,
    refuses_a_sign_in_without_a_password,
    refuses_the_flow_of_the_other_operation,
    keeps_the_session_on_refresh,
    refuses_an_unknown_refresh_token,
    refuses_refreshed_access_tokens_after_a_sign_out,
    exchanges_refresh_tokens_until_the_sign_out,
    accepts_only_access_tokens_in_get_user,
    signs_out_all_devices_with_an_access_token,
    refuses_global_sign_out_with_a_wrong_token,
)
