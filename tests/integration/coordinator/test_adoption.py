"""Adoption of runs, and leaders that lose their run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from astrum.errors import StoreConfigurationError
from astrum.machine.events import TaskFoundUnserved
from astrum.planning import RetryPolicy
from astrum.protocol.run_header import plan_digest
from astrum.redis import Outstanding, RedisSettings, RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from tests.contract.steps import create_run
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow, take_over
from tests.integration.coordinator.steps import (
    A,
    begin,
    dispatchers,
    leader_of,
    runs_ended,
    serving,
)

AT_ONCE = RetryPolicy(3)
LATER = RetryPolicy(3, delay=0.2)


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
        await create_run(runs, f"bad{number}", b"no plan")
    await create_run(runs, "gone", b"another plan")
    await runs.client.execute("DEL", runs.keys.plan(plan_digest(b"another plan")))
    await coordinator.submit_flow(flow(A), run_id="r")
    async with serving(coordinator):
        await hand.succeed(await hand.claim())
        await eventually(lambda: runs_ended(runs), "the sound run to end")
        await asyncio.sleep(5 * FAST.adopt_every_s)
    refusals = [record for record in caplog.records if "left to others" in record.message]
    bad = ["bad0", "bad1", "bad2", "gone"]
    assert len(refusals) == len(bad)
    assert all(f"run {run_id} " in caplog.text for run_id in bad)
    assert sorted((await runs.orphans()).run_ids) == bad


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


async def test_a_deposed_leader_that_still_tries_to_dispatch_stops_trying(
    coordinator: Coordinator,
    other: Coordinator,
    hand: ManualWorker,
    runs: RunStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0

    async def refused(*_: Any, **__: Any) -> list[str]:
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
