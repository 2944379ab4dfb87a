"""Astrum by its users' API: a coordinator in this process, local worker processes beside it."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

from driver import URL, Numbers, Work  # noqa: E402

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))
OPTIONS = os.environ.get("BENCH_WORKER_OPTIONS", "").split()
FLOWS = "benchmarks.flows.no_ops"
REPEATED_TASKS = 30_000


@asynccontextmanager
async def open_pool(url: str = URL, *options: str) -> AsyncIterator[Any]:
    """Give a coordinator whose workers, started with ``options``, are all there and warm."""
    from astrum_coordinator import Coordinator
    from astrum_coordinator.embedded import LocalWorkers, LocalWorkerSettings

    async with Coordinator(url) as coordinator:
        settings = LocalWorkerSettings(
            redis_url=url, count=WORKERS, options=[*OPTIONS, *options], grace_s=2.0
        )
        workers = LocalWorkers([FLOWS, "benchmarks.flows.warm_up"], coordinator, settings)
        async with workers:
            while len(await coordinator.worker_pids()) < WORKERS:
                await asyncio.sleep(0.02)
            from benchmarks.flows.warm_up import warm

            await coordinator.run_flow(_flow(warm), _config())
            yield coordinator


def _flow(registry: Any) -> Any:
    return registry.build_scheduler().flow(fingerprints=True)


def _config() -> Any:
    from astrum import AstrumConfig

    return AstrumConfig()


async def _measure(shape: str, tasks: int, expected: object) -> Numbers:
    from benchmarks.flows import no_ops

    registry = getattr(no_ops, f"registry_{shape}")
    began = time.perf_counter()
    flow = _flow(registry)
    planned = time.perf_counter()
    async with open_pool() as coordinator:
        before, used = _memory(), await _cpu_s()
        started = time.perf_counter()
        led = _AtTheEnd() if "children" in shape else None
        report = await coordinator.run_flow(flow, _config(), observer=led)
        seconds = time.perf_counter() - started
        cpu = {name: value - used[name] for name, value in (await _cpu_s()).items()}
        numbers = await _store_numbers()
    _check(report, expected)
    return {
        "seconds": seconds,
        "tasks": tasks,
        "plan_seconds": planned - began,
        "coordinator_bytes_per_task": (_memory() - before) / tasks,
        **({} if led is None else {"led_bytes_per_task": (led.memory - before) / tasks}),
        **{f"{name}_cpu_us_per_task": value / tasks * 1e6 for name, value in cpu.items()},
        **numbers,
    }


class _AtTheEnd:
    """An observer that notes the memory of the leader at the end of its run, before the report."""

    def __init__(self) -> None:
        self.memory = 0

    def observe(self, state: Any, event: Any, commands: Sequence[Any]) -> None:
        """See what a leader decides."""
        if commands and type(commands[-1]).__name__ == "Finish":
            self.memory = _memory()


async def _cpu_s() -> dict[str, float]:
    """Return the processor time that each part has used so far; it tells more on a busy machine."""
    import psutil
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(URL) as client:
        server = await client.info("cpu")
    own = time.process_time()
    workers = 0.0
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        workers += times.user + times.system
    server_s = server["used_cpu_user"] + server["used_cpu_sys"]
    return {"worker": workers, "coordinator": own, "server": server_s}


async def _store_numbers() -> Mapping[str, float]:
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(URL) as client:
        memory = await client.info("memory")
        net = await client.info("stats")
        blobs = 0
        async for _ in client.scan_iter("*:b:*", count=1000):
            blobs += 1
    return {
        "redis_peak_bytes": memory["used_memory_peak"],
        "redis_output_bytes": net["total_net_output_bytes"],
        "blobs": blobs,
    }


async def _measure_here(shape: str, tasks: int, expected: object) -> Numbers:
    """Plan and run in this process, which has run something before; in processor time."""
    from benchmarks.flows import no_ops
    from benchmarks.flows.warm_up import warm

    await warm.build_scheduler().execute()
    registry = getattr(no_ops, f"registry_{shape}")
    repeats = max(1, min(REPEATED_TASKS // tasks, 9))
    times = [await _plan_and_run(registry, expected) for _ in range(repeats)]
    plan_s, run_s = (statistics.median(column) for column in zip(*times, strict=True))
    return {"seconds": run_s, "tasks": tasks, "plan_seconds": plan_s}


async def _plan_and_run(registry: Any, expected: object) -> tuple[float, float]:
    gc.collect()
    began = time.process_time()
    scheduler = registry.build_scheduler()
    scheduler.flow()
    planned = time.process_time()
    report = await scheduler.execute()
    ended = time.process_time()
    _check(report, expected)
    return planned - began, ended - planned


def _check(report: Any, expected: object) -> None:
    if report.execution_state != "completed" or report.task_return_set["last"] != expected:
        raise SystemExit(f"the run {report.execution_state}: {report.error_summary[:3]}")


def _memory() -> int:
    """Return the most memory that this process has had."""
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor


def _work(shape: str, measure: Callable[[str, int, object], Awaitable[Numbers]]) -> Work:
    def run(tasks: int) -> Numbers:
        os.environ["BENCH_TASKS"], os.environ["BENCH_FLOW"] = str(tasks), shape
        return asyncio.run(measure(shape, tasks, tasks))

    return run


SHAPES = (
    "fan_out",
    "sync_fan_out",
    "chain",
    "layered",
    "cpu_bound",
    "readers",
    "children",
    "static_children",
)
WORKS: dict[str, Work] = {shape: _work(shape, _measure) for shape in SHAPES} | {
    f"local_{shape}": _work(shape, _measure_here) for shape in ("fan_out", "chain", "layered")
}
