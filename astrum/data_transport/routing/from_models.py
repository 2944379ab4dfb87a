"""Converts `TaskData` into routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from astrum.data_transport.bindings import PLAIN, Path, Reads, Tolerance
from astrum.data_transport.declared.mark_checks import path_of
from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.routing.routes import Route

if TYPE_CHECKING:  # pydantic loads slowly
    from astrum.data_transport.models import DataItem, DTRela, TaskData


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
        source = _source(origin)
        target = (end.related_task if end else "") or data.task_id
        declared = source in known or _reads_input(origin)
        yield item, _route(item, source, target, declared)
    known = frozenset(data.to_tasks)
    for item in data.output_data_item:
        origin, end = item.from_relation, item.to_relation
        if end is not None:
            source = (origin.related_task if origin else "") or data.task_id
            yield item, _route(item, source, end.related_task, end.related_task in known)


def _reads_input(origin: DTRela | None) -> bool:
    return origin is not None and origin.input is not None


def _source(origin: DTRela | None) -> str:
    if origin is None:
        return ""
    return origin.related_task if origin.input is None else origin.input


def _route(item: DataItem, source: str, target: str, declared: bool) -> Route:
    origin, end = item.from_relation, item.to_relation
    provider = _provider(origin, end)
    source = source if provider is ABSENT else ""
    return Route(
        source,
        target,
        *_slot(origin, end),
        path=_path(origin),
        reads=PLAIN if origin is None else _reads(origin),
        allowed=item.allow_data_model,
        provider=provider,
        declared=declared or not source,
        default=ABSENT if origin is None else origin.default,
        origin="input" if _reads_input(origin) else "task",
        secret=origin is not None and origin.secret,
    )


def _provider(origin: DTRela | None, end: DTRela | None) -> Any:
    for side in (origin, end):
        if side is not None and side.from_function is not None:
            return side.from_function
    return ABSENT


def _path(origin: DTRela | None) -> Path:
    if origin is None or origin.single_item:
        return ()
    if origin._declared is not None:
        return origin._declared[0]
    return tuple(step for step in (origin.key, origin.index) if step is not None)


def _reads(origin: DTRela) -> Reads:
    if origin._declared is not None:
        return origin._declared[1]
    tolerance: Tolerance = origin.missing or ("" if origin.default is ABSENT else "default")
    if not (origin.each or origin.also or tolerance):
        return PLAIN
    return Reads(int(origin.each), path_of(origin.item), None, tuple(origin.also), tolerance)


def _slot(origin: DTRela | None, end: DTRela | None) -> tuple[str | None, int | None]:
    if end is not None and (end.key is not None or end.index is not None):
        return end.key, end.index
    if origin is not None and origin.input is not None:
        return origin.input, None
    if origin is not None and origin.key is not None:
        return origin.key, None
    return None, 0
