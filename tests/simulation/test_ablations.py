"""Every safeguard of the simulation's list can be removed, and is restored."""

from __future__ import annotations

import operator
from pathlib import Path

import pytest

from tests.simulation.ablations import (
    ABLATIONS,
    FIRST_MISSED,
    TESTED_ALONE,
    without_safeguard,
)


@pytest.mark.parametrize("safeguard", ABLATIONS)
def test_a_safeguard_is_removed_only_inside_its_context(safeguard: str) -> None:
    places = [(owner, name) for owner, name, _ in ABLATIONS[safeguard]]
    before = [getattr(owner, name) for owner, name in places]
    with without_safeguard(safeguard):
        meanwhile = [getattr(owner, name) for owner, name in places]
    assert not any(map(operator.is_, meanwhile, before))
    assert [getattr(owner, name) for owner, name in places] == before


def test_the_removal_of_every_safeguard_is_noticed() -> None:
    assert sorted([*FIRST_MISSED, *TESTED_ALONE]) == sorted(ABLATIONS)
    tests = Path(__file__).parent.parent
    for place in TESTED_ALONE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (tests / file).read_text(), place
