"""streaq: 100 tasks at once, tasks enqueued in one batch. A count-down stands for the fan-in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from driver import (
    URL,
    WARM_UP_HOPS,
    WARM_UP_TASKS,
    CountDown,
    Numbers,
    Work,
    say_done,
    script,
    wait_done,
    worker,
)
from streaq import Worker

queue = Worker(redis_url=URL, concurrency=100)
count_down = CountDown()


@queue.task
async def noop(batch: str, total: int) -> None:
    """Do nothing, in the event loop."""
    count_down.tick(batch, total)


@queue.task
def sync_noop(batch: str, total: int) -> None:
    """Do nothing, in a thread."""
    count_down.tick(batch, total)


@queue.task
async def hop(batch: str, value: int, last: int) -> int:
    """Start the next task with a value made from this one's."""
    if value + 1 < last:
        await hop.enqueue(batch, value + 1, last)
    else:
        say_done(batch)
    return value + 1


async def _fan_out(task: object, batch: str, tasks: int) -> None:
    await queue.enqueue_many([task.enqueue(batch, tasks) for _ in range(tasks)])
    await asyncio.to_thread(wait_done, batch)


async def _chain(batch: str, hops: int) -> None:
    await hop.enqueue(batch, 0, hops)
    await asyncio.to_thread(wait_done, batch)


def _measure(tasks: int, warm_up: int, run: Callable[[str, int], Awaitable[None]]) -> Numbers:
    with worker(script("streaq"), "run", "drive_streaq:queue"):
        return asyncio.run(_measured(tasks, warm_up, run))


async def _measured(
    tasks: int, warm_up: int, run: Callable[[str, int], Awaitable[None]]
) -> Numbers:
    async with queue:
        await run("warm", warm_up)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await run("measured", tasks)
        return {"seconds": loop.time() - began, "tasks": tasks}


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
