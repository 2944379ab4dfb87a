"""Notices soon that workers came or died, or that operators paused or unpaused something."""

from __future__ import annotations

from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.pool.pool_monitor import PoolMonitor
from astrum_coordinator.pool.reaper import Reaper

CHECK_EVERY_S = 1.0


class PoolChanges(PeriodicService):
    """Asks cheaply for what changes the routes of runs, and lets the monitor look at once then.

    A look reads the record of every worker, so it cannot be made as often. The reaper looks at once
    when a worker was reported dead.
    """

    name = "pool changes"

    def __init__(
        self,
        context: CoordinatorContext,
        leaderships: Leaderships,
        monitor: PoolMonitor,
        reaper: Reaper,
    ) -> None:
        super().__init__(CHECK_EVERY_S)
        self._store = context.store
        self._leaderships = leaderships
        self._monitor = monitor
        self._reaper = reaper
        self._seen: object = None
        self._ended: set[str] = set()

    async def pass_once(self) -> None:
        """Ask once, if any run is led here."""
        if not len(self._leaderships):
            return
        ends = await self._store.lease_ends()
        ended = {worker_id for worker_id, end in ends.items() if not end}
        if ended - self._ended:
            self._reaper.hurry()
        self._ended = ended
        seen = set(ends) - ended, await self._store.paused()
        if seen != self._seen:
            self._seen = seen
            self._monitor.hurry()
