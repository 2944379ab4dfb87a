"""The product keeps its promises about children, gathers and clean-ups in simulated faults."""

from __future__ import annotations

import pytest

from tests.simulation.ablations import FIRST_MISSED_GROWING, GROWING
from tests.simulation.run import simulate, simulate_all
from tests.simulation.world import Violation

SEEDS, MORE_SEEDS = 15, 150
"""How many seeds are played always, and how many when there is time."""
SEEDS_TO_MISS_A_SAFEGUARD = 60
WHAT_HAPPENS = (
    "children",
    "cleanups of stopped runs",
    "killed at a producer's end",
    "killed c",
    "killed r",
    "killed w",
    "reopened",
    "server rolled back",
)


@pytest.mark.timeout(120)
def test_no_fault_breaks_a_promise_about_growing_runs() -> None:
    counts = simulate_all(range(SEEDS), is_growing=True)
    assert not [what for what in WHAT_HAPPENS if not counts[what]]


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_no_fault_breaks_a_promise_about_growing_runs_with_further_seeds() -> None:
    simulate_all(range(SEEDS, MORE_SEEDS), is_growing=True)


def test_the_same_seed_gives_the_same_events_of_a_growing_run() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        simulate(5, show=story.append, is_growing=True)
    assert stories[0] == stories[1]
    assert len(stories[0]) > 10


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("safeguard", GROWING)
def test_a_missing_safeguard_of_growing_runs_is_found(safeguard: str) -> None:
    first = FIRST_MISSED_GROWING[safeguard]
    seeds = range(first, first + SEEDS_TO_MISS_A_SAFEGUARD)
    with pytest.raises(Violation):
        simulate_all(seeds, without=safeguard, is_growing=True)
