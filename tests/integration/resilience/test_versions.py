"""Workers of another version: they hand back what is not theirs, and the right ones run it."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import textwrap
from pathlib import Path
from typing import Any

import msgpack
import pytest

from astrum import AstrumConfig, build_scheduler
from astrum.redis import RedisSettings
from astrum.view import UnfinishedState
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
SHOP = """
    import asyncio
    from astrum import SchedulerRegistry

    shop = SchedulerRegistry("shop")

    async def which(more: {kind} = 1) -> str:
        await asyncio.sleep(0.05)
        return "{name}"

    for number in range(12):
        shop.task(f"t{{number}}")(which)
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
    for name, kind in (("one", "int"), ("two", "int"), ("third", "float")):
        text = textwrap.dedent(SHOP.format(name=name, kind=kind))
        (tmp_path / f"shop_{name}.py").write_text(text)
    return tmp_path


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"planned_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("module", ["old.py", "other.py"])
async def test_a_worker_with_another_source_of_the_task_never_gets_it(
    pool: Pool, written: Path, module: str
) -> None:
    pool.worker(*QUICK, module=str(written / module))
    pool.release("middle")
    async with Coordinator(RedisSettings(url=pool.server.url), config=EXACT) as coordinator:
        run = begin(coordinator, "chain")
        await unserved(coordinator, "first")
        pool.worker(*QUICK)
        report = await run
    assert report.execution_state == "completed"
    assert report.task_return_set["last"] == "first-middle-last"
    assert ends_of(report, "first") == ["completed"]
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}


async def unserved(coordinator: Coordinator, task_id: str) -> str:
    """Wait until no worker serves a task of the latest run, and return why."""

    async def why() -> str:
        for info in await coordinator.runs():
            for task in (await coordinator.snapshot(info.run_id)).unfinished:
                if task.task_id == task_id and task.state is UnfinishedState.UNSERVED:
                    return task.text
        return ""

    return str(await eventually(why, f"{task_id} to be unserved"))


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


async def test_waiting_for_the_right_worker_says_why_the_others_do_not_serve(
    pool: Pool, written: Path
) -> None:
    pool.worker(*QUICK, module=str(written / "old.py"))
    async with Coordinator(RedisSettings(url=pool.server.url), config=EXACT) as coordinator:
        flow = build_scheduler(namespace="chain").flow(fingerprints=True)
        run_id = await coordinator.submit_flow(flow, versions="exact")
        resumed = asyncio.create_task(coordinator.resume(run_id))
        why = await unserved(coordinator, "first")
        await coordinator.cancel(run_id)
        await resumed
    assert "the live workers have another version of its source" in why


async def test_old_and_new_bodies_share_the_tasks_of_a_run(pool: Pool, written: Path) -> None:
    for name in ("one", "two"):
        pool.worker(*QUICK, "--concurrency", "2", module=str(written / f"shop_{name}.py"))
    planned = imported(written / "shop_one.py").shop.build_scheduler().flow(fingerprints=True)
    newer = imported(written / "shop_two.py").shop.build_scheduler().flow(fingerprints=True)
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        report = await coordinator.run_flow(planned, AstrumConfig())
        found = await coordinator.served_versions(await coordinator.workers())
    assert {*report.task_return_set.values()} == {"one", "two"}
    ran = {s.task_name: s.attempt_statistics[-1].code for s in report.task_statistics}
    codes = {"one": "", "two": newer.plan.code}
    assert ran == {task: codes[name] for task, name in report.task_return_set.items()}
    assert "handed_back" not in {
        e for s in report.task_statistics for e in ends_of(report, s.task_name)
    }
    offer = planned.plan.offer
    served = {(offer, planned.plan.code), (offer, newer.plan.code)}
    assert {version["shop"] for version in found.values()} == served


@pytest.mark.parametrize(("versions", "beside"), [("exact", "two"), ("compatible", "third")])
async def test_an_old_worker_runs_alone_what_newer_ones_cannot(
    pool: Pool, written: Path, versions: str, beside: str
) -> None:
    for name in ("one", beside):
        pool.worker(*QUICK, module=str(written / f"shop_{name}.py"))
    # Some of the tasks name the code of the whole namespace too.
    shop = imported(written / "shop_one.py").shop
    planned = shop.build_scheduler(["t0", "t1"]).flow(fingerprints=True)
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        report = await coordinator.run_flow(planned, AstrumConfig(), versions=versions)
        info = await coordinator.run_info(report.run_id)
    assert {*report.task_return_set.values()} == {"one"}
    assert {s.attempt_statistics[-1].code for s in report.task_statistics} == {""}
    assert info is not None
    assert info.details["code"] == planned.plan.code


async def test_a_task_with_other_data_than_the_plan_is_refused_by_the_name_of_the_data(
    pool: Pool, written: Path
) -> None:
    pool.worker(*QUICK, module=str(written / "data.py"))
    module = imported(written / "data.py")
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        same = await module.registry.run(executor=coordinator)
        assert same.task_return_set == {"closure": "the worker's", "default": "the worker's"}
        flow = module.make("the plan's").build_scheduler().flow(fingerprints=True)
        run_id = await coordinator.submit_flow(flow)
        resumed = asyncio.create_task(coordinator.resume(run_id))

        closure, default = [await unserved(coordinator, one) for one in ("closure", "default")]
        assert "other data in its closure variable 'who'" in closure
        assert "other data in its default value of 'x'" in default
        assert "goes through an upstream task" in default
        await coordinator.cancel(run_id)
        report = await resumed
    assert report.task_return_set == {}
