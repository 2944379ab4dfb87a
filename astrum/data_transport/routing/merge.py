"""Merges explicit `TaskData` with the relations that annotations declare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from astrum.data_transport.routing.from_models import routes_in, routes_of
from astrum.data_transport.routing.routes import Neighbours, Route, topology

if TYPE_CHECKING:
    from astrum.data_transport.models import TaskData

_Slot = tuple[str, str | int]


def merge_task_data(explicit: Sequence[TaskData], generated: Sequence[TaskData]) -> list[TaskData]:
    """Return one `TaskData` per task: the explicit items, and the generated ones beside them.

    An explicit item replaces a generated one for the same parameter of the same task, no matter
    at which end it is declared. The order is that of ``generated``, then of ``explicit``.
    ``from_tasks`` and ``to_tasks`` name the tasks of the items that remain.
    """
    if not explicit:
        return list(generated)
    taken = {slot for route in routes_of(explicit) for slot in _slots(route)}
    kept = [_without(data, taken) for data in generated]
    sources, targets = topology(routes_of(kept))
    merged = {data.task_id: _relating(data, sources, targets) for data in kept}
    for task_id, data in _by_task(explicit).items():
        beside = merged.get(task_id)
        merged[task_id] = data if beside is None else _joined(data, beside)
    return list(merged.values())


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
    gone = {id(item) for item, r in routes_in(data) if not taken.isdisjoint(_slots(r))}
    if not gone:
        return data
    return data.model_copy(
        update={
            "input_data_item": [item for item in data.input_data_item if id(item) not in gone],
            "output_data_item": [item for item in data.output_data_item if id(item) not in gone],
        }
    )


def _relating(data: TaskData, sources: Neighbours, targets: Neighbours) -> TaskData:
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
