"""Answers why a run, or a task of it, is as it is."""

from __future__ import annotations

from astrum.errors import RunExpiredError
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.view import Explanation, Look, explain, explain_run
from astrum.view.report.past_why import explain_past
from astrum_coordinator.asking.past_runs import read_chronicle
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.snapshots import read_moment
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run


async def why(
    store: RunStore, seal: Seal, loader: ReportLoader, run_id: str, task: str | None = None
) -> Explanation:
    """Return why a run is as it is, or a task or child of it; no result is read.

    Of a run whose record has expired it is what its chronicle holds. Raises `RunNotFoundError` and
    `TaskNotFoundError` with the nearest name, and `DecodeError` for a damaged chronicle.
    """
    try:
        info = await found_run(store, run_id)
    except RunExpiredError:
        chronicle = await read_chronicle(store, seal, run_id)
        if chronicle is None:  # it has expired meanwhile
            raise
        return explain_past(chronicle, task, await store.server_time())
    follower = await loader.read(run_id, values=None)
    number = None if task is None else number_of(follower.state, task, run_id)
    moment, pool = await read_moment(store, follower, info)
    look = Look(moment, pool)
    with collector_paused():
        return explain_run(look) if number is None else explain(look, number)
