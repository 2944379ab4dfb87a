"""The fifteen loudest complaints about task queues, each tested on real processes."""

from __future__ import annotations

import asyncio
import re
import signal
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import tests.flows.complaints as flows
import tests.flows.resilience
from astrum import ExecutionReport, build_scheduler
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.resilience.pool import FOLDER_VARIABLE, QUICK, Pool
from tests.integration.resilience.test_versions import unserved
from tests.integration.resilience.test_workers import FAST, attempts_of, begin, ends_of
from tests.keyspace import unowned_keys
from tests.servers import RedisServer

LEASE_S = 1.0
BOTH = "tests.flows.complaints"
BLOCKED = r"blocked the event loop for \d\.\d s at complaints\.py:\d+ in blocks"
assert tests.flows.resilience


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Pool]:
    """A server that keeps its data, and nothing started yet."""
    with RedisServer(options={"appendonly": "yes"}) as server, Pool(tmp_path, server) as place:
        yield place


@pytest.fixture
async def coordinator(place: Pool) -> AsyncIterator[Coordinator]:
    async with Coordinator(RedisSettings(url=place.server.url), config=FAST) as coordinator:
        yield coordinator


async def test_complaint_01_a_long_task_is_not_run_again_while_its_worker_lives(
    place: Pool, coordinator: Coordinator
) -> None:
    place.worker(*QUICK)
    place.worker(*QUICK)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(place.started, "held")
    await asyncio.sleep(3 * LEASE_S)  # it is long: longer than any limit that could be meant
    place.release("held")
    place.release("other")
    report = await run
    assert ends_of(report, "held") == ends_of(report, "other") == ["completed"]
    assert place.executions() == {"held": 1, "other": 1}


async def test_complaint_02_the_death_of_a_worker_neither_loses_a_task_nor_leaves_it_stuck(
    place: Pool, coordinator: Coordinator
) -> None:
    victim = place.worker(*QUICK)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(place.started, "held")
    place.worker(*QUICK)
    victim.kill()
    place.release("held")
    place.release("other")
    report = await run
    assert report.execution_state == "completed"
    assert ends_of(report, "held")[-1] == "completed"


async def test_complaint_03_a_poison_task_does_not_kill_workers_forever(
    place: Pool, coordinator: Coordinator
) -> None:
    supervisor = place.worker(*QUICK, "--processes", "2")
    report = await begin(coordinator, "poison")
    assert place.executions()["kills"] == 3
    assert ends_of(report, "kills") == ["lost"] * 3
    assert any("quarantined" in line for line in report.error_summary)
    assert supervisor.is_alive()


async def test_complaint_04_a_fan_in_fires_exactly_once(
    place: Pool, coordinator: Coordinator
) -> None:
    victim = place.worker(*QUICK, module=BOTH)
    place.worker(*QUICK, module=BOTH)
    run = begin(coordinator, "fan")
    await asyncio.to_thread(place.started, "child3")
    victim.kill()
    report = await run
    assert report.execution_state == "completed"
    assert place.executions()["sink"] == 1
    assert report.task_return_set["sink"] == 200 + flows.CHILDREN - 1


async def test_complaint_05_a_blocked_event_loop_is_not_taken_for_death(
    place: Pool, coordinator: Coordinator
) -> None:
    worker = place.worker(*QUICK, module=BOTH)
    report = await begin(coordinator, "blocking")
    assert ends_of(report, "blocks") == ["completed"]
    assert place.executions() == {"blocks": 1}
    assert "the event loop is blocked" in worker.output
    assert "complaints.py" in worker.output
    [attempt] = attempts_of(report, "blocks")
    assert re.match(BLOCKED, attempt.blocked)
    for options in ((), ("--json",)):
        shown = await asyncio.to_thread(place.command, "show", report.run_id, *options)
        assert re.search(BLOCKED, " ".join(shown.stdout.split()))


async def test_complaint_06_a_worker_consumes_again_after_the_server_was_away(
    place: Pool, coordinator: Coordinator
) -> None:
    worker = place.worker(*QUICK)
    place.release("middle")
    assert (await begin(coordinator, "chain")).execution_state == "completed"
    await asyncio.to_thread(place.server.restart)
    report = await begin(coordinator, "chain")
    assert report.execution_state == "completed"
    assert f".{worker.pid}." in attempts_of(report, "last")[-1].worker_id


async def test_complaint_07_resuming_neither_repeats_nor_skips_what_was_done(place: Pool) -> None:
    settings = RedisSettings(url=place.server.url)
    place.worker(*QUICK)
    async with Coordinator(settings, config=FAST) as first:
        run_id = await first.submit_flow(build_scheduler(namespace="chain").flow())
        leading = asyncio.create_task(first.resume(run_id))
        await asyncio.to_thread(place.started, "middle")
        leading.cancel()
    async with Coordinator(settings, config=FAST) as second:
        place.release("middle")
        report = await second.resume(run_id)
    assert report.execution_state == "completed"
    assert report.task_return_set["last"] == "first-middle-last"
    assert place.executions() == {"first": 1, "middle": 1, "last": 1}


