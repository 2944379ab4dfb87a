"""Shared by the drivers of small runs: rate at saturation, and latency when idle and at half load.

A driver gives one async function that starts a run and waits for its result.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

from driver import Numbers

Run = Callable[[int], Awaitable[object]]
"""Starts the run of this number, and returns its result."""

WARM_UP_RUNS = 20
IDLE_RUNS = 200
PHASE_S = 20.0
"""No phase takes longer: a slow system does fewer runs."""


def expected(number: int) -> int:
    """Return the result of a run: each of its three tasks adds one."""
    return number + 3


async def measure(run: Run, runs: int, at_once: int) -> Numbers:
    """Measure all three; ``at_once`` runs are under way at saturation."""
    await _sequence(run, WARM_UP_RUNS)
    idle = await _sequence(run, min(IDLE_RUNS, runs))
    rate, done = await saturate(run, runs, at_once)
    half = await _paced(run, min(runs, done), rate / 2)
    return {
        **latencies("idle", idle),
        **latencies("half", half),
        "runs_per_s": rate,
        "tasks": done,
        "seconds": done / rate,
    }


def latencies(name: str, times: list[float]) -> Numbers:
    """Return the median and the last hundredth, in milliseconds."""
    times = sorted(times)
    middle, late = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    return {f"{name}_p50_ms": middle * 1e3, f"{name}_p99_ms": late * 1e3}


async def _sequence(run: Run, runs: int) -> list[float]:
    times: list[float] = []
    until = time.perf_counter() + PHASE_S
    while len(times) < runs and time.perf_counter() < until:
        times.append(await _timed(run, len(times)))
    return times


async def saturate(run: Run, runs: int, at_once: int) -> tuple[float, int]:
    """Return runs per second with always so many under way, and how many that were."""
    numbers, began, done = itertools.count(), time.perf_counter(), 0

    async def repeat() -> None:
        nonlocal done
        while (number := next(numbers)) < runs and time.perf_counter() < began + PHASE_S:
            await _timed(run, number)
            done += 1

    await asyncio.gather(*(repeat() for _ in range(at_once)))
    return done / (time.perf_counter() - began), done


async def _paced(run: Run, runs: int, rate: float) -> list[float]:
    began, tasks = time.perf_counter(), []
    for number in range(min(runs, int(rate * PHASE_S) + 1)):
        await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(_timed(run, number)))
    return list(await asyncio.gather(*tasks))


async def _timed(run: Run, number: int) -> float:
    began = time.perf_counter()
    found = await run(number)
    if found != expected(number):
        raise SystemExit(f"wrong result: {found!r} instead of {expected(number)!r}")
    return time.perf_counter() - began
