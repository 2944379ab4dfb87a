"""Finding a run by its id, and waiting for its end without leading it."""

from __future__ import annotations

import asyncio
import logging

from astrum.errors import RunNotFoundError, StoreUnavailableError, nearest
from astrum.loops import Backoff
from astrum.redis.facts import RunFacts
from astrum.redis.run_store import NEW_ENTRIES, RunStore

logger = logging.getLogger("astrum.coordinator")

NEWS_WITHIN_S = 1.0
"""The end of a run is no journal entry: it is asked for at least this often."""
LEAST_PAUSE_S = 0.2
"""Between two questions, however fast the journal grows."""
_COMPARED = 200


async def found_run(store: RunStore, run_id: str) -> RunFacts:
    """Return what is known of a run; raises `RunNotFoundError`, with the nearest id there is."""
    facts = await store.run_facts(run_id)
    if facts is not None:
        return facts
    known = [run.run_id for run in await store.list_runs(_COMPARED)]
    raise RunNotFoundError(
        f"no run has the id {run_id!r}, or its record has expired{nearest(run_id, known)}"
    )


async def until_over(store: RunStore, run_id: str) -> RunFacts:
    """Wait until the run is over and return what is known of it then.

    A new journal entry is what makes it look again: most runs end just after their last one.
    """
    backoff = Backoff()
    while True:
        try:
            facts = await found_run(store, run_id)
            if not facts.is_open:
                return facts
            await _news(store, run_id)
            backoff.reset()
        except StoreUnavailableError as error:
            logger.warning("waiting for run %s: %s; trying again", run_id, error)
            await backoff.wait()


async def _news(store: RunStore, run_id: str) -> None:
    """Wait for something new in the journal, but not for long."""
    cursors = {run_id: NEW_ENTRIES}
    if await store.read_journal(cursors, block_s=NEWS_WITHIN_S, count=1):
        await asyncio.sleep(LEAST_PAUSE_S)
