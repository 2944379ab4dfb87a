"""Runs that are tried again after their ends, and hurried retries, in a simulation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from astrum.errors import RetryRefusedError, RunNotFoundError
from astrum_coordinator.app import Coordinator

if TYPE_CHECKING:
    from tests.simulation.world import World

RETRIED_SHARE = 0.4
FIRST_S, LAST_S = 3.0, 45.0
LOOKS_UNTIL_S = 100.0
"""Until so long after the beginning a retry waits for the end of its run."""


class Retries:
    """The requests of one installation, drawn from a source of their own."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._asked = 0
        self._until = 0.0
        self.reopened: set[str] = set()

    @property
    def are_under_way(self) -> bool:
        """Whether some request has no answer yet."""
        return self._asked > 0

    def plan(self) -> None:
        """Draw which runs are tried again, how often, and when."""
        self._until = self._world.loop.time() + LOOKS_UNTIL_S
        for run_id, run in self._world.asked.runs.items():
            if run.after_calm_s is None and self._rng.random() < RETRIED_SHARE:
                for _ in range(self._rng.choice((1, 1, 2, 4))):
                    at_s, now = self._rng.uniform(FIRST_S, LAST_S), self._rng.random() < 0.2
                    self._world.later(at_s, self._look, run_id, now)

    def _look(self, run_id: str, now: bool) -> None:
        """Ask when the run has ended; with ``now`` while it is open."""
        world = self._world
        if world.is_over:
            return
        run = world.network.model.state.runs.get(run_id)
        if run is None or world.network.is_down or (run.state == "open") != now:
            if world.loop.time() < self._until:
                world.later(1.0, self._look, run_id, now)
            return
        self._asked += 1
        names = self._names(run_id) if run.state == "completed" else []
        world.add_retrier(run_id, names, now=now)

    def _names(self, run_id: str) -> list[str]:
        ids = [spec.task_id for spec in self._world.flows[run_id].plan.tasks]
        return self._rng.sample(ids, self._rng.randint(1, 2))

    async def ask(
        self, coordinator: Coordinator, run_id: str, names: Sequence[str], *, now: bool
    ) -> None:
        """Ask once; what fails for want of the server is asked again by another process."""
        world = self._world
        self.reopened.add(run_id)  # whatever becomes of the reply
        try:
            retry = await coordinator.retry(run_id, names, now=now)
        except (RetryRefusedError, RunNotFoundError) as error:  # it is as it was asked for, or gone
            world.say(f"refused: {error}")
        else:
            world.say(f"{run_id} runs again: {retry.tasks}")
            world.counts["reopened" if retry.reopened else "hurried"] += 1
        self._asked -= 1
        if world.asked.runs[run_id].ending == "cancel":
            world.later(self._rng.uniform(1.0, 20.0), world.add_canceller, run_id)
