"""Stores large values before the ends that refer to them, without delaying other ends.

A full server refuses large values but accepts ends, and a large value takes long over a slow
connection. Small ends do not wait for either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from astrum.errors import RunNotFoundError, StoreError
from astrum.redis import EntryKey, Settlement, StoredLog, WorkerStore
from astrum.runtime.service import Service
from astrum.values.references import Blob

NEVER = -1


@dataclass(slots=True, eq=False)
class Outgoing:
    """One attempt's end on its way. ``done`` is called once, when it is recorded or fenced.

    ``blob`` is the value that the record refers to; it must be in the store before the record.
    ``stored_at`` counts the suspected losses at the time when it was stored: after another one
    the server may have lost the value. ``log`` is what the attempt logged; it should be in the
    store before the record. ``name`` is that of its task or child, "" if it is not known.
    """

    run_id: str
    key: EntryKey
    settlement: Settlement
    blob: Blob | None
    done: Callable[[], None] | None
    stored_at: int = NEVER
    log: StoredLog | None = None
    name: str = ""

    @property
    def is_done(self) -> bool:
        """True if it was recorded or fenced before: now it is settled again."""
        return self.done is None

    def note_done(self) -> None:
        """Call ``done``, if that has not happened yet."""
        done, self.done = self.done, None
        if done is not None:
            done()

    def note_stored(self, losses: int) -> None:
        """Note that its value was stored after so many suspected losses."""
        self.stored_at = losses

    @property
    def size(self) -> int:
        """The approximate number of bytes that it occupies."""
        size = len(self.settlement.record)
        if self.blob is not None:
            size += len(self.blob.data)
        return size if self.log is None else size + len(self.log.data)


class Storing(Service):
    """Stores one value after another. ``stored`` is called with each end that can be settled."""

    name = "storing values"

    def __init__(self, store: WorkerStore, stored: Callable[[Outgoing], None]) -> None:
        super().__init__()
        self._store = store
        self._stored = stored
        self._queue: deque[Outgoing] = deque()
        self._work = asyncio.Event()

    def waiting(self) -> Iterable[Outgoing]:
        """Return the ends whose values are not stored yet."""
        return self._queue

    def lacks(self, report: Outgoing) -> bool:
        """Return whether the value of an end must be stored, or stored again."""
        return report.blob is not None and report.stored_at != self._store.loss.count

    def add(self, report: Outgoing) -> None:
        """Store the value of an end."""
        self._queue.append(report)
        self._work.set()

    async def run_once(self) -> None:
        """Wait for a value and store it; if the server refuses it, the next one is tried first."""
        await self._work.wait()
        report, losses = self._queue[0], self._store.loss.count
        try:
            await self._store_value(report)
        except StoreError:
            # The next one may be smaller, or of a run whose keys are in order.
            self._queue.rotate(-1)
            raise
        report.note_stored(losses)
        if self.lacks(report):
            return  # the server may have lost it already
        self._queue.popleft()
        if not self._queue:
            self._work.clear()
        self._stored(report)

    async def _store_value(self, report: Outgoing) -> None:
        assert report.blob is not None
        try:
            await self._store.put_blob(report.run_id, report.blob)
        except RunNotFoundError:
            return  # then the settlement is fenced too
        except StoreError:
            if await self._is_awaited(report):
                raise
            # The attempt was settled by others, so its value is not needed.

    async def _is_awaited(self, report: Outgoing) -> bool:
        end = report.settlement
        attempt = (end.task, end.attempt, report.key)
        [is_mine] = await self._store.are_still_held(report.run_id, [attempt])
        return is_mine
