"""Astrum where it does not just run: a long run is taken over or asked about, and a pool waits."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import drive_astrum
from driver import URL, Numbers, Work, script

WORKERS = 10
FIRST_CHILD_RUNS = 50
IDLE_SETTLE_S = 3.0
IDLE_S = float(os.environ.get("BENCH_IDLE_S", "15"))


class _FirstDispatch:
    """An observer that notes when a leader has ordered its first dispatch."""

    def __init__(self) -> None:
        self.at = 0.0

    def observe(self, state: Any, event: Any, commands: Sequence[Any]) -> None:
        """See what a leader decides."""
        if not self.at and any(type(command).__name__ == "Dispatch" for command in commands):
            self.at = time.perf_counter()


async def _resume(tasks: int) -> Numbers:
    from astrum_coordinator import Coordinator
    from benchmarks.flows import no_ops

    flow = no_ops.registry_resumed.build_scheduler().flow(fingerprints=True)
    async with drive_astrum.open_pool() as first:
        run_id = await first.submit_flow(flow)
        await _led_until(first, run_id, outstanding=1)
    # No one leads now. The worker that comes lets the run's history end with one success more.
    async with drive_astrum.open_pool(URL, "--queue", "default", "--queue", "later") as second:
        await _until(lambda: _outstanding(second, run_id), 0)
        observer = _FirstDispatch()
        async with Coordinator(URL) as third:
            began = time.perf_counter()
            report = await third.resume(run_id, observer=observer)
    if report.execution_state != "completed":
        raise SystemExit(f"the run {report.execution_state}: {report.error_summary[:3]}")
    return {"seconds": observer.at - began, "tasks": tasks}


async def _resume_children(tasks: int) -> Numbers:
    """Stop leading and running when half of the children have succeeded; take the run over."""
    from astrum_coordinator import Coordinator
    from benchmarks.flows import no_ops

    flow = no_ops.registry_children.build_scheduler().flow(fingerprints=True)
    async with drive_astrum.open_pool() as first:
        run_id = await first.submit_flow(flow)
        serving = asyncio.create_task(first.serve())
        await _until(lambda: _has_succeeded(first, run_id, tasks // 2), True)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    async with drive_astrum.open_pool():
        observer = _FirstDispatch()
        async with Coordinator(URL) as third:
            began = time.perf_counter()
            report = await third.resume(run_id, observer=observer)
    if report.execution_state != "completed":
        raise SystemExit(f"the run {report.execution_state}: {report.error_summary[:3]}")
    return {"seconds": observer.at - began, "tasks": tasks}


async def _has_succeeded(coordinator: Any, run_id: str, tasks: int) -> bool:
    run = next(run for run in await coordinator.runs() if run.run_id == run_id)
    return run.counts is not None and run.counts.succeeded >= tasks


async def _first_child(tasks: int) -> Numbers:
    """Measure, on the server's clock, from a producer's end to the dispatch of its first child."""
    from astrum import AstrumConfig
    from benchmarks.flows import no_ops

    flow = no_ops.registry_children.build_scheduler().flow(fingerprints=True)
    waits = []
    async with drive_astrum.open_pool() as coordinator:
        for _ in range(FIRST_CHILD_RUNS):
            report = await coordinator.run_flow(flow, AstrumConfig())
            rows = {row.task_name: row for row in report.task_statistics}
            sent = min(_dispatched_at(child) for child in rows["t"].children)
            waits.append(sent - rows["numbers"].end_time)
    return {"seconds": statistics.median(waits), "worst_seconds": max(waits), "tasks": tasks}


def _dispatched_at(row: Any) -> float:
    first = row.attempt_statistics[0]
    return float(first.start_time - first.prepared_s - first.queued_s)


async def _led_until(coordinator: Any, run_id: str, *, outstanding: int) -> None:
    """Lead until only the gate, which no worker serves, is outstanding."""
    serving = asyncio.create_task(coordinator.serve())
    try:
        await _until(lambda: _finished_but(coordinator, run_id, outstanding), True)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _finished_but(coordinator: Any, run_id: str, outstanding: int) -> bool:
    if await _outstanding(coordinator, run_id) != outstanding:
        return False
    report = await coordinator.report(run_id)
    return bool(report.successful_tasks == report.total_tasks - 2)


async def _outstanding(coordinator: Any, run_id: str) -> int:
    return next(run.outstanding for run in await coordinator.runs() if run.run_id == run_id)


async def _until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    while await look() != wanted:
        await asyncio.sleep(0.1)


async def _idle(runs: int) -> Numbers:
    import psutil
    import redis.asyncio

    from benchmarks.flows import no_ops

    flow = no_ops.registry_waiting.build_scheduler().flow(fingerprints=True)
    async with drive_astrum.open_pool() as coordinator:
        serving = asyncio.create_task(coordinator.serve())
        for _ in range(runs):
            await coordinator.submit_flow(flow)
        await _until(lambda: _running(coordinator), runs)
        await asyncio.sleep(IDLE_SETTLE_S)
        pids = [int(worker.details["pid"]) for worker in await coordinator.workers()]
        watched = [psutil.Process(pid) for pid in (*pids, os.getpid())]
        async with redis.asyncio.Redis.from_url(URL) as client:
            before, commands = [_cpu_s(p) for p in watched], await _commands(client)
            began = time.perf_counter()
            await asyncio.sleep(IDLE_S)
            passed = time.perf_counter() - began
            after, commands = [_cpu_s(p) for p in watched], await _commands(client) - commands
        shares = [(b - a) / passed * 100 for a, b in zip(before, after, strict=True)]
        for run in await coordinator.runs(limit=runs):
            await coordinator.cancel(run.run_id)
        await _until(lambda: _running(coordinator), 0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return {
        "seconds": passed,
        "tasks": runs,
        "worker_cpu_percent": max(shares[:-1]),
        "coordinator_cpu_percent": shares[-1],
        "commands_per_s": (commands - 1) / passed,
    }


async def _running(coordinator: Any) -> int:
    runs = await coordinator.runs(limit=1_000)
    return sum(run.outstanding for run in runs if run.is_open)


async def _commands(client: Any) -> int:
    return int((await client.info("stats"))["total_commands_processed"])


def _cpu_s(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _why(tasks: int) -> Numbers:
    """Ask about a run of which no task has ended, then about one of which all but two have."""
    from benchmarks.flows import no_ops

    waiting = no_ops.registry_fan_out.build_scheduler().flow(fingerprints=True)
    resumed = no_ops.registry_resumed.build_scheduler().flow(fingerprints=True)
    async with drive_astrum.open_pool() as coordinator:
        new = await coordinator.submit_flow(waiting)
        old = await coordinator.submit_flow(resumed)
        seconds = [await _asked(new)]
        await coordinator.cancel(new)
        await _led_until(coordinator, old, outstanding=1)
        seconds.append(await _asked(old))
    return {"seconds": max(seconds), "tasks": tasks, "of_new": seconds[0], "of_old": seconds[1]}


async def _asked(run_id: str) -> float:
    """Return the fastest of three calls of the command."""
    return min([await asyncio.to_thread(_asked_once, run_id) for _ in range(3)])


def _asked_once(run_id: str) -> float:
    began = time.perf_counter()
    command = [script("astrum-coordinator"), "why", run_id, "--redis", URL, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - began
    if run_id.encode() not in done.stdout:
        raise SystemExit(f"why ended with {done.returncode}")
    return seconds


def _work(flow: str, measure: Callable[[int], Awaitable[Numbers]], workers: int) -> Work:
    def run(tasks: int) -> Numbers:
        os.environ["BENCH_TASKS"], os.environ["BENCH_FLOW"] = str(tasks), flow
        drive_astrum.WORKERS = workers
        return asyncio.run(measure(tasks))

    return run


WORKS: dict[str, Work] = {
    "resume": _work("resumed", _resume, 1),
    "why": _work("fan_out,resumed", _why, 1),
    "resume_children": _work("children", _resume_children, 1),
    "first_child": _work("children", _first_child, 1),
    "idle": _work("waiting", _idle, WORKERS),
}
