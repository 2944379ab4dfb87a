"""Simulating one seed from its beginning to its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tests.simulation.ablations import without_safeguard
from tests.simulation.audit import audit
from tests.simulation.loop import StuckError
from tests.simulation.surroundings import in_world
from tests.simulation.world import Violation, World


def simulate(
    seed: int,
    *,
    without: str | None = None,
    show: Callable[[str], None] | None = None,
    is_growing: bool = False,
    asks: bool = False,
) -> Counter[str]:
    """Return how often each fault happened; raises `Violation`, which names the seed."""
    world = World(seed, show, is_growing=is_growing, asks=asks)
    with in_world(world), without_safeguard(without):
        try:
            world.live()
            audit(world)
        except (Violation, StuckError) as error:
            raise Violation(f"seed {seed}: {error}") from None
        finally:
            world.tear_down()
    return world.counts


def simulate_all(
    seeds: Iterable[int], *, without: str | None = None, is_growing: bool = False
) -> Counter[str]:
    """Return how often each fault happened in all of the seeds, until the first `Violation`."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        counts += simulate(seed, without=without, is_growing=is_growing)
    return counts
