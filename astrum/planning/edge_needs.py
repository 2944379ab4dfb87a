"""Brings edges into the building of a flow; a flow without any costs nothing here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import TaskInputs
from astrum.data_transport.types.result_types import ResultTypes
from astrum.planning.conditions import ConditionTypes
from astrum.planning.edges import Declared, EdgeChoice, Resolved, resolve_edges
from astrum.planning.planner import upstream_first
from astrum.planning.policies import Policy

_reads = attrgetter("reads")
Needs = Mapping[str, Sequence[str]]


def add_edge_needs(needs: Needs, choices: Mapping[str, EdgeChoice]) -> Needs:
    """Return ``needs`` with the tasks that conditions read and those that tasks run after."""
    if not choices:
        return needs
    complete = dict(needs)
    for task_id, choice in choices.items():
        read = () if choice.when is None else (choice.when.source,)
        complete[task_id] = tuple(dict.fromkeys((*complete[task_id], *read, *choice.after)))
    return complete


def edges_of(
    needs: Needs,
    depends_on: Needs,
    inputs: Mapping[str, TaskInputs],
    choices: Mapping[str, EdgeChoice],
    policies: Mapping[str, Policy],
    functions: Mapping[str, Callable[..., Any]],
    config: AstrumConfig,
    *,
    is_strict: bool = True,
) -> Resolved | None:
    """Return the edges of the tasks in ``needs``, None if they have none but plain needs.

    ``policies`` are those of tasks that have any. Raises `TaskRegistrationError` for what is not
    valid, unless ``is_strict`` is false, and `TaskOrderLoopError` for tasks that need each other.
    """
    if not choices and not policies and not any(map(_reads, inputs.values())):
        return None
    results = ResultTypes(functions, config)
    types = ConditionTypes(results.of_task, is_checked=not config.skip_type_check)
    return resolve_edges(
        Declared(upstream_first(needs), depends_on, inputs, choices, policies, types.choice_of),
        is_strict=is_strict,
    )
