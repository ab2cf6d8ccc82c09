"""Refuses tokens that were issued before a sign-out, in services that verify tokens offline.

A sign-out revokes refresh tokens. Access and ID tokens stay valid until they expire, for every service that only checks
their signature. A :class:`RevocationList` records sign-outs, and checks whether a token was issued before one.

>>> from cognito_signout.revocation import MemoryStore, RevocationList
>>> from cognito_signout.testing import FakeCognito
>>> pool, sub = "us-east-1_Test00001", "94382408-2081-7023-a0c2-1c3b8f0b1a2d"
>>> fake = FakeCognito()
>>> fake.add_user(user_pool_id=pool, username="alice")
>>> revocations = RevocationList(MemoryStore())
>>> result = fake.client().sign_out(user_pool_id=pool, username="alice")
>>> revocations.add(result, sub=sub)
>>> claims = {"iss": f"https://cognito-idp.us-east-1.amazonaws.com/{pool}", "sub": sub}
>>> revocations.is_revoked({**claims, "iat": result.created_at.timestamp() - 60})
True
>>> revocations.is_revoked({**claims, "iat": result.created_at.timestamp() + 60})
False
"""

from __future__ import annotations

import copy
import inspect
import math
import re
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from ._call.protocol import check_user_pool_id, is_user_pool_id, is_uuid
from .errors import ValidationError
from .models import IAT_TOLERANCE, SignOutResult, whole_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

__all__ = ["AsyncRevocationList", "MemoryStore", "RevocationList", "Store"]

#: How long the entry of a user is kept, in seconds: an hour more than the longest validity of access and ID tokens.
#: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
USER_LIFETIME = 25 * 3600
#: How long the entry of a pool is kept: the longest validity of refresh tokens, which is 10 years.
POOL_LIFETIME = 3650 * 24 * 3600

#: A ``sub``: a UUID, or the ID of an app client in tokens of the client credentials grant.
_SUB = re.compile(r"[A-Za-z0-9-]{1,128}")
_DECIMAL = re.compile(r"-?[0-9]{1,20}")


class Store(Protocol):
    """Where sign-outs are kept: a client of redis-py or valkey-py, for one server (version 6.2 and later) or a cluster,
    blocking or async; or a :class:`MemoryStore`.
    """

    def mget(self, keys: Any) -> Any:
        """The values of the keys, ``None`` for a missing one."""
        ...

    def set(self, name: str, value: int, *, ex: int, get: bool) -> Any:
        """Writes a value that expires after ``ex`` seconds, and returns the previous one."""
        ...


class RevocationList:
    """The sign-outs of users and pools, and the check of tokens against them.

    Errors of the store pass through unchanged. If the store holds something other than a time, every method raises a
    ``ValueError``. With an async store, every method raises a ``TypeError``. Calls may be repeated, and made in any
    order: an earlier sign-out never replaces a later one.

    Args:
        store: A Redis client, or a :class:`MemoryStore` for one process.

    >>> revocations = RevocationList(MemoryStore())
    >>> revocations.add_user(
    ...     user_pool_id="us-east-1_Test00001",
    ...     sub="94382408-2081-7023-a0c2-1c3b8f0b1a2d",
    ...     before=datetime(2025, 1, 1, tzinfo=timezone.utc),
    ... )
    >>> claims = {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Test00001", "iat": 1735689600}
    >>> revocations.is_revoked({**claims, "sub": "94382408-2081-7023-a0c2-1c3b8f0b1a2d"})
    True
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, result: SignOutResult, *, sub: str) -> None:
        """Refuses all tokens of a user that were issued before a sign-out.

        Args:
            result: The result of the sign-out.
            sub: The user's ``sub``, from verified claims or from ``AdminGetUser``. Usernames do not work: they may be
                aliases, and tokens spell them differently.

        Raises:
            ValidationError: An argument is invalid.
        """
        _run(_add(self._store, *_user_entry(result.user_pool_id, sub, whole_seconds(result.created_at))))

    def add_user(self, *, user_pool_id: str, sub: str, before: datetime) -> None:
        """Refuses all tokens of a user that were issued before a time, such as the time of a deletion, or of a
        sign-out by another program.

        Args:
            user_pool_id: The pool of the user.
            sub: The user's ``sub``.
            before: The time, with a time zone, and not in the future.

        Raises:
            ValidationError: An argument is invalid.
        """
        _run(_add(self._store, *_user_entry(user_pool_id, sub, _cutoff(before))))

    def add_all(self, user_pool_id: str, *, before: datetime) -> None:
        """Refuses all tokens of all users of a pool that were issued before a time. The store gets a single entry.

        Args:
            user_pool_id: The pool.
            before: The time, with a time zone, and not in the future.

        Raises:
            ValidationError: An argument is invalid.
        """
        _run(_add(self._store, *_pool_entry(user_pool_id, _cutoff(before))))

    def is_revoked(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token was issued before a sign-out of its user or of its pool.

        It is also ``True`` for a token that was refreshed from a session that began before the sign-out.

        Args:
            claims: The claims of an access or ID token, **after** its signature, issuer and expiry were verified.

        Raises:
            ValidationError: The claims have no usable ``iss``, ``sub`` or ``iat``. Treat the token as invalid.
        """
        claim = _Claims(claims)
        found = self._store.mget(claim.keys)
        if inspect.isawaitable(found):
            _close(found)
            raise TypeError("the store is async; use AsyncRevocationList")
        return claim.are_revoked_by(found)


