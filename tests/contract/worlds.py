"""The backends of the contract, and the clients that call them, behind one face."""

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


@frozen
class Keys:
    """What a request is signed with."""

    access_key: str
    secret_key: str
    token: None = None


@frozen
class Answer:
    """What came of a request: the AWS code that it was refused with, and the id it was done under."""

    code: str | None
    request_id: str | None


class SignIn(Protocol):
    """A user's sign-in, and what it is still good for."""

    def refusal_to_refresh(self) -> str | None:
        """The code with which the refresh token is refused, or ``None``."""
        ...

    def refusal_to_tell_who(self) -> str | None:
        """The code with which GetUser refuses the access token, or ``None``."""
        ...

    def valid_offline(self) -> bool:
        """Whether the access token has not expired."""
        ...


@frozen
class World:
    """One backend, called by one client.

    Attributes:
        backend: ``fake`` or ``moto``, as far as the table of differences is concerned.
        caller: ``ours``, ``ours async`` or ``boto3``.
        pools: The ids of two pools.
        keys: Those that the backend knows.
        now: What the backend's clock says.
    """

    backend: str
    caller: str
    pools: Sequence[str]
    keys: Keys
    exchange: Callable[[HttpRequest], HttpResponse]
    add_user: Callable[[str, str, Iterable[str]], str]
    sign_in: Callable[[str, str], SignIn]
    sign_out_as: Callable[[str, str, Keys], Answer]
    now: Callable[[], float] = time.time

    def sign_out(self, user_pool_id: str, username: str) -> Answer:
        """Signs a user out, with the right keys."""
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
    ) -> Answer:
        """Signs a user out by a request of its own making: of another target, signed ``late`` seconds ago, for another
        region, or with a header left out of the signature.
        """
        body = encode_body(user_pool_id, username)
        signed = {
            "content-type": CONTENT_TYPE,
            "host": f"cognito-idp.{region}.amazonaws.com",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now() - late)),
            "x-amz-target": target,
        }
        header = authorization(
            access_key=self.keys.access_key,
            secret_key=self.keys.secret_key,
            region=region,
            path="/",
            headers={name: value for name, value in signed.items() if name != unsigned},
            body=body,
        )
        headers = {**signed, "authorization": header, "content-length": str(len(body))}
        response = self.exchange(HttpRequest("POST", f"https://{signed['host']}/", headers, body))
        return Answer(code_of(response), response.headers.get("x-amzn-requestid"))


def code_of(response: HttpResponse) -> str | None:
    """The AWS code of an answer, or ``None`` for a success."""
    if response.status == 200:
        return None
    code: str = json.loads(response.body)["__type"]
    return code.rpartition("#")[2]


def by_boto3(client_for: Callable[[Keys], Any]) -> Callable[[str, str, Keys], Answer]:
    """Signs out by boto3."""

    def sign_out(user_pool_id: str, username: str, keys: Keys) -> Answer:
        client = client_for(keys)
        try:
            done = client.admin_user_global_sign_out(UserPoolId=user_pool_id, Username=username)
        except ClientError as error:
            return Answer(error.response["Error"]["Code"], error.response["ResponseMetadata"].get("RequestId"))
        finally:
            client.close()
        return Answer(None, done["ResponseMetadata"].get("RequestId"))

    return sign_out


def by_ours(client_for: Callable[[Keys], SignOutClient]) -> Callable[[str, str, Keys], Answer]:
    """Signs out by this library. What it refuses to send counts as refused by the service."""

    def sign_out(user_pool_id: str, username: str, keys: Keys) -> Answer:
        with client_for(keys) as client:
            try:
                result = client.sign_out(user_pool_id=user_pool_id, username=username)
            except SignOutError as error:
                return _refused(error)
        # Where the service gives no request id, the result has the invocation's, which has another version of UUID.
        return Answer(None, result.id)

    return sign_out


