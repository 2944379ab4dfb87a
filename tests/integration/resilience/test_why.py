"""`why` names what is really the case, in a pool of real processes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shlex
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from astrum import AstrumConfig, build_scheduler
from astrum.redis import RedisSettings
from astrum.view import Code, Explanation
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.flows import reasons
from tests.integration.resilience.modules import Submitted, begin, flow_of, write
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST
from tests.processes import wait_until

MODULE = reasons.__name__
# A dead worker is settled late, so that there is time to see that it is silent.
SLOW_TO_SETTLE = dataclasses.replace(FAST, reap_every_s=1.0, reap_grace_s=0.1)
SHOP = """
    shop = SchedulerRegistry("reasons_of_versions")

    @shop.task("sells")
    async def sells({parameters}) -> None:
        note("sells")
"""


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    settings = RedisSettings(url=pool.server.url)
    async with Coordinator(settings, config=SLOW_TO_SETTLE) as coordinator:
        yield coordinator


async def submit(coordinator: Coordinator, namespace: str = "reasons", **options: Any) -> str:
    """Submit a run that no one leads."""
    scheduler = build_scheduler(namespace=namespace, config=AstrumConfig())
    return await coordinator.submit_flow(scheduler.flow(fingerprints=True), **options)


async def led(coordinator: Coordinator, namespace: str = "reasons") -> Submitted:
    """Submit a run and lead it."""
    scheduler = build_scheduler(namespace=namespace, config=AstrumConfig())
    return await begin(coordinator, scheduler.flow(fingerprints=True))


async def explained(run: Submitted, task: str, code: Code, *, saying: str = "") -> Explanation:
    """Wait until a task has a code and its sentence these words; return why."""
    seen: dict[Code, str] = {}

    async def found() -> Explanation | None:
        reason = await run.coordinator.why(run.run_id, task)
        seen[reason.code] = reason.sentence
        return reason if reason.code is code and saying in reason.sentence else None

    try:
        reason: Explanation = await eventually(found)
    except AssertionError:
        raise AssertionError(f"never {code}, but {seen}") from None
    return reason


def why(pool: Pool, *words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of the command ``why``, and what it answers."""
    done = pool.command("why", *words, "--json")
    return done.returncode, json.loads(done.stdout)


async def test_without_a_worker_and_before_its_time(pool: Pool, coordinator: Coordinator) -> None:
    run = await led(coordinator)
    reason = await explained(run, "stands", Code.UNSERVED_NO_WORKER)
    assert reason.advice == f"astrum-worker {MODULE}"
    waiting = await run.coordinator.why(run.run_id, "follows")
    assert (waiting.code, waiting.waits_for) == (Code.WAITS_UPSTREAM, ("stands",))
    assert [group.code for group in waiting.groups] == [Code.UNSERVED_NO_WORKER]
    code, told = await asyncio.to_thread(why, pool, run.run_id, "follows")
    assert (code, told["code"], told["needs_person"]) == (3, "waits-upstream", True)
    late = await submit(coordinator, at=timedelta(minutes=1))
    code, told = await asyncio.to_thread(why, pool, late)
    assert (code, told["code"]) == (0, "delayed")
    assert told["until"] > told["now"]
    await run.cancelled()


async def test_a_worker_that_is_busy_paused_silent_and_forgiven(
    pool: Pool, coordinator: Coordinator
) -> None:
    worker = pool.worker(*QUICK, "-c", "1", module=MODULE)
    first = await led(coordinator)
    reason = await explained(first, "stands", Code.RUNNING)
    assert str(worker.pid) in reason.worker_id
    second = await led(coordinator)
    reason = await explained(second, "stands", Code.QUEUED_SLOTS_FULL)
    assert "'stands' ×1" in reason.sentence
    await coordinator.pause(queues=["default"], reason="a test", by="ann")
    reason = await explained(second, "stands", Code.PAUSED)
    assert "paused by ann: a test" in reason.sentence
    unpause = shlex.split(reason.advice)
    assert (await asyncio.to_thread(pool.command, *unpause[1:])).returncode == 0
    await explained(second, "stands", Code.QUEUED_SLOTS_FULL)
    worker.send(signal.SIGSTOP)
    reason = await explained(first, "stands", Code.WORKER_SILENT)
    assert str(worker.pid) in reason.sentence
    reason = await explained(first, "stands", Code.UNSERVED_NO_WORKER)
    assert reason.facts["attempt"] == 2, "the first one is lost"
    worker.send(signal.SIGCONT)
    left = "makes room, 1 attempt is left there"
    await explained(first, "stands", Code.QUEUED_ALONE, saying=left)
    pool.release("stands")
    for run in (first, second):
        assert (await run.ended()).execution_state == "completed"
    assert (await coordinator.why(first.run_id)).code is Code.RUN_COMPLETED
    assert (await coordinator.why(first.run_id, "stands")).code is Code.SUCCEEDED


