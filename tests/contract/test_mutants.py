"""The contract catches a fake that lies: each of these lies, told one by one, breaks a clause."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cognito_signout.testing import Tokens
from cognito_signout.testing import _service as service
from cognito_signout.testing._users import User, UserPool
from cognito_signout.transports import HttpResponse

from .clauses import CLAUSES
from .worlds import fake_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_signout.testing._service import Service


def forgets_to_revoke(patch: pytest.MonkeyPatch) -> None:
    """It says yes and does nothing."""
    patch.setattr(User, "sign_out", lambda self: None)


def revokes_another_users(patch: pytest.MonkeyPatch) -> None:
    """It signs out the whole pool."""
    real = service.Service._sign_out

    def sign_out(self: Service, arguments: dict[str, Any], region: str) -> object:
        for user in self.pool(arguments["UserPoolId"], region).users.values():
            user.sign_out()
        return real(self, arguments, region)

    patch.setattr(service.Service, "_sign_out", sign_out)


def ignores_the_pool(patch: pytest.MonkeyPatch) -> None:
    """It takes the first pool that there is."""
    patch.setattr(service.Service, "pool", lambda self, *_: next(iter(self._directory.pools.values())))


def ignores_the_alias(patch: pytest.MonkeyPatch) -> None:
    """It knows users by their usernames alone."""
    real = UserPool.add
    patch.setattr(UserPool, "add", lambda self, username, aliases: real(self, username, []))


def ignores_the_sub(patch: pytest.MonkeyPatch) -> None:
    """It does not know users by their ``sub``."""
    real = UserPool.add

    def add(self: UserPool, username: str, aliases: list[str]) -> User:
        user = real(self, username, aliases)
        del self.users[user.sub]
        return user

    patch.setattr(UserPool, "add", add)


def accepts_any_signature(patch: pytest.MonkeyPatch) -> None:
    """It compares nothing."""
    patch.setattr("hmac.compare_digest", lambda *_: True)


def accepts_any_key(patch: pytest.MonkeyPatch) -> None:
    """It takes whoever asks for the owner of its own key."""
    real = service.Service._verify

    def verify(self: Service, request: Any, sent_at: float) -> None:
        named = service._AUTHORIZATION.fullmatch(request.headers["authorization"])
        assert named is not None
        self._access_key = named["access_key"]
        real(self, request, sent_at)

    patch.setattr(service.Service, "_verify", verify)


def accepts_any_date(patch: pytest.MonkeyPatch) -> None:
    """It does not look at the date."""
    patch.setattr(service, "_check_date", lambda *_: None)


def accepts_dates_half_an_hour_off(patch: pytest.MonkeyPatch) -> None:
    """It is generous with time."""
    patch.setattr(service, "MAX_CLOCK_OFFSET", timedelta(minutes=30))


def accepts_signatures_over_too_little(patch: pytest.MonkeyPatch) -> None:
    """It lets a request be sent elsewhere, or for something else, with the signature of another."""
    patch.setattr(service, "_MUST_BE_SIGNED", ())


def ignores_the_region(patch: pytest.MonkeyPatch) -> None:
    """It finds a pool wherever it is asked."""
    real = service.Service.pool
    patch.setattr(service.Service, "pool", lambda self, pool, _: real(self, pool, pool.partition("_")[0]))


def accepts_any_target(patch: pytest.MonkeyPatch) -> None:
    """It signs out whatever was asked for."""
    patch.setattr(service, "operation_of", lambda request: "AdminUserGlobalSignOut")


def answers_200_to_an_unknown_user(patch: pytest.MonkeyPatch) -> None:
    """It is too polite."""
    real = service.Service._sign_out

    def sign_out(self: Service, arguments: dict[str, Any], region: str) -> object:
        try:
            return real(self, arguments, region)
        except service.ServiceRefusal as refusal:
            if refusal.code == "UserNotFoundException":
                self.pool(arguments["UserPoolId"], region).users[arguments["Username"]] = User("")
                return {}
            raise

    patch.setattr(service.Service, "_sign_out", sign_out)


def loses_the_request_id(patch: pytest.MonkeyPatch) -> None:
    """Its answers can't be told apart."""
    real = service.answer

    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        full = real(*args, **kwargs)
        headers = {name: value for name, value in full.headers.items() if name.lower() != "x-amzn-requestid"}
        return HttpResponse(full.status, headers, full.body)

    patch.setattr("cognito_signout.testing._fake.answer", answer)


def revokes_the_offline_validity_too(patch: pytest.MonkeyPatch) -> None:
    """It pretends that tokens verified offline are refused."""
    patch.setattr(Tokens, "valid_offline", property(lambda self: not self._grant.revoked))


def lets_access_tokens_live_on(patch: pytest.MonkeyPatch) -> None:
    """Its own operations accept what Cognito's would not."""
    patch.setattr(Tokens, "accepted_by_cognito", property(lambda self: self.valid_offline))


def bans_the_user(patch: pytest.MonkeyPatch) -> None:
    """Once signed out, never signed in again."""
    real = User.sign_out

    class Revoked(list[Any]):
        def append(self, grant: Any) -> None:
            grant.revoked = True
            super().append(grant)

    def sign_out(self: User) -> None:
        real(self)
        self.grants = Revoked(self.grants)

    patch.setattr(User, "sign_out", sign_out)


MUTANTS = (
    forgets_to_revoke,
    revokes_another_users,
    ignores_the_pool,
    ignores_the_alias,
    ignores_the_sub,
    accepts_any_signature,
    accepts_any_key,
    accepts_any_date,
    accepts_dates_half_an_hour_off,
    accepts_signatures_over_too_little,
    ignores_the_region,
    accepts_any_target,
    answers_200_to_an_unknown_user,
    loses_the_request_id,
    revokes_the_offline_validity_too,
    lets_access_tokens_live_on,
    bans_the_user,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_contract_catches(mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A clause that no lie breaks would protect from nothing."""
    mutant(monkeypatch)
    broken = []
    for clause in CLAUSES:
        with fake_world("ours", served=False) as world:
            try:
                clause(world)
            except (AssertionError, LookupError):  # the fake does not let an unknown user sign in
                broken.append(clause.__name__)
    assert broken
    assert len(broken) < len(CLAUSES), "it does not work at all, which is no lie"
