"""Callers that are cancelled or closed, and followers of a run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from astrum.errors import RunError
from astrum.execution.invoke import Flow
from astrum.machine.report import ExecutionReport
from astrum.planning import Plan, TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum.redis.journals import BEGINNING
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import ManualWorker
from tests.integration.coordinator.steps import PATIENT, A, begin, dispatchers, runs_ended


async def cancelled_while_submitting(
    coordinator: Coordinator, spec: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> asyncio.Task[ExecutionReport]:
    """Return a run, over now, whose caller was cancelled before the server had stored it."""
    create, reached, allowed = RunStore.create_run, asyncio.Event(), asyncio.Event()

    async def slow(self: RunStore, *args: Any) -> bool:
        reached.set()
        await allowed.wait()
        return await create(self, *args)

    monkeypatch.setattr(RunStore, "create_run", slow)
    run = begin(coordinator, spec)
    await reached.wait()
    run.cancel()
    allowed.set()
    await asyncio.wait([run])
    return run


async def test_a_caller_that_is_cancelled_while_submitting_leaves_no_open_run(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await cancelled_while_submitting(coordinator, A, monkeypatch)
    assert run.cancelled()
    info = await runs.run_info("r")
    assert info is not None
    assert info.state == "cancelled"


async def test_a_cancelled_submission_under_a_taken_id_does_not_cancel_the_other_run(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await coordinator.submit_flow(Flow(Plan("another", (A,)), {}), run_id="r")
    await cancelled_while_submitting(coordinator, A, monkeypatch)
    assert not await runs_ended(runs)
    await coordinator.cancel("r")
    await coordinator.resume("r")


async def test_a_caller_that_is_cancelled_twice_returns_at_once(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def never(*_: Any, **__: Any) -> bool:
        asked.set()
        return await asyncio.Event().wait()

    await hand.register("a")
    run = begin(coordinator, A)
    await hand.claim()
    monkeypatch.setattr(RunStore, "append_event", never)
    run.cancel()
    await asked.wait()
    run.cancel()
    done, _ = await asyncio.wait([run], timeout=5)
    assert done
    assert run.cancelled()


async def test_closing_releases_the_runs_and_wakes_those_that_wait_for_them(
    settings: RedisSettings, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    async with Coordinator(settings, config=PATIENT) as coordinator:
        run = begin(coordinator, A)
        await hand.claim()
    with pytest.raises(RunError, match="closed"):
        await run
    assert (await runs.orphans()).run_ids == ["r"]
    assert dispatchers() == []


async def test_closing_during_an_adoption_leaves_the_run_to_others(
    settings: RedisSettings,
    hand: ManualWorker,
    runs: RunStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its caller was not cancelled, so that the run must not be."""
    await hand.register("a")
    is_adopting = asyncio.Event()

    async def latest() -> None:
        is_adopting.set()
        await asyncio.Event().wait()

    async with Coordinator(settings, config=PATIENT) as coordinator:
        monkeypatch.setattr(coordinator._parts.pool, "latest", latest)
        run = begin(coordinator, A)
        await is_adopting.wait()
    with pytest.raises(RunError, match="closed"):
        await run
    assert (await runs.orphans()).run_ids == ["r"]
    assert await runs.read_journal({"r": BEGINNING}, block_s=None, count=1) == []


async def test_a_follower_of_another_leader_starts_from_the_current_state(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a", "b", "c")
    run = begin(other, A, TaskSpec(task_id="b", needs=("a",)), TaskSpec(task_id="c", needs=("b",)))
    await hand.succeed(await hand.claim())
    held = await hand.claim()
    follower = RunProgress()
    following = asyncio.create_task(coordinator.resume("r", observer=follower))
    await eventually(lambda: follower.state is not None, "the follower to be told")
    assert (follower.total, follower.succeeded, follower.running_count) == (3, 1, 1)
    await hand.succeed(held)
    last = await hand.claim()

    def now() -> tuple[int, int]:
        return follower.succeeded, follower.running_count

    await eventually(lambda: now() == (2, 1), "the follower to see the last")
    await hand.succeed(last)
    await asyncio.gather(run, following)
    assert now() == (3, 0)


async def test_a_follower_gets_an_error_when_its_coordinator_is_closed(
    settings: RedisSettings, hand: ManualWorker, other: Coordinator
) -> None:
    await hand.register("a")
    run = begin(other, A)
    held = await hand.claim()
    async with Coordinator(settings, config=PATIENT) as coordinator:
        follower = RunProgress()
        following = asyncio.create_task(coordinator.resume("r", observer=follower))
        await eventually(lambda: follower.state is not None, "the follower to follow")
    with pytest.raises(RunError, match="closed"):
        await following
    await hand.succeed(held)
    await run
