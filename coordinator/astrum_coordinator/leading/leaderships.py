"""The runs that this process leads; each leadership begins with an adoption."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from weakref import WeakValueDictionary

from astrum.errors import (
    AstrumError,
    RunError,
    StoreError,
)
from astrum.machine.observer import RunObserver
from astrum.planning.fingerprint import COMPATIBLE
from astrum.redis.listing import Adopted
from astrum.runtime.loops import end_task
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.adopt_calls import AdoptCalls
from astrum_coordinator.leading.dispatch_calls import RunRef
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.subscriptions import Subscriptions
from astrum_coordinator.scheduling.pool_view import PoolView
from astrum_coordinator.stored_runs import StoredRuns

FINISHED, RELEASED = LeadershipEnd.FINISHED, LeadershipEnd.RELEASED
logger = logging.getLogger("astrum.coordinator")


def _closed(run_id: str) -> RunError:
    return RunError(f"run {run_id}: this coordinator was closed; another may go on with it")


class Leaderships:
    """All runs led by one coordinator, under its owner id.

    ``on_finished`` is called with each leader that has ended its run.
    """

    def __init__(
        self,
        context: CoordinatorContext,
        stored: StoredRuns,
        subscriptions: Subscriptions,
        pool: PoolView,
        on_finished: Callable[[RunLeader], object] = lambda _: None,
    ) -> None:
        self._context = context
        self._stored = stored
        self._pool = pool
        self._subscriptions = subscriptions
        self._on_finished = on_finished
        self._store = context.store
        self._owner = context.owner
        self._calls = AdoptCalls(context)
        self._config = context.config
        self._leaders: dict[str, RunLeader] = {}
        self._renewed_at: dict[str, float] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._adopting: set[asyncio.Task[RunLeader | None]] = set()
        self._closing_tasks: set[asyncio.Task[None]] = set()
        self._is_released = False

    def __iter__(self) -> Iterator[RunLeader]:
        return iter(list(self._leaders.values()))

    def __len__(self) -> int:
        return len(self._leaders)

    def get(self, run_id: str) -> RunLeader | None:
        """Return the leader of a run that this process leads."""
        return self._leaders.get(run_id)

    async def adopt(self, run_id: str, *, observer: RunObserver | None = None) -> RunLeader | None:
        """Return the run's leader in this process, which may have ended already.

        `None` if another process leads it or it is over. Raises `RunError` once the runs were
        released. A caller that is cancelled does not cancel the adoption: the run may have
        attempts out already, and others may wait for it.
        """
        adopting = self.begin_to_adopt(run_id, observer)
        await asyncio.wait([adopting])
        if adopting.cancelled():  # by `release`: to its caller that is an error, not a cancellation
            raise _closed(run_id)
        return adopting.result()

    def begin_to_adopt(
        self, run_id: str, observer: RunObserver | None = None
    ) -> asyncio.Task[RunLeader | None]:
        """Begin what `adopt` does; the task is cancelled if the runs are released meanwhile."""
        adopting = asyncio.create_task(self._adopt_or_join(run_id, observer))
        self._adopting.add(adopting)
        adopting.add_done_callback(self._on_adopted)
        return adopting

    def _on_adopted(self, adopting: asyncio.Task[RunLeader | None]) -> None:
        self._adopting.discard(adopting)
        if not adopting.cancelled():
            adopting.exception()  # seen: its caller may have been cancelled

    async def _adopt_or_join(self, run_id: str, observer: RunObserver | None) -> RunLeader | None:
        # One at a time: acquiring twice as the same owner would depose the first leader, which
        # would not notice it.
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            leader = self._leaders.get(run_id)
            if leader is None or leader.ended.done():
                return await self._adopt(run_id, observer)
            if observer is not None:
                leader.attach(observer)
            return leader

    async def _adopt(self, run_id: str, observer: RunObserver | None) -> RunLeader | None:
        if self._is_released:
            raise _closed(run_id)
        asked_at = time.monotonic()
        adopted = await self._calls.adopt(run_id)
        if adopted is None:
            return None
        try:
            leader = await self._leader(adopted, observer)
        except BaseException:
            await self._release(run_id, adopted.info.epoch)
            raise
        self._leaders[run_id] = leader
        self._renewed_at[run_id] = asked_at
        self._context.counters.adoptions += 1
        leader.ended.add_done_callback(lambda _: self._drop(leader))
        await self._open(leader)
        return leader

    async def _open(self, leader: RunLeader) -> None:
        try:
            await leader.open()
            await self._subscriptions.add(leader)
            if leader.ended.done():
                self._subscriptions.discard(leader)
        except BaseException:
            leader.end(LeadershipEnd.DEPOSED)  # else its lease would be renewed for nothing
            await self._release(leader.run_id, leader.epoch)
            raise

    async def _release(self, run_id: str, epoch: int) -> None:
        """End a leadership at once: others must not wait for the end of its lease."""
        try:
            await self._store.release(run_id, self._owner, epoch)
        except (RunError, StoreError) as error:
            logger.info("run %s: its lease runs out by itself: %s", run_id, error)

    async def _leader(self, adopted: Adopted, observer: RunObserver | None) -> RunLeader:
        info = adopted.info
        plan, header, lengths = await self._stored.load(info)
        versions = info.versions or COMPATIBLE
        run = RunRef(info.run_id, info.epoch, plan, info.traceparent, versions, header, lengths)
        return RunLeader(self._context, adopted, run, self._pool, observer=observer)

    def _drop(self, leader: RunLeader) -> None:
        self._subscriptions.discard(leader)
        how = leader.ended.result()
        self._context.counters.leaderships_lost += how not in (FINISHED, RELEASED)
        if self._leaders.get(leader.run_id) is leader:
            del self._leaders[leader.run_id]
            del self._renewed_at[leader.run_id]
        closing = asyncio.ensure_future(self._close(leader))
        self._closing_tasks.add(closing)
        closing.add_done_callback(self._closing_tasks.discard)

    async def _close(self, leader: RunLeader) -> None:
        await leader.close()
        how = leader.ended.result()
        if how is LeadershipEnd.UNREADABLE:
            await self._release(leader.run_id, leader.epoch)
        if how is LeadershipEnd.FINISHED and leader.state.finished is not None:
            self._on_finished(leader)

    async def renew(self) -> None:
        """Renew every lease; step down where that failed for too long or for good."""
        leaders, asked_at = list(self), time.monotonic()
        try:
            kept = await self._renew(leaders, asked_at)
        except StoreError:
            for leader in leaders:
                self._step_down_if_late(leader)
            return
        for leader in leaders:
            if leader.run_id not in kept:
                await self._end_or_step_down(leader)
            elif self._leaders.get(leader.run_id) is leader:
                self._renewed_at[leader.run_id] = asked_at

    async def _renew(self, leaders: Sequence[RunLeader], asked_at: float) -> set[str]:
        epochs = {leader.run_id: leader.epoch for leader in leaders}
        return await self._store.renew(self._owner, epochs, self._config.lease_s)

    async def _end_or_step_down(self, leader: RunLeader) -> None:
        try:
            await self._end_by_run_state(leader)
        except StoreError:
            self._step_down_if_late(leader)

    async def _end_by_run_state(self, leader: RunLeader) -> None:
        """End the leadership of a run that this process does not lead any more."""
        run_id = leader.run_id
        info = await self._store.run_info(run_id)
        if info is None:
            leader.end(LeadershipEnd.VANISHED)
        elif not info.is_open:
            leader.end(LeadershipEnd.FINISHED)
        else:
            logger.warning("run %s is led by %s now", run_id, info.owner or "no one")
            leader.end(LeadershipEnd.DEPOSED)

    def _step_down_if_late(self, leader: RunLeader) -> None:
        silent_s = time.monotonic() - self._renewed_at.get(leader.run_id, 0.0)
        if silent_s > self._config.step_down_after_s and not leader.ended.done():
            logger.warning(
                "run %s: its lease could not be renewed for %.1f s; stepping down, any "
                "coordinator may adopt it",
                leader.run_id,
                silent_s,
            )
            leader.end(LeadershipEnd.DEPOSED)

    async def resync(self) -> None:
        """Read all led runs again: Redis may have lost its last writes."""
        await self.renew()
        for leader in self:
            if not leader.ended.done():
                await self._reopen(leader)

    async def _reopen(self, leader: RunLeader) -> None:
        try:
            await leader.open()
        except AstrumError as error:  # the other runs must not wait for this one
            logger.error(
                "run %s cannot be read again; this process stops leading it: %s",
                leader.run_id,
                error,
            )
            leader.end(LeadershipEnd.DEPOSED)

    async def release(self) -> None:
        """Release all runs, so that others may adopt them at once, and adopt none any more."""
        self._is_released = True
        for adopting in list(self._adopting):
            await end_task(adopting)
        leaders = list(self)
        for leader in leaders:
            leader.end(LeadershipEnd.RELEASED)  # from now on it orders nothing new
        await asyncio.gather(*(leader.close() for leader in leaders))
        await asyncio.gather(*(self._release(leader.run_id, leader.epoch) for leader in leaders))
        if self._closing_tasks:
            await asyncio.wait(self._closing_tasks)
