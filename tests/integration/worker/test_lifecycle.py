"""The life of a worker: start, lease, end."""

from __future__ import annotations

import platform
import re
import signal
from pathlib import Path

import psutil
import pytest

from astrum.machine.events import Outcome
from astrum.protocol.status import LoopBlock, RunningAttempt
from astrum.redis import RedisSettings
from astrum.runtime.exit_codes import ExitCode
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, lead_again, open_run
from tests.servers import RedisServer

BLOCKED = r"blocked the event loop for (\d+\.\d) s at pool_flow\.py:\d+ in block_"


async def test_the_start_line_says_what_is_served_and_where(pool: Pool, lead: Lead) -> None:
    worker = await pool.start("--concurrency", "7", "--queue", "default").serving()
    line = next(line for line in worker.said.splitlines() if " serves " in line)
    assert "tasks of pool" in line
    assert "7 async slots" in line
    assert pool.url in line


async def test_sigterm_lets_what_runs_finish_and_claims_nothing_more(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start().serving()
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    worker.signal(signal.SIGTERM)
    await eventually(lambda: "draining" in worker.said)
    await eventually(lambda: _not_claiming(lead, worker.worker_id))
    await lead.dispatch(1, "add", {"a": 1, "b": 1})
    pool.release("n")
    assert await worker.ended() == 0
    assert await lead.value(0) == "n"
    assert [record.task for record in await lead.read()] == [0]
    assert await lead.store.workers() == []
    assert await lead.store.dead_claims() == []


async def _not_claiming(lead: Lead, worker_id: str) -> bool:
    return (await lead.status(worker_id)).not_claiming == ("draining",)


async def test_attempts_that_outlast_the_grace_are_handed_back(pool: Pool, lead: Lead) -> None:
    worker = await pool.start("--grace", "0.1").serving()
    await lead.dispatch(0, "clean_up", {"name": "a"})
    await lead.dispatch(1, "wait_in_thread", {"name": "b"}, lane="thread")
    await pool.reached("a.started")
    await pool.reached("b.started")
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert (await lead.record(0)).outcome is Outcome.HANDED_BACK
    assert (await lead.record(1)).outcome is Outcome.HANDED_BACK
    assert (pool.folder / "a.cleaned").exists()


async def test_ctrl_c_drains_too_and_says_so_by_its_exit_code(pool: Pool, lead: Lead) -> None:
    worker = await pool.start().serving()
    worker.signal(signal.SIGINT)
    assert await worker.ended() == 130


async def test_a_second_signal_ends_at_once(pool: Pool, lead: Lead) -> None:
    worker = await pool.start().serving()
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    worker.signal(signal.SIGTERM)
    await eventually(lambda: "draining" in worker.said)

    async def over() -> bool:
        worker.signal(signal.SIGTERM)  # one that comes too soon counts as the first
        return worker.is_over()

    await eventually(over)
    assert await worker.ended() == 128 + signal.SIGTERM


async def test_a_signal_that_arrives_twice_at_once_counts_once(pool: Pool, lead: Lead) -> None:
    worker = await pool.start().serving()
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    worker.signal(signal.SIGINT)
    worker.signal(signal.SIGTERM)  # another one, since two of a kind may become one on their way
    await eventually(lambda: _not_claiming(lead, worker.worker_id))
    pool.release("n")
    assert await worker.ended() in (0, 130)
    assert await lead.value(0) == "n"


async def test_the_attempts_of_a_killed_worker_are_found_once_its_lease_has_expired(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--lease", "1").serving()
    entry_id = await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    assert await lead.store.dead_claims() == []
    worker.kill()
    [claim] = await eventually(lead.store.dead_claims)
    assert (claim.worker_id, claim.entry_id) == (worker.worker_id, entry_id)


async def test_a_blocked_event_loop_keeps_its_lease_and_the_blocking_task_is_named(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--lease", "1").serving()
    await lead.dispatch(0, "block_the_loop", {"name": "n"})
    await pool.reached("n.started")

    async def blocked() -> LoopBlock | None:
        return (await lead.status(worker.worker_id)).blocked

    found = await eventually(blocked)
    assert found is not None
    assert found.task_id == "block_the_loop"
    assert "pool_flow.py" in found.where
    await eventually(lambda: "the event loop is blocked" in worker.said)
    [there] = await lead.store.workers()
    assert there.lease_s > 0  # longer than its lease after it was blocked
    assert await lead.store.dead_claims() == []
    pool.release("n")
    assert await lead.value(0) == "n"
    said = re.match(BLOCKED, (await lead.record(0)).blocked)
    assert said
    assert 1.0 <= float(said[1]) < 60.0


async def test_an_attempt_that_blocked_the_event_loop_and_failed_says_both(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start().serving()
    await lead.dispatch(0, "block_and_fail", {"name": "n"})
    await eventually(lambda: "the event loop is blocked" in worker.said)
    pool.release("n")
    record = await lead.record(0)
    assert (record.outcome, record.failure and record.failure.message) == (Outcome.FAILED, "no row")
    assert re.match(BLOCKED, record.blocked)
    await lead.dispatch(1, "add", {"a": 1, "b": 1})
    assert (await lead.record(1)).blocked == ""


async def test_the_status_names_what_runs(pool: Pool, lead: Lead) -> None:
    worker = await pool.start("--concurrency", "3").serving()
    await lead.dispatch(4, "wait_for", {"name": "n"})

    async def running() -> tuple[RunningAttempt, ...]:
        return (await lead.status(worker.worker_id)).running

    [row] = await eventually(running)
    assert row._replace(age_s=0.0) == RunningAttempt(lead.run_id, 4, "wait_for", 1, 0.0)
    status = await lead.status(worker.worker_id)
    lane = status.lanes["async"]
    assert (lane.slots, lane.used, lane.free) == (3, 1, 2)
    assert lane.read_age_s is not None
    assert status.lanes["thread"].used == 0
    assert status.cpu_s
    assert status.rss_bytes is None or status.rss_bytes > 1_000_000
    pool.release("n")
    await lead.value(4)


async def test_a_worker_registers_its_details_and_reports_the_time_left_while_it_drains(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--grace", "30", "--lease", "7").serving()
    [there] = await lead.store.workers()
    assert there.details["lease_s"] == "7"
    assert there.details["python"] == platform.python_version()
    assert there.details["platform"]
    assert len(there.details["env"]) == 16
    assert there.status.drain_left_s is None
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    worker.signal(signal.SIGTERM)

    async def drain_left_s() -> float | None:
        return (await lead.status(worker.worker_id)).drain_left_s

    assert 0 < (await eventually(drain_left_s) or 0) <= 30
    pool.release("n")


async def test_an_exclusive_attempt_waits_for_running_ones_and_keeps_new_ones_away(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start().serving()
    await lead.dispatch(0, "wait_for", {"name": "neighbour"})
    await pool.reached("neighbour.started")
    await lead.dispatch(1, "wait_for", {"name": "lone"}, lane="exclusive", exclusive=True)

    async def alone() -> bool:
        return (await lead.status(worker.worker_id)).not_claiming == ("exclusive",)

    await eventually(alone)
    await lead.dispatch(2, "add", {"a": 1, "b": 1})
    pool.release("neighbour")
    await pool.reached("lone.started")
    assert [record.task for record in await lead.read()] == [0]
    pool.release("lone")
    assert await lead.value(2) == 2
    assert [record.task for record in lead.records] == [0, 1, 2]


async def test_too_many_hung_threads_end_the_worker_as_failed_work(pool: Pool, lead: Lead) -> None:
    worker = await pool.start("--threads", "1", "--grace", "1").serving()
    await lead.dispatch(0, "wait_in_thread", {"name": "never"}, lane="thread", timeout_s=0.05)
    assert (await lead.record(0)).outcome is Outcome.TIMED_OUT
    await lead.dispatch(1, "shout", {"text": "still here"}, lane="thread")
    assert await lead.value(1) == "STILL HERE"
    assert await worker.ended() == ExitCode.FAILED


# --- start-up errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("pool_flo.py", "there is no file pool_flo.py; did you mean 'pool_flow.py'?"),
        ("pool_flow:nothing", "has no 'nothing'"),
        ("pool_flo", "there is no module 'pool_flo'"),
    ],
)
async def test_a_module_that_is_not_there_is_a_start_up_error(
    pool: Pool, redis_server: object, module: str, message: str
) -> None:
    worker = pool.start(modules=[module])
    assert await worker.ended() == 2
    assert message in worker.said
    assert "Traceback" not in worker.said


async def test_a_module_that_raises_shows_the_users_frames_only(
    pool: Pool, redis_server: object
) -> None:
    (pool.folder / "broken.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    worker = pool.start(modules=["broken"])
    assert await worker.ended() == 2
    assert "return 1 / 0" in worker.said
    assert "importlib" not in worker.said
    assert "loading.py" not in worker.said
    assert "in this process, the worker" in worker.said


async def test_an_unreachable_server_is_a_start_up_error(tmp_path: Path) -> None:
    pool = Pool(tmp_path, "redis://:secret@127.0.0.1:1/0")
    worker = pool.start()
    assert await worker.ended() == 1
    assert "cannot be reached" in worker.said
    assert "secret" not in worker.said
    assert "Traceback" not in worker.said


@pytest.mark.parametrize("url", ["redis://localhost/abc", "http://localhost"])
async def test_an_invalid_url_is_a_usage_error(tmp_path: Path, url: str) -> None:
    worker = Pool(tmp_path, url).start()
    assert await worker.ended() == 2
    assert url in worker.said


async def test_a_refused_password_is_a_usage_error(tmp_path: Path) -> None:
    with RedisServer(tcp=True, options={"requirepass": "right"}) as server:
        worker = Pool(tmp_path, f"redis://:wrong@127.0.0.1:{server.port}").start()
        assert await worker.ended() == 2
    assert "refuses the user or the password" in worker.said


async def test_a_worker_with_wait_for_store_serves_once_the_server_answers(tmp_path: Path) -> None:
    with RedisServer() as server:
        server.kill()
        pool = Pool(tmp_path, server.url)
        try:
            worker = pool.start("--wait")
            await eventually(lambda: "cannot be reached" in worker.said)
            server.start()
            await worker.serving()
        finally:
            pool.close()


async def test_no_module_is_a_usage_error(pool: Pool, redis_server: object) -> None:
    assert await pool.start(modules=[]).ended() == 2


# --- a server that goes and comes -----------------------------------------------------------------


async def test_a_result_outlives_an_outage_of_the_server(tmp_path: Path) -> None:
    with RedisServer(options={"appendonly": "yes", "appendfsync": "always"}) as server:
        pool = Pool(tmp_path, server.url)
        settings = RedisSettings(url=server.url)
        try:
            worker = await pool.start().serving()
            async with open_run(settings) as lead:
                await lead.dispatch(0, "wait_for", {"name": "n"})
                await pool.reached("n.started")
                server.kill()
                pool.release("n")
                await eventually(lambda: "it is tried again" in worker.said)
                server.start()
            async with lead_again(settings, lead) as again:
                assert await again.value(0) == "n"
                await again.dispatch(1, "who")
                assert await again.value(1) == worker.worker_id
        finally:
            pool.close()


async def test_recent_results_are_settled_again_on_a_server_that_lost_them(
    tmp_path: Path,
) -> None:
    with RedisServer() as server:
        pool = Pool(tmp_path, server.url)
        settings = RedisSettings(url=server.url)
        try:
            await pool.start().serving()
            async with open_run(settings) as lead:
                await lead.dispatch(0, "wait_for", {"name": "n"})
                await pool.reached("n.started")
                with server.client() as client:
                    client.save()  # what comes after this is forgotten
                pool.release("n")
                first = await lead.record(0)
            server.restart()
            async with lead_again(settings, lead) as again:
                assert await again.record(0) == first  # the same one: it did not run again
        finally:
            pool.close()


# --- several processes ----------------------------------------------------------------------------


async def test_the_supervisor_replaces_a_process_that_dies_and_drains_all(
    pool: Pool, lead: Lead
) -> None:
    supervisor = pool.start("--processes", "2")
    await eventually(lambda: supervisor.said.count(" serves ") == 2)
    first = {int(worker.details["pid"]) for worker in await lead.store.workers()}
    assert first == {child.pid for child in psutil.Process(supervisor.process.pid).children()}
    psutil.Process(min(first)).kill()
    await eventually(lambda: supervisor.said.count(" serves ") == 3)
    children = psutil.Process(supervisor.process.pid).children()
    supervisor.signal(signal.SIGTERM)
    assert await supervisor.ended() == 0
    assert not any(child.is_running() for child in children)


async def test_the_children_of_a_killed_supervisor_drain(pool: Pool, lead: Lead) -> None:
    supervisor = pool.start("--processes", "2")
    await eventually(lambda: supervisor.said.count(" serves ") == 2)
    children = psutil.Process(supervisor.process.pid).children()
    supervisor.signal(signal.SIGKILL)
    await eventually(lambda: not any(child.is_running() for child in children))
    assert await lead.store.workers() == []


async def test_a_start_up_error_ends_the_supervisor_too(pool: Pool, redis_server: object) -> None:
    supervisor = pool.start("--processes", "2", modules=["nowhere.py"])
    assert await supervisor.ended() == 2
    assert "there is no file nowhere.py" in supervisor.said
