"""A coordinator works between its opening and its closing, and says so at any other time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from astrum import SchedulerRegistry
from astrum.errors import RunError
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.eventually import eventually

registry = SchedulerRegistry("closed")


@registry.task("a")
async def a() -> None: ...


USES: list[Callable[[Coordinator], Awaitable[object]]] = [
    lambda c: registry.run(executor=c),
    lambda c: c.resume("r1"),
    lambda c: c.report("r1"),
    lambda c: c.cancel("r1"),
    lambda c: c.runs(),
    lambda c: c.workers(),
    lambda c: c.serve(),
]


@pytest.mark.parametrize("use", USES)
async def test_a_coordinator_that_was_never_opened_says_how_to_open_it(
    settings: RedisSettings, use: Callable[[Coordinator], Awaitable[object]]
) -> None:
    with pytest.raises(RunError, match=r"async with Coordinator\(\.\.\.\)"):
        await use(Coordinator(settings))


async def test_a_closed_coordinator_submits_nothing(settings: RedisSettings) -> None:
    async with Coordinator(settings) as coordinator:
        pass
    with pytest.raises(RunError, match="not open"):
        await registry.run(executor=coordinator)
    async with Coordinator(settings) as coordinator:
        assert await coordinator.runs() == []


async def test_a_closed_coordinator_adopts_nothing(settings: RedisSettings) -> None:
    def is_adopting() -> bool:
        return any(task.get_name() == "astrum-adoption" for task in asyncio.all_tasks())

    async with Coordinator(settings) as coordinator:
        serving = asyncio.create_task(coordinator.serve())
        await eventually(is_adopting, "the search for runs")
    assert not is_adopting()
    serving.cancel()
    await asyncio.wait([serving])
