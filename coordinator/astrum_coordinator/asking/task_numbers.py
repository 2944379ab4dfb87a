"""Finds tasks of a run by the names that people give."""

from __future__ import annotations

from astrum.errors import TaskNotFoundError, nearest
from astrum.machine.state import RunState


def number_of(state: RunState, name: str, run_id: str) -> int:
    """Return the number of a task or child; raises `TaskNotFoundError` with the nearest name."""
    number = state.tasks.find_name(name)
    if number is None:
        hint = nearest(name, state.plan.index)
        raise TaskNotFoundError(f"run {run_id} has no task {name!r}{hint}")
    return number
