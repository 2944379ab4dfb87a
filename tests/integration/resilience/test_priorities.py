"""Priorities of runs and tasks on real workers: what begins first, and that nothing starves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astrum.errors import RunError
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.resilience.modules import begin, flow_of, write
from tests.integration.resilience.pool import QUICK, Pool

MODULE = """
    shop = SchedulerRegistry("shop")

    def declare(number):
        @shop.task(f"gate{number}")
        async def gate() -> None:
            note("gate")
            await released(f"gate{number}")

        @shop.task(f"many{number}")
        async def many() -> None:
            note("many")
            await asyncio.sleep(0.01)

        @shop.task(f"other{number}")
        async def other() -> None:
            note("other")
            await asyncio.sleep(0.01)

    for number in range(120):
        declare(number)

    @shop.task("hold")
    async def hold() -> None:
        note("hold")
        await released("hold")

    @shop.task("fails")
    async def fails() -> None:
        if not (FOLDER / "mended").exists():
            raise ValueError("not yet")
        note("mended")

    def ranked(name, priority):
        @shop.task(name, priority=priority, depends_on=["hold"])
        async def work() -> None:
            note(name)

    for name, priority in (("low", -9), ("plain", 0), ("high", 2), ("less", -1), ("highest", 9)):
        ranked(name, priority)
"""
RANKED = ("low", "plain", "high", "less", "highest")


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    """One that leads all runs of the test."""
    async with Coordinator(RedisSettings(url=pool.server.url)) as one:
        yield one


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The module with all tasks."""
    return write(tmp_path, "ranked", MODULE)


def order(pool: Pool) -> list[str]:
    """Return what was executed, in order."""
    return (pool.folder / "executions").read_text().split()


async def test_an_urgent_run_begins_with_the_next_free_slot(
    pool: Pool, coordinator: Coordinator, module: Path
) -> None:
    pool.worker(*QUICK, "--concurrency", "1", module=str(module))
    big = await begin(coordinator, flow_of(module, *(f"gate{n}" for n in range(20))))
    await eventually(lambda: pool.executions()["gate"] == 1, "the first task of the big run")
    small = await begin(coordinator, flow_of(module, "hold"), priority=5)
    later = await begin(coordinator, flow_of(module, "other0"), priority=-5)
    await eventually(lambda: _is_waiting(coordinator, 4), "attempts of all runs that wait")
    pool.release("gate0")
    await eventually(lambda: len(order(pool)) == 2, "the next task")
    assert order(pool) == ["gate", "hold"], "another of the big run was sent before it"
    pool.release("hold")
    assert (await small.ended()).priority == 5
    for run in (big, later):
        await run.cancelled()


async def _is_waiting(coordinator: Coordinator, count: int) -> bool:
    [queue] = await coordinator.queues()
    return queue.waiting + queue.running >= count


async def test_ordinary_attempts_have_their_turn_beside_urgent_ones_without_end(
    pool: Pool, coordinator: Coordinator, module: Path
) -> None:
    pool.worker(*QUICK, "--concurrency", "1", module=str(module))
    urgent = await begin(
        coordinator, flow_of(module, *(f"many{n}" for n in range(120))), priority=9
    )
    await eventually(lambda: pool.executions()["many"] >= 5, "the urgent run")
    ordinary = await begin(coordinator, flow_of(module, "other0", "other1"), priority=-9)
    assert (await ordinary.ended()).execution_state == "completed"
    assert pool.executions()["many"] < 100, "the urgent run goes on all the time"
    await urgent.cancelled()


async def test_runs_below_zero_have_smaller_shares_of_a_stream(
    pool: Pool, coordinator: Coordinator, module: Path
) -> None:
    pool.worker(*QUICK, "--concurrency", "4", module=str(module))
    low = await begin(coordinator, flow_of(module, *(f"many{n}" for n in range(120))), priority=-3)
    await eventually(lambda: pool.executions()["many"] >= 10, "the low run alone")
    plain = await begin(coordinator, flow_of(module, *(f"other{n}" for n in range(120))))
    await plain.ended()
    executed = order(pool)
    places = [place for place, name in enumerate(executed) if name == "other"]
    beside_the_last = executed[places[40] : places[-1]]
    assert 0 < beside_the_last.count("many") < 80 / 3, "about 10: an eighth"
    await low.cancelled()


async def test_tasks_of_one_run_begin_by_their_priorities(
    pool: Pool, coordinator: Coordinator, module: Path
) -> None:
    pool.worker(*QUICK, "--concurrency", "1", module=str(module))
    # Before the first urgent attempt a worker reads no urgent stream: one attempt for each free
    # slot may then begin out of order (docs/guarantees.md).
    await (await begin(coordinator, flow_of(module, "other0"), priority=1)).ended()
    run = await begin(coordinator, flow_of(module, *RANKED))
    await eventually(lambda: pool.executions()["hold"] == 1, "the task that all wait for")
    pool.release("hold")
    await run.ended()
    assert order(pool) == ["other", "hold", "highest", "high", "plain", "less", "low"]


async def test_a_retried_run_keeps_its_priority(
    pool: Pool, coordinator: Coordinator, module: Path
) -> None:
    pool.worker(*QUICK, module=str(module))
    run = await begin(coordinator, flow_of(module, "fails"), priority=3, run_id="r")
    assert (await run.ended()).execution_state == "failed"
    (module.parent / "mended").touch()
    await coordinator.retry("r")
    report = await coordinator.resume("r")
    assert (report.execution_state, report.priority) == ("completed", 3)
    used = await coordinator._store.backlog()
    assert any(key.endswith(":u") for key in used), "the run used an urgent stream"
    again = await coordinator.submit_flow(flow_of(module, "fails"), run_id="r", priority=-1)
    assert again == "r", "it is the same run whatever its priority"
    [info] = await coordinator.runs()
    assert info.priority == 3


async def test_a_priority_out_of_range_is_refused_with_what_to_write(
    coordinator: Coordinator, module: Path
) -> None:
    with pytest.raises(RunError, match=r"whole number from -9 to 9 .* got 10"):
        await coordinator.submit_flow(flow_of(module, "plain"), priority=10)
    assert await coordinator.runs() == []
