"""Which ends a worker sends together, and when it sends them again; on a fake store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.errors import StoreUnavailableError
from astrum.machine.events import Outcome
from astrum.protocol.messages import Record
from astrum.redis import Claim, RedisSettings, ServerLossDetector, Settlement, Verdict
from astrum.redis.server_clock import ServerClock
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.settling.ending import Ending
from astrum_worker.settling.settler import Settler
from tests.eventually import eventually

CONFIG = WorkerConfig(modules=("m",), redis=RedisSettings())


class SettlingStore:
    """Records batches; fails as often as the test says; may delay each batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.failures = 0
        self.loss = ServerLossDetector()
        self.clock = ServerClock()
        self.called = asyncio.Event()
        self.may_pass = asyncio.Event()
        self.may_pass.set()

    async def settle(
        self, run_id: str, stream: str, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.batches.append((run_id, [s.task for s in settlements]))
        self.called.set()
        await self.may_pass.wait()
        return [Verdict.SETTLED] * len(settlements)


def settler_of(store: Any, gate: ClaimGate | None = None, config: WorkerConfig = CONFIG) -> Settler:
    return Settler(WorkerContext(store, config, gate or ClaimGate()))


def settle(
    settler: Settler,
    task: int,
    run_id: str = "r",
    value: bytes = b"x",
    done: Callable[[], None] = lambda: None,
) -> None:
    ending = Ending(Record(task, 1, Outcome.SUCCEEDED, value=value))
    settler.settle(run_id, Claim("q", "1-0", b""), ending, done)


async def test_ends_during_a_flush_are_sent_together_in_the_next() -> None:
    store = SettlingStore()
    store.may_pass.clear()
    settler = settler_of(store)
    settler.start()
    settle(settler, 0)
    await store.called.wait()
    for task in range(1, 300):
        settle(settler, task)
    store.may_pass.set()
    await settler.flushed()
    await settler.stop()
    assert [len(tasks) for _, tasks in store.batches] == [1, 256, 43]
    assert [task for _, tasks in store.batches for task in tasks] == list(range(300))


async def test_the_ends_of_many_runs_are_sent_at_the_same_time() -> None:
    store = SettlingStore()
    store.may_pass.clear()
    settler = settler_of(store)
    for number in range(300):
        settle(settler, number % 2, run_id=f"r{number // 2}")
    settler.start()
    await eventually(lambda: sum(len(tasks) for _, tasks in store.batches) == 256, "a batch")
    store.may_pass.set()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [(f"r{number}", [0, 1]) for number in range(150)]


async def test_an_end_that_the_server_refuses_delays_no_end_of_another_run() -> None:
    class Refusing(SettlingStore):
        async def settle(
            self, run_id: str, stream: str, settlements: Sequence[Settlement]
        ) -> list[Verdict]:
            if run_id == "damaged":
                raise StoreUnavailableError("refused")
            return await super().settle(run_id, stream, settlements)

    settler = settler_of(store := Refusing())
    for run_id in ("damaged", "a", "b"):
        settle(settler, 0, run_id=run_id)
    settler.start()
    await eventually(lambda: settler.unsettled == 1, "the other ends")
    await settler.stop()
    assert store.batches == [("a", [0]), ("b", [0])]


async def test_a_batch_is_bounded_by_bytes_too() -> None:
    store = SettlingStore()
    settler = settler_of(store)
    for task in range(5):
        settle(settler, task, value=b"x" * 100_000)
    settler.start()
    await settler.flushed()
    await settler.stop()
    assert [tasks for _, tasks in store.batches] == [[0, 1], [2, 3], [4]]


async def test_an_unreachable_server_loses_no_result_and_none_is_done_twice() -> None:
    store = SettlingStore()
    store.failures = 3
    settler = settler_of(store)
    done: list[int] = []
    settle(settler, 1, done=lambda: done.append(1))
    settle(settler, 2, run_id="other", done=lambda: done.append(2))
    settler.start()
    await settler.flushed()
    await settler.stop()
    assert sorted(done) == [1, 2]
    assert sorted(store.batches) == [("other", [2]), ("r", [1])]


async def test_too_many_undelivered_results_stop_the_claiming() -> None:
    store, gate = SettlingStore(), ClaimGate()
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), unsettled_items=4)
    settler = settler_of(store, gate, config)
    for task in range(4):
        assert gate.is_open
        settle(settler, task)
    assert gate.reasons == ["backlog"]
    settler.start()
    await gate.wait_open()
    await settler.stop()


async def test_only_recent_results_are_settled_again() -> None:
    store = SettlingStore()
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), resettle_window_s=0.0)
    settler = settler_of(store, config=config)
    settler.start()
    for task in range(2):
        settle(settler, task)
        await settler.flushed()
    store.loss.suspect()  # from now on nothing is forgotten
    settle(settler, 2)
    await settler.flushed()
    store.batches.clear()
    settler.resettle()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [("r", [1, 2])]


async def test_ends_that_were_settled_within_the_window_are_settled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server loses two seconds of its writes when it dies, and is not back at once."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("astrum_worker.settling.settler.time", clock)
    store = SettlingStore()
    settler = settler_of(store)
    settler.start()
    for task, at_s in enumerate((0.0, 3.0, 6.0)):
        clock.now = at_s
        settle(settler, task)
        await settler.flushed()
    store.batches.clear()
    settler.resettle()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [("r", [1, 2])]
