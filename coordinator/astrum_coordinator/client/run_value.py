"""Reads the result of one task of a run that completed, without the rest of its journal."""

from __future__ import annotations

from astrum.errors import DecodeError
from astrum.machine.events import Outcome, Released
from astrum.protocol.messages import LeaderEvent, Record
from astrum.protocol.sealing import Seal
from astrum.redis.journals import BEGINNING
from astrum.redis.records import JournalPart
from astrum.redis.run_store import RunStore
from astrum_coordinator.leading.results import NIL
from astrum_coordinator.leading.unknown_rows import UnknownRows

_ENTRIES_PER_READ = 1_000


async def value_of(store: RunStore, seal: Seal, run_id: str, task: int) -> bytes | None:
    """Return the encoded result of a task, `None` if its journal does not show one.

    Of a completed run the latest success of a task counts: that of an attempt, or the value that a
    person gave it while it was held.
    """
    found, cursor = _Value(task), BEGINNING
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
                found.take_in(item)
    return found.data


class _Value:
    """The latest result of a task in the part of a journal that was read."""

    def __init__(self, task: int) -> None:
        self.data: bytes | None = None
        self._task = task
        self._is_held = False

    def take_in(self, item: Record | LeaderEvent) -> None:
        """Note the end of an attempt of the task, or what became of it while it was held."""
        if not isinstance(item, (Record, Released)) or item.task != self._task:
            return
        if isinstance(item, Record):
            self._is_held = item.outcome is Outcome.LOST
            if item.gives_result:
                self.data = item.value or NIL
        elif self._is_held:  # a second release is ignored
            self._is_held = False
            if item.how == "succeed":
                self.data = item.value or NIL


async def _read_on(store: RunStore, seal: Seal, run_id: str, cursor: str, task: int) -> JournalPart:
    if seal.is_on:  # a signature is over the whole
        cursors = {run_id: cursor}
        entries = await store.read_journal(cursors, block_s=None, count=_ENTRIES_PER_READ)
        return JournalPart(entries, goes_on=bool(entries))
    return await store.read_outline(run_id, cursor, tasks=(task,))
