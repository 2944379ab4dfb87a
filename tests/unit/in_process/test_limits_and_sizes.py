"""Runs in process: the concurrency limit, tails, and very large flows."""

from __future__ import annotations

import asyncio
import sys
import threading
from itertools import pairwise

import pytest

from astrum.execution.task_reuse import STARTS_AT_ONCE
from tests.eager import eager_tasks
from tests.unit.in_process.flow_builder import (
    LONG_CHAIN,
    FlowBuilder,
    from_result,
    nothing,
)


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_than_the_concurrency_limit_run_at_once(limit: int) -> None:
    flow = FlowBuilder(limit=limit)
    running = 0
    most = 0

    async def counts() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):  # long enough for the others to begin
            await asyncio.sleep(0)
        running -= 1

    for number in range(20):
        flow.add(str(number), counts)
    report = await flow.run()
    assert report.successful_tasks == 20
    assert most == limit


async def test_a_tail_is_not_awaited_and_still_ends() -> None:
    flow = FlowBuilder()
    let_go, ended = asyncio.Event(), asyncio.Event()

    async def tail() -> None:
        await let_go.wait()
        ended.set()

    flow.add("a", nothing)
    flow.add("tail", tail, needs=["a"], awaited=False)
    report = await flow.run()
    assert report.execution_state == "completed"
    assert report.tail_tasks == ["tail"]
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_a_sync_tail_leaves_no_thread_behind() -> None:
    flow = FlowBuilder()
    began, let_go = threading.Event(), threading.Event()
    workers: list[threading.Thread] = []

    def tail() -> None:
        workers.append(threading.current_thread())
        began.set()
        let_go.wait(10)

    flow.add("a", lambda: None)
    flow.add("tail", tail, needs=["a"], awaited=False)
    await flow.run()
    let_go.set()
    await asyncio.to_thread(began.wait, 10)
    await asyncio.to_thread(workers[0].join, 10)
    assert not workers[0].is_alive()


async def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    flow = FlowBuilder()
    for number in range(10_000):
        flow.add(str(number), nothing, needs=[str(number - 1)] if number else [])
    report = await flow.run()
    assert report.successful_tasks == 10_000
    assert report.total_stages == 10_000


async def test_ten_thousand_tasks_at_once_let_the_loop_run_others() -> None:
    flow = FlowBuilder()
    turns: list[int] = []
    ran = 0

    async def counts() -> None:
        nonlocal ran
        ran += 1

    for number in range(10_000):
        flow.add(str(number), counts)
    run = asyncio.create_task(flow.run())
    while not run.done():
        turns.append(ran)
        await asyncio.sleep(0)
    assert (await run).successful_tasks == 10_000
    assert max(b - a for a, b in pairwise(turns)) <= STARTS_AT_ONCE


async def test_an_empty_flow_is_completed() -> None:
    report = await FlowBuilder().run()
    assert (report.execution_state, report.total_tasks) == ("completed", 0)


@pytest.mark.parametrize("waits", [0, 1])
async def test_a_loop_of_eager_tasks_runs_a_long_chain(waits: int) -> None:
    if waits and sys.version_info < (3, 12):
        pytest.skip("the eager tasks of these tests cannot wait before Python 3.12")

    async def step(*_: int) -> int:
        for _turn in range(waits):
            await asyncio.sleep(0)
        return 1

    builder = FlowBuilder()
    builder.add("t0", step)
    for number in range(1, LONG_CHAIN):
        builder.add(f"t{number}", step, inputs=from_result(0, f"t{number - 1}"))
    for number in range(LONG_CHAIN):
        builder.add(f"beside{number}", step)
    with eager_tasks():
        report = await builder.run()
    assert report.error_summary == []
    assert report.successful_tasks == 2 * LONG_CHAIN
