"""Finds tasks of a run by the names that people give."""

from __future__ import annotations

from itertools import islice

from astrum.errors import TaskNotFoundError, nearest
from astrum.machine.state import RunState
from astrum.machine.task_state import FAILED, HELD, OUTSTANDING, SUCCEEDED
from astrum.planning.child_names import possible_parents


def number_of(state: RunState, name: str, run_id: str) -> int:
    """Return the number of a task or child; raises `TaskNotFoundError` with the nearest name."""
    number = state.tasks.find_name(name)
    if number is None:
        raise TaskNotFoundError(f"run {run_id} has no task {name!r}{_hint(state, name)}")
    return number


def children_named(state: RunState, beginning: str, limit: int) -> dict[str, str]:
    """Return children whose names begin so, with their states; at most ``limit``, the most needed.

    ``beginning`` names their task: ``parse[`` or ``parse[12``. Those that are held come first, then
    those that failed, and those that run or wait for a worker.
    """
    template = state.tasks.find_parent(beginning)
    if template is None:
        return {}
    found: dict[int, list[str]] = {}
    for child in state.tasks.children(template):
        name = state.tasks.name(child)
        if name.startswith(beginning):
            found.setdefault(state.states[child], []).append(name)
    first = sorted(found, key=lambda one: _NEEDED.index(one) if one in _NEEDED else len(_NEEDED))
    rows = ((name, _STATE_NAMES.get(one, "")) for one in first for name in found[one])
    return dict(islice(rows, limit))


_NEEDED = (HELD, FAILED, OUTSTANDING)
_STATE_NAMES = {HELD: "held", FAILED: "failed", OUTSTANDING: "under way", SUCCEEDED: "completed"}


def _hint(state: RunState, name: str) -> str:
    task = state.tasks.find_parent(name)
    if task is None:
        plain = next(filter(state.plan.index.__contains__, possible_parents(name)), None)
        hint = nearest(name.partition("[")[0], state.plan.index)
        return hint if plain is None else f": task {plain!r} has no children"
    task_id = state.plan.tasks[task].task_id
    count = state.tasks.counts.get(task)
    if count is None:
        return f": the children of task {task_id!r} are not known yet"
    first = next(state.tasks.children(task), None)
    such_as = "" if first is None else f", such as {state.tasks.name(first)!r}"
    return f": task {task_id!r} has {count} children{such_as}"
