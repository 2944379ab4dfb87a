"""The options of `@task`: the one list of their names and types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from astrum.data_transport.annotations import Case, From
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
    - ``each``: how two lists that parameters go through with `Each` go together: ``"zip"`` gives a
      child for each pair, ``"product"`` for each combination.
    - ``after``: tasks that must have ended before, in whatever way.
    - ``when``: ``F("check")``, a bool, or ``Case("route", "kind", equals="refund")``: if it does
      not hold, the task is skipped.
    - ``on_failure``: what a failure means for the run: ``"stop"`` cancels the rest, ``"continue"``
      lets go on what does not need it, and the run fails at the end; ``"ignore"`` lets the run
      succeed (default: that of `AstrumConfig`).
    - ``always``: the task runs also while the run stops, if what it needs is there.
    - ``on_lost``: what follows when the worker of an attempt dies: ``"retry"`` (default),
      ``"fail"``, or ``"hold"`` until ``release`` says what to do.
    - ``max_failed``: how many of its children may fail: an int is a count, a float a share.
    - ``at_once``: how many of its children run at once in a run.
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
    each: Literal["zip", "product"] | None
    after: Iterable[Reference] | None
    when: From | Case | None
    on_failure: Literal["stop", "continue", "ignore"] | None
    always: bool
    on_lost: Literal["retry", "fail", "hold"]
    max_failed: int | float | None
    at_once: int | None


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
