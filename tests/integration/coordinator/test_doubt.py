"""A leader whose state differs from what Redis holds: the run continues."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from astrum.config import AstrumConfig
from astrum.errors import StoreConfigurationError, StoreUnavailableError
from astrum.machine import RunState, TaskState
from astrum.machine.events import Outcome
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.protocol.streams import Stream
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.redis import Outstanding, RedisSettings, RunStore
from astrum.redis.journals import BEGINNING
from astrum.values.arguments import NO_ARGUMENTS
from astrum.values.codec import Codec
from astrum_coordinator import Coordinator
from astrum_coordinator.leading.dispatcher import Dispatcher
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from tests.eventually import DEADLINE_S, eventually
from tests.integration.coordinator.manual_worker import (
    FAST,
    NAMESPACE,
    ManualWorker,
    flow,
    take_over,
)
from tests.integration.coordinator.steps import leader_of

A, B = TaskSpec(task_id="a"), TaskSpec(task_id="b")


def begin(coordinator: Coordinator, *specs: TaskSpec) -> asyncio.Task[ExecutionReport]:
    return asyncio.create_task(coordinator.run_flow(flow(*specs), AstrumConfig(), run_id="r"))


async def completed(run: asyncio.Task[ExecutionReport]) -> None:
    await eventually(run.done, "the end of the run")
    assert run.result().execution_state == "completed"


async def test_an_attempt_that_ends_during_an_adoption_is_not_taken_for_one_never_made(
    coordinator: Coordinator,
    settings: RedisSettings,
    hand: ManualWorker,
    runs: RunStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor may the successor send it, for it has enough out: it would never heed that it ended."""
    await hand.register("a", "b")
    run = begin(coordinator, A, B)
    a, b = sorted([await hand.claim(), await hand.claim()], key=lambda held: held.place)
    async with Coordinator(settings, config=replace(FAST, outstanding_limit=1)) as successor:
        outstanding = successor._store.outstanding

        async def meanwhile(run_id: str) -> dict[int, Outstanding]:
            monkeypatch.setattr(successor._store, "outstanding", outstanding)
            await hand.succeed(b)
            return await outstanding(run_id)

        monkeypatch.setattr(successor._store, "outstanding", meanwhile)
        await take_over(runs, successor)
        await hand.succeed(a)
        await completed(run)


