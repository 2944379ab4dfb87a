"""Axes, tolerant needs, conditions and watches as lists of plain values, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from astrum.data_transport.bindings import Binding, Path
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.task_spec import TaskSpec, has_plain_policy

_KINDS = ("length", "truth", "choice")
_HOLES = ("", "fill", "drop", "failure")
_STEPS = (str, int)
_CHOICES = (str, int, bool, type(None))

Names = Sequence[str]


class Numbers:
    """Task ids and names of inputs as numbers: of inputs they are negative.

    ``is_plain`` tells whether all that was turned to numbers is known to older processes.
    """

    def __init__(self, index: Mapping[str, int], places: Mapping[str, int]) -> None:
        self._index = index
        self._places = places
        self.is_plain = True

    def axes(self, axes: Sequence[Axis]) -> list[Any]:
        return [[[(self._number(one), one.path) for one in axis.lists], axis.key] for axis in axes]

    def tolerant(self, needs: Sequence[str]) -> list[Any]:
        return [self._index[need] for need in needs]

    def conditions(self, conditions: Sequence[Condition]) -> list[Any]:
        return [(self._index[c.source], c.watch, c.value) for c in conditions]

    def binding(self, binding: Binding) -> tuple[Any, ...]:
        places = self._index if binding.origin == "task" else self._places
        row = (binding.parameter, places[binding.source], binding.path)
        if binding[4:] == _PLAIN:
            return row
        others = [self._index[other] for other in binding.others]
        self.is_plain = False
        return (*row, {"item": binding.item, "others": others, "holes": binding.holes})

    def _number(self, one: ListSource) -> int:
        return (self._index if one.origin == "task" else self._places)[one.source]


_PLAIN = (None, (), "")
"""The fields of a binding of one whole value, which most are."""


class Readers:
    """Reads the same back; ``ids`` are those of the earlier tasks, ``inputs`` all names."""

    def __init__(self, ids: Names, inputs: Names) -> None:
        self._ids = ids
        self._inputs = inputs
        self.by_name: Mapping[str, Callable[[Any], Any]] = {
            "axes": self._axes,
            "tolerant": lambda rows: tuple([self.earlier(row) for row in rows]),
            "conditions": self._conditions,
        }

    def earlier(self, number: Any) -> str:
        if type(number) is not int or number < 0:
            raise ValueError("it needs a task without a number")
        return self._ids[number]

    def binding(self, row: Sequence[Any]) -> Binding:
        parameter, source, path = row[:3]
        for step in (parameter, *path):
            if type(step) not in _STEPS:
                raise ValueError("a binding has parts of the wrong type")
        if type(source) is int and source < 0:
            plain = Binding(parameter, self._inputs[-1 - source], tuple(path), "input")
        else:
            plain = Binding(parameter, self.earlier(source), tuple(path))
        return plain if len(row) == 3 else self._with_more(plain, row[3])

    def _with_more(self, plain: Binding, more: Mapping[str, Any]) -> Binding:
        if type(more) is not dict:
            raise ValueError("the options of a binding are not a map")
        item, holes = more.get("item"), more.get("holes", "")
        if holes not in _HOLES:
            raise ValueError(f"a binding has holes of the unknown kind {holes!r}")
        others = tuple([self.earlier(other) for other in more.get("others", ())])
        return plain._replace(item=_path_or_none(item), others=others, holes=holes)

    def _axes(self, rows: Sequence[Any]) -> tuple[Axis, ...]:
        return tuple([self._axis(*row[:2]) for row in rows])

    def _axis(self, lists: Sequence[Any], key: Any) -> Axis:
        found = tuple([self._list_source(*row[:2]) for row in lists])
        if not found:
            raise ValueError("an axis has no list")
        return Axis(found, _path_or_none(key))

    def _list_source(self, source: Any, path: Any) -> ListSource:
        if type(source) is int and source < 0:
            return ListSource(self._inputs[-1 - source], _path(path), "input")
        return ListSource(self.earlier(source), _path(path))

    def _conditions(self, rows: Sequence[Any]) -> tuple[Condition, ...]:
        found = [Condition(self.earlier(row[0]), row[1], row[2]) for row in rows]
        if not all(type(n) is int for one in found for n in (one.watch, one.value)):
            raise ValueError("a condition has parts of the wrong type")
        return tuple(found)


def watches_from_data(rows: Sequence[Any]) -> tuple[Watch, ...]:
    """Return the watches of one task; raises ``ValueError`` for anything else."""
    return tuple([_watch(*row[:4]) for row in rows])


def _watch(kind: Any, path: Any, choices: Sequence[Any], key: Any) -> Watch:
    if kind not in _KINDS or not all(type(choice) in _CHOICES for choice in choices):
        raise ValueError("a watch has parts of the wrong type")
    return Watch(kind, _path(path), tuple(choices), _path_or_none(key))


def _path(path: Any) -> Path:
    if not isinstance(path, (list, tuple)) or not all(type(s) in (str, int) for s in path):
        raise ValueError("a path has parts of the wrong type")
    return tuple(path)


def _path_or_none(path: Any) -> Path | None:
    return None if path is None else _path(path)


def check_edges(specs: Sequence[TaskSpec]) -> None:
    """Check what tasks say of each other; raises ``ValueError``."""
    special = [spec for spec in specs if not has_plain_policy(spec)]
    known = {spec.task_id: spec for spec in specs} if special else {}
    for spec in special:
        for axis in spec.axes:
            for one in axis.lists:
                _check_list(spec, one, known)
        if not set(spec.tolerant) <= set(spec.needs):
            raise ValueError(f"task {spec.task_id!r} tolerates a task that it does not need")
        for condition in spec.conditions:
            watches = known[condition.source].watches
            is_known = condition.source in spec.needs and 0 <= condition.watch < len(watches)
            if not is_known or watches[condition.watch].kind == "length":
                raise ValueError(f"task {spec.task_id!r} has a condition on nothing")


def _check_list(spec: TaskSpec, one: ListSource, known: Mapping[str, TaskSpec]) -> None:
    if one.origin == "input":
        return
    source = known[one.source]
    if not any(w.kind == "length" and w.path == one.path for w in source.watches):
        raise ValueError(f"nothing tells the number of children of task {spec.task_id!r}")
    own = [axis.lists for axis in spec.axes]
    before = own[: next(n for n, lists in enumerate(own) if one in lists)]
    wanted = [axis.lists for axis in source.axes]
    if [lists for lists in before if lists in wanted] != wanted:
        raise ValueError(f"the axes of task {spec.task_id!r} are not in order")
