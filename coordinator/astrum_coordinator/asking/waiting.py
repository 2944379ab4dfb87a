"""Finds a run by its id, and waits for its end without leading it."""

from __future__ import annotations

import asyncio
import logging
import time

from astrum.errors import RunNotFoundError, StoreUnavailableError, nearest
from astrum.protocol.records import RunInfo
from astrum.redis.run_store import NEW_ENTRIES, RunStore
from astrum.runtime.loops import Backoff

logger = logging.getLogger("astrum.coordinator")

NEWS_WITHIN_S = 1.0
"""The longest pause between two checks: the end of a run is not a journal entry."""
LEAST_PAUSE_S = 0.2
"""The shortest pause between two checks, even if the journal grows fast."""
UNLED_NOTICE_S = 5.0
"""Seconds that a run may have no leader before a warning; `serve` adopts it within seconds."""
_COMPARED = 200


async def found_run(store: RunStore, run_id: str) -> RunInfo:
    """Return the information on a run; raises `RunNotFoundError` with the nearest id there is."""
    info = await store.run_info(run_id)
    if info is not None:
        return info
    known = [run.run_id for run in await store.list_runs(_COMPARED)]
    raise RunNotFoundError(
        f"no run has the id {run_id!r}, or its record has expired{nearest(run_id, known)}"
    )


async def until_over(
    store: RunStore, run_id: str, *, unled_notice_s: float = UNLED_NOTICE_S
) -> RunInfo:
    """Wait until the run is over and return the information on it.

    A new journal entry starts the next check: most runs end just after their last entry. Warns
    if the run has no leader for ``unled_notice_s``.
    """
    backoff, leaders = Backoff(), _Leaders(run_id, unled_notice_s)
    while True:
        try:
            info = await found_run(store, run_id)
            if not info.is_open:
                return info
            leaders.look(is_led=info.lease_s > 0, now=time.monotonic())
            await _news(store, run_id)
            backoff.reset()
        except StoreUnavailableError as error:
            logger.warning("waiting for run %s: %s; trying again", run_id, error)
            await backoff.wait()


class _Leaders:
    """Warns once per absence of a leader that lasts too long."""

    def __init__(self, run_id: str, notice_s: float) -> None:
        self._run_id = run_id
        self._notice_s = notice_s
        self._unled_since: float | None = None
        self._is_noted = False

    def look(self, *, is_led: bool, now: float) -> None:
        """Note whether the run has a leader at the monotonic time ``now``."""
        if is_led:
            self._unled_since, self._is_noted = None, False
            return
        if self._unled_since is None:
            self._unled_since = now
        if now - self._unled_since >= self._notice_s and not self._is_noted:
            self._is_noted = True
            logger.warning(
                "run %s waits: no coordinator leads it; start `astrum-coordinator serve`, or "
                "lead it by `resume %s`",
                self._run_id,
                self._run_id,
            )


async def _news(store: RunStore, run_id: str) -> None:
    """Wait, for a short time at most, for a new journal entry."""
    cursors = {run_id: NEW_ENTRIES}
    if await store.read_journal(cursors, block_s=NEWS_WITHIN_S, count=1):
        await asyncio.sleep(LEAST_PAUSE_S)
