"""A process that asks why runs and tasks are as they are, and checks the answers."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from astrum.errors import AstrumError
from astrum.view import Code, Explanation
from astrum_coordinator.app import Coordinator
from tests.contract.model import entry_of
from tests.unit.view.why_cases import ENDED, READY, RETRIED
from tests.unit.view.why_cases_sent import AT_WORK, QUEUED

if TYPE_CHECKING:
    from tests.simulation.world import World

EVERY_S = (1.0, 4.0)
NOT_OUT = {*READY, *RETRIED, *ENDED, Code.WAITS_UPSTREAM, Code.HELD, Code.DELAYED}
"""No attempt of such a task is outstanding."""
UNLED = {Code.NO_LEADER, Code.RUN_NOT_BEGUN}


class Asker:
    """Asks about all runs of a world, and about some tasks of each, again and again.

    What is said is compared with the server if nothing of the run has changed meanwhile.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    async def ask(self, coordinator: Coordinator) -> None:
        """Ask until the world is over."""
        while True:
            await asyncio.sleep(self._rng.uniform(*EVERY_S))
            for run_id, flow in self._world.flows.items():
                run = self._world.network.model.state.runs.get(run_id)
                if run is None or (run.state != "open" and self._rng.random() < 0.8):
                    continue
                with suppress(AstrumError):  # the server is away
                    whole = await self._ask_about(coordinator, run_id, None)
                    named = [task for group in whole.groups for task in group.tasks]
                    named = [task for task in named if task in flow.plan.index]
                    chosen = {self._rng.choice(flow.plan.tasks).task_id}
                    chosen |= set(self._rng.sample(named, min(len(named), 2)))
                    for task in sorted(chosen):
                        await self._ask_about(coordinator, run_id, task)

    async def _ask_about(
        self, coordinator: Coordinator, run_id: str, task: str | None
    ) -> Explanation:
        before = self._facts(run_id)
        reason = await coordinator.why(run_id, task)
        assert reason.sentence
        for code in (reason.code, *(group.code for group in reason.groups)):
            self._world.counts[f"why {code}"] += 1
        if self._facts(run_id) != before:
            return reason
        self._world.counts[f"compared {reason.code}"] += 1
        run = self._world.network.model.state.runs[run_id]
        if task is not None:
            number = self._world.flows[run_id].plan.index[task]
            self._check_task(reason, run.attempts.get(number, ""))
        if reason.code in UNLED:
            self._require(run.lease_end <= self._world.network.model.now_ms(), reason)
        return reason

    def _facts(self, run_id: str) -> Any:
        """Return what an answer depends on, as the server has it."""
        state = self._world.network.model.state
        run = state.runs.get(run_id)
        if run is None or self._world.network.is_down:
            return object()  # equal to nothing
        streams = {
            name: (
                list(stream.undelivered),
                {who: list(held) for who, held in stream.pending.items()},
            )
            for name, stream in state.streams.items()
        }
        return run.state, run.epoch, run.lease_end, dict(run.attempts), len(run.journal), streams

    def _check_task(self, reason: Explanation, mark: str) -> None:
        """Compare where an attempt is said to be with where it is."""
        entry = entry_of(mark) if ":" in mark else ""
        if reason.code in AT_WORK:
            self._require(self._holder(entry) == reason.worker_id, reason)
        elif reason.code is Code.VANISHED:
            self._require(bool(entry) and not self._is_stored(entry), reason)
        elif reason.code in QUEUED:
            self._require(bool(entry) and not self._holder(entry), reason)
        elif reason.code in NOT_OUT:
            self._require(not entry, reason)

    def _holder(self, entry: str) -> str:
        streams = self._world.network.model.state.streams.values()
        pending = (item for stream in streams for item in stream.pending.items())
        return next((who for who, held in pending if entry and entry in held), "")

    def _is_stored(self, entry: str) -> bool:
        return any(entry in one.entries for one in self._world.network.model.state.streams.values())

    def _require(self, is_true: bool, reason: Explanation) -> None:
        assert is_true, f"it is not true that {reason.task_id or 'the run'} {reason.sentence}"
