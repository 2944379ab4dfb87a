"""What real worker processes answer about their health, whatever happens to them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from astrum.redis import RedisSettings
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, WorkerProcess, open_run
from tests.servers import RedisServer

HEALTH = ("--health", "127.0.0.1:0", "--lease", "3")


class Told(NamedTuple):
    """One answer."""

    status: int
    body: str

    @property
    def data(self) -> Any:
        return json.loads(self.body)


def fetch(address: str, path: str, host: str = "") -> Told:
    request = urllib.request.Request(address + path, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Told(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Told(error.code, error.read().decode())


async def ask(worker: WorkerProcess, path: str, host: str = "") -> Told:
    return await asyncio.to_thread(fetch, await address_of(worker), path, host)


async def address_of(worker: WorkerProcess) -> str:
    found = await eventually(lambda: re.search(r"answering on (\S+)/ready", worker.said))
    return str(found[1])


async def becomes(worker: WorkerProcess, reasons: list[str]) -> None:
    """Wait until the worker is ready, or not ready for these reasons."""

    async def is_so() -> bool:
        told = await ask(worker, "/ready")
        is_ready = told.status == 200 and told.data == {"ready": True}
        return is_ready if not reasons else told.data.get("reasons") == reasons

    try:
        await eventually(is_so)
    except AssertionError:
        last = (await ask(worker, "/ready")).body
        raise AssertionError(f"not {reasons} but {last}; {worker.said}") from None


async def numbers(worker: WorkerProcess, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by their labels."""
    text = (await ask(worker, "/metrics")).body
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_a_worker_answers_for_its_work(pool: Pool, lead: Lead) -> None:
    worker = await pool.start(*HEALTH).serving()
    await becomes(worker, [])
    await lead.dispatch(0, "add", {"a": 1, "b": 2})
    await lead.dispatch(1, "fail")
    await lead.dispatch(2, "shout", {"text": "hey"}, lane="thread")
    for task in range(3):
        await lead.record(task)
    ended = await numbers(worker, "astrum_attempts_total")
    assert ended == {
        ("pool", "add", "succeeded"): 1,
        ("pool", "fail", "failed"): 1,
        ("pool", "shout", "succeeded"): 1,
    }
    assert await numbers(worker, "astrum_claims_total") == {
        ("default", "async"): 2,
        ("default", "thread"): 1,
    }

    async def all_settled() -> bool:
        return (await numbers(worker, "astrum_settles_total"))[("settled",)] == 3

    await eventually(all_settled)
    assert (await numbers(worker, "astrum_attempt_queue_seconds_count"))["default", "async"] == 2
    assert set(await numbers(worker, "astrum_slots")) == {("async",), ("thread",)}
    [margin] = (await numbers(worker, "astrum_lease_margin_seconds")).values()
    assert 0 < margin <= 2.6
    told = (await ask(worker, "/status")).data
    assert told["worker_id"] == worker.worker_id
    assert told["status"]["counters"]["claimed"] == 3
    assert told["status"]["lanes"]["async"]["slots"] == 100


async def test_a_worker_is_alive_and_says_why_it_is_not_ready_while_a_task_blocks_it(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start(*HEALTH).serving()
    await lead.dispatch(0, "block_the_loop", {"name": "block"})
    await pool.reached("block.started")
    await becomes(worker, ["loop_blocked"])
    assert (await ask(worker, "/live")).data == {"live": True}
    [lag] = (await numbers(worker, "astrum_loop_lag_seconds")).values()
    assert lag > 1
    pool.release("block")
    await becomes(worker, [])
    [blocked] = (await numbers(worker, "astrum_loop_blocked_seconds_total")).values()
    assert blocked > 1


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def cut_off(tmp_path: Path, own_server: RedisServer) -> AsyncIterator[WorkerProcess]:
    """A worker on a server that the test may stop."""
    pool = Pool(tmp_path, own_server.url)
    try:
        yield await pool.start(*HEALTH).serving()
    finally:
        if own_server.process is not None:
            own_server.process.send_signal(signal.SIGCONT)
        pool.close()


async def test_a_worker_is_alive_and_not_ready_while_its_server_stands_still(
    cut_off: WorkerProcess, own_server: RedisServer
) -> None:
    await becomes(cut_off, [])
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)

    async def has_no_lease() -> bool:
        told = await ask(cut_off, "/ready")
        return told.status == 503 and "no_lease" in told.data["reasons"]

    async def is_closed() -> bool:
        return (await numbers(cut_off, "astrum_not_claiming"))[("no_lease",)] == 1

    await eventually(has_no_lease)
    assert (await ask(cut_off, "/live")).status == 200
    await eventually(is_closed)
    own_server.process.send_signal(signal.SIGCONT)
    await becomes(cut_off, [])


