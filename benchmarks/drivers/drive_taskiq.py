"""Taskiq with its Redis streams broker and results in Redis. It has no fan-in: see `CountDown`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

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
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = RedisStreamBroker(url=URL).with_result_backend(RedisAsyncResultBackend(redis_url=URL))
count_down = CountDown()
SENT_AT_ONCE = 100


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


def fan_out(tasks: int) -> Numbers:
    """Run async tasks until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda batch, n: _fan_out(noop, batch, n))


def sync_fan_out(tasks: int) -> Numbers:
    """Run sync tasks until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda batch, n: _fan_out(sync_noop, batch, n))


def chain(hops: int) -> Numbers:
    """Run tasks of which each starts the next."""
    return _measure(hops, WARM_UP_HOPS, _chain)


WORKS: dict[str, Work] = {"fan_out": fan_out, "sync_fan_out": sync_fan_out, "chain": chain}
