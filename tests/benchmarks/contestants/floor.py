"""The floor: a minimal client that makes the same signed call with the standard library.

It has no validation, no retries and no settings. It shows the cost that no client can avoid.
"""

from __future__ import annotations

import hmac
import json
import os
import time
from hashlib import sha256
from http.client import HTTPConnection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = "AWSCognitoIdentityProviderService.AdminUserGlobalSignOut"
CONTENT_TYPE = "application/x-amz-json-1.1"
REGION = "us-east-1"


class Client:
    """A connection, with the keys from the environment."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.connection = HTTPConnection(host)
        self.access_key = os.environ["AWS_ACCESS_KEY_ID"]
        self.secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a signed request."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{date[:8]}/{REGION}/cognito-idp/aws4_request"
        names = "content-type;host;x-amz-date;x-amz-target"
        request = (
            f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{self.host}\nx-amz-date:{date}\nx-amz-target:{TARGET}\n\n"
            f"{names}\n{sha256(body).hexdigest()}"
        )
        key = f"AWS4{self.secret_key}".encode()
        for part in (date[:8], REGION, "cognito-idp", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return {
            "Host": self.host,
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": date,
            "X-Amz-Target": TARGET,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}",
        }


def client(endpoint_url: str) -> Client:
    """A new client."""
    return Client(endpoint_url.removeprefix("http://"))


def sign_out(client: Client) -> None:
    """One call."""
    body = json.dumps({"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}).encode()
    client.connection.request("POST", "/", body, client.headers(body))
    response = client.connection.getresponse()
    if response.status != 200 or json.loads(response.read()) != {}:
        raise SystemExit("the user was not signed out")


def signer(count: int) -> Callable[[], object]:
    """The function that makes a signature."""
    signing = Client("cognito-idp.us-east-1.amazonaws.com")
    return lambda: signing.headers(b'{"UserPoolId": "us-east-1_Ab129faBb", "Username": "alice"}')
