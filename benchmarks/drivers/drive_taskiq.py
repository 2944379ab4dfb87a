"""Taskiq with its Redis streams broker and results in Redis. It has no fan-in: see `CountDown`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import run_rates
from driver import (
    URL,
    WARM_UP_HOPS,
    WARM_UP_TASKS,
    CountDown,
    Numbers,
    Work,
    say_done,
    script,
    timed,
    wait_done,
    worker,
)
from taskiq import AsyncTaskiqTask
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = RedisStreamBroker(url=URL).with_result_backend(RedisAsyncResultBackend(redis_url=URL))
count_down = CountDown()
SENT_AT_ONCE = 100
RUNS_AT_ONCE = 64
LOOK_EVERY_S = 0.005


@broker.task
async def noop(batch: str, total: int) -> None:
    """Do nothing, in the event loop."""
    count_down.tick(batch, total)


@broker.task
def sync_noop(batch: str, total: int) -> None:
    """Do nothing, in a thread."""
    count_down.tick(batch, total)


@broker.task
async def hop(batch: str, value: int, last: int) -> int:
    """Start the next task with a value made from this one's."""
    if value + 1 < last:
        await hop.kiq(batch, value + 1, last)
    else:
        say_done(batch)
    return value + 1


@broker.task
async def short_hop(value: int, more: int, run_id: str) -> int:
    """Add one, and start the next task unless this is the last, whose id is the run's."""
    if more == 0:
        return value + 1
    kicker = short_hop.kicker()
    if more == 1:
        kicker = kicker.with_task_id(run_id)
    await kicker.kiq(value + 1, more - 1, run_id)
    return value + 1


async def _small_run(number: int) -> object:
    run_id = uuid.uuid4().hex
    await short_hop.kiq(number, 2, run_id)
    last: AsyncTaskiqTask[int] = AsyncTaskiqTask(run_id, broker.result_backend)
    return (await last.wait_result(check_interval=LOOK_EVERY_S, timeout=60)).return_value


async def _fan_out(task: Any, batch: str, tasks: int) -> None:
    for start in range(0, tasks, SENT_AT_ONCE):
        count = min(SENT_AT_ONCE, tasks - start)
        await asyncio.gather(*(task.kiq(batch, tasks) for _ in range(count)))
    await asyncio.to_thread(wait_done, batch)


async def _chain(batch: str, hops: int) -> None:
    await hop.kiq(batch, 0, hops)
    await asyncio.to_thread(wait_done, batch)


def _measure(tasks: int, warm_up: int, run: Callable[[str, int], Awaitable[None]]) -> Numbers:
    command = [script("taskiq"), "worker", "drive_taskiq:broker", "--log-level", "ERROR"]
    with worker(*command, "--workers", "1"), asyncio.Runner() as runner:
        runner.run(broker.startup())
        runner.run(run("warm", warm_up))
        numbers = timed(tasks, lambda: runner.run(run("measured", tasks)))
        runner.run(broker.shutdown())
        return numbers


def small_runs(runs: int) -> Numbers:
    """Run many short chains. A client looks for the result: nothing pushes it."""
    command = [script("taskiq"), "worker", "drive_taskiq:broker", "--log-level", "ERROR"]
    with worker(*command, "--workers", "1"), asyncio.Runner() as runner:
        runner.run(broker.startup())
        numbers = runner.run(run_rates.measure(_small_run, runs, RUNS_AT_ONCE))
        runner.run(broker.shutdown())
        return numbers


def fan_out(tasks: int) -> Numbers:
    """Run async tasks until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda batch, n: _fan_out(noop, batch, n))


def sync_fan_out(tasks: int) -> Numbers:
    """Run sync tasks until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda batch, n: _fan_out(sync_noop, batch, n))


def chain(hops: int) -> Numbers:
    """Run tasks of which each starts the next."""
    return _measure(hops, WARM_UP_HOPS, _chain)


WORKS: dict[str, Work] = {
    "fan_out": fan_out,
    "sync_fan_out": sync_fan_out,
    "chain": chain,
    "small_runs": small_runs,
}
