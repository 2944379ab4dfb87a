"""Celery: one prefork process, results in Redis, a chord as the fan-in. It has no async tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import run_rates
from celery import Celery, chord
from celery import chain as celery_chain
from driver import URL, WARM_UP_HOPS, WARM_UP_TASKS, Numbers, Work, script, timed, worker

RUNS_AT_ONCE = 32

app = Celery("drive_celery", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=False,
    worker_prefetch_multiplier=128,  # what its guide says for many short tasks
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
)


@app.task
def noop() -> None:
    """Do nothing."""


@app.task
def hop(value: int) -> int:
    """Read the predecessor's result."""
    return value + 1


@app.task
def join(results: list[None]) -> int:
    """Count what came in."""
    return len(results)


@contextmanager
def _pool() -> Iterator[None]:
    options = ["-P", "prefork", "-c", "1", "-l", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with worker(script("celery"), "-A", "drive_celery", "worker", *options, *quiet):
        _fan_out(WARM_UP_TASKS)
        yield


def _fan_out(tasks: int) -> int:
    return int(chord([noop.s() for _ in range(tasks)])(join.s()).get(interval=0.01))


def _chain(hops: int) -> int:
    steps = [hop.s(0), *(hop.s() for _ in range(hops - 1))]
    return int(celery_chain(*steps)().get(interval=0.001))


def fan_out(tasks: int) -> Numbers:
    """Run a chord."""
    with _pool():
        return timed(tasks, lambda: _fan_out(tasks), tasks)


def chain(hops: int) -> Numbers:
    """Run a chain."""
    with _pool():
        _chain(WARM_UP_HOPS)
        return timed(hops, lambda: _chain(hops), hops)


def small_runs(runs: int) -> Numbers:
    """Run many short chains, each awaited in a thread of this process: it has no async client."""

    async def run(number: int) -> object:
        return await asyncio.get_running_loop().run_in_executor(threads, _small_run, number)

    with _pool(), ThreadPoolExecutor(RUNS_AT_ONCE) as threads:
        return asyncio.run(run_rates.measure(run, runs, RUNS_AT_ONCE))


def _small_run(number: int) -> int:
    return int(celery_chain(hop.s(number), hop.s(), hop.s())().get(interval=0.001))


WORKS: dict[str, Work] = {
    "fan_out": fan_out,
    "sync_fan_out": fan_out,
    "chain": chain,
    "small_runs": small_runs,
}
