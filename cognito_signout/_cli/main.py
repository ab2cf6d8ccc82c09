"""The command: from arguments to an exit status.

Usernames are written to standard output and to the journal only.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

from ..client import SignOutClient
from ..errors import SignOutError
from .arguments import DEFAULT_CONCURRENCY, FAKE_USERS, new_parser
from .interruption import INTERRUPTED, Interruption
from .journal import Journal, JournalError
from .progress import Progress, Tally
from .report import OutputError, Report
from .run import Run, UnreachableError
from .usernames import STDIN, UnreadableError, UsernameFile, checked

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ..errors import ValidationError

#: Up to this number of users, there is no progress and no summary.
HANDFUL = 10

_FAILED = 1
_UNUSABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit status. ``arguments`` defaults to those of the process."""
    _open_standard_streams()
    parser = new_parser()
    options = parser.parse_args(arguments)
    if not options.usernames and not options.from_file:
        parser.error("no usernames: give a USERNAME, or --from-file FILE")
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        try:
            sources = [UsernameFile(name) if name == STDIN else name for name in options.usernames]
            sources += [UsernameFile(path) for path in options.from_file]
            client = stack.enter_context(_client(options))
            endpoint = _endpoint(options, client)
            journal = _journal(options, endpoint, stack)
            total = None if options.quiet or options.dry_run else _count(sources, interruption)
        except (JournalError, UnreadableError, SignOutError) as error:
            _say(f"{parser.prog}: {error}")
            return _UNUSABLE
        return _run(options, client, endpoint, _names(sources), total, journal, interruption)


def _run(
    options: argparse.Namespace,
    client: SignOutClient,
    endpoint: str,
    names: Iterator[str | ValidationError],
    total: int | None,
    journal: Journal | None,
    interruption: Interruption,
) -> int:
    known = len(journal.signed_out) if journal is not None else 0
    tally = Tally(time.monotonic)
    is_silent = options.quiet or options.dry_run or (total is not None and total <= HANDFUL)
    progress = Progress(tally, total, None if is_silent else sys.stderr)

    def show(lines: list[str]) -> None:
        progress.hide()
        print("\n".join(lines), flush=True)

    report = Report(
        None if options.dry_run else journal,
        show,
        names_only=options.output == "names",
        failures_only=options.quiet,
    )
    run = Run(names, journal=journal, interruption=interruption, report=report, tally=tally, progress=progress)
    problem: Exception | None = None
    try:
        if options.dry_run:
            run.rehearse()
        else:
            run.sign_out(
                client,
                user_pool_id=options.user_pool_id,
                max_rate=options.max_rate,
                max_concurrency=options.max_concurrency,
            )
    except (SignOutError, JournalError, UnreachableError, UnreadableError, OutputError) as error:
        problem = error
    progress.close()
    return _end(
        options,
        tally,
        problem,
        endpoint=endpoint,
        total=total,
        signed_out=known + tally.signed_out,
        is_interrupted=interruption.requested,
    )


def _end(
    options: argparse.Namespace,
    tally: Tally,
    problem: Exception | None,
    *,
    endpoint: str,
    total: int | None,
    signed_out: int,
    is_interrupted: bool,
) -> int:
    """Prints the summary and returns the exit status."""
    status = INTERRUPTED if is_interrupted else _FAILED if tally.failed else 0
    if isinstance(problem, OutputError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest into it
        if problem.is_closed:
            return status or _FAILED
    if problem is not None:
        _say(f"cognito-signout: {problem}")
        status = _UNUSABLE
    is_cut_short = problem is not None or is_interrupted
    if not options.quiet:
        _say(_summary(options, tally, total, endpoint=endpoint, is_cut_short=is_cut_short))
    if not options.dry_run and (is_interrupted or (problem is not None and signed_out)):
        _say(_how_to_resume(options, signed_out))
    elif tally.retryable and options.journal is not None and not is_cut_short:
        _say("to retry the users who failed, start the same command again")
    elif tally.found_nobody:
        _say("warning: the pool has none of these users; does the list contain usernames of this pool, one per line?")
    elif tally.skipped and not tally.done and not options.dry_run and not is_cut_short:
        _say(f"nothing was sent: {options.journal} lists every user as signed out; use another journal for another run")
    return status


def _endpoint(options: argparse.Namespace, client: SignOutClient) -> str:
    """Where the requests go. A variable or a profile may say so."""
    if options.fake:
        return "the embedded fake"
    return client._runtime().settings(options.user_pool_id).endpoint.url  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _journal(options: argparse.Namespace, endpoint: str, stack: ExitStack) -> Journal | None:
    if options.journal is None:
        return None
    journal = Journal(options.journal, options.user_pool_id, endpoint=endpoint, read_only=options.dry_run)
    return stack.enter_context(journal)


def _count(sources: Sequence[str | UsernameFile], interruption: Interruption) -> int | None:
    counts = [1 if isinstance(source, str) else source.count(interruption) for source in sources]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _names(sources: Sequence[str | UsernameFile]) -> Iterator[str | ValidationError]:
    for source in sources:
        if isinstance(source, str):
            yield checked(source)
        else:
            with closing(source):
                yield from source.read(_say)


def _client(options: argparse.Namespace) -> SignOutClient:
    if options.fake:
        from ..testing import FakeCognito

        fake = FakeCognito()
        for username in FAKE_USERS:
            fake.add_user(user_pool_id=options.user_pool_id, username=username)
        return fake.client(region_name=options.region)
    config = None
    if options.max_concurrency > DEFAULT_CONCURRENCY:
        from botocore.config import Config

        config = Config(max_pool_connections=options.max_concurrency)
    return SignOutClient(
        region_name=options.region, profile_name=options.profile, endpoint_url=options.endpoint_url, config=config
    )


def _summary(options: argparse.Namespace, tally: Tally, total: int | None, *, endpoint: str, is_cut_short: bool) -> str:
    """The summary; empty if it would say nothing new."""
    if options.dry_run:
        return tally.plan(endpoint, options.max_rate)
    if not tally.done and not tally.skipped and not tally.interrupted:
        return "" if is_cut_short else "there were no usernames"
    if tally.done > HANDFUL or options.journal is not None or is_cut_short:
        return tally.summary(total)
    return ""


def _how_to_resume(options: argparse.Namespace, signed_out: int) -> str:
    if options.journal is None:
        return "with --journal FILE, an interrupted run can be resumed"
    skips = f": it skips the {signed_out:,} users who are signed out already" if signed_out else ""
    return f"to resume, start the same command again{skips}"


def _say(text: str) -> None:
    """Writes to standard error, if it is open."""
    if text and sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def _open_standard_streams() -> None:
    """Opens the standard streams that are closed: otherwise the journal could get the descriptor of one of them. Sets
    standard output to UTF-8.
    """
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
    stdout: Any = sys.stdout
    if hasattr(stdout, "reconfigure"):
        stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # in every locale
