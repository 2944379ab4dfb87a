"""The order of the steps that end a worker, in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from astrum.execution.invoke import BoundTask
from astrum.planning.build import NO_INPUTS
from astrum.redis import RedisSettings, WorkerStore
from astrum.values.codec import Codec
from astrum_worker.app import Worker
from astrum_worker.config import WorkerConfig
from astrum_worker.running.catalog import Catalog, Served
from astrum_worker.settling.settler import Settler
from tests.integration.worker.pool import Lead


async def answer() -> int:
    return 42


CATALOG = Catalog(
    {("pool", "answer"): Served(BoundTask("answer", answer, NO_INPUTS, "async"), "", Codec())}
)


async def test_a_worker_leaves_only_when_its_last_ends_are_recorded(
    settings: RedisSettings, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has left, what it is still about to tell would be settled as lost by others."""
    course: list[str] = []
    settling, may_settle = asyncio.Event(), asyncio.Event()
    settle, leave, flushed = WorkerStore.settle, WorkerStore.leave, Settler.flushed

    async def settle_late(self: WorkerStore, *rest: Any) -> Any:
        settling.set()
        await may_settle.wait()
        verdicts = await settle(self, *rest)
        course.append("told")
        return verdicts

    async def noted_leave(self: WorkerStore) -> None:
        course.append("left")
        may_settle.set()
        await leave(self)

    async def noted_wait(self: Settler) -> None:
        if worker._stopping.is_set():
            may_settle.set()
        await flushed(self)

    monkeypatch.setattr(WorkerStore, "settle", settle_late)
    monkeypatch.setattr(WorkerStore, "leave", noted_leave)
    monkeypatch.setattr(Settler, "flushed", noted_wait)
    serving = asyncio.Event()
    config = WorkerConfig(modules=("m",), redis=settings)
    worker = Worker(config, CATALOG, lambda _: serving.set())
    running = asyncio.create_task(worker.run())
    await serving.wait()
    await lead.dispatch(0, "answer")
    await settling.wait()
    worker.request_stop()
    assert await running == 0
    assert course == ["told", "left"]
    assert await lead.value(0) == 42
