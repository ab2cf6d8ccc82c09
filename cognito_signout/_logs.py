"""Log records of a call: one of level debug for each request, and one of level info for each retry.

They name the pool and classes of errors; neither users nor secrets, nor what a server said, which may have named them.
What they say is in attributes of the record, too.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ._protocol import request_uuid
from ._steps import Configure, Send
from .transports import HttpResponse

if TYPE_CHECKING:
    import logging

    from ._steps import Step
    from .models import SignOutResult


class Records:
    """The records of one call."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._user_pool_id = ""
        self._attempt = 0
        self._began = 0.0

    def begins(self, step: Step) -> None:
        """Says so, if it is a retry."""
        if isinstance(step, Configure):
            self._user_pool_id = step.user_pool_id
        if isinstance(step, Send):
            self._attempt += 1
            self._began = monotonic()
            if step.after is not None:
                self._logger.info(
                    "%s: trying again, attempt %d, after %s",
                    self._user_pool_id,
                    self._attempt,
                    type(step.after).__name__,
                    extra={"user_pool_id": self._user_pool_id, "attempt": self._attempt},
                )

    def ends(self, step: Step, answer: object) -> None:
        """Says what came of it, if it was a request."""
        if isinstance(step, Send):
            seconds = monotonic() - self._began
            extra: dict[str, object] = {
                "user_pool_id": self._user_pool_id,
                "attempt": self._attempt,
                "seconds": seconds,
            }
            if isinstance(answer, HttpResponse):
                what = f"HTTP {answer.status}"
                extra |= {"http_status": answer.status, "aws_request_id": request_uuid(answer)}
            else:
                what = type(answer).__name__
            self._logger.debug(
                "%s: attempt %d at %s: %s, %.0f ms",
                self._user_pool_id,
                self._attempt,
                step.settings.endpoint.host,
                what,
                seconds * 1000,
                extra=extra,
            )

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
        """Nothing: whoever called is told by the outcome."""
