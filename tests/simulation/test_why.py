"""Amid simulated faults, `why` never fails, and what it says is true of the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from tests.simulation.run import simulate

SEEDS, MORE_SEEDS = 3, 40


def asked(seeds: Iterable[int], *, is_growing: bool = False) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in seeds:
        counts += simulate(seed, is_growing=is_growing, asks=True)
    return counts


@pytest.mark.timeout(120)
def test_what_is_said_is_true() -> None:
    counts = asked(range(SEEDS))
    for code in ("running", "queued-slots-full", "waits-upstream", "succeeded", "run-open"):
        assert counts[f"compared {code}"], code


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_growing", [False, True])
def test_what_is_said_is_true_in_many_worlds(is_growing: bool) -> None:
    counts = asked(range(MORE_SEEDS), is_growing=is_growing)
    for code in ("worker-silent", "no-leader", "queued-slots-full", "backing-off-lost", "paused"):
        assert counts[f"why {code}"], code
    for code in ("running", "waits-upstream", "succeeded", "no-leader"):
        assert counts[f"compared {code}"], code
