"""Reads the result of one task of a run that completed, without the rest of its journal."""

from __future__ import annotations

from astrum.errors import DecodeError
from astrum.protocol.messages import Record
from astrum.protocol.sealing import Seal
from astrum.redis.journals import BEGINNING
from astrum.redis.records import JournalPart
from astrum.redis.run_store import RunStore
from astrum_coordinator.leading.results import NIL
from astrum_coordinator.leading.unknown_rows import UnknownRows

_ENTRIES_PER_READ = 1_000


async def value_of(store: RunStore, seal: Seal, run_id: str, task: int) -> bytes | None:
    """Return the encoded result of a task, `None` if its journal does not show one.

    Of a completed run the latest success of a task counts.
    """
    found, cursor = None, BEGINNING
    rows = UnknownRows(run_id)
    part = JournalPart([], goes_on=True)
    while part.goes_on:
        part = await _read_on(store, seal, run_id, cursor, task)
        for entry in part.entries:
            cursor = entry.entry_id
            try:
                items = seal.open_entry(run_id, entry.data, rows.note)
            except DecodeError:
                continue  # a reader of the whole journal reports it
            for item in items:
                if isinstance(item, Record) and item.task == task and item.gives_result:
                    found = item.value or NIL
    return found


async def _read_on(store: RunStore, seal: Seal, run_id: str, cursor: str, task: int) -> JournalPart:
    if seal.is_on:  # a signature is over the whole
        cursors = {run_id: cursor}
        entries = await store.read_journal(cursors, block_s=None, count=_ENTRIES_PER_READ)
        return JournalPart(entries, goes_on=bool(entries))
    return await store.read_outline(run_id, cursor, task=task)
