"""botocore's ``before-send`` event: the last look at a request, by which tools such as moto answer it.

Given a request of ours, it emits the event as botocore's own clients do, and returns the answer of a handler,
or the request as the handlers left it.
"""

from __future__ import annotations

from typing import Any

from .._config.botocore import load
from ..errors import SignOutConnectionError, SignOutTimeoutError
from ..transports import HttpRequest, HttpResponse

EVENT = "before-send.cognito-identity-provider.AdminUserGlobalSignOut"


def before_send(session: Any, request: HttpRequest) -> HttpRequest | HttpResponse:
    """Emits the event on a botocore session.

    Raises:
        SignOutConnectionError: A handler raised what botocore's HTTP session would for a failed connection.
        SignOutTimeoutError: Likewise, for one that took too long.
    """
    awsrequest, exceptions = load("awsrequest"), load("exceptions")
    headers = awsrequest.HeadersDict({name: value.encode() for name, value in request.headers.items()})
    prepared = awsrequest.AWSPreparedRequest(request.method, request.url, headers, request.body, False)
    try:
        answers = session.get_component("event_emitter").emit(EVENT, request=prepared)
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
        raise SignOutTimeoutError(str(error)) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise SignOutConnectionError(str(error)) from error
    for _, answer in answers:
        if answer is not None:
            return HttpResponse(answer.status_code, _texts(answer.headers), answer.content)
    return HttpRequest(prepared.method, prepared.url, _texts(prepared.headers), _bytes(prepared.body))


def _texts(headers: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in headers.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")
