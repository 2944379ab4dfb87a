"""Astrum behind a service: a client in this process, one `serve`, one worker process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import drive_astrum  # noqa: F401  (lets this process and its children find the project)
import run_rates
from driver import URL, Numbers, Work, worker

FLOWS = "benchmarks.flows.small_runs"
AT_ONCE = 256
LOOKED_AT = 20
QUIET = ("--redis", URL, "--log-level", "warning")


@asynccontextmanager
async def _processes() -> AsyncIterator[tuple[Any, dict[str, int]]]:
    """Give a client and the process ids of worker and coordinator."""
    from astrum import Client, Coordinator
    from benchmarks.flows.small_runs import small

    module = [sys.executable, "-m"]
    with (
        worker(*module, "astrum_worker", FLOWS, "--no-supervisor", *QUIET) as works,
        worker(*module, "astrum_coordinator", "serve", *QUIET) as serves,
    ):
        async with Coordinator(URL) as coordinator:
            while not await coordinator.workers():
                await asyncio.sleep(0.02)
            await coordinator.publish(small.build_scheduler().flow(fingerprints=True))
        async with Client(URL) as client:
            yield client, {"worker": works.pid, "coordinator": serves.pid}


async def _small_runs(runs: int) -> Numbers:
    async with _processes() as (client, pids):

        async def run(number: int) -> object:
            handle = await client.start("small", inputs={"number": number})
            return await handle.result("third")

        numbers = await run_rates.measure(run, runs, AT_ONCE)
        before = await _cpu_s(pids)
        _, done = await run_rates.saturate(run, runs, AT_ONCE)
        cpu = {name: value - before[name] for name, value in (await _cpu_s(pids)).items()}
        size = await _bytes_of_a_run(client)
    used = {f"{name}_cpu_us_per_run": value / done * 1e6 for name, value in cpu.items()}
    return {**numbers, **used, "server_bytes_per_run": size}


async def _cpu_s(pids: dict[str, int]) -> dict[str, float]:
    import psutil
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(URL) as server:
        info = await server.info("cpu")
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    used = {name: each.user + each.system for name, each in times.items()}
    server_s = info["used_cpu_user"] + info["used_cpu_sys"]
    return {**used, "server": server_s, "client": time.process_time()}


async def _bytes_of_a_run(client: Any) -> float:
    """Return the memory of all keys that name one of some ended runs, for each of them."""
    import redis.asyncio

    size = 0
    runs = [await client.start("small", inputs={"number": n}) for n in range(LOOKED_AT)]
    for handle in runs:
        await handle.wait()
    async with redis.asyncio.Redis.from_url(URL) as server:
        for handle in runs:
            async for key in server.scan_iter(f"*{handle.run_id}*", count=5_000):
                size += await server.memory_usage(key, samples=0) or 0
    return size / LOOKED_AT


WORKS: dict[str, Work] = {"small_runs": lambda runs: asyncio.run(_small_runs(runs))}
