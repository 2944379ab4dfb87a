"""Handles that a coordinator gives: the same as those of clients."""

from __future__ import annotations

from datetime import timedelta

import pytest

from astrum import RunHandle
from astrum.errors import RunNotFoundError
from astrum_coordinator import Coordinator
from tests.integration.coordinator.manual_worker import ManualWorker, flow
from tests.integration.coordinator.steps import A, serving


async def test_a_coordinator_gives_handles_of_runs_that_it_or_others_lead(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker
) -> None:
    await hand.register("a")
    run_id = await coordinator.submit_flow(flow(A), run_id="r", at=timedelta(seconds=0.5))
    handle = coordinator.handle(run_id)
    assert isinstance(handle, RunHandle)
    assert (await handle.status()).waits_until is not None
    async with serving(coordinator):
        await hand.succeed(await hand.claim(), 7)
        assert await handle.result(timeout=20) == 7
        assert await other.handle(run_id).result("a", timeout=20) == 7
        assert (await handle.wait(20)).state == "completed"
        assert [event.kind async for event in handle.events()][-1] == "run_completed"
    with pytest.raises(RunNotFoundError):
        await coordinator.handle("none").status()


async def test_a_delayed_run_that_is_cancelled_ends_before_its_time(
    coordinator: Coordinator,
) -> None:
    run_id = await coordinator.submit_flow(flow(A), at=timedelta(days=365), timeout_s=1.0)
    handle = coordinator.handle(run_id)
    async with serving(coordinator):
        assert await handle.cancel("not needed")
        info = await handle.wait(20)
    assert (info.state, info.start_at) == ("cancelled", None)
    report = await handle.report()
    assert report.execution_state == "cancelled"
    assert 0 <= report.total_duration < 60
