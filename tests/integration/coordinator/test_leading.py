"""Leading runs: adoption, changes of the leader, and what happens to the run then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from astrum.config import AstrumConfig
from astrum.errors import RunConflictError, RunError, StoreConfigurationError
from astrum.machine.events import TaskFoundUnserved
from astrum.machine.report import ExecutionReport
from astrum.planning import RetryPolicy, TaskSpec
from astrum.redis import Outstanding, RedisSettings, RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from astrum_coordinator.leading.leader import LeadershipEnd, RunLeader
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow, take_over

A = TaskSpec(task_id="a")
PATIENT = replace(FAST, unserved_limit_s=None)
AT_ONCE = RetryPolicy(3)
LATER = RetryPolicy(3, delay=0.2)


@pytest.fixture
async def other(settings: RedisSettings) -> AsyncIterator[Coordinator]:
    """Another coordinator, in the same process."""
    async with Coordinator(settings, config=FAST) as coordinator:
        yield coordinator


def leader_of(coordinator: Coordinator, run_id: str = "r") -> RunLeader:
    leader = coordinator._parts.leaderships.get(run_id)
    assert leader is not None
    return leader


def begin(coordinator: Coordinator, *specs: TaskSpec) -> asyncio.Task[ExecutionReport]:
    return asyncio.create_task(coordinator.run_flow(flow(*specs), AstrumConfig(), run_id="r"))


@contextlib.asynccontextmanager
async def serving(coordinator: Coordinator) -> AsyncIterator[None]:
    job = asyncio.create_task(coordinator.serve())
    yield
    job.cancel()
    await asyncio.wait([job])


# --- one process, one leader ---------------------------------------------------------------------


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


# --- adoption ------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("retry", [AT_ONCE, LATER], ids=["at once", "later"])
async def test_an_attempt_that_ends_during_an_adoption_is_not_missed(
    coordinator: Coordinator,
    other: Coordinator,
    hand: ManualWorker,
    runs: RunStore,
    when: str,
    retry: RetryPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await hand.register("a")
    await coordinator.submit_flow(flow(A._replace(retry=retry)), run_id="r")
    first = asyncio.create_task(coordinator.resume("r"))
    await hand.fail(await hand.claim())
    second_attempt = await hand.claim()
    outstanding = RunStore.outstanding

    async def meanwhile(self: RunStore, run_id: str) -> dict[int, Outstanding]:
        if when == "before":
            await hand.fail(second_attempt)
        found = await outstanding(self, run_id)
        if when == "after":
            await hand.fail(second_attempt)
        return found

    monkeypatch.setattr(RunStore, "outstanding", meanwhile)
    await take_over(runs, other)
    monkeypatch.setattr(RunStore, "outstanding", outstanding)
    third_attempt = await hand.claim()
    assert third_attempt.place == ("a", 3)
    await hand.succeed(third_attempt)
    report = await first
    assert len(report.task_statistics[0].attempt_statistics) == 3


async def test_a_run_without_a_readable_plan_is_skipped_and_delays_no_other(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, caplog: pytest.LogCaptureFixture
) -> None:
    await hand.register("a")
    for number in range(3):
        await runs.create_run(f"bad{number}", b"no plan", {})
    await runs.create_run("gone", b"no plan", {})
    await runs.client.execute("DEL", runs.keys.plan("gone"))
    await coordinator.submit_flow(flow(A), run_id="r")
    async with serving(coordinator):
        await hand.succeed(await hand.claim())
        await eventually(lambda: runs_ended(runs), "the sound run to end")
        await asyncio.sleep(5 * FAST.adopt_every_s)
    refusals = [record for record in caplog.records if "left to others" in record.message]
    bad = ["bad0", "bad1", "bad2", "gone"]
    assert len(refusals) == len(bad)
    assert all(f"run {run_id} " in caplog.text for run_id in bad)
    assert sorted(await runs.orphans()) == bad


async def runs_ended(runs: RunStore, run_id: str = "r") -> bool:
    info = await runs.run_info(run_id)
    return info is not None and not info.is_open


async def test_a_run_that_a_server_refuses_to_give_is_tried_again(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, calls = RunStore.load_plan, []

    async def refusing(self: RunStore, run_id: str) -> bytes:
        calls.append(run_id)
        if len(calls) == 1:
            raise StoreConfigurationError("no permission yet")
        return await load(self, run_id)

    monkeypatch.setattr(RunStore, "load_plan", refusing)
    await hand.register("a")
    await coordinator.submit_flow(flow(A), run_id="r")
    async with serving(coordinator):
        await hand.claim()


async def test_serve_logs_how_a_run_ended(
    coordinator: Coordinator, hand: ManualWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "astrum")
    await hand.register("a")
    await coordinator.submit_flow(flow(A, A._replace(task_id="b", awaited=False)), run_id="r")
    async with serving(coordinator):
        held = await hand.claim()
        while held.place != ("a", 1):
            held = await hand.claim()
        await hand.succeed(held)
        await eventually(lambda: "run r is completed after" in caplog.text, "a word about the end")
    assert "1 of 2 tasks succeeded" in caplog.text


# --- losing the lead -----------------------------------------------------------------------------


async def test_a_deposed_leader_that_still_tries_to_dispatch_stops_trying(
    coordinator: Coordinator,
    other: Coordinator,
    hand: ManualWorker,
    runs: RunStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0

    async def refused(*_: Any) -> list[str]:
        nonlocal tries
        tries += 1
        raise StoreConfigurationError("no permission")

    await hand.register("a")
    monkeypatch.setattr(coordinator._store, "dispatch", refused)
    run = begin(coordinator, A)
    await eventually(lambda: tries, "a dispatch")
    deposed = leader_of(coordinator)
    await take_over(runs, other)
    assert await deposed.ended is LeadershipEnd.DEPOSED
    await hand.succeed(await hand.claim())
    assert (await run).execution_state == "completed"
    await eventually(lambda: not dispatchers(), "the dispatchers to stop")


def dispatchers() -> list[str]:
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("astrum-dispatch")]


async def test_a_deposed_leader_writes_nothing_to_the_journal(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    held = await hand.claim()
    deposed = leader_of(coordinator)
    await take_over(runs, other)
    deposed.journal(TaskFoundUnserved(0, 0.0, "as it seemed"))
    assert await deposed.ended is LeadershipEnd.DEPOSED
    await hand.succeed(held)
    assert (await run).execution_state == "completed"


async def test_a_run_that_cannot_be_read_again_does_not_keep_the_others_waiting(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hand.register("a")
    for run_id in ("bad", "good"):
        await coordinator.submit_flow(flow(A), run_id=run_id)
        assert await coordinator._parts.leaderships.adopt(run_id) is not None
    opened = []
    bad, good = leader_of(coordinator, "bad"), leader_of(coordinator, "good")

    async def refuse() -> None:
        raise StoreConfigurationError("no permission")

    async def note() -> None:
        opened.append("good")

    monkeypatch.setattr(bad, "open", refuse)
    monkeypatch.setattr(good, "open", note)
    await coordinator._parts.leaderships.resync()
    assert await bad.ended is LeadershipEnd.DEPOSED
    assert opened == ["good"]
    assert not good.ended.done()


async def test_the_leases_of_all_runs_are_renewed_by_one_command(
    settings: RedisSettings, hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, int]] = []
    original = RunStore.renew

    async def counted(
        self: RunStore, owner: str, epochs: Mapping[str, int], *args: Any, **kw: Any
    ) -> set[str]:
        asked.append(epochs)
        return await original(self, owner, epochs, *args, **kw)

    async with Coordinator(settings, config=replace(FAST, renew_every_s=1.0)) as coordinator:
        for number in range(20):
            await coordinator.submit_flow(flow(A), run_id=f"r{number}")
            assert await coordinator._parts.leaderships.adopt(f"r{number}") is not None
        monkeypatch.setattr(RunStore, "renew", counted)
        await coordinator._parts.leaderships.renew()
        assert [len(epochs) for epochs in asked] == [20]
        assert {run.lease_s > FAST.lease_s - 1 for run in await runs.list_runs()} == {True}


async def test_all_leases_are_released_at_once_so_that_a_silent_server_costs_one_wait(
    settings: RedisSettings, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 20
    together = asyncio.Barrier(count)
    original = RunStore.release

    async def all_together(self: RunStore, *args: Any) -> Any:
        await together.wait()
        return await original(self, *args)

    async with Coordinator(settings, config=replace(FAST, renew_every_s=1.0)) as coordinator:
        for number in range(count):
            await coordinator.submit_flow(flow(A), run_id=f"r{number}")
            assert await coordinator._parts.leaderships.adopt(f"r{number}") is not None
        monkeypatch.setattr(RunStore, "release", all_together)
        async with asyncio.timeout(5):
            await coordinator._parts.leaderships.release()
        monkeypatch.setattr(RunStore, "release", original)


# --- the caller goes -----------------------------------------------------------------------------


async def test_a_caller_that_is_cancelled_while_submitting_leaves_no_open_run(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, reached, allowed = RunStore.create_run, asyncio.Event(), asyncio.Event()

    async def slow(self: RunStore, *args: Any) -> bool:
        reached.set()
        await allowed.wait()
        return await create(self, *args)

    monkeypatch.setattr(RunStore, "create_run", slow)
    run = begin(coordinator, A)
    await reached.wait()
    run.cancel()
    allowed.set()
    await asyncio.wait([run])
    assert run.cancelled()
    info = await runs.run_info("r")
    assert info is not None
    assert info.state == "cancelled"


async def test_a_cancelled_submission_under_a_taken_id_does_not_cancel_the_other_run(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await coordinator.submit_flow(flow(A), run_id="r")
    create, reached, allowed = RunStore.create_run, asyncio.Event(), asyncio.Event()

    async def slow(self: RunStore, *args: Any) -> bool:
        reached.set()
        await allowed.wait()
        return await create(self, *args)

    monkeypatch.setattr(RunStore, "create_run", slow)
    run = begin(coordinator, TaskSpec(task_id="another"))
    await reached.wait()
    run.cancel()
    allowed.set()
    await asyncio.wait([run])
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
    assert await runs.orphans() == ["r"]
    assert dispatchers() == []


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


# --- ids, tails, limits --------------------------------------------------------------------------


async def test_running_the_same_plan_under_the_same_id_again_gives_the_report_of_the_first(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.succeed(await hand.claim(), 42)
    assert (await run).task_return_set == {"a": 42}
    assert (await begin(coordinator, A)).task_return_set == {"a": 42}
    assert await hand.claim_all() == []


async def test_running_another_plan_under_the_same_id_is_a_conflict(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    await hand.succeed(await hand.claim())
    await run
    with pytest.raises(RunConflictError):
        await begin(coordinator, TaskSpec(task_id="b"))


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


async def test_the_time_limit_of_a_run_counts_from_its_creation_whoever_leads_it(
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


# --- looking only --------------------------------------------------------------------------------


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
