"""What keeps runs led: finding those without a leader, and renewing the leases of the others."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from astrum.errors import StoreError
from astrum.machine.state import TaskState
from astrum.redis.run_store import RunStore
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.leader import LeadershipEnd, RunLeader
from astrum_coordinator.led_runs import LedRuns
from astrum_coordinator.service import PeriodicService

logger = logging.getLogger("astrum.coordinator")

RUNS_PER_PASS = 100


class Renewal(PeriodicService):
    """Renews the leases of all runs that are led here."""

    name = "leadership"

    def __init__(self, led: LedRuns, config: CoordinatorConfig) -> None:
        super().__init__(config.renew_every_s)
        self._led = led

    async def run_once(self) -> None:
        """Renew them once."""
        await self._led.renew()


class Adoption(PeriodicService):
    """Adopts every run that nobody leads, and logs what becomes of it.

    A run that cannot be read here is left to others, for good: neither its plan nor the keys of
    this process will change.
    """

    name = "adoption"

    def __init__(self, store: RunStore, led: LedRuns, config: CoordinatorConfig) -> None:
        super().__init__(config.adopt_every_s)
        self._store = store
        self._led = led
        self._unreadable: set[str] = set()

    async def run_once(self) -> None:
        """Look for runs once."""
        found = await self._store.orphans(RUNS_PER_PASS + len(self._unreadable))
        self._unreadable.intersection_update(found)
        for run_id in found:
            if run_id not in self._unreadable and self._led.get(run_id) is None:
                await self._adopt(run_id)

    async def _adopt(self, run_id: str) -> None:
        try:
            leader = await self._led.adopt(run_id)
        except StoreError:
            raise
        except Exception as error:  # whatever it is, the other runs must not suffer from it
            logger.error("run %s cannot be led from here and is left to others: %s", run_id, error)
            self._unreadable.add(run_id)
            return
        if leader is not None:
            how = "resumed" if leader.has_history else "started"
            logger.info("run %s is %s here, epoch %d", run_id, how, leader.epoch)
            leader.ended.add_done_callback(partial(_tell_end, leader))


def _tell_end(leader: RunLeader, ended: asyncio.Future[LeadershipEnd]) -> None:
    how = ended.result()
    if how is LeadershipEnd.FINISHED:
        states = leader.state.states
        logger.info(
            "run %s is %s after %.1f s: %d of %d tasks succeeded",
            leader.run_id,
            leader.state.finished or "over, ended by another coordinator",
            leader.age_s,
            states.count(TaskState.SUCCEEDED),
            len(states),
        )
    elif how is LeadershipEnd.VANISHED:
        logger.error(
            "run %s: its record has vanished from Redis (was the database flushed or replaced?); "
            "it is given up",
            leader.run_id,
        )
    else:
        logger.info("run %s is not led here any more: %s", leader.run_id, how.value)
