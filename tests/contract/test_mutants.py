"""The contract detects a wrong fake: each mutant of the fake breaks a clause."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout.testing import Tokens
from cognito_signout.testing import _service as service
from cognito_signout.testing._users import Directory, Grant, User, UserPool
from cognito_signout.transports import HttpResponse

from .clauses import CLAUSES
from .operations import OPERATIONS
from .worlds import fake_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_signout.testing._service import Service


def forgets_to_revoke(patch: pytest.MonkeyPatch) -> None:
    """A sign-out succeeds but revokes nothing."""
    patch.setattr(User, "sign_out", lambda self: None)


def revokes_all_users(patch: pytest.MonkeyPatch) -> None:
    """A sign-out signs out all users of the pool."""
    real = service.Service._sign_out

    def sign_out(self: Service, arguments: dict[str, Any], region: str) -> object:
        for user in self.pool(arguments["UserPoolId"], region).users.values():
            user.sign_out()
        return real(self, arguments, region)

    patch.setattr(service.Service, "_sign_out", sign_out)


def ignores_the_pool(patch: pytest.MonkeyPatch) -> None:
    """The fake always uses its first pool."""
    patch.setattr(service.Service, "pool", lambda self, *_: next(iter(self._directory.pools.values())))


def ignores_the_alias(patch: pytest.MonkeyPatch) -> None:
    """The fake does not find users by alias."""
    real = UserPool.add

    def add(self: UserPool, user: User) -> None:
        user.aliases = []
        real(self, user)

    patch.setattr(UserPool, "add", add)


def ignores_the_sub(patch: pytest.MonkeyPatch) -> None:
    """The fake does not find users by ``sub``."""
    real = UserPool.add

    def add(self: UserPool, user: User) -> None:
        real(self, user)
        del self.users[user.sub]

    patch.setattr(UserPool, "add", add)


def accepts_any_signature(patch: pytest.MonkeyPatch) -> None:
    """The fake does not compare signatures."""
    patch.setattr("hmac.compare_digest", lambda *_: True)


def accepts_any_key(patch: pytest.MonkeyPatch) -> None:
    """The fake accepts every access key."""
    real = service.Service._verify

    def verify(self: Service, request: Any, sent_at: float) -> None:
        parsed = service._AUTHORIZATION.fullmatch(request.headers["authorization"])
        assert parsed is not None
        self._access_key = parsed["access_key"]
        real(self, request, sent_at)

    patch.setattr(service.Service, "_verify", verify)


def accepts_any_date(patch: pytest.MonkeyPatch) -> None:
    """The fake does not check the date."""
    patch.setattr(service, "_check_date", lambda *_: None)


def accepts_dates_half_an_hour_off(patch: pytest.MonkeyPatch) -> None:
    """The fake accepts dates that are off by half an hour."""
    patch.setattr(service, "MAX_CLOCK_OFFSET", timedelta(minutes=30))


def accepts_signatures_without_required_headers(patch: pytest.MonkeyPatch) -> None:
    """The fake accepts a request whose host or target is not signed."""
    patch.setattr(service, "_MUST_BE_SIGNED", ())


def ignores_the_region(patch: pytest.MonkeyPatch) -> None:
    """The fake finds a pool in every region."""
    real = service.Service.pool
    patch.setattr(service.Service, "pool", lambda self, pool, _: real(self, pool, pool.partition("_")[0]))


def accepts_any_target(patch: pytest.MonkeyPatch) -> None:
    """Every operation signs the user out."""
    patch.setattr(service, "operation_of", lambda request: "AdminUserGlobalSignOut")


def signs_out_an_unknown_user(patch: pytest.MonkeyPatch) -> None:
    """A sign-out of an unknown user succeeds."""
    real = service.Service._sign_out

    def sign_out(self: Service, arguments: dict[str, Any], region: str) -> object:
        try:
            return real(self, arguments, region)
        except service.ServiceRefusal as refusal:
            if refusal.code == "UserNotFoundException":
                self.pool(arguments["UserPoolId"], region).users[arguments["Username"]] = User("", "", 0.0)
                return {}
            raise

    patch.setattr(service.Service, "_sign_out", sign_out)


def loses_the_request_id(patch: pytest.MonkeyPatch) -> None:
    """Responses have no request ID."""
    real = service.answer

    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        full = real(*args, **kwargs)
        headers = {name: value for name, value in full.headers.items() if name.lower() != "x-amzn-requestid"}
        return HttpResponse(full.status, headers, full.body)

    patch.setattr("cognito_signout.testing._fake.answer", answer)


def makes_tokens_invalid_offline(patch: pytest.MonkeyPatch) -> None:
    """Signed-out tokens count as invalid offline, too."""
    patch.setattr(Tokens, "valid_offline", property(lambda self: not self._grant.revoked))


def accepts_revoked_access_tokens(patch: pytest.MonkeyPatch) -> None:
    """The fake's operations accept revoked access tokens."""
    patch.setattr(Tokens, "accepted_by_cognito", property(lambda self: self.valid_offline))


