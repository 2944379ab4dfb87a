"""Records of runs that are damaged or foreign: they cost no other run anything."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
import redis

from astrum.config import AstrumConfig
from astrum.errors import StoreError
from astrum.machine.events import CancelRequested
from astrum.planning import Plan, TaskSpec
from astrum.protocol.keys import Keys
from astrum.protocol.messages import encode_entry, encode_event
from astrum.protocol.run_header import RunHeader
from astrum.protocol.sealing import Seal
from astrum.redis import RunStore
from astrum_coordinator import Coordinator
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.stored_runs import encode_plan, new_run
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import NAMESPACE, ManualWorker, flow
from tests.servers import Server

A = TaskSpec(task_id="a")
DAY_MS = 86_400_000
PLANNED = encode_plan(Plan(NAMESPACE, (A, TaskSpec(task_id="b"))), Seal())
RUN, PLAN = Keys().run("0evil"), Keys().plan(PLANNED.digest)
FENCE, JOURNAL = Keys().attempts("0evil"), Keys().journal("0evil")

Damage = Callable[["redis.Redis"], Any]


def plant(client: redis.Redis, damage: Damage) -> None:
    """Store a run without a leader, before all others, and damage it."""
    run = new_run("0evil", RunHeader(NAMESPACE, PLANNED.digest), Seal(), {})
    record: dict[Any, Any] = {"st": "open", "ep": "0", "ow": "", "at": "1000"}
    record |= {"pd": PLANNED.digest, "id": run.identity, "hd": run.header}
    client.set(PLAN, PLANNED.data, px=DAY_MS)
    client.hset(RUN, mapping=record)
    client.hset(FENCE, "#", 0)
    damage(client)
    for key in client.keys("*0evil*"):
        client.pexpire(key, DAY_MS)
    strange: dict[str | bytes, float] = {"0evil": 0, b"\xff\xfe": 0, "a:b c": 0}
    client.zadd(Keys().runs, strange)  # type: ignore[type-var] # names of both kinds


@contextmanager
def serving(coordinator: Coordinator) -> Iterator[None]:
    job = asyncio.create_task(coordinator.serve())
    yield
    job.cancel()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.exc_info for record in records if record.exc_info] == []
    return [record.getMessage() for record in records]


DAMAGES: dict[str, Damage] = {
    "creation": lambda client: client.hset(RUN, "at", "zz"),
    "epoch": lambda client: client.hset(RUN, "ep", "abc"),
    "record": lambda client: client.delete(RUN) and client.set(RUN, "x"),
    "plan": lambda client: client.setrange(PLAN, 64 * 1024 * 1024, b"x"),
    "header": lambda client: client.hset(RUN, "hd", b"x"),
    "no header": lambda client: client.hdel(RUN, "hd"),
    "another plan": lambda client: client.hset(RUN, "pd", "c0ffee"),
    "journal": lambda client: client.set(JOURNAL, "x"),
    "count": lambda client: client.hset(FENCE, "#", "abc"),
    "no time": lambda client: client.hset(RUN, "at", "nan"),
    "no such time": lambda client: client.hset(RUN, "at", "1e308"),
    "no limit": lambda client: client.hset(RUN, "f:timeout_s", "nan"),
    "fence": lambda client: client.delete(FENCE) and client.set(FENCE, "x"),
    "task": lambda client: client.hset(FENCE, "abc", "1:1-1/default:a:"),
    "mark": lambda client: client.hset(FENCE, "0", b"\xff:\xff"),
    "attempt": lambda client: client.hset(FENCE, "0", "x:1-1/default:a:"),
    "stream": lambda client: client.hset(FENCE, "0", "1:1-1/default:z"),
    "vast attempt": lambda client: client.hset(FENCE, "0", "9" * 30 + ":1-1/default:a:"),
    "entry": lambda client: client.hset(FENCE, "0", "1:nonsense"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_led(
    coordinator: Coordinator,
    hand: ManualWorker,
    redis_server: Server,
    runs: RunStore,
    caplog: pytest.LogCaptureFixture,
    damage: Damage,
) -> None:
    await hand.register("a")
    with redis_server.client() as client:
        plant(client, damage)
    with serving(coordinator):
        for run_id in ("r", "s"):
            await coordinator.submit_flow(flow(A), run_id=run_id)
            await hand.succeed(await hand.claim())
            await eventually(functools.partial(has_ended, runs, run_id))
    [error] = errors(caplog)
    assert "run 0evil cannot be led from here" in error


def spoil_journal(client: redis.Redis, runs: RunStore, run_id: str) -> None:
    """Put something else in a journal's place."""
    client.delete(runs.keys.journal(run_id))
    client.set(runs.keys.journal(run_id), "x", px=DAY_MS)