async def test_a_lease_that_is_lost_while_a_task_blocks_the_loop_is_noticed(
    cut_off: WorkerProcess, own_server: RedisServer, tmp_path: Path
) -> None:
    assert own_server.process is not None
    async with open_run(RedisSettings(url=own_server.url)) as lead:
        await lead.dispatch(0, "block_the_loop", {"name": "block"})
        await eventually((tmp_path / "block.started").exists)
        own_server.process.send_signal(signal.SIGSTOP)
        await becomes(cut_off, ["loop_blocked", "no_lease"])
        assert (await ask(cut_off, "/live")).status == 200
        own_server.process.send_signal(signal.SIGCONT)
        (tmp_path / "block").touch()
        await becomes(cut_off, [])


async def test_a_server_that_is_gone_is_counted_and_a_new_one_makes_the_worker_ready(
    cut_off: WorkerProcess, own_server: RedisServer
) -> None:
    await becomes(cut_off, [])
    own_server.kill()
    await becomes(cut_off, ["no_lease"])
    assert (await numbers(cut_off, "astrum_store_errors_total"))[("unavailable",)] > 0
    assert (await ask(cut_off, "/live")).status == 200
    own_server.start()
    await becomes(cut_off, [])
    [reconnects] = (await numbers(cut_off, "astrum_store_reconnects_total")).values()
    assert reconnects > 0


async def test_a_worker_that_has_its_lease_and_cannot_read_is_not_ready(
    cut_off: WorkerProcess, own_server: RedisServer
) -> None:
    await becomes(cut_off, [])
    with own_server.client() as client:
        # Without enabled=True the client sends "off", and new connections are refused.
        client.acl_setuser("default", enabled=True, commands=["-xreadgroup"])
        await becomes(cut_off, ["not_reading:async", "not_reading:thread"])
        assert (await numbers(cut_off, "astrum_store_errors_total"))[("configuration",)] > 0
        client.acl_setuser("default", enabled=True, commands=["+xreadgroup"])
        await becomes(cut_off, [])


async def test_a_worker_that_drains_is_alive_and_not_ready(pool: Pool, lead: Lead) -> None:
    worker = await pool.start(*HEALTH).serving()
    await lead.dispatch(0, "wait_for", {"name": "slow"})
    await pool.reached("slow.started")
    worker.signal(signal.SIGTERM)
    await becomes(worker, ["draining"])
    assert (await ask(worker, "/live")).status == 200
    pool.release("slow")
    assert await worker.ended() == 0


async def test_a_worker_whose_slots_are_all_busy_is_ready(pool: Pool, lead: Lead) -> None:
    worker = await pool.start(*HEALTH, "-c", "1").serving()
    await lead.dispatch(0, "wait_for", {"name": "slow"})
    await pool.reached("slow.started")

    async def has_not_read_for_long() -> bool:
        # Three times as long as a read may take: a third of the lease, which is one second.
        return (await numbers(worker, "astrum_read_age_seconds"))[("async",)] > 3.1

    await eventually(has_not_read_for_long)
    assert (await ask(worker, "/ready")).status == 200
    pool.release("slow")
    await lead.record(0)
    for _ in range(20):
        assert (await ask(worker, "/ready")).status == 200


