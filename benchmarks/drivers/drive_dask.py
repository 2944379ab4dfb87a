"""Dask distributed: a local cluster of one worker process with one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import run_rates
from distributed import Client, Future, LocalCluster
from driver import VALUE, WARM_UP_HOPS, WARM_UP_TASKS, Numbers, Work, last_layer, layered, timed

RUNS_AT_ONCE = 256


async def noop(number: int) -> None:
    """Do nothing, in the event loop."""


def sync_noop(number: int) -> None:
    """Do nothing, in a thread."""


def hop(value: int) -> int:
    """Read the predecessor's result."""
    return value + 1


def node(number: int, *above: bytes) -> bytes:
    """Read three values, give one."""
    return VALUE


@contextmanager
def _client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        _fan_out(client, noop, WARM_UP_TASKS)
        yield client


def _fan_out(client: Client, function: Callable[..., object], tasks: int) -> int:
    futures = client.map(function, range(tasks), pure=False)
    return int(client.submit(len, futures, pure=False).result())


def _chain(client: Client, hops: int) -> int:
    future = client.submit(hop, 0, pure=False)
    for _ in range(hops - 1):
        future = client.submit(hop, future, pure=False)
    return int(future.result())


def _layered(client: Client, tasks: int) -> int:
    futures: list[Future] = []
    for number, above in layered(tasks):
        futures.append(client.submit(node, number, *(futures[n] for n in above), pure=False))
    return len(client.gather([futures[number] for number in last_layer(tasks)]))


def fan_out(tasks: int) -> Numbers:
    """Run async tasks that need nothing and one that needs them all."""
    with _client() as client:
        return timed(tasks, lambda: _fan_out(client, noop, tasks), tasks)


def sync_fan_out(tasks: int) -> Numbers:
    """Run sync tasks that need nothing and one that needs them all."""
    with _client() as client:
        return timed(tasks, lambda: _fan_out(client, sync_noop, tasks), tasks)


def chain(hops: int) -> Numbers:
    """Run tasks of which each reads the one before."""
    with _client() as client:
        _chain(client, WARM_UP_HOPS)
        return timed(hops, lambda: _chain(client, hops), hops)


def layers(tasks: int) -> Numbers:
    """Run the layered graph."""
    with _client() as client:
        return timed(tasks, lambda: _layered(client, tasks), len(last_layer(tasks)))


async def _small_runs(runs: int) -> Numbers:
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    async with (
        LocalCluster(**options, processes=True, asynchronous=True) as cluster,
        Client(cluster, asynchronous=True) as client,
    ):

        async def run(number: int) -> object:
            future = client.submit(hop, number, pure=False)
            for _ in range(2):
                future = client.submit(hop, future, pure=False)
            return await future

        return await run_rates.measure(run, runs, RUNS_AT_ONCE)


def small_runs(runs: int) -> Numbers:
    """Run many short chains; nothing is stored, so that a crash of the scheduler loses them."""
    return asyncio.run(_small_runs(runs))


WORKS: dict[str, Work] = {
    "fan_out": fan_out,
    "sync_fan_out": sync_fan_out,
    "chain": chain,
    "layered": layers,
    "small_runs": small_runs,
}
