"""What a plan says of a task beyond its needs: children, conditions and policies, as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import locate
from astrum.errors import LocateError
from astrum.execution.invoke import Flow
from astrum.planning.alignment import aligned
from astrum.planning.axes import Axis, Condition, ListSource, condition_text, dotted
from astrum.planning.plan import Plan, TaskSpec
from astrum.values.payload import MAX_VALUE_BYTES

UNKNOWN = "n"
_ON_FAILURE = {"continue": "keeps going", "ignore": "may fail"}


class Lengths:
    """The lengths of lists in the inputs that a run would be given; of secret ones nothing."""

    def __init__(self, flow: Flow, values: Mapping[str, Any]) -> None:
        self._values = {
            name: value
            for name, value in values.items()
            if not (name in flow.inputs and flow.inputs[name].secret)
        }

    def children(self, axes: Iterable[Axis]) -> int | None:
        """Return the number of children of a task with these axes, None if it is not known."""
        lengths = [self._axis(axis) for axis in axes]
        known = [length for length in lengths if length is not None]
        return math.prod(known) if len(known) == len(lengths) else None

    def _axis(self, axis: Axis) -> int | None:
        return next((n for one in axis.lists if (n := self._list(one)) is not None), None)

    def _list(self, one: ListSource) -> int | None:
        if one.origin != "input" or one.source not in self._values:
            return None
        try:
            found = locate(self._values[one.source], one.path)
        except LocateError:
            return None
        return len(found) if isinstance(found, (list, tuple)) else None


def details(plan: Plan, spec: TaskSpec, lengths: Lengths) -> str:
    """Return what is special about a task, in short parts; "" for a plain one.

    >>> details(Plan("x", ()), TaskSpec("clean", always=True, on_failure="continue"), None)
    'always · keeps going'
    """
    return " · ".join(_parts(plan, spec, lengths))


def label(plan: Plan, spec: TaskSpec, lengths: Lengths) -> str:
    """Return the name of a task, the number of its children, and what is special about it.

    >>> label(Plan("x", ()), TaskSpec("clean", always=True), None)
    'clean · always'
    """
    times = ""
    if spec.axes:
        count = lengths.children(spec.axes)
        times = f" ×{UNKNOWN if count is None else f'{count:,}'}"
    more = details(plan, spec, lengths)
    return f"{spec.task_id}{times}{f' · {more}' if more else ''}"


def _parts(plan: Plan, spec: TaskSpec, lengths: Lengths) -> Iterator[str]:
    if spec.axes:
        yield f"each of {axes_text(spec.axes)}"
    for condition in spec.conditions:
        watch = plan.tasks[plan.index[condition.source]].watches[condition.watch]
        yield f"when {condition_text(condition.source, watch, condition.value)}"
    if spec.always:
        yield "always"
    if spec.on_failure != "stop":
        yield _ON_FAILURE[spec.on_failure]
    if spec.on_lost != "retry":
        yield f"if lost: {spec.on_lost}"
    if spec.max_failed is not None:
        most = spec.max_failed
        text = f"{100 * most:g} %" if isinstance(most, float) else f"{most:,}"
        yield f"at most {text} failed"
    if spec.at_once is not None:
        yield f"{spec.at_once:,} at once"


def axes_text(axes: Iterable[Axis]) -> str:
    """Return the lists that the children of a task go through; several axes stand in brackets.

    >>> axes_text([Axis((ListSource("docs", (), "input"),)), Axis((ListSource("pages"),))])
    '[input docs, pages]'
    """
    shown = [_axis_text(axis) for axis in axes]
    return f"[{', '.join(shown)}]" if len(shown) > 1 else shown[0]


def _axis_text(axis: Axis) -> str:
    lists = " + ".join(_list_text(one) for one in axis.lists)
    if axis.key is None:
        return lists
    return f"{lists} by {dotted('', axis.key).removeprefix('.') or 'itself'}"


def _list_text(one: ListSource) -> str:
    return f"{'input ' if one.origin == 'input' else ''}{dotted(one.source, one.path)}"


def legend(specs: Iterable[TaskSpec]) -> str:
    """Return what the signs in a tree of these tasks mean; "" if it has none.

    >>> legend([TaskSpec("merge", ("load", "parse"), tolerant=("parse",))])
    '?: runs however that task ends; also after: it needs these too'
    """
    shown = list(specs)
    signs = {
        f"×{UNKNOWN}: one child for each element of a list": any(spec.axes for spec in shown),
        "?: runs however that task ends": any(spec.tolerant for spec in shown),
        "also after: it needs these too": any(len(spec.needs) > 1 for spec in shown),
    }
    return "; ".join(text for text, occurs in signs.items() if occurs)


def gathers(plan: Plan, lengths: Lengths) -> Iterator[str]:
    """Yield a line for each gathered list of known length: what its results may weigh."""
    for spec in plan.tasks:
        for binding in spec.bindings:
            count = _gathered(plan, spec, binding, lengths)
            if count:
                yield (
                    f"{spec.task_id}.{binding.parameter} gathers ×{count:,} results of "
                    f"{binding.source}: at most {_size(MAX_VALUE_BYTES)} together, "
                    f"{_size(MAX_VALUE_BYTES // count)} each"
                )


def _gathered(plan: Plan, spec: TaskSpec, binding: Binding, lengths: Lengths) -> int | None:
    if binding.origin == "input" or binding.others:
        return None
    axes = plan.tasks[plan.index[binding.source]].axes
    inner = axes[len(aligned(spec.axes, axes)) :]
    return lengths.children(inner) if inner and binding.item is None else None


def _size(count: int) -> str:
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:,.3g} {unit}"
    return f"{count} bytes"


# --- for programs ---------------------------------------------------------------------------


def more_to_json(plan: Plan, spec: TaskSpec, lengths: Lengths) -> dict[str, Any]:
    """Return the same as values for JSON."""
    return {
        "axes": [
            {
                "lists": [
                    {"origin": one.origin, "source": one.source, "path": list(one.path)}
                    for one in axis.lists
                ],
                "key": None if axis.key is None else list(axis.key),
            }
            for axis in spec.axes
        ],
        "children": lengths.children(spec.axes) if spec.axes else None,
        "tolerant": list(spec.tolerant),
        "conditions": [_condition_to_json(plan, one) for one in spec.conditions],
        "on_failure": spec.on_failure,
        "always": spec.always,
        "on_lost": spec.on_lost,
        "max_failed": spec.max_failed,
        "at_once": spec.at_once,
    }


def _condition_to_json(plan: Plan, condition: Condition) -> dict[str, Any]:
    watch = plan.tasks[plan.index[condition.source]].watches[condition.watch]
    equals = True if watch.kind == "truth" else watch.choices[condition.value]
    return {"source": condition.source, "path": list(watch.path), "equals": equals}


def binding_to_json(binding: Binding) -> dict[str, Any]:
    """Return how a binding reads its source, beside one whole value."""
    return {
        "item": None if binding.item is None else list(binding.item),
        "others": list(binding.others),
        "missing": binding.holes or None,
    }
