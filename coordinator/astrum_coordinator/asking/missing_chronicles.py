"""Makes the chronicles that coordinators left unmade which died, or closed, before they could."""

from __future__ import annotations

import asyncio
import logging

from astrum.errors import AstrumError, StoreUnavailableError
from astrum.runtime.service import PeriodicService
from astrum.view.report.chronicle import unkept_text
from astrum_coordinator.asking.chronicles import SHARE, SMALL_RUN_TASKS, Chronicles
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.context import CoordinatorContext

logger = logging.getLogger("astrum.coordinator")

LOOK_EVERY_S = 15.0
FIRST_LOOK_S = 24 * 3600.0
"""How far the first look goes back: as long as ended runs are kept by default."""
OVERLAP_S = 120.0
"""How far each further look goes back before the last one: a leader may die some time after the
end of a run, while its chronicle waits its turn."""
MAX_LOOKED, MAX_MADE = 2_000, 100
"""Of how many ended runs, the newest, a look sees whether they have a chronicle, and how many
chronicles it makes."""


class MissingChronicles(PeriodicService):
    """Makes chronicles of ended runs whose leader is gone, from their records.

    A live leader makes those of its runs itself, or leaves them out. Two coordinators may make the
    same one; that does no harm.
    """

    name = "missing chronicles"

    def __init__(
        self, context: CoordinatorContext, chronicles: Chronicles, reports: ReportLoader
    ) -> None:
        super().__init__(LOOK_EVERY_S)
        self._context = context
        self._chronicles = chronicles
        self._reports = reports
        self._looked_at: float | None = None

    async def pass_once(self) -> None:
        """Look once, and make what is missing."""
        if not self._context.config.history_s:
            return
        store = self._context.store
        live = {one.owner for one in await store.coordinators()} | {self._context.owner}
        now = await store.server_time()
        begin = now - FIRST_LOOK_S if self._looked_at is None else self._looked_at - OVERLAP_S
        found = await store.without_chronicle(begin, now, MAX_LOOKED)
        self._looked_at = now
        missing = [one.run_id for one in found if one.owner not in live]
        for run_id in missing[:MAX_MADE]:
            await self._make(run_id)

    async def _make(self, run_id: str) -> None:
        try:
            pause_s = await self._made(run_id)
        except StoreUnavailableError:
            raise
        except AstrumError as error:
            logger.info("run %s: its chronicle could not be made: %s", run_id, error)
        else:
            await asyncio.sleep(pause_s)

    async def _made(self, run_id: str) -> float:
        """Make a chronicle, and return for how long to pause for its cost."""
        info = await self._context.store.run_info(run_id)
        if info is None or (info.counts is not None and unkept_text(info.counts.total)):
            return 0.0
        run = await self._reports.read(run_id, values=None)
        run.state.conclude()
        cost_s = await self._chronicles.keep(run.state, info)
        logger.info("run %s: its chronicle was missing and is made", run_id)
        return cost_s / SHARE if len(run.state.states) < SMALL_RUN_TASKS else 0.0
