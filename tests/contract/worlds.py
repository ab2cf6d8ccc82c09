"""The backends and clients of the contract, with one interface."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import botocore.session
from attrs import field, frozen
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, ValidationError
from cognito_signout._call.protocol import CONTENT_TYPE, TARGET, encode_body
from cognito_signout._call.signature import authorization
from cognito_signout._runtime.events import before_send
from cognito_signout.testing import FakeCognito, FakeCognitoServer
from cognito_signout.transports import HttpRequest, HttpResponse, HttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from cognito_signout.testing import Tokens

REGION = "us-west-2"
PASSWORD = "Correct-horse-1"
#: The flows that app clients allow.
ALLOWED_FLOWS = ("ADMIN_USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")


@frozen
class Keys:
    """The keys that sign a request."""

    access_key: str
    secret_key: str
    token: None = None


@frozen
class Outcome:
    """The outcome of a request: the AWS code of a refusal, and the request ID."""

    code: str | None
    request_id: str | None


class SignIn(Protocol):
    """A user's sign-in, which knows whether its tokens are still accepted."""

    def refusal_to_refresh(self) -> str | None:
        """The error code for the refresh token, or ``None`` if it is accepted."""
        ...

    def refusal_to_get_user(self) -> str | None:
        """The error code of GetUser for the access token, or ``None`` if it is accepted."""
        ...

    def valid_offline(self) -> bool:
        """Whether the access token has not expired."""
        ...


@frozen
class World:
    """A backend and the client that calls it.

    Attributes:
        backend: ``fake`` or ``moto``.
        caller: ``ours``, ``ours async`` or ``boto3``.
        pools: The IDs of two pools.
        keys: The keys that the backend accepts.
        exchange: Sends a request to the backend.
        add_user: Adds a user (pool ID, username, aliases). Returns the ``sub``.
        sign_in: Signs in a user (pool ID, username).
        sign_out_as: Signs out a user with these keys (pool ID, username, keys).
        client_id: Returns the app client of a pool.
        now: The time of the backend's clock.
    """

    backend: str
    caller: str
    pools: Sequence[str]
    keys: Keys
    exchange: Callable[[HttpRequest], HttpResponse]
    add_user: Callable[[str, str, Iterable[str]], str]
    sign_in: Callable[[str, str], SignIn]
    sign_out_as: Callable[[str, str, Keys], Outcome]
    client_id: Callable[[str], str]
    now: Callable[[], float] = time.time

    def sign_out(self, user_pool_id: str, username: str) -> Outcome:
        """Signs a user out, with the keys that the backend accepts."""
        return self.sign_out_as(user_pool_id, username, self.keys)

    def send(
        self,
        user_pool_id: str,
        username: str,
        *,
        target: str = TARGET,
        late: float = 0,
        region: str = REGION,
        unsigned: str = "",
    ) -> Outcome:
        """Signs a user out with a raw request.

        Args:
            user_pool_id: The pool.
            username: The user.
            target: The operation.
            late: The age of the signature, in seconds.
            region: The region in the host and in the signature.
            unsigned: A header that the signature does not cover.
        """
        body = encode_body(user_pool_id, username)
        response = self._exchange(target, body, late=late, region=region, unsigned=unsigned)
        return Outcome(code_of(response), response.headers.get("x-amzn-requestid"))

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Calls an operation, which must succeed, and returns its output."""
        response = self._exchange(target_of(operation), json.dumps(arguments).encode(), signed=is_signed(operation))
        assert code_of(response) is None, (operation, response.body)
        output: dict[str, Any] = json.loads(response.body or b"{}")
        return output

    def refusal(self, operation: str, **arguments: object) -> str | None:
        """Calls an operation, and returns its error code, or ``None`` for a success."""
        body = json.dumps(arguments).encode()
        return code_of(self._exchange(target_of(operation), body, signed=is_signed(operation)))

    def refusal_unsigned(self, operation: str, **arguments: object) -> str | None:
        """Calls an operation without a signature, and returns its error code, or ``None`` for a success."""
        return code_of(self._exchange(target_of(operation), json.dumps(arguments).encode(), signed=False))

    def _exchange(
        self,
        target: str,
        body: bytes,
        *,
        late: float = 0,
        region: str = REGION,
        unsigned: str = "",
        signed: bool = True,
    ) -> HttpResponse:
        headers = {
            "content-type": CONTENT_TYPE,
            "host": f"cognito-idp.{region}.amazonaws.com",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now() - late)),
            "x-amz-target": target,
        }
        signature = authorization(
            access_key=self.keys.access_key,
            secret_key=self.keys.secret_key,
            region=region,
            path="/",
            headers={name: value for name, value in headers.items() if name != unsigned},
            body=body,
        )
        if signed:
            headers["authorization"] = signature
        headers["content-length"] = str(len(body))
        return self.exchange(HttpRequest("POST", f"https://{headers['host']}/", headers, body))


def target_of(operation: str) -> str:
    """The target header of an operation."""
    return TARGET.replace("AdminUserGlobalSignOut", operation)


def is_signed(operation: str) -> bool:
    """Whether an operation needs AWS credentials, according to the service model."""
    return operation.startswith("Admin") or operation in ("DescribeUserPool", "ListUsers")


def code_of(response: HttpResponse) -> str | None:
    """The AWS code of a response, or ``None`` for a success."""
    if response.status == 200:
        return None
    code: str = json.loads(response.body)["__type"]
    return code.rpartition("#")[2]


def by_boto3(client_for: Callable[[Keys], Any]) -> Callable[[str, str, Keys], Outcome]:
    """Signs out with boto3."""

    def sign_out(user_pool_id: str, username: str, keys: Keys) -> Outcome:
        client = client_for(keys)
        try:
            done = client.admin_user_global_sign_out(UserPoolId=user_pool_id, Username=username)
        except ClientError as error:
            return Outcome(error.response["Error"]["Code"], error.response["ResponseMetadata"].get("RequestId"))
        finally:
            client.close()
        return Outcome(None, done["ResponseMetadata"].get("RequestId"))

    return sign_out


def by_ours(client_for: Callable[[Keys], SignOutClient]) -> Callable[[str, str, Keys], Outcome]:
    """Signs out with this library. An argument that it refuses to send counts as refused by the service."""

    def sign_out(user_pool_id: str, username: str, keys: Keys) -> Outcome:
        with client_for(keys) as client:
            try:
                result = client.sign_out(user_pool_id=user_pool_id, username=username)
            except SignOutError as error:
                return _refused(error)
        # If the service sends no request ID, this is the invocation ID.
        return Outcome(None, result.id)

    return sign_out


def by_ours_async(client_for: Callable[[Keys], AsyncSignOutClient]) -> Callable[[str, str, Keys], Outcome]:
    """Signs out with this library's async client, each time on a new event loop."""

    async def sign_out(user_pool_id: str, username: str, keys: Keys) -> Outcome:
        async with client_for(keys) as client:
            try:
                result = await client.sign_out(user_pool_id=user_pool_id, username=username)
            except SignOutError as error:
                return _refused(error)
        return Outcome(None, result.id)

    return lambda user_pool_id, username, keys: asyncio.run(sign_out(user_pool_id, username, keys))


