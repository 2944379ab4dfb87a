"""Leads one run: the distributed host of `RunState`.

Events come from the run's journal and nowhere else, so what this leader knows is what the next
one will know. Commands go out through the `Dispatcher`. A leader that was deposed may only read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence

from astrum.errors import (
    DecodeError,
    LeadershipLostError,
    RunNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from astrum.execution.run_log import guarded
from astrum.machine.events import (
    AttemptWithdrawn,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    Released,
    Revoke,
    ScheduleRetry,
)
from astrum.machine.observer import RunObserver
from astrum.machine.run_counter import quarantined
from astrum.machine.state import RunState
from astrum.protocol.messages import LeaderEvent, Record, encode_event
from astrum.protocol.status import LedRun
from astrum.protocol.streams import Stream
from astrum.redis.journals import BEGINNING
from astrum.redis.listing import Adopted
from astrum.redis.records import JournalEntry
from astrum.runtime.loops import Backoff, end_task
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.fetching import learn_names
from astrum_coordinator.leading.background import BackgroundTasks
from astrum_coordinator.leading.dispatch_calls import Revocation, RunRef, SentAttempt
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.led_state import LedState
from astrum_coordinator.leading.results import Results
from astrum_coordinator.leading.run_limits import RunLimits
from astrum_coordinator.leading.run_timers import RunTimers
from astrum_coordinator.leading.run_writer import RunWriter
from astrum_coordinator.leading.unknown_rows import UnknownRows
from astrum_coordinator.scheduling.pool_view import PoolLook, PoolView
from astrum_coordinator.scheduling.run_pool import RunPool

logger = logging.getLogger("astrum.coordinator")


class RunLeader:
    """One run that this process leads, under the epoch it was granted.

    It is the `DispatchListener` of its dispatcher. ``has_history``: the run had begun before this
    process led it.
    """

    def __init__(
        self,
        context: CoordinatorContext,
        adopted: Adopted,
        run: RunRef,
        pool: PoolView,
        *,
        observer: RunObserver | None = None,
    ) -> None:
        self.info = adopted.info
        self._adopted: Adopted | None = adopted
        self.plan = run.plan
        self.ended: asyncio.Future[LeadershipEnd] = asyncio.get_running_loop().create_future()
        self._context = context
        self._run = run
        self._pool = pool
        self._writer = RunWriter(context, run)
        self._unknown_rows = UnknownRows(run.run_id)
        self._observers = [] if observer is None else [guarded(observer)]
        self._background = BackgroundTasks(self._on_background_failure)
        self._timers = RunTimers()
        self._limits = self._new_limits()
        self._finishing: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._is_reread_due = False
        self._rereads = Backoff()
        self._unserved: tuple[str, float | None] = ("", None)
        self.has_history = False
        self._led = self._new_state()

    def _new_state(self) -> LedState:
        return LedState(self._context, self._run, self, self._pool.paces)

    def _new_limits(self) -> RunLimits:
        return RunLimits(self._timers, self.info, self.journal)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._run.run_id

    @property
    def epoch(self) -> int:
        """The epoch under which the run is led here."""
        return self._run.epoch

    @property
    def state(self) -> RunState:
        """The state of the run as far as its journal was read."""
        return self._led.state

    @property
    def results(self) -> Results:
        """The encoded results as far as the journal was read."""
        return self._led.results

    @property
    def cursor(self) -> str:
        """The id of the last journal entry that was read."""
        return self._led.cursor

    @property
    def age_s(self) -> float:
        """Seconds since the run began."""
        return max(self.server_now() - self.info.begun_at, 0.0)

    def status(self, ready: Mapping[str, int]) -> LedRun:
        """Return what to publish of the run; ``ready`` is how many tasks it holds, by queue."""
        led, out = self._led, max(0, self.state.outstanding_count - self._led.dispatcher.unsent)
        most, is_in_doubt = led.streams.capacity, self._is_reread_due
        run = LedRun(self.run_id, ready, most, out, is_in_doubt, *self._unserved)
        return run._replace(refused=led.dispatcher.refused, unsigned_ends=led.unsigned_ends.seen)

    # --- life ---------------------------------------------------------------------------

    async def open(self) -> None:
        """Read the run's history and send the commands that follow from it.

        Called on adoption, and again when Redis may have lost writes that this process relies on.
        Tries until the server answers: only its leader acts for a run.
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
        self.on_already_settled()

    async def _open(self) -> None:
        adopted, self._adopted = self._adopted, None  # it is known of that moment only
        if adopted is not None and not adopted.has_history:
            self._timers.learn_time(adopted.server_s)
            self.on_pool(await self._pool.latest())
        else:
            # The new state comes first: what arrives meanwhile is history to it, and begins
            # nothing.
            old, self._led = self._led, self._new_state()
            await self._stop_acting(old)
            await self._read_history()
        led = self._led
        led.streams.begin()
        if self.ended.done():
            return
        self._limits = self._new_limits()
        self._limits.limit_run(led.state, lambda: self._unserved[0])
        led.dispatcher.start()
        self._obey(None, led.state.start())
        self._limits.limit_cleanup(led.state)

    async def _read_history(self) -> None:
        led, store = self._led, self._context.store
        self._timers.learn_time(await store.server_time())
        self.on_pool(await self._pool.latest())
        # Read before the journal: an attempt that ends between the two reads is then in the
        # journal. In the other order it would be in neither, and seem never to have been made.
        found = await store.outstanding(self.run_id)
        await self._replay()
        await learn_names(led.results.names, self.run_id, store)
        led.restore_outstanding(found)
        self.has_history = led.cursor != BEGINNING or bool(found)

    async def close(self) -> None:
        """Stop all work on the run; its state in Redis does not change."""
        await self._background.stop()
        await self._stop_acting(self._led)
        await self._background.stop()  # the dispatcher may have started more until it stopped

    async def _stop_acting(self, led: LedState) -> None:
        self._timers.clear()
        finishing, self._finishing = self._finishing, None
        if finishing is not None:
            finishing.cancel()  # before the first wait, in which this call may be cancelled
        await led.dispatcher.stop()
        if finishing is not None:
            await end_task(finishing)

    def attach(self, observer: RunObserver) -> None:
        """Add an observer; it is called with the current state, then with every event."""
        self._observers.append(guarded(observer))
        self._observers[-1].observe(self.state, None, ())

    def end(self, how: LeadershipEnd) -> None:
        """Note that this process does not lead the run any more."""
        if not self.ended.done():
            self.ended.set_result(how)

    def give_up(self, error: Exception) -> None:
        """Stop leading the run: a part of it cannot be read."""
        if not self.ended.done():
            logger.error("run %s is given up here: %s", self.run_id, error)
            self.end(LeadershipEnd.UNREADABLE)

    async def _replay(self) -> None:
        while True:
            entries = await self._context.store.read_journal(
                {self.run_id: self.cursor}, block_s=None, count=1_000
            )
            if not entries:
                return
            self._read(entries)

    def note_unserved(self, text: str, until: float | None) -> None:
        """Remember which tasks no worker serves, "" if all are served, and when that ends the run.

        The run's timeout names them.
        """
        self._unserved = text, until

    def server_now(self) -> float:
        """Return the server's time, as it was when the run was read and has gone on since."""
        return self._timers.server_now()

    # --- events in ----------------------------------------------------------------------

    def take_in(self, entries: Sequence[JournalEntry]) -> None:
        """Handle journal entries in their order; entries seen before are ignored.

        After any error the run is read again, so that this leader misses no part of the journal.
        """
        try:
            self._read(entries)
            self._limits.limit_cleanup(self.state)
            self._led.streams.note_ends()
            self._context.counters.note_lag(self.server_now() - entries[-1].recorded_at)
        except Exception:
            logger.exception("run %s: its journal could not be processed", self.run_id)
            self.on_mismatch()

    def _read(self, entries: Sequence[JournalEntry]) -> None:
        for entry in entries:
            if not self._led.advance(entry.entry_id):
                continue
            for item in self._items(entry):
                self._take_in_item(item, entry.recorded_at)

    def _items(self, entry: JournalEntry) -> list[Record | LeaderEvent]:
        try:
            seal = self._context.seal
            return seal.open_entry(self.run_id, entry.data, self._unknown_rows.note)
        except DecodeError as error:
            logger.error(
                "run %s: journal entry %s is ignored: %s", self.run_id, entry.entry_id, error
            )
            self._led.unsigned_ends.note(entry.data, self.state)
            self.on_already_settled()
            return []

    async def _replace_unsigned_ends(self) -> None:
        try:
            await self._writer.replace(self._led.unsigned_ends, self.state)
        except StoreUnavailableError:
            self.on_mismatch()

    def _take_in_item(self, item: Record | LeaderEvent, recorded_at: float) -> None:
        if isinstance(item, Record):
            self._led.keep(item)
            self._take_in(item.to_event(recorded_at))
            return
        if isinstance(item, Released):
            self._led.keep_given(item)
        self._take_in(item)

    def _take_in(self, *events: Event) -> None:
        for event in events:
            self._obey(event, self.state.handle(event))

    def journal(self, event: LeaderEvent) -> None:
        """Write an event of this leader to the journal, from where it takes effect."""
        self._background.start(self._writer.append(encode_event(event)))

    # --- what the dispatcher reports ------------------------------------------------------

    def on_withdrawn(self, task: int, attempt: int) -> None:
        """Handle that an attempt was revoked before it was sent."""
        self._take_in(AttemptWithdrawn(task, attempt))

    def on_already_settled(self) -> None:
        """Settle again what was settled with an invalid signature, if anything was."""
        if len(self._led.unsigned_ends) and not self._opening.locked():
            self._background.start(self._replace_unsigned_ends())

    def on_mismatch(self) -> None:
        """Read the run again: Redis holds something else than this process assumes."""
        if not self._is_reread_due:
            self._is_reread_due = True
            self._background.start(self._reread_when_due())

    def on_failure(self, error: Exception) -> None:
        """End the leadership if it was lost or the run is gone; otherwise read the run again."""
        if isinstance(error, LeadershipLostError):
            self.end(LeadershipEnd.DEPOSED)
        elif isinstance(error, RunNotFoundError):
            self.end(LeadershipEnd.VANISHED)
        else:
            text = "run %s: a step of its leader failed; the run is read again"
            logger.error(text, self.run_id, exc_info=error)
            self.on_mismatch()

    def _on_background_failure(self, error: BaseException) -> None:
        if isinstance(error, StoreError) and not isinstance(error, StoreUnavailableError):
            self.give_up(error)
        elif isinstance(error, Exception):
            self.on_failure(error)

    async def _reread_when_due(self) -> None:
        logger.warning(
            "run %s: Redis holds another state than expected; reading the run again", self.run_id
        )
        await self._rereads.wait()  # it may differ again
        self._is_reread_due = False
        await self.open()

    # --- commands out ---------------------------------------------------------------------

    def _obey(self, event: Event | None, commands: Sequence[Command]) -> None:
        for observer in self._observers:
            observer.observe(self.state, event, commands)
        for command in commands:
            if type(command) is Dispatch:
                self._led.dispatcher.dispatch(command)
            elif type(command) is ScheduleRetry:
                is_history = self._opening.locked()
                self._timers.schedule_retry(command, self._take_in, is_history=is_history)
            elif type(command) is Revoke:
                self.revoke(Revocation(command.task, command.attempt, Outcome.CANCELLED))
            elif type(command) is Finish:
                self._finishing = self._background.start(self._finish(command.state))

    def on_pool(self, look: PoolLook) -> None:
        """Send attempts where the pool of this moment can run them, as many as it can take."""
        self._take_in(*self._led.streams.on_pool(self.run_pool(look), look.pauses))

    def run_pool(self, look: PoolLook) -> RunPool:
        """Return the pool as it is for this run."""
        return look.for_runs_of(self.plan.namespace, self._run.versions)

    def on_told(self, stream: Stream, length: int, others: int) -> None:
        """As `DispatchListener.on_told`."""
        event = self._led.streams.on_told(stream, length, others)
        if event is not None:
            self._take_in(event)

    def held_back(self) -> list[tuple[Stream, int]]:
        """Return the streams for which ready tasks are held back, as `RunStreams.held_back`."""
        return [] if self._opening.locked() else self._led.streams.held_back()

    def take_back(self, tasks: Iterable[int]) -> None:
        """Take back the outstanding attempts of tasks that no worker has claimed."""
        for task in tasks:
            known = (task, self.state.attempts[task], Outcome.NEVER_BEGAN)
            self.revoke(Revocation(*known, if_unclaimed=True))

    def revoke(self, revocation: Revocation) -> None:
        """Settle an attempt from here."""
        self._led.dispatcher.revoke(revocation)

    def dispatched_before(self, least_s: float) -> dict[Stream, list[tuple[int, SentAttempt]]]:
        """Return (task, attempt), by stream, dispatched at least ``least_s`` ago."""
        return self._led.dispatcher.sent_before(time.monotonic() - least_s)

    async def _finish(self, state: str) -> None:
        await self._led.dispatcher.drained()
        if await self._writer.finish(state, self.state):
            gone = quarantined(self.state)
            self._context.counters.note_run_end(self.plan.namespace, state, self.age_s, gone)
            self.end(LeadershipEnd.FINISHED)
        else:
            self.on_mismatch()
