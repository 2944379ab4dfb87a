"""Reopening an ended run of the walk: who asks for it, and what its journal has to show."""

from __future__ import annotations

import collections
import random
from typing import TYPE_CHECKING, Any

import msgpack

from tests.chaos.actors import MAX_ERRORS, REOPENED, RUN, runs_again

if TYPE_CHECKING:
    from tests.chaos.protocol_walk import World


FEW_TASKS = 4
OFTEN = 0.5
"""How likely an attempt raises in some of the walks: most of these runs fail."""


class Standing:
    """What of a journal counts after all reopenings in it, each promise checked on the way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._attempts: set[tuple[int, int]] = set()
        self.values: dict[int, Any] = {}
        self.errors: collections.Counter[int] = collections.Counter()

    @classmethod
    def of_journal(cls, world: World) -> Standing:
        """Read the whole journal; raises `Violation`."""
        standing = cls(world)
        entries: Any = world.client.xrange(world.runs.keys.journal(RUN))
        for _, fields in entries:
            for row in msgpack.unpackb(fields[b"d"]):
                standing._take_in(*row)
        return standing

    def _take_in(self, task: int, attempt: int, outcome: str, value: Any) -> None:
        if outcome == REOPENED:
            for again in runs_again(self._world.dag, self.values, value):
                self.values.pop(again, None)
                del self.errors[again]
            return
        if (task, attempt) in self._attempts:
            self._world.violated(f"attempt {attempt} of task {task} is recorded twice")
        self._attempts.add((task, attempt))
        if outcome == "ok":
            if task in self.values:
                self._world.violated(f"task {task} succeeded twice")
            self.values[task] = value
        self.errors[task] += outcome == "error"
        if self.errors[task] > MAX_ERRORS:
            self._world.violated(f"task {task} failed more often than its budget")

    def check_end(self, state: str) -> None:
        """Raise `Violation` unless the run has a reason to be in this state."""
        dag = self._world.dag
        if state == "completed" and set(self.values) != set(dag):
            self._world.violated("the run is complete without all its tasks")
        if state == "failed" and MAX_ERRORS not in self.errors.values():
            self._world.violated("the run failed, and no task has since it was reopened")
        for task, (_, consumed) in self.values.items():
            if consumed != [self.values.get(need, [None])[0] for need in dag[task]]:
                self._world.violated(f"task {task} consumed a value that does not stand")


class Operator:
    """Reopens the run after its end, a few times, or never."""

    def __init__(self, world: World, rng: random.Random, *, reopens: bool) -> None:
        self._world = world
        self.rng = rng
        self.left = rng.randint(1, 4) if reopens else 0
        if reopens:  # with few tasks, so that most of the walk comes after the first end
            world.dag = {task: needs for task, needs in world.dag.items() if task < FEW_TASKS}
            world.error_rate = rng.choice((world.error_rate, OFTEN))

    async def reopen(self, *, loses_reply: bool = False) -> None:
        """Reopen the run if it has ended; without the reply the next call asks again."""
        store = self._world.runs
        info = await store.run_info(RUN)
        if info is None or info.is_open or not self.left:
            return
        standing = Standing.of_journal(self._world)
        standing.check_end(info.state)
        values = standing.values
        named = self._named() if info.state == "completed" else []
        again = runs_again(self._world.dag, values, named)
        serial = int(self._world.next_id(""))
        entry = msgpack.packb([[-1, serial, REOPENED, named]])
        final = sorted(task for task in again if task in values)
        if await store.reopen(RUN, entry, info.state, final):
            self._world.counts[f"reopened {info.state}"] += 1
        if loses_reply:
            self._world.counts["reopen reply lost"] += 1
        else:
            self.left -= 1

    def _named(self) -> list[int]:
        tasks = sorted(self._world.dag)
        return sorted(self.rng.sample(tasks, self.rng.randint(1, 2)))