def _refused(error: SignOutError) -> Outcome:
    refused = "InvalidParameterException" if isinstance(error, ValidationError) else error.aws_code
    return Outcome(refused, error.request_id)


@cache
def session() -> boto3.Session:
    """One session for all clients, created after moto is imported. Reading the service model takes half a second."""
    return boto3.Session()


def boto3_client(keys: Keys, endpoint_url: str | None = None) -> Any:
    """A boto3 client without retries."""
    return session().client(
        "cognito-idp",
        REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@frozen
class FakeSignIn:
    """A sign-in at the fake."""

    tokens: Tokens
    exchange: Callable[[HttpRequest], HttpResponse]

    def refusal_to_refresh(self) -> str | None:
        """Calls InitiateAuth."""
        return self._call(
            "InitiateAuth",
            AuthFlow="REFRESH_TOKEN_AUTH",
            ClientId="app",
            AuthParameters={"REFRESH_TOKEN": self.tokens.refresh_token},
        )

    def refusal_to_get_user(self) -> str | None:
        """Calls GetUser."""
        return self._call("GetUser", AccessToken=self.tokens.access_token)

    def valid_offline(self) -> bool:
        """Reads the fake's tokens."""
        return self.tokens.valid_offline

    def _call(self, operation: str, **arguments: object) -> str | None:
        body = json.dumps(arguments).encode()
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target_of(operation), "Content-Length": str(len(body))}
        headers["Host"] = f"cognito-idp.{REGION}.amazonaws.com"
        return code_of(self.exchange(HttpRequest("POST", f"https://{headers['Host']}/", headers, body)))


