"""Children of lists with keys have one name everywhere: the one with the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import Binding
from astrum.machine.events import Outcome
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.redis import RunStore
from astrum.values.codec import Codec
from astrum.values.payload import pack_result
from astrum.view import UnfinishedState
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import ManualClaim, ManualWorker, flow, take_over

ORDERS = TaskSpec(task_id="orders", watches=(Watch("length", key=("id",)),))
CHARGE = TaskSpec(
    task_id="charge",
    needs=("orders",),
    axes=(Axis((ListSource("orders"),), key=("id",)),),
    bindings=(Binding("order", "orders", item=()),),
    on_lost="hold",
)
FLOW = flow(ORDERS, CHARGE)
OVER_AT_ONCE_S = 0.001
HELD = "charge[1]"
SMALL = [{"id": 1}, {"id": 0}]
BIG = [{"id": 1, "text": "x" * 100_000}, {"id": 0}]


async def claimed_orders(hand: ManualWorker, orders: list[dict[str, Any]]) -> list[ManualClaim]:
    """End the task that returns the orders and claim its children, in their order."""
    held = await hand.claim()
    packed = pack_result("orders", Codec().encode(orders))
    if packed.blob is not None:
        await hand.store.put_blob("r", packed.blob)
    row = hand.record(held, Outcome.SUCCEEDED, value=packed.value, seen=(len(orders),))
    await hand.settle(held, row)
    claims = [await hand.claim(), await hand.claim()]
    return sorted(claims, key=lambda one: one.message.child_index)


async def lose_first(coordinator: Coordinator, hand: ManualWorker, second: ManualClaim) -> None:
    """Let the order in the second place succeed, and the worker die with that in the first."""
    await hand.succeed(second)
    await hand.register("orders", "charge", lease_s=OVER_AT_ONCE_S)

    async def is_held() -> bool:
        tasks = (await coordinator.snapshot("r")).unfinished
        return any(task.state is UnfinishedState.HELD for task in tasks)

    await eventually(is_held, "the child to be held")
    await hand.register("orders", "charge")


@asynccontextmanager
async def followed(coordinator: Coordinator) -> AsyncIterator[RunProgress]:
    """Follow the run as ``show --watch`` does."""
    progress = RunProgress()
    job = asyncio.create_task(coordinator.follow("r", progress))
    yield progress
    job.cancel()
    await asyncio.wait([job])


async def begun(coordinator: Coordinator, hand: ManualWorker) -> asyncio.Task[ExecutionReport]:
    await hand.register("orders", "charge")
    running = asyncio.create_task(coordinator.run_flow(FLOW, AstrumConfig(), run_id="r"))

    async def is_there() -> bool:
        return await coordinator.run_info("r") is not None

    await eventually(is_there, "the run")
    return running


async def noticed(progress: RunProgress) -> str:
    async def is_noticed() -> bool:
        return bool(progress.take_notices(1))

    await eventually(is_noticed, "the loss to be noticed")
    return progress.shown[0].task_id


@pytest.mark.parametrize("orders", [SMALL, BIG], ids=["small", "big"])
async def test_what_is_printed_of_a_child_names_it_as_commands_do(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, orders: list[dict[str, Any]]
) -> None:
    running = await begun(coordinator, hand)
    async with followed(other) as progress:
        first, second = await claimed_orders(hand, orders)
        assert first.message.child_index == (0,)

        async def is_named() -> bool:
            state, number = progress.state, first.message.task
            knows_it = state is not None and number < len(state.tasks.specs)
            return knows_it and progress.name(number) == HELD

        await eventually(is_named, "the keys")
        await lose_first(other, hand, second)
        assert await noticed(progress) == HELD
    told = await other.why("r")
    assert HELD in told.sentence + str(told.groups), told
    assert f"'{HELD}'" in str(told.advice), told
    assert (await other.why("r", HELD)).task_id == HELD
    [task] = (await other.snapshot("r")).unfinished
    assert task.task_id == HELD
    report = await other.handle("r").report(results=False)
    assert [row.task_name for row in report.task_statistics[-1].children] == [HELD, "charge[0]"]
    assert (await other.release("r", HELD, "retry")).task == HELD
    again = await hand.claim()
    assert again.message.child_index == (0,)
    result = asyncio.create_task(other.handle("r").result(HELD))
    await hand.succeed(again, "late")
    assert (await running).execution_state == "completed"
    assert await result == await other.handle("r").result(HELD) == "late"
    events = [event async for event in other.handle("r").events()]
    assert [one.task for one in events if one.kind == "task_released"] == [HELD]


@pytest.mark.parametrize("orders", [SMALL, BIG], ids=["small", "big"])
async def test_the_next_leader_knows_the_names_of_children_that_are_out(
    coordinator: Coordinator,
    other: Coordinator,
    hand: ManualWorker,
    runs: RunStore,
    orders: list[dict[str, Any]],
) -> None:
    running = await begun(coordinator, hand)
    _, second = await claimed_orders(hand, orders)
    await take_over(runs, other)
    leader = other._parts.leaderships.get("r")
    assert leader is not None
    progress = RunProgress()
    leader.attach(progress)
    await lose_first(other, hand, second)
    assert await noticed(progress) == HELD
    await other.release("r", HELD, "fail")
    assert (await running).error_summary[0].startswith(f"task '{HELD}' failed")


async def test_few_values_are_read_for_the_names(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    running = await begun(coordinator, hand)
    first, second = await claimed_orders(hand, SMALL)
    await hand.succeed(first, "y" * 50_000)
    await hand.succeed(second, "y" * 50_000)
    await running
    before = await _sent_bytes(runs)
    assert (await other.why("r", HELD)).task_id == HELD
    assert await _sent_bytes(runs) - before < 50_000


async def _sent_bytes(runs: RunStore) -> int:
    info = (await runs.client.execute("INFO", "stats")).decode()
    [line] = [line for line in info.split("\r\n") if line.startswith("total_net_output_bytes:")]
    return int(line.partition(":")[2])