class AsyncRevocationList:
    """:class:`RevocationList` with ``await``, for a client of ``redis.asyncio`` or ``valkey.asyncio``.

    Args:
        store: An async Redis client.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, result: SignOutResult, *, sub: str) -> None:
        """See :meth:`RevocationList.add`."""
        await _run_async(_add(self._store, *_user_entry(result.user_pool_id, sub, whole_seconds(result.created_at))))

    async def add_user(self, *, user_pool_id: str, sub: str, before: datetime) -> None:
        """See :meth:`RevocationList.add_user`."""
        await _run_async(_add(self._store, *_user_entry(user_pool_id, sub, _cutoff(before))))

    async def add_all(self, user_pool_id: str, *, before: datetime) -> None:
        """See :meth:`RevocationList.add_all`."""
        await _run_async(_add(self._store, *_pool_entry(user_pool_id, _cutoff(before))))

    async def is_revoked(self, claims: Mapping[str, Any]) -> bool:
        """See :meth:`RevocationList.is_revoked`."""
        claim = _Claims(claims)
        return claim.are_revoked_by(await self._store.mget(claim.keys))


class MemoryStore:
    """A store in memory, for one process and for tests. Safe to share between threads.

    Args:
        clock: Returns the time in seconds, by which entries expire.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[int, float]] = {}
        self._next_sweep = 0.0
        self._lock = threading.Lock()

    def mget(self, keys: Sequence[str]) -> list[int | None]:
        """The values of the keys, ``None`` for a missing or expired one."""
        now = self._clock()
        with self._lock:
            entries = [self._entries.get(key) for key in keys]
        return [entry[0] if entry is not None and entry[1] > now else None for entry in entries]

    def set(self, name: str, value: int, *, ex: int, get: bool) -> int | None:
        """Writes a value that expires after ``ex`` seconds, and returns the previous one."""
        now = self._clock()
        with self._lock:
            if now >= self._next_sweep:
                self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
                self._next_sweep = now + 60
            previous = self._entries.get(name)
            self._entries[name] = value, now + ex
        return previous[0] if get and previous is not None and previous[1] > now else None

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryStore:
        """A store with the same entries. Django copies the attributes of a test class."""
        twin = MemoryStore(clock=copy.deepcopy(self._clock, memo))
        with self._lock:
            twin._entries = dict(self._entries)
        return twin

    def __len__(self) -> int:
        return len(self._entries)


