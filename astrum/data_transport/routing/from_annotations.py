"""Builds the relations between tasks from their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from astrum.data_transport.routing.declared_routes import Generator
from astrum.data_transport.routing.routes import DeclaredRoutes, Route, topology

if TYPE_CHECKING:
    from astrum.data_transport.models import TaskData

_Functions = Mapping[str, Callable[..., Any]]


class NamedTask(Protocol):
    """The part of a `TaskOrder` that is read here."""

    @property
    def task_name(self) -> str: ...


def auto_generate_data_transports(
    task_orders: Iterable[NamedTask], task_func_map: _Functions
) -> list[TaskData]:
    """Return the relations that the tasks' annotations declare, one `TaskData` per task, in order.

    A `From` is an input item of the task that reads, a `To` an output item of the task that
    sends; ``from_tasks`` and ``to_tasks`` are filled on both. Raises ``ValueError``, naming task
    and place, for an invalid relation or a task that does not exist.
    """
    from astrum.data_transport.routing.to_models import task_data_of  # pydantic loads slowly

    task_ids = dict.fromkeys(order.task_name for order in task_orders)
    declared = dict(_read(task_ids, task_func_map))
    sources, targets = topology(_flat(declared.values()))
    return [
        task_data_of(
            task_id, routes, list(sources.get(task_id, ())), list(targets.get(task_id, ()))
        )
        for task_id, routes in declared.items()
    ]


def declared_routes(task_ids: Iterable[str], functions: _Functions) -> list[Route]:
    """Return what the annotations of these tasks declare; see `auto_generate_data_transports`."""
    return list(_flat(routes for _, routes in _read(task_ids, functions)))


def _read(task_ids: Iterable[str], functions: _Functions) -> Iterator[tuple[str, DeclaredRoutes]]:
    generator = Generator(functions)
    for task_id in task_ids:
        if task_id not in functions:
            raise ValueError(f"task {task_id!r} has no function")
        yield task_id, generator.read(task_id)


def _flat(declared: Iterable[DeclaredRoutes]) -> Iterator[Route]:
    for reads, sends in declared:
        yield from reads
        if sends is not None:
            yield sends
