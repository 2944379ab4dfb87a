"""A leader keeps the chronicle of each run that ends, without being held up by it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from astrum.errors import DecodeError, RunNotFoundError
from astrum.planning import TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.asking import chronicles
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow

KEY = b"0123456789abcdef"


async def end_run(coordinator: Coordinator, hand: ManualWorker, run_id: str) -> None:
    await coordinator.submit_flow(flow(TaskSpec("a")), run_id=run_id)
    leading = asyncio.create_task(coordinator.resume(run_id))
    await hand.register("a")
    await hand.succeed(await hand.claim())
    await leading


async def kept(runs: RunStore, run_id: str) -> bytes | None:
    return await runs.chronicle(run_id)


async def test_what_is_left_of_a_run_can_be_shown_and_exported(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await end_run(coordinator, hand, "r")
    before = await coordinator.export("r")
    await eventually(lambda: kept(runs, "r"))
    await runs.forget("r")
    assert await coordinator.export("r") == before
    snapshot = await coordinator.snapshot("r")
    assert snapshot.is_chronicle
    assert snapshot.report.successful_tasks == 1
    assert snapshot.report.task_return_set == {}
    [gone] = await coordinator.forget("r")
    assert gone.state == "expired"
    with pytest.raises(RunNotFoundError):
        await coordinator.export("r")
    with pytest.raises(RunNotFoundError):
        await coordinator.snapshot("r")


async def test_forgetting_a_run_takes_its_chronicle_too(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await end_run(coordinator, hand, "r")
    await eventually(lambda: kept(runs, "r"))
    [gone] = await coordinator.forget("r")
    assert gone.state == "completed"
    assert await kept(runs, "r") is None


async def test_a_coordinator_that_closes_keeps_what_waits(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chronicles, "SHARE", 1e-9)  # the second would wait
    async with Coordinator(settings, config=FAST) as coordinator:
        for run_id in ("r1", "r2", "r3"):
            await end_run(coordinator, hand, run_id)
        await eventually(lambda: kept(runs, "r1"))
        assert await kept(runs, "r3") is None
    assert [bool(await kept(runs, run_id)) for run_id in ("r1", "r2", "r3")] == [True] * 3


async def test_where_too_many_small_runs_end_some_have_none(
    coordinator: Coordinator,
    runs: RunStore,
    hand: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(chronicles, "SHARE", 1e-9)
    monkeypatch.setattr(chronicles, "MAX_WAITING", 1)
    caplog.set_level(logging.INFO, "astrum.coordinator")
    for run_id in ("r1", "r2", "r3", "r4"):
        await end_run(coordinator, hand, run_id)
    await eventually(lambda: "1 runs of few tasks have no chronicle" in caplog.text)


async def test_without_a_history_none_is_made(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker
) -> None:
    async with Coordinator(settings, config=replace(FAST, history_s=0.0)) as coordinator:
        await end_run(coordinator, hand, "r")
    assert await kept(runs, "r") is None


async def test_a_chronicle_that_is_not_signed_is_refused(
    settings: RedisSettings, runs: RunStore
) -> None:
    signed = replace(settings, signing_keys=(KEY,))
    async with Coordinator(signed, config=FAST) as coordinator:
        seal, store = coordinator._context.seal, coordinator._context.store
        key, other = store.keys.chronicle("r"), seal.seal_chronicle("other", b"data")
        for data in (b"unsigned", other):
            await store.client.execute("SET", key, data, "PX", 60_000)
            with pytest.raises(DecodeError, match="chronicle of run r is not signed by a key"):
                await coordinator.export("r")
        await store.client.execute("SET", key, seal.seal_chronicle("r", b"data"), "PX", 60_000)
        with pytest.raises(DecodeError, match="chronicle of run r is damaged"):
            await coordinator.snapshot("r")
