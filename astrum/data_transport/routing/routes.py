"""The route of one value from a task's result to a parameter, however it was declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from astrum.data_transport.bindings import Path
from astrum.data_transport.declared.signatures import ABSENT, Parameter

if TYPE_CHECKING:
    from astrum.data_transport.models import DataItem, DTRela, TaskData

Neighbours = Mapping[str, Mapping[str, None]]
"""Task id to the ids of others, in order."""


class Route(NamedTuple):
    """One annotation or one item, in a form that is small enough for large graphs.

    ``name`` and ``position`` are those of the target's parameter; one of them may be None, and
    ``parameter`` is that parameter if it is already known. ``provider``, unless `ABSENT`,
    supplies the value without a task; ``source`` is then "". ``default``, unless `ABSENT`,
    replaces a part that the result does not have. ``allowed`` is a class that the value must
    have in addition to what the parameter declares. ``declared`` is true if the `TaskData` that
    holds the item names the task at the other end.
    """

    source: str
    target: str
    name: str | None
    position: int | None
    path: Path = ()
    parameter: Parameter | None = None
    allowed: type | None = None
    provider: Any = ABSENT
    declared: bool = True
    default: Any = ABSENT


def routes_of(task_data: Iterable[TaskData]) -> Iterator[Route]:
    """Yield the routes of all items, task by task, inputs first.

    An output item without ``to_relation`` has no target and is left out.
    """
    for data in task_data:
        for _, route in routes_in(data):
            yield route


def routes_in(data: TaskData) -> Iterator[tuple[DataItem, Route]]:
    """Yield each item of one task that has a target, with its route."""
    known = frozenset(data.from_tasks)
    for item in data.input_data_item:
        origin, end = item.from_relation, item.to_relation
        source = origin.related_task if origin else ""
        target = (end.related_task if end else "") or data.task_id
        yield item, _route(item, source, target, source in known)
    known = frozenset(data.to_tasks)
    for item in data.output_data_item:
        origin, end = item.from_relation, item.to_relation
        if end is not None:
            source = (origin.related_task if origin else "") or data.task_id
            yield item, _route(item, source, end.related_task, end.related_task in known)


def topology(routes: Iterable[Route]) -> tuple[Neighbours, Neighbours]:
    """Return the sources of each target and the targets of each source."""
    sources: dict[str, dict[str, None]] = {}
    targets: dict[str, dict[str, None]] = {}
    for route in routes:
        if route.source:
            sources.setdefault(route.target, {})[route.source] = None
            targets.setdefault(route.source, {})[route.target] = None
    return sources, targets


def _route(item: DataItem, source: str, target: str, declared: bool) -> Route:
    origin, end = item.from_relation, item.to_relation
    provider = _provider(origin, end)
    source = source if provider is ABSENT else ""
    return Route(
        source,
        target,
        *_slot(origin, end),
        path=_path(origin),
        allowed=item.allow_data_model,
        provider=provider,
        declared=declared or not source,
        default=ABSENT if origin is None else origin.default,
    )


def _provider(origin: DTRela | None, end: DTRela | None) -> Any:
    for side in (origin, end):
        if side is not None and side.from_function is not None:
            return side.from_function
    return ABSENT


def _path(origin: DTRela | None) -> Path:
    if origin is None or origin.single_item:
        return ()
    return tuple(step for step in (origin.key, origin.index) if step is not None)


def _slot(origin: DTRela | None, end: DTRela | None) -> tuple[str | None, int | None]:
    if end is not None and (end.key is not None or end.index is not None):
        return end.key, end.index
    if origin is not None and origin.key is not None:
        return origin.key, None
    return None, 0
