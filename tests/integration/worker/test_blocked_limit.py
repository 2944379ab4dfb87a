"""An attempt that blocks the event loop for longer than the limit ends its worker process."""

from __future__ import annotations

import signal

import pytest

from astrum.machine.events import Outcome
from astrum.machine.failure import LOST
from astrum.protocol.task_logs import decode_log, fingerprint_of_log, log_name
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, WorkerProcess

BLOCKERS = """
import asyncio, gc, logging, os, time
from pathlib import Path
from astrum import task

NAMES = Path(__file__).parent
FREE = asyncio.Event()

def block_for_good():
    logging.getLogger("blockers").info("begins to block")
    (NAMES / "block.started").touch()
    while True:
        time.sleep(0.05)

async def block_soon():
    block_for_good()

@task("block", namespace="pool")
async def block() -> None:
    block_for_good()

@task("block_in_a_child", namespace="pool")
async def block_in_a_child() -> None:
    await asyncio.gather(block_soon())

@task("block_in_a_callback", namespace="pool")
async def block_in_a_callback() -> None:
    asyncio.get_running_loop().call_later(0.01, block_for_good)
    await asyncio.Event().wait()

@task("end_with_the_block", namespace="pool")
async def end_with_the_block(size: int = 0) -> bytes:
    (NAMES / f"ends{size}.started").touch()
    await FREE.wait()
    return os.urandom(size)

@task("free_and_block", namespace="pool")
async def free_and_block() -> None:
    FREE.set()
    await asyncio.sleep(0)
    block_for_good()

@task("free_and_block_once_a_big_value_waits", namespace="pool")
async def free_and_block_once_a_big_value_waits() -> None:
    [storing] = [one for one in gc.get_objects() if type(one).__name__ == "Storing"]
    FREE.set()
    while not list(storing.waiting()):
        await asyncio.sleep(0)
    block_for_good()

@task("block_unnamed", namespace="pool")
async def block_unnamed() -> None:
    import contextvars
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, block_for_good, context=contextvars.Context())
    await asyncio.Event().wait()
"""


@pytest.fixture
async def worker(pool: Pool) -> WorkerProcess:
    """A worker with a limit of two seconds."""
    (pool.folder / "blockers.py").write_text(BLOCKERS)
    modules = ["blockers.py", "pool_flow.py"]
    return await pool.start("--blocked-limit", "2", "--threads", "2", modules=modules).serving()


@pytest.mark.parametrize("how", ["block", "block_in_a_child", "block_in_a_callback"])
async def test_a_task_that_blocks_the_loop_for_too_long_ends_the_process_and_is_the_only_one_lost(
    pool: Pool, lead: Lead, worker: WorkerProcess, how: str
) -> None:
    await lead.dispatch(1, "wait_for", {"name": "neighbour"})
    await lead.dispatch(2, "wait_in_thread", {"name": "thread"}, lane="thread")
    await pool.reached("neighbour.started")
    await pool.reached("thread.started")
    await lead.dispatch(0, how)
    assert await worker.ended() == 1
    blocker = await lead.record(0)
    assert blocker.outcome is Outcome.LOST
    assert blocker.shared_loss == 1
    assert blocker.failure is not None
    assert blocker.failure.types == (LOST,)
    assert "the task blocked its event loop at blockers.py:" in blocker.failure.message
    data = await lead.store.get_log(lead.run_id, log_name(0, 1))
    assert data is not None
    assert fingerprint_of_log(data) == blocker.log
    assert [line.text for line in decode_log(data).lines] == ["begins to block"]
    for neighbour in (1, 2):
        assert (await lead.record(neighbour)).outcome is Outcome.HANDED_BACK
    assert f"run r1: task '{how}', attempt 1 blocks the event loop" in worker.said
    assert "the limit of 2 s at blockers.py:" in worker.said
    assert not await lead.store.workers()
    other = await pool.start().serving()
    await lead.dispatch(1, "wait_for", {"name": "neighbour"}, attempt=2)
    pool.release("neighbour")
    assert (await lead.record(1, 2)).worker_id == other.worker_id


@pytest.mark.parametrize(
    ("size", "blocker"),
    [(10, "free_and_block"), (100_000, "free_and_block_once_a_big_value_waits")],
)
async def test_a_result_that_waits_when_the_loop_is_blocked_is_delivered(
    pool: Pool, lead: Lead, worker: WorkerProcess, size: int, blocker: str
) -> None:
    await lead.dispatch(0, "end_with_the_block", {"size": size})
    await pool.reached(f"ends{size}.started")
    await lead.dispatch(1, blocker)
    assert await worker.ended() == 1
    outcomes = [(await lead.record(task)).outcome for task in range(2)]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.LOST], worker.said


async def test_if_the_blocking_task_is_unknown_all_running_ones_are_suspects(
    pool: Pool, lead: Lead, worker: WorkerProcess
) -> None:
    await lead.dispatch(1, "wait_for", {"name": "neighbour"})
    await pool.reached("neighbour.started")
    await lead.dispatch(0, "block_unnamed")
    assert await worker.ended() == 1
    records = [await lead.record(task) for task in range(2)]
    assert [(one.outcome, one.shared_loss) for one in records] == [(Outcome.LOST, 2)] * 2


async def test_the_supervisor_learns_which_task_blocked(pool: Pool, lead: Lead) -> None:
    (pool.folder / "blockers.py").write_text(BLOCKERS)
    worker = pool.start("--blocked-limit", "1", modules=["blockers.py"], supervised=True)
    await worker.serving()
    await lead.dispatch(0, "block")
    await eventually(lambda: worker.said.count(" serves ") == 2)
    assert "ended with exit code 1 because of task 'block'; another one starts" in worker.said
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
