"""Correct code: every type checker must accept it."""
# pyright: strict

from __future__ import annotations

from contextlib import aclosing, closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from typing_extensions import assert_type

import cognito_signout
from cognito_signout import (
    AsyncSignOutClient,
    ErrorEnvelope,
    ServiceError,
    SignOutClient,
    SignOutError,
    SignOutOutcome,
    SignOutResult,
    SuccessEnvelope,
    UserNotFoundError,
    ValidationError,
)
from cognito_signout.errors import InvalidParameterError
from cognito_signout.revocation import AsyncRevocationList, MemoryStore, RevocationList
from cognito_signout.testing import FakeCognito, FakeCognitoServer, Tokens
from cognito_signout.transports import AsyncTransport, HttpRequest, HttpResponse, HttpTransport, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from redis import Redis, RedisCluster
    from redis import asyncio as redis_asyncio

POOL = "us-east-1_Ab129faBb"


class Keys:
    """The caller's own credentials class."""

    access_key = "AKIDEXAMPLE"
    secret_key = "secret"
    token: str | None = None


def arguments() -> None:
    """The arguments of clients are typed."""
    SignOutClient()
    SignOutClient(region_name="eu-west-1", profile_name="admin", verify=False)
    SignOutClient(endpoint_url="http://localhost:5000", verify="/etc/ssl/ca.pem", credentials=Keys())
    SignOutClient(region_name=None, endpoint_url=None, profile_name=None, verify=None, session=None, config=None)
    with SignOutClient(transport=HttpTransport(connect_timeout=1, read_timeout=None)) as client:
        assert_type(client, SignOutClient)


def one(client: SignOutClient) -> None:
    """A result has typed attributes and methods."""
    result = client.sign_out(user_pool_id=POOL, username="alice")
    assert_type(result, SignOutResult)
    assert_type(result.id, str)
    assert_type(result.created_at, datetime)
    assert_type(result.username, str)
    assert_type(result.attempts, int)
    assert_type(result.revokes(issued_at=1735689600), bool)
    assert_type(result.revokes(issued_at=1735689600.5), bool)
    assert_type(result.revokes(issued_at=result.created_at), bool)
    assert_type(result.tokens_expire_by(timedelta(hours=24)), datetime)
    assert_type(result.hosted_ui_expires_by, datetime)
    envelope = result.to_envelope()
    assert_type(envelope, SuccessEnvelope)
    assert_type(envelope["data"]["created_at"], str)
    client.sign_out(user_pool_id=POOL, username="alice", timeout=5)
    client.sign_out(user_pool_id=POOL, username="alice", timeout=timedelta(seconds=5))


def errors(client: SignOutClient) -> str | None:
    """All errors have the same attributes."""
    try:
        client.sign_out(user_pool_id=POOL, username="alice")
    except UserNotFoundError as error:
        assert_type(error, UserNotFoundError)
        return error.request_id
    except InvalidParameterError as error:
        return error.reason_code
    except ValidationError as error:
        return error.message
    except ServiceError as error:
        assert_type(error.http_status, "int | None")
        return error.aws_code
    except SignOutError as error:
        assert_type(error.code, str)
        assert_type(error.retryable, bool)
        assert_type(error.attempts, int)
        assert_type(error.username, str)
        assert_type(error.service_message, "str | None")
        envelope = error.to_envelope()
        assert_type(envelope, ErrorEnvelope)
        return envelope["error"]["code"]
    return None


def many(client: SignOutClient, names: Iterator[str]) -> list[str]:
    """``isinstance`` narrows an outcome to an error or a result."""
    failed: list[str] = []
    with closing(client.sign_out_many(user_pool_id=POOL, usernames=names, max_rate=20, max_concurrency=4)) as outcomes:
        for outcome in outcomes:
            narrowed(outcome)
            if isinstance(outcome, SignOutError):
                failed.append(outcome.code)
            else:
                result: SignOutResult = outcome
                narrowed(result)
    return failed


def narrowed(outcome: SignOutOutcome) -> str:
    """``isinstance`` narrows an outcome to a result or an error."""
    if isinstance(outcome, SignOutResult):
        return outcome.id
    return outcome.code


async def asynchronously(names: AsyncIterator[str]) -> None:
    """The async client has the same types."""
    async with AsyncSignOutClient(region_name="eu-west-1") as client:
        result = await client.sign_out(user_pool_id=POOL, username="alice", timeout=5)
        assert_type(result, SignOutResult)
        for usernames in (names, ["alice", "bob"]):
            async with aclosing(client.sign_out_many(user_pool_id=POOL, usernames=usernames)) as outcomes:
                async for outcome in outcomes:
                    narrowed(outcome)
        await client.aclose()


class Audited:
    """A caller's own transport, without a base class."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Passes the request on."""
        assert_type(request.method, str)
        assert_type(request.body, bytes)
        headers: Mapping[str, str] = request.headers
        response = self.inner.send(HttpRequest("POST", request.url, headers, request.body), timeout=timeout)
        assert_type(response.status, int)
        return HttpResponse(200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}")

    def close(self) -> None:
        """Closes the inner transport."""
        self.inner.close()


class AsyncCanned:
    """A transport for asyncio that always sends the same response."""

    async def send(self, request: HttpRequest, *, timeout: float | None) -> HttpResponse:
        """Returns a response."""
        return HttpResponse(200, {}, b"{}")

    async def close(self) -> None:
        """Nothing to close."""


def transports() -> AsyncTransport:
    """Both classes are accepted as transports."""
    SignOutClient(transport=Audited(HttpTransport()))
    AsyncSignOutClient(transport=AsyncCanned())
    return AsyncCanned()


def on_the_fake() -> None:
    """The fake is typed."""
    fake = FakeCognito(access_key="AKIDEXAMPLE")
    fake.add_user(user_pool_id=POOL, username="alice", aliases=["alice@example.com"])
    tokens = fake.sign_in(user_pool_id=POOL, username="alice")
    assert_type(tokens, Tokens)
    assert_type(tokens.refreshable, bool)
    fake.fail(UserNotFoundError)
    fake.fail("reset", times=2)
    fake.throttle(rate=25, burst=5)
    fake.latency = timedelta(seconds=1)
    fake.advance(timedelta(minutes=5))
    with fake.activate() as active:
        assert_type(active, FakeCognito)
    assert_type(fake.client().sign_out(user_pool_id=POOL, username="alice"), SignOutResult)
    assert_type([request.username for request in fake.requests], "list[str | None]")
    with FakeCognitoServer(fake) as server:
        assert_type(server.endpoint_url, str)


def revocations(
    redis: Redis,
    cluster: RedisCluster,
    asynchronous: redis_asyncio.Redis,
    result: SignOutResult,
    claims: dict[str, object],
) -> None:
    """Every kind of store is accepted."""
    for store in (redis, cluster, MemoryStore()):
        revocations = RevocationList(store)
        revocations.add(result, sub="sub")
        assert_type(revocations.is_revoked(claims), bool)
    AsyncRevocationList(asynchronous)


@FakeCognito().activate()
def decorated(number: int) -> str:
    """A decorated function keeps its signature."""
    return str(number)


assert_type(decorated(1), str)
version: str = cognito_signout.__version__