async def test_a_journal_of_a_foreign_type_stops_no_other_run(
    coordinator: Coordinator,
    hand: ManualWorker,
    redis_server: Server,
    runs: RunStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hand.register("a")
    with serving(coordinator), redis_server.client() as client:
        await coordinator.submit_flow(flow(A), run_id="damaged")
        await hand.claim()
        spoil_journal(client, runs, "damaged")
        await coordinator.submit_flow(flow(A), run_id="r")
        await hand.succeed(await hand.claim())
        await eventually(lambda: has_ended(runs, "r"))
        await eventually(lambda: is_orphan(runs, "damaged"), "the damaged run to be given up")
        await coordinator.submit_flow(flow(A), run_id="s")
        await hand.succeed(await hand.claim())
        await eventually(lambda: has_ended(runs, "s"))
    [error] = errors(caplog)
    assert error.startswith("run damaged is given up here")
    assert "foreign type" in error


async def test_waiting_for_a_run_whose_journal_has_a_foreign_type_is_an_error(
    coordinator: Coordinator, hand: ManualWorker, redis_server: Server, runs: RunStore
) -> None:
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(A), AstrumConfig(), run_id="r"))
    await hand.claim()
    with redis_server.client() as client:
        spoil_journal(client, runs, "r")
    with pytest.raises(StoreError, match="record of run 'r' is damaged: WRONGTYPE"):
        async with asyncio.timeout(10):
            await run


async def test_a_leader_that_meets_a_damaged_fence_gives_the_run_up_with_one_error(
    coordinator: Coordinator,
    hand: ManualWorker,
    redis_server: Server,
    runs: RunStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hand.register("a")
    with serving(coordinator), redis_server.client() as client:
        await coordinator.submit_flow(flow(A), run_id="r")
        await hand.claim()
        leader = coordinator._parts.leaderships.get("r")
        assert leader is not None
        client.hset(runs.keys.attempts("r"), "0", "9" * 30 + ":1-1/default:a:")
        leader.on_mismatch()
        await eventually(leader.ended.done, "the leader to give up")
        assert leader.ended.result() is LeadershipEnd.UNREADABLE
        await eventually(lambda: is_orphan(runs, "r"))
    [error] = errors(caplog)
    assert error.startswith("run r is given up here: ")
    assert "the record of run 'r' is damaged" in error
    with pytest.raises(StoreError, match="record of run 'r' is damaged"):
        await coordinator.report("r")


async def test_rows_of_a_later_version_are_skipped_and_logged_once(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, caplog: pytest.LogCaptureFixture
) -> None:
    await hand.register("a")
    later, known = msgpack.packb([-1, "later", {}]), encode_event(CancelRequested(1.0, "why"))
    with serving(coordinator):
        await coordinator.submit_flow(flow(A), run_id="r")
        claim = await hand.claim()
        await runs.append_event("r", encode_entry([later]))
        await runs.append_event("r", encode_entry([later, known, later]))
        await eventually(lambda: has_ended(runs, "r"), "the cancellation to be taken in")
    assert claim is not None
    [error] = errors(caplog)
    assert "run r: its journal holds the event 'later', which this process does not know" in error
    assert "update it to the latest version" in error


async def is_orphan(runs: RunStore, run_id: str) -> bool:
    return run_id in (await runs.orphans()).run_ids


async def has_ended(runs: RunStore, run_id: str) -> bool:
    info = await runs.run_info(run_id)
    return info is not None and not info.is_open
