"""Handles ask for the results of children, and of whole tasks with children."""

from __future__ import annotations

import asyncio

import pytest

from astrum import AstrumConfig, build_scheduler
from astrum.errors import TaskFailedError, TaskNotFoundError
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.flows import children
from tests.processes import serving, worker

assert children


async def test_a_handle_gives_the_results_of_children(settings: RedisSettings) -> None:
    async with Coordinator(settings) as coordinator:
        with worker(settings.url, "tests.flows.children"):
            await serving(settings, 1)
            for name, inputs in (("documents", {}), ("keyed", {}), ("from_inputs", SEEDS)):
                flow = build_scheduler(namespace=name, config=AstrumConfig()).flow(
                    fingerprints=True
                )
                await coordinator.submit_flow(flow, run_id=name, inputs=inputs)
            documents, keyed = coordinator.handle("documents"), coordinator.handle("keyed")
            asked = asyncio.gather(
                documents.result("ocr[2,0]", timeout=30),
                keyed.result("pay[A-17]", timeout=30),
                keyed.result("pay", timeout=30),
            )
            runs = [coordinator.resume(name) for name in ("documents", "keyed", "from_inputs")]
            await asyncio.gather(*runs)
            child, paid, all_paid = await asked
            assert child == "4 (2, 0) '' /ocr[2,0]"
            assert paid == "/pay[A-17]A-17"
            assert all_paid == [paid, None, "/pay[C 3]C 3"]
            with pytest.raises(TaskFailedError, match=r"'pay\[B-1\]' .* has no result"):
                await keyed.result("pay[B-1]")
            with pytest.raises(TaskNotFoundError, match="has no task 'pays'"):
                await keyed.result("pays")
            grid = coordinator.handle("from_inputs")
            assert await grid.result("grid[1,0]") == ("b", 1)
            ended = [event.task async for event in grid.events() if event.kind == "task_succeeded"]
            assert {"grid[0,0]", "grid[1,1]", "pairs[1]"} <= set(ended)


SEEDS = {"models": ["a", "b"], "seeds": [1, 2]}
