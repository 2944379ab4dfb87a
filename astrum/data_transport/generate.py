"""From the annotations of all tasks to explicit `TaskData`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

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
    from astrum.data_transport.generator import Generator

    generator = Generator(task_func_map)
    task_ids = list(dict.fromkeys(order.task_name for order in task_orders))
    for task_id in task_ids:
        if task_id not in task_func_map:
            raise ValueError(f"task {task_id!r} has no function")
        generator.read(task_id)
    return [generator.task_data(task_id) for task_id in task_ids]
