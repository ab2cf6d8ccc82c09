"""What the command can be told."""

from __future__ import annotations

import argparse
import math

from .._call.protocol import check_user_pool_id
from .._version import __version__
from ..errors import ValidationError
from .usernames import STDIN

#: The users of the embedded fake, in whichever pool is named.
FAKE_USERS = ("alice", "bob", "carol")
#: As many as a client has connections unless told otherwise.
DEFAULT_CONCURRENCY = 10


def new_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog="cognito-signout",
        description="Sign users of an Amazon Cognito user pool out of all devices. "
        "Prints a JSON object for each user, on a line of its own.",
        epilog="Exit status: 0 if every user was signed out, 1 if some were not, 2 for wrong usage or configuration "
        "and for errors that would befall every user alike, 130 if interrupted.",
    )
    parser.add_argument(
        "--user-pool-id", required=True, type=_user_pool_id, metavar="ID", help="such as us-east-1_Ab129faBb"
    )
    parser.add_argument(
        "usernames",
        nargs="*",
        metavar="USERNAME",
        help=f"the user's name, an alias, or the sub; {STDIN} reads them from standard input, one a line",
    )
    parser.add_argument(
        "--from-file",
        action="append",
        default=[],
        metavar="FILE",
        help=f"read usernames from a file, one a line; {STDIN} is standard input",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="keep what became of each user in this file; started again with it, the command skips whom it has signed "
        "out already; with it, nobody who is named twice is signed out twice",
    )
    parser.add_argument("--max-rate", type=_rate, metavar="N", help="send at most N requests a second (default: any)")
    parser.add_argument(
        "--max-concurrency",
        type=_concurrency,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        help="have at most N users under way at once (default: %(default)s)",
    )
    parser.add_argument("--region", help="the region of the pool (default: the one that its id begins with)")
    parser.add_argument("--profile", help="the profile of the shared AWS files")
    parser.add_argument("--endpoint-url", metavar="URL", help="where to send requests instead of AWS")
    parser.add_argument(
        "--output",
        choices=("json", "text"),
        default="json",
        help="what to print: a JSON object a line, or text for people (default: %(default)s)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the usernames and print whom it would sign out, but send nothing"
    )
    parser.add_argument("--quiet", action="store_true", help="print failures only; no progress, no summary")
    parser.add_argument(
        "--fake",
        action="store_true",
        help=f"try it out without AWS, on an embedded fake whose users are {', '.join(FAKE_USERS)}",
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
        raise argparse.ArgumentTypeError("must be a whole number from 1 up")
    return int(text)
