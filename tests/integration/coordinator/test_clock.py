"""The server's clock is set while runs are under way: no wait becomes longer than allowed.

Ids of stream entries never go back. One entry that was written while the clock was ahead stamps all
later ones, so a test writes such an entry in the place of a clock that it cannot set.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from astrum.config import AstrumConfig
from astrum.machine.events import TaskFoundUnserved
from astrum.planning import RetryPolicy, TaskSpec
from astrum.protocol.messages import decode_entry
from astrum.protocol.streams import Stream
from astrum.redis import RedisSettings, RunStore
from astrum.redis.journals import BEGINNING
from astrum_coordinator import Coordinator
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.pool.reaper import Reaper
from tests.contract.steps import ALREADY_OVER_S, STREAM, dispatched, led_run
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow, take_over

HOUR_S = 3600.0
FLAKY = TaskSpec(task_id="a", retry=RetryPolicy(1, delay=0.2))
NOTHING_HAPPENED = b"\xdd\0\0\0\0"


async def stamp_ahead(runs: RunStore, key: str) -> None:
    """Leave what a clock that was an hour ahead for a moment leaves in a stream."""
    entry_id = f"{round(1000 * (time.time() + HOUR_S))}-0"
    await runs.client.execute("XADD", key, entry_id, "d", NOTHING_HAPPENED)


async def test_a_retry_does_not_wait_until_the_clock_has_caught_up(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(FLAKY), AstrumConfig(), run_id="r"))
    held = await hand.claim()
    await stamp_ahead(runs, runs.keys.journal("r"))
    await hand.fail(held)
    async with asyncio.timeout(10):
        await hand.succeed(await hand.claim())
        assert (await run).execution_state == "completed"


async def test_a_new_leader_does_not_wait_for_the_clock_either(
    coordinator: Coordinator, settings: RedisSettings, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    await coordinator.submit_flow(flow(FLAKY), run_id="r")
    leader = await coordinator._parts.leaderships.adopt("r")
    assert leader is not None
    held = await hand.claim()
    await stamp_ahead(runs, runs.keys.journal("r"))
    await hand.fail(held)
    async with Coordinator(settings, config=FAST) as successor, asyncio.timeout(10):
        await take_over(runs, successor)
        await hand.succeed(await hand.claim())
        assert (await successor.resume("r")).execution_state == "completed"


async def test_a_retry_is_not_made_at_once_because_the_clock_went_back(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    """The stamps stand still then, and a recent event looks old."""
    await hand.register("a")
    spec = TaskSpec(task_id="a", retry=RetryPolicy(1, delay=100.0))
    run = asyncio.create_task(coordinator.run_flow(flow(spec), AstrumConfig(), run_id="r"))
    held = await hand.claim()
    leader = coordinator._parts.leaderships.get("r")
    assert leader is not None
    leader._timers._ahead_s += 2 * HOUR_S  # its own idea of the time, from before
    await hand.fail(held)
    await eventually(lambda: leader.state.states[0] == 3, "that the failure is known")
    [timer] = leader._timers._timers.values()
    assert timer.when() - asyncio.get_running_loop().time() > 60
    await coordinator.cancel("r")
    await run


async def test_a_run_created_ahead_of_the_clock_still_times_out_in_time(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    await coordinator.submit_flow(flow(FLAKY), run_id="r", timeout_s=0.3)
    created_at = round(1000 * (time.time() + HOUR_S))
    await runs.client.execute("HSET", runs.keys.run("r"), "at", created_at)
    async with asyncio.timeout(10):
        report = await coordinator.resume("r")
    assert report.execution_state == "failed"
    assert report.execution_duration >= 0


async def test_a_lost_message_with_an_id_ahead_of_the_clock_is_noticed(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    stream = runs.keys.queue(Stream("default", "async"))
    await stamp_ahead(runs, stream)
    await runs.client.execute("XTRIM", stream, "MAXLEN", 0)
    run = asyncio.create_task(coordinator.run_flow(flow(FLAKY), AstrumConfig(), run_id="r"))
    await eventually(lambda: runs.client.execute("XLEN", stream), "the message")
    [[entry_id, _]] = await runs.client.execute("XRANGE", stream, "-", "+")
    assert int(entry_id.partition(b"-")[0]) / 1000 > time.time() + HOUR_S / 2
    await runs.client.execute("XDEL", stream, entry_id)
    async with asyncio.timeout(10):
        await hand.succeed(await hand.claim())
        assert (await run).execution_state == "completed"


# --- leases -------------------------------------------------------------------------------


@pytest.fixture
def reaper(runs: RunStore) -> Reaper:
    return Reaper(CoordinatorContext(runs, "reaper", replace(FAST, reap_grace_s=0.01)))


async def one_held(hand: ManualWorker, runs: RunStore, run_id: str = "r") -> None:
    epoch = await led_run(runs, run_id)
    await dispatched(runs, epoch, 0, run_id=run_id)
    await hand.store.claim("async", [Stream("default", "async")], 1, block_s=None)


async def holds(hand: ManualWorker) -> bool:
    return bool(await hand.store.own_claims([STREAM]))


async def reaped(hand: ManualWorker, reaper: Reaper) -> bool:
    await reaper.pass_once()
    return not await holds(hand)


async def test_no_worker_is_declared_dead_because_the_clock_jumped_ahead(
    reaper: Reaper, hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hand.register("a")
    await one_held(hand, runs)
    dead = ManualWorker(hand.store, "dead")
    await dead.register("a", lease_s=ALREADY_OVER_S)
    await one_held(dead, runs, "other")
    await runs.client.execute("ZADD", runs.keys.leases, 1, "dead")
    await reaper.pass_once()
    read = runs.server_time

    async def ahead() -> float:
        return await read() + HOUR_S

    monkeypatch.setattr(runs, "server_time", ahead)
    # As its lease looks after the jump: it has ended within the last hour.
    ended_ms = round(1000 * (await read() - HOUR_S / 2))
    await runs.client.execute("ZADD", runs.keys.leases, ended_ms, hand.worker_id)
    await eventually(lambda: reaped(dead, reaper), "the end of what the dead one held")
    assert await holds(hand)


async def test_a_worker_that_died_before_the_clock_went_back_is_noticed_in_time(
    hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrum_coordinator.pool.upkeep.CHECK_EVERY_S", 0.05)
    await hand.register("a", lease_s=0.2)
    await one_held(hand, runs)
    ends_ms = round(1000 * (await runs.server_time() + HOUR_S))
    await runs.client.execute("ZADD", runs.keys.leases, ends_ms, hand.worker_id)
    async with Coordinator(runs.settings, config=FAST) as watcher:
        watcher._begin_to_lead()

        async def is_over() -> bool:
            return not await holds(hand)

        await eventually(is_over, "the end of what it held")


async def test_a_coordinator_with_a_wrong_clock_journals_the_server_s_time(
    settings: RedisSettings, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    right_time = time.time
    monkeypatch.setattr(time, "time", lambda: right_time() + HOUR_S)
    config = replace(FAST, unserved_limit_s=0.1)
    async with Coordinator(settings, config=config) as coordinator:
        report = await coordinator.run_flow(flow(TaskSpec(task_id="a")), AstrumConfig(), run_id="r")
    assert report.execution_state == "failed"
    [entry, *_] = await runs.read_journal({"r": BEGINNING}, block_s=None, count=10)
    [event] = decode_entry(entry.data)
    assert isinstance(event, TaskFoundUnserved)
    assert event.at == pytest.approx(entry.recorded_at, abs=60)
