"""Flows put together by hand for tests of the in-process host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import BoundTask, Flow
from astrum.machine import ExecutionReport
from astrum.planning import Plan, TaskSpec
from astrum.planning.plan import Lane

Function = Callable[..., Any]


LONG_CHAIN = 3_000
"""More steps than Python allows calls within calls."""


class FlowBuilder:
    """A flow put together task by task, as planning would."""

    def __init__(self, *, limit: int | None = None) -> None:
        self._specs: list[TaskSpec] = []
        self._bound: dict[str, BoundTask] = {}
        self._limit = limit

    def add(
        self,
        task_id: str,
        function: Function,
        *,
        needs: Sequence[str] = (),
        inputs: TaskInputs | None = None,
        **spec: Any,
    ) -> None:
        inputs = inputs or TaskInputs()
        lane: Lane = "async" if asyncio.iscoroutinefunction(function) else "thread"
        sources = tuple(binding.source for binding in inputs.bindings)
        needed = tuple(dict.fromkeys((*needs, *sources)))
        self._specs.append(
            TaskSpec(task_id=task_id, needs=needed, bindings=inputs.bindings, lane=lane, **spec)
        )
        self._bound[task_id] = BoundTask(task_id, function, inputs, lane)

    def flow(self) -> Flow:
        return Flow(Plan("test", tuple(self._specs), concurrency_limit=self._limit), self._bound)

    async def run(self, **options: Any) -> ExecutionReport:
        return await run_in_process(self.flow(), InProcessOptions(**options))


def from_result(parameter: str | int, source: str, *path: str | int) -> TaskInputs:
    return TaskInputs(bindings=(Binding(parameter, source, path),))


async def nothing() -> None:
    pass


def statuses(report: ExecutionReport) -> dict[str, str]:
    return {stat.task_name: stat.status for stat in report.task_statistics}
