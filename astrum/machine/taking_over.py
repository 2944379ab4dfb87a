"""Which successes of an earlier run a new run takes over, and why not the others: pure.

A task is taken over if it has the same id, code, bindings and input values as in the old run, has
succeeded there, and all that it needs is taken over too. Then it would compute what it did before.
Children are taken over one by one, if their list is taken over or is an input. If that input has
changed, those children are taken over whose elements have not.
Code that its fingerprint does not see (what it calls, constants of modules) is for the user to
judge: ``again`` names tasks that must run, ``trust`` tasks whose other code does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from astrum.machine.events import Outcome, TaskReused
from astrum.machine.lists import Lengths
from astrum.machine.places import Index
from astrum.machine.state import RunState
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    FAILED,
    READY,
    SKIPPED,
    SUCCEEDED,
)
from astrum.planning.axes import ListSource
from astrum.planning.fingerprint import EXACT, difference
from astrum.planning.plan import Plan, TaskSpec

TAKEN_OVER = ""
"""In place of the reason why a task runs."""
_ENDS: Mapping[int, str] = {
    FAILED: "it failed in run {}",
    CANCELLED: "it was cancelled in run {}",
    SKIPPED: "it was skipped in run {}",
    BLOCKED: "what it needs failed in run {}",
}


class Wishes(NamedTuple):
    """What a user says of single tasks, by their ids; ``again`` may also name children."""

    trust: Collection[str] = ()
    again: Collection[str] = ()


class OldRun(NamedTuple):
    """The run whose results are wanted, as far as its journal was read.

    ``changed_inputs`` are the inputs of the new run that had another value in it, or none. Of the
    changed lists in inputs ``matches`` has the numbers of the elements that were in the old list
    too, each with its number there.
    """

    run_id: str
    state: RunState
    is_open: bool = False
    changed_inputs: Collection[str] = ()
    matches: Mapping[ListSource, Mapping[int, int]] = MappingProxyType({})


class Seed(NamedTuple):
    """A task or child that is taken over: its numbers in both runs, and what of it was seen."""

    task: int
    old_task: int
    seen: tuple[int, ...] = ()


class Taken(NamedTuple):
    """Why each task of a plan runs, `TAKEN_OVER` if it does not; and the seeds, upstream first.

    The reasons are clauses for people: "it failed in run july". A task of which only some children
    run has a reason, and seeds for the others.
    """

    reasons: list[str]
    seeds: list[Seed]


def take_over(
    old: OldRun, plan: Plan, wishes: Wishes, lengths: Lengths = MappingProxyType({})
) -> Taken:
    """Return what a new run of ``plan`` takes over.

    ``lengths`` are those of the lists in its inputs that tasks have children for.
    """
    return _Taking(old, plan, wishes, lengths).all()


class _Taking:
    """What is taken over; ``state`` is that of the new run, which knows the children so far."""

    def __init__(self, old: OldRun, plan: Plan, wishes: Wishes, lengths: Lengths) -> None:
        self._old, self._plan, self._wishes = old, plan, wishes
        self._codes = _other_codes(old.state)
        self.state = RunState(plan, lengths=lengths)
        self._reasons: list[str] = []
        self._seeds: list[Seed] = []

    def all(self) -> Taken:
        for task, spec in enumerate(self._plan.tasks):
            if spec.axes:
                self._reasons.append(self._children(task, spec))
            else:
                self._reasons.append(self._one(task, task, spec))
        return Taken(self._reasons, self._seeds)

    def _children(self, template: int, spec: TaskSpec) -> str:
        children = list(self.state.tasks.children(template))
        if not children:
            return self._template_reason(spec) or self._upstream(template, spec, ())
        runs = [(child, why) for child in children if (why := self._one(child, template, spec))]
        if not runs:  # further children may not be known yet
            is_whole = self.state.states[template] == SUCCEEDED
            return TAKEN_OVER if is_whole else self._upstream(template, spec, ())
        child, why = runs[0]
        if len(runs) == len(children):
            return why
        name = self._child_name(child, spec)
        return f"{len(runs):,} of its {len(children):,} children run; of {name!r}: {why}"

    def _child_name(self, child: int, spec: TaskSpec) -> str:
        """Return the name of a child, by its keys in the old run: the new one has none yet."""
        before = self._old.state.plan.tasks[self._old.state.plan.index[spec.task_id]]
        if before.axes == spec.axes:
            old_child = self._find(spec, self.state.tasks.index(child))
            if old_child is not None:
                return self._old.state.tasks.name(old_child)
        return self.state.tasks.name(child)

    def _one(self, task: int, template: int, spec: TaskSpec) -> str:
        index = self.state.tasks.index(task)
        reason = self._own_reason(spec, index) or self._upstream(template, spec, index)
        if reason:
            return reason
        old_task = self._find(spec, index)
        assert old_task is not None
        seen = _seen(self._old.state, old_task, spec)
        if seen is None:
            return f"run {self._old.run_id} did not note of its result what other tasks depend on"
        event = TaskReused(task, self._old.run_id, seen=seen)
        if self.state.states[task] != READY:
            return "what it depends on is different"
        self.state.handle(event)
        self._seeds.append(Seed(task, old_task, seen))
        return TAKEN_OVER

    def _find(self, spec: TaskSpec, index: Index) -> int | None:
        """Return the number that a task or child had in the old run, `None` if it had none."""
        tasks, at = self._old.state.tasks, self._old_index(spec, index)
        return None if at is None else tasks.find(tasks.plan.index[spec.task_id], at)

    def _old_index(self, spec: TaskSpec, index: Index) -> Index | None:
        """Return the index that a child had in the old run; `None` if an element is new."""
        if not self._old.matches:
            return index
        old_index = []
        for i, axis in zip(index, spec.axes, strict=False):
            places = {
                self._old.matches[one].get(i) if one in self._old.matches else i
                for one in axis.lists
            }
            place = places.pop()
            if place is None or places:
                return None
            old_index.append(place)
        return tuple(old_index)

    def _gathers_other_list(self, need: TaskSpec, depth: int) -> bool:
        """Return whether one of the lists behind a gathered result has changed."""
        return any(one in self._old.matches for axis in need.axes[depth:] for one in axis.lists)

    def _upstream(self, template: int, spec: TaskSpec, index: Index) -> str:
        """Return which of the tasks that it needs runs, "" if none does."""
        tasks, states = self.state.tasks, self.state.states
        for edge in self._plan.edges.into[template]:
            need = self._plan.tasks[edge.source]
            if self._gathers_other_list(need, len(edge.places)):
                return f"the children of {need.task_id!r} are others"
            if not self._reasons[edge.source]:
                continue
            below = tasks.below(edge.source, [index[at] for at in edge.places if at < len(index)])
            for number in _flat(below) if index else ():
                if states[number] != SUCCEEDED:
                    return f"it needs {tasks.name(number)!r}, which runs"
            if not index or not need.axes or not _flat(below):
                return f"it needs {need.task_id!r}, which runs"
        return ""

    def _template_reason(self, spec: TaskSpec) -> str:
        """Return why all of a task runs, "" if that is different for each child."""
        if spec.task_id in self._wishes.again:
            return "you said so"
        if self._old.state.plan.index.get(spec.task_id) is None:
            return f"run {self._old.run_id} has no such task"
        if spec.always:
            return "it cleans up, and does so in every run"
        return ""

    def _own_reason(self, spec: TaskSpec, index: Index) -> str:
        reason = self._template_reason(spec)
        if reason:
            return reason
        old = self._old
        before = old.state.plan.tasks[old.state.plan.index[spec.task_id]]
        if _axes(before) != _axes(spec):
            return "its children come from other lists"
        if self._old_index(spec, index) is None:
            return _new_element(spec, old.run_id)
        task = self._find(spec, index)
        if task is not None and index and old.state.tasks.name(task) in self._wishes.again:
            return "you said so"
        place = None if task is None else old.state.states[task]
        if task is None or place != SUCCEEDED:
            missing = (
                "it has not succeeded yet in run {}" if old.is_open else "it did not run in run {}"
            )
            return _ENDS.get(-1 if place is None else place, missing).format(old.run_id)
        code = self._codes.get(task, "")
        is_trusted = spec.task_id in self._wishes.trust
        if not is_trusted and not (code and code == self._plan.code):
            other = _other_code(before, spec, code)
            if other:
                return other
        return _other_values(old, before, spec) or self._other_conditions(before, spec)

    def _other_conditions(self, before: TaskSpec, spec: TaskSpec) -> str:
        is_same = _conditions(before, self._old.state.plan) == _conditions(spec, self._plan)
        return "" if is_same else "it runs under another condition"


def _new_element(spec: TaskSpec, run_id: str) -> str:
    if any(axis.key is not None for axis in spec.axes):
        return f"its element is new or has changed since run {run_id}"
    return (
        f"the list of run {run_id} had another element at its place, or none; with key= elements "
        "are found at any place"
    )


def _axes(spec: TaskSpec) -> list[Any]:
    return [axis.lists for axis in spec.axes]


def _conditions(spec: TaskSpec, plan: Plan) -> set[Any]:
    tasks = plan.tasks
    return {
        (one.source, tasks[plan.index[one.source]].watches[one.watch], one.value)
        for one in spec.conditions
    }


def _seen(state: RunState, task: int, spec: TaskSpec) -> tuple[int, ...] | None:
    """Return what was seen of a result in the order of a new plan, `None` if that is not known."""
    if not spec.watches:
        return ()
    watches, seen = state.tasks.spec(task).watches, state.seen(task)
    if len(seen) != len(watches) or not {*spec.watches} <= {*watches}:
        return None
    known = dict(zip(watches, seen, strict=True))
    return tuple(known[watch] for watch in spec.watches)


def _flat(numbers: object) -> list[int]:
    if isinstance(numbers, int):
        return [numbers]
    return [one for below in numbers for one in _flat(below)] if isinstance(numbers, list) else []


def _other_codes(state: RunState) -> dict[int, str]:
    """Return the code that ran, for the latest successes by other code than the plan's."""
    codes: dict[int, str] = {}
    for event in state.attempt_log.settled:
        if event.outcome is Outcome.SUCCEEDED:
            codes[event.task] = event.code
    return {task: code for task, code in codes.items() if code}


