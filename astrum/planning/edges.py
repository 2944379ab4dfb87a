"""Resolves what tasks say beyond plain needs: axes, tolerance, conditions and watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from astrum.data_transport.bindings import PLAIN, Binding, Fill, Path, Reads, TaskInputs
from astrum.data_transport.types.case_types import IS_TRUE
from astrum.errors import TaskRegistrationError
from astrum.planning.alignment import aligned, misaligned
from astrum.planning.axes import Axis, Choice, Condition, ListSource, Watch
from astrum.planning.axis_rules import EachOption, Walked, merged_axes, shown_axis
from astrum.planning.policies import NO_POLICY, Policy
from astrum.planning.watching import Wanted, Watches

Slot = str | int


class When(NamedTuple):
    """The condition of a task: a bool in a result is true, or a part of a result has a value.

    ``text`` is how it was written.
    """

    source: str
    path: Path = ()
    equals: Any = IS_TRUE
    text: str = ""


class EdgeChoice(NamedTuple):
    """What the options of a task say of its edges; ``after`` holds task ids."""

    each: EachOption | None = None
    after: tuple[str, ...] = ()
    when: When | None = None


class TaskEdges(NamedTuple):
    """The same, and what its parameters say, as a plan has it; see `TaskSpec`."""

    axes: tuple[Axis, ...] = ()
    tolerant: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    watches: tuple[Watch, ...] = ()


NO_CHOICE = EdgeChoice()
NO_EDGES = TaskEdges()
NO_INPUTS = TaskInputs()


class Declared(NamedTuple):
    """The tasks of a flow, upstream first.

    ``needs`` are all needs of each task, ``depends_on`` those that it demands without reading
    them. ``choice_of`` returns what the condition of a task compares with, and raises
    `TaskRegistrationError` for one that can never hold.
    """

    needs: Mapping[str, Sequence[str]]
    depends_on: Mapping[str, Sequence[str]]
    inputs: Mapping[str, TaskInputs]
    choices: Mapping[str, EdgeChoice]
    policies: Mapping[str, Policy]
    choice_of: Callable[[str, When], Choice]


class Resolved(NamedTuple):
    """The inputs of tasks with final bindings, and the edges of those that have any."""

    inputs: dict[str, TaskInputs]
    edges: dict[str, TaskEdges]


def resolve_edges(declared: Declared, *, is_strict: bool = True) -> Resolved:
    """Return the axes, tolerant needs, conditions and watches of all tasks.

    Raises `TaskRegistrationError`, naming task and parameter; unless it ``is_strict``, a task that
    is not valid is left as it is declared.
    """
    resolver = _Resolver(declared)
    for task_id in declared.needs:
        try:
            resolver.resolve(task_id)
        except TaskRegistrationError:
            if is_strict:
                raise
    return resolver.result()


class _Key(NamedTuple):
    path: Path
    task_id: str


class _Resolver:
    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._inputs = dict(declared.inputs)
        self._axes: dict[str, tuple[Axis, ...]] = {}
        self._keys: dict[tuple[ListSource, ...], _Key] = {}
        self._tolerant: dict[str, tuple[str, ...]] = {}
        self._conditions: list[Wanted] = []

    def resolve(self, task_id: str) -> None:
        filling = self._inputs.get(task_id, NO_INPUTS)
        choice = self._declared.choices.get(task_id, NO_CHOICE)
        axes = self._axes_of(task_id, filling, choice)
        if axes:
            self._axes[task_id] = axes
        elif choice.each is not None:
            raise TaskRegistrationError(
                f"task {task_id!r}: each={choice.each!r} says how two lists go together, and no "
                'parameter goes through a list: write Ref[type, Each("task")]'
            )
        self._check_policy(task_id)
        if filling.bindings:
            self._inputs[task_id] = self._read(task_id, filling)
        self._note_tolerant(task_id, filling, choice)
        if choice.when is not None:
            self._note_condition(task_id, choice.when)

    # --- axes --------------------------------------------------------------------------------

    def _axes_of(self, task_id: str, filling: TaskInputs, choice: EdgeChoice) -> tuple[Axis, ...]:
        walks = [
            self._walk(task_id, binding, filling.reads[binding.parameter])
            for binding in filling.bindings
            if filling.reads and filling.reads.get(binding.parameter, PLAIN).each
        ]
        if not walks:
            return ()
        axes = merged_axes(task_id, walks, choice.each)
        for binding in filling.bindings:
            reads = filling.reads.get(binding.parameter, PLAIN)
            if reads.key is not None:
                self._note_key(task_id, binding, reads.key, axes)
        return axes

    def _walk(self, task_id: str, binding: Binding, reads: Reads) -> Walked:
        outer = self._axes.get(binding.source, ()) if binding.origin == "task" else ()
        if reads.each == 1 and outer:
            if reads.key is not None:
                raise _error(
                    task_id,
                    binding,
                    f"has key={_shown_key(reads.key)}, but {binding.source!r} has children "
                    "already, so their names are given: write the key in the Each of "
                    f"{binding.source!r}",
                )
            return Walked(binding.parameter, outer, is_new=False)
        if reads.each > 1 and not outer:
            raise _error(
                task_id,
                binding,
                f"has Each(Each({binding.source!r})), but {binding.source!r} has no children: "
                "write a task in between that returns the inner list, with a parameter "
                f"Each({binding.source!r})",
            )
        own = Axis((ListSource(binding.source, binding.path, binding.origin),))
        return Walked(binding.parameter, (*outer, own), is_new=True)

    def _note_key(self, task_id: str, binding: Binding, key: Path, axes: Sequence[Axis]) -> None:
        one = ListSource(binding.source, binding.path, binding.origin)
        axis = next(axis for axis in axes if one in axis.lists)
        if axis.lists[0] != one:
            raise _error(
                task_id,
                binding,
                f"has key={_shown_key(key)}, but the first of the zipped lists names the children: "
                "write the key in the Each of the first one",
            )
        known = self._keys.setdefault(axis.lists, _Key(key, task_id))
        if known.path != key:
            raise _error(
                task_id,
                binding,
                f"names the children of {shown_axis(axis)} by key={_shown_key(key)}, and task "
                f"{known.task_id!r} by key={_shown_key(known.path)}: write one key in both",
            )

    def _check_policy(self, task_id: str) -> None:
        policy = self._declared.policies.get(task_id, NO_POLICY)
        if policy is NO_POLICY:
            pass
        elif task_id not in self._axes:
            for name, value in (("max_failed", policy.max_failed), ("at_once", policy.at_once)):
                if value is not None:
                    raise TaskRegistrationError(
                        f"task {task_id!r}: {name}={value!r} is about children, and it has none: "
                        f'leave {name} out, or write a parameter Ref[type, Each("task")]'
                    )
        if not policy.always:
            self._check_cleanup(task_id)

    def _check_cleanup(self, task_id: str) -> None:
        for need in self._declared.needs[task_id]:
            if self._declared.policies.get(need, NO_POLICY).always:
                raise TaskRegistrationError(
                    f"task {task_id!r} needs {need!r}, which has always=True and so may run last "
                    f"of all: write always=True for {task_id!r} too, or take the need away"
                )

    # --- bindings ----------------------------------------------------------------------------

    def _read(self, task_id: str, filling: TaskInputs) -> TaskInputs:
        """Return the inputs with final bindings; the same object if nothing changes."""
        bindings, fills, depths = [], {}, {}
        defaults = dict(filling.defaults)
        for binding in filling.bindings:
            slot = binding.parameter
            reads = filling.reads.get(slot, PLAIN)
            if binding.origin == "task" and not reads.each:
                depth = self._depth(task_id, binding)
                binding = self._with_holes(task_id, binding, reads, depth)
                if depth:
                    depths[slot] = depth
                    if slot in defaults:
                        fills[slot] = Fill(defaults.pop(slot), depth)
            elif reads.each == 1 and binding.origin == "task" and binding.source in self._axes:
                binding = binding._replace(path=(*binding.path, *reads.item), item=None)
            bindings.append(binding)
        if not filling.reads and not depths:
            return filling
        return filling._replace(
            bindings=tuple(bindings), fills=fills, depths=depths, defaults=defaults
        )

    def _depth(self, task_id: str, binding: Binding) -> int:
        """Return the number of axes that are gathered; a list of tasks is one level too."""
        for source in binding.sources:
            self._check_alignment(task_id, binding, source)
        if not binding.others:
            return self._gathered(task_id, binding.source)
        for source in binding.sources:
            if self._gathered(task_id, source):
                raise _error(
                    task_id,
                    binding,
                    f"lists the results of several tasks, and {source!r} has many results: gather "
                    f"them in a task of their own, with F({source!r})",
                )
        return 1

    def _gathered(self, task_id: str, source: str) -> int:
        axes = self._axes.get(source, ())
        return len(axes) - len(aligned(self._axes.get(task_id, ()), axes))

    def _check_alignment(self, task_id: str, binding: Binding, source: str) -> None:
        axes = self._axes.get(source)
        missing = axes and misaligned(self._axes.get(task_id, ()), axes)
        if missing:
            raise _error(
                task_id,
                binding,
                f"reads {source!r}, whose children go through {shown_axis(missing)} first: add a "
                f"parameter with Each({shown_axis(missing)}), or gather {source!r} in a task "
                "without Each",
            )

    def _with_holes(self, task_id: str, binding: Binding, reads: Reads, depth: int) -> Binding:
        tolerance = reads.tolerance
        if not depth:
            if tolerance == "drop":
                raise _error(
                    task_id,
                    binding,
                    "has default=DROP, which leaves elements out of a list, but it reads one "
                    "result: write the value that stands for it, "
                    f"F({binding.source!r}, default=None)",
                )
            return binding._replace(holes="failure") if tolerance == "failure" else binding
        if tolerance == "":
            self._check_demand(task_id, binding)
            return binding
        return binding._replace(holes="fill" if tolerance == "default" else tolerance)

    def _check_demand(self, task_id: str, binding: Binding) -> None:
        for source in binding.sources:
            most = self._declared.policies.get(source, NO_POLICY).max_failed
            if most is not None and not binding.others:
                raise _error(
                    task_id,
                    binding,
                    f"demands the results of all children of {source!r}, which accepts failed ones "
                    f"(max_failed={most!r}): write F({source!r}, default=DROP) to leave them out, "
                    f"F({source!r}, default=VALUE) to put a value in their place, or "
                    f"F({source!r}, failures=True) to be given a TaskFailure",
                )

    # --- tolerance and conditions ------------------------------------------------------------

    def _note_tolerant(self, task_id: str, filling: TaskInputs, choice: EdgeChoice) -> None:
        tolerated = list(choice.after)
        demanded = set(self._declared.depends_on.get(task_id, ()))
        both = [name for name in tolerated if name in demanded]
        if both:
            raise TaskRegistrationError(
                f"task {task_id!r} names {both[0]!r} in depends_on and in after: depends_on "
                "demands that it succeeds, after waits for any end; write one of them"
            )
        if choice.when is not None:
            demanded.add(choice.when.source)
        for binding in filling.bindings:
            reads = filling.reads.get(binding.parameter, PLAIN)
            if reads.tolerance:
                tolerated += binding.sources
            else:
                demanded.update(binding.sources)
        found = tuple(dict.fromkeys(name for name in tolerated if name not in demanded))
        if found:
            self._tolerant[task_id] = found

    def _note_condition(self, task_id: str, when: When) -> None:
        own, axes = self._axes.get(task_id, ()), self._axes.get(when.source, ())
        if len(aligned(own, axes)) < len(axes):
            raise TaskRegistrationError(
                f"task {task_id!r}: {when.text} reads {when.source!r}, which has many results and "
                "not one: write a task that gathers them and returns the decision, and read that"
            )
        choice = self._declared.choice_of(task_id, when)
        is_truth = when.equals is IS_TRUE
        self._conditions.append(Wanted(task_id, when.source, when.path, choice, is_truth))

    # --- the whole ---------------------------------------------------------------------------

    def result(self) -> Resolved:
        axes = {task_id: tuple(map(self._keyed, own)) for task_id, own in self._axes.items()}
        watches = Watches(chain.from_iterable(axes.values()), self._conditions)
        seen = watches.of_task
        conditions = {one.task_id: (watches.condition(one),) for one in self._conditions}
        names = dict.fromkeys((*axes, *self._tolerant, *conditions, *seen))
        return Resolved(
            self._inputs,
            {
                name: TaskEdges(
                    axes.get(name, ()),
                    self._tolerant.get(name, ()),
                    conditions.get(name, ()),
                    seen.get(name, ()),
                )
                for name in names
            },
        )

    def _keyed(self, axis: Axis) -> Axis:
        key = self._keys.get(axis.lists)
        return axis if key is None else Axis(axis.lists, key.path)


def _shown_key(key: Path) -> str:
    return repr(key[0]) if key else "True"


def _error(task_id: str, binding: Binding, what: str) -> TaskRegistrationError:
    return TaskRegistrationError(f"task {task_id!r}, parameter {binding.parameter!r} {what}")
