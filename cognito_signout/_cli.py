"""The command: a thin shell around the client, on argparse. Prints an envelope a line, one for each user.

Exit status: 0 if every user was signed out, 1 if some were not, 2 for wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from ._protocol import check_user_pool_id
from ._version import __version__
from .client import SignOutClient
from .errors import ConfigurationError, CredentialsError, SignOutError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .models import ErrorEnvelope, SuccessEnvelope

#: The users of the embedded fake, in whichever pool is named.
FAKE_USERS = ("alice", "bob", "carol")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments, by default those of the process. Returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        check_user_pool_id(options.user_pool_id)
    except ValidationError as error:
        parser.error(error.message)
    status = 0
    try:
        with _client(options) as client:
            for username in options.usernames:
                envelope = _sign_out(client, options.user_pool_id, username)
                # In ASCII: who reads it may not expect all that a username may hold.
                print(json.dumps({"username": username, **envelope}), flush=True)
                status = status if envelope["success"] else 1
    except (ConfigurationError, CredentialsError) as error:  # nobody else would fare better
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return status


def _sign_out(client: SignOutClient, user_pool_id: str, username: str) -> SuccessEnvelope | ErrorEnvelope:
    try:
        return client.sign_out(user_pool_id=user_pool_id, username=username).to_envelope()
    except (ConfigurationError, CredentialsError):
        raise
    except SignOutError as error:
        return error.to_envelope()


def _client(options: argparse.Namespace) -> SignOutClient:
    if not options.fake:
        return SignOutClient(
            region_name=options.region, profile_name=options.profile, endpoint_url=options.endpoint_url
        )
    from .testing import FakeCognito

    fake = FakeCognito()
    for username in FAKE_USERS:
        fake.add_user(user_pool_id=options.user_pool_id, username=username)
    return fake.client(region_name=options.region)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cognito-signout",
        description="Sign users of an Amazon Cognito user pool out of all devices. "
        "Prints a JSON object for each user, on a line of its own.",
        epilog="Exit status: 0 if every user was signed out, 1 if some were not, 2 for wrong usage or configuration.",
    )
    parser.add_argument("--user-pool-id", required=True, metavar="ID", help="such as us-east-1_Ab129faBb")
    parser.add_argument("--region", help="the region of the pool (default: the one that its id begins with)")
    parser.add_argument("--profile", help="the profile of the shared AWS files")
    parser.add_argument("--endpoint-url", metavar="URL", help="where to send requests instead of AWS")
    parser.add_argument(
        "--fake",
        action="store_true",
        help=f"try it out without AWS, on an embedded fake whose users are {', '.join(FAKE_USERS)}",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("usernames", nargs="+", metavar="USERNAME", help="the user's name, an alias, or the sub")
    return parser