async def test_a_worker_that_waits_for_its_server_is_alive_and_starting(pool: Pool) -> None:
    pool.url = "redis://127.0.0.1:1"
    worker = pool.start(*HEALTH, "--wait")
    await becomes(worker, ["starting"])
    assert (await ask(worker, "/live")).status == 200
    assert (await ask(worker, "/status")).data["pid"] == worker.process.pid
    assert "astrum_worker_info" in (await ask(worker, "/metrics")).body


STUCK = """
import time
import astrum.redis.lease
import astrum_worker.health.worker_health
from astrum import task

def beat(*given, **named):
    time.sleep(600)

astrum.redis.lease.LeaseClient.beat = beat
astrum_worker.health.worker_health.STILL_S = 1.0

@task("nothing", namespace="stuck")
def nothing() -> None: ...
"""


@pytest.mark.parametrize("is_supervised", [True, False])
async def test_a_heartbeat_thread_that_stands_still_is_a_reason_to_end_the_process(
    pool: Pool, manager: socket.socket, monkeypatch: pytest.MonkeyPatch, is_supervised: bool
) -> None:
    watched(monkeypatch, manager)
    (pool.folder / "stuck.py").write_text(STUCK)
    worker = pool.start(*HEALTH, modules=["stuck.py"], supervised=is_supervised)
    await worker.serving()

    async def is_dead() -> bool:
        return (await ask(worker, "/live")).status == 503

    await eventually(is_dead)
    reason = "process 0: lease_thread_still" if is_supervised else "lease_thread_still"
    assert (await ask(worker, "/live")).data == {"live": False, "reasons": [reason]}
    if is_supervised:
        await eventually(lambda: f"no sign of life: {reason}" in worker.said)
    for process in psutil.Process(worker.process.pid).children():
        worker.kill()  # first: it would start another one
        process.kill()  # its drain waits for the thread


# --- requests that are wrong ----------------------------------------------------------------------


async def test_other_hosts_and_paths_are_refused(pool: Pool) -> None:
    worker = await pool.start(*HEALTH).serving()
    for path in ("/", "/liveness", "/live/", "//live", "/..%2fmetrics", "/%00", "/<script>"):
        told = await ask(worker, path)
        assert told == Told(404, "there are /live, /ready, /metrics and /status\n")
    for host in (
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "[::2]:1",
        "10.0.0.1",
    ):
        assert (await ask(worker, "/status", host)).status == 421
    for host in ("localhost", "LOCALHOST:9", "127.0.0.1", "[::1]:80"):
        assert (await ask(worker, "/live?verbose", host)).status == 200


