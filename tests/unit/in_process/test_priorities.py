"""In process, tasks begin in the order of their priorities, as on workers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from astrum import AstrumConfig, SchedulerRegistry
from astrum.errors import RunError, TaskRegistrationError
from astrum.execution.ordered_places import OrderedPlaces

RANKED = {"low": -9, "plain": 0, "high": 2, "less": -1, "highest": 9}
BY_PRIORITY = sorted(RANKED, key=lambda name: -RANKED[name])


def registry_of(begun: list[str], *, is_async: bool) -> SchedulerRegistry:
    registry = SchedulerRegistry("ranked")

    def declare(name: str, priority: int) -> None:
        def work() -> None:
            begun.append(name)

        async def work_async() -> None:
            begun.append(name)

        registry.task(name, priority=priority)(work_async if is_async else work)

    for name, priority in RANKED.items():
        declare(name, priority)
    return registry


@pytest.mark.parametrize("is_async", [True, False])
async def test_tasks_of_a_run_begin_by_their_priorities(is_async: bool) -> None:
    begun: list[str] = []
    registry = registry_of(begun, is_async=is_async)
    await registry.run(config=AstrumConfig(concurrency_limit=1))
    assert begun == BY_PRIORITY


async def test_tasks_that_wait_for_a_thread_begin_by_their_priorities() -> None:
    begun: list[str] = []
    registry, all_wait = registry_of(begun, is_async=False), threading.Event()

    @registry.task("first", priority=9)
    def first() -> None:
        all_wait.wait()

    @registry.task("opens")
    async def opens() -> None:
        all_wait.set()

    await registry.run(config=AstrumConfig(thread_limit=1))
    assert begun == BY_PRIORITY


async def test_a_place_whose_waiter_is_cancelled_goes_to_the_next() -> None:
    places, order = OrderedPlaces(1), []

    async def work(key: int) -> None:
        async with places.place(key):
            order.append(key)
            await asyncio.sleep(0)

    async with places.place(0):
        given, waits, last = [asyncio.create_task(work(key)) for key in (1, 2, 3)]
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.sleep(0)
    given.cancel()  # it has the place, and has not begun yet
    await asyncio.gather(given, waits, last, return_exceptions=True)
    assert order == [3]
    async with asyncio.timeout(10), places.place(4):
        pass


async def test_the_report_shows_the_priority_of_the_run() -> None:
    report = await registry_of([], is_async=True).run(priority=-4)
    assert report.priority == -4


@pytest.mark.parametrize("wrong", [10, -10, 1.0, True, "5"])
async def test_a_priority_out_of_range_is_an_error_that_says_what_to_write(wrong: int) -> None:
    registry = SchedulerRegistry("wrong")
    with pytest.raises(TaskRegistrationError, match="task 'work': priority must be a whole number"):

        @registry.task("work", priority=wrong)
        async def work() -> None: ...

    with pytest.raises(RunError, match="from -9 to 9"):
        await registry_of([], is_async=True).run(priority=wrong)
