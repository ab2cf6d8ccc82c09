"""The keys that sign a request: those of botocore's chain, or of the source that was passed to the client.

Resolving and refreshing may read files, start processes and call other services. One thread does it for all. Any
exception of a source becomes a :class:`CredentialsError`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

_HOW_TO = (
    "Configure them as for boto3 (environment variables, `aws configure`, an IAM role), "
    "or pass session= or credentials= to the client"
)


@frozen
class Credentials:
    """The keys that sign a request."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False, default=None)


class CredentialsProvider:
    """Provides the current keys, and looks for others if the service refuses them.

    Args:
        load: Returns the source: an object with botocore's ``get_frozen_credentials()``, plain credentials, or
            ``None``. Called at the first request. The argument is ``True`` for a new lookup.
        tried: Returns the places where ``load`` looks, for the error message.

    Attributes:
        lookups: How many times the source was looked up again.
    """

    def __init__(self, load: Callable[[bool], Any], *, tried: Callable[[], str]) -> None:
        self._load = load
        self._tried = tried
        self.lookups = 0
        self._source: Any = None
        self._lock = threading.Lock()

    def current(self) -> Credentials:
        """The current credentials, refreshed if they are about to expire.

        Raises:
            CredentialsError: There are no credentials, or their source failed.
        """
        if self._source is None:
            with self._lock:
                if self._source is None:
                    self._source = self._find(afresh=False)
        return _freeze(self._source)

    def cached(self) -> Credentials | None:
        """The current credentials if getting them does not wait. ``None`` if they are not loaded yet or must be
        refreshed, or if the source is of an unknown kind.

        Raises:
            CredentialsError: They can't be used.
        """
        source = self._source
        return None if source is None or _may_wait(source) else _freeze(source)

    def replace(self, refused: Credentials, lookups: int | None = None) -> Credentials:
        """Other credentials than those that the service refused, if the source has others now.

        Args:
            refused: The credentials that the service refused.
            lookups: The number of lookups when the service refused. A caller that waited for another caller's lookup
                gets the result of that lookup, even if it found nothing new. Default: the number at this call.

        Raises:
            CredentialsError: There are no credentials, or their source failed.
        """
        before = self.lookups if lookups is None else lookups
        with self._lock:
            current = _freeze(self._source)
            if current == refused and self.lookups == before:  # else another thread has done this lookup
                self.lookups += 1
                self._source = self._find(afresh=True)
                current = _freeze(self._source)
            return current

    def _find(self, *, afresh: bool) -> Any:
        try:
            source = self._load(afresh)
        except Exception as error:  # a source can be a plugin, a process or a service, and raise anything
            raise CredentialsError(f"AWS credentials could not be loaded: {error}. {_HOW_TO}") from error
        if source is None:
            raise CredentialsError(f"no AWS credentials were found; tried: {self._tried()}. {_HOW_TO}")
        return source


def _may_wait(source: Any) -> bool:
    """Whether getting the current credentials from this source may wait."""
    if not hasattr(source, "get_frozen_credentials"):
        return False
    refresh_needed = getattr(source, "refresh_needed", None)
    if refresh_needed is None:
        return (type(source).__module__, type(source).__name__) != ("botocore.credentials", "Credentials")
    try:
        return bool(refresh_needed())
    except Exception:  # noqa: BLE001 -- a call that gets the credentials raises it
        return True


def _freeze(source: Any) -> Credentials:
    try:
        freeze = getattr(source, "get_frozen_credentials", None)
        frozen_credentials = source if freeze is None else freeze()
        access_key = frozen_credentials.access_key
        secret_key = frozen_credentials.secret_key
        token = frozen_credentials.token
    except Exception as error:
        raise CredentialsError(f"AWS credentials could not be refreshed: {error}. {_HOW_TO}") from error
    for name, value in (("access key", access_key), ("secret key", secret_key)):
        if not isinstance(value, str) or not value:
            raise CredentialsError(f"the AWS credentials have no {name}. {_HOW_TO}")
    if token is not None and not isinstance(token, str):
        raise CredentialsError("the AWS session token must be a str")
    for name, value in (("access key", access_key), ("session token", token or "")):
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise CredentialsError(
                f"the AWS {name} contains a space, a line break or another character that can't be sent; "
                f"was it copied with something around it?"
            )
    if not secret_key.isascii() and any("\ud800" <= character <= "\udfff" for character in secret_key):
        raise CredentialsError("the AWS secret key is not valid Unicode")
    return Credentials(access_key, secret_key, token or None)
