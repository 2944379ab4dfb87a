"""Makes the chronicles that coordinators left unmade which died, or closed, before they could."""

from __future__ import annotations

import asyncio
import logging
import random

from astrum.errors import AstrumError, StoreUnavailableError
from astrum.runtime.service import PeriodicService
from astrum.view.report.chronicle import unkept_text
from astrum_coordinator.asking.chronicles import SHARE, SMALL_RUN_TASKS, Chronicles
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.context import CoordinatorContext

logger = logging.getLogger("astrum.coordinator")

LOOK_EVERY_S = 4.0
"""Less than what a coordinator says of itself lives, so that none comes and goes unseen."""
FIRST_LOOK_S = 24 * 3600.0
"""How far the first search goes back: as long as ended runs are kept by default."""
OVERLAP_S = 120.0
"""How far each further search goes back before the last one: runs that a coordinator had just ended
then may have waited for their chronicles."""
MAX_SEARCHED, MAX_MADE = 10_000, 1_000
"""How many ended runs, the newest, a search looks at, and how many chronicles it makes."""


class MissingChronicles(PeriodicService):
    """Makes chronicles of ended runs whose leader is gone, from their records.

    It searches at its start, and when a coordinator has gone. A live leader makes those of its runs
    itself, or leaves them out. Two coordinators may make the same one; that does no harm.
    """

    name = "missing chronicles"

    def __init__(
        self, context: CoordinatorContext, chronicles: Chronicles, reports: ReportLoader
    ) -> None:
        super().__init__(LOOK_EVERY_S)
        self._context = context
        self._chronicles = chronicles
        self._reports = reports
        self._searched_at: float | None = None
        self._known: frozenset[str] = frozenset()

    async def pass_once(self) -> None:
        """See which coordinators live, and if one has gone, make what it left unmade."""
        if not self._context.config.history_s:
            return
        live = await self._context.store.live_coordinators()
        if self._searched_at is None or not self._known <= live:
            await self._search(live)
        self._known = live

    async def _search(self, live: frozenset[str]) -> None:
        store = self._context.store
        now, last = await store.server_time(), self._searched_at
        begin = now - FIRST_LOOK_S if last is None else last - OVERLAP_S
        found = await store.without_chronicle(begin, now, MAX_SEARCHED)
        owners = live | {self._context.owner}
        missing = [one.run_id for one in found if one.owner not in owners][:MAX_MADE]
        random.shuffle(missing)  # other coordinators make them too, in other orders
        for run_id in missing:
            await self._make(run_id)
        self._searched_at = now

    async def _make(self, run_id: str) -> None:
        try:
            pause_s = await self._made(run_id)
        except StoreUnavailableError:
            raise
        except AstrumError as error:
            logger.info("run %s: its chronicle could not be made: %s", run_id, error)
        except Exception:  # else the search would be made again and again
            logger.exception("run %s: its chronicle could not be made", run_id)
        else:
            await asyncio.sleep(pause_s)

    async def _made(self, run_id: str) -> float:
        """Make a chronicle, and return for how long to pause for its cost."""
        store = self._context.store
        info = await store.run_info(run_id) if await store.unkept([run_id]) else None
        if info is None or (info.counts is not None and unkept_text(info.counts.total)):
            return 0.0
        run = await self._reports.read(run_id, values=None)
        run.state.conclude()
        cost_s = await self._chronicles.keep(run.state, info)
        logger.info("run %s: its chronicle was missing and is made", run_id)
        return cost_s / SHARE if len(run.state.states) < SMALL_RUN_TASKS else 0.0
