"""The pytest plugin: pytest finds it by its entry point, and it does nothing until a test uses the fixture."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

#: Modules that the plugin must not import.
HEAVY = ("botocore", "urllib3", "ssl", "aiohttp", "cognito_signout.client", "cognito_signout.testing._fake")

APPLICATION = """
from cognito_signout import SignOutClient

client = SignOutClient()  # created at import, as in an application

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

def test_each_test_has_a_new_fake(fake_cognito):
    fake_cognito.assert_no_requests()
    with pytest.raises(LookupError):
        fake_cognito.sign_in(user_pool_id="us-east-1_Test00001", username="alice")
"""


@pytest.mark.parametrize("environment", ["keys", "nothing", "unknown profile"])
def test_an_application_needs_only_the_fixture(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A test with the fixture needs AWS keys, a profile or a network."""
    if environment != "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if environment == "unknown profile":
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    pytester.makepyfile(application=APPLICATION, test_application=TESTS)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)


def test_the_plugin_imports_nothing_until_the_fixture_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every test run of a project that has the library installed starts slower."""
    pytester.makepyfile(
        f"""
        import sys

        def test_modules(request):
            assert request.config.pluginmanager.has_plugin("cognito_signout.testing.plugin")
            assert [name for name in {HEAVY!r} if name in sys.modules] == []
        """
    )
    # Other installed plugins may import these modules.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess("-q", "-p", "cognito_signout.testing.plugin")
    result.assert_outcomes(passed=1)


def test_pytest_lists_the_fixture_with_a_description(pytester: pytest.Pytester) -> None:
    """``pytest --fixtures`` does not describe the fixture."""
    result = pytester.runpytest_subprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(["fake_cognito*", "*FakeCognito*"])
