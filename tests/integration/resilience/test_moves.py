"""Attempts go to workers that can run them, and leave streams whose workers are gone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astrum.errors import RunError
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig
from astrum_coordinator.scheduling import pool_view
from tests.eventually import eventually
from tests.integration.resilience.modules import begin, flow_of, handed_back, starts, write
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST, ends_of

SHOP = """
    shop = SchedulerRegistry("{namespace}")

    def declare(number):
        @shop.task(f"same{{number}}")
        async def same() -> str:
            await asyncio.sleep(0.05)
            return "{name}"

        @shop.task(f"changed{{number}}")
        async def changed(x: {kind} = 1) -> str:
            return "{name}"

    for number in range(10):
        declare(number)
"""
ADDED = """
    @shop.task("added")
    async def added() -> str:
        return "{name}"
"""
LEFT = """
    shop = SchedulerRegistry("shop")

    @shop.task("held")
    async def held() -> str:
        note("held")
        await released("held")
        return "{name}"

    def declare(number):
        @shop.task(f"waits{{number}}")
        async def waits(x: {kind} = 1) -> str:
            note("waits")
            return "{name}"

    for number in range(3):
        declare(number)
"""
KILLS = """
    shop = SchedulerRegistry("shop")

    @shop.task("kills")
    async def kills() -> str:
        note("kills")
        if current_attempt().attempt == 1:
            os._exit(9)
        return "survived"
