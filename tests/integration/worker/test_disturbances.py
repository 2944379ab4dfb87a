"""Tasks that fork, stop the loop or cancel everything, on one worker process beside others."""

from __future__ import annotations

import signal
from typing import Any

import psutil
import pytest

from astrum.machine.events import Outcome
from astrum.protocol.process_end import ProcessEnd
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, WorkerProcess

TROUBLE = """
import asyncio, concurrent.futures, multiprocessing, os, signal, sys, time
from astrum import task

def leave(way: str) -> int:
    if way == "exit":
        sys.exit(3)
    if way == "raise":
        raise ValueError("in the child")
    if way == "os_exit":
        os._exit(4)
    return 1

@task("fork", namespace="pool")
async def fork(way: str = "") -> list:
    turn = asyncio.get_running_loop().create_future()
    pid = os.fork()
    if pid == 0:
        if way == "await":
            await turn
        if way == "sleep":
            await asyncio.sleep(0.01)
        return [leave(way)]
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        await asyncio.sleep(0.01)
    return [os.waitstatus_to_exitcode(ended[1])]

@task("fork_in_thread", namespace="pool")
def fork_in_thread(way: str = "") -> list:
    pid = os.fork()
    if pid == 0:
        return [leave(way)]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]

@task("fork_aside", namespace="pool")
async def fork_aside(way: str = "") -> list:
    return await asyncio.to_thread(fork_in_thread, way)

def sleep_long() -> None:
    time.sleep(600)

@task("terminate", namespace="pool")
def terminate() -> list:
    child = multiprocessing.get_context("fork").Process(target=sleep_long)
    child.start()
    child.terminate()
    child.join(20)
    return [child.exitcode]

@task("terminate_on_loop", namespace="pool")
async def terminate_on_loop() -> list:
    return terminate()

def double(number: int) -> int:
    return 2 * number

@task("process_pool", namespace="pool")
def process_pool(way: str = "") -> list:
    context = multiprocessing.get_context(way)
    with context.Pool(2) as several:
        several.map(abs, [-1, 2])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as several:
        return list(several.map(abs, [-1, 2]))

@task("stop_loop", namespace="pool")
async def stop_loop() -> None:
    asyncio.get_running_loop().stop()

@task("close_loop", namespace="pool")
async def close_loop() -> None:
    asyncio.get_running_loop().close()

@task("close_descriptors", namespace="pool")
async def close_descriptors() -> None:
    os.closerange(3, 256)
    await asyncio.sleep(600)

@task("cancel_all", namespace="pool")
async def cancel_all() -> int:
    helpers = [asyncio.create_task(asyncio.sleep(600)) for _ in range(3)]
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return sum(helper.cancelled() for helper in helpers)

@task("deadline", namespace="pool")
async def deadline() -> int:
    def hit(*_):
        raise LookupError("the query took too long")
    signal.signal(signal.SIGALRM, hit)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    await asyncio.sleep(600)
    return 1
"""


@pytest.fixture
async def worker(pool: Pool) -> WorkerProcess:
    """One worker without a supervisor: it has to live on."""
    (pool.folder / "trouble.py").write_text(TROUBLE)
    return await pool.start("--grace", "1", modules=["trouble.py", "pool_flow.py"]).serving()


async def goes_on(worker: WorkerProcess, lead: Lead, task: int) -> None:
    """See the worker do another task, and end as it should with nothing left behind."""
    await lead.dispatch(task, "add", {"a": 1, "b": 2})
    assert await lead.value(task) == 3
    assert psutil.Process(worker.process.pid).children() == []
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0


WAYS = {"exit": 3, "raise": 1, "os_exit": 4, "return": 0}


@pytest.mark.parametrize(
    ("task", "lane"), [("fork", "async"), ("fork_aside", "async"), ("fork_in_thread", "thread")]
)
async def test_the_child_of_a_fork_ends_and_its_parent_goes_on(
    worker: WorkerProcess, lead: Lead, task: str, lane: str
) -> None:
    for number, (way, code) in enumerate(WAYS.items()):
        await lead.dispatch(number, task, {"way": way}, lane=lane)
        assert await lead.value(number) == [code]
    await goes_on(worker, lead, 9)


async def test_a_forked_child_that_awaits_ends(worker: WorkerProcess, lead: Lead) -> None:
    await lead.dispatch(1, "wait_for", {"name": "beside"})
    await lead.dispatch(0, "fork", {"way": "await"})
    assert await lead.value(0) == [1]
    assert "which a task forked, ends: it awaited something" in worker.said
    await lead.dispatch(2, "fork", {"way": "sleep"})
    assert await lead.value(2) == [1]
    (worker.log.parent / "beside").touch()
    assert await lead.value(1) == "beside"
    await goes_on(worker, lead, 9)


@pytest.mark.parametrize(
    ("task", "values", "expected"),
    [
        ("terminate", {}, [-15]),
        ("process_pool", {"way": "fork"}, [1, 2]),
        ("process_pool", {"way": "spawn"}, [1, 2]),
    ],
)
async def test_processes_that_a_task_starts_work_and_end_by_signals(
    worker: WorkerProcess, lead: Lead, task: str, values: dict[str, Any], expected: list[int]
) -> None:
    await lead.dispatch(0, task, values, lane="thread")
    assert await lead.value(0) == expected
    if task == "terminate":
        await lead.dispatch(1, "terminate_on_loop")
        assert await lead.value(1) == expected


@pytest.mark.parametrize("task", ["stop_loop", "close_loop"])
async def test_a_task_that_stops_the_loop_fails_and_the_other_tasks_continue(
    worker: WorkerProcess, lead: Lead, task: str
) -> None:
    await lead.dispatch(1, "wait_for", {"name": "beside"})
    await lead.dispatch(0, task)
    record = await lead.record(0)
    assert record.outcome is Outcome.FAILED
    assert "loop" in str(record.failure)
    (worker.log.parent / "beside").touch()
    assert await lead.value(1) == "beside"
    await goes_on(worker, lead, 9)


async def test_a_task_that_cancels_all_tasks_cancels_only_helpers(
    worker: WorkerProcess, lead: Lead
) -> None:
    await lead.dispatch(1, "wait_for", {"name": "beside"})
    await lead.dispatch(0, "cancel_all")
    assert await lead.value(0) == 3
    (worker.log.parent / "beside").touch()
    assert await lead.value(1) == "beside"
    await goes_on(worker, lead, 9)


async def test_an_error_that_a_signal_handler_raises_in_the_loop_is_logged_with_its_task(
    worker: WorkerProcess, lead: Lead
) -> None:
    await lead.dispatch(0, "deadline")
    await eventually(lambda: "LookupError was raised in the event loop" in worker.said)
    assert "async tasks that run now: 'deadline'" in worker.said
    record = await lead.record(0)
    assert record.outcome is Outcome.FAILED
    assert "the query took too long" in str(record.failure)
    await goes_on(worker, lead, 9)


async def test_a_worker_whose_loop_cannot_run_any_more_ends_and_names_the_task(
    worker: WorkerProcess, lead: Lead
) -> None:
    await lead.dispatch(0, "close_descriptors", {})
    assert await worker.ended() == 1
    assert "the event loop cannot run any more" in worker.said
    assert "'close_descriptors'" in worker.said
    word = (await lead.store.last_words([worker.worker_id]))[worker.worker_id]
    assert word.ended == ProcessEnd(1), worker.said
    assert [claim.worker_id for claim in await lead.store.dead_claims()] == [worker.worker_id]
