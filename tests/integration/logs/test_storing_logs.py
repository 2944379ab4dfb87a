"""Storing logs delays no end for long, and never costs one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.errors import StoreError, StoreRefusesWritesError, StoreUnavailableError
from astrum.redis import Settlement, StoredLog
from astrum_worker.counters import Counters
from astrum_worker.settling import log_storing
from astrum_worker.settling.log_storing import BATCH_ITEMS, LogStoring
from astrum_worker.settling.storing import Outgoing

MIB = 1024 * 1024


class Server:
    """Takes logs unless ``refuse`` raises for them."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.trips = 0
        self.left_out: set[str] = set()
        self.refuse: Callable[[list[str]], None] = lambda names: None

    async def put_logs(self, logs: list[StoredLog]) -> list[StoredLog]:
        self.trips += 1
        names = [log.name for log in logs]
        self.refuse(names)
        self.stored += [name for name in names if name not in self.left_out]
        return [log for log in logs if log.name in self.left_out]


class Place:
    def __init__(self) -> None:
        self.server = Server()
        self.counters = Counters()
        self.passed: list[int] = []
        context: Any = SimpleNamespace(store=self.server, counters=self.counters)
        self.storing = LogStoring(context, lambda end: self.passed.append(end.settlement.task))

    def add(self, *tasks: int) -> None:
        for task in tasks:
            settlement = Settlement(task, 1, f"{task}-0", True, b"record")
            key = ("stream", f"{task}-0")
            log = StoredLog("r", f"log-{task}", b"x", MIB)
            self.storing.add(Outgoing("r", key, settlement, None, None, log=log))


def refuse_with(error: Exception) -> Callable[[list[str]], None]:
    def refuse(names: list[str]) -> None:
        raise error

    return refuse


async def test_logs_go_in_batches_and_their_ends_follow_in_order() -> None:
    place = Place()
    place.add(*range(BATCH_ITEMS + 5))
    await place.storing.run_once()
    await place.storing.run_once()
    assert place.server.trips == 2
    assert place.passed == [*range(BATCH_ITEMS + 5)]
    assert len(place.server.stored) == BATCH_ITEMS + 5


async def test_a_server_that_refuses_logs_gets_the_ends_at_once() -> None:
    place = Place()
    place.server.refuse = refuse_with(StoreRefusesWritesError("the memory is full"))
    place.add(0, 1)
    await place.storing.run_once()
    assert (place.passed, place.counters.logs_dropped) == ([0, 1], 2)


async def test_an_end_waits_for_an_unreachable_server_and_then_goes_without_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place()
    place.server.refuse = refuse_with(StoreUnavailableError("no answer"))
    place.add(0)
    with pytest.raises(StoreUnavailableError):
        await place.storing.run_once()
    assert (place.passed, place.counters.logs_dropped) == ([], 0)
    assert [end.settlement.task for end in place.storing.waiting()] == [0]
    monkeypatch.setattr(log_storing, "PATIENCE_S", -1.0)
    await place.storing.run_once()
    assert (place.passed, place.counters.logs_dropped) == ([0], 1)


async def test_one_log_that_cannot_be_stored_costs_no_other() -> None:
    place = Place()

    def refuse(names: list[str]) -> None:
        if "log-1" in names:
            raise StoreError("a key has a foreign type")

    place.server.refuse = refuse
    place.add(0, 1, 2)
    await place.storing.run_once()
    assert place.server.stored == ["log-0", "log-2"]
    assert (place.passed, place.counters.logs_dropped) == ([0, 1, 2], 1)


async def test_logs_above_the_limit_of_their_run_are_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place()
    place.server.left_out = {"log-0", "log-2"}
    for task in (0, 1, 2):
        place.add(task)
        await place.storing.run_once()
    counters = place.counters
    assert (place.passed, counters.logs_dropped, counters.logs_left_out) == ([0, 1, 2], 0, 2)
    [record] = caplog.records
    assert "run r: logs of attempts are left out" in record.getMessage()
    assert "limit of 1 MiB, see --task-logs-limit" in record.getMessage()


async def test_logs_of_attempts_that_others_settled_are_bounded() -> None:
    place = Place()
    place.server.refuse = refuse_with(StoreUnavailableError("no answer"))
    for number in range(BATCH_ITEMS + 3):
        place.storing.add_without_end(StoredLog("r", f"log-{number}", b"x", MIB))
    assert place.counters.logs_dropped == 3
    await place.storing.run_once()
    assert place.counters.logs_dropped == BATCH_ITEMS + 3
