"""The loops of a worker one by one, on fake parts."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from astrum.redis import Claim, RedisSettings
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.claiming import exclusive as exclusive_module
from astrum_worker.claiming.consumer import MODEST_WAIT_S, Consumer, ReaderRestarter
from astrum_worker.claiming.exclusive import ExclusiveLane
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.doubt import Doubt
from astrum_worker.process import supervisor as supervisor_module
from astrum_worker.process.supervisor import ChildEnd, Supervisor
from astrum_worker.running.slots import Slots
from tests.eventually import eventually

CLAIM = Claim("s", "1-0", b"")


def config_of(**fields: Any) -> WorkerConfig:
    return WorkerConfig(modules=("m",), redis=RedisSettings(), **fields)


# --- attempts that must be alone ------------------------------------------------------------------


class Place:
    """A worker with nothing running; the test says when what was reported is with the server."""

    def __init__(self) -> None:
        self.running_count = 0
        self.flushes: asyncio.Queue[asyncio.Event] = asyncio.Queue()
        self.claims = [CLAIM]

    async def waiting_alone(self, *_: object) -> int:
        return 1

    async def acquire_exclusive(self, *_: object) -> bool:
        return True

    async def release_exclusive(self, *_: object) -> None:
        return None

    async def claim(self, *_: object, **__: object) -> list[Claim]:
        return [self.claims.pop()] if self.claims else []

    async def wait_idle(self) -> None:
        return None

    async def flushed(self) -> None:
        done = asyncio.Event()
        await self.flushes.put(done)
        await done.wait()


async def test_an_exclusive_attempt_starts_after_all_ends_are_recorded_and_others_after_its_own_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not told yet would be lost with it if it kills the worker, and look as guilty."""
    monkeypatch.setattr(exclusive_module, "_LOOK_EVERY_S", 60.0)
    gate, accepted = ClaimGate(), list[Claim]()

    def accept(_: str, claim: Claim) -> bool:
        accepted.append(claim)
        return True

    place: Any = Place()
    place.accept = accept
    exclusive = ExclusiveLane(WorkerContext(place, config_of(), gate), [], place, place)
    one_pass = asyncio.create_task(exclusive.pass_once())
    async with asyncio.timeout(5):
        earlier_ends = await place.flushes.get()
        assert (accepted, gate.reasons) == ([], ["exclusive"])
        earlier_ends.set()
        its_own_end = await place.flushes.get()
        assert (accepted, gate.reasons) == ([CLAIM], ["exclusive"])
        its_own_end.set()
        await one_pass
    assert gate.is_open


# --- readers that are stuck -----------------------------------------------------------------------


class SilentStore:
    """Does not answer the first claim, and each later one once."""

    def __init__(self) -> None:
        self.asked = 0
        self.silence_s = math.inf

    def silent_s(self, lane: str) -> float:
        return self.silence_s

    async def claim(self, *_: object, **__: object) -> list[Claim]:
        self.asked += 1
        if self.asked != 2:
            await asyncio.Event().wait()
        return [CLAIM]


def consumer_of(
    store: Any, gate: ClaimGate, accept: Callable[[Claim], bool], block_s: float = 0.01
) -> Consumer:
    config = config_of(block_s=block_s)
    return Consumer(WorkerContext(store, config, gate), "async", Slots(1), accept)


async def test_a_reader_without_an_answer_is_restarted_when_it_is_seen_twice() -> None:
    store: Any = SilentStore()
    accepted, doubt = list[Claim](), Doubt()

    def accept(claim: Claim) -> bool:
        accepted.append(claim)
        return True

    consumer = consumer_of(store, ClaimGate(), accept)
    watch = ReaderRestarter([consumer], 60.0, doubt)
    consumer.start()
    await eventually(consumer.is_stuck)
    await watch.pass_once()
    assert (store.asked, doubt.take()) == (1, False)
    await watch.pass_once()
    assert doubt.take()  # the lost reply may have held a claim
    await eventually(lambda: accepted == [CLAIM], "a claim by the reader started again")
    await consumer.stop()


async def test_a_reader_whose_claim_keeps_arriving_is_not_stuck_however_long_it_takes() -> None:
    store: Any = SilentStore()
    consumer = consumer_of(store, ClaimGate(), lambda _: True)
    consumer.start()
    await eventually(consumer.is_stuck)
    store.silence_s = 0.0
    assert not consumer.is_stuck()
    await consumer.stop()


# --- readers of what they cannot run --------------------------------------------------------------


class AnsweringStore:
    """Has a claim for each caller, and notes how long each would have waited for one."""

    def __init__(self) -> None:
        self.waits: list[float | None] = []

    async def claim(self, *_: object, block_s: float | None, **__: object) -> list[Claim]:
        self.waits.append(block_s)
        return [] if len(self.waits) % 2 else [CLAIM]


async def test_a_reader_that_could_run_nothing_waits_briefly_so_that_others_go_first() -> None:
    """The reader that has waited longest is served: it would get again what it handed back."""
    store: Any = AnsweringStore()
    runnable = iter([False, False, True, True])
    consumer = consumer_of(store, ClaimGate(), lambda _: next(runnable), block_s=3.0)
    for _ in range(8):
        await consumer.run_once()
    waits = [wait_s for wait_s in store.waits if wait_s is not None]
    assert waits == [3.0, MODEST_WAIT_S, MODEST_WAIT_S, 3.0]


# --- processes that end at once -------------------------------------------------------------------


class Dying(Supervisor):
    """Its processes end as soon as they serve; after a number of them the test stops it."""

    def __init__(self, most: int) -> None:
        super().__init__([], {}, 1)
        self.most = most
        self.started_at: list[float] = []

    async def _run_child(self, place: int, *, may_wait: bool) -> ChildEnd:
        self.started_at.append(asyncio.get_running_loop().time())
        if len(self.started_at) == self.most:
            self._stop(signal.SIGTERM, 0)
        return ChildEnd(-signal.SIGKILL, True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(supervisor_module, "LONGEST_DELAY_S", 0.05)


async def test_a_process_that_keeps_ending_is_restarted_with_growing_delays(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Dying(5)
    await supervisor._keep_one(0)
    gaps = [after - before for before, after in pairwise(supervisor.started_at)]
    for gap, least_s in zip(gaps, (0.02, 0.04, 0.05, 0.05), strict=True):
        assert gap >= 0.9 * least_s
    assert told(caplog) == [0.02, 0.04, 0.05, 0.05]


async def test_a_process_that_served_for_long_is_replaced_at_once(
    quick: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "HEALTHY_AFTER_S", 0.0)
    await Dying(4)._keep_one(0)
    assert told(caplog) == [0.02] * 3


def told(caplog: pytest.LogCaptureFixture) -> list[object]:
    """The delays that were logged."""
    return [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)]
