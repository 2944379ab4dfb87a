"""One task that harms its worker process costs the pool nothing, with a supervisor or without."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from astrum.protocol.drains import DrainRequest
from astrum.protocol.process_end import ProcessEnd
from astrum.runtime.cli.signals import SAME_FOR_S
from astrum_worker.process.supervisor import TaskEnds
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, WorkerProcess

TROUBLE = """
import asyncio, os, signal, subprocess, sys, time
from astrum import task
from astrum_worker.supervisor_link import say_ended_by

@task("take_signals", namespace="pool")
async def take_signals() -> str:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return "taken"

@task("stray_timer", namespace="pool")
async def stray_timer() -> str:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    await asyncio.sleep(0.1)
    return "went on"

@task("end_by_name", namespace="pool")
async def end_by_name() -> None:
    say_ended_by("end_by_name")
    os._exit(1)

@task("leave_a_child", namespace="pool")
async def leave_a_child() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid

KEPT = []

@task("keep", namespace="pool")
async def keep() -> None:
    KEPT.append(b"x" * (300 * 1024 * 1024))

@task("block", namespace="pool")
async def block() -> None:
    open("block.started", "w").close()
    time.sleep(600)
"""


@pytest.fixture
def module(pool: Pool) -> str:
    """A module of tasks that do to a worker what they should not."""
    (pool.folder / "trouble.py").write_text(TROUBLE)
    return "trouble.py"


async def supervised(pool: Pool, module: str, *options: str) -> WorkerProcess:
    return await pool.start(*options, modules=[module, "pool_flow.py"], supervised=True).serving()


def served(worker: WorkerProcess) -> int:
    """How many processes have begun to serve."""
    return worker.said.count(" serves ")


def the_child(worker: WorkerProcess) -> psutil.Process:
    [child] = psutil.Process(worker.process.pid).children()
    return child


async def test_a_worker_that_is_killed_comes_back(pool: Pool, module: str) -> None:
    worker = await supervised(pool, module, "--log-level", "debug")
    the_child(worker).kill()
    await eventually(lambda: served(worker) == 2)
    assert "ended with signal 9 (SIGKILL); another one starts" in worker.said
    await eventually(lambda: f"worker {worker.worker_id} was reported dead" in worker.said)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert "had left already" not in worker.said
    assert worker.said.count("was reported dead") == 1


FAULT = """
from astrum_worker.app import Worker

async def fail(self) -> None:
    raise RuntimeError("a fault of the worker itself")

Worker._shut_down = fail
"""


async def test_a_worker_that_fails_by_itself_ends_its_lease_and_says_how_it_ended(
    pool: Pool, lead: Lead
) -> None:
    (pool.folder / "fault.py").write_text(FAULT)
    worker = await pool.start(modules=["fault.py", "pool_flow.py"]).serving()
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 1
    assert "a fault of the worker itself" in worker.said
    assert (await lead.store.lease_ends())[worker.worker_id] == 0
    word = (await lead.store.last_words([worker.worker_id]))[worker.worker_id]
    assert word.ended == ProcessEnd(1)


async def test_a_task_that_ends_three_processes_within_a_minute_ends_the_worker_and_is_named(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module)
    for number in range(3):
        await eventually(lambda: served(worker) == number + 1)  # noqa: B023
        await lead.dispatch(number, "end_by_name")
    assert await worker.ended() == 1
    assert worker.said.count("because of task 'end_by_name'; another one starts") == 2
    assert "task 'end_by_name' has ended 3 worker processes within 60 s" in worker.said


def test_ends_by_several_tasks_or_over_a_long_time_do_not_add_up() -> None:
    ends = TaskEnds(most=3, within_s=60.0)
    assert not any(ends.are_too_many(task, 0.0) for task in ("a", "b", "a", "b"))
    assert ends.are_too_many("a", 60.0)
    assert not ends.are_too_many("b", 61.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("with_supervisor", [True, False])
async def test_a_worker_whose_signal_handlers_a_task_replaced_still_drains(
    pool: Pool, lead: Lead, module: str, number: int, with_supervisor: bool
) -> None:
    worker = pool.start(modules=[module, "pool_flow.py"], supervised=with_supervisor)
    await worker.serving()
    await lead.dispatch(0, "take_signals")
    await lead.record(0)
    await eventually(lambda: worker.said.count("replaced the handler of") >= 3)
    await lead.dispatch(1, "wait_for", {"name": "slow"})
    await pool.reached("slow.started")
    worker.signal(number)
    await eventually(lambda: "draining" in worker.said)
    pool.release("slow")
    assert await worker.ended() == (0 if number == signal.SIGTERM else 128 + number)
    assert (await lead.record(1)).outcome.name == "SUCCEEDED"


async def test_a_timer_without_a_handler_does_not_end_the_worker(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module)
    await lead.dispatch(0, "stray_timer")
    assert (await lead.record(0)).outcome.name == "SUCCEEDED"
    assert "(SIGALRM) came, and nothing handles it" in worker.said
    assert "'stray_timer'" in worker.said


async def test_the_child_processes_of_a_task_end_with_its_worker_even_by_kill(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module)
    await lead.dispatch(0, "leave_a_child")
    pid = await lead.value(0)
    the_child(worker).kill()
    await eventually(lambda: is_gone(pid))


async def test_the_second_signal_ends_a_worker_that_is_blocked(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module)
    await lead.dispatch(0, "block")
    await pool.reached("block.started")
    worker.signal(signal.SIGTERM)
    await eventually(lambda: "draining" in worker.said)
    first = time.monotonic()
    await eventually(lambda: time.monotonic() - first > SAME_FOR_S)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 143


SLOW_START = """
import sys, time
from pathlib import Path

