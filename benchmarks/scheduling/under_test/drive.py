"""Does one piece of work with the checkout under test: ``drive.py WORK '{"tasks": 100}'``.

Prints the numbers as JSON on the last line of standard output. The server's address comes in
``BENCH_REDIS_URL``. It may use only what both checkouts have.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pool import Worker, marks, pool, submit, until

Numbers = dict[str, float]
FLOWS = "scheduling_flows"
SATURATED_S = 1.0
NEWCOMERS = 5
APART_S = 0.3


def flow_of(name: str) -> Any:
    """Plan a flow of `scheduling_flows`."""
    registry = getattr(importlib.import_module(FLOWS), f"registry_{name}")
    return registry.build_scheduler().flow(fingerprints=True)


def declare(*flows: str, tasks: int = 1, task_s: float = 0.0) -> None:
    """Say which flows this process and those that it starts declare."""
    os.environ["BENCH_FLOWS"] = ",".join(flows)
    os.environ["BENCH_TASKS"], os.environ["BENCH_TASK_S"] = str(tasks), str(task_s)


async def run(coordinator: Any, flow: Any, **options: Any) -> Any:
    """Run a small flow and return its report."""
    from astrum import AstrumConfig

    report = await coordinator.run_flow(flow, AstrumConfig(), **options)
    if report.execution_state != "completed":
        raise SystemExit(f"the run {report.execution_state}: {report.error_summary[:3]}")
    return report


async def timed(coordinator: Any, flow: Any) -> float:
    """Run a small flow; return its seconds from the call to the report."""
    began = time.perf_counter()
    await run(coordinator, flow)
    return time.perf_counter() - began


async def begin_long_run(coordinator: Any, slots: int) -> str:
    """Submit the long run to the other coordinator; return once all slots are in use."""
    run_id = await coordinator.submit_flow(flow_of("big"))

    async def is_busy() -> bool:
        info = await coordinator.run_info(run_id)
        return bool(info.outstanding >= slots)

    await until(is_busy, "the long run uses all slots")
    await asyncio.sleep(SATURATED_S)
    return str(run_id)


async def newcomer(tasks: int, task_s: float, slots: int, priority: int = 0) -> Numbers:
    """Runs of one task, alone and behind a long run: when they start after they were submitted."""
    options = {"priority": priority} if priority else {}
    declare("big", "one", tasks=tasks, task_s=task_s)
    async with pool([_worker(slots)], serves=True) as coordinator:
        await _newcomers(coordinator, options)
        alone = await _newcomers(coordinator, options)
        long_run = await begin_long_run(coordinator, slots)
        behind = await _newcomers(coordinator, options)
        await coordinator.cancel(long_run)
    return {
        "tasks": tasks,
        "start_ms": statistics.median(behind),
        "worst_start_ms": max(behind),
        "alone_ms": statistics.median(alone),
    }


async def _newcomers(coordinator: Any, options: dict[str, int]) -> list[float]:
    """Run some, one soon after the other; return after how many ms the task of each began."""

    async def come(delay_s: float) -> float:
        await asyncio.sleep(delay_s)
        submitted = time.time()
        report = await run(coordinator, flow, **options)
        return float(report.task_statistics[0].start_time - submitted) * 1000

    flow = flow_of("one")
    return await asyncio.gather(*(come(number * APART_S) for number in range(NEWCOMERS)))


async def chain_beside(tasks: int, task_s: float, slots: int) -> Numbers:
    """A chain alone and beside a long run whose tasks take as long as its links."""
    declare("big", "links", tasks=tasks, task_s=task_s)
    async with pool([_worker(slots)], serves=True) as coordinator:
        flow = flow_of("links")
        await timed(coordinator, flow)
        alone = await timed(coordinator, flow)
        long_run = await begin_long_run(coordinator, slots)
        beside = await timed(coordinator, flow)
        await coordinator.cancel(long_run)
    return {
        "tasks": tasks,
        "times_alone": beside / alone,
        "alone_seconds": alone,
        "beside_seconds": beside,
    }


async def idle_queue(tasks: int, task_s: float, slots: int) -> Numbers:
    """A few tasks of a queue with a worker of its own, in a run that fills another queue."""
    declare("queues", tasks=tasks, task_s=task_s)
    workers = [
        Worker([FLOWS], ["--queue", "slow", "--concurrency", str(slots)]),
        Worker([FLOWS], ["--queue", "few"]),
    ]
    return await _last_of_few("queues", workers, tasks)


async def idle_lane(tasks: int, task_s: float, slots: int) -> Numbers:
    """A few async tasks in a run that fills the threads."""
    declare("lanes", tasks=tasks, task_s=task_s)
    return await _last_of_few("lanes", [Worker([FLOWS], ["--threads", str(slots)])], tasks)


async def _last_of_few(name: str, workers: list[Worker], tasks: int) -> Numbers:
    with marks() as times:
        async with pool(workers, serves=True) as coordinator:
            flow = flow_of(name)
            run_id = await coordinator.submit_flow(flow)

            async def is_led() -> bool:
                info = await coordinator.run_info(run_id)
                return bool(info.outstanding)

            await until(is_led, "the run is led", every_s=0.002)
            began = time.time()

            async def all_began() -> bool:
                return len(times()) == 5

            await until(all_began, "the few tasks have begun")
            await coordinator.cancel(run_id)
        found = times()
    first, last = ((at - began) * 1000 for at in (found[0], found[-1]))
    return {"tasks": tasks, "last_start_ms": last, "first_start_ms": first}


async def two_modules(tasks: int) -> Numbers:
    """Two workers, each with one of two modules, beside two workers that have both."""
    both, one, two = (["module_one", "module_two"], ["module_one"], ["module_two"])
    runs = [("module_one", {}), ("module_two", {})]
    os.environ["BENCH_TASKS"] = str(tasks)
    equal = await _rate([Worker(both), Worker(both)], runs, "equal")
    mixed = await _rate([Worker(one), Worker(two)], runs, "mixed")
    return _compared(tasks, equal, mixed)


async def two_versions(tasks: int, version: str) -> Numbers:
    """An old and a new worker with an old and a new run, beside two old workers."""
    old, new = ({"BENCH_VERSION": name} for name in ("old", version))
    module = "deployed"
    os.environ["BENCH_TASKS"] = str(tasks)
    equal_workers = [Worker([module], environment=old)] * 2
    equal = await _rate(equal_workers, [(module, old), (module, old)], "equal")
    workers = [Worker([module], environment=version) for version in (old, new)]
    mixed = await _rate(workers, [(module, old), (module, new)], "mixed")
    return _compared(tasks, equal, mixed)


def _compared(tasks: int, equal: Numbers, mixed: Numbers) -> Numbers:
    return {
        "tasks": 2 * tasks,
        "percent_of_equal": mixed["tasks_per_s"] / equal["tasks_per_s"] * 100,
        "handed_back": mixed["handed_back"],
        "mixed_tasks_per_s": mixed["tasks_per_s"],
        "equal_tasks_per_s": equal["tasks_per_s"],
    }


async def _rate(
    workers: list[Worker], runs: list[tuple[str, dict[str, str]]], name: str
) -> Numbers:
    run_ids = [f"{name}-{number}" for number in range(len(runs))]
    async with pool(workers) as coordinator:
        for run_id, (module, environment) in zip(run_ids, runs, strict=True):
            await submit(module, f"{run_id}-warm", environment)
            await coordinator.resume(f"{run_id}-warm")
            await submit(module, run_id, environment)
        began = time.perf_counter()
        reports = await asyncio.gather(*(coordinator.resume(run_id) for run_id in run_ids))
        seconds = time.perf_counter() - began
    ended = [report.execution_state for report in reports]
    if any(state != "completed" for state in ended):
        raise SystemExit(
            f"the runs {ended}: {reports[0].error_summary or reports[1].error_summary}"
        )
    attempts = [
        attempt.status
        for report in reports
        for row in report.task_statistics
        for attempt in row.attempt_statistics
    ]
    tasks = sum(report.successful_tasks for report in reports)
    return {"tasks_per_s": tasks / seconds, "handed_back": attempts.count("handed_back")}


async def cancel(tasks: int, slots: int) -> Numbers:
    """The time from the request to cancel a run of many tasks until it has ended."""
    declare("big", tasks=tasks, task_s=0.02)
    async with pool([_worker(slots)], serves=True) as coordinator:
        run_id = await begin_long_run(coordinator, slots)

        async def is_over() -> bool:
            return not (await coordinator.run_info(run_id)).is_open

        began = time.perf_counter()
        await coordinator.cancel(run_id)
        await until(is_over, "the cancelled run is over", every_s=0.005)
        seconds = time.perf_counter() - began
        state = (await coordinator.run_info(run_id)).state
    if state != "cancelled":
        raise SystemExit(f"the run was to be cancelled and is {state}")
    return {"tasks": tasks, "cancel_seconds": seconds}


def _worker(slots: int) -> Worker:
    return Worker([FLOWS], ["--concurrency", str(slots), "--threads", "1"])


WORKS: dict[str, Callable[..., Awaitable[Numbers]]] = {
    work.__name__: work
    for work in (newcomer, chain_beside, idle_queue, idle_lane, two_modules, two_versions, cancel)
}

if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(WORKS[sys.argv[1]](**json.loads(sys.argv[2])))), flush=True)
