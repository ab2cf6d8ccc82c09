"""User pools, users, and their tokens and cookies.

State and rules alone; no request, no HTTP. Time comes from a :class:`Clock` that a test moves. How Cognito
treats tokens: https://docs.aws.amazon.com/cognito/latest/developerguide/token-revocation.html
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
import uuid
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from attrs import define, field, frozen

from ..models import HOSTED_UI_COOKIE_VALIDITY
from ._keys import ACCESS_KEY, ID_KEY

#: Cognito's default validity of refresh tokens.
REFRESH_TOKEN_VALIDITY = timedelta(days=30)


#: See :meth:`Clock.local`.
_local_time: ContextVar[float] = ContextVar("_local_time")
#: Where :meth:`Clock.collect_waits` collects the ends of waits.
_ends_of_waits: ContextVar[list[float] | None] = ContextVar("_ends_of_waits", default=None)


class Clock:
    """The fake's clock. Without a start it follows real time; with one, only a test or a waiting client moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start.timestamp() if start is not None else None
        self._moved = 0.0
        self.lock = threading.RLock()  # a signal handler that runs while it is held may fork

    def reset(self) -> None:
        """Starts again."""
        self._moved = 0.0

    def __deepcopy__(self, _memo: object) -> Clock:
        """A clock with the same time, and a lock of its own."""
        twin = Clock()
        twin._start, twin._moved = self._start, self._moved
        return twin

    def now(self) -> float:
        """The time in seconds since the epoch."""
        return (time.time() if self._start is None else self._start) + self._moved

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        with self.lock:
            self._moved += seconds

    def advance_to(self, moment: float) -> float:
        """Waits: moves the clock forward to a moment, unless it is later already, so that concurrent waits do not add
        up. Returns the time afterwards.
        """
        _local_time.set(moment)
        ends = _ends_of_waits.get()
        with self.lock:
            now = self.now()
            moment = max(moment, now)
            if ends is None:
                self._moved += moment - now
            else:
                ends.append(moment)
        return moment

    def synchronize(self) -> float:
        """The time, which becomes that of the current thread or task."""
        now = self.now()
        _local_time.set(now)
        return now

    def local(self) -> float:
        """The time of the current thread or task: the end of its last wait, or its last :meth:`synchronize`. Other
        threads may have moved the clock since, which does not make the calls of this thread longer.
        """
        return _local_time.get()

    def collect_waits(self) -> list[float]:
        """Waits in the current context no longer move the clock: their ends are added to the returned list."""
        ends: list[float] = []
        _ends_of_waits.set(ends)
        return ends


class Ids:
    """Creates IDs and opaque tokens: the same in each run if the fake has a clock of its own.

    Args:
        seed: The seed; ``None`` for random IDs.
    """

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- IDs of a fake

    def uuid(self) -> str:
        """A UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def opaque(self) -> str:
        """A refresh token."""
        return f"{self._random.getrandbits(512):0128x}"


@define(eq=False)
class Grant:
    """One sign-in, which the refresh token and all tokens from it belong to."""

    refresh_token: str
    expires_at: float
    client_id: str
    auth_time: int
    origin_jti: str
    event_id: str
    revoked: bool = False


@define(eq=False)
class User:
    """A user of a pool."""

    username: str
    sub: str
    created_at: float
    aliases: list[str] = field(factory=list[str])
    password: str | None = field(repr=False, default=None)
    enabled: bool = True
    grants: list[Grant] = field(factory=list[Grant])
    times_signed_out: int = 0

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of the user."""
        email = next((alias for alias in self.aliases if "@" in alias), f"{self.sub}@example.com")
        return {"sub": self.sub, "email": email, "email_verified": "true"}

    def sign_out(self) -> None:
        """Revokes every refresh token issued to the user so far."""
        self.times_signed_out += 1
        self.revoke()

    def revoke(self) -> None:
        """Ends every sign-in. Cognito's own operations refuse the access tokens, too."""
        for grant in self.grants:
            grant.revoked = True


@define(eq=False)
class UserPool:
    """A user pool. Users are found by username, alias or ``sub``."""

    id: str
    users: dict[str, User] = field(factory=dict[str, User])

    def add(self, user: User) -> None:
        """Adds a user. An alias of another user moves to this one."""
        for name in (user.username, *user.aliases):
            owner = self.users.get(name)
            if owner is not None and (name == user.username or name not in owner.aliases):
                raise ValueError(f"the pool {self.id} has a user called {name!r} already")
        for alias in user.aliases:
            if alias in self.users:
                self.users[alias].aliases.remove(alias)
        for name in (user.username, user.sub, *user.aliases):
            self.users[name] = user

    @property
    def all_users(self) -> list[User]:
        """Each user once, in the order of their names."""
        return sorted({id(user): user for user in self.users.values()}.values(), key=lambda user: user.username)