class SlowCommand:
    def find_spec(self, name, path=None, target=None):
        if name == "astrum_worker.cli":
            (Path(__file__).parent / "importing").touch()
            time.sleep(60)

if "--supervisor-fd" in sys.orig_argv:
    sys.meta_path.insert(0, SlowCommand())
"""


async def test_an_interrupt_while_a_process_starts_needs_no_traceback(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pool.folder / "sitecustomize.py").write_text(SLOW_START)
    monkeypatch.setenv("PYTHONPATH", str(pool.folder), prepend=os.pathsep)
    worker = pool.start(supervised=True)
    await pool.reached("importing")
    worker.signal(signal.SIGINT)
    assert await worker.ended() == 130
    assert "Traceback" not in worker.said


async def test_a_worker_that_does_not_end_in_time_is_killed(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module, "--grace", "0")
    await lead.dispatch(0, "block")
    await pool.reached("block.started")
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 1
    assert "1 worker processes did not end within 10 s of the signal and are killed" in worker.said


def is_gone(pid: int) -> bool:
    """Whether a process has ended; its parent may still have to collect it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_a_worker_with_enough_attempts_ends_when_all_ended_and_a_fresh_one_follows(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module, "--max-attempts", "1", "--grace", "0")
    await lead.dispatch(0, "wait_for", {"name": "slow"})
    await pool.reached("slow.started")
    await lead.dispatch(1, "add", {"a": 1, "b": 2})
    await eventually(lambda: "claims nothing more, since it has run 1 attempt" in worker.said)
    await lead.dispatch(2, "add", {"a": 3, "b": 4})
    pool.release("slow")
    assert [await lead.value(task) for task in (1, 2)] == [3, 7]
    assert (await lead.record(0)).outcome.name == "SUCCEEDED"
    assert "a worker process was replaced within 10 s of its start" in worker.said
    assert len(lead.records) == 3


async def test_a_limit_of_memory_below_what_an_idle_process_uses_is_refused(pool: Pool) -> None:
    worker = pool.start("--max-rss", "8MiB", supervised=True)
    assert await worker.ended() == 2
    assert "before its first attempt, which is above --max-rss of 8 MiB" in worker.said


async def test_a_worker_that_uses_too_much_memory_is_replaced(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module, "--max-rss", "300MiB")
    await lead.dispatch(0, "keep")
    await lead.record(0)
    await eventually(lambda: served(worker) == 2)
    assert "MiB of memory; it ends when what it runs has ended" in worker.said


async def test_a_worker_that_an_operator_replaces_hands_back_what_does_not_end_in_its_grace(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module, "--grace", "0", "--lease", "1")
    await lead.dispatch(0, "wait_for", {"name": "never"})
    await pool.reached("never.started")
    [live] = await lead.store.workers()
    assert await lead.store.drain(live.worker_id, DrainRequest("ann", replace=True))
    assert (await lead.record(0)).outcome.name == "HANDED_BACK"
    await eventually(lambda: served(worker) == 2)
    assert "this worker drains, as ann asked; a new process takes its place" in worker.said
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0


async def test_a_worker_killed_while_it_drains_fails_and_is_not_started_again(
    pool: Pool, lead: Lead, module: str
) -> None:
    worker = await supervised(pool, module, "--lease", "1")
    await lead.dispatch(0, "wait_for", {"name": "never"})
    await pool.reached("never.started")
    [live] = await lead.store.workers()
    assert await lead.store.drain(live.worker_id, DrainRequest("ann"))
    await eventually(lambda: "none takes its place" in worker.said)
    the_child(worker).kill()
    assert await worker.ended() == 1
    assert "ended with signal 9 (SIGKILL) while it drained" in worker.said
    assert served(worker) == 1
