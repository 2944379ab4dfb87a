"""Reports of attempts that time out while their worker's event loop is blocked."""

from __future__ import annotations

import asyncio

from astrum.config import AstrumConfig
from astrum.machine.report import TaskAttemptStatistics
from astrum.planning import TaskSpec
from astrum.protocol.status import LoopBlock, RunningAttempt, WorkerStatus, encode_status
from astrum_coordinator import Coordinator
from tests.integration.coordinator.manual_worker import ManualClaim, ManualWorker, flow

LIMITED = TaskSpec(task_id="a", timeout_s=0.5)
WHERE = "pdf.py:88 in parse"
BLOCKED = "blocked the event loop for more than 9.0 s at pdf.py:88 in parse"
TOO_LONG = "TimedOut: the attempt took longer than its 0.5 s"


async def timed_out(
    coordinator: Coordinator, hand: ManualWorker, *, by: str = "", blocks: str = ""
) -> TaskAttemptStatistics:
    """Run a task whose worker says that its event loop is blocked; return how it ended."""
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(LIMITED), AstrumConfig(), run_id="r"))
    blocked = LoopBlock(9.0, WHERE, by)
    await hand.store.set_status(status(await hand.claim(), blocked, blocks))
    report = await run
    [attempt] = report.task_statistics[0].attempt_statistics
    assert attempt.timed_out
    return attempt


def status(held: ManualClaim, block: LoopBlock, blocks: str) -> bytes:
    message = held.message
    row = RunningAttempt("r", message.task, "a", 1, 9.0, blocks)
    return encode_status(WorkerStatus(running=(row,), blocked=block))


async def test_a_timed_out_attempt_that_blocked_its_worker_says_where(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    attempt = await timed_out(coordinator, hand, by="a", blocks=WHERE)
    assert attempt.blocked == BLOCKED
    assert attempt.error_message == f"{TOO_LONG}; it {BLOCKED}"


async def test_a_timed_out_attempt_names_the_task_that_held_it_up(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    attempt = await timed_out(coordinator, hand, by="pdf")
    assert attempt.blocked == ""
    assert attempt.error_message == f"{TOO_LONG}; task 'pdf' on its worker {BLOCKED}"


async def test_a_timed_out_attempt_says_that_an_unknown_task_held_it_up(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    attempt = await timed_out(coordinator, hand)
    assert attempt.error_message == f"{TOO_LONG}; something on its worker {BLOCKED}"
