"""Where the values of a task's parameters come from: from bindings to the numbers of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from astrum.data_transport.bindings import Binding, Path
from astrum.data_transport.task_failure import TaskFailure
from astrum.machine.state import RunState
from astrum.machine.task_state import CANCELLED, FAILED, SKIPPED, SUCCEEDED
from astrum.machine.task_table import TaskTable
from astrum.planning.alignment import aligned
from astrum.planning.axes import Axis, ListSource
from astrum.planning.plan import Plan, TaskSpec

Numbers = Any
"""The number of a task, `None` for a child that there is not, or a list of such."""


class Source(NamedTuple):
    """A task that is read: its number, and for its first axes their places among the reader's."""

    template: int
    places: tuple[int, ...] = ()

    def index_for(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the first indexes of the children that a child with this index reads."""
        return tuple([index[place] for place in self.places])


class Reading(NamedTuple):
    """One binding of a task, as all its children read it.

    ``sources`` is empty for an input. With an ``axis``, a child reads its own element of the list:
    its number is the child's index on that axis. ``is_list``: the results of several tasks are read
    as a list. ``source`` is the first of ``sources``.
    """

    binding: Binding
    sources: tuple[Source, ...] = ()
    axis: int | None = None
    is_list: bool = False
    source: Source | None = None
    list: ListSource | None = None

    def numbers(self, tasks: TaskTable, index: tuple[int, ...]) -> Numbers:
        """Return the numbers of the tasks that a child with this index reads, nested as the value.

        Not for elements, nor for inputs.
        """
        found = [tasks.below(source.template, source.index_for(index)) for source in self.sources]
        return found if self.binding.others else found[0]


class KeyedList(NamedTuple):
    """A list whose elements have keys: who returned it (`None`: an input), and where the key is."""

    list: ListSource
    source: Source | None
    key: Path


class Readings:
    """The readings of all tasks of a plan, made when they are first needed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[int, tuple[Reading, ...]] = {}
        self._keyed: dict[int, tuple[KeyedList, ...]] = {}

    def of(self, template: int) -> tuple[Reading, ...]:
        """Return the readings of a task of the plan."""
        known = self._known.get(template)
        if known is None:
            spec = self._plan.tasks[template]
            known = self._known[template] = tuple(self._reading(spec, b) for b in spec.bindings)
        return known

    def keyed(self, template: int) -> tuple[KeyedList, ...]:
        """Return the lists that name the children of a task of the plan."""
        known = self._keyed.get(template)
        if known is None:
            spec = self._plan.tasks[template]
            known = self._keyed[template] = tuple(
                KeyedList(one, self._owner(spec, axis, one), spec.axes[axis].key or ())
                for axis, one in enumerate(axis.lists[0] for axis in spec.axes)
                if spec.axes[axis].key is not None
            )
        return known

    @cached_property
    def of_elements(self) -> Mapping[ListSource, Sequence[tuple[int, Source | None]]]:
        """For each list, the tasks of the plan that read elements of it, once for each parameter.

        With it goes who returned the list, as that task sees it.
        """
        found: dict[ListSource, list[tuple[int, Source | None]]] = {}
        for template in range(len(self._plan.tasks)):
            for reading in self.of(template):
                if reading.list is not None:
                    found.setdefault(reading.list, []).append((template, reading.source))
        return found

    def _reading(self, spec: TaskSpec, binding: Binding) -> Reading:
        if binding.item is not None:
            one = ListSource(binding.source, binding.path, binding.origin)
            axis = next(place for place, axis in enumerate(spec.axes) if one in axis.lists)
            owner = self._owner(spec, axis, one)
            return Reading(binding, () if owner is None else (owner,), axis, False, owner, one)
        sources = tuple(self._source(spec.axes, source) for source in binding.sources)
        is_list = any(
            len(source.places) < len(self._plan.tasks[source.template].axes) for source in sources
        )
        first = sources[0] if sources else None
        return Reading(binding, sources, None, is_list or bool(binding.others), first)

    def _owner(self, spec: TaskSpec, axis: int, one: ListSource) -> Source | None:
        return None if one.origin == "input" else self._source(spec.axes[:axis], one.source)

    def _source(self, axes: Sequence[Axis], task_id: str) -> Source:
        number = self._plan.index[task_id]
        own = self._plan.tasks[number].axes
        return Source(number, aligned(axes, own) if own else ())


def has_keys(plan: Plan) -> bool:
    """Return whether any children of the plan are named by keys."""
    return any(axis.key is not None for spec in plan.tasks for axis in spec.axes)


def by_task(state: RunState, results: Mapping[int, Any]) -> dict[str, Any]:
    """Return results by the ids of the plan's tasks: those of children as nested lists, in order.

    A child without a result has `None` there. A task that failed because of its result has none.
    """
    tasks, states = state.tasks, state.states
    if state.plan.is_plain:
        specs = tasks.specs
        return {specs[number].task_id: value for number, value in results.items()}
    had = {number: value for number, value in results.items() if states[number] == SUCCEEDED}
    templates = [tasks.template(number) for number in had]
    templates += [task for task in tasks.roots if states[task] == SUCCEEDED]
    return {
        tasks.spec(template).task_id: _nested(tasks.below(template, ()), had)
        for template in dict.fromkeys(templates)
    }


def _nested(numbers: Numbers, results: Mapping[int, Any]) -> Any:
    if isinstance(numbers, list):
        return [_nested(number, results) for number in numbers]
    return results.get(numbers)


# --- what did not come ------------------------------------------------------------------------


def failure_of(state: RunState, task: int | None) -> TaskFailure:
    """Return what stands for the result of a task that has none, where failures are read."""
    if task is None:
        return TaskFailure("", "blocked", "the list that it would be an element of did not come")
    root = state.because(task)
    cause = task if root is None else root
    log = state.attempt_log
    failure = log.failures.get(cause) or log.skips.get(cause)
    message, types = ("", ()) if failure is None else (failure.message, failure.types)
    if cause != task:
        ended = _STATUSES.get(state.states[cause], "blocked")
        message = f"task {state.tasks.name(cause)!r} {ended}" + (f": {message}" if message else "")
    status: Any = _STATUSES.get(state.states[task], "blocked")
    return TaskFailure(state.tasks.name(task), status, message, types)


_STATUSES = {FAILED: "failed", SKIPPED: "skipped", CANCELLED: "cancelled"}
