"""A plan for people and for programs: tables and a tree, Mermaid, DOT, JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Set
from itertools import islice
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table

from astrum.data_transport.bindings import Binding, Path
from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.types.class_fields import type_name
from astrum.data_transport.types.run_inputs import DeclaredInput
from astrum.execution.invoke import BoundTask, Flow
from astrum.planning.execution_plan import ExecutionPlan, ExecutionStage, build_execution_plan
from astrum.planning.picture import task_tree
from astrum.planning.plan import NO_RETRY, Plan, TaskSpec
from astrum.planning.run_inputs import HIDDEN, NO_INPUTS
from astrum_coordinator.display.json_values import to_json
from astrum_coordinator.display.plan_details import (
    Lengths,
    binding_to_json,
    gathers,
    label,
    legend,
    more_to_json,
)
from astrum_coordinator.display.report_view import count_text, plain_table, value_text
from astrum_coordinator.display.texts import Text

MAX_ROWS = 60
MAX_TREE_TASKS = 120
MAX_NAMES = 8


class Transport(NamedTuple):
    """The source of one parameter of a task; ``expected`` is the declared type, "" if none.

    ``prefix`` says how it is read, "" for one value; if it ``is_optional``, it may not come.
    """

    source: str
    path: tuple[str | int, ...]
    task_id: str
    parameter: str | int
    expected: str
    prefix: str = ""
    is_optional: bool = False


def plan_view(flow: Flow, values: Mapping[str, Any] = NO_INPUTS) -> RenderableType:
    """Return sizes, stages, tree, priorities, inputs and transports of a plan, each bounded.

    ``values`` are the inputs that a run of it would be given.
    """
    needs = {spec.task_id: spec.needs for spec in flow.plan.tasks}
    lengths = Lengths(flow, values)
    stages = build_execution_plan(needs)
    mapped = {spec.task_id for spec in flow.plan.tasks if spec.axes}
    parts: list[RenderableType] = [
        Text(_sizes(flow.plan, stages, mapped), "bold"),
        stage_table(stages, mapped),
        _left_out(len(stages.stages), "stage"),
        _tree(flow.plan, needs, lengths),
        *_said(legend(flow.plan.tasks[:MAX_TREE_TASKS])),
        *(Text(line, "dim") for line in islice(gathers(flow.plan, lengths), MAX_ROWS)),
    ]
    chosen = [spec for spec in flow.plan.tasks if spec.priority]
    if chosen:
        parts += [priority_table(chosen), _left_out(len(chosen), "task")]
    if flow.inputs:
        parts += [input_table(flow, values), _left_out(len(flow.inputs), "input")]
    shown = list(islice(transports(flow), MAX_ROWS))
    if shown:
        total = sum(_transport_count(flow, spec) for spec in flow.plan.tasks)
        parts += [transport_table(shown), _left_out(total, "transport")]
        parts += _said("?: may be missing" if any(row.is_optional for row in shown) else "")
    return Group(*parts)


def _said(text: str) -> list[Text]:
    return [Text(text, "dim")] if text else []


def _sizes(plan: Plan, stages: ExecutionPlan, mapped: Set[str]) -> str:
    return (
        f"{plan.namespace}: {count_text(stages.total_tasks, 'task')} in "
        f"{count_text(len(stages.stages), 'stage')}, at most {stages.max_parallelism:,} at once"
        f"{', and children' if mapped else ''}"
    )


def _left_out(total: int, noun: str) -> Text:
    more = total - MAX_ROWS
    return Text(f"... {count_text(more, f'more {noun}')}" if more > 0 else "", "dim")


def stage_table(plan: ExecutionPlan, mapped: Set[str]) -> Table:
    """Return the first stages: which tasks each waits for and starts; ``mapped`` have children."""
    table = plain_table("Stage", "Waits for", "Starts", "At once")
    for stage in plan.stages[:MAX_ROWS]:
        table.add_row(*map(Text, _stage_cells(stage, mapped)))
    return table


def _stage_cells(stage: ExecutionStage, mapped: Set[str]) -> tuple[str, ...]:
    running = set(stage.parallel_tasks)
    plain, children = len(running - mapped), "children" if running & mapped else ""
    at_once = " + ".join(filter(None, (f"{plain:,}" if plain or not children else "", children)))
    waits, starts = _names(stage.wait_for_tasks), _names(stage.start_tasks)
    return (str(stage.stage_id), waits, starts, at_once)


def _names(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    text = ", ".join(names[:MAX_NAMES]) or "-"
    return f"{text} and {more:,} more" if more > 0 else text


def _tree(plan: Plan, needs: dict[str, tuple[str, ...]], lengths: Lengths) -> RenderableType:
    def spec_of(name: str) -> TaskSpec:
        return plan.tasks[plan.index[name]]

    # The tasks stand upstream first, so the first of them never hang below a later one.
    tree = task_tree(
        "Dependencies",
        dict(islice(needs.items(), MAX_TREE_TASKS)),
        lambda name: label(plan, spec_of(name), lengths),
        lambda name, need: need in spec_of(name).tolerant,
    )
    more = len(needs) - MAX_TREE_TASKS
    if more > 0:
        tree.add(Text(f"... {count_text(more, 'more task')}", "dim"))
    return tree


def priority_table(chosen: list[TaskSpec]) -> Table:
    """Return the tasks with a priority of their own, the highest first."""
    table = plain_table("Priority", "Task")
    for spec in sorted(chosen, key=lambda one: -one.priority)[:MAX_ROWS]:
        table.add_row(Text(f"{spec.priority:+d}"), Text(spec.task_id))
    return table


def input_table(flow: Flow, values: Mapping[str, Any]) -> Table:
    """Return (input, its type, its value: given, the default one, or missing; its readers)."""
    table = plain_table("Input", "Type", "Value", "Read by")
    for one in list(flow.inputs.values())[:MAX_ROWS]:
        row = _input_to_json(one, values)
        value = value_text(row["value"]) if one.name in values else "missing"
        if one.name not in values and not row["required"]:
            value = f"{value_text(row['default'])} (default)"
        table.add_row(*map(Text, (one.name, row["type"], value, _names(row["readers"]))))
    return table


def _input_to_json(one: DeclaredInput, values: Mapping[str, Any]) -> dict[str, Any]:
    required = one.default is ABSENT
    return {
        "name": one.name,
        "type": type_name(one.type),
        "required": required,
        "default": None if required else HIDDEN if one.secret else to_json(one.default),
        "secret": one.secret,
        "readers": list(one.readers),
        "value": HIDDEN if one.secret and one.name in values else to_json(values.get(one.name)),
    }


def transport_table(rows: list[Transport]) -> Table:
    """Return (result or part of it, the parameter it fills, the type declared for it)."""
    table = plain_table("From", "To", "Expected")
    for row in rows:
        where = "".join(f"[{step!r}]" for step in row.path)
        target = f"{row.task_id}.{row.parameter}"
        source = f"{row.prefix}{row.source}{where}{'?' if row.is_optional else ''}"
        table.add_row(Text(source), Text(target), Text(row.expected or "-"))
    return table


def transports(flow: Flow) -> Iterator[Transport]:
    """Yield all parameters that have a source, in plan order."""
    for spec in flow.plan.tasks:
        task = flow.tasks[spec.task_id]
        for binding in spec.bindings:
            expected = _expected(task, binding.parameter)
            source = ", ".join(binding.sources) or f"input {binding.source}"
            yield Transport(
                source,
                binding.path,
                spec.task_id,
                binding.parameter,
                expected,
                "" if binding.item is None else f"{_item_text(binding.item)}each of ",
                _is_optional(spec, binding),
            )
        for slot in task.inputs.resources:
            expected = "" if slot.expected is Any else type_name(slot.expected)
            yield Transport(f"resource {slot.name}", (), spec.task_id, slot.parameter, expected)
        for supply in task.inputs.supplies:
            expected = _expected(task, supply.parameter)
            yield Transport(
                f"({_supplier(supply.provider)})", (), spec.task_id, supply.parameter, expected
            )


def _item_text(item: Path) -> str:
    """Return which part of each element is read: "['id'] of ", "" for the whole."""
    return "".join(f"[{step!r}]" for step in item) + " of " if item else ""


def _is_optional(spec: TaskSpec, binding: Binding) -> bool:
    return bool(binding.holes) or binding.parameter in spec.optional


def _transport_count(flow: Flow, spec: TaskSpec) -> int:
    inputs = flow.tasks[spec.task_id].inputs
    return len(spec.bindings) + len(inputs.resources) + len(inputs.supplies)


def _supplier(provider: Any) -> str:
    if callable(provider):
        return f"{getattr(provider, '__name__', type(provider).__name__)}()"
    return "a constant"


def _expected(task: BoundTask, parameter: str | int) -> str:
    expected = task.inputs.expected.get(parameter)
    return "" if expected is None else type_name(expected)


# --- for programs ---------------------------------------------------------------------------


def mermaid(flow: Flow, values: Mapping[str, Any] = NO_INPUTS) -> str:
    """Return the graph as a Mermaid flowchart; ``values`` as for `plan_view`.

    The line of a need that may end in any way is dotted.
    """
    plan, lengths = flow.plan, Lengths(flow, values)
    lines = ["flowchart TD"]
    for number, spec in enumerate(plan.tasks):
        lines.append(f'    t{number}["{_mermaid_label(label(plan, spec, lengths))}"]')
    lines += [
        f"    t{source} {'-.->' if is_optional else '-->'} t{target}"
        for source, target, is_optional in _edges(plan)
    ]
    return "\n".join(lines)


def dot(flow: Flow, values: Mapping[str, Any] = NO_INPUTS) -> str:
    """Return the graph in the DOT language of Graphviz, as `mermaid` does."""
    plan, lengths = flow.plan, Lengths(flow, values)
    lines = [f"digraph {_dot_text(plan.namespace)} {{"]
    lines += [
        f"    t{number} [label={_dot_text(label(plan, spec, lengths))}];"
        for number, spec in enumerate(plan.tasks)
    ]
    lines += [
        f"    t{source} -> t{target}{' [style=dashed]' if is_optional else ''};"
        for source, target, is_optional in _edges(plan)
    ]
    return "\n".join([*lines, "}"])


def _edges(plan: Plan) -> Iterator[tuple[int, int, bool]]:
    for number, spec in enumerate(plan.tasks):
        for need in spec.needs:
            yield plan.index[need], number, need in spec.tolerant


def _mermaid_label(text: str) -> str:
    escaped = text.replace("#", "#35;").replace('"', "#quot;")
    return escaped.replace("<", "#lt;").replace(">", "#gt;").replace("\n", " ")


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def plan_to_json(flow: Flow, values: Mapping[str, Any] = NO_INPUTS) -> dict[str, Any]:
    """Return the whole plan as a value for JSON; ``values`` as for `plan_view`."""
    plan = flow.plan
    lengths = Lengths(flow, values)
    return {
        "namespace": plan.namespace,
        "total_tasks": len(plan.tasks),
        "total_stages": max(plan.levels, default=-1) + 1,
        "concurrency_limit": plan.concurrency_limit,
        "check_types": plan.check_types,
        "max_children": plan.max_children,
        "inputs": [_input_to_json(one, values) for one in flow.inputs.values()],
        "tasks": [
            _task_to_json(flow, spec, stage, lengths)
            for spec, stage in zip(plan.tasks, plan.levels, strict=True)
        ],
    }


def _task_to_json(flow: Flow, spec: TaskSpec, stage: int, lengths: Lengths) -> dict[str, Any]:
    task = flow.tasks[spec.task_id]
    return {
        "task": spec.task_id,
        "stage": stage,
        "needs": list(spec.needs),
        "inputs": [
            {
                "parameter": binding.parameter,
                "origin": binding.origin,
                "source": binding.source,
                "path": list(binding.path),
                **binding_to_json(binding),
                "expected": _expected(task, binding.parameter) or None,
            }
            for binding in spec.bindings
        ],
        "resources": list(spec.resources),
        "supplied": [supply.parameter for supply in task.inputs.supplies],
        "retry": None if spec.retry == NO_RETRY else dataclasses.asdict(spec.retry),
        "timeout_s": spec.timeout_s,
        "queue": spec.queue,
        "lane": spec.lane,
        "priority": spec.priority,
        "awaited": spec.awaited,
        **more_to_json(flow.plan, spec, lengths),
    }
