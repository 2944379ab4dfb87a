"""Renews and ends the lifetimes of values, queues and leases, for all runs of the pool."""

from __future__ import annotations

import logging
import time

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships

logger = logging.getLogger("astrum.coordinator")

CHECK_EVERY_S = 5.0
LIVES_EVERY_S = 600.0
"""Seconds between two renewals; open runs and queues live for an hour or more."""


class Upkeep(PeriodicService):
    """Prolongs keys in use, shortens others, and finishes what a dead coordinator began."""

    name = "upkeep"

    def __init__(self, context: CoordinatorContext, leaderships: Leaderships) -> None:
        super().__init__(CHECK_EVERY_S)
        self._store = context.store
        self._leaderships = leaderships
        self._lives_due = 0.0

    async def pass_once(self) -> None:
        """Run the steps that are due."""
        healed = await self._store.heal_leases()
        if healed:
            logger.warning(
                "the server's clock has gone back: %d leases that would have ended too late end "
                "in time now",
                healed,
            )
        for run_id in await self._store.untidied():
            await self._store.tidy(run_id)
        if time.monotonic() >= self._lives_due:
            await self._prolong()
            await self._store.keep_queues()
            await self._store.keep_pauses()
            self._lives_due = time.monotonic() + LIVES_EVERY_S

    async def _prolong(self) -> None:
        for leader in self._leaderships:
            try:
                await self._store.prolong(leader.run_id)
            except StoreUnavailableError:
                raise
            except StoreError as error:  # the other runs must not wait for it
                logger.error("run %s: its keys cannot be prolonged: %s", leader.run_id, error)