@contextmanager
def fake_world(caller: str, *, served: bool) -> Generator[World]:
    """The fake, in process or behind its server."""
    fake = FakeCognito()
    pools = (f"{REGION}_Pool1", f"{REGION}_Pool2")
    for pool in pools:
        fake.add_user_pool(pool)
    with ExitStack() as stack:
        if served:
            url = stack.enter_context(FakeCognitoServer(fake)).endpoint_url
            transport = HttpTransport()
            stack.callback(transport.close)

            def exchange(request: HttpRequest) -> HttpResponse:
                # The request goes to the server, but the signature is for the host in the header.
                return transport.send(HttpRequest("POST", f"{url}/", request.headers, request.body), timeout=None)
        else:
            url = None

            def exchange(request: HttpRequest) -> HttpResponse:
                response = fake.exchange(request)
                assert isinstance(response, HttpResponse)
                return response

        def add_user(pool: str, username: str, aliases: Iterable[str]) -> str:
            fake.add_user(user_pool_id=pool, username=username, aliases=aliases, password=PASSWORD)
            tokens = fake.sign_in(user_pool_id=pool, username=username)
            return str(claims_of(tokens.access_token)["sub"])

        def ours(keys: Keys) -> SignOutClient:
            if url is None:
                return fake.client(credentials=keys)
            return SignOutClient(endpoint_url=url, credentials=keys)

        def ours_async(keys: Keys) -> AsyncSignOutClient:
            if url is None:
                return fake.async_client(credentials=keys)
            return AsyncSignOutClient(endpoint_url=url, credentials=keys)

        callers = {
            "ours": by_ours(ours),
            "ours async": by_ours_async(ours_async),
            "boto3": by_boto3(lambda keys: boto3_client(keys, url)),
        }
        yield World(
            backend="fake",
            caller=caller,
            pools=pools,
            keys=Keys(fake.access_key, fake.secret_key),
            exchange=exchange,
            add_user=add_user,
            sign_in=lambda pool, name: FakeSignIn(fake.sign_in(user_pool_id=pool, username=name), exchange),
            sign_out_as=callers[caller],
            client_id=lambda _pool: "app",
            now=lambda: fake.now.timestamp(),
        )


@frozen
class MotoSignIn:
    """A sign-in at moto."""

    client: Any
    app: str
    tokens: dict[str, str] = field(repr=False)

    def refusal_to_refresh(self) -> str | None:
        """Calls InitiateAuth."""
        return refusal(
            self.client.initiate_auth,
            ClientId=self.app,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": self.tokens["RefreshToken"]},
        )

    def refusal_to_get_user(self) -> str | None:
        """Calls GetUser."""
        return refusal(self.client.get_user, AccessToken=self.tokens["AccessToken"])

    def valid_offline(self) -> bool:
        """Reads the token."""
        return bool(claims_of(self.tokens["AccessToken"])["exp"] > time.time())


class LazyPools(Sequence[str]):
    """Two pools, each created on first use, because moto needs a third of a second for one."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = cache(lambda _: make())

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return self._make(range(2)[index])


@contextmanager
def moto_world(caller: str, *, url: str | None = None) -> Generator[World]:
    """moto, in process or as the server at this URL."""
    keys = Keys("AKIDMOTO", "secret")
    with ExitStack() as stack:
        if url is not None:
            transport = HttpTransport()
            stack.callback(transport.close)

            def exchange(request: HttpRequest) -> HttpResponse:
                return transport.send(HttpRequest("POST", f"{url}/", request.headers, request.body), timeout=None)
        else:
            stack.enter_context(mock_aws())
            session = botocore.session.Session()

            def exchange(request: HttpRequest) -> HttpResponse:
                response = before_send(session, request)
                assert isinstance(response, HttpResponse)
                return response

        client = boto3_client(keys, url)
        stack.callback(client.close)
        apps: dict[str, str] = {}

        def make_pool() -> str:
            pool = client.create_user_pool(PoolName="pool", AliasAttributes=["email"])["UserPool"]["Id"]
            apps[pool] = client.create_user_pool_client(
                UserPoolId=pool,
                ClientName="app",
                ExplicitAuthFlows=[f"ALLOW_{flow}" for flow in ALLOWED_FLOWS],
            )["UserPoolClient"]["ClientId"]
            return str(pool)

        def add_user(pool: str, username: str, aliases: Iterable[str]) -> str:
            attributes = [{"Name": "email", "Value": alias} for alias in aliases]
            user = client.admin_create_user(UserPoolId=pool, Username=username, UserAttributes=attributes)["User"]
            client.admin_set_user_password(UserPoolId=pool, Username=username, Password=PASSWORD, Permanent=True)
            (sub,) = (entry["Value"] for entry in user["Attributes"] if entry["Name"] == "sub")
            return str(sub)

        def sign_in(pool: str, name: str) -> SignIn:
            response = client.admin_initiate_auth(
                UserPoolId=pool,
                ClientId=apps[pool],
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
            )
            return MotoSignIn(client, apps[pool], response["AuthenticationResult"])

        def ours(keys: Keys) -> SignOutClient:
            return SignOutClient(endpoint_url=url, credentials=keys)

        def ours_async(keys: Keys) -> AsyncSignOutClient:
            return AsyncSignOutClient(endpoint_url=url, credentials=keys)

        callers = {
            "ours": by_ours(ours),
            "ours async": by_ours_async(ours_async),
            "boto3": by_boto3(lambda keys: boto3_client(keys, url)),
        }
        yield World(
            backend="moto",
            caller=caller,
            pools=LazyPools(make_pool),
            keys=keys,
            exchange=exchange,
            add_user=add_user,
            sign_in=sign_in,
            sign_out_as=callers[caller],
            client_id=lambda pool: apps[pool],
        )


def refusal(operation: Callable[..., object], **arguments: object) -> str | None:
    """The error code of a boto3 call, or ``None`` for a success."""
    try:
        operation(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, without verification."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
