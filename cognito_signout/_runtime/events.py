"""Emits botocore's ``before-send`` event, so that tools such as moto can answer or change a request.

:func:`before_send` returns the response of a handler, or the request as the handlers left it.
"""

from __future__ import annotations

from typing import Any

from .._config.botocore import load
from .._masking import text_of
from ..errors import SignOutConnectionError, SignOutError, SignOutTimeoutError
from ..transports import HttpRequest, HttpResponse

EVENT = "before-send.cognito-identity-provider.AdminUserGlobalSignOut"


def before_send(session: Any, request: HttpRequest) -> HttpRequest | HttpResponse:
    """Emits the event on a botocore session.

    Raises:
        SignOutConnectionError: A handler raised botocore's exception for a failed connection.
        SignOutTimeoutError: A handler raised botocore's exception for a time-out.
    """
    answer = _emitted(session, request)
    if isinstance(answer, SignOutError):
        raise answer from answer.__cause__
    return answer


def _emitted(session: Any, request: HttpRequest) -> HttpRequest | HttpResponse | SignOutError:
    # Returns the error, because the local variables hold the signature, and error trackers show those of a traceback.
    awsrequest, exceptions = load("awsrequest"), load("exceptions")
    headers = awsrequest.HeadersDict({name: value.encode() for name, value in request.headers.items()})
    prepared = awsrequest.AWSPreparedRequest(request.method, request.url, headers, request.body, False)
    try:
        answers = session.get_component("event_emitter").emit(EVENT, request=prepared)
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
        return _caused(SignOutTimeoutError(text_of(error)), error)
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        return _caused(SignOutConnectionError(text_of(error)), error)
    for _, answer in answers:
        if answer is not None:
            return HttpResponse(answer.status_code, _texts(answer.headers), answer.content)
    return HttpRequest(prepared.method, prepared.url, _texts(prepared.headers), _bytes(prepared.body))


def _caused(error: SignOutError, cause: BaseException) -> SignOutError:
    error.__cause__ = cause.with_traceback(None)
    return error


def _texts(headers: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in headers.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")
