"""arq with a short poll delay, 100 jobs at once. It has no fan-in: see `CountDown`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
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

count_down = CountDown()
SENT_AT_ONCE = 100


async def noop(_: dict[str, Any], batch: str, total: int) -> None:
    """Do nothing, in the event loop."""
    count_down.tick(batch, total)


async def sync_noop(_: dict[str, Any], batch: str, total: int) -> None:
    """Do nothing, in a thread, the way its documentation says."""
    await asyncio.get_running_loop().run_in_executor(None, count_down.tick, batch, total)


async def hop(context: dict[str, Any], batch: str, value: int, last: int) -> int:
    """Start the next job with a value made from this one's."""
    if value + 1 < last:
        await context["redis"].enqueue_job("hop", batch, value + 1, last)
    else:
        say_done(batch)
    return value + 1


class WorkerSettings:
    """What the command ``arq`` reads."""

    functions = (noop, sync_noop, hop)
    redis_settings = RedisSettings.from_dsn(URL)
    max_jobs = 100
    poll_delay = 0.001  # its default of half a second bounds every hop


async def _fan_out(pool: ArqRedis, name: str, batch: str, tasks: int) -> None:
    for start in range(0, tasks, SENT_AT_ONCE):
        count = min(SENT_AT_ONCE, tasks - start)
        await asyncio.gather(*(pool.enqueue_job(name, batch, tasks) for _ in range(count)))
    await asyncio.to_thread(wait_done, batch)


async def _chain(pool: ArqRedis, batch: str, hops: int) -> None:
    await pool.enqueue_job("hop", batch, 0, hops)
    await asyncio.to_thread(wait_done, batch)


def _measure(
    tasks: int, warm_up: int, run: Callable[[ArqRedis, str, int], Awaitable[None]]
) -> Numbers:
    with (
        worker(script("arq"), "drive_arq.WorkerSettings"),
        asyncio.Runner() as runner,
    ):
        pool = runner.run(create_pool(RedisSettings.from_dsn(URL)))
        runner.run(run(pool, "warm", warm_up))
        return timed(tasks, lambda: runner.run(run(pool, "measured", tasks)))


def fan_out(tasks: int) -> Numbers:
    """Run async jobs until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda pool, b, n: _fan_out(pool, "noop", b, n))


def sync_fan_out(tasks: int) -> Numbers:
    """Run jobs that use threads until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, lambda pool, b, n: _fan_out(pool, "sync_noop", b, n))


def chain(hops: int) -> Numbers:
    """Run jobs of which each starts the next."""
    return _measure(hops, WARM_UP_HOPS, _chain)


WORKS: dict[str, Work] = {"fan_out": fan_out, "sync_fan_out": sync_fan_out, "chain": chain}
