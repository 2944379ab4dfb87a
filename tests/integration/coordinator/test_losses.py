"""Many attempts lost at once, and a server that may have lost its last writes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from astrum.config import AstrumConfig
from astrum.errors import StoreUnavailableError
from astrum.machine.budgets import FEW_SUSPECTS
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.protocol.process_end import ProcessEnd
from astrum.redis import RedisSettings, RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.journal_reader import JournalReader
from astrum_coordinator.leading.subscriptions import Subscriptions
from tests.contract.steps import dispatched, led_run
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow

OVER_AT_ONCE_S = 0.001


def reader_of(runs: RunStore, read_again: Callable[[], Awaitable[None]]) -> JournalReader:
    context = CoordinatorContext(runs, "leader", FAST)
    return JournalReader(context, Subscriptions(runs), read_again)


async def lost_together(
    coordinator: Coordinator, hand: ManualWorker, count: int
) -> asyncio.Task[ExecutionReport]:
    """Run tasks that depend on nothing, and let the worker that holds them all die."""
    names = [f"t{number}" for number in range(count)]
    await hand.register(*names)
    specs = [TaskSpec(task_id=name) for name in names]
    run = asyncio.create_task(coordinator.run_flow(flow(*specs), AstrumConfig(), run_id="r"))
    held: list[object] = []

    async def all_held() -> bool:
        held.extend(await hand.claim_all())
        return len(held) == count

    await eventually(all_held, "the worker to hold all")
    await hand.register(*names, lease_s=OVER_AT_ONCE_S)
    return run


async def finish_all(hand: ManualWorker, lane: str, count: int) -> None:
    """Claim so many second attempts from a lane, one by one, and end them well."""
    for _ in range(count):
        held = await hand.claim(lane)
        assert held.message.attempt == 2
        await hand.succeed(held)


async def test_many_attempts_lost_at_once_are_not_suspected(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    run = await lost_together(coordinator, hand, FEW_SUSPECTS + 1)
    await finish_all(hand, "async", FEW_SUSPECTS + 1)
    await run


async def test_a_few_attempts_lost_at_once_each_run_alone_next(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    run = await lost_together(coordinator, hand, FEW_SUSPECTS)
    await finish_all(hand, "exclusive", FEW_SUSPECTS)
    for task in (await run).task_statistics:
        lost = task.attempt_statistics[0]
        assert lost.status == "lost"
        assert lost.end_time >= lost.start_time > 0
        told = r"died, its lease ended; its last heartbeat was \d+ s earlier"
        assert re.search(told, str(lost.error_message))


async def test_what_a_worker_held_that_is_reported_dead_runs_again_long_before_the_reaper_is_due(
    settings: RedisSettings, hand: ManualWorker, runs: RunStore
) -> None:
    rare = replace(FAST, reap_every_s=600.0, reap_grace_s=600.0)
    async with Coordinator(settings, config=rare) as coordinator:
        dead = ManualWorker(hand.store, "dead")
        await dead.register("t")
        run = asyncio.create_task(coordinator.run_flow(flow(TaskSpec(task_id="t")), AstrumConfig()))
        assert (await dead.claim()).place == ("t", 1)
        await hand.register("t")
        await runs.end_lease("dead", ProcessEnd(-11))
        await finish_all(hand, "exclusive", 1)
        [task] = (await run).task_statistics
    told = str(task.attempt_statistics[0].error_message)
    assert "died, its process ended with signal 11 (SIGSEGV); its last heartbeat was" in told


async def test_nothing_is_dispatched_or_ended_until_all_runs_are_read_again(
    runs: RunStore,
) -> None:
    """The leader of one run does not continue while another's is still being read."""
    epoch = await led_run(runs)
    is_reading, may_end = asyncio.Event(), asyncio.Event()

    async def read_again() -> None:
        is_reading.set()
        await may_end.wait()

    reader = reader_of(runs, read_again)
    runs.loss.suspect()
    reader.start()
    await is_reading.wait()
    with pytest.raises(StoreUnavailableError, match="may have lost"):
        await dispatched(runs, epoch, 0)
    with pytest.raises(StoreUnavailableError, match="may have lost"):
        await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
    may_end.set()
    await eventually(lambda: not runs.loss.suspected, "the end of the doubt")
    await dispatched(runs, epoch, 0)
    await reader.stop()


async def test_a_loss_that_is_suspected_while_the_runs_are_read_again_is_not_forgotten(
    runs: RunStore,
) -> None:
    readings = 0

    async def read_again() -> None:
        nonlocal readings
        readings += 1
        if readings == 1:
            runs.loss.suspect()

    reader = reader_of(runs, read_again)
    runs.loss.suspect()
    reader.start()
    await eventually(lambda: readings == 1, "the first reading")
    await led_run(runs)
    assert runs.loss.suspected
    await reader._check_server()
    assert (readings, runs.loss.suspected) == (2, False)
    await reader.stop()
