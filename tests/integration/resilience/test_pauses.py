"""Pauses of a queue, a task or a namespace while a run is under way."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig
from tests.eventually import eventually
from tests.integration.resilience.modules import begin, flow_of, write
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST

SHOP = """
    shop = SchedulerRegistry("{namespace}")

    @shop.task("runs")
    async def runs() -> None:
        note("runs")
        await released("runs")

    def declare(number):
        @shop.task(f"next{{number}}")
        async def following() -> None:
            note(f"next{{number}}")

    for number in range({count}):
        declare(number)
"""
PAUSES: dict[str, Any] = {
    "queue": {"queues": ["default"]},
    "namespace": {"namespaces": ["shop"]},
    "task": {"tasks": [f"shop/next{number}" for number in range(6)]},
}
SOON_S = 5.0
IMPATIENT = dataclasses.replace(FAST, unserved_notice_s=0.1, unserved_limit_s=0.4)


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    # A pause is noticed without the look at the whole pool, which is due later.
    config = CoordinatorConfig(watch_every_s=20.0, renew_every_s=0.3)
    async with Coordinator(RedisSettings(url=pool.server.url), config=config) as coordinator:
        yield coordinator


def shop(folder: Path, name: str = "shop", count: int = 6) -> Path:
    return write(folder, name, SHOP.format(namespace=name, count=count))


async def in_streams(coordinator: Coordinator) -> tuple[int, int]:
    """Return how many attempts wait in streams, and how many workers hold."""
    rows = await coordinator.queues()
    return sum(one.waiting for one in rows), sum(one.running for one in rows)


@pytest.mark.parametrize("what", PAUSES)
async def test_a_pause_takes_back_what_waits_and_an_unpause_goes_on_at_once(
    pool: Pool, coordinator: Coordinator, tmp_path: Path, what: str
) -> None:
    module = shop(tmp_path)
    pool.worker(*QUICK, "--concurrency", "1", module=str(module))
    run = await begin(coordinator, flow_of(module))
    await asyncio.to_thread(pool.started, "runs")

    async def some_wait() -> bool:
        return (await in_streams(coordinator))[0] > 0

    await eventually(some_wait, "what waits behind it")
    await coordinator.pause(**PAUSES[what], reason="a test")
    loop = asyncio.get_running_loop()
    paused_at = loop.time()

    async def nothing_waits() -> bool:
        return await in_streams(coordinator) == (0, 1)

    await eventually(nothing_waits, "the end of what waits")
    assert loop.time() - paused_at < SOON_S, "sooner than a look at the pool is due"
    pool.release("runs")

    async def is_idle() -> bool:
        return await in_streams(coordinator) == (0, 0)

    await eventually(is_idle, "the end of what runs")
    assert await run.state() == "open"

    async def is_told() -> bool:
        [one] = [row for row in await coordinator.queues() if row.queue == "default"]
        return (one.held_ready, one.demand) == (6, 0)

    await eventually(is_told, "held tasks that ask for no workers")
    assert pool.executions() == {"runs": 1}
    unpaused_at = loop.time()
    await coordinator.unpause(**PAUSES[what])
    assert (await run.ended()).execution_state == "completed"
    assert loop.time() - unpaused_at < SOON_S
    assert sum(pool.executions().values()) == 7


async def test_a_run_that_begins_under_a_pause_sends_nothing(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    first, second = shop(tmp_path, count=1), shop(tmp_path, "later", count=1)
    for module in (first, second):
        pool.worker(*QUICK, module=str(module))
    running = await begin(coordinator, flow_of(first))
    await asyncio.to_thread(pool.started, "next0")
    await coordinator.pause(namespaces=["later"])
    paused = await begin(coordinator, flow_of(second))
    pool.release("runs")
    await running.ended()
    assert pool.executions() == {"runs": 1, "next0": 1}
    await coordinator.unpause(namespaces=["later"])
    await paused.ended()


async def test_neither_a_pause_nor_a_drain_ends_a_run_as_unserved(
    pool: Pool, tmp_path: Path
) -> None:
    """A third run, which no worker serves, shows when the limit is over."""
    modules = {name: shop(tmp_path, name, 1) for name in ("paused", "drained", "unserved")}
    worker = pool.worker("--lease", "1", module=str(modules["drained"]))
    settings = RedisSettings(url=pool.server.url)
    async with Coordinator(settings, config=IMPATIENT) as coordinator:
        drained = await begin(coordinator, flow_of(modules["drained"], "runs"))
        await asyncio.to_thread(pool.started, "runs")
        worker.send(signal.SIGTERM)

        async def is_draining() -> bool:
            [one] = await coordinator.workers()
            return bool(one.status.not_claiming)

        await eventually(is_draining, "the drain")
        await coordinator.pause(namespaces=["paused"], anyway=True)
        paused = await begin(coordinator, flow_of(modules["paused"]))
        unserved = await begin(coordinator, flow_of(modules["unserved"]))
        assert (await unserved.ended()).execution_state == "failed"
        assert await paused.state() == "open"
        pool.release("runs")
        assert (await drained.ended()).execution_state == "completed"
        await paused.cancelled()
