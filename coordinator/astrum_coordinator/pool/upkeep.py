"""Renews and ends the lifetimes of values, queues and leases, in each coordinator, for all."""

from __future__ import annotations

import logging
import time

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships

logger = logging.getLogger("astrum.coordinator")

CHECK_EVERY_S = 5.0
LIVES_EVERY_S = 60.0
"""How often the lives of open runs and of queues are looked at; they last for an hour and more."""


class Upkeep(PeriodicService):
    """Prolongs what is in use, shortens what is not, and finishes what a dead coordinator began."""

    name = "upkeep"

    def __init__(self, context: CoordinatorContext, leaderships: Leaderships) -> None:
        super().__init__(CHECK_EVERY_S)
        self._store = context.store
        self._leaderships = leaderships
        self._lives_due = 0.0

    async def pass_once(self) -> None:
        """Do what is due."""
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
            self._lives_due = time.monotonic() + LIVES_EVERY_S

    async def _prolong(self) -> None:
        for leader in self._leaderships:
            try:
                await self._store.prolong(leader.run_id)
            except StoreUnavailableError:
                raise
            except StoreError as error:  # the other runs must not wait for this one
                logger.error("run %s: its keys cannot be prolonged: %s", leader.run_id, error)
