"""A leader that fails while it handles its run's journal."""

from __future__ import annotations

import asyncio

import pytest

from astrum.config import AstrumConfig
from astrum.planning import TaskSpec
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from astrum_coordinator.leading.leader import RunLeader
from tests.eventually import DEADLINE_S
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow


class Failing:
    def observe(self, *_: object) -> None:
        raise OSError("the display's pipe is closed")


async def test_a_leader_that_fails_on_an_entry_reads_the_run_again(
    settings: RedisSettings, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the entry would be missing otherwise, and the run would wait forever."""
    take_in_item, failures = RunLeader._take_in_item, iter([RuntimeError("a fault")])

    def fails_once(self: RunLeader, *given: object) -> None:
        for error in failures:
            raise error
        take_in_item(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(RunLeader, "_take_in_item", fails_once)
    await hand.register("a", "b")
    async with Coordinator(settings, config=FAST) as coordinator, asyncio.timeout(DEADLINE_S):
        specs = (TaskSpec(task_id="a"), TaskSpec(task_id="b"))
        run = asyncio.create_task(
            coordinator.run_flow(flow(*specs), AstrumConfig(), run_id="r", observer=Failing())
        )
        await hand.succeed(await hand.claim())
        await hand.succeed(await hand.claim())
        assert (await run).execution_state == "completed"
