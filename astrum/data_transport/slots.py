"""Where an item starts and ends: the one reading of `DataItem`s, for merging and resolving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from astrum.data_transport.bindings import Path

if TYPE_CHECKING:
    from astrum.data_transport.items import AnyEnd, AnyItem, AnyTaskData
    from astrum.data_transport.models import TaskData


class Route(NamedTuple):
    """One item with its ends spelt out.

    ``name`` and ``position`` are those of the target's parameter; one of them may be None.
    ``source`` is "" when the value is supplied without a task. ``declared`` tells whether the
    `TaskData` that holds the item names the task at the other end.
    """

    source: str
    target: str
    name: str | None
    position: int | None
    item: AnyItem
    declared: bool


def routes_in(data: AnyTaskData) -> Iterator[Route]:
    """Yield the routes of one task's items, inputs first.

    An output item without ``to_relation`` goes nowhere and is left out.
    """
    if data.input_data_item:
        yield from _incoming(data, frozenset(data.from_tasks))
    if data.output_data_item:
        yield from _outgoing(data, frozenset(data.to_tasks))


def _incoming(data: AnyTaskData, known: frozenset[str]) -> Iterator[Route]:
    for item in data.input_data_item:
        origin, end = item.from_relation, item.to_relation
        target = (end.related_task if end else "") or data.task_id
        source = "" if origin is None or supplier(item) is not None else origin.related_task
        name, position = _slot(origin, end)
        yield Route(source, target, name, position, item, not source or source in known)


def _outgoing(data: AnyTaskData, known: frozenset[str]) -> Iterator[Route]:
    for item in data.output_data_item:
        origin, end = item.from_relation, item.to_relation
        if end is not None:
            source = (origin.related_task if origin else "") or data.task_id
            source = "" if supplier(item) is not None else source
            target = end.related_task
            name, position = _slot(origin, end)
            yield Route(source, target, name, position, item, not source or target in known)


def supplier(item: AnyItem) -> AnyEnd | None:
    """Return the end of ``item`` that supplies the value itself, if one does."""
    origin, end = item.from_relation, item.to_relation
    if origin is not None and origin.from_function is not None:
        return origin
    return end if end is not None and end.from_function is not None else None


def path_of(origin: AnyEnd | None) -> Path:
    """Return the part of the source's result that an item reads."""
    if origin is None or origin.single_item:
        return ()
    if origin.key is None:
        return () if origin.index is None else (origin.index,)
    return (origin.key,) if origin.index is None else (origin.key, origin.index)


def _slot(origin: AnyEnd | None, end: AnyEnd | None) -> tuple[str | None, int | None]:
    if end is not None and (end.key is not None or end.index is not None):
        return end.key, end.index
    if origin is not None and origin.key is not None:
        return origin.key, None
    return None, 0


def merge_task_data(explicit: Sequence[TaskData], generated: Sequence[TaskData]) -> list[TaskData]:
    """Return one `TaskData` per task: the explicit items, and the generated ones beside them.

    An explicit item wins over a generated one for the same parameter of the same task, from
    whichever end it is declared. The order is that of ``generated``, then of ``explicit``.
    ``from_tasks`` and ``to_tasks`` name what remains.
    """
    if not explicit:
        return list(generated)
    taken = {slot for data in explicit for route in routes_in(data) for slot in _slots(route)}
    kept = [_without(data, taken) for data in generated]
    sources, targets = _topology(route for data in kept for route in routes_in(data))
    merged = {data.task_id: _relating(data, sources, targets) for data in kept}
    for task_id, data in _by_task(explicit).items():
        beside = merged.get(task_id)
        merged[task_id] = data if beside is None else _joined(data, beside)
    return list(merged.values())


_Slot = tuple[str, str | int]
_Neighbours = Mapping[str, Mapping[str, None]]


def _by_task(explicit: Sequence[TaskData]) -> dict[str, TaskData]:
    stated: dict[str, TaskData] = {}
    for data in explicit:
        known = stated.get(data.task_id)
        stated[data.task_id] = data if known is None else _joined(known, data)
    return stated


def _slots(route: Route) -> Iterator[_Slot]:
    if route.name is not None:
        yield route.target, route.name
    if route.position is not None:
        yield route.target, route.position


def _without(data: TaskData, taken: set[_Slot]) -> TaskData:
    gone = {id(r.item) for r in routes_in(data) if not taken.isdisjoint(_slots(r))}
    if not gone:
        return data
    return data.model_copy(
        update={
            "input_data_item": [item for item in data.input_data_item if id(item) not in gone],
            "output_data_item": [item for item in data.output_data_item if id(item) not in gone],
        }
    )


def _topology(routes: Iterable[Route]) -> tuple[_Neighbours, _Neighbours]:
    sources: dict[str, dict[str, None]] = {}
    targets: dict[str, dict[str, None]] = {}
    for route in routes:
        if route.source:
            sources.setdefault(route.target, {})[route.source] = None
            targets.setdefault(route.source, {})[route.target] = None
    return sources, targets


def _relating(data: TaskData, sources: _Neighbours, targets: _Neighbours) -> TaskData:
    from_tasks = list(sources.get(data.task_id, ()))
    to_tasks = list(targets.get(data.task_id, ()))
    if from_tasks == data.from_tasks and to_tasks == data.to_tasks:
        return data
    return data.model_copy(update={"from_tasks": from_tasks, "to_tasks": to_tasks})


def _joined(first: TaskData, second: TaskData) -> TaskData:
    return first.model_copy(
        update={
            "input_data_item": [*first.input_data_item, *second.input_data_item],
            "output_data_item": [*first.output_data_item, *second.output_data_item],
            "from_tasks": list(dict.fromkeys([*first.from_tasks, *second.from_tasks])),
            "to_tasks": list(dict.fromkeys([*first.to_tasks, *second.to_tasks])),
        }
    )
