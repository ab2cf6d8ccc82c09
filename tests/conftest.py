"""What every test starts from: an environment in which nothing of this machine's AWS set-up is left."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.pages import Page

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

#: Of variables with these beginnings and endings none reaches a test.
PREFIXES = ("AWS_", "BOTO", "_X_AMZN", "REQUESTS_CA_BUNDLE")
SUFFIX = "_proxy"

# A shell has what runs in its background ignore Ctrl-C, and so would the commands that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, lest a change fail for what it did not do; to look for new ones, run
# `pytest --hypothesis-profile=explore`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=5_000, deadline=None)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No AWS variables but a pair of keys, no proxies, an empty home, no instance metadata."""
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
    """A page of the documentation, all of whose examples the test has to run."""
    page = Page(request.param)
    yield page
    assert not page.left, f"not run, and no comment says why: {page.left}"


@pytest.fixture(scope="session")
def moto_server() -> Generator[str]:
    """moto behind HTTP, for whoever makes pools of their own in it; its URL."""
    from moto.server import ThreadedMotoServer  # which takes half a second to import

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
