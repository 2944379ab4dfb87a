"""Runs that share workers: each has its turn soon, and none waits behind all of another."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.resilience.modules import begin, flow_of, starts, write
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST

TASK_S = 0.02
SOON_S = 1.7
"""Far less than the seconds that what is ahead would take, also on a busy machine."""
MANY = f"""
    shop = SchedulerRegistry("shop")

    def declare(number):
        @shop.task(f"big{{number}}")
        async def big() -> None:
            note("big")
            await asyncio.sleep({TASK_S})

    for number in range(1000):
        declare(number)

    @shop.task("single")
    async def single() -> None:
        note("single")
"""
PLACES = """
    shop = SchedulerRegistry("shop")

    def declare(number):
        @shop.task(f"busy{number}", queue="busy")
        async def busy() -> None:
            note("busy")
            await released("end")

        @shop.task(f"queue{number}", queue="idle")
        async def queue() -> None:
            note("idle")

        @shop.task(f"lane{number}", queue="busy")
        def lane() -> None:
            note("idle")

    for number in range(8):
        declare(number)
"""
BIG = tuple(f"big{number}" for number in range(1000))


@pytest.fixture
async def coordinators(pool: Pool) -> AsyncIterator[tuple[Coordinator, Coordinator]]:
    """Two that do not know of each other."""
    settings = RedisSettings(url=pool.server.url)
    async with Coordinator(settings) as one, Coordinator(settings) as other:
        yield one, other


@pytest.mark.parametrize("versions", ["compatible", "exact"])
async def test_a_small_run_behind_a_big_one_starts_soon(
    pool: Pool,
    coordinators: tuple[Coordinator, Coordinator],
    tmp_path: Path,
    versions: str,
) -> None:
    module = write(tmp_path, "many", MANY)
    pool.worker(*QUICK, "--concurrency", "2", module=str(module))
    big = await begin(coordinators[0], flow_of(module, *BIG))
    await asyncio.to_thread(pool.started, "big", 30)
    submitted_at = time.time()
    small = await begin(coordinators[1], flow_of(module, "single"), versions=versions)
    [began_at] = starts(await small.ended())
    assert began_at - submitted_at < SOON_S, "10 s of the big run are still ahead"
    await big.cancelled()


async def test_two_coordinators_share_a_stream_about_equally(
    pool: Pool, coordinators: tuple[Coordinator, Coordinator], tmp_path: Path
) -> None:
    module = write(tmp_path, "many", MANY)
    pool.worker(*QUICK, "--concurrency", "4", module=str(module))
    first = await begin(coordinators[0], flow_of(module, *BIG[:250]))
    await asyncio.to_thread(pool.started, "big", 30)
    second = await begin(coordinators[1], flow_of(module, *BIG[:150]))
    one, other = [starts(await run.ended()) for run in (first, second)]
    end = min(one[-1], other[-1])
    counts = [sum(other[0] <= at <= end for at in run) for run in (one, other)]
    assert min(counts) > 0.6 * max(counts), counts


async def test_an_idle_queue_and_an_idle_lane_of_a_busy_run_are_served_at_once(
    pool: Pool, tmp_path: Path
) -> None:
    module = write(tmp_path, "places", PLACES)
    pool.worker(*QUICK, "--queue", "busy", "--concurrency", "1", module=str(module))
    pool.worker(*QUICK, "--queue", "idle", module=str(module))
    tight = dataclasses.replace(FAST, outstanding_limit=2)
    async with Coordinator(RedisSettings(url=pool.server.url), config=tight) as coordinator:
        run = await begin(coordinator, flow_of(module))
        await eventually(lambda: pool.executions()["idle"] == 16, "the end of what is not busy")
        assert pool.executions()["busy"] == 1
        pool.release("end")
        assert (await run.ended()).execution_state == "completed"
