"""Tasks that are held since their worker was lost, and what a person decides about them."""

from __future__ import annotations

import asyncio

import pytest

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import Binding
from astrum.errors import ObservationError, ReleaseRefusedError, TaskNotFoundError
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.protocol.sealing import Seal
from astrum.redis import RunStore
from astrum.values.codec import Codec
from astrum.view import UnfinishedState
from astrum_coordinator import Coordinator
from astrum_coordinator.client.run_value import value_of
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import ManualWorker, flow, take_over

PAY = TaskSpec(task_id="pay", on_lost="hold", watches=(Watch("length"),))
TELL = TaskSpec(task_id="tell", needs=("pay",), bindings=(Binding("receipts", "pay"),))
EACH = TaskSpec(
    task_id="each",
    needs=("pay",),
    axes=(Axis((ListSource("pay"),)),),
    bindings=(Binding("one", "pay", item=()),),
)
FLOW = flow(PAY, TELL, EACH)
OVER_AT_ONCE_S = 0.001


async def hold_pay(coordinator: Coordinator, hand: ManualWorker) -> asyncio.Task[ExecutionReport]:
    """Run the flow until the worker that ran ``pay`` is lost."""
    await hand.register("pay", "tell", "each")
    running = asyncio.create_task(coordinator.run_flow(FLOW, AstrumConfig(), run_id="r"))
    assert (await hand.claim()).place == ("pay", 1)
    await hand.register("pay", "tell", "each", lease_s=OVER_AT_ONCE_S)

    async def is_held() -> bool:
        tasks = (await coordinator.snapshot("r")).unfinished
        return any(task.state is UnfinishedState.HELD for task in tasks)

    await eventually(is_held, "the task to be held")
    await hand.register("pay", "tell", "each")
    return running


async def test_the_result_that_a_person_gives_is_read_like_any_other(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    running = await hold_pay(coordinator, hand)
    with pytest.raises(ObservationError, match="return a list"):
        await other.release("r", "pay", "succeed", 17)
    done = await other.release("r", "pay", "succeed", [17, {"no": 4}], by="ann@host:7")
    assert (done.task, done.how) == ("pay", "succeed")
    with pytest.raises(ReleaseRefusedError, match="is not held"):
        await other.release("r", "pay", "succeed", [])
    claims = [await hand.claim() for _ in range(3)]
    children = sorted((one.message.task_id, one.message.child_index) for one in claims)
    assert children == [("each", (0,)), ("each", (1,)), ("tell", ())]
    for claim in claims:
        await hand.succeed(claim, "done")
    report = await running
    assert report.execution_state == "completed", report.error_summary
    assert report.task_return_set["pay"] == [17, {"no": 4}]
    assert await other.handle("r").result("pay") == [17, {"no": 4}]
    alone = await value_of(runs, Seal(), "r", 0)
    assert alone is not None
    assert Codec().decode(alone) == [17, {"no": 4}]
    events = [event async for event in other.handle("r").events()]
    assert [(one.task, one.detail) for one in events if one.kind == "task_released"] == [
        ("pay", "succeed by ann@host:7")
    ]


async def test_the_next_leader_knows_the_result_that_a_person_gave(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    running = await hold_pay(coordinator, hand)
    await coordinator.release("r", "pay", "succeed", ["x" * 100_000])
    await take_over(runs, other)
    claims = [await hand.claim(), await hand.claim()]
    for claim in claims:
        await hand.succeed(claim)
    report = await running
    assert report.execution_state == "completed", report.error_summary
    assert report.task_return_set["pay"] == ["x" * 100_000]


async def test_a_held_task_runs_again_or_has_failed(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    running = await hold_pay(coordinator, hand)
    with pytest.raises(TaskNotFoundError, match="did you mean 'pay'"):
        await coordinator.release("r", "payy", "retry")
    with pytest.raises(ReleaseRefusedError, match="stands for all its children: name the child"):
        await coordinator.release("r", "each", "retry")
    await coordinator.release("r", "pay", "retry")
    again = await hand.claim()
    assert again.place == ("pay", 2)
    await hand.register("pay", "tell", "each", lease_s=OVER_AT_ONCE_S)

    async def is_failed() -> bool:
        try:
            await coordinator.release("r", "pay", "fail", by="ann@host:7")
        except ReleaseRefusedError:
            return False
        return True

    await eventually(is_failed, "the task to be held again")
    report = await running
    assert report.execution_state == "failed"
    assert "released as failed by ann@host:7" in "\n".join(report.error_summary)
    with pytest.raises(ReleaseRefusedError, match=r"run r is over \(failed\)"):
        await coordinator.release("r", "pay", "retry")
