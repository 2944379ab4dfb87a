"""Answers why a run, or a task of it, is as it is."""

from __future__ import annotations

from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.view import Explanation, Look, explain, explain_run
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.snapshots import read_moment
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run


async def why(
    store: RunStore, loader: ReportLoader, run_id: str, task: str | None = None
) -> Explanation:
    """Return why a run is as it is, or a task or child of it; no result is read.

    Raises `RunNotFoundError` and `TaskNotFoundError` with the nearest name.
    """
    info = await found_run(store, run_id)
    follower = await loader.read(run_id, values=None)
    number = None if task is None else number_of(follower.state, task, run_id)
    moment, pool = await read_moment(store, follower, info)
    look = Look(moment, pool)
    with collector_paused():
        return explain_run(look) if number is None else explain(look, number)
