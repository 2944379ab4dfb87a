"""Which worker a process that starts workers itself reports dead, on a fake store."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import cast

import pytest

from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import WorkerStatus
from astrum_coordinator.parts import Parts
from astrum_coordinator.workers_here import WorkersHere

HERE = socket.gethostname()
KILLED = ProcessEnd(-9)


class Starter(WorkersHere):
    """Starts workers beside those that the pool has already."""

    def __init__(self, *pool: tuple[str, int]) -> None:
        self.pool = pool
        self.ended: list[tuple[str, ProcessEnd]] = []
        self.looks = 0

    @property
    def _parts(self) -> Parts:
        reaper = SimpleNamespace(hurry=self.hurry)
        return cast(Parts, SimpleNamespace(context=SimpleNamespace(store=self), reaper=reaper))

    def hurry(self) -> None:
        self.looks += 1

    async def workers(self) -> list[WorkerInfo]:
        return [
            WorkerInfo(
                worker_id=f"w{place}",
                lease_s=15.0,
                details={"host": host, "pid": str(pid)},
                status=WorkerStatus(),
            )
            for place, (host, pid) in enumerate(self.pool)
        ]

    async def end_lease(self, worker_id: str, end: ProcessEnd) -> None:
        self.ended.append((worker_id, end))


@pytest.mark.parametrize(
    ("pool", "ended"),
    [
        ([(HERE, 7), (HERE, 8), ("elsewhere", 7)], ["w0"]),
        ([(HERE, 8), ("elsewhere", 7)], []),
        ([(HERE, 7), (HERE, 7)], []),  # one of them is alive, in another container
    ],
    ids=["one", "none", "two of the same name"],
)
async def test_only_a_worker_that_no_other_can_be_is_reported_dead(
    pool: list[tuple[str, int]], ended: list[str]
) -> None:
    starter = Starter(*pool)
    await starter.worker_ended(7, -9)
    assert starter.ended == [(worker_id, KILLED) for worker_id in ended]
    assert starter.looks == len(ended)
