"""The options of `@task`: the one list of their names and types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from astrum.errors import nearest
from astrum.planning.retry_policy import RetryPolicy

if TYPE_CHECKING:
    from astrum.data_transport import TaskData

Reference = str | Callable[..., Any]
"""A task, by its id or by its function."""


class TaskOptions(TypedDict, total=False):
    """The options of `@task`, all of which may be left out.

    - ``depends_on``: tasks that must have succeeded first, by id or by function.
    - ``data``: relations as a `TaskData` object, in place of or beside annotations.
    - ``retry``: how many more times a failed task is tried (default 0), or a `RetryPolicy`.
    - ``timeout``: the seconds that one attempt may take (default: no limit).
    - ``queue``: only workers that serve this queue run the task (default: ``"default"``).
    - ``priority``: from -9 to 9 (default 0); of the tasks that could begin, the higher ones do
      first.
    - ``version``: names the version of the task's code, in place of a digest of its source.
    """

    depends_on: Iterable[Reference] | None
    data: TaskData | None
    retry: int | RetryPolicy
    timeout: float | None
    queue: str
    priority: int
    version: str | None


def check_option_names(task_id: Any, options: Iterable[str], *others: str) -> None:
    """Raise ``TypeError`` for a name that is not an option, with the nearest one that is.

    ``others`` are further keywords that the caller accepts.
    """
    known = (*TaskOptions.__annotations__, *others)
    for name in options:
        if name not in known:
            what = "@task" if task_id is None else f"task {task_id!r}"
            raise TypeError(
                f"{what} has no option {name!r}{nearest(name, known)} "
                f"(the options are {', '.join(known)})"
            )