async def test_a_port_in_use_ends_the_worker_before_it_starts_and_says_what_to_do(
    pool: Pool,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        health = ("--health", f"127.0.0.1:{taken.getsockname()[1]}")
        alone = pool.start(*health)
        supervised = pool.start(*health, supervised=True)
        for worker in (alone, supervised):
            assert await worker.ended() == 2
            assert "--health: this process cannot listen on 127.0.0.1:" in worker.said
            assert "address already in use; give a free port of this host" in worker.said
            assert " serves " not in worker.said


# --- several processes ----------------------------------------------------------------------------


async def test_three_processes_answer_as_one(pool: Pool, lead: Lead) -> None:
    worker = pool.start(*HEALTH, "--processes", "3", "-c", "1")
    ended = {("pool", "wait_for", "succeeded"): 3}
    await becomes(worker, [])
    for task in range(3):
        await lead.dispatch(task, "wait_for", {"name": f"t{task}"})
    for task in range(3):
        await pool.reached(f"t{task}.started")  # each process has one slot
        pool.release(f"t{task}")
        await lead.record(task)

    async def all_are_counted() -> bool:
        return (await numbers(worker, "astrum_attempts_total")) == ended

    await eventually(all_are_counted)
    assert set(await numbers(worker, "astrum_slots_used")) == {
        (lane, str(place)) for lane in ("async", "thread") for place in range(3)
    }
    told = (await ask(worker, "/status")).data["processes"]
    assert len({one["worker_id"] for one in told.values()}) == 3

    killed = told["1"]["pid"]
    os.kill(killed, signal.SIGKILL)

    async def is_replaced() -> bool:
        now = (await ask(worker, "/status")).data["processes"]["1"]
        return now is not None and now["pid"] != killed

    await eventually(is_replaced)
    await becomes(worker, [])
    # What the killed process had counted is still in the sum.
    assert (await numbers(worker, "astrum_attempts_total")) == ended
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0


async def test_a_process_that_stands_still_is_named_and_the_others_answer(
    pool: Pool, lead: Lead
) -> None:
    worker = pool.start(*HEALTH, "--processes", "2")
    await becomes(worker, [])
    still = (await ask(worker, "/status")).data["processes"]["0"]["pid"]
    os.kill(still, signal.SIGSTOP)
    try:
        await becomes(worker, ["process 0: no_answer"])
        assert (await ask(worker, "/live")).status == 200
        assert set(await numbers(worker, "astrum_unsettled")) == {("1",)}
    finally:
        os.kill(still, signal.SIGCONT)
    await becomes(worker, [])


# --- the probe ------------------------------------------------------------------------------------


async def test_the_probe_tells_a_ready_worker_from_one_that_drains(pool: Pool, lead: Lead) -> None:
    worker = await pool.start(*HEALTH).serving()
    await becomes(worker, [])
    address = await address_of(worker)

    async def probe() -> int:
        command = [sys.executable, "-m", "astrum_worker", "--probe"]
        environment = {**os.environ, "ASTRUM_HEALTH": address.removeprefix("http://")}
        done = await asyncio.to_thread(subprocess.run, command, env=environment, stderr=-1)
        return int(done.returncode)

    assert await probe() == 0
    await lead.dispatch(0, "wait_for", {"name": "slow"})
    await pool.reached("slow.started")
    worker.signal(signal.SIGTERM)
    await becomes(worker, ["draining"])
    assert await probe() == 1
    pool.release("slow")
    await worker.ended()
    assert await probe() == 1


# --- the service manager --------------------------------------------------------------------------


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        listening.bind(str(Path(folder, "notify")))
        listening.settimeout(20.0)
        yield listening


def watched(monkeypatch: pytest.MonkeyPatch, manager: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "600000")


async def heard(manager: socket.socket, line: str) -> list[str]:
    """Return all lines up to the one that is waited for."""
    lines: list[str] = []
    while line not in lines:
        lines += (await asyncio.to_thread(manager.recv, 4096)).decode().split("\n")
    return lines


@pytest.mark.parametrize("processes", [0, 2])
async def test_a_service_manager_hears_of_the_start_of_life_and_of_the_end(
    pool: Pool, manager: socket.socket, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    watched(monkeypatch, manager)
    worker = pool.start(*(["--processes", str(processes)] if processes else []))
    lines = await heard(manager, "READY=1")
    if processes:
        assert "STATUS=1 of 2 processes serve" in lines
    await heard(manager, "WATCHDOG=1")
    await heard(manager, "WATCHDOG=1")
    for child in psutil.Process(worker.process.pid).children():
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(child.environ())
    worker.signal(signal.SIGTERM)
    await heard(manager, "STOPPING=1")
    assert await worker.ended() == 0


async def test_a_blocked_event_loop_does_not_stop_the_signs_of_life(
    pool: Pool, lead: Lead, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched(monkeypatch, manager)
    worker = await pool.start().serving()
    await lead.dispatch(0, "block_the_loop", {"name": "block"})
    await eventually(lambda: "the event loop is blocked" in worker.said)
    manager.settimeout(0.0)
    with suppress(BlockingIOError):
        while manager.recv(4096):
            pass  # what it said before the loop was blocked
    manager.settimeout(20.0)
    for _ in range(3):
        await heard(manager, "WATCHDOG=1")
    pool.release("block")
    await lead.record(0)
