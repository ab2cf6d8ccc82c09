"""The fault matrix, played to both clients over real sockets: to every attempt, and to the first one alone."""

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
def test_a_fault_ends_in_its_error_or_is_mended(
    fault: Fault, is_once: bool, play: Play, bundle: str, session: Session
) -> None:
    """If this failed, a fault would pass for a sign-out, hang, leak, show a secret, or surface as no caller expects."""
    scene = Scene(fault.as_met_by(client_of(play)), is_once=is_once, bundle=bundle, session=session)
    scene.check(play(scene))
