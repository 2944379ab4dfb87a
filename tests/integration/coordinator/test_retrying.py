"""Runs that ended and are tried again."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from astrum.errors import RetryRefusedError, RunNotFoundError, TaskNotFoundError
from astrum.machine.events import Outcome
from astrum.planning import RetryPolicy, TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum.values.references import Blob
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow
from tests.integration.coordinator.steps import runs_ended, serving

LOAD = TaskSpec(task_id="load")
PARSE = TaskSpec(task_id="parse", needs=("load",))
STORE = TaskSpec(task_id="store", needs=("parse",))
FLOW = flow(LOAD, PARSE, STORE)
NAMES = ("load", "parse", "store")


async def fail_at_parse(coordinator: Coordinator, hand: ManualWorker) -> None:
    await hand.register(*NAMES)
    running = asyncio.create_task(
        coordinator.resume(await coordinator.submit_flow(FLOW, run_id="r"))
    )
    await hand.succeed(await hand.claim(), b"x" * 100_000)
    await hand.fail(await hand.claim())
    assert (await running).execution_state == "failed"


async def record(runs: RunStore) -> dict[bytes, bytes]:
    """Return the record of the run, without the epoch of its chronicle, which is written later."""
    parts = iter(await runs.client.execute("HGETALL", runs.keys.run("r")))
    found = dict(zip(parts, parts, strict=True))
    found.pop(b"pc", None)
    return found


async def test_only_what_did_not_succeed_runs_again(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await fail_at_parse(coordinator, hand)
    done = await coordinator.retry("r", by="ann@host:7")
    assert (done.tasks, done.reopened) == (("parse", "store"), True)
    info = await coordinator.run_info("r")
    assert info is not None
    assert (info.is_open, info.ended_at, info.owner) == (True, None, "")
    assert "failure" not in info.details
    running = asyncio.create_task(coordinator.resume("r"))
    again = await hand.claim()
    assert again.place == ("parse", 2)
    await hand.succeed(again)
    await hand.succeed(await hand.claim())
    report = await running
    assert report.execution_state == "completed"
    assert [len(task.attempt_statistics) for task in report.task_statistics] == [1, 2, 1]
    assert [entry.by for entry in report.reopened] == ["ann@host:7"]
    assert set(report.task_return_set) == set(NAMES)


async def test_a_serving_coordinator_leads_the_run_at_once(
    settings: RedisSettings, hand: ManualWorker, runs: RunStore
) -> None:
    """A wake names the run: the next look for runs is an hour away."""
    rarely = replace(FAST, adopt_every_s=3_600.0)
    async with Coordinator(settings, config=rarely) as coordinator:
        await fail_at_parse(coordinator, hand)
        async with serving(coordinator):
            await eventually(lambda: _is_listening(runs), "the coordinator to listen for runs")
            await coordinator.retry("r")
            await hand.succeed(await hand.claim())
            await hand.succeed(await hand.claim())
            await eventually(lambda: runs_ended(runs), "the run to end")


async def _is_listening(runs: RunStore) -> bool:
    """Return whether a process waits for runs; no worker waits for attempts then."""
    clients = await runs.client.execute("CLIENT", "LIST")
    return re.search(rb" flags=\w*b\w* .*cmd=xreadgroup", clients) is not None


async def test_tasks_of_a_completed_run_run_again_if_they_are_named(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register(*NAMES)
    await coordinator.submit_flow(FLOW, run_id="r")
    running = asyncio.create_task(coordinator.resume("r"))
    for _ in NAMES:
        held = await hand.claim()
        row = hand.record(held, Outcome.SUCCEEDED, value=b"\x01")
        await hand.settle(held, row, final=True)
    await running
    with pytest.raises(
        RetryRefusedError, match="completed, so there is nothing to try again: name"
    ):
        await coordinator.retry("r")
    assert (await coordinator.retry("r", ["parse"])).tasks == ("parse", "store")
    running = asyncio.create_task(coordinator.resume("r"))
    again = await hand.claim()
    assert again.place == ("parse", 2)
    await hand.succeed(again, 7)
    await hand.succeed(await hand.claim(), 8)
    report = await running
    assert (report.task_return_set["parse"], report.task_return_set["store"]) == (7, 8)


async def test_a_result_from_before_a_reopening_that_did_not_come_again_is_reported_by_none(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register(*NAMES)
    await coordinator.submit_flow(FLOW, run_id="r")
    running = asyncio.create_task(coordinator.resume("r"))
    for _ in NAMES:
        await hand.succeed(await hand.claim())
    await running
    await coordinator.retry("r", ["parse"])
    running = asyncio.create_task(coordinator.resume("r"))
    await hand.fail(await hand.claim())
    for report in (await running, await coordinator.report("r")):
        assert (report.execution_state, report.successful_tasks) == ("failed", 1)
        assert set(report.task_return_set) == {"load"}


async def test_what_cannot_be_retried_says_what_to_do_and_changes_nothing(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    with pytest.raises(RunNotFoundError, match="no run has the id 'other'"):
        await coordinator.retry("other")
    await coordinator.submit_flow(FLOW, run_id="open")
    with pytest.raises(RetryRefusedError, match=r"run open is under way: .* --now"):
        await coordinator.retry("open")
    with pytest.raises(RetryRefusedError, match="no task waits for its next attempt"):
        await coordinator.retry("open", now=True)
    await fail_at_parse(coordinator, hand)
    before = await record(runs)
    with pytest.raises(TaskNotFoundError, match="no task 'pars'; did you mean 'parse'"):
        await coordinator.retry("r", ["pars"])
    with pytest.raises(RetryRefusedError, match="task 'load' of run r has succeeded"):
        await coordinator.retry("r", ["load"])
    assert await record(runs) == before
    await runs.client.execute("DEL", runs.keys.attempts("r"))
    with pytest.raises(RunNotFoundError, match=r"a part of run 'r' has expired.*--result-ttl"):
        await coordinator.retry("r")
    assert await record(runs) == before


async def test_of_two_who_retry_at_once_one_opens_the_run(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker
) -> None:
    await fail_at_parse(coordinator, hand)
    done = await asyncio.gather(
        coordinator.retry("r"), other.retry("r", by="eva"), return_exceptions=True
    )
    refused = [one for one in done if isinstance(one, RetryRefusedError)]
    assert len(refused) == 1
    assert "under way" in str(refused[0])


async def test_a_retried_run_lives_as_an_open_one_with_its_values(
    settings: RedisSettings, hand: ManualWorker, runs: RunStore
) -> None:
    async with Coordinator(settings, config=replace(FAST, result_ttl_s=90.0)) as coordinator:
        await fail_at_parse(coordinator, hand)
        await runs.put_blob("r", Blob("0" * 32, b"value"))
        await coordinator.retry("r")
        keys = [key for key in await runs.client.execute("KEYS", "*") if b":r" in key]
        for key in keys:
            assert await runs.client.execute("PTTL", key) > 3_600_000, key


async def test_a_hurried_retry_begins_at_once(coordinator: Coordinator, hand: ManualWorker) -> None:
    await hand.register("slow")
    late = TaskSpec(task_id="slow", retry=RetryPolicy(1, delay=600.0))
    await coordinator.submit_flow(flow(late), run_id="r")
    running = asyncio.create_task(coordinator.resume("r"))
    await hand.fail(await hand.claim())

    async def hurried() -> bool:
        try:
            return not (await coordinator.retry("r", now=True)).reopened
        except RetryRefusedError:
            return False

    await eventually(hurried, "the failure to be read")
    await hand.succeed(await hand.claim())
    assert (await running).execution_state == "completed"
