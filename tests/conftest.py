"""Fixtures for all tests. Each test starts in an environment without this machine's AWS configuration."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.pages import Page

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

#: Environment variables with these prefixes and this suffix are removed for every test.
PREFIXES = ("AWS_", "BOTO", "_X_AMZN", "REQUESTS_CA_BUNDLE")
SUFFIX = "_proxy"

# A shell makes background processes ignore SIGINT. The commands that the tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# These need forks, terminals, signals or programs that only POSIX systems have.
if os.name != "posix":  # pragma: no cover
    collect_ignore = ["cli/test_command.py", "guides", "real", "secrets", "sharing"]

# Every run uses the same examples, so that a change fails only because of what it changed. To search for new
# examples, run `pytest --hypothesis-profile=explore`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=5_000, deadline=None)
settings.load_profile("same")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The workers of ``-n auto``: two for each core, because tests of timeouts wait most of the time."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Removes all AWS and proxy variables, and sets keys, an empty home directory and no instance metadata."""
    for name in os.environ:
        if name.startswith(PREFIXES) or name.lower().endswith(SUFFIX):
            monkeypatch.delenv(name)
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Generator[Page]:
    """A page of the documentation. The test must run all its examples."""
    page = Page(request.param)
    yield page
    assert not page.remaining, f"not run, and no comment says why: {page.remaining}"


@pytest.fixture(scope="session")
def moto_server() -> Generator[str]:
    """The URL of a moto server, which all tests share. Each test must create its own pools."""
    from moto.server import ThreadedMotoServer  # the import takes half a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def no_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes boto3's default session, which another test may have created and which clients would use."""
    if "boto3" in sys.modules:
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
