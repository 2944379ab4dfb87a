"""The product keeps its promises in simulated installations, and each safeguard is missed."""

from __future__ import annotations

import pytest

from tests.simulation.run import simulate

SEEDS = 60
EVERY_FAULT = (
    "killed w",
    "killed c",
    "paused w",
    "cut off w",
    "server rolled back",
    "server restarted",
    "message slow",
    "message reset",
    "message stall",
    "drained w",
)


@pytest.mark.timeout(180)
def test_no_fault_breaks_a_promise() -> None:
    counts = sum((simulate(seed) for seed in range(1, SEEDS)), simulate(0))
    assert not [fault for fault in EVERY_FAULT if not counts[fault]]


def test_the_same_seed_tells_the_same_story() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        simulate(7, show=story.append)
    assert stories[0] == stories[1]
