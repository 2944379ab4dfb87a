"""New runs that take over results of earlier ones, led in this process."""

from __future__ import annotations

import asyncio
import os

import pytest

from astrum import FromRun
from astrum.config import AstrumConfig
from astrum.errors import TakeOverRefusedError, TaskNotFoundError
from astrum.execution.invoke import Flow
from astrum.machine.events import Outcome
from astrum.planning import TaskSpec
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.redis import RunStore
from astrum.values.codec import Codec
from astrum.values.payload import pack_value
from astrum_coordinator import Coordinator
from astrum_coordinator.asking.taking_over import TakeOver
from tests.integration.coordinator.manual_worker import ManualWorker, flow

CODE, FIXED = f"{'a' * 16}.{'c' * 16}", f"{'b' * 16}.{'c' * 16}"
NAMES = ("load", "parse", "store")
BIG = os.urandom(100_000)


def chain(*codes: str) -> Flow:
    """Return three tasks, each after the one before."""
    needs = [(), ("load",), ("parse",)]
    rows = zip(NAMES, needs, codes or (CODE, CODE, CODE), strict=True)
    return flow(*[TaskSpec(name, before, fingerprint=code) for name, before, code in rows])


async def fail_at_parse(coordinator: Coordinator, hand: ManualWorker, run_id: str = "old") -> None:
    await hand.register(*NAMES)
    running = asyncio.create_task(coordinator.run_flow(chain(), AstrumConfig(), run_id=run_id))
    held = await hand.claim()
    value = pack_value(Codec().encode(BIG))
    assert value.blob is not None
    await hand.store.put_blob(run_id, value.blob)
    row = hand.record(held, Outcome.SUCCEEDED, value=value.value)
    await hand.settle(held, row, final=True)
    await hand.fail(await hand.claim())
    assert (await running).execution_state == "failed"


async def test_what_failed_runs_in_the_new_run_and_the_rest_is_taken_over(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await fail_at_parse(coordinator, hand)
    told: list[TakeOver] = []
    wish = FromRun("old", tell=told.append)
    fixed = chain(CODE, FIXED, CODE)
    running = asyncio.create_task(
        coordinator.run_flow(fixed, AstrumConfig(), run_id="new", from_run=wish)
    )
    for place in (("parse", 1), ("store", 1)):
        held = await hand.claim()
        assert held.place == place
        await hand.succeed(held, 7)
    report = await running
    assert (report.execution_state, report.successful_tasks, report.reused_tasks) == (
        *("completed", 3, 1),
    )
    assert report.task_return_set == {"load": BIG, "parse": 7, "store": 7}
    load, parse, _ = report.task_statistics
    assert (load.status, load.attempt_count, load.reused_from) == ("completed", 0, "old")
    assert (parse.attempt_count, parse.reused_from) == (1, "")
    assert told[0].tasks == ["load"]
    assert told[0].reasons["parse"] == "it failed in run old"


async def test_a_new_run_may_fail_and_be_retried_and_taken_over_in_its_turn(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await fail_at_parse(coordinator, hand)
    await coordinator.submit_flow(chain(), run_id="new", from_run="old")
    running = asyncio.create_task(coordinator.resume("new"))
    await hand.fail(await hand.claim())
    assert (await running).execution_state == "failed"
    assert (await coordinator.retry("new")).tasks == ("parse", "store")
    running = asyncio.create_task(coordinator.resume("new"))
    for place in (("parse", 2), ("store", 1)):
        held = await hand.claim()
        assert held.place == place
        await hand.succeed(held, 7)
    assert (await running).reused_tasks == 1
    third = await coordinator.run_flow(chain(), AstrumConfig(), from_run="new")
    assert (third.execution_state, third.reused_tasks) == ("completed", 3)
    assert {stat.reused_from for stat in third.task_statistics} == {"new"}
    assert third.task_return_set["load"] == BIG


async def test_a_task_that_was_taken_over_runs_again_if_it_is_named(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await fail_at_parse(coordinator, hand)
    await coordinator.submit_flow(chain(), run_id="new", from_run="old")
    running = asyncio.create_task(coordinator.resume("new"))
    await hand.succeed(await hand.claim(), 1)
    await hand.succeed(await hand.claim(), 1)
    await running
    assert (await coordinator.retry("new", ["load"])).tasks == NAMES
    running = asyncio.create_task(coordinator.resume("new"))
    for _ in NAMES:
        held = await hand.claim()
        await hand.settle(held, hand.record(held, Outcome.SUCCEEDED, value=b"\x02"), final=True)
    report = await running
    assert (report.reused_tasks, report.task_return_set["load"]) == (0, 2)


async def test_of_an_open_run_what_has_succeeded_by_now_is_taken_over(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await hand.register(*NAMES)
    await coordinator.submit_flow(chain(), run_id="old")
    leading = asyncio.create_task(coordinator.resume("old"))
    await hand.succeed(await hand.claim(), 1)
    held = await hand.claim()
    found = await coordinator.taken_over(chain(), "old")
    assert (found.state, found.tasks) == ("open", ["load"])
    assert found.reasons["parse"] == "it has not succeeded yet in run old"
    await coordinator.submit_flow(chain(), run_id="new", from_run="old")
    following = asyncio.create_task(coordinator.resume("new"))
    assert (await hand.claim()).message.run_id == "new"
    for run_id in ("old", "new"):
        await coordinator.cancel(run_id)
    await hand.fail(held)
    await leading
    await asyncio.wait([following], timeout=0)
    following.cancel()


async def test_trust_and_again_are_the_users_word(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    await fail_at_parse(coordinator, hand)
    other = chain(FIXED, CODE, CODE)
    assert (await coordinator.taken_over(other, "old")).tasks == []
    assert (await coordinator.taken_over(other, FromRun("old", trust=["load"]))).tasks == ["load"]
    again = await coordinator.taken_over(chain(), FromRun("old", again=["load"]))
    assert again.reasons["load"] == "you said so"


async def test_wrong_wishes_create_nothing(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await fail_at_parse(coordinator, hand)
    for wish, error, text in (
        (FromRun("odd"), TakeOverRefusedError, "did you mean 'old'"),
        (FromRun("old", trust=["pars"]), TaskNotFoundError, "did you mean 'parse'"),
        (FromRun("old", again=["pars"]), TaskNotFoundError, "did you mean 'parse'"),
        (FromRun("old", ["load"], ["load"]), TakeOverRefusedError, "drop one of them"),
    ):
        with pytest.raises(error, match=text):
            await coordinator.submit_flow(chain(), run_id="new", from_run=wish)
    assert await runs.run_info("new") is None


async def test_a_seed_that_comes_later_or_before_its_needs_does_not_count(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    """A leader that takes the run over reads the same journal, and goes on in the same way."""
    await hand.register(*NAMES)
    await coordinator.submit_flow(chain(), run_id="r")
    row = encode_record(Record(2, 0, Outcome.REUSED, value=b"\x01", reused_from="x"))
    await runs.append_event("r", encode_entry([row]))
    running = asyncio.create_task(coordinator.resume("r"))
    for name in NAMES:
        held = await hand.claim()
        assert held.place == (name, 1)
        await hand.succeed(held, name)
    report = await running
    assert (report.reused_tasks, report.task_return_set["store"]) == (0, "store")
