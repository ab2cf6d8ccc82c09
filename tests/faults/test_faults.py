"""Runs the fault matrix with both clients over real sockets, on every attempt and on the first one only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .matrix import FAULTS, Fault
from .scene import Scene, by_both_clients, client_of

if TYPE_CHECKING:
    from botocore.session import Session

    from .scene import Play

pytestmark = pytest.mark.slow


@by_both_clients
@pytest.mark.parametrize("is_once", [False, True], ids=["always", "once"])
@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=f"{group}: {name}") for group, faults in FAULTS.items() for name, fault in faults.items()],
)
def test_a_fault_raises_its_error_or_a_retry_succeeds(
    fault: Fault, is_once: bool, play: Play, bundle: str, session: Session
) -> None:
    """A fault counts as a sign-out, hangs, leaks, shows a secret or is untyped."""
    scene = Scene(fault.for_client(client_of(play)), is_once=is_once, bundle=bundle, session=session)
    scene.check(play(scene))
