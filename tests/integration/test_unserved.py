"""A task that no live worker can run is reported, and does not wait forever."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from astrum import AstrumConfig, SchedulerRegistry
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig

IMPATIENT = CoordinatorConfig(watch_every_s=0.1, unserved_notice_s=0.2, unserved_limit_s=1.0)
DEADLINE_S = 20.0


async def test_a_run_that_times_out_on_an_unserved_task_names_it_and_the_reason(
    pool: RedisSettings,
) -> None:
    registry = SchedulerRegistry("unserved")
    for name in ("nobodys", "neither"):

        @registry.task(name)
        async def nobodys() -> None: ...

    flow = registry.build_scheduler().flow(fingerprints=True)
    patient = replace(IMPATIENT, unserved_limit_s=None)
    async with Coordinator(pool, config=patient) as coordinator, asyncio.timeout(DEADLINE_S):
        report = await coordinator.run_flow(flow, AstrumConfig(), timeout_s=1.0)
        shown = await coordinator.report(report.run_id)
    told = report.error_summary[-1]
    assert told.startswith(
        "the run took longer than its limit of 1 s: no worker serves task 'nobodys' of namespace "
        "'unserved': the live workers serve nothing there"
    )
    assert told.endswith("(and 1 more like it)")
    assert shown.error_summary == report.error_summary


async def test_a_task_that_live_workers_keep_handing_back_is_reported_and_fails_its_run(
    pool: RedisSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = SchedulerRegistry("unserved")

    @registry.task("nobodys")
    async def nobodys() -> None: ...

    # The command line keeps what Astrum says from the root logger, where caplog listens.
    monkeypatch.setattr(logging.getLogger("astrum"), "propagate", True)
    async with Coordinator(pool, config=IMPATIENT) as coordinator, asyncio.timeout(DEADLINE_S):
        own = [int(worker.details["pid"]) for worker in await coordinator.workers()]
        coordinator.expect_workers(lambda: [*own, 0])  # they are there, so they are not awaited
        with caplog.at_level(logging.WARNING, "astrum.coordinator"):
            report = await registry.run(executor=coordinator)
    assert report.execution_state == "failed"
    assert "no worker serves task 'nobodys' of namespace 'unserved'" in report.error_summary[-1]
    assert "the run fails unless a worker does within 1 s" in caplog.text


async def test_a_runs_own_limit_takes_precedence_over_that_of_its_leader(
    pool: RedisSettings,
) -> None:
    registry = SchedulerRegistry("unserved")

    @registry.task("nobodys")
    async def nobodys() -> None: ...

    flow = registry.build_scheduler().flow(fingerprints=True)
    patient = replace(IMPATIENT, unserved_limit_s=None)
    async with Coordinator(pool, config=patient) as coordinator, asyncio.timeout(DEADLINE_S):
        report = await coordinator.run_flow(flow, AstrumConfig(), unserved_limit_s=0.3)
    assert report.execution_state == "failed"
    assert "no worker serves task 'nobodys'" in report.error_summary[-1]
