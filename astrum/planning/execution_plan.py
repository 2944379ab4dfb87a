"""The plan as a picture for people: which tasks can run side by side.

A run does not follow it: a task starts as soon as its own dependencies are done, not when a
stage begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from astrum.planning import picture


class RunningTasks:
    """The tasks that may run during each stage.

    A full list for each stage would take quadratic space, so this is a segment tree over the
    stages: adding a span costs O(log stages), reading one stage O(log stages + tasks found).
    """

    def __init__(self, names: Sequence[str], stages: int) -> None:
        self._names = names
        self._stages = stages
        self._cover: dict[int, list[int]] = {}
        self._change = [0] * (stages + 1)

    def add(self, task: int, first: int, end: int) -> None:
        """Note that ``task`` (its number) may run in the stages ``first`` to ``end - 1``."""
        self._change[first] += 1
        self._change[end] -= 1
        low, high = first + self._stages, end + self._stages
        while low < high:
            if low & 1:
                self._cover.setdefault(low, []).append(task)
                low += 1
            if high & 1:
                high -= 1
                self._cover.setdefault(high, []).append(task)
            low >>= 1
            high >>= 1

    def during(self, stage: int) -> list[str]:
        """Return the names of the tasks that may run during ``stage``, upstream first."""
        found: list[int] = []
        node = stage + self._stages
        while node:
            found += self._cover.get(node, ())
            node >>= 1
        return [self._names[task] for task in sorted(found)]

    def most(self) -> int:
        """Return the greatest number of tasks in any one stage."""
        return max(accumulate(self._change), default=0)


@dataclass(frozen=True, slots=True)
class ExecutionStage:
    """The tasks whose longest chain of needs has the same length.

    ``stage_id`` counts from 0, ``start_tasks`` begin in it, ``wait_for_tasks`` are the tasks
    whose end those need.
    """

    stage_id: int
    wait_for_tasks: list[str]
    start_tasks: list[str]
    _running: RunningTasks = field(repr=False, compare=False)

    @property
    def parallel_tasks(self) -> list[str]:
        """The tasks that may run during it: they have started, and no task that needs them has."""
        return self._running.during(self.stage_id)


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """The stages of a graph, from 0, and its sizes.

    ``original_tasks`` maps each task to the tasks it depends on.
    """

    stages: list[ExecutionStage]
    total_tasks: int
    max_parallelism: int
    original_tasks: dict[str, list[str]]

    def get_visualization_table(self) -> str:
        """Return a table as text, with one row per stage."""
        rows = ((s.wait_for_tasks, s.start_tasks, s.parallel_tasks) for s in self.stages)
        return picture.stage_text(rows, len(self.stages))

    def get_dependency_graph_info(self) -> str:
        """Return one line per task with what it needs."""
        return picture.dependency_lines(self.original_tasks)

    def get_full_visualization(self) -> str:
        """Return the sizes, the stage table and the dependency lines as one text."""
        sizes = (
            f"{self.total_tasks} tasks in {len(self.stages)} stages, "
            f"at most {self.max_parallelism} at once"
        )
        parts = (sizes, self.get_visualization_table(), self.get_dependency_graph_info())
        return "\n\n".join(parts)


def build_execution_plan(needs: Mapping[str, Sequence[str]]) -> ExecutionPlan:
    """Return the stages of an acyclic graph whose keys are in upstream-first order."""
    levels = _levels(needs)
    count = max(levels.values(), default=-1) + 1
    running = _running(needs, levels, count)
    starts: list[list[str]] = [[] for _ in range(count)]
    waits: list[dict[str, None]] = [{} for _ in range(count)]
    for name, level in levels.items():
        starts[level].append(name)
        waits[level].update(dict.fromkeys(needs[name]))
    return ExecutionPlan(
        stages=[ExecutionStage(i, list(waits[i]), starts[i], running) for i in range(count)],
        total_tasks=len(levels),
        max_parallelism=running.most(),
        original_tasks={name: list(names) for name, names in needs.items()},
    )


def _levels(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for name, upstream in needs.items():
        levels[name] = max(map(levels.__getitem__, upstream), default=-1) + 1
    return levels


def _running(
    needs: Mapping[str, Sequence[str]], levels: Mapping[str, int], count: int
) -> RunningTasks:
    ends = dict.fromkeys(levels, count)
    for name, upstream in needs.items():
        for need in upstream:
            ends[need] = min(ends[need], levels[name])
    running = RunningTasks(list(levels), count)
    for number, (name, level) in enumerate(levels.items()):
        running.add(number, level, ends[name])
    return running
