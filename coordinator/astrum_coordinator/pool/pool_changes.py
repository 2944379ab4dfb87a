"""Notices soon that workers came, or that operators paused or unpaused something."""

from __future__ import annotations

from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.pool.pool_monitor import PoolMonitor

CHECK_EVERY_S = 1.0


class PoolChanges(PeriodicService):
    """Asks cheaply for what changes the routes of runs, and lets the monitor look at once then.

    A look reads the record of every worker, so it cannot be made as often.
    """

    name = "pool changes"

    def __init__(
        self, context: CoordinatorContext, leaderships: Leaderships, monitor: PoolMonitor
    ) -> None:
        super().__init__(CHECK_EVERY_S)
        self._store = context.store
        self._leaderships = leaderships
        self._monitor = monitor
        self._seen: object = None

    async def pass_once(self) -> None:
        """Ask once, if any run is led here."""
        if not len(self._leaderships):
            return
        seen = await self._store.worker_ids(), await self._store.paused()
        if seen != self._seen:
            self._seen = seen
            self._monitor.hurry()
