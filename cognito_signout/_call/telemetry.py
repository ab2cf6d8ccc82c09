"""Log records and OpenTelemetry spans of a call.

Neither ``logging`` nor OpenTelemetry is imported here. If no other part of the process has imported them, nobody
listens. Otherwise the flow of a call is wrapped in another flow, which tells the listeners about each step, its
answer and the outcome. An exception in a listener, such as a log filter that raises, does not fail the call.

Records and spans contain the pool ID and the classes of errors. They contain no usernames, no secrets and no text from
a server, which may contain either. The attributes of spans follow OpenTelemetry's conventions for AWS SDKs:
https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .._version import __version__
from ..transports import HttpResponse
from .protocol import request_uuid
from .steps import Configure, Send

if TYPE_CHECKING:
    import logging

    from ..models import SignOutResult
    from .steps import Flow, Step

#: botocore's names, so that dashboards show calls of this library and of boto3 together.
SERVICE, OPERATION = "Cognito Identity Provider", "AdminUserGlobalSignOut"

#: The header with the ID of the call. The conventions have no attribute for it.
INVOCATION_ID = "amz-sdk-invocation-id"

#: ``logging.DEBUG`` and ``logging.INFO``
DEBUG, INFO = 10, 20


class Listener(Protocol):
    """Receives the events of one call."""

    def begins(self, step: Step) -> None:
        """A step is about to be performed."""
        ...

    def ends(self, step: Step, answer: object) -> None:
        """A step was performed, with this result or exception."""
        ...

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
        """The call has ended. There is no outcome if it was abandoned."""
        ...


def observed(flow: Flow) -> Flow:
    """The flow, wrapped in another one if anybody listens."""
    listeners = _listeners()
    return _observed(flow, listeners) if listeners else flow


def _listeners() -> list[Listener]:
    listeners: list[Listener] = []
    if sys.modules.get("opentelemetry.trace") is not None:
        with suppress(Exception):
            listeners.append(CallSpan())
    if "logging" in sys.modules:
        logger = _logger()
        if logger.isEnabledFor(INFO):
            listeners.append(Records(logger))
    return listeners


@lru_cache(maxsize=1)
def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("cognito_signout")


def _observed(flow: Flow, listeners: list[Listener]) -> Flow:
    outcome: SignOutResult | Exception | None = None
    try:
        step = next(flow)
        while True:
            for listener in listeners:
                with suppress(Exception):
                    listener.begins(step)
            try:
                answer: Any = yield step
            except Exception as error:  # noqa: BLE001 -- the flow handles it
                _tell_of_answer(listeners, step, error)
                step = flow.throw(error)
            else:
                _tell_of_answer(listeners, step, answer)
                step = flow.send(answer)
    except StopIteration as done:
        result: SignOutResult = done.value
        outcome = result
        return result
    except Exception as error:
        outcome = error
        raise
    finally:
        for listener in listeners:
            with suppress(Exception):
                listener.settled(outcome)


def _tell_of_answer(listeners: list[Listener], step: Step, answer: object) -> None:
    for listener in reversed(listeners):  # records are made before the span stops being the current one
        with suppress(Exception):
            listener.ends(step, answer)


class Records:
    """The records of one call."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._user_pool_id = ""
        self._invocation_id = ""
        self._attempt = 0
        self._began = 0.0

    def begins(self, step: Step) -> None:
        """Logs a retry."""
        if isinstance(step, Configure):
            self._user_pool_id = step.user_pool_id
        if isinstance(step, Send):
            self._attempt += 1
            self._began = monotonic()
            self._invocation_id = step.request.headers[INVOCATION_ID]
            if step.after is not None:
                self._log(INFO, f"trying again after {type(step.after).__name__}")

    def ends(self, step: Step, answer: object) -> None:
        """Logs the result of a request."""
        if isinstance(step, Send):
            seconds = monotonic() - self._began
            result = type(answer).__name__
            extra: dict[str, object] = {"seconds": seconds}
            if isinstance(answer, HttpResponse):
                result = f"HTTP {answer.status}"
                extra |= {"http_status": answer.status, "aws_request_id": request_uuid(answer)}
            self._log(DEBUG, f"{result} from {step.settings.endpoint.host}, {seconds * 1000:.0f} ms", **extra)

    def _log(self, level: int, text: str, **extra: object) -> None:
        call = {"user_pool_id": self._user_pool_id, "invocation_id": self._invocation_id, "attempt": self._attempt}
        self._logger.log(level, "%s, call %s, attempt %d: %s", *call.values(), text, extra={**call, **extra})

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
        """Logs nothing: the caller gets the outcome."""


class CallSpan:
    """The span of one call. It is the current span while a request is in flight."""

    def __init__(self) -> None:
        from opentelemetry import context, trace

        self._context, self._trace = context, trace
        attributes = {"rpc.system": "aws-api", "rpc.service": SERVICE, "rpc.method": OPERATION}
        tracer = trace.get_tracer("cognito_signout", __version__)
        self._span = tracer.start_span(f"{SERVICE}.{OPERATION}", kind=trace.SpanKind.CLIENT, attributes=attributes)
        self._resends = -1
        self._token: Any = None

    def begins(self, step: Step) -> None:
        """Makes the span the current one during a request."""
        if isinstance(step, Send) and self._span.is_recording():
            self._resends += 1
            endpoint = urlsplit(step.settings.endpoint.url)
            attributes: dict[str, str | int] = {"cloud.region": step.settings.endpoint.region}
            attributes["server.address"] = endpoint.hostname or ""
            attributes["cognito_signout.invocation_id"] = step.request.headers[INVOCATION_ID]
            if endpoint.port is not None:
                attributes["server.port"] = endpoint.port
            self._span.set_attributes(attributes)
            self._token = self._context.attach(self._trace.set_span_in_context(self._span))

    def ends(self, step: Step, answer: object) -> None:
        """Records the status and the request ID."""
        self._detach()
        if isinstance(answer, HttpResponse):
            self._span.set_attribute("http.response.status_code", answer.status)
            identifier = request_uuid(answer)
            if identifier is not None:
                self._span.set_attribute("aws.request_id", identifier)

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
        """Ends the span, with the error if there is one."""
        self._detach()
        if self._resends > 0:
            self._span.set_attribute("http.request.resend_count", self._resends)
        if isinstance(outcome, Exception):
            self._span.set_attribute("error.type", type(outcome).__name__)  # codes and messages may name the user
            self._span.set_status(self._trace.StatusCode.ERROR)
        self._span.end()

    def _detach(self) -> None:
        if self._token is not None:
            token, self._token = self._token, None
            self._context.detach(token)
