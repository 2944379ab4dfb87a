"""Chooses the tasks of one flow among those that are declared, and looks up what they name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import TaskInputs
from astrum.errors import TaskRegistrationError
from astrum.flow.edge_options import NO_EDGE_OPTIONS
from astrum.flow.methods import MethodBinder, underlying
from astrum.flow.task_declaration import RegisteredTask
from astrum.flow.task_lookup import TaskIds
from astrum.flow.task_options import Reference
from astrum.planning.build import NO_INPUTS, NO_TASK_EDGES, policies_of
from astrum.planning.edge_needs import add_edge_needs, edges_of
from astrum.planning.edges import TaskEdges
from astrum.planning.fingerprint import fingerprint
from astrum.planning.inputs import add_data_needs, resolve_task_inputs
from astrum.planning.order import TaskOrder, walk_upstream_first


class Selection(NamedTuple):
    """The tasks of one flow, upstream first: bound functions, needs and inputs.

    ``left_out`` are the functions of the other tasks that are declared, with their inputs.
    """

    functions: dict[str, Callable[..., Any]]
    needs: dict[str, Sequence[str]]
    inputs: dict[str, TaskInputs]
    local_only: str
    left_out: dict[str, tuple[Callable[..., Any], TaskInputs]]
    edges: Mapping[str, TaskEdges] = NO_TASK_EDGES

    def orders(self) -> list[TaskOrder]:
        """Return the tasks with their dependencies, upstream first."""
        orders = {task_id: TaskOrder(task_id) for task_id in self.needs}
        for task_id, upstream in self.needs.items():
            if upstream:
                orders[task_id].dependencies = [orders[need] for need in upstream]
        return list(orders.values())

    def fingerprints_left_out(self, tasks: Mapping[str, RegisteredTask]) -> dict[str, str]:
        """Return the fingerprints of the tasks that are left out."""
        return {
            task_id: fingerprint(function, inputs.slots, tasks[task_id].options.version)
            for task_id, (function, inputs) in self.left_out.items()
        }


def select(
    tasks: Mapping[str, RegisteredTask],
    targets: Iterable[Reference] | None,
    config: AstrumConfig,
    ids_of: Callable[[Mapping[str, Callable[..., Any]]], TaskIds],
    *,
    bind: bool,
) -> Selection:
    """Return the targets (default: all tasks) and all tasks upstream of them.

    ``bind`` refuses a method that has no instance, and edges that are not valid: what only serves
    tasks leaves that to those who plan a run. Raises `TaskRegistrationError`.
    """
    functions, unbound = _bound(tasks, MethodBinder(config.class_instances))
    ids = ids_of(functions)
    declared = {name: ids.dependencies(name, t.depends_on) for name, t in tasks.items()}
    inputs = resolve_task_inputs(functions, [t.data for t in tasks.values() if t.data])
    choices = {
        name: t.edges.chosen(functools.partial(ids.reference, name))
        for name, t in tasks.items()
        if t.edges is not NO_EDGE_OPTIONS
    }
    needs = add_edge_needs(add_data_needs(declared, inputs, config), choices)
    roots = None if targets is None else ids.targets(targets)
    chosen = _chosen(needs, roots, ids)
    members = frozenset(chosen)
    for task_id in chosen if bind and unbound else ():
        if task_id in unbound:
            raise unbound[task_id]
    chosen_needs = {task_id: needs[task_id] for task_id in chosen}
    chosen_inputs = {task_id: inputs[task_id] for task_id in chosen if task_id in inputs}
    policies = policies_of({name: t.options for name, t in tasks.items()})
    resolved = edges_of(
        *(chosen_needs, declared, chosen_inputs, choices, policies, functions, config),
        is_strict=bind,
    )
    return Selection(
        functions={task_id: functions[task_id] for task_id in chosen},
        needs=chosen_needs,
        inputs=chosen_inputs if resolved is None else resolved.inputs,
        local_only=_local_only(chosen, functions, config),
        left_out={
            task_id: (function, inputs.get(task_id, NO_INPUTS))
            for task_id, function in (functions.items() if len(chosen) < len(functions) else ())
            if task_id not in members
        },
        edges=NO_TASK_EDGES if resolved is None else resolved.edges,
    )


def _chosen(
    needs: Mapping[str, Sequence[str]], roots: Iterable[str] | None, ids: TaskIds
) -> list[str]:
    chosen, cycles = walk_upstream_first(needs, roots)
    ids.check_known(chosen, needs)
    if not cycles:
        return chosen
    # No order is right, so keep that of declaration; the scheduler reports the cycles.
    members = set(chosen)
    return [task_id for task_id in needs if task_id in members]


def _bound(
    tasks: Mapping[str, RegisteredTask], binder: MethodBinder
) -> tuple[dict[str, Callable[..., Any]], dict[str, TaskRegistrationError]]:
    """Bind what can be bound: a method without an instance matters only to flows that use it."""
    functions: dict[str, Callable[..., Any]] = {}
    unbound: dict[str, TaskRegistrationError] = {}
    for task_id, declared in tasks.items():
        try:
            functions[task_id] = binder.bind(task_id, declared.function)
        except TaskRegistrationError as error:
            functions[task_id] = underlying(declared.function)
            unbound[task_id] = error
    return functions, unbound


def _local_only(
    chosen: Iterable[str], functions: Mapping[str, Callable[..., Any]], config: AstrumConfig
) -> str:
    instances = {id(instance) for instance in config.class_instances}
    for task_id in chosen if instances else ():
        if id(getattr(functions[task_id], "__self__", None)) in instances:
            return f"task {task_id!r} is a method of an object in class_instances"
    return ""
