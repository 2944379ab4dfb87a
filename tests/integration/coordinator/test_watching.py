"""A run that is only watched: it is never led here, whether it has a leader or not."""

from __future__ import annotations

import asyncio

import pytest

from astrum.errors import RunNotFoundError
from astrum.planning import TaskSpec
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import ManualWorker, flow


async def test_a_run_without_a_leader_is_followed_until_another_process_has_ended_it(
    coordinator: Coordinator,
    other: Coordinator,
    hand: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("astrum_coordinator.asking.completion.CHECK_EVERY_S", 0.01)
    await hand.register("a")
    await other.submit_flow(flow(TaskSpec("a")), run_id="r")
    progress = RunProgress()
    following = asyncio.create_task(coordinator.follow("r", progress))
    await eventually(lambda: progress.state, "the first read")
    ended, _ = await asyncio.wait([following], timeout=0.3)
    assert not ended
    leading = asyncio.create_task(other.resume("r"))
    await hand.succeed(await hand.claim())
    assert (await leading).execution_state == "completed"
    async with asyncio.timeout(20):
        await following
    assert progress.succeeded == 1
    assert len(coordinator._parts.leaderships) == 0


async def test_a_run_that_is_not_there_cannot_be_followed(coordinator: Coordinator) -> None:
    with pytest.raises(RunNotFoundError):
        await coordinator.follow("gone", RunProgress())
