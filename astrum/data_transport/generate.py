"""From the annotations of all tasks to the relations between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from astrum.data_transport.generator import Generator
from astrum.data_transport.items import TaskItems

if TYPE_CHECKING:
    from astrum.data_transport.models import TaskData


class NamedTask(Protocol):
    """What is read of a `TaskOrder`."""

    @property
    def task_name(self) -> str: ...


def auto_generate_data_transports(
    task_orders: Iterable[NamedTask], task_func_map: Mapping[str, Callable[..., Any]]
) -> list[TaskData]:
    """Return the relations that the tasks' annotations declare, one `TaskData` per task, in order.

    A `From` is an input item of the task that reads, a `To` an output item of the task that
    sends; ``from_tasks`` and ``to_tasks`` are filled on both. Raises ``ValueError``, naming task
    and place, for a relation that makes no sense or a task that does not exist.
    """
    from astrum.data_transport.models import task_data_of  # pydantic loads slowly

    task_ids = dict.fromkeys(order.task_name for order in task_orders)
    return [task_data_of(items) for items in declared_items(task_ids, task_func_map)]


def declared_items(
    task_ids: Iterable[str], functions: Mapping[str, Callable[..., Any]]
) -> list[TaskItems]:
    """Return what the annotations of these tasks declare; see `auto_generate_data_transports`."""
    generator = Generator(functions)
    task_ids = list(task_ids)
    for task_id in task_ids:
        if task_id not in functions:
            raise ValueError(f"task {task_id!r} has no function")
        generator.read(task_id)
    return [generator.items(task_id) for task_id in task_ids]
