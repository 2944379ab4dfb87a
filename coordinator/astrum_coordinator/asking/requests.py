"""Requests about a run, written to its journal for its leader."""

from __future__ import annotations

from astrum.machine.events import CancelRequested, CleanupStopped
from astrum.protocol.messages import encode_event
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.waiting import found_run


async def cancel_run(
    store: RunStore, seal: Seal, run_id: str, reason: str, by: str, *, now: bool = False
) -> bool:
    """Ask for a run's end, durably, with or without a leader. ``False`` if it was over already.

    One that waits for its time ends now. With ``now`` no task cleans up, and those that do so are
    ended, also in a run that is stopping.
    """
    at = await store.server_time()
    rows = [encode_event(CancelRequested(at, reason, by))]
    if now:
        rows.append(encode_event(CleanupStopped(at, _why(reason, by), by)))
    asked = await store.append_event(run_id, seal.seal_entry(run_id, *rows), begins=True)
    if not asked:
        await found_run(store, run_id)  # raises if there is none
    return asked


def _why(reason: str, by: str) -> str:
    who = f" by {by}" if by else ""
    return f"the tasks that clean up (always=True) were ended{who}{reason and ': '}{reason}"