def by_ours_async(client_for: Callable[[Keys], AsyncSignOutClient]) -> Callable[[str, str, Keys], Answer]:
    """Signs out by this library's async client, each time on an event loop of its own."""

    async def sign_out(user_pool_id: str, username: str, keys: Keys) -> Answer:
        async with client_for(keys) as client:
            try:
                result = await client.sign_out(user_pool_id=user_pool_id, username=username)
            except SignOutError as error:
                return _refused(error)
        return Answer(None, result.id)

    return lambda user_pool_id, username, keys: asyncio.run(sign_out(user_pool_id, username, keys))


def _refused(error: SignOutError) -> Answer:
    refused = "InvalidParameterException" if isinstance(error, ValidationError) else error.aws_code
    return Answer(refused, error.request_id)


@cache
def session() -> boto3.Session:
    """One for all clients, made after moto was imported: reading the service model takes half a second."""
    return boto3.Session()


def boto3_client(keys: Keys, endpoint_url: str | None = None) -> Any:
    """A boto3 client that tries once."""
    return session().client(
        "cognito-idp",
        REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


# -- the fake


@frozen
class FakeSignIn:
    """A sign-in at the fake. Its operations are called over the wire."""

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

    def refusal_to_tell_who(self) -> str | None:
        """Calls GetUser."""
        return self._call("GetUser", AccessToken=self.tokens.access_token)

    def valid_offline(self) -> bool:
        """Asks the token."""
        return self.tokens.valid_offline

    def _call(self, operation: str, **arguments: object) -> str | None:
        body = json.dumps(arguments).encode()
        target = TARGET.replace("AdminUserGlobalSignOut", operation)
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target, "Content-Length": str(len(body))}
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
                # The signature is for the host that the header names, wherever the request is sent.
                return transport.send(HttpRequest("POST", f"{url}/", request.headers, request.body), timeout=None)
        else:
            url = None

            def exchange(request: HttpRequest) -> HttpResponse:
                answer = fake.exchange(request)
                assert isinstance(answer, HttpResponse)
                return answer

        def add_user(pool: str, username: str, aliases: Iterable[str]) -> str:
            fake.add_user(user_pool_id=pool, username=username, aliases=aliases)
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
            now=lambda: fake.now.timestamp(),
        )


# -- moto


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

    def refusal_to_tell_who(self) -> str | None:
        """Calls GetUser."""
        return refusal(self.client.get_user, AccessToken=self.tokens["AccessToken"])

    def valid_offline(self) -> bool:
        """Looks at the token."""
        return bool(claims_of(self.tokens["AccessToken"])["exp"] > time.time())


class LazyPools(Sequence[str]):
    """Two pools, each made when it is asked for: moto takes a third of a second for one."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = cache(lambda _: make())

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return self._make(range(2)[index])


@contextmanager
def moto_world(caller: str, *, url: str | None = None) -> Generator[World]:
    """moto, in process or behind the server of this URL."""
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
                answer = before_send(session, request)
                assert isinstance(answer, HttpResponse)
                return answer

        client = boto3_client(keys, url)
        stack.callback(client.close)
        apps: dict[str, str] = {}

        def make_pool() -> str:
            pool = client.create_user_pool(PoolName="pool", AliasAttributes=["email"])["UserPool"]["Id"]
            apps[pool] = client.create_user_pool_client(
                UserPoolId=pool,
                ClientName="app",
                ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            )["UserPoolClient"]["ClientId"]
            return str(pool)

        def add_user(pool: str, username: str, aliases: Iterable[str]) -> str:
            attributes = [{"Name": "email", "Value": alias} for alias in aliases]
            user = client.admin_create_user(UserPoolId=pool, Username=username, UserAttributes=attributes)["User"]
            client.admin_set_user_password(UserPoolId=pool, Username=username, Password=PASSWORD, Permanent=True)
            (sub,) = (entry["Value"] for entry in user["Attributes"] if entry["Name"] == "sub")
            return str(sub)

        def sign_in(pool: str, name: str) -> SignIn:
            answer = client.admin_initiate_auth(
                UserPoolId=pool,
                ClientId=apps[pool],
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
            )
            return MotoSignIn(client, apps[pool], answer["AuthenticationResult"])

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
        )


def refusal(operation: Callable[..., object], **arguments: object) -> str | None:
    """The code with which boto3's operation is refused, or ``None``."""
    try:
        operation(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
