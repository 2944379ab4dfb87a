"""Making room for an attempt that must run alone costs the others no more than it must."""

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


class World:
    """A store in which a lone attempt waits, and a worker that is busy until it is released."""

    def __init__(self) -> None:
        self.may = True
        self.holds = 0
        self.released = 0
        self.claimed = 0
        self.lone: list[str] = []
        self.running_count = 1
        self.idle = asyncio.Event()
        self.closed: list[str] = []
        self.accepts: Callable[[], bool] = lambda: True

    async def waiting(self, *_: Any) -> int:
        return 1

    async def acquire_exclusive(self, *_: Any) -> bool:
        self.holds += self.may
        return self.may

    async def release_exclusive(self) -> None:
        self.released += 1

    async def claim(self, *_: Any, **__: Any) -> list[Any]:
        self.claimed += 1
        return [self.lone.pop()] if self.lone else []

    def accept(self, *_: Any) -> bool:
        return self.accepts()

    async def wait_idle(self) -> None:
        await self.idle.wait()

    async def flushed(self) -> None:
        return None


def composed(world: Any) -> ExclusiveLane:
    config = WorkerConfig(modules=("m",), redis=RedisSettings())
    context = WorkerContext(world, config)
    context.gate.on_close(lambda: world.closed.append("closed"))
    return ExclusiveLane(context, [], world, world)


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(exclusive, "FIRST_DRAIN_S", 0.05)


async def looked(one: ExclusiveLane, times: int) -> None:
    for _ in range(times):
        await one.pass_once()


async def test_a_busy_worker_drains_no_longer_than_it_serves_others_afterwards() -> None:
    world = World()
    one = composed(world)
    await looked(one, 3)
    assert (len(world.closed), world.released, world.claimed) == (1, 1, 0)
    await looked(one, 3)
    assert len(world.closed) == 1  # others have their turn
    async with asyncio.timeout(5):
        while len(world.closed) < 2:
            await looked(one, 1)
            await asyncio.sleep(0.01)
    assert world.claimed == 0


async def test_a_busy_worker_takes_an_exclusive_attempt_once_its_own_have_ended() -> None:
    world = World()
    one = composed(world)
    world.idle.set()
    await looked(one, 3)
    assert (world.claimed, world.released) == (1, 1)  # another worker was faster


async def test_a_worker_that_has_made_room_runs_all_exclusive_attempts_one_by_one() -> None:
    world = World()
    world.lone = ["a", "b", "c"]
    world.idle.set()
    await looked(composed(world), 3)
    assert (world.lone, len(world.closed), world.released) == ([], 1, 1)


async def test_other_attempts_get_their_turn_while_exclusive_ones_keep_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exclusive, "_STAY_S", 0.0)
    world = World()
    world.lone = ["a", "b", "c"]
    world.idle.set()
    await looked(composed(world), 3)
    assert (world.lone, world.released) == (["a", "b"], 1)


async def test_a_stopping_worker_takes_no_further_exclusive_attempt() -> None:
    world = World()
    world.lone = ["a", "b"]
    world.idle.set()
    one = composed(world)

    def accepts_and_closes() -> bool:
        one._gate.close(Reason.DRAINING)
        return True

    world.accepts = accepts_and_closes
    await looked(one, 3)
    assert world.lone == ["a"]


async def test_a_worker_does_not_make_room_while_enough_others_do() -> None:
    world = World()
    world.may = False
    world.running_count = 0
    await looked(composed(world), 5)
    assert (world.closed, world.claimed) == ([], 0)
