"""The lists in a run's inputs that tasks have children for: their checks and their lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from astrum.data_transport.locate import describe, locate, shown_path
from astrum.errors import LocateError, ObservationError, TransportError
from astrum.execution.gathering import Fetching, worked
from astrum.execution.observing import is_list, keys_of
from astrum.planning.axes import ListSource
from astrum.planning.plan import Plan, TaskSpec
from astrum.values.compression import inflate, inflated_bytes
from astrum.values.lists import list_length, same_items, split
from astrum.values.payload import EncodedResult
from astrum.values.projection import project
from astrum.values.references import BlobRef, reference_of

_NIL = b"\xc0"
"""The encoded `None`, in place of an input that the run was created without."""


def input_lists(plan: Plan) -> dict[ListSource, str]:
    """Return the lists in inputs that tasks have children for, each with the first such task."""
    found: dict[ListSource, str] = {}
    for spec, one in _lists(plan):
        found.setdefault(one, spec.task_id)
    return found


def _lists(plan: Plan) -> Iterator[tuple[TaskSpec, ListSource]]:
    if plan.is_plain:
        return
    for spec in plan.tasks:
        for axis in spec.axes:
            for one in axis.lists:
                if one.origin == "input":
                    yield spec, one


def lengths_of_inputs(plan: Plan, values: Mapping[str, Any]) -> dict[ListSource, int]:
    """Return the lengths of the lists in inputs that have been checked."""
    return {one: len(locate(values[one.source], one.path)) for one in input_lists(plan)}


def fetching_lengths(plan: Plan, inputs: Mapping[str, bytes]) -> Fetching[dict[ListSource, int]]:
    """Return the lengths of the lists in encoded inputs, or in references to them.

    Raises `TransportError` if there is no such list.
    """
    found: dict[ListSource, int] = {}
    for one in input_lists(plan):
        data, path = inputs.get(one.source, _NIL), one.path
        reference = reference_of(data)
        if reference is not None:
            data = yield BlobRef(reference.digest, reference.size)
            path = (*reference.path, *path)
        found[one] = yield from worked(partial(list_length, data, path), inflated_bytes(data))
    return found


def lengths_of_encoded(plan: Plan, inputs: Mapping[str, EncodedResult]) -> dict[ListSource, int]:
    """Return the lengths of the lists in inputs on their way to the store; 0 without such a list.

    It may take long, as it reads big values.
    """
    return {one: _encoded_length(one, inputs.get(one.source)) for one in input_lists(plan)}


def _encoded_length(one: ListSource, given: EncodedResult | None) -> int:
    try:
        return 0 if given is None else list_length(whole_value(given), one.path)
    except TransportError:
        return 0


def whole_value(given: EncodedResult) -> bytes:
    """Return an input on its way to the store as one encoded value, without a reference."""
    reference = reference_of(given.value)
    if given.blob is None or reference is None:
        return given.value
    return project(inflate(given.blob.data), reference.path)


def same_elements(
    plan: Plan, one: ListSource, old: bytes | None, new: bytes
) -> dict[int, int] | None:
    """Return which elements of a list in an input were in an older value of it, and where there.

    If its elements have keys, they are found wherever they were; without, only at the same number,
    which is what the children are named by. `None` if one of the values has no such list.
    """
    axes = [axis for spec in plan.tasks for axis in spec.axes if axis.lists[0] == one]
    by_place = all(axis.key is None for axis in axes)
    try:
        return same_items(split(old or _NIL, one.path), split(new, one.path), by_place=by_place)
    except TransportError:
        return None


def list_mistakes(plan: Plan, values: Mapping[str, Any], secrets: frozenset[str]) -> list[str]:
    """Return one sentence for each list in the inputs that cannot give its tasks their children.

    Others find inputs that are not there. The value of one in ``secrets`` is not shown.
    """
    if plan.is_plain:
        return []
    lengths: dict[ListSource, int] = {}
    mistakes: list[str] = []
    for one, task_id in input_lists(plan).items():
        if one.source not in values:
            continue
        try:
            lengths[one] = _length(plan, one, task_id, values[one.source])
        except (ObservationError, LocateError) as error:
            what = f"the input {one.source!r}"
            hidden = f"{what} does not have what task {task_id!r} runs once for each of"
            text = error.about(what) if isinstance(error, LocateError) else str(error)
            mistakes.append(hidden if one.source in secrets else text)
    return mistakes + [text for spec in plan.tasks for text in _unequal(spec, lengths)]


def _length(plan: Plan, one: ListSource, task_id: str, value: Any) -> int:
    items = locate(value, one.path)
    what = shown_path(one.path, f"the input {one.source!r}")
    if not is_list(items):
        raise ObservationError(
            f"{what} is {describe(items)}; task {task_id!r} runs once for each of its elements, so "
            "give a list or a tuple"
        )
    if len(items) > plan.max_children:
        raise ObservationError(
            f"{what} has {len(items):,} elements, and task {task_id!r} may have "
            f"{plan.max_children:,} children: give fewer, or raise max_children of AstrumConfig"
        )
    keys = {axis.key for spec in plan.tasks for axis in spec.axes if axis.lists[0] == one}
    for key in keys - {None}:
        keys_of(items, key or (), what)
    return len(items)


def _unequal(spec: TaskSpec, lengths: Mapping[ListSource, int]) -> Iterator[str]:
    for axis in spec.axes:
        known = [(one, lengths[one]) for one in axis.lists if one in lengths]
        if len({length for _, length in known}) > 1:
            shown = " and ".join(
                f"{shown_path(one.path, f'the input {one.source!r}')} has {length:,}"
                for one, length in known
            )
            yield (
                f"task {spec.task_id!r} goes through its lists together, but {shown} elements: "
                "give lists of the same length"
            )
