"""A span of OpenTelemetry for each call, with the attributes that its conventions for AWS SDKs name.

https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import context, trace

from ._protocol import request_uuid
from ._steps import Send
from ._version import __version__
from .transports import HttpResponse

if TYPE_CHECKING:
    from ._steps import Step
    from .models import SignOutResult

#: As botocore names them, so that dashboards show the same for boto3's calls.
SERVICE, OPERATION = "Cognito Identity Provider", "AdminUserGlobalSignOut"


class CallSpan:
    """The span of one call, which is the current one while a request is under way."""

    def __init__(self) -> None:
        attributes = {"rpc.system": "aws-api", "rpc.service": SERVICE, "rpc.method": OPERATION}
        tracer = trace.get_tracer("cognito_signout", __version__)
        self._span = tracer.start_span(f"{SERVICE}.{OPERATION}", kind=trace.SpanKind.CLIENT, attributes=attributes)
        self._resends = -1
        self._token: Any = None

    def begins(self, step: Step) -> None:
        """Makes it the current span, if it is a request."""
        if isinstance(step, Send) and self._span.is_recording():
            self._resends += 1
            endpoint = urlsplit(step.settings.endpoint.url)
            attributes: dict[str, str | int] = {"cloud.region": step.settings.endpoint.region}
            attributes["server.address"] = endpoint.hostname or ""
            if endpoint.port is not None:
                attributes["server.port"] = endpoint.port
            self._span.set_attributes(attributes)
            self._token = context.attach(trace.set_span_in_context(self._span))

    def ends(self, step: Step, answer: object) -> None:
        """Takes over what the response says."""
        self._detach()
        if isinstance(answer, HttpResponse):
            self._span.set_attribute("http.response.status_code", answer.status)
            identifier = request_uuid(answer)
            if identifier is not None:
                self._span.set_attribute("aws.request_id", identifier)

    def settled(self, outcome: SignOutResult | Exception | None) -> None:
        """Ends it, with the error if there is one."""
        self._detach()
        if self._resends > 0:
            self._span.set_attribute("http.request.resend_count", self._resends)
        if isinstance(outcome, Exception):
            self._span.set_attribute("error.type", type(outcome).__name__)  # codes and messages may name the user
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()

    def _detach(self) -> None:
        if self._token is not None:
            token, self._token = self._token, None
            context.detach(token)
