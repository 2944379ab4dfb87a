"""Resolves the data relations of a graph to inputs, checks them and adds them to the needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astrum.config import AstrumConfig
from astrum.data_transport import (
    auto_generate_data_transports,
    declared_routes,
    merge_task_data,
    resolve_inputs,
    routes_of,
    unfilled,
)
from astrum.data_transport.bindings import TaskInputs
from astrum.data_transport.declared.fast_paths import may_relate
from astrum.data_transport.declared.signatures import annotations_of
from astrum.errors import TaskRegistrationError
from astrum.planning.order import TaskOrder, walk_upstream_first

if TYPE_CHECKING:
    from astrum.data_transport import TaskData

MANY = 10
"""With this many dependencies or more, making a set for look-ups is faster than a list."""

Functions = Mapping[str, Callable[..., Any]]


def resolve_task_inputs(
    functions: Functions, explicit: Sequence[TaskData]
) -> dict[str, TaskInputs]:
    """Return what fills the parameters of each task, from annotations and ``explicit`` together.

    Raises `TaskRegistrationError` for a relation that is not valid.
    """
    related = list(_tasks_with_relations(functions))
    if not related and not explicit:
        return {}
    try:
        if not explicit:
            return resolve_inputs(declared_routes(related, functions), functions)
        generated = auto_generate_data_transports(map(TaskOrder, related), functions)
        return resolve_inputs(routes_of(merge_task_data(explicit, generated)), functions)
    except ValueError as error:
        raise TaskRegistrationError(str(error)) from error


def _tasks_with_relations(functions: Functions) -> Iterator[str]:
    """Yield the tasks whose annotations may hold a relation."""
    answers: dict[int, bool] = {}
    for task_id, function in functions.items():
        answer = answers.get(id(function))
        if answer is None:
            answer = answers[id(function)] = may_relate(annotations_of(function))
        if answer:
            yield task_id


def check_filled(functions: Functions, inputs: Mapping[str, TaskInputs]) -> None:
    """Raise `TaskRegistrationError` for a required parameter that nothing fills."""
    for task_id, function in functions.items():
        found = inputs.get(task_id)
        missing = unfilled(function, found.slots if found else ())
        if missing:
            one = missing[0]
            also = "".join(f", {name!r}" for name in missing[1:])
            raise TaskRegistrationError(
                f"task {task_id!r}, parameter {one!r}{also} has no default value and nothing "
                f'fills it: annotate it with its source, {one}: Ref[type, F("task")] or '
                f"{one}: Ref[type, Input()], or give it a default value"
            )


def add_data_needs(
    needs: Mapping[str, Sequence[str]], inputs: Mapping[str, TaskInputs], config: AstrumConfig
) -> dict[str, Sequence[str]]:
    """Return ``needs`` with the sources of all bindings added.

    Without ``auto_sync_dependencies``, a source that is not upstream already is a
    `TaskRegistrationError`.
    """
    complete = dict(needs)
    for task_id, task_inputs in inputs.items():
        bindings = task_inputs.bindings
        if not bindings or task_id not in needs:
            continue
        declared = needs[task_id]
        known = declared if len(declared) < MANY else frozenset(declared)
        missing = [b.source for b in bindings if b.source not in known and b.origin == "task"]
        if task_inputs.reads:
            missing += [one for b in bindings for one in b.others if one not in known]
        if missing:
            if not config.auto_sync_dependencies:
                _demand_upstream(task_id, missing, needs)
            complete[task_id] = (*declared, *dict.fromkeys(missing))
    return complete


def _demand_upstream(
    task_id: str, sources: Sequence[str], needs: Mapping[str, Sequence[str]]
) -> None:
    upstream = set(walk_upstream_first(needs, needs[task_id]).ids)
    for source in sources:
        if source not in upstream:
            raise TaskRegistrationError(
                f"task {task_id!r} reads the result of {source!r} but does not depend on it; "
                "add it to depends_on, or leave auto_sync_dependencies on"
            )
