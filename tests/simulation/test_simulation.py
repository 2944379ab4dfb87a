"""The product keeps its promises in simulated faults; each safeguard that is removed is noticed."""

from __future__ import annotations

import pytest

from tests.simulation.ablations import FIRST_MISSED
from tests.simulation.run import simulate, simulate_all
from tests.simulation.world import Violation

SEEDS, MORE_SEEDS = 30, 200
"""How many seeds are played always, and how many when there is time."""
EVERY_FAULT = (
    "killed w",
    "killed c",
    "reported dead w",
    "paused w",
    "paused c",
    "cut off w",
    "cut off c",
    "drained w",
    "server rolled back",
    "server restarted",
    "message slow",
    "message reset",
    "message stall",
    "held back",
    "taken back",
    "reopened",
)
SEEDS_TO_MISS_A_SAFEGUARD = 60
"""A change of the product changes the stories of all seeds: the first that misses is nearby."""


@pytest.mark.timeout(120)
def test_no_fault_breaks_a_promise() -> None:
    counts = simulate_all(range(SEEDS))
    assert not [fault for fault in EVERY_FAULT if not counts[fault]]


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_no_fault_breaks_a_promise_with_further_seeds() -> None:
    simulate_all(range(SEEDS, MORE_SEEDS))


def test_the_same_seed_gives_the_same_events() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        simulate(7, show=story.append)
    assert stories[0] == stories[1]
    assert len(stories[0]) > 10


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("safeguard", FIRST_MISSED)
def test_a_missing_safeguard_is_found(safeguard: str) -> None:
    first = FIRST_MISSED[safeguard]
    with pytest.raises(Violation):
        simulate_all(range(first, first + SEEDS_TO_MISS_A_SAFEGUARD), without=safeguard)