async def test_a_leader_adopts_the_attempt_that_redis_holds(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("a", "b")
    run = begin(coordinator, A, B._replace(needs=("a",)))
    a = await hand.claim()
    leader = coordinator._parts.leaderships.get("r")
    assert leader is not None
    message = TaskMessage("r", 1, 2, 2, NAMESPACE, "b", "", 0, None, False, False, NO_ARGUMENTS)
    item = (1, 2, encode_message(message))
    await runs.dispatch("r", leader.epoch, Stream("default", "async"), [item])
    b = await hand.claim()
    await hand.succeed(a)
    await eventually(lambda: (1, 2) in leader.state.outstanding(), "the leader to look again")
    await hand.succeed(b)
    await completed(run)


async def test_a_leader_looks_for_an_attempt_of_an_earlier_one_where_the_fence_says_it_is(
    coordinator: Coordinator, runs: RunStore
) -> None:
    await coordinator.submit_flow(flow(A), run_id="r")
    epoch = await runs.lead("r", "earlier", 60.0)
    assert epoch is not None
    message = TaskMessage("r", 0, 1, 1, NAMESPACE, "a", "", 0, None, False, False, NO_ARGUMENTS)
    await runs.dispatch(
        "r", epoch, Stream("elsewhere", "thread"), [(0, 1, encode_message(message))]
    )
    await runs.release("r", "earlier", epoch)
    run = asyncio.create_task(coordinator.resume("r"))
    await eventually(lambda: coordinator._parts.leaderships.get("r"), "the run to be led again")
    await coordinator.cancel("r")
    async with asyncio.timeout(DEADLINE_S):
        assert (await run).execution_state == "cancelled"
    elsewhere = runs.keys.queue(Stream("elsewhere", "thread"))
    assert (await runs.queue_sizes([elsewhere]))[elsewhere].waiting == 0


async def test_commands_that_fail_by_a_bug_are_sent_again(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = coordinator._store.dispatch

    async def failing(*_: Any, **__: Any) -> list[str]:
        monkeypatch.setattr(coordinator._store, "dispatch", dispatch)
        raise RuntimeError("a fault of ours")

    await hand.register("a")
    monkeypatch.setattr(coordinator._store, "dispatch", failing)
    run = begin(coordinator, A)
    await hand.succeed(await hand.claim())
    await completed(run)


async def test_a_run_whose_history_cannot_be_read_is_released_at_once(
    coordinator: Coordinator, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> dict[int, Outstanding]:
        raise StoreConfigurationError("no permission")

    await coordinator.submit_flow(flow(A), run_id="r")
    await coordinator.cancel("r")
    monkeypatch.setattr(coordinator._store, "outstanding", refused)
    with pytest.raises(StoreConfigurationError):
        await coordinator._parts.leaderships.adopt("r")
    assert (await runs.orphans()).run_ids == ["r"]
    led = coordinator._parts.leaderships
    await eventually(lambda: not len(led), "the coordinator to give it up")


class Witness:
    """Notes how many tasks of a run have succeeded, by the events that it gets."""

    def __init__(self) -> None:
        self.succeeded = 0

    def observe(self, state: RunState, event: object, commands: object) -> None:
        self.succeeded = state.states.count(TaskState.SUCCEEDED)


async def test_a_follower_reports_the_final_state_of_the_server_and_not_lost_writes(
    coordinator: Coordinator, runs: RunStore
) -> None:
    record = Record(0, 1, Outcome.SUCCEEDED, "w", 1.0, 2.0, Codec().encode(42))
    await coordinator.submit_flow(flow(A), run_id="r")
    epoch = await runs.lead("r", "another leader", 60.0)
    assert epoch is not None
    witness = Witness()
    following = asyncio.create_task(coordinator.resume("r", observer=witness))
    await runs.append_event("r", encode_entry([encode_record(record)]), epoch=epoch)
    await eventually(lambda: witness.succeeded, "the follower to read that")
    await runs.client.execute("DEL", runs.keys.journal("r"))
    await runs.finish("r", epoch, "cancelled", result_ttl_s=60, tails=False)
    assert (await following).task_return_set == {}


async def test_a_leader_whose_run_was_ended_by_another_reports_the_journal_of_that_one(
    coordinator: Coordinator,
    hand: ManualWorker,
    runs: RunStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    held = await hand.claim()
    leader = coordinator._parts.leaderships.get("r")
    assert leader is not None
    monkeypatch.setattr(leader, "take_in", lambda entries: None)  # it is slow to read
    await hand.succeed(held, 42)
    await runs.finish("r", leader.epoch, "completed", result_ttl_s=60, tails=False)
    await completed(run)
    assert run.result().task_return_set == {"a": 42}


async def test_a_leader_whose_lease_is_not_renewed_steps_down_before_it_is_over(
    settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> set[str]:
        raise StoreUnavailableError("away")

    config = replace(FAST, lease_s=300.0, step_down_after_s=200.0, renew_every_s=100.0)
    async with Coordinator(settings, config=config) as coordinator:
        await coordinator.submit_flow(flow(A), run_id="r")
        led = coordinator._parts.leaderships
        leader = await led.adopt("r")
        assert leader is not None
        monkeypatch.setattr(coordinator._store, "renew", away)
        led._renewed_at["r"] -= 199.0
        await led.renew()
        assert not leader.ended.done()
        led._renewed_at["r"] -= 2.0
        await led.renew()
        assert await leader.ended is LeadershipEnd.DEPOSED
        await coordinator.cancel("r")


async def test_an_end_that_comes_while_a_leader_stops_to_read_again_is_history(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that the old state began then would go on beside the new state, and use it."""
    await hand.register("a")
    run = begin(coordinator, A)
    held = await hand.claim()
    leader = leader_of(coordinator)
    stop, outstanding = Dispatcher.stop, coordinator._store.outstanding
    work_left: list[bool] = []

    async def meanwhile(self: Dispatcher) -> None:
        monkeypatch.setattr(Dispatcher, "stop", stop)
        await hand.succeed(held)
        leader.take_in(await runs.read_journal({"r": BEGINNING}, block_s=None, count=10))
        await stop(self)

    async def note(run_id: str) -> dict[int, Outstanding]:
        work_left.append(leader._finishing is not None)
        return await outstanding(run_id)

    monkeypatch.setattr(Dispatcher, "stop", meanwhile)
    monkeypatch.setattr(coordinator._store, "outstanding", note)
    await leader.open()
    assert work_left == [False]
    await completed(run)


async def test_what_a_dispatcher_reports_while_its_leader_closes_starts_no_work(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hand.register("a")
    run = begin(coordinator, A)
    held = await hand.claim()
    leader = leader_of(coordinator)
    stop = Dispatcher.stop

    async def report(self: Dispatcher) -> None:
        leader.on_mismatch()
        await stop(self)

    with monkeypatch.context() as patch:
        patch.setattr(Dispatcher, "stop", report)
        await leader.close()
    assert not leader._background._tasks
    leader.end(LeadershipEnd.DEPOSED)
    await hand.succeed(held)
    await completed(run)
