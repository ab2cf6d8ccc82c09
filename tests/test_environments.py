"""What botocore resolves, held to what a boto3 client does in the same environment, each in a process of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from .environments import ENVIRONMENTS, Environment, Probes
from .servers import CredentialSources

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .probe import Report

pytestmark = pytest.mark.slow


@frozen
class Observed:
    """What both sides did in one environment."""

    environment: Environment
    ours: Report
    boto3: Report


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Probes]:
    """The means to call, and servers that hand out credentials."""
    with (
        CredentialSources() as sources,
        Probes(tmp_path_factory.mktemp("homes"), {"sources": sources.url}, recorded=True) as probes,
    ):
        yield probes


@pytest.fixture(scope="module")
def observed(request: pytest.FixtureRequest, probes: Probes) -> Observed:
    """What both sides did, once for all tests of an environment: pytest runs these one after the other."""
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
def test_the_same_keys_go_to_the_same_place(observed: Observed) -> None:
    """Else a call would be made as somebody else, or to another service, than boto3 would in this environment."""
    assert not observed.ours["errors"], observed.ours["message"]
    (ours,) = observed.ours["sent"]
    if observed.environment.differs is None:
        assert observed.boto3["sent"] == [ours], observed.boto3["message"]
    else:
        assert ours["url"] == observed.environment.url
        assert observed.boto3["sent"] != [ours]


@_environments(with_attempts=True, failing=False)
def test_as_many_attempts_are_made(observed: Observed) -> None:
    """Else a service that is down would be asked more, or less, often than was chosen."""
    assert observed.ours["errors"][0] == "InternalServiceError", observed.ours["message"]
    assert len(observed.ours["sent"]) == observed.environment.attempts
    if observed.environment.differs is None:
        assert observed.boto3["sent"] == observed.ours["sent"], observed.boto3["message"]


@_environments(with_attempts=False, failing=True)
def test_what_stops_boto3_is_a_typed_error(observed: Observed) -> None:
    """Else code that handles our errors would meet one of botocore's, or a request would go out that should not."""
    assert observed.environment.error in observed.ours["errors"], observed.ours["message"] or observed.ours["sent"]
    assert not observed.ours["sent"]
    if observed.environment.differs is None:
        assert observed.boto3["errors"]
        assert not observed.boto3["sent"]


@_in(ENVIRONMENTS)
def test_whoever_has_loaded_botocore_changes_nothing(observed: Observed) -> None:
    """Else an import somewhere in the program would change where requests go, or as whom."""
    assert observed.ours["sent_with_botocore"] == observed.ours["sent"]
    assert observed.ours["errors_with_botocore"] == observed.ours["errors"]
