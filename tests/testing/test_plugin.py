"""The pytest plugin, as its users have it: found by its entry point, and silent until it is asked for."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

#: What a run must not import on the plugin's account.
HEAVY = ("botocore", "urllib3", "ssl", "aiohttp", "cognito_signout.client", "cognito_signout.testing._fake")

APPLICATION = """
from cognito_signout import SignOutClient

client = SignOutClient()  # made at import, as applications do

def leave(username):
    return client.sign_out(user_pool_id="us-east-1_Test00001", username=username)
"""

TESTS = """
import socket
import pytest
import application

@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

def test_signed_out(fake_cognito):
    fake_cognito.add_user(user_pool_id="us-east-1_Test00001", username="alice")
    application.leave("alice")
    fake_cognito.assert_signed_out(user_pool_id="us-east-1_Test00001", username="alice", times=1)

def test_nothing_is_left_of_another_test(fake_cognito):
    fake_cognito.assert_no_requests()
    with pytest.raises(LookupError):
        fake_cognito.sign_in(user_pool_id="us-east-1_Test00001", username="alice")
"""


@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_application_is_tested_with_nothing_but_the_fixture(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """With AWS keys in the environment, without any, and with a profile that does not exist; offline."""
    if environment != "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if environment == "unknown profile":
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    pytester.makepyfile(application=APPLICATION, test_application=TESTS)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)


def test_a_run_that_does_not_use_it_imports_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everyone who has the library installed pays for it in every run."""
    pytester.makepyfile(
        f"""
        import sys

        def test_modules(request):
            assert request.config.pluginmanager.has_plugin("cognito_signout.testing.plugin")
            assert [name for name in {HEAVY!r} if name in sys.modules] == []
        """
    )
    # Other plugins that happen to be installed would import what they like.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess("-q", "-p", "cognito_signout.testing.plugin")
    result.assert_outcomes(passed=1)


def test_the_fixture_is_listed_with_what_it_is(pytester: pytest.Pytester) -> None:
    """Who looks for it finds it."""
    result = pytester.runpytest_subprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(["fake_cognito*", "*FakeCognito*"])
