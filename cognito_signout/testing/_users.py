"""User pools, users, and their tokens and cookies.

State and rules alone; no request, no HTTP. Time comes from a :class:`Clock` that a test moves. How Cognito
treats tokens: https://docs.aws.amazon.com/cognito/latest/developerguide/token-revocation.html
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import define, field, frozen

from ..models import HOSTED_UI_COOKIE_VALIDITY

#: Cognito's default validity of refresh tokens.
REFRESH_TOKEN_VALIDITY = timedelta(days=30)


class Clock:
    """The fake's clock. Without a start it follows real time; with one, only a test moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start.timestamp() if start is not None else None
        self._moved = 0.0
        self.lock = threading.RLock()  # a signal handler that runs while it is held may fork

    def now(self) -> float:
        """The time in seconds since the epoch."""
        return (time.time() if self._start is None else self._start) + self._moved

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        with self.lock:
            self._moved += seconds

    def advance_to(self, moment: float) -> None:
        """Moves the clock forward to a moment, unless it is later already, so that concurrent waits do not add up."""
        with self.lock:
            self._moved += max(0.0, moment - self.now())


@define(eq=False)
class Grant:
    """One sign-in, which the refresh token and all tokens from it belong to."""

    refresh_token: str
    expires_at: float
    revoked: bool = False


@define(eq=False)
class User:
    """A user of a pool."""

    username: str
    sub: str = field(factory=lambda: str(uuid.uuid4()))
    grants: list[Grant] = field(factory=list[Grant])
    times_signed_out: int = 0

    def sign_out(self) -> None:
        """Revokes every refresh token issued to the user so far."""
        self.times_signed_out += 1
        for grant in self.grants:
            grant.revoked = True


@define(eq=False)
class UserPool:
    """A user pool. Users are found by username, alias or ``sub``."""

    id: str
    users: dict[str, User] = field(factory=dict[str, User])

    def add(self, username: str, aliases: list[str]) -> User:
        """Adds a user."""
        for name in (username, *aliases):
            if name in self.users:
                raise ValueError(f"the pool {self.id} has a user called {name!r} already")
        user = User(username)
        for name in (username, user.sub, *aliases):
            self.users[name] = user
        return user


@frozen(eq=False)
class Tokens:
    """The tokens of a sign-in, and whether they are still valid at the current time of the fake's clock.

    Attributes:
        access_token: A JWT with Cognito's claims, signed with a key of the fake's.
        id_token: Likewise.
        refresh_token: Opaque, as Cognito's.
        issued_at: When the access and ID token were issued.
        expires_at: When they expire.
        hosted_ui_cookie: The hosted UI's session cookie, if the user signed in there.
    """

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    hosted_ui_cookie: HostedUICookie | None
    _grant: Grant = field(repr=False, alias="grant")
    _clock: Clock = field(repr=False, alias="clock")

    @property
    def refreshable(self) -> bool:
        """Whether the refresh token still gets new tokens. A sign-out ends that."""
        return not self._grant.revoked and self._clock.now() < self._grant.expires_at

    @property
    def accepted_by_cognito(self) -> bool:
        """Whether Cognito's own operations accept the access token. A sign-out ends that."""
        return not self._grant.revoked and self.valid_offline

    @property
    def valid_offline(self) -> bool:
        """Whether the access and ID tokens verify offline. They do until they expire, even after a sign-out."""
        return self._clock.now() < self.expires_at.timestamp()


@frozen(eq=False)
class HostedUICookie:
    """The session cookie of the hosted UI. It expires after an hour. A sign-out does not end it.

    Attributes:
        expires_at: When it expires, an hour after the sign-in.
    """

    expires_at: datetime
    _directory: Directory = field(repr=False, alias="directory")
    _pool: UserPool = field(repr=False, alias="pool")
    _user: User = field(repr=False, alias="user")
    _validity: timedelta = field(repr=False, alias="validity")

    @property
    def valid(self) -> bool:
        """Whether the cookie still gets new tokens without a password."""
        return self._directory.clock.now() < self.expires_at.timestamp()

    def fetch_tokens(self) -> Tokens:
        """New tokens for the user, as from ``/oauth2/authorize`` of the hosted UI.

        Raises:
            ValueError: The cookie has expired.
        """
        if not self.valid:
            raise ValueError("the hosted-UI cookie has expired: the user must sign in again")
        return self._directory.issue(self._pool, self._user, validity=self._validity)


@frozen(eq=False)
class Issue:
    """Tokens that were issued together: their user and their grant."""

    pool: UserPool
    user: User
    grant: Grant
    tokens: Tokens


class Directory:
    """All pools, and the tokens that they have issued."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pools: dict[str, UserPool] = {}
        self._by_token: dict[str, Issue] = {}
        self._key = uuid.uuid4().bytes

    def find(self, token: object) -> Issue | None:
        """The issue that an access token belongs to, or the latest issue of a refresh token's grant."""
        return self._by_token.get(token) if isinstance(token, str) else None

    def sign_in(self, pool: UserPool, user: User, *, validity: timedelta, hosted_ui: bool) -> Tokens:
        """Signs a user in."""
        cookie = None
        if hosted_ui:
            expires_at = self.clock.now() + HOSTED_UI_COOKIE_VALIDITY.total_seconds()
            cookie = HostedUICookie(expires_at=utc(expires_at), directory=self, pool=pool, user=user, validity=validity)
        return self.issue(pool, user, validity=validity, cookie=cookie)

    def issue(
        self,
        pool: UserPool,
        user: User,
        *,
        validity: timedelta,
        grant: Grant | None = None,
        cookie: HostedUICookie | None = None,
    ) -> Tokens:
        """New access and ID tokens, for a new grant or for the grant of a refresh token."""
        now = self.clock.now()
        if grant is None:
            grant = Grant(uuid.uuid4().hex * 4, now + REFRESH_TOKEN_VALIDITY.total_seconds())
            user.grants.append(grant)
        issued_at = int(now)  # tokens contain whole seconds
        expires_at = issued_at + int(validity.total_seconds())
        claims = {
            "sub": user.sub,
            "iss": f"https://cognito-idp.{pool.id.partition('_')[0]}.amazonaws.com/{pool.id}",
            "origin_jti": grant.refresh_token[:32],
            "iat": issued_at,
            "exp": expires_at,
        }
        tokens = Tokens(
            access_token=self._jwt({**claims, "token_use": "access", "username": user.username}),
            id_token=self._jwt({**claims, "token_use": "id", "cognito:username": user.username}),
            refresh_token=grant.refresh_token,
            issued_at=utc(issued_at),
            expires_at=utc(expires_at),
            hosted_ui_cookie=cookie,
            grant=grant,
            clock=self.clock,
        )
        for token in (tokens.access_token, tokens.refresh_token):
            self._by_token[token] = Issue(pool, user, grant, tokens)
        return tokens

    def _jwt(self, claims: dict[str, Any]) -> str:
        claims = {**claims, "jti": str(uuid.uuid4())}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signature = hmac.digest(self._key, ".".join(parts).encode(), "sha256")
        return ".".join((*parts, _base64(signature)))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def utc(seconds: float) -> datetime:
    """The datetime for a number of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc)
