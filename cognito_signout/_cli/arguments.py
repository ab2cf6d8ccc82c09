"""The arguments of the command."""

from __future__ import annotations

import argparse
import math

from .._call.protocol import check_user_pool_id
from .._version import __version__
from ..errors import ValidationError
from .usernames import STDIN

#: The users of the embedded fake, in every pool.
FAKE_USERS = ("alice", "bob", "carol")
#: The same as the default of ``max_pool_connections``.
DEFAULT_CONCURRENCY = 10


def new_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog="cognito-signout",
        description="Sign users of an Amazon Cognito user pool out of all devices. "
        "Prints one JSON object per line, one for each user.",
        epilog="Exit status: 0 if every user was signed out, 1 if some were not, 2 for wrong usage or configuration "
        "and for errors that affect every user, 130 if interrupted.",
    )
    parser.add_argument(
        "--user-pool-id", required=True, type=_user_pool_id, metavar="ID", help="such as us-east-1_Ab129faBb"
    )
    parser.add_argument(
        "usernames",
        nargs="*",
        metavar="USERNAME",
        help=f"a username, an alias or a sub; {STDIN} reads them from standard input, one per line",
    )
    parser.add_argument(
        "--from-file",
        action="append",
        default=[],
        metavar="FILE",
        help=f"read usernames from a file, one per line; {STDIN} is standard input",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="record results in this file; another run with the same file skips the users who are signed out already; "
        "a username that occurs twice is signed out once",
    )
    parser.add_argument(
        "--max-rate", type=_rate, metavar="N", help="send at most N requests a second (default: no limit)"
    )
    parser.add_argument(
        "--max-concurrency",
        type=_concurrency,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        help="process at most N users at the same time (default: %(default)s)",
    )
    parser.add_argument("--region", help="the region of the pool (default: the region in the pool ID)")
    parser.add_argument("--profile", help="the profile of the shared AWS files")
    parser.add_argument("--endpoint-url", metavar="URL", help="send requests to this URL instead of AWS")
    parser.add_argument(
        "--output",
        choices=("json", "names"),
        default="json",
        help="json: a JSON object for each user. names: only the usernames of users who are not signed out, to use as "
        "the input of another run; with --dry-run, of users who would be signed out (default: %(default)s)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the usernames and list the users to sign out, but send nothing"
    )
    parser.add_argument("--quiet", action="store_true", help="print only failures; no progress, no summary")
    parser.add_argument(
        "--fake",
        action="store_true",
        help=f"run without AWS, on an embedded fake with the users {', '.join(FAKE_USERS)}; pauses take no real time",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _user_pool_id(text: str) -> str:
    try:
        check_user_pool_id(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return rate


def _concurrency(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)
