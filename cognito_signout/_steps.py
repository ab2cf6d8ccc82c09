"""What the flow of a call asks its driver to do, step by step.

A flow is a generator that does no I/O: it yields steps, and is sent back what came of each.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .models import SignOutResult

if TYPE_CHECKING:
    from typing import TypeAlias

    from ._credentials import Credentials
    from ._settings import Settings
    from .errors import SignOutError
    from .transports import HttpRequest


@frozen
class Configure:
    """Resolve the settings for a pool, within a number of seconds; answered with :class:`Settings`."""

    user_pool_id: str
    timeout: float | None = None


@frozen
class Authenticate:
    """Get the credentials of this moment, or others than those refused; answered with :class:`Credentials`."""

    refused: Credentials | None = None
    timeout: float | None = None


@frozen
class Send:
    """Send a request within a number of seconds; answered with an :class:`HttpResponse`.

    Attributes:
        after: What the attempt before it ended in, if it is not the first.
    """

    request: HttpRequest
    settings: Settings
    timeout: float | None
    after: SignOutError | None = None


@frozen
class Pause:
    """Wait for a number of seconds; answered with nothing."""

    seconds: float


Step: TypeAlias = Configure | Authenticate | Send | Pause
Flow: TypeAlias = Generator[Step, Any, SignOutResult]
