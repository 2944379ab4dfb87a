"""Bounds on how many children of one task are outstanding at once in a run (``at_once``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from astrum.machine.task_table import TaskTable
from astrum.planning.priorities import NUMBER_MASK


@dataclass(slots=True)
class _Gate:
    """``admitted`` children of one task may be dispatched or are; those ``waiting`` are ready."""

    limit: int
    admitted: int = 0
    waiting: list[int] = field(default_factory=list)


class Gates:
    """Lets so many ready children of each task with a bound through as it allows.

    All other tasks pass.
    """

    def __init__(self, tasks: TaskTable, gates: dict[str, _Gate]) -> None:
        self._tasks = tasks
        self._gates = gates

    def admit(self, task: int) -> bool:
        """Let a ready task through now, or when another one of its gate has left."""
        gate = self._gates.get(self._tasks.spec(task).task_id)
        if gate is None:
            return True
        if gate.admitted >= gate.limit:
            heappush(gate.waiting, self._tasks.priorities[task] | task)
            return False
        gate.admitted += 1
        return True

    def leave(self, task: int) -> int | None:
        """Note that a task that was let through has ended; return the one to admit next."""
        gate = self._gates.get(self._tasks.spec(task).task_id)
        if gate is None:
            return None
        gate.admitted -= 1
        if not gate.waiting or gate.admitted >= gate.limit:
            return None
        return heappop(gate.waiting) & NUMBER_MASK

    def begin_again(self, outstanding: Iterable[int], ready: Sequence[int]) -> Iterator[int]:
        """Forget who was let through; give those of the ready tasks that are let through now."""
        for gate in self._gates.values():
            gate.admitted = 0
            gate.waiting.clear()
        for task in outstanding:
            found = self._gates.get(self._tasks.spec(task).task_id)
            if found is not None:
                found.admitted += 1
        for task in sorted(ready, key=lambda task: self._tasks.priorities[task] | task):
            if self.admit(task):
                yield task


def gates_of(tasks: TaskTable) -> Gates | None:
    """Return the bounds of the tasks of a run, `None` if no task has any."""
    if tasks.plan.is_plain:
        return None
    gates = {
        spec.task_id: _Gate(spec.at_once) for spec in tasks.plan.tasks if spec.at_once is not None
    }
    return Gates(tasks, gates) if gates else None
