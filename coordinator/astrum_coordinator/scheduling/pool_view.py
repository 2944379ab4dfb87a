"""What a coordinator knows of the pool: the live workers, and what operators have paused."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Sequence

from astrum.errors import DecodeError
from astrum.protocol.pauses import Pauses
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import decode_served
from astrum.runtime.shared_call import SharedCall
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.scheduling.live_workers import LivePool, Served
from astrum_coordinator.scheduling.paces import Paces
from astrum_coordinator.scheduling.run_pool import RunPool
from astrum_coordinator.scheduling.work_rates import WorkRates

logger = logging.getLogger("astrum.coordinator")

FRESH_S = 0.25
"""A run that begins takes a look as old as this for the pool of now, if no worker came since."""
_LOOKS_APART = 10
"""Looks at a big pool for runs that begin take a tenth of the time at most."""


class PoolLook:
    """The pool at one moment: its live workers, and what operators have paused."""

    def __init__(self, workers: Sequence[WorkerInfo], live: LivePool, pauses: Pauses) -> None:
        self.workers = workers
        self.live = live
        self.pauses = pauses
        self._run_pools: dict[tuple[str, str], RunPool] = {}

    def for_runs_of(self, namespace: str, versions: str) -> RunPool:
        """Return the live workers as the runs of a namespace see them, under a version policy."""
        key = (namespace, versions)
        found = self._run_pools.get(key)
        if found is None:
            found = self._run_pools[key] = RunPool(self.live, namespace, versions)
        return found


class PoolView:
    """Reads the pool for all leaders of a coordinator; ``paces`` are those of its streams."""

    def __init__(self, context: CoordinatorContext) -> None:
        self.paces = Paces()
        self._store = context.store
        self._served: dict[str, Served] = {}
        # By digest: the workers of a big pool say the same, and each would cost megabytes.
        self._decoded: dict[bytes, Served] = {}
        self._rates = WorkRates()
        self._expected: Callable[[], Collection[int]] = tuple
        self._looking = asyncio.Lock()
        # Many runs that are adopted at once share one look.
        self.latest = SharedCall(self._find_latest)
        """Returns the latest look at the pool; looks if that was not just now.

        A worker that came a moment ago, or any pause, must not go unnoticed by a run that begins.
        """
        self._latest: PoolLook | None = None
        self._known_ids: frozenset[str] = frozenset()
        self._looked_at = 0.0
        self._took_s = 0.0

    def expect(self, pids: Callable[[], Collection[int]]) -> None:
        """Let tasks count as about to be served until one of these processes is registered."""
        self._expected = pids

    async def _find_latest(self) -> PoolLook:
        async with self._looking:
            age_s, latest = time.monotonic() - self._looked_at, self._latest
            may_look = age_s >= _LOOKS_APART * self._took_s
            if latest is None or (may_look and age_s >= FRESH_S):
                return await self._look()
            ids, pauses = await asyncio.gather(self._store.lease_ends(), self._store.paused())
            if may_look and not self._known_ids.issuperset(ids):
                return await self._look()
            if pauses != latest.pauses:
                latest = self._latest = PoolLook(latest.workers, latest.live, pauses)
            return latest

    async def look(self) -> PoolLook:
        """Read the pool now."""
        async with self._looking:
            return await self._look()

    async def _look(self) -> PoolLook:
        began = time.monotonic()
        # Before the records: a worker that comes in between counts as new again, which is harmless.
        self._known_ids = frozenset(await self._store.lease_ends())
        workers = await self._store.workers()
        await self._learn_served(workers)
        now = time.monotonic()
        self._rates.look(now, workers)
        live = LivePool(workers, self._served, self._rates, is_starting=self._is_starting(workers))
        self._latest = PoolLook(workers, live, await self._store.paused())
        self._looked_at, self._took_s = now, now - began
        return self._latest

    def _is_starting(self, workers: Sequence[WorkerInfo]) -> bool:
        expected = set(map(str, self._expected()))
        return bool(expected) and expected.isdisjoint(w.details.get("pid", "") for w in workers)

    async def _learn_served(self, workers: Sequence[WorkerInfo]) -> None:
        alive = {worker.worker_id for worker in workers}
        self._served = {wid: served for wid, served in self._served.items() if wid in alive}
        missing = alive - self._served.keys()
        if missing:
            for worker_id, data in (await self._store.served_by(missing)).items():
                self._served[worker_id] = self._read(worker_id, data)
            in_use = {id(served) for served in self._served.values()}
            self._decoded = {key: one for key, one in self._decoded.items() if id(one) in in_use}

    def _read(self, worker_id: str, data: bytes) -> Served:
        digest = hashlib.blake2b(data, digest_size=16).digest()
        found = self._decoded.get(digest)
        if found is None:
            try:
                found = decode_served(data)
            except DecodeError as error:
                logger.warning("worker %s counts as one that serves nothing: %s", worker_id, error)
                found = {}
            self._decoded[digest] = found
        return found
