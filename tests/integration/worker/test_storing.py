"""Storing big values: one that the server refuses delays no other end."""

from __future__ import annotations

from typing import Any

import pytest

from astrum.errors import RunNotFoundError, StoreRefusesWritesError
from astrum.redis import Settlement
from astrum.redis.settings import ServerLossDetector
from astrum.values.references import Blob
from astrum_worker.settling.settler import late_text
from astrum_worker.settling.storing import Outgoing, Storing


class Server:
    """Takes values of at most ``room`` bytes; ``mine`` are the attempts that are outstanding."""

    def __init__(self) -> None:
        self.loss = ServerLossDetector()
        self.room = 100
        self.mine = {0, 1, 2}
        self.stored: list[bytes] = []
        self.when_stored: Any = lambda: None

    async def put_blob(self, run_id: str, blob: Blob) -> None:
        if run_id == "gone":
            raise RunNotFoundError("gone")
        if len(blob.data) > self.room:
            raise StoreRefusesWritesError("the server's memory is full")
        self.stored.append(blob.data)
        self.when_stored()

    async def are_still_held(self, run_id: str, items: list[tuple[int, int, str]]) -> list[bool]:
        return [task in self.mine for task, _, _ in items]


class Place:
    def __init__(self) -> None:
        self.server = Server()
        self.passed: list[int] = []
        store: Any = self.server
        self.storing = Storing(store, lambda end: self.passed.append(end.settlement.task))

    def add(self, task: int, size: int, run_id: str = "r") -> Outgoing:
        settlement = Settlement(task, 1, f"{task}-0", True, b"record")
        key = ("stream", f"{task}-0")
        end = Outgoing(
            run_id, key, settlement, Blob(f"{task}", b"x" * size), None, name=f"parse[{task}]"
        )
        self.storing.add(end)
        return end


async def test_a_value_that_fits_overtakes_one_that_does_not() -> None:
    place = Place()
    place.add(0, size=1000)
    place.add(1, size=10)
    with pytest.raises(StoreRefusesWritesError):
        await place.storing.run_once()
    await place.storing.run_once()
    assert place.passed == [1]
    place.server.room = 1000
    await place.storing.run_once()
    assert place.passed == [1, 0]


async def test_a_value_of_an_attempt_settled_by_others_is_not_waited_for() -> None:
    place = Place()
    place.add(0, size=1000)
    place.server.mine.clear()  # its run was cancelled, say
    await place.storing.run_once()
    assert place.passed == [0]
    place.add(1, size=10, run_id="gone")
    await place.storing.run_once()
    assert (place.passed, place.server.stored) == ([0, 1], [])


async def test_a_value_is_stored_again_after_the_server_may_have_lost_it() -> None:
    place = Place()
    end = place.add(0, size=10)
    place.server.when_stored = place.server.loss.suspect
    await place.storing.run_once()
    assert place.passed == [], "it may be lost already"
    place.server.when_stored = lambda: None
    await place.storing.run_once()
    assert (place.passed, len(place.server.stored)) == ([0], 2)
    assert not place.storing.lacks(end)
    place.server.loss.suspect()
    assert place.storing.lacks(end)


def test_many_ends_that_came_too_late_are_one_line() -> None:
    place = Place()
    ends = [place.add(task, size=1) for task in range(3)]
    first = "run r: the end of task 'parse[0]', attempt 1"
    assert late_text(ends[:1]).startswith(f"{first} came too late")
    assert late_text(ends).startswith(f"{first} and of 2 more attempts")
    ends[0].name = ""  # its claim could not be read
    assert late_text(ends).startswith("run r: the end of task number 0, attempt 1")
