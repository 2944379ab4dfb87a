"""Attempts claimed ahead of free slots: how many, and what happens to them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from astrum.execution.attempt import AttemptContext
from astrum.redis import Claim, RedisSettings
from astrum_worker.config import WorkerConfig
from astrum_worker.running import ready_queue as ready_queue
from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.ready_queue import ReadyQueue
from astrum_worker.running.slots import AHEAD_LIMIT, Slots
from tests.eventually import eventually

ANY: Any = None
CONTEXT = AttemptContext("r", "t", 1)


def pass_through(slots: Slots, count: int, took_s: float) -> None:
    """Let attempts come, run and end."""
    for _ in range(count):
        slots.take()
        slots.begin()
        slots.end(took_s)


class Place:
    """A room with two places; a held is known by its entry id."""

    def __init__(self, *, feeds_threads: bool = False) -> None:
        self.slots = Slots(2, feeds_threads=feeds_threads)
        self.recalled: list[str] = []
        self.is_open = True
        self.started: list[str] = []
        self.away: list[str] = []
        self.room = ReadyQueue(
            {"thread": self.slots},
            may_wait=lambda: self.is_open,
            start=lambda held, _: self.started.append(held.claim.entry_id),
            hand_back=lambda held: self.away.append(held.claim.entry_id),
            take_back=lambda held: self.recalled.append(held.claim.entry_id),
        )

    def put(
        self, *names: str, lane: str = "thread", timeout_s: float | None = None
    ) -> list[ClaimedAttempt]:
        held = [ClaimedAttempt(Claim("s", name, b""), lane, 0, 1, CONTEXT) for name in names]
        for one in held:
            self.room.put(one, Runnable(SimpleNamespace(timeout_s=timeout_s), ANY))  # type: ignore[arg-type]
        return held


async def test_nothing_is_claimed_ahead_of_long_or_unknown_attempts() -> None:
    slots = Slots(2)
    assert await slots.wait_free() == 2
    slots.take()
    slots.begin()
    assert slots.free == 1
    slots.end(0.5)
    assert slots.free == 2


def test_as_many_attempts_are_claimed_ahead_as_the_slots_complete_in_a_moment() -> None:
    slots = Slots(2)
    pass_through(slots, 100, 0.001)
    assert slots.free == 2 + 40
    pass_through(slots, 1, 0.0)
    assert slots.free > 42
    pass_through(slots, 200, 0.0)
    assert slots.free == 2 + AHEAD_LIMIT


def test_no_more_attempts_are_claimed_ahead_than_have_ended_at_this_pace() -> None:
    slots = Slots(2)
    for ended in range(1, 5):
        pass_through(slots, 1, 0.0)
        assert slots.free == 2 + ended
    slots.stalled(0.001)
    assert slots.free == 2


async def test_claims_come_in_batches() -> None:
    slots = Slots(2)
    pass_through(slots, 100, 0.001)
    for _ in range(42):
        slots.take()
    waiting = asyncio.ensure_future(slots.wait_free())
    for _ in range(20):
        slots.leave()
        await asyncio.sleep(0)
        assert not waiting.done()
    slots.leave()
    assert await waiting == 21


def test_the_next_starts_when_one_ends_in_the_order_of_the_claims() -> None:
    place = Place()
    place.put("a", "b")

    async def wait_and_end() -> None:
        place.put("c", "d")
        assert place.started == ["a", "b"]
        place.room.on_end(ClaimedAttempt(Claim("s", "a", b""), "thread", 0, 1, CONTEXT), 0.001)
        assert place.started == ["a", "b", "c"]
        place.room.close()

    asyncio.run(wait_and_end())
    assert place.away == ["d"]


async def test_a_queued_attempt_that_others_settle_never_starts() -> None:
    place = Place()
    _, _, third, _ = place.put("a", "b", "c", "d")
    place.room.remove(third)
    place.room.on_end(ClaimedAttempt(Claim("s", "a", b""), "thread", 0, 1, CONTEXT), 0.001)
    assert place.started == ["a", "b", "d"]
    assert place.slots.claimed == 2


async def test_no_attempt_waits_while_the_worker_may_not_claim() -> None:
    place = Place()
    place.is_open = False
    place.put("a", "b", "c")
    assert (place.started, place.away) == (["a", "b"], ["c"])


async def test_attempts_that_wait_behind_long_ones_are_handed_back(monkeypatch: Any) -> None:
    monkeypatch.setattr(ready_queue, "PATIENCE_S", 0.01)
    place = Place()
    pass_through(place.slots, 3, 0.001)
    place.put("a", "b", "c", "d")
    assert place.slots.free > 0
    await eventually(lambda: place.away)
    assert place.away == ["c", "d"]
    assert list(place.room) == []


async def test_a_few_very_short_attempts_begin_before_a_thread_is_free(monkeypatch: Any) -> None:
    monkeypatch.setattr(ready_queue, "PATIENCE_S", 0.01)
    place = Place(feeds_threads=True)
    pass_through(place.slots, 100, 0.0001)
    first, *_ = place.put("a", "b", "c", "d")
    assert place.started == ["a", "b", "c", "d"]
    first.end()
    place.room.on_end(first, 0.0001)
    await eventually(lambda: place.recalled)
    assert place.recalled == ["c", "d"]


async def test_no_attempt_with_a_time_limit_begins_before_it_has_a_slot() -> None:
    place = Place(feeds_threads=True)
    pass_through(place.slots, 100, 0.0001)
    place.put("a", "b", "c", timeout_s=1.0)
    assert place.started == ["a", "b"]
    place.room.close()


def test_no_attempt_begins_ahead_of_long_ones() -> None:
    slots = Slots(2, feeds_threads=True)
    pass_through(slots, 100, 0.01)
    assert slots.has_place
    for _ in range(2):
        slots.take()
        slots.begin()
    assert not slots.has_place
    assert not slots.has_spare


async def test_an_attempt_of_a_lane_without_slots_starts_at_once() -> None:
    place = Place()
    place.put("a", "b", "c", lane="exclusive")
    assert place.started == ["a", "b", "c"]


def test_no_read_waits_longer_than_the_lease_lasts() -> None:
    for lease_s in (0.5, 3.0, 15.0, 600.0):
        config = WorkerConfig(modules=("m",), redis=RedisSettings(), lease_s=lease_s)
        begun_at_last = config.beat_every_s  # the lease was renewed that long ago at most
        assert begun_at_last + config.claim_wait_s < lease_s
