"""Reads a run's journal without leading the run: for reports, and to follow a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from astrum.errors import DecodeError, StoreConfigurationError
from astrum.execution.child_names import ChildNames
from astrum.execution.run_log import guarded
from astrum.machine.events import (
    AttemptFoundOutstanding,
    Command,
    Dispatch,
    Event,
    Released,
    Reopened,
)
from astrum.machine.observer import RunObserver
from astrum.machine.state import RunState
from astrum.machine.task_state import SUCCEEDED
from astrum.protocol.messages import Record, event_of
from astrum.protocol.records import Outstanding
from astrum.protocol.sealing import Seal
from astrum.redis.entries import is_after
from astrum.redis.journals import BEGINNING
from astrum.redis.records import JournalEntry
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum_coordinator.fetching import learn_names
from astrum_coordinator.leading.results import NIL
from astrum_coordinator.leading.unknown_rows import UnknownRows
from astrum_coordinator.stored_runs import StoredRun

logger = logging.getLogger("astrum.coordinator")

EVERY = -1
"""In place of a task's number: the results of all tasks."""
_ENTRIES_PER_READ = 1_000


class RunFollower:
    """A run's state and encoded results (by task number) as far as its journal was read.

    ``observer`` is called with the state after the first read, then with every event, as a
    leader calls it. ``values`` says whose results are kept, `EVERY` or the number of a task.
    Without it none is kept, and `catch_up` reads only those with keys that name children. It
    reads all of a signed journal, whose signatures cover the whole. ``outstanding`` are the
    attempts that were outstanding at the last `catch_up`, by task number. ``has_news`` says
    whether the journal was read further since. ``on_unread_names`` is called when `learn_names` is
    needed, as big values have come that name children.
    """

    def __init__(
        self,
        run_id: str,
        stored: StoredRun,
        seal: Seal,
        *,
        observer: RunObserver | None = None,
        values: int | None = EVERY,
    ) -> None:
        with collector_paused():
            self.state = RunState(stored.plan, run_key=run_id, lengths=stored.lengths)
        self.results: dict[int, bytes] = {}
        self.outstanding: dict[int, Outstanding] = {}
        self._values = values
        self._names = ChildNames(self.state.tasks)
        self._names.note_inputs(stored.header.inputs)
        alone = self._names.owners if values is None else self._names.owners | {values}
        # Which children return lists with keys is not known before the journal is read.
        is_outline_enough = self._names.owners.isdisjoint(self.state.tasks.roots)
        self._reads_whole = seal.is_on or values == EVERY or not is_outline_enough
        self._read_alone = sorted(alone)
        self.run_id = run_id
        self.cursor = BEGINNING
        self.has_news = False
        self.on_unread_names: Callable[[], None] | None = None
        self._seal = seal
        self._unknown_rows = UnknownRows(run_id)
        self._observer = None if observer is None else guarded(observer)
        self._is_notified = False

    async def catch_up(self, store: RunStore) -> None:
        """Read the new journal entries, and the attempts that are outstanding now."""
        while entries := await self._next_entries(store):
            for entry in entries:
                self.take_in((entry,))
                await self.learn_names(store)  # before what follows them in the journal
        await self.learn_names(store)
        self.has_news = False
        self.outstanding = await store.outstanding(self.run_id)
        for task, found in self.outstanding.items():
            self._find(task, found.attempt)
        if self._observer is not None and not self._is_notified:
            self._is_notified = True
            self._observer.observe(self.state, None, ())

    @property
    def has_unread_names(self) -> bool:
        """Whether keys of children are in big values that `learn_names` has not read yet."""
        return self._names.has_unread

    async def learn_names(self, store: RunStore) -> None:
        """Read the big values that have the keys of children; raises `StoreError` kinds."""
        if self._names.has_unread:
            await learn_names(self._names, self.run_id, store)

    def take_in(self, entries: Sequence[JournalEntry]) -> None:
        """Handle journal entries in their order; entries seen before are ignored."""
        for entry in entries:
            if is_after(entry.entry_id, self.cursor):
                self.cursor, self.has_news = entry.entry_id, True
                self._take_in_entry(entry.data, entry.recorded_at)
        if self._names.has_unread and self.on_unread_names is not None:
            self.on_unread_names()

    def give_up(self, error: Exception) -> None:
        """Stop following: the journal cannot be read. The end of the run is noticed anyway."""
        logger.warning("run %s cannot be followed: %s", self.run_id, error)

    async def _next_entries(self, store: RunStore) -> list[JournalEntry]:
        if not self._reads_whole:
            try:
                part = await store.read_outline(self.run_id, self.cursor, tasks=self._read_alone)
                return part.entries
            except StoreConfigurationError as error:  # for example access rules of an older version
                logger.debug("run %s: its journal is read whole: %s", self.run_id, error)
                self._reads_whole = True
        cursors = {self.run_id: self.cursor}
        return await store.read_journal(cursors, block_s=None, count=_ENTRIES_PER_READ)

    def _take_in_entry(self, data: bytes, recorded_at: float) -> None:
        try:
            items = self._seal.open_entry(self.run_id, data, self._unknown_rows.note)
        except DecodeError as error:
            logger.warning("run %s: a journal entry is ignored: %s", self.run_id, error)
            return
        for item in items:
            if isinstance(item, Record):
                self._keep(item)
                if item.attempt:
                    self._find(item.task, item.attempt)
            elif isinstance(item, Released):
                self._keep_given(item)
            event = event_of(item, recorded_at)
            self.state.handle(event)
            if isinstance(event, Reopened):
                self._forget_what_runs_again()
            self._notify(event)

    def _forget_what_runs_again(self) -> None:
        states = self.state.states
        self.results = {t: data for t, data in self.results.items() if states[t] == SUCCEEDED}

    def _find(self, task: int, attempt: int) -> None:
        """Add the dispatch of an attempt whose journal record is the first trace of it."""
        known = self.state.outstanding_count
        event = AttemptFoundOutstanding(task, attempt)
        self.state.handle(event)
        if self.state.outstanding_count > known:
            self._notify(event, [Dispatch(task, attempt, never_began=self.state.skipped(task))])

    def _notify(self, event: Event, commands: Sequence[Command] = ()) -> None:
        if self._observer is not None and self._is_notified:
            self._observer.observe(self.state, event, commands)

    def _keep(self, record: Record) -> None:
        if record.gives_result and 0 <= record.task < len(self.state.tasks):
            self._keep_result(record.task, record.value or NIL)

    def _keep_given(self, released: Released) -> None:
        if self.state.takes_result_of(released):
            self._keep_result(released.task, released.value or NIL)

    def _keep_result(self, task: int, value: bytes) -> None:
        if self._values in (EVERY, task):
            self.results[task] = value
        self._names.note(task, value)


async def read_run(
    store: RunStore, seal: Seal, run_id: str, stored: StoredRun, *, values: int | None = None
) -> RunFollower:
    """Return a run as far as it is now; ``values`` as in `RunFollower`."""
    run = RunFollower(run_id, stored, seal, values=values)
    await run.catch_up(store)
    return run
