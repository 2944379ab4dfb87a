"""The runs that this process leads, and how it comes to lead one: adoption, the only way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

import msgpack

from astrum.errors import DecodeError, RunError, StoreUnavailableError
from astrum.machine.observer import RunObserver
from astrum.planning.plan import Plan
from astrum.redis.facts import RunFacts
from astrum.redis.run_store import RunStore
from astrum.wire.compression import inflate, shrink
from astrum.wire.sealing import Seal
from astrum.wire.unpacking import unpack
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.leader import LeadershipEnd, RunLeader

logger = logging.getLogger("astrum.coordinator")


def encode_plan(plan: Plan, run_id: str, seal: Seal) -> bytes:
    """Return a plan as the bytes that the store keeps."""
    packed: bytes = msgpack.packb(plan.to_data())
    return seal.seal_plan(run_id, shrink(packed))


def decode_plan(data: bytes, run_id: str, seal: Seal) -> Plan:
    """Rebuild a plan from the bytes that a submission stored.

    Raises `DecodeError` for bytes that are no plan, or not signed as they should be.
    """
    fields = unpack(inflate(seal.open_plan(run_id, data)))
    try:
        return Plan.from_data(fields)
    except ValueError as error:
        raise DecodeError(f"the plan of run {run_id} cannot be read: {error}") from None


class LedRuns:
    """All runs led by one coordinator, under its owner id."""

    def __init__(self, store: RunStore, owner: str, config: CoordinatorConfig, seal: Seal) -> None:
        self._store = store
        self._owner = owner
        self._config = config
        self._seal = seal
        self._leaders: dict[str, RunLeader] = {}
        self._renewed_at: dict[str, float] = {}
        self._some = asyncio.Event()

    def __iter__(self) -> Iterator[RunLeader]:
        return iter(list(self._leaders.values()))

    def __len__(self) -> int:
        return len(self._leaders)

    def get(self, run_id: str) -> RunLeader | None:
        """Return the leader of a run that this process leads."""
        return self._leaders.get(run_id)

    async def adopt(
        self, run_id: str, *, observer: RunObserver | None = None, plan: Plan | None = None
    ) -> RunLeader | None:
        """Try to lead a run; `None` if somebody else leads it or it is over.

        ``plan`` is the run's plan if this process made it.
        """
        asked_at = time.monotonic()
        epoch = await self._store.lead(run_id, self._owner, self._config.lease_s)
        if epoch is None:
            return None
        facts = await self._store.run_facts(run_id)
        if facts is None:
            return None
        try:
            leader = await self._leader(facts, epoch, observer, plan)
        except BaseException:
            # Whoever can read the plan must not wait for the end of this lease.
            await self._store.release(run_id, self._owner, epoch)
            raise
        self._leaders[run_id] = leader
        self._renewed_at[run_id] = asked_at
        leader.ended.add_done_callback(lambda _: self._drop(leader))
        try:
            await leader.open()
        except BaseException:
            leader.end(LeadershipEnd.DEPOSED)  # else its lease would be renewed for nothing
            raise
        self._some.set()
        await self._store.unblock()
        return leader

    async def wait_for_one(self) -> None:
        """Return as soon as there is a run to lead."""
        self._some.clear()
        if not self._leaders:
            await self._some.wait()

    async def _leader(
        self, facts: RunFacts, epoch: int, observer: RunObserver | None, plan: Plan | None
    ) -> RunLeader:
        if plan is None:
            data = await self._store.load_plan(facts.run_id)
            # A plan of many tasks takes a while to decode; others' leases must not wait for it.
            plan = await asyncio.to_thread(decode_plan, data, facts.run_id, self._seal)
        return RunLeader(
            self._store, facts, plan, epoch, self._config, self._seal, observer=observer
        )

    def _drop(self, leader: RunLeader) -> None:
        if self._leaders.get(leader.run_id) is leader:
            del self._leaders[leader.run_id]
            self._renewed_at.pop(leader.run_id, None)
        self._closing = asyncio.ensure_future(leader.close())

    async def renew(self) -> None:
        """Renew every lease; step down where that failed for too long or for good."""
        for leader in self:
            asked_at = time.monotonic()
            try:
                await self._renew(leader)
            except StoreUnavailableError:
                self._step_down_if_late(leader)
                continue
            self._renewed_at[leader.run_id] = asked_at

    async def _renew(self, leader: RunLeader) -> None:
        run_id = leader.run_id
        if await self._store.renew(run_id, self._owner, leader.epoch, self._config.lease_s):
            return
        facts = await self._store.run_facts(run_id)
        if facts is None:
            logger.error("run %s: its record has vanished from Redis; it is given up", run_id)
            leader.end(LeadershipEnd.VANISHED)
        elif not facts.is_open:
            leader.end(LeadershipEnd.FINISHED)
        else:
            logger.warning("run %s is led by %s now", run_id, facts.owner)
            leader.end(LeadershipEnd.DEPOSED)

    def _step_down_if_late(self, leader: RunLeader) -> None:
        silent_s = time.monotonic() - self._renewed_at.get(leader.run_id, 0.0)
        if silent_s > self._config.step_down_after_s:
            logger.warning(
                "run %s: its lease could not be renewed for %.1f s; stepping down, any "
                "coordinator may adopt it",
                leader.run_id,
                silent_s,
            )
            leader.end(LeadershipEnd.DEPOSED)

    async def resync(self) -> None:
        """Believe nothing in memory: Redis may have lost a suffix of its writes."""
        await self.renew()
        for leader in self:
            if not leader.ended.done():
                await leader.open()

    async def release(self) -> None:
        """Give all runs back, so that others may adopt them at once."""
        for leader in self:
            await leader.close()
            try:
                await self._store.release(leader.run_id, self._owner, leader.epoch)
            except (RunError, StoreUnavailableError) as error:
                logger.info("run %s: its lease runs out by itself: %s", leader.run_id, error)
            leader.end(LeadershipEnd.DEPOSED)
