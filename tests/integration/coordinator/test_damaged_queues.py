"""Messages that are damaged or gone: each attempt still has an end, and the run continues."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from astrum.config import AstrumConfig
from astrum.planning import TaskSpec
from astrum.protocol.keys import GROUP
from astrum.protocol.streams import Stream
from astrum.redis import RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.pool.reaper import Reaper
from tests.contract.steps import led_run
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow
from tests.servers import Server

A = TaskSpec(task_id="a")


def statuses(report: object) -> list[str]:
    [task] = report.task_statistics  # type: ignore[attr-defined]
    return [attempt.status for attempt in task.attempt_statistics]


async def next_time(runs: RunStore) -> float:
    """Return the server's time once its clock has gone on visibly.

    Its records have whole milliseconds, of a clock that it may have read one of them before.
    """
    began = await runs.server_time()
    while (now := await runs.server_time()) < began + 0.003:
        pass
    return now


async def test_a_message_that_vanished_from_its_queue_is_sent_again(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, redis_server: Server
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(A), AstrumConfig(), run_id="r"))
    queue = runs.keys.queue(Stream("default", "async"))
    with redis_server.client() as client:
        await eventually(lambda: client.xlen(queue) == 1)
        [(entry_id, _)] = client.xrange(queue)
        client.xdel(queue, entry_id)
    await hand.succeed(await hand.claim())
    report = await run
    assert report.execution_state == "completed"
    assert statuses(report) == ["handed_back", "completed"]


async def test_a_damaged_message_of_a_dead_worker_is_a_loss_and_goes_on(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, redis_server: Server
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(A), AstrumConfig(), run_id="r"))
    held = await hand.claim()
    queue = runs.keys.queue(Stream("default", "async"))
    with redis_server.client() as client:
        other = client.xadd(queue, {"d": held.claim.data[:-7]}).decode()
        client.xack(queue, GROUP, held.claim.entry_id)
        client.xdel(queue, held.claim.entry_id)
        client.xreadgroup(GROUP, "never-leased", {queue: ">"}, count=1)
        client.hset(runs.keys.attempts("r"), "0", f"1:{other}/default:a:")
    await hand.succeed(await hand.claim("exclusive"))
    report = await run
    assert report.execution_state == "completed"
    assert statuses(report) == ["lost", "completed"]


async def test_an_entry_that_is_not_a_message_is_set_aside_once_its_worker_is_dead(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker, redis_server: Server
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(A), AstrumConfig(), run_id="r"))
    held = await hand.claim()
    queue = runs.keys.queue(Stream("default", "async"))
    with redis_server.client() as client:
        client.xadd(queue, {"d": b"\xc1 nonsense"})
        client.xreadgroup(GROUP, "never-leased", {queue: ">"}, count=1)
        await eventually(lambda: client.xlen(runs.keys.dead_letters) == 1)
    await hand.succeed(held)
    assert (await run).execution_state == "completed"


async def test_a_cancelled_attempt_is_reported_with_its_worker_and_its_time(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(A), AstrumConfig(), run_id="r"))
    held = await hand.claim()
    await hand.report_running((held, 0.0))
    held_at = await next_time(runs)
    cancelled_at = await next_time(runs)
    await next_time(runs)
    await coordinator.cancel("r")
    [task] = (await run).task_statistics
    [attempt] = task.attempt_statistics
    assert (attempt.status, attempt.worker_id) == ("cancelled", hand.worker_id)
    assert attempt.start_time < held_at < cancelled_at < attempt.end_time


async def test_a_run_is_cancelled_although_the_server_refuses_its_dispatches(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, redis_server: Server
) -> None:
    await hand.register("a", "b")
    stuck = TaskSpec(task_id="b", queue="gpu")
    with redis_server.client() as client:
        client.set(runs.keys.queue(Stream("gpu", "async")), "no stream", ex=60)
        run = asyncio.create_task(coordinator.run_flow(flow(A, stuck), AstrumConfig(), run_id="r"))
        await hand.succeed(await hand.claim())  # what is stuck holds up no other queue
        await coordinator.cancel("r")
        async with asyncio.timeout(5):
            report = await run
    assert report.execution_state == "cancelled"
    assert [task.status for task in report.task_statistics] == ["completed", "cancelled"]


async def test_no_worker_is_declared_dead_right_after_the_server_was_silent(
    hand: ManualWorker, runs: RunStore
) -> None:
    config = replace(FAST, reap_every_s=0.05, reap_grace_s=0.3)
    reaper = Reaper(CoordinatorContext(runs, "reaper", config))
    await hand.register("a", lease_s=0.001)
    epoch = await led_run(runs)
    await runs.dispatch("r", epoch, Stream("default", "async"), [(0, 1, b"")])
    await hand.store.claim("async", [Stream("default", "async")], 1, block_s=None)

    async def judges() -> bool:
        await reaper.pass_once()
        return not await runs.dead_claims()

    await eventually(runs.dead_claims)
    assert not await judges()  # it has just come, and cannot know what was before
    await eventually(judges)
    await asyncio.sleep(0.2)  # as if the server had not answered for four passes
    await hand.store.register({}, b"\x90", 0.001)
    await runs.dispatch("r", epoch, Stream("default", "async"), [(1, 1, b"")])
    await hand.store.claim("async", [Stream("default", "async")], 1, block_s=None)
    await eventually(runs.dead_claims)  # else the lease may still hold, and nothing is to judge
    assert not await judges()
    await eventually(judges)
