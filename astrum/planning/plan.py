"""The plan of a run as pure data, without any of the user's code.

Planning imports the user's modules and resolves their annotations; its result, a `Plan`, does
not refer to them. It can be written to a store and led by a process that never saw them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from astrum.planning.edges_data import Numbers
from astrum.planning.graph import Edges, edges_of
from astrum.planning.plan_rows import spec_to_data, specs_from_data
from astrum.planning.priorities import priorities
from astrum.planning.run_inputs import (
    InputSpec,
    inputs_from_data,
    inputs_to_data,
    places_of,
    with_readers,
)
from astrum.planning.task_spec import (
    DEFAULT_QUEUE,
    NO_RETRY,
    Lane,
    OnFailure,
    OnLost,
    TaskSpec,
    are_plain,
    is_queue_name,
)

__all__ = [
    "DEFAULT_QUEUE",
    "MAX_CHILDREN",
    "NO_RETRY",
    "PLAN_VERSION",
    "Lane",
    "OnFailure",
    "OnLost",
    "Plan",
    "TaskSpec",
    "is_queue_name",
]

PLAN_VERSION = 4
"""Readers ignore parts of a plan's data that they do not know. What they must not ignore needs a
new version."""
PLAIN_VERSION = 3
"""The version of a plan without the features that came later, which older processes can lead."""
MAX_CHILDREN = 1_000_000
CLEANUP_S = 60.0
_DIGEST = re.compile("(?:[0-9a-f]{16})?")


@dataclass(frozen=True)
class Plan:
    """The tasks of one run, upstream first; a task's place in ``tasks`` is its number.

    Task ids are unique, and every need and every binding's source is the id of an earlier task,
    or an input of the run.
    ``check_types`` asks for run-time checks of injected values. ``offer`` and ``code`` name the
    whole namespace that the plan was made from (`astrum.planning.offer`; "": they are not known).
    ``inputs`` are sorted by name, and hold the source of every binding that reads an input.
    ``max_children`` bounds the children of each task, ``cleanup_s`` the time that tasks with
    ``always`` have after the end of all others is sure.
    """

    namespace: str
    tasks: tuple[TaskSpec, ...]
    concurrency_limit: int | None = None
    check_types: bool = True
    offer: str = ""
    code: str = ""
    inputs: tuple[InputSpec, ...] = ()
    max_children: int = MAX_CHILDREN
    cleanup_s: float = CLEANUP_S

    @cached_property
    def is_plain(self) -> bool:
        """Whether no task has children, conditions, tolerant needs or a policy of its own."""
        return are_plain(self.tasks)

    @cached_property
    def edges(self) -> Edges:
        """The edges between the tasks, by number."""
        return edges_of(self.tasks)

    @cached_property
    def index(self) -> dict[str, int]:
        """Task id to task number."""
        return {spec.task_id: number for number, spec in enumerate(self.tasks)}

    @cached_property
    def wanted_results(self) -> frozenset[str]:
        """The tasks whose results others read, and the last ones, whose results the run gives.

        Of all other tasks only the end matters.
        """
        read = {source for spec in self.tasks for b in spec.bindings for source in b.sources}
        read.update(
            one.source
            for spec in self.tasks
            for axis in spec.axes
            for one in axis.lists
            if one.origin == "task"
        )
        return frozenset(read.union(self._unneeded, self.last_tasks))

    @cached_property
    def last_tasks(self) -> tuple[str, ...]:
        """The tasks whose results are those of the run: only tasks that clean up need them.

        Those that clean up are not among them, unless there are no others.
        """
        last = tuple(
            spec.task_id
            for spec, after in zip(self.tasks, self.dependents, strict=True)
            if not spec.always and all(self.tasks[number].always for number in after)
        )
        return last or self._unneeded

    @cached_property
    def _unneeded(self) -> tuple[str, ...]:
        """The tasks that no other task needs."""
        rows = zip(self.tasks, self.dependents, strict=True)
        return tuple(spec.task_id for spec, after in rows if not after)

    @cached_property
    def dependents(self) -> list[list[int]]:
        """For each task number, the numbers of the tasks that need it."""
        index = self.index
        dependents: list[list[int]] = [[] for _ in self.tasks]
        for number, spec in enumerate(self.tasks):
            for need in spec.needs:
                dependents[index[need]].append(number)
        return dependents

    @cached_property
    def levels(self) -> list[int]:
        """For each task number, its stage: the longest chain of needs below it, from 0."""
        levels = [0] * len(self.tasks)
        for number, after in enumerate(self.dependents):
            least = levels[number] + 1
            for dependent in after:
                if levels[dependent] < least:
                    levels[dependent] = least
        return levels

    @cached_property
    def priorities(self) -> list[int]:
        """For each task number, its place in the order of dispatch; the lowest is first."""
        return priorities(self.dependents, [spec.priority for spec in self.tasks])

    def to_data(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, tuples, numbers and strings, for any serializer."""
        numbers = Numbers(self.index, places_of(self.inputs))
        tasks = [spec_to_data(spec, self.index, numbers) for spec in self.tasks]
        data: dict[str, Any] = {
            "version": PLAIN_VERSION if numbers.is_plain else PLAN_VERSION,
            "namespace": self.namespace,
            "concurrency_limit": self.concurrency_limit,
            "check_types": self.check_types,
            "offer": self.offer,
            "code": self.code,
            "tasks": tasks,
        }
        if self.max_children != MAX_CHILDREN:
            data["max_children"] = self.max_children
        if self.cleanup_s != CLEANUP_S:
            data["cleanup_s"] = self.cleanup_s
        if self.inputs:
            data["inputs"] = inputs_to_data(self.inputs)
        return data

    @classmethod
    def from_data(cls, data: Any) -> Plan:
        """Rebuild a plan from `to_data`; raises ``ValueError`` for anything else.

        The returned plan has the guarantees of this class, no matter what wrote the data.
        """
        if not isinstance(data, dict) or not isinstance(data.get("tasks"), list):
            raise ValueError("it is not a map with a list of tasks")
        if data.get("version") not in (PLAIN_VERSION, PLAN_VERSION):
            raise ValueError(
                f"the plan has version {data.get('version')!r}, this process reads "
                f"{PLAIN_VERSION} and {PLAN_VERSION}"
            )
        limit, namespace = data.get("concurrency_limit"), data.get("namespace")
        if type(namespace) is not str or not (limit is None or (type(limit) is int and limit > 0)):
            raise ValueError("its namespace or its concurrency limit is damaged")
        most = data.get("max_children", MAX_CHILDREN)
        if type(most) is not int or most < 1:
            raise ValueError("its bound of children is damaged")
        offer, code = data.get("offer", ""), data.get("code", "")
        if not all(type(one) is str and _DIGEST.fullmatch(one) for one in (offer, code)):
            raise ValueError("its offer or its code is not a name of 16 hex digits")
        inputs = inputs_from_data(data.get("inputs", []))
        tasks = specs_from_data(data["tasks"], [spec.name for spec in inputs])
        return cls(
            namespace=namespace,
            concurrency_limit=limit,
            check_types=bool(data.get("check_types")),
            offer=offer,
            code=code,
            tasks=tasks,
            inputs=with_readers(inputs, {spec.task_id: spec.bindings for spec in tasks}),
            max_children=most,
            cleanup_s=_cleanup_s(data.get("cleanup_s", CLEANUP_S)),
        )


def _cleanup_s(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError("its limit for the clean-up is not a number of seconds")
    return float(value)
