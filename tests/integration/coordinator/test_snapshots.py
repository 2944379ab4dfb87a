"""Snapshots of a run whose attempts are sent, taken and ended by hand."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from astrum.planning import TaskSpec
from astrum.protocol.streams import Stream
from astrum.redis import RedisSettings, RunStore
from astrum.view import Code, UnfinishedState
from astrum_coordinator import Coordinator
from astrum_coordinator.asking.waiting import until_over
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow


async def test_a_task_is_looked_at_from_its_submission_to_its_end(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    tail = TaskSpec("tail", needs=("a",), awaited=False)
    run_id = await coordinator.submit_flow(flow(TaskSpec("a"), TaskSpec("b"), tail))

    async def places() -> dict[str, UnfinishedState]:
        snapshot = await coordinator.snapshot(run_id)
        rows = {stat.task_name for stat in snapshot.report.task_statistics}
        assert rows == {"a", "b", "tail"}, "a tail has no row"
        return {task.task_id: task.state for task in snapshot.unfinished}

    await hand.register("a", "b", "tail")
    assert await places() == {
        "a": UnfinishedState.READY,
        "b": UnfinishedState.READY,
        "tail": UnfinishedState.WAITING,
    }
    leading = asyncio.create_task(coordinator.resume(run_id))

    async def both_queued() -> bool:
        return list((await places()).values()) == [
            UnfinishedState.QUEUED,
            UnfinishedState.QUEUED,
            UnfinishedState.WAITING,
        ]

    await eventually(both_queued)
    positions = {task.position for task in (await coordinator.snapshot(run_id)).unfinished}
    assert positions == {1, 2, None}
    held = await hand.claim()
    [taken] = [
        t
        for t in (await coordinator.snapshot(run_id)).unfinished
        if t.state is UnfinishedState.RUNNING
    ]
    assert (taken.task_id, taken.worker_id) == (held.message.task_id, "hand")
    await hand.succeed(held)
    await hand.succeed(await hand.claim())
    await hand.succeed(await hand.claim())
    await leading
    assert (await coordinator.snapshot(run_id)).unfinished == []


async def test_the_end_of_a_wait_names_the_run(coordinator: Coordinator) -> None:
    run_id = await coordinator.submit_flow(flow(TaskSpec("a")))
    with pytest.raises(TimeoutError, match=rf"run '{run_id}' is still open after 0\.05 s"):
        await coordinator.wait(run_id, timeout_s=0.05)


async def test_waiting_for_a_run_without_a_leader_warns_once_per_absence(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = await coordinator.submit_flow(flow(TaskSpec("a")))
    waiting = asyncio.create_task(
        until_over(runs, coordinator._parts.subscriptions, run_id, unled_notice_s=0.0)
    )
    await eventually(lambda: caplog.messages)
    leading = asyncio.create_task(coordinator.resume(run_id))
    await hand.register("a")
    await hand.succeed(await hand.claim())
    await leading
    assert not (await waiting).is_open
    [warning] = caplog.messages
    assert warning.startswith(f"run {run_id} waits: no coordinator leads it")


async def test_a_run_says_why_it_is_as_it_is_also_by_its_handle(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    run_id = await coordinator.submit_flow(flow(TaskSpec("a"), TaskSpec("b", needs=("a",))))
    handle = coordinator.handle(run_id)
    assert (await handle.why()).code is Code.RUN_NOT_BEGUN
    await hand.register("a", "b")
    leading = asyncio.create_task(coordinator.resume(run_id))
    held = await hand.claim()
    assert (await handle.why("a")).worker_id == "hand"
    assert (await handle.why("b")).waits_for == ("a",)
    await hand.succeed(held)
    await hand.succeed(await hand.claim())
    await leading
    assert (await coordinator.why(run_id)).code is Code.RUN_COMPLETED
    assert (await coordinator.why(run_id, "a")).code is Code.SUCCEEDED


async def test_a_message_that_the_server_lost_is_not_said_to_wait(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker
) -> None:
    patient = dataclasses.replace(FAST, vanished_after_s=60.0)
    key = runs.keys.queue(Stream("default", "async"))
    await hand.register("a")
    async with Coordinator(settings, config=patient) as coordinator:
        run_id = await coordinator.submit_flow(flow(TaskSpec("a")))
        leading = asyncio.create_task(coordinator.resume(run_id))

        async def entries() -> list[bytes]:
            return [row[0] for row in await runs.client.execute("XRANGE", key, "-", "+")]

        [entry] = await eventually(entries)
        assert (await coordinator.why(run_id, "a")).code is Code.QUEUED_MOMENT
        await runs.client.execute("XDEL", key, entry)
        assert (await coordinator.why(run_id, "a")).code is Code.VANISHED
        await coordinator.cancel(run_id)
        await leading
