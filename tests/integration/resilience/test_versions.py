"""Workers of another version: they hand back what is not theirs, and the right ones run it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import importlib.util
import textwrap
from pathlib import Path

import msgpack
import pytest

from astrum import build_scheduler
from astrum.redis import RedisSettings, RunStore
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST, begin, ends_of
from tests.integration.worker.pool import open_run

EXACT = dataclasses.replace(FAST, versions="exact")
OLD = """
    from astrum import F, Ref, task

    @task("first", namespace="chain")
    async def first() -> str:
        return "the old source"

    @task("middle", namespace="chain")
    async def middle(before: Ref[str, F("first")]) -> str:
        return "old"

    @task("last", namespace="chain")
    async def last(before: Ref[str, F("middle")]) -> str:
        return "old"
"""
DATA = """
    from astrum import SchedulerRegistry

    def make(who):
        registry = SchedulerRegistry("data")

        @registry.task("closure")
        def closure() -> str:
            return who

        @registry.task("default")
        def default(x: str = who) -> str:
            return x

        return registry

    registry = make("the worker's")
"""
OTHER = """
    from astrum import task

    @task("unrelated", namespace="another")
    async def unrelated() -> None:
        return None
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "old.py").write_text(textwrap.dedent(OLD))
    (tmp_path / "data.py").write_text(textwrap.dedent(DATA))
    (tmp_path / "other.py").write_text(textwrap.dedent(OTHER))
    return tmp_path


@pytest.mark.parametrize("module", ["old.py", "other.py"])
async def test_a_worker_with_another_source_of_the_task_hands_it_back_uncharged(
    pool: Pool, written: Path, module: str
) -> None:
    wrong = pool.worker(*QUICK, module=str(written / module))
    pool.release("middle")
    async with Coordinator(RedisSettings(url=pool.server.url), config=EXACT) as coordinator:
        run = begin(coordinator, "chain")
        await eventually(lambda: "settled as handed back" in wrong.output)
        pool.worker(*QUICK)
        wrong.close()  # else the two would compete for each task, with growing delays
        report = await run
    assert report.execution_state == "completed"
    assert report.task_return_set["last"] == "first-middle-last"
    assert ends_of(report, "first")[0] == "handed_back"
    assert ends_of(report, "first")[-1] == "completed"
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}


async def test_a_message_of_an_unknown_protocol_version_is_handed_back_not_ended(
    pool: Pool,
) -> None:
    async with open_run(RedisSettings(url=pool.server.url)) as lead:
        pool.worker(*QUICK)
        message = msgpack.unpackb(lead.message(0, "held", {}))
        await lead.dispatch_raw(0, msgpack.packb([99, *message[1:], "a field of the future"]))
        record = await lead.record(0)
    assert record.outcome.name == "HANDED_BACK"
    assert record.failure is not None
    assert "99" in record.failure.message


async def test_waiting_for_the_right_worker_reports_why_the_others_do_not_serve(
    pool: Pool, written: Path
) -> None:
    pool.worker(*QUICK, module=str(written / "old.py"))
    async with Coordinator(RedisSettings(url=pool.server.url), config=EXACT) as coordinator:
        flow = build_scheduler(namespace="chain").flow(fingerprints=True)
        run_id = await coordinator.submit_flow(flow)
        resumed = asyncio.create_task(coordinator.resume(run_id))
        async with RunStore.open(RedisSettings(url=pool.server.url)) as store:

            async def was_handed_back() -> bool:
                info = await store.run_info(run_id)
                report = await coordinator.report(run_id)
                return info is not None and "handed_back" in ends_of(report, "first")

            await eventually(was_handed_back)
        await coordinator.cancel(run_id)
        report = await resumed
    messages = [
        a.error_message or ""
        for s in report.task_statistics
        if s.task_name == "first"
        for a in s.attempt_statistics
    ]
    assert "another version of its source" in messages[0]


async def test_a_task_with_other_data_than_the_plan_is_refused_by_the_name_of_the_data(
    pool: Pool, written: Path
) -> None:
    worker = pool.worker(*QUICK, module=str(written / "data.py"))
    spec = importlib.util.spec_from_file_location("planned_data", written / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        same = await module.registry.run(executor=coordinator)
        assert same.task_return_set == {"closure": "the worker's", "default": "the worker's"}
        flow = module.make("the plan's").build_scheduler().flow(fingerprints=True)
        run_id = await coordinator.submit_flow(flow)
        resumed = asyncio.create_task(coordinator.resume(run_id))

        def is_told(told: str) -> bool:
            return told in worker.output

        for data in ("closure variable 'who'", "default value of 'x'"):
            told = f"this worker has other data in its {data} than the plan"
            await eventually(functools.partial(is_told, told))
        assert "goes through an upstream task" in worker.output
        await coordinator.cancel(run_id)
        report = await resumed
    assert report.task_return_set == {}
