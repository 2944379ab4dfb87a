"""Steps that tests of a coordinator in this process share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from astrum.config import AstrumConfig
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.redis import RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.leading.leader import RunLeader
from tests.integration.coordinator.manual_worker import FAST, flow

A = TaskSpec(task_id="a")
PATIENT = replace(FAST, unserved_limit_s=None)


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


def dispatchers() -> list[str]:
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("astrum-dispatch")]


async def runs_ended(runs: RunStore, run_id: str = "r") -> bool:
    info = await runs.run_info(run_id)
    return info is not None and not info.is_open
