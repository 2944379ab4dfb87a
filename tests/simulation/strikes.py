"""Faults at the worst moment: just when a task has ended that others have children for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from astrum.machine.events import Outcome
from astrum.protocol.messages import Record, decode_entry
from astrum.redis import Verdict

if TYPE_CHECKING:
    from tests.simulation.world import World

SHARE = 0.3
MOST = 4


class Strikes:
    """Strikes one installation, as drawn from a source of its own."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._left = rng.choice((0, 1, 2, MOST))

    def watch(self) -> None:
        """Look at what is settled."""
        model = self._world.network.model
        settle = model.settle

        def struck(mode: str, who: str, run_id: str, stream: str, ends: Any) -> Any:
            before = model.snapshot() if self._is_due() else None
            verdicts = settle(mode, who, run_id, stream, ends)
            if before is not None and Verdict.SETTLED in (verdicts or ()):
                run = model.state.runs[run_id]
                last = decode_entry(run.journal[next(reversed(run.journal))])
                if any(isinstance(item, Record) and _is_list(item) for item in last):
                    self._strike(run_id, before)
            return verdicts

        model.settle = struck  # type: ignore[method-assign, assignment]

    def _is_due(self) -> bool:
        world = self._world
        return not world.is_calm and self._left > 0 and self._rng.random() < SHARE

    def _strike(self, run_id: str, before: Any) -> None:
        """Kill the leader that hears of it, or let the server forget it again."""
        self._left -= 1
        world, delay_s = self._world, self._rng.choice((0.0, 0.0, 0.002, 0.05))
        if self._rng.random() < 0.35:
            world.snapshots.append((world.loop.time(), before))
            world.later(delay_s, world.crash)
        else:
            world.later(delay_s, self._kill_leader, run_id)

    def _kill_leader(self, run_id: str) -> None:
        world = self._world
        run = world.network.model.state.runs.get(run_id)
        for process, coordinator in world.coordinators.items():
            for leader in coordinator._parts.leaderships:
                if run and leader.run_id == run_id and leader.epoch == run.epoch:
                    world.counts["killed at a producer's end"] += 1
                    world.kill_process(process)
                    return


def _is_list(record: Record) -> bool:
    return record.outcome is Outcome.SUCCEEDED and bool(record.seen)
