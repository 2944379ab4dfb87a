"""Lists the runs that are asked for, by their records alone."""

from __future__ import annotations

from collections import Counter

from astrum.redis.run_store import RunStore
from astrum.view.run_list import ListedRun, PoolMoment, RunFilter, listed_run

_ALL_AT_ONCE = 500


async def list_runs(store: RunStore, chosen: RunFilter, limit: int | None) -> list[ListedRun]:
    """Return the newest ``limit`` runs (`None`: all) that a filter fits, newest first."""
    pool = await pool_moment(store)
    found: list[ListedRun] = []
    at_once = _ALL_AT_ONCE if limit is None or not chosen.is_empty else limit
    async for info in store.each_run(at_once):
        run = listed_run(info, pool)
        if chosen.is_before(info, pool.now):
            break
        if chosen.fits(run, pool.now):
            found.append(run)
        if limit is not None and len(found) >= limit:
            break
    return found


async def pool_moment(store: RunStore) -> PoolMoment:
    """Return what workers and coordinators say of the runs now."""
    claimed: Counter[str] = Counter()
    for worker in await store.workers():
        claimed.update(row.run_id for row in worker.status.running)
        claimed.update(row.run_id for row in worker.status.waiting)
    coordinators = await store.coordinators()
    led = {(one.owner, run.run_id): run for one in coordinators for run in one.status.leaderships}
    return PoolMoment(now=await store.server_time(), led=led, claimed=claimed)