class _Claims:
    """The claims of a token that matter here."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        issuer, sub = claims.get("iss"), claims.get("sub")
        # Only the path is read, because the host varies: cognito-idp, issuer-cognito-idp, FIPS, a fake.
        pool = issuer.rpartition("/")[2] if isinstance(issuer, str) else ""
        if not is_user_pool_id(pool):
            raise ValidationError("the claims have no `iss` of a user pool; pass verified claims of a Cognito token")
        if not isinstance(sub, str) or not _SUB.fullmatch(sub):
            raise ValidationError("the claims have no Cognito `sub`; pass verified claims of a Cognito token")
        self.keys = [_user_key(pool, sub), _pool_key(pool)]
        self._issued_at = _seconds_of(claims, "iat")
        self._signed_in_at = _seconds_of(claims, "auth_time") if "auth_time" in claims else math.inf

    def are_revoked_by(self, found: Sequence[Any]) -> bool:
        """Whether one of the entries of the store refuses the token."""
        cutoffs = [_read(value) for value in found]
        return any(
            cutoff is not None and (self._issued_at <= cutoff + IAT_TOLERANCE or self._signed_in_at < cutoff)
            for cutoff in cutoffs
        )


def _user_entry(user_pool_id: str, sub: str, cutoff: int) -> tuple[str, int, int]:
    check_user_pool_id(user_pool_id)
    if not isinstance(sub, str) or not is_uuid(sub):
        raise ValidationError("sub must be the `sub` of a Cognito user, which is a UUID; don't pass a username")
    return _user_key(user_pool_id, sub), cutoff, USER_LIFETIME


def _pool_entry(user_pool_id: str, cutoff: int) -> tuple[str, int, int]:
    check_user_pool_id(user_pool_id)
    return _pool_key(user_pool_id), cutoff, POOL_LIFETIME


def _user_key(user_pool_id: str, sub: str) -> str:
    # The braces keep the keys of a pool in one slot of a Redis Cluster.
    return f"cognito-signout:{{{user_pool_id}}}:sub:{sub}"


def _pool_key(user_pool_id: str) -> str:
    return f"cognito-signout:{{{user_pool_id}}}:all"


def _cutoff(before: datetime) -> int:
    if not isinstance(before, datetime) or before.utcoffset() is None:
        raise ValidationError("before must be a datetime with a time zone, such as datetime.now(timezone.utc)")
    if before > datetime.now(timezone.utc):
        raise ValidationError("before must not be in the future: every new sign-in would be refused")
    return whole_seconds(before)


def _seconds_of(claims: Mapping[str, Any], name: str) -> float:
    """A claim in seconds: a number, or a decimal string as API Gateway passes it."""
    value = claims.get(name)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise ValidationError(
            f"the claim `{name}` must be a number of seconds; pass verified claims of a Cognito token"
        )
    return math.floor(value)


def _read(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, bool) or not (
        isinstance(value, int) or (isinstance(value, str) and _DECIMAL.fullmatch(value))
    ):
        raise ValueError("the store holds a value that is not a time in seconds; does other code use the same keys?")
    return int(value)


def _add(store: Any, key: str, cutoff: int, lifetime: int) -> Generator[Any, Any, None]:
    """Writes a cut-off; the latest one wins. Yields what the store returns, and is sent the awaited value.

    Each write returns the previous value. A later previous value is written again. So the latest cut-off of all
    concurrent writers stays, without a lock or a script.
    """
    while True:
        previous = _read((yield store.set(key, cutoff, ex=lifetime, get=True)))
        if previous is None or previous <= cutoff:
            return
        cutoff = previous


def _run(steps: Generator[Any, Any, None]) -> None:
    try:
        answer = next(steps)
        while True:
            if inspect.isawaitable(answer):
                _close(answer)
                raise TypeError("the store is async; use AsyncRevocationList")
            answer = steps.send(answer)
    except StopIteration:
        pass


async def _run_async(steps: Generator[Any, Any, None]) -> None:
    try:
        answer = next(steps)
        while True:
            answer = steps.send(await answer)
    except StopIteration:
        pass


def _close(awaitable: Any) -> None:
    """Closes a coroutine, which would otherwise warn that it was never awaited."""
    getattr(awaitable, "close", lambda: None)()