"""


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    # No server was away: the dead are dead.
    config = dataclasses.replace(FAST, reap_grace_s=0.1)
    async with Coordinator(RedisSettings(url=pool.server.url), config=config) as coordinator:
        yield coordinator


def shop(folder: Path, name: str, *, kind: str = "int", namespace: str = "shop") -> Path:
    added = ADDED if kind != "int" else ""
    return write(folder, name, (SHOP + added).format(name=name, kind=kind, namespace=namespace))


def left(folder: Path, name: str, *, kind: str = "int", added: bool = False) -> Path:
    text = (LEFT + (ADDED if added else "")).format(name=name, kind=kind)
    return write(folder, name, text)


async def test_two_modules_on_one_queue_hand_nothing_back(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    modules = [shop(tmp_path, name, namespace=name) for name in ("one", "two")]
    for module in modules:
        pool.worker(*QUICK, module=str(module))
    runs = [await begin(coordinator, flow_of(module)) for module in modules]
    for run, name in zip(runs, ("one", "two"), strict=True):
        report = await run.ended()
        assert {*report.task_return_set.values()} == {name}
        assert handed_back(report) == 0


async def test_two_versions_share_what_both_serve_and_hand_nothing_back(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    old, new = shop(tmp_path, "old"), shop(tmp_path, "new", kind="float")
    for module in (old, new):
        pool.worker(*QUICK, "--concurrency", "2", module=str(module))
    runs = {module.stem: await begin(coordinator, flow_of(module)) for module in (old, new)}
    for name, run in runs.items():
        report = await run.ended()
        by = {"same": set(), "changed": set(), "added": {"new"}}  # type: dict[str, set[str]]
        for task, who in report.task_return_set.items():
            by[task.rstrip("0123456789")].add(who)
        assert by == {"same": {"old", "new"}, "changed": {name}, "added": {"new"}}
        assert handed_back(report) == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
async def test_what_waits_for_a_worker_that_is_gone_moves_to_another_version(
    pool: Pool, coordinator: Coordinator, tmp_path: Path, how: signal.Signals
) -> None:
    old, new = left(tmp_path, "old"), left(tmp_path, "new", added=True)
    only = pool.worker("--lease", "1", "--concurrency", "1", module=str(old))
    run = await begin(coordinator, flow_of(old))
    await asyncio.to_thread(pool.started, "held")
    pool.worker(*QUICK, module=str(new))
    only.send(how)
    await asyncio.to_thread(pool.started, "waits", 3)
    pool.release("held")
    report = await run.ended()
    assert pool.executions()["waits"] == 3, "each ran once"
    drained = how == signal.SIGTERM
    assert report.task_return_set["held"] == ("old" if drained else "new")
    assert ends_of(report, "held") == (["completed"] if drained else ["lost", "completed"])
    assert {report.task_return_set[f"waits{n}"] for n in range(3)} == {"new"}
    assert {end for n in range(3) for end in ends_of(report, f"waits{n}")} == {"completed"}


async def test_the_next_leader_moves_what_the_last_one_sent_to_workers_that_are_gone(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    old, new = left(tmp_path, "old"), left(tmp_path, "new", added=True)
    only = pool.worker("--lease", "1", "--concurrency", "1", module=str(old))
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as first:
        run_id = await first.submit_flow(flow_of(old))
        led = asyncio.create_task(first.resume(run_id))
        await asyncio.to_thread(pool.started, "held")
        only.kill()
    with pytest.raises(RunError):
        await led
    pool.release("held")
    await asyncio.to_thread(pool.worker, *QUICK, module=str(new))
    report = await coordinator.resume(run_id)
    assert set(report.task_return_set.values()) == {"new"}
    assert handed_back(report) == 0


async def test_what_no_other_version_serves_waits_for_the_worker_to_return(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    old, new = left(tmp_path, "old"), left(tmp_path, "new", kind="float")
    only = pool.worker("--lease", "1", "--concurrency", "1", module=str(old))
    run = await begin(coordinator, flow_of(old))
    await asyncio.to_thread(pool.started, "held")
    pool.release("held")
    only.kill()
    pool.worker(*QUICK, module=str(new))
    await asyncio.to_thread(pool.started, "held", 2)  # this one both serve
    assert pool.executions()["waits"] == 0
    pool.worker(*QUICK, module=str(old))
    report = await run.ended()
    assert {report.task_return_set[f"waits{n}"] for n in range(3)} == {"old"}
    assert handed_back(report) == 0


async def test_an_attempt_that_must_run_alone_goes_to_the_right_workers(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    right, wrong = write(tmp_path, "right", KILLS), shop(tmp_path, "wrong", namespace="wrong")
    for module in (wrong, right):
        pool.worker(*QUICK, module=str(module))
    run = await begin(coordinator, flow_of(right))
    await asyncio.to_thread(pool.started, "kills")
    pool.worker(*QUICK, module=str(right))
    report = await run.ended()
    assert ends_of(report, "kills") == ["lost", "completed"]


async def test_a_run_that_begins_right_after_its_worker_came_starts_at_once(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How often a coordinator may look does not depend on how busy the machine is.
    monkeypatch.setattr(pool_view, "_LOOKS_APART", 0)
    old, new = left(tmp_path, "old"), left(tmp_path, "new", added=True)
    async with Coordinator(RedisSettings(url=pool.server.url)) as coordinator:
        waiting = await begin(coordinator, flow_of(shop(tmp_path, "other", namespace="other")))

        async def is_led() -> bool:
            return any(one.waiting for one in await coordinator.queues())

        await eventually(is_led, "a run that has looked at the pool")
        await asyncio.to_thread(pool.worker, *QUICK, module=str(new))
        run = await begin(coordinator, flow_of(old, "waits0"))
        report = await run.ended()
        created_at = report.total_start_time + report.planning_duration  # by the server's clock
        assert starts(report)[0] - created_at < 1.5
        await waiting.cancelled()


async def test_without_a_worker_a_few_attempts_are_sent_and_the_whole_backlog_shows(
    pool: Pool, tmp_path: Path
) -> None:
    module = shop(tmp_path, "late")
    settings = RedisSettings(url=pool.server.url)
    quick = dataclasses.replace(CoordinatorConfig(), renew_every_s=0.3)
    async with Coordinator(settings, config=quick) as coordinator:
        run = await begin(coordinator, flow_of(module))

        async def backlog() -> list[tuple[int, int]]:
            rows = [one for one in await coordinator.queues() if one.queue == "default"]
            return [(one.waiting, one.held_ready) for one in rows if one.held_ready]

        assert await eventually(backlog, "the backlog") == [(16, 4)]
        [shown] = json.loads((await asyncio.to_thread(pool.command, "queues", "--json")).stdout)
        assert (shown["backlog"], shown["demand"], shown["workers"]) == (20, 20, [])
        await asyncio.to_thread(pool.worker, *QUICK, module=str(module))
        served_at = time.time()
        found = starts(await run.ended())
        assert len(found) == 20
        assert found[0] - served_at < 1.0, "what is in the stream begins at once"
        assert found[-1] - served_at < 4.0
