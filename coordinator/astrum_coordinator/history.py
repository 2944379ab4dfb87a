"""What a run's journal tells to somebody who only reads: for reports, and to follow a run."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from astrum.errors import DecodeError
from astrum.machine.events import AttemptFoundOutstanding, Command, Dispatch, Event, Outcome
from astrum.machine.observer import RunObserver
from astrum.machine.state import RunState
from astrum.planning.plan import Plan
from astrum.redis.run_store import BEGINNING, RunStore
from astrum.wire.messages import Record, event_of
from astrum.wire.sealing import Seal
from astrum_coordinator.results import NIL

logger = logging.getLogger("astrum.coordinator")

_ENTRIES_PER_READ = 1_000


class RunHistory:
    """A run's state and encoded results (in plan order) as far as its journal was read.

    ``observer`` is told of the state as it is when it was read first, and of all facts after
    that, as if they were taken in here.
    """

    def __init__(
        self, run_id: str, plan: Plan, seal: Seal, *, observer: RunObserver | None = None
    ) -> None:
        self.state = RunState(plan, run_key=run_id)
        self.results: list[bytes | None] = [None] * len(plan.tasks)
        self._run_id = run_id
        self._seal = seal
        self._observer = observer
        self._is_told = False
        self._cursor = BEGINNING

    async def catch_up(self, store: RunStore) -> None:
        """Read what is new in the journal, and what is outstanding now."""
        while entries := await store.read_journal(
            {self._run_id: self._cursor}, block_s=None, count=_ENTRIES_PER_READ
        ):
            for entry in entries:
                self._cursor = entry.entry_id
                self._take_in(entry.data, entry.recorded_at)
        for task, found in (await store.outstanding(self._run_id)).items():
            self._find(task, found.attempt)
        if self._observer is not None and not self._is_told:
            self._is_told = True
            self._observer.observe(self.state, None, ())

    def _take_in(self, data: bytes, recorded_at: float) -> None:
        try:
            items = self._seal.open_entry(self._run_id, data)
        except DecodeError as error:
            logger.warning("run %s: a journal entry is ignored: %s", self._run_id, error)
            return
        for item in items:
            if isinstance(item, Record):
                self._keep(item)
                self._find(item.task, item.attempt)
            event = event_of(item, recorded_at)
            self.state.handle(event)
            self._tell(event)

    def _find(self, task: int, attempt: int) -> None:
        """Take in that an attempt was dispatched; of most only their end tells."""
        known = self.state.outstanding_count
        event = AttemptFoundOutstanding(task, attempt)
        self.state.handle(event)
        if self.state.outstanding_count > known:
            self._tell(event, [Dispatch(task, attempt, skipped=self.state.skipped(task))])

    def _tell(self, event: Event, commands: Sequence[Command] = ()) -> None:
        if self._observer is not None and self._is_told:
            self._observer.observe(self.state, event, commands)

    def _keep(self, record: Record) -> None:
        if record.outcome is Outcome.SUCCEEDED and 0 <= record.task < len(self.results):
            self.results[record.task] = record.value or NIL