def blocks_the_user(patch: pytest.MonkeyPatch) -> None:
    """A signed-out user can't sign in again."""
    real = User.sign_out

    class Revoked(list[Any]):
        def append(self, grant: Any) -> None:
            grant.revoked = True
            super().append(grant)

    def sign_out(self: User) -> None:
        real(self)
        self.grants = Revoked(self.grants)

    patch.setattr(User, "sign_out", sign_out)


def disables_without_revoking(patch: pytest.MonkeyPatch) -> None:
    """After a user was disabled and enabled again, old tokens are valid again."""

    def disable(self: Service, arguments: dict[str, Any], region: str) -> object:
        self._user(arguments, region).enabled = False
        return {}

    patch.setattr(service.Service, "_disable", disable)


def signs_in_disabled_users(patch: pytest.MonkeyPatch) -> None:
    """Disabled users can sign in."""
    real = service.Service._authenticate

    def authenticate(self: Service, arguments: dict[str, Any], pools: list[UserPool], flow: str) -> object:
        for pool in pools:
            for user in pool.all_users:
                user.enabled = True
        return real(self, arguments, pools, flow)

    patch.setattr(service.Service, "_authenticate", authenticate)


def accepts_any_password(patch: pytest.MonkeyPatch) -> None:
    """The fake accepts every password."""
    real = User.__init__

    def init(self: User, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        self.password = None

    patch.setattr(User, "__init__", init)


def lists_only_one_page(patch: pytest.MonkeyPatch) -> None:
    """ListUsers never returns the token of the next page."""
    real = service.Service._list_users

    def list_users(self: Service, arguments: dict[str, Any], region: str) -> object:
        page = dict(real(self, arguments, region))
        page.pop("PaginationToken", None)
        return page

    patch.setattr(service.Service, "_list_users", list_users)


def signs_out_only_one_device(patch: pytest.MonkeyPatch) -> None:
    """GlobalSignOut signs out only one device."""

    def global_sign_out(self: Service, arguments: dict[str, Any], _region: str) -> object:
        self._issue_of(arguments).grant.revoked = True
        return {}

    patch.setattr(service.Service, "_global_sign_out", global_sign_out)


def starts_a_new_session_on_refresh(patch: pytest.MonkeyPatch) -> None:
    """Refreshed tokens have a new ``origin_jti``."""
    real = Directory.issue

    def issue(self: Directory, *args: Any, grant: Grant, **kwargs: Any) -> object:
        if grant.refresh_token in self._issues:
            grant = copy.copy(grant)
            grant.origin_jti = self.ids.uuid()
        return real(self, *args, grant=grant, **kwargs)

    patch.setattr(Directory, "issue", issue)


MUTANTS = (
    forgets_to_revoke,
    revokes_all_users,
    ignores_the_pool,
    ignores_the_alias,
    ignores_the_sub,
    accepts_any_signature,
    accepts_any_key,
    accepts_any_date,
    accepts_dates_half_an_hour_off,
    accepts_signatures_without_required_headers,
    ignores_the_region,
    accepts_any_target,
    signs_out_an_unknown_user,
    loses_the_request_id,
    makes_tokens_invalid_offline,
    accepts_revoked_access_tokens,
    blocks_the_user,
    disables_without_revoking,
    signs_in_disabled_users,
    accepts_any_password,
    lists_only_one_page,
    signs_out_only_one_device,
    starts_a_new_session_on_refresh,
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_contract_detects_each_mutant(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong fake passes the contract."""
    mutant(monkeypatch)
    broken = []
    for clause in CLAUSES + OPERATIONS:
        with fake_world("ours", served=False) as world:
            try:
                clause(world)
            except (AssertionError, LookupError):  # the fake does not let an unknown user sign in
                broken.append(clause.__name__)
    assert broken
    assert len(broken) < len(CLAUSES + OPERATIONS), "the mutant breaks every clause, so it does not work at all"
