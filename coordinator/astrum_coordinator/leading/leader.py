"""Leads one run: the distributed host of `RunState`.

Events come from the run's journal and nowhere else, so what this leader knows is what the next
one will know. Commands go out through the `Dispatcher`. A leader that was deposed may only read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from enum import StrEnum
from typing import Any

from astrum.errors import (
    DecodeError,
    LeadershipLostError,
    RunNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from astrum.execution.run_log import guarded
from astrum.machine.events import (
    AttemptFoundOutstanding,
    AttemptWithdrawn,
    CapacityChanged,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunTimedOut,
    ScheduleRetry,
)
from astrum.machine.observer import RunObserver
from astrum.machine.state import RunState
from astrum.planning.plan import Plan
from astrum.protocol.messages import (
    LeaderEvent,
    Record,
    encode_event,
    encode_record,
)
from astrum.protocol.records import Outstanding, RunInfo
from astrum.protocol.sealing import Seal
from astrum.redis.records import JournalEntry
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.runtime.loops import Backoff, end_task
from astrum_coordinator.config import LEAST_OUTSTANDING, CoordinatorConfig
from astrum_coordinator.leading.dispatcher import Dispatcher, Entry, Revocation, Stream
from astrum_coordinator.leading.results import NIL, Results
from astrum_coordinator.leading.unsigned_ends import UnsignedEnds

logger = logging.getLogger("astrum.coordinator")

TIMEOUT_DETAIL = "timeout_s"


class LeadershipEnd(StrEnum):
    """Why this process does not lead a run any more."""

    FINISHED = "finished"
    DEPOSED = "deposed"
    VANISHED = "vanished"
    RELEASED = "released"
    UNREADABLE = "unreadable"


class RunLeader:
    """One run that this process leads, under the epoch it was granted."""

    def __init__(
        self,
        store: RunStore,
        info: RunInfo,
        plan: Plan,
        epoch: int,
        config: CoordinatorConfig,
        seal: Seal,
        *,
        observer: RunObserver | None = None,
    ) -> None:
        self.run_id = info.run_id
        self.info = info
        self.plan = plan
        self.epoch = epoch
        self.cursor = "0-0"
        self.ended: asyncio.Future[LeadershipEnd] = asyncio.get_running_loop().create_future()
        self._store = store
        self._config = config
        self._seal = seal
        self._observers = [] if observer is None else [guarded(observer)]
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._finishing: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()
        self._is_in_doubt = False
        self._doubts = Backoff()
        self._capacity = config.outstanding_limit or LEAST_OUTSTANDING
        self._server_offset_s = 0.0
        self._unserved = ""
        self._begun = False
        self._forget()

    @property
    def has_history(self) -> bool:
        """Whether the run had begun before this process led it."""
        return self._begun

    @property
    def age_s(self) -> float:
        """Seconds since the run was created."""
        return max(self._server_now() - self.info.created_at, 0.0)

    # --- life ---------------------------------------------------------------------------

    async def open(self) -> None:
        """Read the run's history and send the commands that follow from it.

        Called on adoption, and again when Redis may have lost what this process believes. Goes on
        trying while the server does not answer: a run that is led must be acted for.
        """
        backoff = Backoff()
        async with self._opening:
            while not self.ended.done():
                try:
                    await self._open()
                except StoreUnavailableError as error:
                    logger.warning("run %s: %s; reading the run again", self.run_id, error)
                    await backoff.wait()
                else:
                    break
        self._settled_already()

    async def _open(self) -> None:
        await self._stop_acting()
        self._forget()
        self._server_offset_s = await self._store.server_time() - time.monotonic()
        # Read before the journal: an attempt that ends between the two reads is then in the
        # journal. In the other order it would be in neither, and seem never to have been made.
        found = await self._store.outstanding(self.run_id)
        await self._replay()
        self._restore_outstanding(found)
        self._begun = self.cursor != "0-0" or bool(found)
        if self.ended.done():
            return
        self._arm_run_timeout()
        self._dispatcher.start()
        self._obey(None, self.state.start())

    def _restore_outstanding(self, found: Mapping[int, Outstanding]) -> None:
        """Take in which attempts an earlier leader, or this one, has out."""
        for task, (attempt, _) in found.items():
            self.state.handle(AttemptFoundOutstanding(task, attempt))
        for task, attempt in self.state.outstanding():
            stream = self._dispatcher.lane_of(self.plan.tasks[task], self.state.is_exclusive(task))
            place = (found[task].entry_id, stream, time.monotonic())
            self._dispatcher.entries[task] = Entry(attempt, *place)

    async def close(self) -> None:
        """Stop all work on the run; its state in Redis does not change."""
        for job in list(self._background):
            await end_task(job)
        await self._stop_acting()

    async def _stop_acting(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        finishing, self._finishing = self._finishing, None
        if finishing is not None:
            await end_task(finishing)
        await self._dispatcher.stop()

    def attach(self, observer: RunObserver) -> None:
        """Add an observer; it is called with the current state, then with every event."""
        self._observers.append(guarded(observer))
        self._observers[-1].observe(self.state, None, ())

    def end(self, how: LeadershipEnd) -> None:
        """Note that this process does not lead the run any more."""
        if not self.ended.done():
            self.ended.set_result(how)

    def give_up(self, error: Exception) -> None:
        """Lead the run no more: something of it cannot be read."""
        if not self.ended.done():
            logger.error("run %s is given up here: %s", self.run_id, error)
            self.end(LeadershipEnd.UNREADABLE)

    def _forget(self) -> None:
        self.cursor = "0-0"
        self._unsigned_ends = UnsignedEnds()
        with collector_paused():
            self.state = RunState(self.plan, run_key=self.run_id, capacity=self._capacity)
        self.results = Results(self.state.tasks, self._config.max_argument_bytes)
        self._dispatcher = Dispatcher(
            self._store,
            self.run_id,
            self.epoch,
            self.plan,
            self.results,
            self._config,
            self._seal,
            deposed=lambda: self.end(LeadershipEnd.DEPOSED),
            vanished=lambda: self.end(LeadershipEnd.VANISHED),
            misled=self._reread,
            undone=self._on_withdrawn,
            settled_already=self._settled_already,
        )

    async def _replay(self) -> None:
        while True:
            entries = await self._store.read_journal(
                {self.run_id: self.cursor}, block_s=None, count=1_000
            )
            if not entries:
                return
            self._read(entries)

    def _arm_run_timeout(self) -> None:
        limit_s = self.info.duration(TIMEOUT_DETAIL)
        if limit_s is None or self.state.stopping:
            return
        # Never longer than the limit: the server's clock may have been set since.
        left_s = min(max(self.info.created_at + limit_s - self._server_now(), 0.0), limit_s)
        loop = asyncio.get_running_loop()
        self._timers[-1] = loop.call_later(left_s, self._on_run_timeout, limit_s)

    def _on_run_timeout(self, limit_s: float) -> None:
        self.journal(RunTimedOut(self._server_now(), limit_s, self._unserved))

    def note_unserved(self, text: str) -> None:
        """Remember which tasks no worker serves, "" if all are served, for the run's timeout."""
        self._unserved = text

    def _server_now(self) -> float:
        return time.monotonic() + self._server_offset_s

    # --- events in ----------------------------------------------------------------------

    def take_in(self, entries: Sequence[JournalEntry]) -> None:
        """Handle journal entries in their order; entries seen before are ignored.

        After an error, of whatever kind, the run is read again: what is left of the journal must
        not be missing in what this leader knows.
        """
        try:
            self._read(entries)
        except Exception:
            logger.exception("run %s: its journal could not be processed", self.run_id)
            self._reread()

    def _read(self, entries: Sequence[JournalEntry]) -> None:
        for entry in entries:
            if _position(entry.entry_id) <= _position(self.cursor):
                continue
            self.cursor = entry.entry_id
            for item in self._items(entry):
                self._take_in_item(item, entry.recorded_at)

    def _items(self, entry: JournalEntry) -> list[Record | LeaderEvent]:
        try:
            return self._seal.open_entry(self.run_id, entry.data)
        except DecodeError as error:
            logger.error(
                "run %s: journal entry %s is ignored: %s", self.run_id, entry.entry_id, error
            )
            self._unsigned_ends.note(entry.data, self.state)
            self._settled_already()
            return []

    def _settled_already(self) -> None:
        if len(self._unsigned_ends) and not self._opening.locked():
            self._spawn(self._settle_unsigned_ends())

    async def _settle_unsigned_ends(self) -> None:
        try:
            ends = await self._unsigned_ends.replacements(self._store, self.run_id, self.state)
        except StoreUnavailableError:
            self._reread()
            return
        for record in ends:
            await self._append(encode_record(record))

    def _take_in_item(self, item: Record | LeaderEvent, recorded_at: float) -> None:
        if not isinstance(item, Record):
            self._take_in(item)
            return
        task = item.task
        if item.outcome is Outcome.SUCCEEDED and 0 <= task < len(self.state.tasks):
            self.results.keep(task, item.value or NIL)
        self._dispatcher.settled(task)
        self._take_in(item.to_event(recorded_at))

    def _take_in(self, event: Event) -> None:
        self._obey(event, self.state.handle(event))

    def _on_withdrawn(self, task: int, attempt: int) -> None:
        self._take_in(AttemptWithdrawn(task, attempt))

    def _reread(self) -> None:
        """Read the run again: Redis holds something else than this process assumes."""
        if not self._is_in_doubt:
            self._is_in_doubt = True
            self._spawn(self._reread_when_due())

    async def _reread_when_due(self) -> None:
        logger.warning(
            "run %s: Redis holds another state than expected; reading the run again", self.run_id
        )
        await self._doubts.wait()  # it may disagree again
        self._is_in_doubt = False
        await self.open()

    def journal(self, event: LeaderEvent) -> None:
        """Write an event of this leader to the journal, from where it takes effect."""
        self._spawn(self._append(encode_event(event)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)  # the loop alone would not keep it alive
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, StoreError) and not isinstance(error, StoreUnavailableError):
            self.give_up(error)
        else:
            logger.error("run %s: a background step failed", self.run_id, exc_info=error)
            self._reread()

    async def _append(self, row: bytes) -> None:
        backoff = Backoff()
        entry = self._seal.seal_entry(self.run_id, row)
        while not self.ended.done():
            try:
                await self._store.append_event(self.run_id, entry, epoch=self.epoch)
            except LeadershipLostError:
                self.end(LeadershipEnd.DEPOSED)
            except StoreError as error:
                logger.warning("run %s: %s; trying again", self.run_id, error)
                await backoff.wait()
            else:
                return

    # --- commands out ---------------------------------------------------------------------

    def _obey(self, event: Event | None, commands: Sequence[Command]) -> None:
        for observer in self._observers:
            observer.observe(self.state, event, commands)
        for command in commands:
            if type(command) is Dispatch:
                self._dispatcher.dispatch(command)
            elif type(command) is ScheduleRetry:
                self._schedule(command)
            elif type(command) is Revoke:
                self.revoke(Revocation(command.task, command.attempt, Outcome.CANCELLED))
            elif type(command) is Finish:
                self._finishing = self._spawn(self._finish(command.state))

    def set_capacity(self, capacity: int) -> None:
        """Dispatch at most ``count`` attempts at once from now on."""
        if capacity != self._capacity:
            self._capacity = capacity
            self._take_in(CapacityChanged(capacity))

    def revoke(self, revocation: Revocation) -> None:
        """Settle an attempt from here."""
        self._dispatcher.revoke(revocation)

    def dispatched_before(self, least_s: float) -> dict[Stream, list[tuple[int, Entry]]]:
        """Return (task, entry), by stream, of what was dispatched at least so long ago."""
        return self._dispatcher.sent_before(time.monotonic() - least_s)

    def _schedule(self, command: ScheduleRetry) -> None:
        # What is learned from history began earlier. What is told just now begins now: the stamps
        # of a journal never go back, so those of a server whose clock did are of no use.
        is_history = self._opening.locked()
        delay_s = command.left_s(self._server_now()) if is_history else command.delay_s
        event = RetryFellDue(command.task, command.attempt)
        loop = asyncio.get_running_loop()
        self._timers[command.task] = loop.call_later(delay_s, self._take_in, event)

    async def _finish(self, state: str) -> None:
        await self._dispatcher.drained()
        tails = any(not spec.awaited for spec in self.plan.tasks)
        backoff = Backoff()
        while not self.ended.done():
            try:
                done = await self._store.finish(
                    self.run_id,
                    self.epoch,
                    state,
                    result_ttl_s=self._config.result_ttl_s,
                    tails=tails,
                )
            except StoreError as error:
                logger.warning("run %s: %s; trying again to end it", self.run_id, error)
                await backoff.wait()
            except LeadershipLostError:
                self.end(LeadershipEnd.DEPOSED)
            except RunNotFoundError:
                self.end(LeadershipEnd.VANISHED)
            else:
                if done:
                    self.end(LeadershipEnd.FINISHED)
                else:
                    self._reread()
                return


def _position(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)
