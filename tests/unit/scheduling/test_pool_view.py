"""How fresh a coordinator's look at the pool is, and what it shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from astrum.protocol.pauses import NO_PAUSES, Pause, Pauses, PauseTarget
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import ServedTask, WorkerStatus, encode_served
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.scheduling import pool_view
from astrum_coordinator.scheduling.pool_view import PoolView

SAID = {
    "w1": {("n", "a"): ServedTask("f", "0ffer", "c0de")},
    "w2": {("n", "a"): ServedTask("f", "0ffer", "c0de")},
    "w3": {("n", "b"): ServedTask("f", "0ther", "c0de")},
}


class FakeStore:
    """A pool of workers, three unless changed; ``looks`` counts how often it was read."""

    def __init__(self) -> None:
        self.looks = 0
        self.ids = [*SAID]
        self.pauses = NO_PAUSES

    async def workers(self) -> list[WorkerInfo]:
        self.looks += 1
        return [
            WorkerInfo(worker_id=w, lease_s=1.0, details={}, status=WorkerStatus())
            for w in self.ids
        ]

    async def lease_ends(self) -> dict[str, float]:
        return dict.fromkeys(self.ids, 1.0)

    async def served_by(self, worker_ids: Iterable[str]) -> dict[str, bytes]:
        return {worker_id: encode_served(SAID[worker_id]) for worker_id in worker_ids}

    async def paused(self) -> Pauses:
        return self.pauses


def view_of(store: Any) -> PoolView:
    return PoolView(CoordinatorContext(store, "owner"))


async def test_runs_that_begin_together_share_a_look_but_none_misses_a_pause() -> None:
    store = FakeStore()
    view = view_of(store)
    before = await view.latest()
    store.pauses = Pauses([Pause(PauseTarget.of_task("n", "a"))])
    after = await view.latest()
    assert store.looks == 1
    assert after.live is before.live
    assert after.pauses == store.pauses


async def test_a_run_that_begins_right_after_a_worker_came_knows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_view, "_LOOKS_APART", 0)
    store = FakeStore()
    store.ids = ["w1"]
    view = view_of(store)
    await view.latest()
    store.ids = ["w1", "w2"]
    look = await view.latest()
    assert [worker.worker_id for worker in look.workers] == ["w1", "w2"]
    store.ids = ["w2"]
    assert await view.latest() is look
    assert store.looks == 2


async def test_many_new_workers_do_not_make_a_coordinator_look_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_view, "_LOOKS_APART", 1e9)
    store = FakeStore()
    view = view_of(store)
    await view.latest()
    store.ids = [*store.ids, "w4"]
    await view.latest()
    assert store.looks == 1


async def test_workers_that_advertise_the_same_share_it() -> None:
    look = await view_of(FakeStore()).look()
    first, second, other = [worker.served for worker in look.live.workers]
    assert first is second
    assert other is not first
