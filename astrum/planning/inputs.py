"""Data relations of a graph: resolved to inputs, checked, and turned into dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astrum.config import AstrumConfig
from astrum.data_transport import (
    auto_generate_data_transports,
    declared_items,
    merge_task_data,
    resolve_inputs,
)
from astrum.data_transport.bindings import TaskInputs
from astrum.data_transport.declarations import source_function
from astrum.errors import TaskRegistrationError
from astrum.planning.order import TaskOrder, walk_upstream_first

if TYPE_CHECKING:
    from astrum.data_transport import TaskData

Functions = Mapping[str, Callable[..., Any]]


def resolve_task_inputs(
    functions: Functions, explicit: Sequence[TaskData]
) -> dict[str, TaskInputs]:
    """Return what fills the parameters of each task, from annotations and ``explicit`` together.

    Raises `TaskRegistrationError` for a relation that cannot be.
    """
    related = list(_that_may_relate(functions))
    if not related and not explicit:
        return {}
    try:
        if not explicit:
            return resolve_inputs(declared_items(related, functions), functions)
        generated = auto_generate_data_transports(map(TaskOrder, related), functions)
        return resolve_inputs(merge_task_data(explicit, generated), functions)
    except ValueError as error:
        raise TaskRegistrationError(str(error)) from error


def _that_may_relate(functions: Functions) -> Iterator[str]:
    # Most tasks of a large graph relate to nothing, which their annotations show at a glance.
    answers: dict[int, bool] = {}
    for task_id, function in functions.items():
        answer = answers.get(id(function))
        if answer is None:
            answer = answers[id(function)] = _may_relate(function)
        if answer:
            yield task_id


def _may_relate(function: Callable[..., Any]) -> bool:
    source = source_function(function)
    annotations = () if source is None else source.__annotations__.values()
    return any(not (annotation is None or type(annotation) is type) for annotation in annotations)


def add_data_needs(
    needs: Mapping[str, Sequence[str]], inputs: Mapping[str, TaskInputs], config: AstrumConfig
) -> dict[str, Sequence[str]]:
    """Return ``needs`` with the sources of all bindings added.

    Without ``auto_sync_dependencies``, a source that is not upstream already is a
    `TaskRegistrationError`.
    """
    complete = dict(needs)
    for task_id, task_inputs in inputs.items():
        if not task_inputs.bindings or task_id not in needs:
            continue
        declared = needs[task_id]
        sources = dict.fromkeys(binding.source for binding in task_inputs.bindings)
        added = [source for source in sources if source not in declared]
        if added and not config.auto_sync_dependencies:
            _demand_upstream(task_id, added, needs)
        complete[task_id] = (*declared, *added)
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
