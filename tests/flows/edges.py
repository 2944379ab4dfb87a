"""Tasks over a list, for tests of what plans hold."""

from __future__ import annotations

from typing import Any

from astrum import Each, Ref, SchedulerRegistry
from astrum.execution.invoke import Flow
from astrum.planning.plan import TaskSpec


def files() -> list[str]:
    return []


def parse(path: Ref[str, Each(files)]) -> list[int]:
    return []


def inner(row: Ref[int, Each(Each("parse"))]) -> str:
    return ""


def flow_of(*tasks: Any, **settings: Any) -> Flow:
    """Return the flow of functions, or of pairs of a function and its options."""
    registry = SchedulerRegistry("edges")
    for one in tasks:
        function, options = one if isinstance(one, tuple) else (one, {})
        registry.task(**options)(function)
    return registry.build_scheduler(**settings).flow()


def specs_of(flow: Flow) -> dict[str, TaskSpec]:
    return {spec.task_id: spec for spec in flow.plan.tasks}