async def test_another_queue_another_source_and_a_retry(
    pool: Pool, coordinator: Coordinator, tmp_path: Path
) -> None:
    planned = write(tmp_path, "planned", SHOP.format(parameters=""))
    deployed = write(tmp_path, "deployed", SHOP.format(parameters="more: int = 1"))
    pool.worker(*QUICK, module=MODULE)
    pool.worker(*QUICK, module=str(deployed))
    elsewhere = await led(coordinator, "reasons_of_queues")
    reason = await explained(elsewhere, "elsewhere", Code.UNSERVED_QUEUE)
    assert reason.advice == f"astrum-worker {MODULE} --queue gpu"
    reason = await explained(
        elsewhere, "elsewhere", Code.UNSERVED_QUEUE, saying="; the run fails in "
    )
    assert reason.until is not None
    sells = await begin(coordinator, flow_of(planned))
    reason = await explained(sells, "sells", Code.UNSERVED_VERSION)
    assert "other parameters" in reason.sentence
    retried = await led(coordinator, "reasons_of_retries")
    reason = await explained(retried, "fails", Code.BACKING_OFF_RAISED)
    assert "ValueError: not today" in reason.sentence
    assert reason.until is not None
    assert 50 < reason.until - reason.now <= 60
    for run in (elsewhere, sells, retried):
        await run.cancelled()


async def test_a_blocked_event_loop(pool: Pool, coordinator: Coordinator) -> None:
    pool.worker(*QUICK, module=MODULE)
    run = await led(coordinator, "reasons_of_blocks")
    await asyncio.to_thread(pool.started, "beside")
    reason = await explained(run, "blocks", Code.RUNNING_BLOCKS)
    assert "reasons.py:" in reason.sentence
    reason = await explained(run, "beside", Code.RUNNING_BLOCKED)
    assert (reason.root, reason.needs_person) == ("blocks", False)
    pool.release("blocks")
    pool.release("beside")
    assert (await run.ended()).execution_state == "completed"


async def test_a_held_task_is_shown_by_what_is_advised_and_goes_on_when_released(
    pool: Pool, coordinator: Coordinator
) -> None:
    worker = pool.worker(*QUICK, module=MODULE)
    run = await led(coordinator, "reasons_of_losses")
    await asyncio.to_thread(pool.started, "pays")
    await asyncio.to_thread(worker.kill)
    reason = await explained(run, "pays", Code.HELD)
    code, told = await asyncio.to_thread(why, pool, run.run_id)
    assert (code, told["code"], told["groups"][0]["code"]) == (3, "run-open", "held")
    assert told["advice"] == reason.advice
    pool.release("pays")
    await asyncio.to_thread(pool.worker, *QUICK, module=MODULE)
    advised = shlex.split(reason.advice)
    shown = await asyncio.to_thread(pool.command, *advised[1:])
    assert (shown.returncode, "held" in shown.stdout) == (0, True)
    release = ("release", run.run_id, "pays", "--retry")
    assert (await asyncio.to_thread(pool.command, *release)).returncode == 0
    assert (await run.ended()).execution_state == "completed"


async def test_a_full_server_and_a_leader_that_is_gone(
    pool: Pool, coordinator: Coordinator
) -> None:
    pool.worker(*QUICK, module=MODULE)
    serving = pool.serve()
    with pool.server.client() as client:
        client.config_set("maxmemory", "1gb")
        run_id = await submit(coordinator)
        await asyncio.to_thread(wait_until, lambda: pool.leader_pid(run_id) > 0, "a leader")
        await asyncio.to_thread(pool.started, "stands")
        client.config_set("maxmemory", 1)
        pool.release("stands")
        following = Submitted(coordinator, run_id)
        reason = await explained(following, "follows", Code.LEADER_REFUSED)
        assert "memory" in reason.sentence
        assert reason.needs_person
        client.config_set("maxmemory", 0)
    assert (await following.ended()).execution_state == "completed"
    left = await submit(coordinator, "reasons_of_queues")
    await asyncio.to_thread(wait_until, lambda: pool.leader_pid(left) > 0, "a leader")
    serving.kill()
    pool.end_leadership(left)
    reason = await coordinator.why(left)
    assert reason.code is Code.NO_LEADER
    assert str(serving.pid) in reason.sentence
