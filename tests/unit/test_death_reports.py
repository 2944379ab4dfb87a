"""What a supervisor, or a worker that fails, reports: the very worker, and only for a while."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from astrum.errors import StoreUnavailableError
from astrum.protocol.process_end import ProcessEnd
from astrum.redis import LeaseClient, RedisSettings
from astrum_worker.config import WorkerConfig
from astrum_worker.process import death_reports
from astrum_worker.process.death_reports import DeathReports, ProcessDeath
from astrum_worker.process.memory_kills import MemoryKills
from astrum_worker.supervisor_link import LEFT, WORKER, ChildLink
from astrum_worker.upkeep.lease import Lease
from tests.eventually import DEADLINE_S

WORKER_ID = "host.42.c0ffee"
KILLED = ProcessEnd(-9, out_of_memory=True)


class Server:
    """Notes whose lease was ended, after so many calls without an answer."""

    def __init__(self, silent_calls: int = 0) -> None:
        self.silent_calls = silent_calls
        self.told: list[tuple[str, ProcessEnd]] = []
        self.closed = 0

    def end_lease(self, worker_id: str, end: ProcessEnd) -> bool:
        self.silent_calls -= 1
        if self.silent_calls >= 0:
            raise StoreUnavailableError("no answer")
        self.told.append((worker_id, end))
        return True

    def set_status(self, worker_id: str, status: bytes) -> bool:
        return True

    def close(self) -> None:
        self.closed += 1


def connecting(server: Server) -> Callable[[], LeaseClient]:
    return lambda: cast(LeaseClient, server)


async def reported(server: Server, *deaths: ProcessDeath) -> None:
    reports = DeathReports(connecting(server))
    for death in deaths:
        reports.report(death)
    await reports.finish(DEADLINE_S)


async def test_the_end_of_the_very_process_is_reported() -> None:
    server = Server()
    await reported(server, ProcessDeath(42, WORKER_ID, KILLED))
    assert (server.told, server.closed) == ([(WORKER_ID, KILLED)], 1)


@pytest.mark.parametrize("worker_id", [WORKER_ID, "host", "42", "host.x42.c0ffee", ""])
async def test_a_worker_of_another_process_is_never_reported_dead(worker_id: str) -> None:
    server = Server()
    await reported(server, ProcessDeath(43, worker_id, KILLED))
    assert server.told == []


async def test_a_server_that_answers_again_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(death_reports, "RETRY_S", 0.0)
    server = Server(silent_calls=3)
    await reported(server, ProcessDeath(42, WORKER_ID, KILLED))
    assert (server.told, server.closed) == ([(WORKER_ID, KILLED)], 1)


async def test_a_silent_server_is_left_to_the_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(death_reports, "GIVE_UP_S", 0.0)
    monkeypatch.setattr(death_reports, "logger", logging.getLogger("reports"))
    caplog.set_level("INFO", "reports")
    server = Server(silent_calls=99)
    await reported(server, ProcessDeath(42, WORKER_ID, KILLED))
    assert (server.told, server.closed) == ([], 1)
    assert "could not be reported to the server: no answer" in caplog.text


@pytest.mark.parametrize(
    ("lines", "worker_id"),
    [
        ([], ""),
        ([WORKER + WORKER_ID], WORKER_ID),
        ([WORKER + WORKER_ID, LEFT], ""),
    ],
)
def test_a_process_has_a_lease_from_its_registration_until_it_has_left(
    lines: list[str], worker_id: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = ChildLink(ours, lambda: None)
        theirs.sendall("".join(f"{line}\n" for line in lines).encode())
        link.read_rest()
    assert link.worker_id == worker_id


class Silent:
    """The status and the listener of a worker that says and hears nothing."""

    def snapshot(self) -> bytes:
        return b""

    def version(self) -> object:
        return 0

    def lapsed(self) -> None: ...
    def distrusted(self) -> None: ...
    def trusted(self) -> None: ...


def lease_of(worker_id: str, server: Server) -> Lease:
    config = WorkerConfig(modules=("m",), redis=RedisSettings())
    return Lease(worker_id, cast(LeaseClient, server), config, Silent(), Silent())


@pytest.mark.parametrize(
    ("pid", "is_started", "told"),
    [(os.getpid(), True, True), (os.getpid() + 1, True, False), (os.getpid(), False, False)],
    ids=["worker", "child of a fork", "not registered"],
)
async def test_only_the_process_of_the_worker_ends_its_own_lease_and_once(
    pid: int, is_started: bool, told: bool
) -> None:
    server, worker_id = Server(), f"host.{pid}.c0ffee"
    lease = lease_of(worker_id, server)
    if is_started:
        lease.start(time.monotonic())
    for _ in range(2):
        await asyncio.to_thread(lease.end, 1)
    assert server.told == ([(worker_id, ProcessEnd(1))] if told else [])


def test_a_kill_for_memory_is_recent_for_two_samples(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"

    def killed(times: int) -> None:
        events.write_text(f"low 0\noom 7\noom_kill {times}\noom_group_kill 0\n")

    killed(3)
    kills = MemoryKills(events)
    assert not kills.is_recent
    killed(4)
    assert kills.is_recent
    kills.sample()
    assert kills.is_recent
    kills.sample()
    assert not kills.is_recent


def test_without_a_counter_nothing_was_killed_for_memory(tmp_path: Path) -> None:
    assert not MemoryKills(tmp_path / "none").is_recent
