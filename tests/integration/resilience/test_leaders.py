"""Coordinators that die or are disconnected: the run continues under another one."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from astrum.errors import StoreUnavailableError
from astrum.flow.registry import build_scheduler
from astrum.protocol.messages import encode_entry
from astrum.protocol.run_header import RunHeader
from astrum.protocol.sealing import Seal
from astrum.redis import RedisSettings, RunStore
from astrum.redis.scripts import Creation
from astrum_coordinator import Coordinator
from astrum_coordinator.stored_runs import encode_plan, new_run
from tests.eventually import eventually
from tests.integration.resilience.pool import MODULE, Pool, statuses
from tests.integration.resilience.test_workers import FAST
from tests.processes import wait_until
from tests.proxy import Proxy

TAKEN_OVER_WITHIN_S = 15.0
QUICK_TO_DOUBT = replace(FAST, journal_block_s=0.5)


def test_a_killed_serving_coordinator_is_replaced_by_another_within_15_seconds(pool: Pool) -> None:
    pool.worker()
    coordinators = [pool.serve(), pool.serve()]
    pool.submit("chain")
    pool.started("middle")
    [leader] = [c for c in coordinators if c.pid == pool.leader_pid()]
    leader.kill()
    killed_at = time.monotonic()
    pool.release("middle")
    wait_until(lambda: pool.leader_pid() not in (0, leader.pid), "another leader")
    assert time.monotonic() - killed_at < TAKEN_OVER_WITHIN_S
    report = pool.ended()
    assert report["execution_state"] == "completed"
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}


def test_a_stopped_serving_coordinator_gives_its_runs_to_another_at_once(pool: Pool) -> None:
    pool.worker()
    first = pool.serve()
    pool.submit("chain")
    pool.started("middle")
    second = pool.serve()
    first.send(signal.SIGTERM)
    assert first.wait() == 0
    stopped_at = time.monotonic()
    wait_until(lambda: pool.leader_pid() == second.pid, "the other to lead")
    assert time.monotonic() - stopped_at < 5.0
    pool.release("middle")
    assert pool.ended()["execution_state"] == "completed"


async def test_two_that_serve_share_many_runs_and_each_run_is_begun_once(pool: Pool) -> None:
    pool.worker()
    coordinators = [pool.serve(log_level="debug") for _ in range(2)]  # it names each of many runs
    flow = build_scheduler(["first"], namespace="chain").flow(fingerprints=True)
    seal, run_ids = Seal(), [f"r{number:03}" for number in range(300)]
    plan = encode_plan(flow.plan, seal)
    header = RunHeader("chain", plan.digest)
    async with RunStore.open(RedisSettings(url=pool.server.url)) as store:
        runs = [new_run(run_id, header, seal, {}) for run_id in run_ids]
        assert set(await store.create_runs(runs, {plan.digest: plan.data})) == {Creation.CREATED}

        async def all_ended() -> bool:
            return not (await store.client.execute("ZCARD", store.keys.runs))

        await eventually(all_ended, "the end of all runs")
        assert {info.state for info in await store.list_runs(400)} == {"completed"}

    def begun() -> list[int]:
        return [one.output.count(" is started here, epoch ") for one in coordinators]

    await eventually(lambda: sum(begun()) >= len(run_ids), "the log of all runs")
    assert _begun_twice([one.output for one in coordinators]) == ""
    assert min(begun()) > len(run_ids) / 5
    assert pool.executions() == {"first": len(run_ids)}


def _begun_twice(outputs: list[str]) -> str:
    """Return all that was logged about the runs that were begun more than once."""
    lines = [f"{place}: {line}" for place, text in enumerate(outputs) for line in text.splitlines()]
    begun = Counter(re.findall(r"run (r\d+) is started here, epoch ", "\n".join(lines)))
    twice = {run_id for run_id, count in begun.items() if count > 1}
    return "\n".join(line for line in lines if twice.intersection(re.findall(r"r\d+", line)))


def test_a_run_whose_command_was_killed_is_resumed_and_nothing_completed_runs_again(
    pool: Pool,
) -> None:
    pool.worker()
    run = pool.start("run", MODULE, "-n", "chain", "--run-id", "r")
    pool.started("middle")
    run.kill()
    pool.end_leadership()
    pool.release("middle")
    resumed = pool.command("resume", "r", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}
    report = pool.report()
    assert report["task_return_set"]["last"] == "first-middle-last"
    assert statuses(report, "middle") == ["completed"]


def test_a_run_whose_command_was_killed_is_adopted_by_a_serving_coordinator(pool: Pool) -> None:
    pool.worker()
    run = pool.start("run", MODULE, "-n", "chain", "--run-id", "r")
    pool.started("middle")
    pool.serve()
    run.kill()
    pool.end_leadership()
    pool.release("middle")
    assert pool.ended()["execution_state"] == "completed"
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}


def test_a_cancellation_survives_the_death_of_the_leader(pool: Pool) -> None:
    worker = pool.worker()
    leader = pool.serve()
    pool.submit("stuck")
    pool.started("held")
    leader.send(signal.SIGSTOP)  # it cannot react any more
    assert pool.command("cancel", "r", "--reason", "enough").returncode == 0
    leader.kill()
    pool.end_leadership()
    pool.serve()
    report = pool.ended()
    assert report["execution_state"] == "cancelled"
    assert statuses(report, "held") == ["cancelled"]
    assert "enough" in "\n".join(report["error_summary"])
    assert worker.is_alive()
    pool.submit("stuck", "again")
    pool.started("held", 2)
    pool.release("held")
    pool.release("other")
    assert pool.ended("again")["execution_state"] == "completed"


def test_ctrl_c_on_a_run_cancels_it_on_all_workers(pool: Pool) -> None:
    pool.worker()
    run = pool.start("run", MODULE, "-n", "stuck", "--run-id", "r")
    pool.started("held")
    pool.started("other")
    run.send(signal.SIGINT)
    assert run.wait() == 130
    assert "was cancelled" in run.output
    report = pool.report()
    assert report["execution_state"] == "cancelled"
    assert statuses(report, "held") == statuses(report, "other") == ["cancelled"]


# --- a server that fails while a run is being adopted ---------------------------------------


@pytest.mark.parametrize("call", ["adopt", "read_journal", "outstanding", "server_time"])
async def test_an_adoption_that_the_server_interrupts_is_completed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    pool.worker()
    pool.submit("steps")
    async with RunStore.open(RedisSettings(url=pool.server.url)) as runs:
        await runs.append_event("r", encode_entry([]))  # it has a history to read
    fails = iter([True])
    real = getattr(RunStore, call)

    async def flaky(store: RunStore, *arguments: Any, **options: Any) -> Any:
        if next(fails, False):
            raise StoreUnavailableError("the connection was reset")
        return await real(store, *arguments, **options)

    monkeypatch.setattr(RunStore, call, flaky)
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        serving = asyncio.create_task(coordinator.serve())
        report = await asyncio.to_thread(pool.ended)
        serving.cancel()
    assert not list(fails)
    assert report["execution_state"] == "completed"


async def test_a_submission_that_the_server_interrupts_is_repeated(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, real = iter([True]), RunStore.create_run

    async def flaky(store: RunStore, *arguments: Any) -> bool:
        if next(fails, False):
            raise StoreUnavailableError("the connection was reset")
        return await real(store, *arguments)

    monkeypatch.setattr(RunStore, "create_run", flaky)
    pool.worker()
    pool.release("middle")
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        report = await coordinator.run(namespace="chain")
    assert report.execution_state == "completed"


async def test_a_leader_behind_a_half_open_connection_reads_on_soon(
    pool: Pool, link: Proxy
) -> None:
    pool.worker()
    async with Coordinator(RedisSettings(url=link.url), config=QUICK_TO_DOUBT) as coordinator:
        run = asyncio.create_task(coordinator.run(namespace="chain"))
        await asyncio.to_thread(pool.started, "middle")
        link.forget()  # the open connections stay silent; new ones work
        pool.release("middle")
        silent_at = time.monotonic()
        report = await run
    assert report.execution_state == "completed"
    assert time.monotonic() - silent_at < TAKEN_OVER_WITHIN_S