def _other_code(before: TaskSpec, spec: TaskSpec, code: str) -> str:
    if code:
        return f"it ran with other code than its plan's: {code}"
    if before.fingerprint == spec.fingerprint != "":
        return ""
    if not before.fingerprint or not spec.fingerprint:
        return "its code is not known, since its plan was made without fingerprints"
    other = difference(before.fingerprint, spec.fingerprint, EXACT)
    return f"its code has changed: {other}" if other else ""


def _other_values(old: OldRun, before: TaskSpec, spec: TaskSpec) -> str:
    if (other := _other_parameter(before, spec)) is not None:
        return f"its parameter {other!r} reads something else"
    read = [
        ListSource(binding.source, binding.path, "input") if binding.item is not None else binding
        for binding in spec.bindings
        if binding.origin == "input"
    ]
    lists = [one for axis in spec.axes for one in axis.lists if one.origin == "input"]
    for one in (*read, *lists):
        if one.source in old.changed_inputs and one not in old.matches:
            return f"the input {one.source!r} has another value"
    return ""


def _other_parameter(before: TaskSpec, spec: TaskSpec) -> str | int | None:
    """Return a parameter whose source is another one, `None` if there is none."""
    if (before.bindings, before.optional) == (spec.bindings, spec.optional):
        return None
    rows, new_rows = _sources(before), _sources(spec)
    if rows == new_rows:
        return None
    changed = [name for name in {**rows, **new_rows} if rows.get(name) != new_rows.get(name)]
    return changed[0]


def _sources(spec: TaskSpec) -> dict[str | int, Any]:
    return {b.parameter: (b[1:], b.parameter in spec.optional) for b in spec.bindings}