@frozen(eq=False, slots=False)
class Tokens:
    """The tokens of a sign-in, and whether they are still valid at the current time of the fake's clock.

    Attributes:
        refresh_token: Opaque, as Cognito's.
        issued_at: When the access and ID token were issued.
        expires_at: When they expire.
        hosted_ui_cookie: The hosted UI's session cookie, if the user signed in there.
    """

    refresh_token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    hosted_ui_cookie: HostedUICookie | None
    _grant: Grant = field(repr=False, alias="grant")
    _clock: Clock = field(repr=False, alias="clock")
    _access_claims: dict[str, Any] = field(repr=False, alias="access_claims")
    _id_claims: dict[str, Any] = field(repr=False, alias="id_claims")

    # A signature takes milliseconds, so it is made when a test needs it.

    @cached_property
    def access_token(self) -> str:
        """A JWT with Cognito's claims, signed with the fake's key."""
        return ACCESS_KEY.sign(self._access_claims)

    @cached_property
    def id_token(self) -> str:
        """A JWT with the claims of Cognito's ID tokens, signed with the fake's key."""
        return ID_KEY.sign(self._id_claims)

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


@define(eq=False)
class HostedUICookie:
    """The session cookie of the hosted UI. It expires after an hour without use. A sign-out does not end it.

    Attributes:
        expires_at: When it expires, an hour after its last use.
    """

    expires_at: datetime
    _directory: Directory = field(repr=False, alias="directory")
    _pool: UserPool = field(repr=False, alias="pool")
    _user: User = field(repr=False, alias="user")
    _validity: timedelta = field(repr=False, alias="validity")
    _client_id: str = field(repr=False, alias="client_id")

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
        self.expires_at = _cookie_expiry(self._directory.clock)
        return self._directory.sign_in(self._pool, self._user, validity=self._validity, client_id=self._client_id)


def _cookie_expiry(clock: Clock) -> datetime:
    return utc(clock.now() + HOSTED_UI_COOKIE_VALIDITY.total_seconds())


@frozen(eq=False)
class Issue:
    """Tokens that were issued together: their user and their grant."""

    pool: UserPool
    user: User
    grant: Grant
    tokens: Tokens


class Directory:
    """All pools, and the tokens that they have issued."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self.clock = clock
        self.ids = ids
        self.pools: dict[str, UserPool] = {}
        self._issues: dict[str, Issue] = {}  # by the `jti` of the access token, and by the refresh token

    def find(self, token: object) -> Issue | None:
        """The issue that an access token belongs to, or the latest issue of a refresh token's grant."""
        text = token if isinstance(token, str) else ""
        return self._issues.get(_jti(text) if "." in text else text)

    def sign_in(
        self, pool: UserPool, user: User, *, validity: timedelta, client_id: str, hosted_ui: bool = False
    ) -> Tokens:
        """Signs a user in."""
        cookie = None
        if hosted_ui:
            cookie = HostedUICookie(
                expires_at=_cookie_expiry(self.clock),
                directory=self,
                pool=pool,
                user=user,
                validity=validity,
                client_id=client_id,
            )
        return self.issue(pool, user, validity=validity, grant=self._grant(user, client_id), cookie=cookie)

    def issue(
        self, pool: UserPool, user: User, *, validity: timedelta, grant: Grant, cookie: HostedUICookie | None = None
    ) -> Tokens:
        """New access and ID tokens for a grant."""
        issued_at = int(self.clock.now())  # tokens contain whole seconds
        expires_at = issued_at + int(validity.total_seconds())
        # The claims, and their order, are those of Cognito's tokens:
        # https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
        first = {"sub": user.sub, "iss": f"https://cognito-idp.{pool.id.partition('_')[0]}.amazonaws.com/{pool.id}"}
        times = {"auth_time": grant.auth_time, "exp": expires_at, "iat": issued_at}
        origin = {"origin_jti": grant.origin_jti, "event_id": grant.event_id}
        access = {
            **first,
            "version": 2,
            "client_id": grant.client_id,
            **origin,
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            **times,
            "jti": self.ids.uuid(),
            "username": user.username,
        }
        attributes = user.attributes
        identity = {
            **first,
            "email_verified": attributes["email_verified"] == "true",
            "cognito:username": user.username,
            **origin,
            "aud": grant.client_id,
            "token_use": "id",
            **times,
            "jti": self.ids.uuid(),
            "email": attributes["email"],
        }
        tokens = Tokens(
            access_claims=access,
            id_claims=identity,
            refresh_token=grant.refresh_token,
            issued_at=utc(issued_at),
            expires_at=utc(expires_at),
            hosted_ui_cookie=cookie,
            grant=grant,
            clock=self.clock,
        )
        for key in (access["jti"], tokens.refresh_token):
            self._issues[str(key)] = Issue(pool, user, grant, tokens)
        return tokens

    def _grant(self, user: User, client_id: str) -> Grant:
        now = self.clock.now()
        grant = Grant(
            refresh_token=self.ids.opaque(),
            expires_at=now + REFRESH_TOKEN_VALIDITY.total_seconds(),
            client_id=client_id,
            auth_time=int(now),
            origin_jti=self.ids.uuid(),
            event_id=self.ids.uuid(),
        )
        user.grants.append(grant)
        return grant


def _jti(token: str) -> str:
    """The ``jti`` of a JWT; empty if there is none."""
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["jti"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def utc(seconds: float) -> datetime:
    """The datetime for a number of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc)
