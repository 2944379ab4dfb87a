"""What a coordinator publishes of itself and of the runs that it leads."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Any

import pytest

from astrum.config import AstrumConfig
from astrum.errors import RunError, StoreConfigurationError
from astrum.machine.run_counter import RunCounts
from astrum.planning import TaskSpec
from astrum.protocol.records import CoordinatorInfo
from astrum.protocol.status import LedRun
from astrum.redis import RedisSettings, RunStore
from astrum.runtime.loops import end_task
from astrum_coordinator import Coordinator
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.leading.subscriptions import Subscriptions
from astrum_coordinator.pool.presence import ALL_EVERY, Presence
from astrum_coordinator.scheduling.pool_view import PoolView
from astrum_coordinator.stored_runs import StoredRuns
from astrum_coordinator.submission import traceparent_of_environment
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow

SPECS = [TaskSpec(task_id=f"t{n}") for n in range(5)]


async def test_a_coordinator_is_seen_with_what_it_leads_and_holds_ready_until_it_ends(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker
) -> None:
    config = dataclasses.replace(FAST, outstanding_limit=2)
    await hand.register(*(spec.task_id for spec in SPECS))
    async with Coordinator(settings, config=config) as coordinator:
        assert await coordinator.coordinators() == []  # it has led nothing yet
        running = asyncio.create_task(
            coordinator.run_flow(flow(*SPECS), AstrumConfig(), run_id="r")
        )

        async def holds_three() -> CoordinatorInfo | None:
            found = await runs.coordinators()
            return next((one for one in found if one.status.ready == {"default": 3}), None)

        seen = await eventually(holds_three)
        assert seen is not None
        assert seen.owner == coordinator.owner
        assert seen.details["pid"] == str(os.getpid())
        [led] = seen.status.leaderships
        assert (led.run_id, led.ready, led.capacity, led.outstanding) == ("r", {"default": 3}, 2, 2)
        assert not led.is_in_doubt
        for _ in SPECS:
            await hand.succeed(await hand.claim())
        await running
    assert await runs.coordinators() == []


async def test_a_led_run_says_what_the_server_refuses_and_until_when_a_task_may_wait(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any, **__: Any) -> list[str]:
        raise StoreConfigurationError("no permission")

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "dispatch", refused)
        running = asyncio.create_task(coordinator.run_flow(flow(SPECS[0]), AstrumConfig()))

        async def led() -> LedRun | None:
            found = [run for one in await runs.coordinators() for run in one.status.leaderships]
            return next((run for run in found if run.refused and run.unserved), None)

        seen = await eventually(led, "the led run to have both")
        [info] = await runs.list_runs(limit=1)
    assert info.counts is not None
    assert (info.counts.outstanding, info.outstanding) == (0, 0)
    assert seen is not None
    assert (seen.refused, seen.outstanding) == ("no permission", 0)
    assert "no worker" in seen.unserved
    assert seen.unserved_until is not None
    left_s = seen.unserved_until - await runs.server_time()
    assert FAST.unserved_limit_s is not None
    assert 0 < left_s < FAST.unserved_limit_s
    assert seen.unsigned_ends == 0

    async def led_without() -> bool:
        found = [run for one in await runs.coordinators() for run in one.status.leaderships]
        return bool(found) and not found[0].refused

    await eventually(led_without, "the refusal to be over")
    await end_task(running)


async def test_an_open_run_has_counts_and_an_ended_one_says_how_it_ended(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await hand.register("t0", "t1")
    running = asyncio.create_task(
        coordinator.run_flow(flow(*SPECS[:2]), AstrumConfig(), run_id="r")
    )
    await hand.succeed(await hand.claim())

    async def counts() -> RunCounts | None:
        info = await runs.run_info("r")
        return info.counts if info and info.counts and info.counts.succeeded else None

    found = await eventually(counts)
    assert found._replace(last_end_at=0) == RunCounts(succeeded=1, outstanding=1, total=2)
    assert 0 <= await runs.server_time() - found.last_end_at < 60
    await hand.fail(await hand.claim(), "no row")
    await running
    [info] = await coordinator.runs()
    assert info.counts is not None
    assert info.counts._replace(last_end_at=0) == RunCounts(succeeded=1, failed=1, total=2)
    assert info.details["failure"].endswith("ValueError: no row")


async def test_a_run_says_who_submitted_it_with_what_and_who_cancelled_it(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await coordinator.submit_flow(flow(*SPECS), run_id="r", labels={"team": "data", "env": "a b"})
    info = await runs.run_info("r")
    assert info is not None
    assert info.labels == {"team": "data", "env": "a b"}
    assert info.details["by"].endswith(f":{os.getpid()}")
    assert info.details["version"]
    await coordinator.cancel("r", "not needed", by="ann@host:7")
    report = await coordinator.resume("r")
    assert report.error_summary == ["the run was cancelled by ann@host:7: not needed"]
    [listed] = await coordinator.runs()
    assert listed.details["reason"] == "the run was cancelled by ann@host:7: not needed"


TOO_MANY = {f"l{number}": "" for number in range(33)}


@pytest.mark.parametrize(
    "labels",
    [{"a b": "x"}, {"": "x"}, {7: "x"}, {"a": 7}, {"a": "x\n"}, {"a": "x" * 257}, TOO_MANY],
)
async def test_labels_that_no_list_could_show_are_refused(
    coordinator: Coordinator, labels: Any
) -> None:
    with pytest.raises(RunError, match="label"):
        await coordinator.submit_flow(flow(*SPECS), labels=labels)


async def test_a_dead_coordinator_is_not_seen_any_more_once_others_may_lead_its_runs(
    settings: RedisSettings, runs: RunStore
) -> None:
    """What it held ready would count twice: its successor holds the same."""
    config = dataclasses.replace(FAST, lease_s=0.3, step_down_after_s=0.25)
    context = CoordinatorContext(runs, "dead", config)
    leaderships = Leaderships(
        context, StoredRuns(runs, context.seal), Subscriptions(runs), PoolView(context)
    )
    await Presence(context, leaderships).pass_once()
    assert [seen.owner for seen in await runs.coordinators()] == ["dead"]

    async def is_gone() -> bool:
        return not await runs.coordinators()

    await eventually(is_gone, "the end of the coordinator's life")


async def test_a_run_keeps_its_traceparent_and_sends_it_with_each_task(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await hand.register("t0")
    running = asyncio.create_task(
        coordinator.run_flow(flow(SPECS[0]), AstrumConfig(), run_id="r", traceparent=trace)
    )
    claim = await hand.claim()
    assert claim.message.trace == trace
    await hand.succeed(claim)
    await running
    [info] = await coordinator.runs()
    assert info.details["traceparent"] == info.traceparent == trace
    with pytest.raises(RunError, match="not a traceparent"):
        await coordinator.submit_flow(flow(SPECS[0]), traceparent="00-1-2-3")


def test_only_a_valid_traceparent_of_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.setenv("TRACEPARENT", trace)
    assert traceparent_of_environment() == trace
    monkeypatch.setenv("TRACEPARENT", "nonsense")
    assert traceparent_of_environment() == ""
    monkeypatch.delenv("TRACEPARENT")
    assert traceparent_of_environment() == ""


async def test_the_counts_of_a_run_are_written_when_they_change_and_sometimes_again(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register(*(spec.task_id for spec in SPECS))
    running = asyncio.create_task(coordinator.run_flow(flow(*SPECS), AstrumConfig(), run_id="r"))
    claims = [await hand.claim() for _ in SPECS]
    parts = coordinator._parts
    presence = Presence(parts.context, parts.leaderships)
    written: list[int] = []

    class Store:
        async def announce(self, *arguments: Any) -> None:
            written.append(len(arguments[3]))

    presence._store = Store()  # type: ignore[assignment]
    for _ in range(3):
        await presence.pass_once()
    assert written == [1, 0, 0]
    await hand.succeed(claims.pop())
    leader = parts.leaderships.get("r")
    assert leader is not None
    await eventually(
        lambda: len(list(leader.state.outstanding())) == len(claims), "the end to be read"
    )
    await presence.pass_once()
    assert written == [1, 0, 0, 1]
    while len(written) <= ALL_EVERY:
        await presence.pass_once()
    assert written[4:] == [0] * (ALL_EVERY - 4) + [1]
    for claim in claims:
        await hand.succeed(claim)
    await running