async def test_complaint_08_the_server_s_memory_does_not_grow_with_what_was_done(
    place: Pool, coordinator: Coordinator
) -> None:
    place.worker(*QUICK, module=BOTH)
    for _ in range(3):
        assert (await begin(coordinator, "fan")).execution_state == "completed"
    with place.server.client() as client:
        streams = list(client.scan_iter("*:q:*"))
        assert streams
        assert [client.xlen(stream) for stream in streams] == [0] * len(streams)
        assert unowned_keys(client) == []


async def test_complaint_09_big_values_travel_and_too_big_ones_fail_once_with_the_task_s_name(
    place: Pool, coordinator: Coordinator
) -> None:
    place.worker(*QUICK, module=BOTH)
    assert (await begin(coordinator, "big")).task_return_set["measure"] == 8 * flows.MIB
    report = await begin(coordinator, "too_big")
    assert report.execution_state == "failed"
    assert place.executions()["too_big"] == 1  # though it has retries
    [line] = report.error_summary
    assert "too_big" in line
    assert "67,108,864" in line


async def test_complaint_10_a_task_unknown_to_a_worker_waits_for_one_that_knows_it(
    place: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text(
        textwrap.dedent(
            """
            from astrum import task

            @task("unrelated", namespace="elsewhere")
            async def unrelated() -> None:
                return None
            """
        )
    )
    place.worker(*QUICK, module=str(tmp_path / "elsewhere.py"))
    place.release("middle")
    run = begin(coordinator, "chain")
    await unserved(coordinator, "first")
    place.worker(*QUICK)
    report = await run
    assert report.execution_state == "completed"
    assert ends_of(report, "first") == ["completed"]


async def test_complaint_11_running_work_can_be_cancelled_and_stays_cancelled(
    place: Pool, coordinator: Coordinator
) -> None:
    place.worker(*QUICK, module=BOTH)
    run_id = await coordinator.submit_flow(build_scheduler(namespace="cancelled").flow())
    run = asyncio.create_task(coordinator.resume(run_id))
    await asyncio.to_thread(place.started, "cleans_up")
    assert await coordinator.cancel(run_id, "not wanted any more")
    report = await run
    assert report.execution_state == "cancelled"
    assert ends_of(report, "cleans_up") == ["cancelled"]  # not retried, though it has retries
    await eventually((place.folder / "cleaned").exists)
    assert not await coordinator.cancel(run_id)


async def test_complaint_12_a_deploy_costs_no_retry_and_cuts_no_work(
    place: Pool, coordinator: Coordinator
) -> None:
    old = place.worker(*QUICK)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(place.started, "held")
    await asyncio.to_thread(place.started, "other")
    old.send(signal.SIGTERM)
    place.worker(*QUICK)
    assert await asyncio.to_thread(old.wait) == 0
    place.release("held")
    place.release("other")
    report = await run
    assert ends_of(report, "held") == ends_of(report, "other") == ["handed_back", "completed"]


async def test_complaint_13_an_exception_that_cannot_be_unpickled_is_only_an_exception(
    place: Pool, coordinator: Coordinator
) -> None:
    worker = place.worker(*QUICK, module=BOTH)
    report = await begin(coordinator, "awkward")
    [attempt] = attempts_of(report, "raises")
    assert attempt.status == "failed"
    assert "Awkward" in (attempt.error_message or "")
    assert "the disk is full (7)" in (attempt.error_message or "")
    assert (await begin(coordinator, "fan")).execution_state == "completed"
    assert worker.is_alive()


async def test_complaint_14_a_run_in_process_is_the_real_thing(
    place: Pool, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.worker(*QUICK, module=BOTH)
    monkeypatch.setenv(FOLDER_VARIABLE, str(place.folder))
    for namespace in ("fan", "awkward"):
        local = await build_scheduler(namespace=namespace).execute()
        remote = await begin(coordinator, namespace)
        assert outline(local) == outline(remote)
    assert place.executions()["sink"] == 2


def outline(report: ExecutionReport) -> object:
    rows = {
        s.task_name: (s.status, [(a.status, a.error_message) for a in s.attempt_statistics])
        for s in report.task_statistics
    }
    return report.execution_state, report.task_return_set, report.error_summary, rows


async def test_complaint_15_a_fan_out_has_one_row_per_child(
    place: Pool, coordinator: Coordinator
) -> None:
    place.worker(*QUICK, module=BOTH)
    report = await begin(coordinator, "fan")
    rows = {s.task_name for s in report.task_statistics if s.task_name.startswith("child")}
    assert len(rows) == flows.CHILDREN
    assert all(report.task_return_set[f"child{n}"] == 100 + n for n in range(flows.CHILDREN))
