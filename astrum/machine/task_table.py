"""The tasks of one run by number: those of its plan, then children that are added in blocks.

A plan is fixed when a run begins; its table may grow. A child shares all data of the task that it
is a child of (its template), so it costs a few references.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from astrum.planning.plan import Plan, TaskSpec


class TaskTable:
    """All tasks of a run; task numbers are consecutive and never change.

    ``dependents`` holds for each task the numbers of the tasks that need it; a child is needed by
    its template. ``priorities`` holds for each task its place in the order of dispatch, without its
    number (see `astrum.planning.priorities`).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dependents: Sequence[Sequence[int]] = plan.dependents
        self.priorities: Sequence[int] = plan.priorities
        self._specs: Sequence[TaskSpec] = plan.tasks
        self._first_children: list[int] = []

    def __len__(self) -> int:
        return len(self._specs)

    def __iter__(self) -> Iterator[TaskSpec]:
        """Give the spec of each task by number."""
        return iter(self._specs)

    def spec(self, task: int) -> TaskSpec:
        """Return the spec of a task, for a child that of its template."""
        return self._specs[task]

    def index(self, task: int) -> int | None:
        """Return a child's place in its block, from 0; `None` for a task of the plan."""
        block = bisect_right(self._first_children, task)
        return task - self._first_children[block - 1] if block else None

    def name(self, task: int) -> str:
        """Return the name of a task for people: its id, for a child with its index."""
        task_id = self._specs[task].task_id
        if not self._first_children or (index := self.index(task)) is None:
            return task_id
        return f"{task_id}[{index}]"

    def add_children(self, template: int, count: int) -> range:
        """Add a block of children of one task of the plan; return their numbers."""
        first = len(self)
        # The lists of the plan belong to the plan, which other runs may share.
        self.dependents = [*self.dependents, *[(template,)] * count]
        self.priorities = [*self.priorities, *[self.priorities[template]] * count]
        self._specs = [*self._specs, *[self._specs[template]] * count]
        self._first_children.append(first)
        return range(first, first + count)
