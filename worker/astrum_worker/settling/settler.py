"""Records the ends of attempts at the server, and repeats that until it succeeds.

Ends are sent in batches. A batch starts as soon as the last one has returned, with all ends that
came meanwhile, of any runs; there is no timer. Settling may be repeated safely, so after a lost
reply the same batch is sent again. No end is dropped while this process lives. An end with a large
value or a log waits until that is stored, and does not delay other ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import compress, starmap

from astrum.protocol.messages import Record
from astrum.redis import Claim, EntryKey, StoredLog, Verdict
from astrum.runtime.loops import side_by_side
from astrum.runtime.service import Service
from astrum_worker.claim_gate import Reason
from astrum_worker.context import WorkerContext
from astrum_worker.settling.ending import Ending, on_server_clock, settlement_of
from astrum_worker.settling.log_storing import LogStoring
from astrum_worker.settling.storing import Outgoing, Storing

logger = logging.getLogger("astrum.worker")

RECENT_BYTES = 64 * 1024 * 1024
"""The most ends that are kept for settling again after a restart of the server."""

RunStream = tuple[str, str]
"""Run id and stream."""


class Settler(Service):
    """Settles every claim of this worker.

    Closes the claim gate while too many ends wait for an unreachable server. Delivered ends are
    kept for some seconds, for `resettle`.
    """

    name = "settling"

    def __init__(self, context: WorkerContext) -> None:
        super().__init__()
        self._store = context.store
        self._config = context.config
        self._gate = context.gate
        self._counters = context.counters
        self._metrics = context.metrics
        self._seal = context.seal
        self._doubt = context.doubt
        self._storing = Storing(context.store, self._line_up)
        self._logs = LogStoring(context, self._log_is_stored)
        self._queues: dict[RunStream, deque[Outgoing]] = {}
        self._aside: deque[tuple[Claim, str, Callable[[], None]]] = deque()
        self._recent: deque[tuple[float, Outgoing]] = deque()
        self._recent_bytes = 0
        self._known: dict[EntryKey, int] = {}
        self._losses = 0
        self._items = 0
        self._bytes = 0
        self._work = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def unsettled(self) -> int:
        """The number of ends that wait for the server."""
        return self._items + len(self._aside)

    @property
    def unsettled_bytes(self) -> int:
        """The approximate number of bytes that these ends occupy."""
        return self._bytes

    def start(self) -> None:
        """Begin all loops."""
        super().start()
        self._storing.start()
        self._logs.start()

    async def stop(self) -> None:
        """End all loops."""
        await self._logs.stop()
        await self._storing.stop()
        await super().stop()

    def settle(
        self,
        run_id: str,
        claim: Claim,
        ending: Ending,
        done: Callable[[], None],
        name: str = "",
    ) -> Record:
        """Record the end of an attempt with the next batch of its run; then call ``done``.

        ``name`` is that of its task or child, for the log. Returns the record as it is sent, with
        its times on the server's clock.
        """
        record = on_server_clock(ending.record, claim, self._store.clock)
        settlement = settlement_of(self._seal, run_id, claim, record)
        key, log = claim.key, ending.log
        self._add(Outgoing(run_id, key, settlement, ending.blob, done, log=log, name=name))
        return record

    def store_log(self, log: StoredLog) -> None:
        """Store the log of an attempt that others have settled, if the server takes it."""
        self._logs.add_without_end(log)

    def _add(self, report: Outgoing) -> None:
        key = report.key
        self._known[key] = self._known.get(key, 0) + 1
        self._items += 1
        self._bytes += report.size
        if report.log is not None:
            self._logs.add(report)
            self._note()
        elif report.blob is None:
            self._line_up(report)
        else:
            self._storing.add(report)
            self._note()

    def _log_is_stored(self, report: Outgoing) -> None:
        (self._line_up if report.blob is None else self._storing.add)(report)

    def _line_up(self, report: Outgoing) -> None:
        place = (report.run_id, report.key[0])
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = deque()
        queue.append(report)
        if not self._work.is_set() or self._fullness >= 1:
            self._note()

    def knows(self, key: EntryKey) -> bool:
        """Return whether an attempt (stream, entry id) is being settled or was a moment ago."""
        return key in self._known

    def holds(self, key: EntryKey) -> bool:
        """Return whether the end of an attempt is still to be recorded at the server."""
        return key in self._known or any(claim.key == key for claim, _, _ in self._aside)

    def set_aside(self, claim: Claim, reason: str, done: Callable[[], None]) -> None:
        """Move a claim that cannot be read to the dead letters."""
        self._aside.append((claim, reason, done))
        self._note()

    def undelivered(self) -> list[Outgoing]:
        """Return all ends that wait, small ones first; safe to call from another thread."""
        lined_up = [report for queue in list(self._queues.values()) for report in list(queue)]
        return lined_up + list(self._logs.waiting()) + list(self._storing.waiting())

    def on_the_way(self) -> set[EntryKey]:
        """Return stream and entry id of every attempt whose end is still to be recorded."""
        told = {report.key for queue in self._queues.values() for report in queue}
        told |= {report.key for report in self._logs.waiting()}
        return told | {report.key for report in self._storing.waiting()}

    def resettle(self) -> None:
        """Settle the latest ends again: the server may have lost them."""
        again, self._recent, self._recent_bytes = self._recent, deque(), 0
        for _, report in again:
            self._add(report)
            self._forget(report)

    async def flushed(self) -> None:
        """Wait until all ends reported so far are recorded at the server."""
        await self._empty.wait()

    async def run_once(self) -> None:
        """Wait for reports and deliver one batch."""
        await self._work.wait()
        if self._aside:
            await self._deliver_aside()
        elif self._queues:
            await self._deliver_next()
        if self._backoff.failures:
            self._doubt.note()

    # --- delivering ---------------------------------------------------------------------

    async def _deliver_aside(self) -> None:
        claim, reason, done = self._aside[0]
        await self._store.set_aside(claim, reason)
        self._aside.popleft()
        self._counters.set_aside += 1
        done()
        self._note()

    async def _deliver_next(self) -> None:
        self._send_back_forgotten()
        batches = self._batches()
        if len(batches) == 1:
            [(place, batch)] = batches.items()
            replies = [await self._tried(place, batch)]
        else:
            replies = await side_by_side(starmap(self._tried, batches.items()))
        errors: list[Exception] = []
        for (place, batch), reply in zip(batches.items(), replies, strict=True):
            if isinstance(reply, Exception):
                errors.append(reply)
            else:
                self._take_verdicts(place, batch, reply)
            # The other runs come first now: an error of one run's keys must not delay all runs.
            if queue := self._queues.pop(place):
                self._queues[place] = queue
        self._note()
        if errors:
            raise errors[0]

    async def _tried(
        self, place: RunStream, batch: Sequence[Outgoing]
    ) -> list[Verdict] | Exception:
        try:
            return await self._store.settle(*place, [report.settlement for report in batch])
        except Exception as error:
            return error

    def _take_verdicts(
        self, place: RunStream, batch: Sequence[Outgoing], verdicts: Sequence[Verdict]
    ) -> None:
        queue = self._queues[place]
        for _ in batch:
            queue.popleft()
        if self._metrics is not None:
            self._metrics.note_verdicts(verdicts)
        late = [self._delivered(*each) for each in zip(batch, verdicts, strict=True)]
        if any(late):
            logger.info("%s", late_text(list(compress(batch, late))))
        self._items -= len(batch)
        self._bytes -= sum(report.size for report in batch)

    def _batches(self) -> dict[RunStream, list[Outgoing]]:
        """Return the next ends by place, together at most a batch: many runs end few attempts."""
        batches: dict[RunStream, list[Outgoing]] = {}
        items = size = 0
        for place, queue in self._queues.items():
            batch: list[Outgoing] = []
            for report in queue:
                size += len(report.settlement.record)
                is_full = size > self._config.batch_bytes or items >= self._config.batch_items
                if items and is_full:
                    break
                batch.append(report)
                items += 1
            if batch:
                batches[place] = batch
            if items >= self._config.batch_items or size > self._config.batch_bytes:
                break
        return batches

    def _send_back_forgotten(self) -> None:
        """Queue values again that the server may have lost since they were stored."""
        if self._losses == self._store.loss.count:
            return
        self._losses = self._store.loss.count
        for queue in self._queues.values():
            for _ in range(len(queue)):
                report = queue.popleft()
                (self._storing.add if self._storing.lacks(report) else queue.append)(report)
        self._queues = {place: queue for place, queue in self._queues.items() if queue}

    def _delivered(self, report: Outgoing, verdict: Verdict) -> bool:
        """Note what became of an end; return whether it came too late."""
        is_repeat = report.is_done
        is_late = verdict is Verdict.FENCED and not is_repeat
        if is_late:
            self._counters.fenced += 1
        elif verdict is Verdict.SETTLED and is_repeat:
            self._counters.restored += 1
        self._remember(report)  # fenced too: it counts if the server loses the other end
        report.note_done()
        return is_late

    # --- bookkeeping --------------------------------------------------------------------

    def _remember(self, report: Outgoing) -> None:
        now = time.monotonic()
        self._recent.append((now, report))
        self._recent_bytes += report.size
        # While a loss of writes is suspected nothing is dropped here: the outage may have been
        # longer than the window.
        horizon = now - self._config.resettle_window_s
        while self._recent and (
            self._recent_bytes > RECENT_BYTES
            or (self._recent[0][0] < horizon and not self._store.loss.suspected)
        ):
            _, dropped = self._recent.popleft()
            self._recent_bytes -= dropped.size
            self._forget(dropped)

    def _forget(self, report: Outgoing) -> None:
        times = self._known[report.key] - 1
        if times:
            self._known[report.key] = times
        else:
            del self._known[report.key]

    def _note(self) -> None:
        if self._queues or self._aside:
            self._work.set()
        else:
            self._work.clear()
        if self.unsettled:
            self._empty.clear()
        else:
            self._empty.set()
        fullness = self._fullness
        if fullness >= 1:
            self._gate.close(Reason.BACKLOG)
        elif fullness < 0.5:
            self._gate.open(Reason.BACKLOG)

    @property
    def _fullness(self) -> float:
        config = self._config
        return max(self._items / config.unsettled_items, self._bytes / config.unsettled_bytes)


def late_text(late: Sequence[Outgoing]) -> str:
    """Return one line about ends of one run that came too late: a cancelled run may have many."""
    first = late[0].settlement
    name = repr(late[0].name) if late[0].name else f"number {first.task}"
    others = f" and of {len(late) - 1:,} more attempts" if len(late) > 1 else ""
    return (
        f"run {late[0].run_id}: the end of task {name}, attempt {first.attempt}{others} came "
        "too late: it was settled by others, or the run was cancelled"
    )
