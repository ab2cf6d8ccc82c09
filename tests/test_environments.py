"""What botocore resolves, held to what a boto3 client does in the same environment, each in a process of its own."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from .environments import ENVIRONMENTS, Environment, Probes
from .servers import CredentialSources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .probe import Report


@frozen
class Observed:
    """What both sides did in one environment."""

    ours: Report
    boto3: Report


@pytest.fixture(scope="module")
def observations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, tuple[Future[Report], Future[Report]]]]:
    """What comes of every environment that a selected test asks for. Both sides are under way at once."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = {
        environment.name: environment
        for environment in (values.get("environment") for values in parameters)
        if isinstance(environment, Environment)
    }
    home = tmp_path_factory.mktemp("homes")
    with (
        CredentialSources() as sources,
        Probes(home, {"sources": sources.url}, recorded=True) as probes,
        ThreadPoolExecutor(2) as for_ours,
        ThreadPoolExecutor(1) as for_boto3,
    ):
        yield {
            name: (for_ours.submit(probes.ours, environment), for_boto3.submit(probes.boto3, environment))
            for name, environment in selected.items()
        }


@pytest.fixture
def observed(environment: Environment, observations: Mapping[str, tuple[Future[Report], Future[Report]]]) -> Observed:
    """What both sides did."""
    ours, boto3 = observations[environment.name]
    return Observed(ours.result(), boto3.result())


def _environments(*, with_attempts: bool, failing: bool) -> pytest.MarkDecorator:
    chosen = [
        environment
        for environment in ENVIRONMENTS
        if (environment.error is not None) == failing
        and (failing or (environment.attempts is not None) == with_attempts)
    ]
    return pytest.mark.parametrize("environment", chosen, ids=lambda environment: environment.name)


@_environments(with_attempts=False, failing=False)
def test_the_same_keys_go_to_the_same_place(environment: Environment, observed: Observed) -> None:
    """Else a call would be made as somebody else, or to another service, than boto3 would in this environment."""
    assert not observed.ours["errors"], observed.ours["message"]
    (ours,) = observed.ours["sent"]
    if environment.differs is None:
        assert observed.boto3["sent"] == [ours], observed.boto3["message"]
    else:
        assert ours["url"] == environment.url
        assert observed.boto3["sent"] != [ours]


@_environments(with_attempts=True, failing=False)
def test_as_many_attempts_are_made(environment: Environment, observed: Observed) -> None:
    """Else a service that is down would be asked more, or less, often than was chosen."""
    assert observed.ours["errors"][0] == "InternalServiceError", observed.ours["message"]
    assert len(observed.ours["sent"]) == environment.attempts
    if environment.differs is None:
        assert observed.boto3["sent"] == observed.ours["sent"], observed.boto3["message"]


@_environments(with_attempts=False, failing=True)
def test_what_stops_boto3_is_a_typed_error(environment: Environment, observed: Observed) -> None:
    """Else code that handles our errors would meet one of botocore's, or a request would go out that should not."""
    assert environment.error in observed.ours["errors"], observed.ours["message"] or observed.ours["sent"]
    assert not observed.ours["sent"]
    if environment.differs is None:
        assert observed.boto3["errors"]
        assert not observed.boto3["sent"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_whoever_has_loaded_botocore_changes_nothing(environment: Environment, observed: Observed) -> None:
    """Else an import somewhere in the program would change where requests go, or as whom."""
    assert observed.ours["sent_with_botocore"] == observed.ours["sent"]
    assert observed.ours["errors_with_botocore"] == observed.ours["errors"]
