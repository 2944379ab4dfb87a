"""Runs in process: timeouts of attempts and runs, and cancellation by the caller."""

from __future__ import annotations

import asyncio
import threading

import pytest

from astrum.execution.attempt import current_attempt
from astrum.execution.task_reuse import STARTS_AT_ONCE
from astrum.planning import RetryPolicy
from tests.unit.in_process.flow_builder import (
    FlowBuilder,
    nothing,
    statuses,
)


async def test_an_attempt_beyond_its_timeout_fails_and_may_be_retried() -> None:
    attempts: list[int] = []

    async def slow_once() -> None:
        attempts.append(current_attempt().attempt)
        if len(attempts) == 1:
            await asyncio.Event().wait()

    flow = FlowBuilder()
    flow.add("slow", slow_once, timeout_s=0.05, retry=RetryPolicy(1))
    report = await flow.run()
    assert report.execution_state == "completed"
    assert attempts == [1, 2]
    assert report.task_statistics[0].attempt_statistics[0].timed_out


async def test_a_sync_function_beyond_its_timeout_is_reported_and_abandoned() -> None:
    let_go, told = threading.Event(), threading.Event()

    def hangs() -> None:
        attempt = current_attempt()
        let_go.wait(10)
        if attempt.cancelled:
            told.set()

    flow = FlowBuilder()
    flow.add("hangs", hangs, timeout_s=0.05)
    report = await flow.run()
    assert "took longer than its 0.05 s" in report.error_summary[0]
    let_go.set()
    assert await asyncio.to_thread(told.wait, 10)


async def test_a_timeout_error_raised_by_the_user_is_not_a_timeout_of_the_attempt() -> None:
    async def raises() -> None:
        raise TimeoutError("the database did not answer")

    flow = FlowBuilder()
    flow.add("raises", raises, timeout_s=10.0)
    report = await flow.run()
    assert not report.task_statistics[0].attempt_statistics[0].timed_out
    assert "the database did not answer" in report.error_summary[0]


async def test_a_run_beyond_its_timeout_fails_and_cancels_what_runs() -> None:
    flow = FlowBuilder()
    flow.add("hangs", asyncio.Event().wait)
    report = await flow.run(timeout_s=0.05)
    assert report.execution_state == "failed"
    assert statuses(report) == {"hangs": "cancelled"}
    assert report.error_summary == ["the run took longer than its limit of 0.05 s"]


async def test_cancelling_the_caller_waits_for_clean_up_and_propagates() -> None:
    flow = FlowBuilder()
    running = asyncio.Event()
    told: list[str] = []

    async def long() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cleaned up")

    flow.add("long", long)
    flow.add("next", nothing, needs=["long"])
    run = asyncio.create_task(flow.run())
    await running.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert told == ["cleaned up"]


async def test_cancelling_twice_returns_at_once() -> None:
    flow = FlowBuilder()
    running, cleaning, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended = asyncio.Event()

    async def stubborn() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await let_go.wait()
            ended.set()

    flow.add("stubborn", stubborn)
    run = asyncio.create_task(flow.run())
    await running.wait()
    run.cancel()
    await cleaning.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_cancelling_before_anything_ran_propagates() -> None:
    flow = FlowBuilder()
    for number in range(STARTS_AT_ONCE * 2):
        flow.add(str(number), asyncio.Event().wait)
    run = asyncio.create_task(flow.run())
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
