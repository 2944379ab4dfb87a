"""Making room for an exclusive attempt delays other attempts only for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from astrum.redis import RedisSettings
from astrum_worker.claim_gate import Reason
from astrum_worker.claiming import exclusive as exclusive
from astrum_worker.claiming.exclusive import ExclusiveLane
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext


class FakePool:
    """A store in which an exclusive attempt waits, and a worker that is busy until ``idle``."""

    def __init__(self) -> None:
        self.has_room = True
        self.holds = 0
        self.released = 0
        self.claimed = 0
        self.exclusive: list[str] = []
        self.running_count = 1
        self.idle = asyncio.Event()
        self.closed: list[str] = []
        self.accepts: Callable[[], bool] = lambda: True

    async def waiting_alone(self, *_: Any) -> int:
        return 1

    async def acquire_exclusive(self, *_: Any) -> bool:
        self.holds += self.has_room
        return self.has_room

    async def release_exclusive(self) -> None:
        self.released += 1

    async def claim(self, *_: Any, **__: Any) -> list[Any]:
        self.claimed += 1
        return [self.exclusive.pop()] if self.exclusive else []

    def accept(self, *_: Any) -> bool:
        return self.accepts()

    async def wait_idle(self) -> None:
        await self.idle.wait()

    async def flushed(self) -> None:
        return None


def lane_of(pool: Any) -> ExclusiveLane:
    config = WorkerConfig(modules=("m",), redis=RedisSettings())
    context = WorkerContext(pool, config)
    context.gate.on_close(lambda: pool.closed.append("closed"))
    return ExclusiveLane(context, [], pool, pool)


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(exclusive, "FIRST_DRAIN_S", 0.05)


async def pass_times(lane: ExclusiveLane, times: int) -> None:
    for _ in range(times):
        await lane.pass_once()


async def test_a_busy_worker_drains_no_longer_than_it_serves_others_afterwards() -> None:
    pool = FakePool()
    lane = lane_of(pool)
    await pass_times(lane, 3)
    assert (len(pool.closed), pool.released, pool.claimed) == (1, 1, 0)
    await pass_times(lane, 3)
    assert len(pool.closed) == 1  # others have their turn
    async with asyncio.timeout(5):
        while len(pool.closed) < 2:
            await pass_times(lane, 1)
            await asyncio.sleep(0.01)
    assert pool.claimed == 0


async def test_a_busy_worker_takes_an_exclusive_attempt_once_its_own_have_ended() -> None:
    pool = FakePool()
    lane = lane_of(pool)
    pool.idle.set()
    await pass_times(lane, 3)
    assert (pool.claimed, pool.released) == (1, 1)  # another worker was faster


async def test_a_worker_that_has_made_room_runs_all_exclusive_attempts_one_by_one() -> None:
    pool = FakePool()
    pool.exclusive = ["a", "b", "c"]
    pool.idle.set()
    await pass_times(lane_of(pool), 3)
    assert (pool.exclusive, len(pool.closed), pool.released) == ([], 1, 1)


async def test_other_attempts_get_their_turn_while_exclusive_ones_keep_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exclusive, "_STAY_S", 0.0)
    pool = FakePool()
    pool.exclusive = ["a", "b", "c"]
    pool.idle.set()
    await pass_times(lane_of(pool), 3)
    assert (pool.exclusive, pool.released) == (["a", "b"], 1)


async def test_a_stopping_worker_takes_no_further_exclusive_attempt() -> None:
    pool = FakePool()
    pool.exclusive = ["a", "b"]
    pool.idle.set()
    lane = lane_of(pool)

    def accepts_and_closes() -> bool:
        lane._gate.close(Reason.DRAINING)
        return True

    pool.accepts = accepts_and_closes
    await pass_times(lane, 3)
    assert pool.exclusive == ["a"]


async def test_a_worker_does_not_make_room_while_enough_others_do() -> None:
    pool = FakePool()
    pool.has_room = False
    pool.running_count = 0
    await pass_times(lane_of(pool), 5)
    assert (pool.closed, pool.claimed) == ([], 0)
