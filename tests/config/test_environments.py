"""This library resolves the same settings as a boto3 client in the same environment. Each call has its own process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from tests.servers import CredentialSources

from .environments import ENVIRONMENTS, Environment, Probes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .probe import Report

pytestmark = pytest.mark.slow


@frozen
class Observed:
    """The reports of both clients for one environment."""

    environment: Environment
    ours: Report
    boto3: Report


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Probes]:
    """Makes calls. Servers that provide credentials are running."""
    with (
        CredentialSources() as sources,
        Probes(tmp_path_factory.mktemp("homes"), {"sources": sources.url}, recorded=True) as probes,
    ):
        yield probes


@pytest.fixture(scope="module")
def observed(request: pytest.FixtureRequest, probes: Probes) -> Observed:
    """The reports of both clients, created once for all tests of an environment, which pytest runs in succession."""
    environment: Environment = request.param
    with ThreadPoolExecutor(2) as executor:
        ours, boto3 = executor.map(lambda call: call(environment), (probes.ours, probes.boto3))
    return Observed(environment, ours, boto3)


def _in(environments: Sequence[Environment]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "observed", environments, indirect=True, scope="module", ids=lambda environment: environment.name
    )


def _environments(*, with_attempts: bool, failing: bool) -> pytest.MarkDecorator:
    return _in(
        [
            environment
            for environment in ENVIRONMENTS
            if (environment.error is not None) == failing
            and (failing or (environment.attempts is not None) == with_attempts)
        ]
    )


@_environments(with_attempts=False, failing=False)
def test_requests_use_the_same_keys_and_url_as_boto3(observed: Observed) -> None:
    """A call uses other credentials, or goes to another service, than a call with boto3."""
    assert not observed.ours["errors"], observed.ours["message"]
    (ours,) = observed.ours["sent"]
    if observed.environment.differs is None:
        assert observed.boto3["sent"] == [ours], observed.boto3["message"]
    else:
        assert ours["url"] == observed.environment.url
        assert observed.boto3["sent"] != [ours]


@_environments(with_attempts=True, failing=False)
def test_the_number_of_attempts_is_the_configured_one(observed: Observed) -> None:
    """A service that is down gets more or fewer requests than configured."""
    assert observed.ours["errors"][0] == "InternalServiceError", observed.ours["message"]
    assert len(observed.ours["sent"]) == observed.environment.attempts
    if observed.environment.differs is None:
        assert observed.boto3["sent"] == observed.ours["sent"], observed.boto3["message"]


@_environments(with_attempts=False, failing=True)
def test_settings_that_boto3_rejects_raise_a_typed_error(observed: Observed) -> None:
    """An error of botocore is raised instead of ours, or a request is sent anyway."""
    assert observed.environment.error in observed.ours["errors"], observed.ours["message"] or observed.ours["sent"]
    assert not observed.ours["sent"]
    if observed.environment.differs is None:
        assert observed.boto3["errors"]
        assert not observed.boto3["sent"]


@_in(ENVIRONMENTS)
def test_importing_botocore_first_changes_nothing(observed: Observed) -> None:
    """An import elsewhere in the program changes the URL or the credentials."""
    assert observed.ours["sent_with_botocore"] == observed.ours["sent"]
    assert observed.ours["errors_with_botocore"] == observed.ours["errors"]
