"""Sync functions of a run in process take a bounded number of threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from astrum import AstrumConfig, SchedulerRegistry, current_attempt


async def test_sync_tasks_take_no_more_threads_than_the_limit_says() -> None:
    running, peak, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def work() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if running == 3:
                full.set()
        assert full.wait(20)
        with lock:
            running -= 1

    registry = SchedulerRegistry("threads")
    for number in range(30):
        registry.task(f"t{number}")(work)
    report = await registry.run(config=AstrumConfig(thread_limit=3))
    assert report.error_summary == []
    assert peak == 3


async def test_threads_are_bounded_by_default() -> None:
    names: set[str] = set()

    def work() -> None:
        names.add(threading.current_thread().name)

    registry = SchedulerRegistry("threads")
    for number in range(1000):
        registry.task(f"t{number}")(work)
    assert (await registry.run()).execution_state == "completed"
    assert len(names) <= AstrumConfig().thread_limit == 64  # type: ignore[operator]


async def test_the_wait_for_a_thread_counts_neither_for_the_timeout_nor_for_the_duration() -> None:
    registry = SchedulerRegistry("threads")
    release = threading.Event()
    limit_s = 0.3

    @registry.task("holds")
    def holds() -> None:
        assert release.wait(20)

    @registry.task("waits", timeout=limit_s)
    def waits() -> None: ...

    asyncio.get_running_loop().call_later(2 * limit_s, release.set)
    report = await registry.run(config=AstrumConfig(thread_limit=1))
    assert report.error_summary == []
    durations = {stat.task_name: stat.duration for stat in report.task_statistics}
    assert durations["holds"] > limit_s > durations["waits"]


async def test_a_task_that_waits_for_a_thread_is_cancelled_with_its_run() -> None:
    registry = SchedulerRegistry("threads")
    begun, release = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        release.wait(20)

    ran: list[str] = []
    registry.task("hold")(hold)
    registry.task("waits")(lambda: ran.append("waits"))
    job = asyncio.ensure_future(registry.run(config=AstrumConfig(thread_limit=1)))
    await asyncio.to_thread(begun.wait, 20)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    release.set()
    assert ran == []


async def test_a_task_that_timed_out_in_its_thread_lets_the_next_one_run() -> None:
    release = threading.Event()
    registry = SchedulerRegistry("threads")

    @registry.task("hangs", timeout=0.1, retry=2)
    def hangs() -> None:
        if current_attempt().attempt < 3:
            release.wait(20)

    report = await registry.run(config=AstrumConfig(thread_limit=1))
    release.set()
    assert report.execution_state == "completed"


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (True, TypeError), ("8", TypeError)])
def test_a_limit_of_threads_that_is_not_a_positive_number_is_refused(
    limit: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="thread_limit must be"):
        AstrumConfig(thread_limit=limit)
