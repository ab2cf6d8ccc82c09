"""The keys that sign a request: those of botocore's chain, or of the source that was passed to the client.

Resolving and refreshing may read files, start processes and call other services. One thread does it while others wait.
Any exception of a source becomes a :class:`CredentialsError`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from .._concurrency.single_flight import SingleFlight
from .._masking import text_of
from ..errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

_HOW_TO = "Configure them as for boto3: environment variables, `aws configure`, or an IAM role"
#: From this many seconds before expiry on, a refresh must succeed, as in botocore.
_MANDATORY_REFRESH = 600


@frozen
class Credentials:
    """The keys that sign a request."""

    access_key: str = field(repr=False)
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
        self._lookup: SingleFlight[Any] = SingleFlight()
        self._refresh: SingleFlight[Credentials] = SingleFlight()
        self._background = threading.Lock()

    def current(self) -> Credentials:
        """The current credentials, refreshed if they are about to expire.

        Raises:
            CredentialsError: There are no credentials, or their source failed.
        """
        source = self._source
        if source is None:
            source = self._lookup.do(lambda: self._source or self._find(afresh=False))
            self._source = source
        return self._refresh.do(lambda: _freeze(source)) if _must_refresh(source) else _freeze(source)

    def cached(self) -> Credentials | None:
        """The current credentials if getting them does not wait. ``None`` if they are not loaded yet or must be
        refreshed, or if the source is of an unknown kind.

        Raises:
            CredentialsError: They can't be used.
        """
        source = self._source
        return None if source is None or _may_wait(source) else _freeze(source)

    def valid(self) -> Credentials | None:
        """The current credentials in botocore's advisory window: they are valid, and should be refreshed soon. A thread
        refreshes them in the background. ``None`` if they are not loaded, or must be refreshed first.
        """
        source = self._source
        keys = getattr(source, "_frozen_credentials", None)
        if keys is None or _must_refresh(source):
            return None
        if self._background.acquire(blocking=False):
            try:
                threading.Thread(target=self._refresh_now, name="cognito-signout-refresh", daemon=True).start()
            except RuntimeError:  # no thread can be started
                self._background.release()
        return _freeze(keys)

    def _refresh_now(self) -> None:
        try:
            with suppress(CredentialsError):
                _freeze(self._source)
        finally:
            self._background.release()

    def replace(self, refused: Credentials, lookups: int | None = None) -> Credentials:
        """Other credentials than those that the service refused, if the source has others now.

        Args:
            refused: The credentials that the service refused.
            lookups: :attr:`lookups` at the time of the refusal. A caller that waited for another caller's lookup
                gets the result of that lookup, even if it found nothing new. Default: its value now.

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
            raise CredentialsError(f"AWS credentials could not be loaded: {text_of(error)}. {_HOW_TO}") from error
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


def _must_refresh(source: Any) -> bool:
    """Whether the keys were valid and have expired, or are about to."""
    try:
        return bool(source.refresh_needed(_MANDATORY_REFRESH))
    except Exception:  # noqa: BLE001 -- a source of another kind, or a broken one
        return False


def _freeze(source: Any) -> Credentials:
    # The functions that raise hold no keys in local variables, which error trackers show.
    try:
        credentials = _frozen(source)
    except Exception as error:
        raise CredentialsError(
            f"AWS credentials could not be refreshed: {text_of(error)}. {_HOW_TO}", retryable=_must_refresh(source)
        ) from error
    fault = _fault_of(credentials)
    if fault is not None:
        raise CredentialsError(fault)
    return credentials


def _frozen(source: Any) -> Credentials:
    freeze = getattr(source, "get_frozen_credentials", None)
    frozen_credentials = source if freeze is None else freeze()
    token = frozen_credentials.token
    return Credentials(frozen_credentials.access_key, frozen_credentials.secret_key, None if token == "" else token)


def _fault_of(credentials: Credentials) -> str | None:
    """What is wrong with the keys; ``None`` if they can be used. The text quotes no key."""
    access_key, secret_key, token = credentials.access_key, credentials.secret_key, credentials.token
    for name, value in (("access key", access_key), ("secret key", secret_key)):
        if not isinstance(value, str) or not value:
            return f"the AWS credentials have no {name}. {_HOW_TO}"
    if token is not None and not isinstance(token, str):
        return "the AWS session token must be a str"
    text = f"{access_key}{secret_key}{token or ''}"
    if text.isascii() and text.isprintable() and " " not in text:  # the usual case, in every call
        return None
    for name, value in (("access key", access_key), ("secret key", secret_key), ("session token", token or "")):
        is_sent = name != "secret key"
        if (
            not value.isprintable()
            or value != value.strip()
            or (is_sent and not (value.isascii() and " " not in value))
        ):
            return (
                f"the AWS {name} contains a space, a line break or another character that no key contains; "
                f"copy it again, without anything around it"
            )
    return None
