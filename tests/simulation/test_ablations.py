"""Every safeguard of the simulation's list can be taken away, and comes back."""

from __future__ import annotations

import operator

import pytest

from tests.simulation.ablations import ABLATIONS, without_safeguard


@pytest.mark.parametrize("safeguard", ABLATIONS)
def test_a_safeguard_is_away_for_as_long_as_it_is_to_be(safeguard: str) -> None:
    places = [(owner, name) for owner, name, _ in ABLATIONS[safeguard]]
    before = [getattr(owner, name) for owner, name in places]
    with without_safeguard(safeguard):
        meanwhile = [getattr(owner, name) for owner, name in places]
    assert not any(map(operator.is_, meanwhile, before))
    assert [getattr(owner, name) for owner, name in places] == before
