"""``python -m cognito_signout.testing``: the fake's server from a shell, for a compose file or another language."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

from ..errors import ValidationError
from ._fake import FakeCognito
from ._server import FakeCognitoServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

DEFAULT_PORT = 5757


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m cognito_signout.testing",
        description="Serve a fake of Amazon Cognito user pools on loopback. Prints the environment variables that "
        "lead an AWS SDK to it, then serves until it is stopped by Ctrl-C or SIGTERM.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--user-pool", action="append", default=[], metavar="ID", help="add a user pool")
    parser.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="POOL_ID/NAME[,ALIAS...]",
        help="add a user, such as us-east-1_Test00001/alice,alice@example.com",
    )
    parser.add_argument(
        "--users-file", action="append", default=[], metavar="POOL_ID=FILE", help="add a user for each line of a file"
    )
    parser.add_argument("--throttle", type=float, metavar="RATE", help="refuse more sign-outs a second than this")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="delay each response")
    options = parser.parse_args(arguments)
    fake = FakeCognito()
    try:
        for user_pool_id in options.user_pool:
            fake.add_user_pool(user_pool_id)
        for user in options.user:
            user_pool_id, slash, names = user.partition("/")
            if not slash:
                parser.error("--user must be a pool's id, a slash, and a name")
            username, *aliases = names.split(",")
            fake.add_user(user_pool_id=user_pool_id, username=username, aliases=aliases)
        for users_file in options.users_file:
            user_pool_id, is_complete, path = users_file.partition("=")
            if not is_complete:
                parser.error(f"--users-file {users_file}: expected POOL_ID=FILE")
            with open(path, encoding="utf-8-sig") as lines:
                names = (line.strip() for line in lines)
                fake.add_users(user_pool_id=user_pool_id, usernames=filter(None, names))
        if options.throttle is not None:
            fake.throttle(rate=options.throttle, burst=max(1.0, options.throttle))
    except ValidationError as error:
        parser.error(error.message)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        server = FakeCognitoServer(fake, host=options.host, port=options.port, latency=options.latency).start()
    except (OSError, OverflowError) as error:
        complaint = f"could not listen on {options.host}:{options.port}: {error}"
        print(f"{complaint}; choose another port with --port, or 0 for a free one", file=sys.stderr)
        return 1
    export = "export " if sys.stdout.isatty() else ""  # for a shell; files of variables have none
    print("\n".join(f"{export}{name}={value}" for name, value in server.environment.items()), flush=True)
    stopped.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
