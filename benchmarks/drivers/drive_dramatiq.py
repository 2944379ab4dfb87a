"""Dramatiq: one process of eight threads, async actors on its event loop, results in Redis.

A count-down stands for the fan-in: group callbacks cost it most of its speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from driver import (
    URL,
    WAIT_S,
    WARM_UP_HOPS,
    WARM_UP_TASKS,
    CountDown,
    Numbers,
    Work,
    script,
    timed,
    wait_done,
    worker,
)

broker = RedisBroker(url=URL)
broker.add_middleware(AsyncIO())
broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)
count_down = CountDown()


@dramatiq.actor
async def noop(batch: str, total: int) -> int:
    """Do nothing, in the event loop."""
    count_down.tick(batch, total)
    return 0


@dramatiq.actor
def sync_noop(batch: str, total: int) -> int:
    """Do nothing, in a thread."""
    count_down.tick(batch, total)
    return 0


@dramatiq.actor
async def hop(value: int) -> int:
    """Read the predecessor's result."""
    return value + 1


@contextmanager
def _pool() -> Iterator[None]:
    with worker(script("dramatiq"), "drive_dramatiq", "--processes", "1", "--threads", "8"):
        _fan_out(noop, "warm", WARM_UP_TASKS)
        yield


def _fan_out(actor: Any, batch: str, tasks: int) -> None:
    for _ in range(tasks):
        actor.send(batch, tasks)
    wait_done(batch)


def _chain(hops: int) -> int:
    line = dramatiq.pipeline([hop.message(0), *(hop.message() for _ in range(hops - 1))])
    return int(line.run().get_result(block=True, timeout=WAIT_S * 1000))


def fan_out(tasks: int) -> Numbers:
    """Run messages of an async actor until the last has run."""
    with _pool():
        return timed(tasks, lambda: _fan_out(noop, "measured", tasks))


def sync_fan_out(tasks: int) -> Numbers:
    """Run messages of a sync actor until the last has run."""
    with _pool():
        _fan_out(sync_noop, "sync", WARM_UP_TASKS)
        return timed(tasks, lambda: _fan_out(sync_noop, "measured", tasks))


def chain(hops: int) -> Numbers:
    """Run a pipeline."""
    with _pool():
        _chain(WARM_UP_HOPS)
        return timed(hops, lambda: _chain(hops), hops)


WORKS: dict[str, Work] = {"fan_out": fan_out, "sync_fan_out": sync_fan_out, "chain": chain}
