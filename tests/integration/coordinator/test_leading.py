"""Leading runs: one leader per process, run ids, tails and limits."""

from __future__ import annotations

import asyncio

import pytest

from astrum.config import AstrumConfig
from astrum.errors import RunConflictError
from astrum.execution.invoke import Flow
from astrum.planning import Plan, TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import NAMESPACE, ManualWorker, flow
from tests.integration.coordinator.steps import A, begin, leader_of, serving


async def test_two_waiters_for_one_run_in_one_process_share_its_leader(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    await coordinator.submit_flow(flow(A), run_id="r")
    first = asyncio.create_task(coordinator.resume("r"))
    second = asyncio.create_task(coordinator.resume("r"))
    held = await hand.claim()
    await hand.succeed(held)
    assert (await first).execution_state == "completed"
    assert (await second).execution_state == "completed"


async def test_a_serving_coordinator_may_run_flows_as_well(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    async with serving(coordinator):
        for number in range(10):
            run = asyncio.create_task(
                coordinator.run_flow(flow(A), AstrumConfig(), run_id=f"r{number}")
            )
            await hand.succeed(await hand.claim())
            assert (await run).execution_state == "completed"


async def test_an_observer_that_joins_late_starts_from_the_current_state(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a", "b")
    run = begin(coordinator, A, TaskSpec(task_id="b", needs=("a",)))
    await hand.succeed(await hand.claim())
    held = await hand.claim()
    late = RunProgress()
    joined = asyncio.create_task(coordinator.resume("r", observer=late))
    await eventually(lambda: late.state is not None, "the late observer to be told")
    assert (late.succeeded, late.running_count) == (1, 1)
    await hand.succeed(held)
    await asyncio.gather(run, joined)
    assert late.final == "completed"


async def test_a_cancelled_caller_keeps_the_leader_until_the_run_is_over(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.claim()
    epoch = leader_of(coordinator).epoch
    run.cancel()
    await asyncio.wait([run])
    info = await runs.run_info("r")
    assert info is not None
    assert (info.state, info.epoch) == ("cancelled", epoch)


async def test_a_caller_cancelled_while_its_run_is_adopted_keeps_the_leader_too(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_step, adopted = coordinator._store.unblock, asyncio.Event()

    async def late_last_step() -> None:
        await adopted.wait()
        await last_step()

    monkeypatch.setattr(coordinator._store, "unblock", late_last_step)
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.claim()
    epoch = leader_of(coordinator).epoch
    run.cancel()
    await eventually(run.cancelling, "the caller to be cancelled")
    adopted.set()
    await asyncio.wait([run])
    info = await runs.run_info("r")
    assert info is not None
    assert (info.state, info.epoch) == ("cancelled", epoch)


async def test_running_the_same_plan_under_the_same_id_again_gives_the_report_of_the_first(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.succeed(await hand.claim(), 42)
    assert (await run).task_return_set == {"a": 42}
    assert (await begin(coordinator, A)).task_return_set == {"a": 42}
    assert await hand.claim_all() == []


async def test_a_run_id_of_another_flow_is_a_conflict_and_other_tasks_are_not(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.succeed(await hand.claim())
    await run
    assert (await begin(coordinator, TaskSpec(task_id="b"))).task_return_set == {"a": None}
    with pytest.raises(RunConflictError, match=f"'r' exists already, of flow '{NAMESPACE}'"):
        await coordinator.submit_flow(Flow(Plan("other", (A,)), {}), run_id="r")


async def test_a_run_ends_without_its_tails_and_they_may_end_later(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a", "tail")
    run = begin(coordinator, A, TaskSpec(task_id="tail", needs=("a",), awaited=False))
    await hand.succeed(await hand.claim())
    assert (await run).execution_state == "completed"
    tail = await hand.claim()
    await hand.succeed(tail, "late")
    report = await coordinator.report("r")
    assert report.task_return_set == {"a": None, "tail": "late"}


async def test_the_time_limit_of_a_run_counts_from_its_creation_under_every_leader(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    await coordinator.submit_flow(flow(A), run_id="r", timeout_s=0.5)
    assert await coordinator._parts.leaderships.adopt("r") is not None
    await hand.claim()
    await coordinator._parts.leaderships.release()
    report = await other.resume("r")
    assert report.execution_state == "failed"
    info = await runs.run_info("r")
    assert info is not None
    assert info.ended_at is not None
    assert 0.5 <= info.ended_at - info.created_at < 3.0


async def test_questions_start_no_background_work(settings: RedisSettings) -> None:
    before = asyncio.all_tasks()
    async with Coordinator(settings) as coordinator:
        await coordinator.submit_flow(flow(A), run_id="r")
        await coordinator.runs()
        await coordinator.workers()
        await coordinator.report("r")
        await coordinator.cancel("r")
        assert asyncio.all_tasks() == before
    async with Coordinator(settings) as coordinator:
        assert (await coordinator.resume("r")).execution_state == "cancelled"


async def test_a_small_run_that_has_ended_takes_at_most_6_kb_of_the_server_beside_its_values(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a", "b", "c")
    run = begin(coordinator, A, TaskSpec(task_id="b", needs=("a",)), TaskSpec("c", needs=("b",)))
    for _ in range(3):
        await hand.succeed(await hand.claim())
    assert (await run).execution_state == "completed"
    keys = await runs.client.execute("KEYS", runs.keys.run("r") + "*")
    sizes = [await runs.client.execute("MEMORY", "USAGE", key) for key in keys]
    assert len(sizes) == 3
    assert sum(sizes) <= 6 * 1024
