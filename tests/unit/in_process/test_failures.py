"""Runs in process: failures of tasks, revocations and retries."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from astrum import Each, Ref, SchedulerRegistry
from astrum.execution.attempt import current_attempt
from astrum.execution.task_reuse import STARTS_AT_ONCE
from astrum.planning import RetryPolicy
from tests.unit.in_process.flow_builder import (
    FlowBuilder,
    nothing,
    statuses,
)


async def test_a_final_failure_cancels_what_runs_and_starts_nothing_new() -> None:
    flow = FlowBuilder()
    running = asyncio.Event()
    cleaned_up: list[int] = []

    async def long() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(current_attempt().attempt)

    async def breaks() -> None:
        await running.wait()
        raise ValueError("broken")

    flow.add("long", long, retry=RetryPolicy(3))
    flow.add("breaks", breaks)
    flow.add("next", nothing, needs=["long"])
    report = await flow.run()
    assert report.execution_state == "failed"
    assert statuses(report) == {"long": "cancelled", "breaks": "failed", "next": "cancelled"}
    assert cleaned_up == [1], "cancelled work is not tried again"
    assert report.error_summary == ["task 'breaks' failed: ValueError: broken"]


async def test_an_attempt_that_is_revoked_before_its_first_step_is_settled() -> None:
    flow = FlowBuilder()
    go = asyncio.Event()
    began: list[str] = []

    trace: ContextVar[int] = ContextVar("trace")

    async def succeeds() -> None:
        await go.wait()
        trace.set(1)  # so that its asyncio task is not reused for the dependent

    async def breaks() -> None:
        await go.wait()
        raise ValueError("in the same turn of the loop")

    async def dependent() -> None:
        began.append("dependent")

    async def starts_both() -> None:
        go.set()

    flow.add("succeeds", succeeds)
    flow.add("breaks", breaks)
    flow.add("go", starts_both)
    flow.add("dependent", dependent, needs=["succeeds"])
    report = await flow.run()
    assert report.execution_state == "failed"
    assert statuses(report)["dependent"] == "cancelled"
    assert began == []


async def test_dispatched_attempts_that_did_not_start_are_settled() -> None:
    flow = FlowBuilder()
    wide = STARTS_AT_ONCE * 3

    async def breaks() -> None:
        raise ValueError("at once")

    flow.add("breaks", breaks)
    for number in range(wide):
        flow.add(str(number), nothing)
    report = await flow.run()
    assert report.execution_state == "failed"
    assert report.successful_tasks < wide
    assert len(report.task_statistics) == wide + 1


async def test_a_revoked_sync_function_is_reported_and_abandoned() -> None:
    flow = FlowBuilder()
    running, told = threading.Event(), threading.Event()
    let_go = threading.Event()

    def long() -> None:
        attempt = current_attempt()
        running.set()
        let_go.wait(10)
        if attempt.cancelled:
            told.set()

    async def breaks() -> None:
        await asyncio.to_thread(running.wait, 10)
        raise ValueError("broken")

    flow.add("long", long)
    flow.add("breaks", breaks)
    report = await flow.run()
    assert statuses(report) == {"long": "cancelled", "breaks": "failed"}
    let_go.set()
    assert await asyncio.to_thread(told.wait, 10)


@pytest.mark.parametrize(
    "error", [SystemExit(3), asyncio.CancelledError("its own"), GeneratorExit("its own")]
)
@pytest.mark.parametrize("sync", [False, True])
async def test_any_exception_of_a_task_is_a_failure(error: BaseException, sync: bool) -> None:
    def raises() -> None:
        raise error

    async def raises_too() -> None:
        raise error

    flow = FlowBuilder()
    flow.add("exits", raises if sync else raises_too)
    report = await flow.run()
    assert statuses(report) == {"exits": "failed"}
    assert type(error).__name__ in report.error_summary[0]
    assert report.task_statistics[0].attempt_count == 1


async def test_stop_iteration_from_a_sync_function_is_a_failure() -> None:
    flow = FlowBuilder()
    flow.add("a", lambda: next(iter(())))
    report = await flow.run()
    assert "StopIteration" in report.error_summary[0]


async def test_retries_are_made_and_reported() -> None:
    def flaky() -> str:
        if current_attempt().attempt < 3:
            raise ValueError("not yet")
        return "ok"

    flow = FlowBuilder()
    flow.add("flaky", flaky, retry=RetryPolicy(2))
    report = await flow.run()
    assert report.task_return_set == {"flaky": "ok"}
    assert report.error_summary == [
        "task 'flaky' attempt 1 failed: ValueError: not yet; 1 retry left",
        "task 'flaky' attempt 2 failed: ValueError: not yet; 0 retries left",
    ]


@pytest.mark.parametrize(("more", "text"), [(1, "1 more child"), (1_000, "1,000 more children")])
async def test_of_many_children_that_failed_the_summary_counts_most(more: int, text: str) -> None:
    flow = SchedulerRegistry("many")

    @flow.task
    async def rows() -> list[int]:
        return list(range(20 + more))

    @flow.task(on_failure="continue")
    async def check(row: Ref[int, Each("rows")]) -> None:
        raise ValueError(row)

    report = await flow.run()
    assert report.error_summary[-1] == f"task 'check': {text} failed"
