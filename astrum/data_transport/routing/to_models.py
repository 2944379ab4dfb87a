"""Converts the routes that annotations declare into models. Needs pydantic, which loads slowly."""

from __future__ import annotations

from typing import Any

from astrum.data_transport.annotations import NO_DEFAULT
from astrum.data_transport.bindings import PLAIN
from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.models import DataItem, DTRela, TaskData
from astrum.data_transport.routing.routes import DeclaredRoutes, Route
from astrum.data_transport.types.class_fields import reduced


def task_data_of(
    task_id: str, declared: DeclaredRoutes, from_tasks: list[str], to_tasks: list[str]
) -> TaskData:
    """Return as models what the annotations declare."""
    return TaskData.model_construct(
        task_id=task_id,
        input_data_item=[_data_item(route, _class_read_by(route)) for route in declared.reads],
        # The receiver declares the type of what it gets.
        output_data_item=[_data_item(declared.sends, None)] if declared.sends else [],
        from_tasks=from_tasks,
        to_tasks=to_tasks,
    )


def _class_read_by(route: Route) -> type | None:
    return reduced(route.parameter.annotation) if route.parameter else None


def _data_item(route: Route, allowed: type | None) -> DataItem:
    slot = route.name if route.name is not None else route.position
    step = route.path[0] if route.path else None
    key = step if isinstance(step, str) else None
    index = step if isinstance(step, int) else None
    return DataItem.model_construct(
        allow_data_model=allowed,
        data_ref=f"{route.source}->{route.target}.{slot}",
        from_relation=_source(route, key, index, step is None),
        to_relation=_rela(route.target, route.name, route.position),
    )


def _source(route: Route, key: str | None, index: int | None, whole: bool) -> DTRela:
    source = _of_origin(route, key, index, whole)
    if route.reads is PLAIN:
        return source
    each, item, _, others, tolerance = route.reads
    source = source.model_copy(
        update={
            "each": each > 0,
            "item": item[0] if item else None,
            "also": list(others),
            "missing": "" if tolerance == "default" else tolerance,
        }
    )
    source._declared = (route.path, route.reads)
    return source


def _of_origin(route: Route, key: str | None, index: int | None, whole: bool) -> DTRela:
    if route.provider is not ABSENT:  # a resource
        return _rela("", key, index, whole).model_copy(update={"from_function": route.provider})
    if route.origin == "task":
        return _rela(route.source, key, index, whole, route.default)
    source = _rela("", key, index, whole)
    return source.model_copy(update={"input": route.source, "secret": route.secret})


def _rela(
    task_id: str,
    key: str | None,
    index: int | None,
    whole: bool = False,
    default: Any = NO_DEFAULT,
) -> DTRela:
    return DTRela.model_construct(
        key=key,
        index=index,
        single_item=whole,
        related_task=task_id,
        from_function=None,
        default=default,
    )
