"""Reads the result of one task of a run that completed, without the rest of its journal."""

from __future__ import annotations

from astrum.errors import DecodeError
from astrum.protocol.messages import Record
from astrum.protocol.sealing import Seal
from astrum.redis.journals import BEGINNING
from astrum.redis.records import JournalEntry
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
    while entries := await _entries(store, seal, run_id, cursor, task):
        cursor = entries[-1].entry_id
        for entry in entries:
            try:
                items = seal.open_entry(run_id, entry.data, rows.note)
            except DecodeError:
                continue  # a reader of the whole journal reports it
            for item in items:
                if isinstance(item, Record) and item.task == task and item.gives_result:
                    found = item.value or NIL
    return found


async def _entries(
    store: RunStore, seal: Seal, run_id: str, cursor: str, task: int
) -> list[JournalEntry]:
    if seal.is_on:  # a signature is over the whole
        return await store.read_journal({run_id: cursor}, block_s=None, count=_ENTRIES_PER_READ)
    return await store.read_outline(run_id, cursor, task=task)
