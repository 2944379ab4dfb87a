"""Finds tasks of a run by the names that people give."""

from __future__ import annotations

from astrum.errors import TaskNotFoundError, nearest
from astrum.machine.state import RunState


def number_of(state: RunState, name: str, run_id: str) -> int:
    """Return the number of a task or child; raises `TaskNotFoundError` with the nearest name."""
    number = state.tasks.find_name(name)
    if number is None:
        raise TaskNotFoundError(f"run {run_id} has no task {name!r}{_hint(state, name)}")
    return number


def _hint(state: RunState, name: str) -> str:
    task_id, bracket, _ = name.partition("[")
    task = state.plan.index.get(task_id) if bracket else None
    if task is None:
        return nearest(task_id, state.plan.index)
    if task not in state.tasks.roots:
        return f": task {task_id!r} has no children"
    count = state.tasks.counts.get(task)
    if count is None:
        return f": the children of task {task_id!r} are not known yet"
    first = next(state.tasks.children(task), None)
    such_as = "" if first is None else f", such as {state.tasks.name(first)!r}"
    return f": task {task_id!r} has {count} children{such_as}"
