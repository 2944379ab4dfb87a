"""Workers that die, stop, drain, or lose their way to the server."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from astrum import AstrumConfig, ExecutionReport, TaskAttemptStatistics
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig
from tests.flows.resilience import BESIDE, STEPS
from tests.integration.resilience.pool import QUICK, Pool
from tests.processes import AstrumProcess, wait_until
from tests.proxy import Proxy

FAST = CoordinatorConfig(
    lease_s=3.0,
    renew_every_s=0.5,
    step_down_after_s=2.0,
    reap_every_s=0.2,
    watch_every_s=0.2,
    timeout_grace_s=0.3,
)
assert STEPS


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST) as coordinator:
        yield coordinator


def begin(coordinator: Coordinator, namespace: str) -> asyncio.Task[ExecutionReport]:
    return asyncio.create_task(coordinator.run(namespace=namespace, config=AstrumConfig()))


def attempts_of(report: ExecutionReport, task: str) -> list[TaskAttemptStatistics]:
    [found] = [s for s in report.task_statistics if s.task_name == task]
    return list(found.attempt_statistics)


def ends_of(report: ExecutionReport, task: str) -> list[str]:
    return [attempt.status for attempt in attempts_of(report, task)]


async def fact(check: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, check, what)


# --- death and pauses -----------------------------------------------------------------------


async def test_the_attempts_of_a_killed_worker_run_elsewhere_uncharged(
    pool: Pool, coordinator: Coordinator
) -> None:
    victim = pool.worker(*QUICK)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(pool.started, "held")
    await asyncio.to_thread(pool.started, "other")
    victim.kill()
    pool.release("held")
    pool.release("other")
    pool.worker(*QUICK)
    report = await run
    assert report.execution_state == "completed"
    assert ends_of(report, "held") == ends_of(report, "other") == ["lost", "completed"]
    for name in ("held", "other"):
        lost = attempts_of(report, name)[0]
        assert lost.worker_id
        assert lost.duration > 0
    assert attempts_of(report, "held")[0].will_retry  # though it has no retries


async def test_the_attempts_of_a_killed_process_run_again_seconds_later_and_say_how_it_ended(
    pool: Pool,
) -> None:
    """With the lease and the sweeps that users have: 15 s and 5 s."""
    supervisor = pool.worker("--processes", "2", "--concurrency", "1")
    async with Coordinator(RedisSettings(url=pool.server.url)) as coordinator:
        run = begin(coordinator, "stuck")
        await asyncio.to_thread(pool.started, "held")
        await asyncio.to_thread(pool.started, "other")
        began = time.monotonic()
        children(supervisor)[0].kill()
        await fact(lambda: pool.executions().total() == 3, "the next attempt")
        assert time.monotonic() - began < 10
        pool.release("held")
        pool.release("other")
        report = await run
    [lost] = [
        attempt
        for name in ("held", "other")
        for attempt in attempts_of(report, name)
        if attempt.status == "lost"
    ]
    assert "died, its process ended with signal 9 (SIGKILL)" in str(lost.error_message)


async def test_a_paused_worker_is_given_up_and_its_late_result_is_ignored(
    pool: Pool, coordinator: Coordinator
) -> None:
    stopped = pool.worker(*QUICK)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(pool.started, "held")
    stopped.send(signal.SIGSTOP)
    pool.release("held")
    pool.release("other")
    pool.worker(*QUICK)
    await asyncio.to_thread(pool.started, "held", 2)
    stopped.send(signal.SIGCONT)
    report = await run
    assert ends_of(report, "held") == ["lost", "completed"]
    ran_by = [attempt.worker_id for attempt in attempts_of(report, "held")]
    assert f".{stopped.pid}." in ran_by[0]
    assert f".{stopped.pid}." not in ran_by[1]
    await fact(lambda: "its lease had expired" in stopped.output, "the worker to notice")


async def test_a_paused_worker_delays_no_attempt_that_has_a_timeout(
    pool: Pool, coordinator: Coordinator
) -> None:
    stopped = pool.worker(*QUICK)
    run = begin(coordinator, "timed")
    await asyncio.to_thread(pool.started, "timed")
    stopped.send(signal.SIGSTOP)
    pool.release("timed")
    pool.worker(*QUICK)
    report = await run
    assert report.execution_state == "completed"
    assert ends_of(report, "timed")[-1] == "completed"


async def test_an_attempt_that_blocks_its_event_loop_is_timed_out_by_the_coordinator(
    pool: Pool, coordinator: Coordinator
) -> None:
    pool.worker(*QUICK)
    report = await begin(coordinator, "hangs")
    [only] = attempts_of(report, "hangs")
    assert report.execution_state == "failed"
    assert only.timed_out
    assert "longer than its 0.3 s" in (only.error_message or "")
    pool.release("hangs")


async def test_a_hanging_thread_is_abandoned_and_the_next_attempt_succeeds(
    pool: Pool, coordinator: Coordinator
) -> None:
    pool.worker(*QUICK, "--threads", "2")
    report = await begin(coordinator, "timed")
    first, second = attempts_of(report, "timed")
    assert (first.timed_out, second.status) == (True, "completed")
    pool.release("timed")


# --- draining -------------------------------------------------------------------------------


async def test_a_drained_worker_hands_back_its_attempts_uncharged(
    pool: Pool, coordinator: Coordinator
) -> None:
    drained = pool.worker("--grace", "0.1")
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(pool.started, "held")
    await asyncio.to_thread(pool.started, "other")
    drained.send(signal.SIGTERM)
    assert await asyncio.to_thread(drained.wait) == 0
    pool.release("held")
    pool.release("other")
    pool.worker(*QUICK)
    report = await run
    assert ends_of(report, "held") == ends_of(report, "other") == ["handed_back", "completed"]


# --- poison ---------------------------------------------------------------------------------


async def test_a_task_that_kills_its_worker_is_quarantined_and_its_neighbours_are_not_charged(
    pool: Pool, coordinator: Coordinator
) -> None:
    supervisor = pool.worker(*QUICK, "--processes", "2", "--concurrency", "4")
    beside, report = await asyncio.gather(
        begin(coordinator, "beside"), begin(coordinator, "poison_beside")
    )
    assert report.execution_state == "failed"
    assert ends_of(report, "kills") == ["lost"] * 3
    assert pool.executions()["kills"] == 3
    assert "quarantined after its worker died 3 times" in "\n".join(report.error_summary)
    assert beside.execution_state == "completed"
    ends = [ends_of(beside, name) for name in BESIDE]
    assert all(end in (["completed"], ["lost", "completed"]) for end in ends)
    assert ends.count(["lost", "completed"]) == 3  # the other places of the first worker to die
    assert supervisor.is_alive()


async def test_a_dead_process_is_replaced_after_a_delay_that_grows(
    pool: Pool, coordinator: Coordinator
) -> None:
    supervisor = pool.worker("--processes", "2")

    async def replaced(times: int) -> None:
        await fact(lambda: supervisor.output.count(" serves ") == 2 + times, "both to serve")
        assert len(delays_of(supervisor)) == times

    for times in (0, 1):
        await replaced(times)
        children(supervisor)[-1].kill()  # the newest: the same place each time
    await replaced(2)
    assert delays_of(supervisor) == [0.1, 0.2]


def delays_of(supervisor: AstrumProcess) -> list[float]:
    return [float(text) for text in re.findall(r"starts in ([\d.]+) s", supervisor.output)]


def children(supervisor: AstrumProcess) -> list[psutil.Process]:
    return sorted(psutil.Process(supervisor.pid).children(), key=lambda child: child.pid)


# --- the way to the server ------------------------------------------------------------------


async def test_a_disconnected_worker_claims_nothing_once_its_lease_may_have_expired(
    pool: Pool, coordinator: Coordinator, link: Proxy
) -> None:
    cut = pool.worker(*QUICK, url=link.url)
    link.cut()
    await fact(lambda: "it claims nothing until one does" in cut.output, "it to stop itself")
    link.heal()
    await fact(lambda: "its lease holds again; it claims" in cut.output, "it to claim again")
    pool.release("held")
    pool.release("other")
    report = await begin(coordinator, "stuck")
    assert report.execution_state == "completed"


async def test_a_result_of_a_disconnected_worker_counts_if_it_arrives_in_time(
    pool: Pool, coordinator: Coordinator, link: Proxy
) -> None:
    pool.worker("--lease", "30", url=link.url)
    run = begin(coordinator, "stuck")
    await asyncio.to_thread(pool.started, "held")
    await asyncio.to_thread(pool.started, "other")
    link.cut()
    pool.release("held")
    pool.release("other")
    cut_at = time.time()
    await asyncio.sleep(1.0)  # the outage itself
    link.heal()
    report = await run
    assert ends_of(report, "held") == ends_of(report, "other") == ["completed"]
    assert pool.executions() == {"held": 1, "other": 1}
    assert attempts_of(report, "held")[0].end_time < cut_at + 0.9


async def test_a_worker_behind_a_half_open_connection_starts_reading_again(
    pool: Pool, coordinator: Coordinator, link: Proxy
) -> None:
    silent = pool.worker("--lease", "30", url=link.url)
    link.freeze()
    await fact(lambda: "claiming (async)" in silent.output, "the silent reader to be given up")
    link.reset()
    link.heal()
    pool.release("held")
    pool.release("other")
    report = await begin(coordinator, "stuck")
    assert report.execution_state == "completed"
