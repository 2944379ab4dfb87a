"""Requests about a run, written to its journal for its leader."""

from __future__ import annotations

from astrum.machine.events import CancelRequested
from astrum.protocol.messages import encode_event
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.waiting import found_run


async def cancel_run(store: RunStore, seal: Seal, run_id: str, reason: str, by: str) -> bool:
    """Ask for a run's end, durably, with or without a leader. ``False`` if it was over already.

    One that waits for its time ends now.
    """
    event = CancelRequested(await store.server_time(), reason, by)
    entry = seal.seal_entry(run_id, encode_event(event))
    asked = await store.append_event(run_id, entry, begins=True)
    if not asked:
        await found_run(store, run_id)  # raises if there is none
    return asked
