"""Delivers how attempts ended: exactly what was reported, for as long as it takes.

What was reported since the last flush goes out with the next one, which starts as soon as the
last has returned; there is no timer. Settling may be repeated safely, so a lost reply is answered
by sending the same again. Nothing is dropped while this process lives.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from astrum.errors import RunNotFoundError
from astrum.redis import Claim, Settlement, Verdict, WorkerStore
from astrum_worker.config import WorkerConfig
from astrum_worker.counters import Counters
from astrum_worker.gate import Gate, Reason
from astrum_worker.held import EntryKey
from astrum_worker.service import Service

logger = logging.getLogger("astrum.worker")

RECENT_BYTES = 64 * 1024 * 1024
"""What is kept at most for settling again after a restart of the server."""

Place = tuple[str, str]
"""Run id and stream."""


@dataclass(slots=True, eq=False)
class Report:
    """One attempt's end on its way. ``done`` is called, and gone, once it is recorded or fenced.

    ``blob`` is the value that the record refers to; it must be in the store before the record.
    """

    run_id: str
    key: EntryKey
    settlement: Settlement
    blob: bytes | None = None
    done: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        """Bytes that it occupies, about."""
        return len(self.settlement.record) + (len(self.blob) if self.blob else 0)


class Reporter(Service):
    """The way out for everything that ends a claim.

    Closes the gate while too much waits for an unreachable server. After each flush `recent`
    reports stay for some seconds, for `resettle`.
    """

    name = "settling"

    def __init__(
        self,
        store: WorkerStore,
        worker_id: str,
        config: WorkerConfig,
        gate: Gate,
        counters: Counters,
        *,
        recovered: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._worker_id = worker_id
        self._config = config
        self._gate = gate
        self._counters = counters
        self._recovered = recovered
        self._queues: dict[Place, deque[Report]] = {}
        self._aside: deque[tuple[Claim, str, Callable[[], None]]] = deque()
        self._recent: deque[tuple[float, Report]] = deque()
        self._recent_bytes = 0
        self._known: dict[EntryKey, int] = {}
        self._items = 0
        self._bytes = 0
        self._work = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def unsettled(self) -> int:
        """How many ends wait for the server."""
        return self._items + len(self._aside)

    def report(self, report: Report) -> None:
        """Record this end with the next batch of its run."""
        key = report.key
        place = (report.run_id, key[0])
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = deque()
        queue.append(report)
        self._known[key] = self._known.get(key, 0) + 1
        self._items += 1
        self._bytes += report.size
        if not self._work.is_set() or self._fullness >= 1:
            self._note()

    def knows(self, key: EntryKey) -> bool:
        """Tell whether an attempt (stream, entry id) is being settled or was a moment ago."""
        return key in self._known

    def set_aside(self, claim: Claim, reason: str, done: Callable[[], None]) -> None:
        """Move a claim that nobody can read to the dead letters."""
        self._aside.append((claim, reason, done))
        self._note()

    def on_the_way(self) -> set[EntryKey]:
        """Return stream and entry id of every attempt whose end is still to be recorded."""
        return {report.key for queue in self._queues.values() for report in queue}

    def resettle(self) -> None:
        """Report once more what was settled last: the server may have forgotten it."""
        again, self._recent, self._recent_bytes = self._recent, deque(), 0
        for _, report in again:
            self.report(report)
            self._forget(report)

    async def flushed(self) -> None:
        """Wait until everything reported so far is with the server."""
        await self._empty.wait()

    async def run_once(self) -> None:
        """Wait for reports and deliver one batch."""
        await self._work.wait()
        if self._aside:
            await self._deliver_aside()
        elif self._queues:
            await self._deliver_next()
        if self._backoff.failures:
            self._recovered()

    # --- delivering ---------------------------------------------------------------------

    async def _deliver_aside(self) -> None:
        claim, reason, done = self._aside[0]
        await self._store.set_aside(claim, reason)
        self._aside.popleft()
        self._counters.set_aside += 1
        done()
        self._note()

    async def _deliver_next(self) -> None:
        place, queue = next(iter(self._queues.items()))
        batch = self._batch(queue)
        try:
            verdicts = await self._deliver(place, batch)
        except BaseException:
            # Others first: what one run's keys refuse must not hold up all runs.
            self._queues[place] = self._queues.pop(place)
            raise
        for _ in batch:
            queue.popleft()
        del self._queues[place]
        if queue:
            self._queues[place] = queue  # behind the others
        for report, verdict in zip(batch, verdicts, strict=True):
            self._delivered(report, verdict)
        self._items -= len(batch)
        self._bytes -= sum(report.size for report in batch)
        self._note()

    def _batch(self, queue: deque[Report]) -> list[Report]:
        batch: list[Report] = []
        size = 0
        for report in queue:
            size += len(report.settlement.record)
            if batch and (
                size > self._config.batch_bytes or len(batch) >= self._config.batch_items
            ):
                break
            batch.append(report)
        return batch

    async def _deliver(self, place: Place, batch: list[Report]) -> list[Verdict]:
        run_id, stream = place
        for report in batch:
            if report.blob is not None:
                await self._put_blob(run_id, report.blob)
        settlements = [report.settlement for report in batch]
        return await self._store.settle(run_id, stream, self._worker_id, settlements)

    async def _put_blob(self, run_id: str, blob: bytes) -> None:
        try:
            await self._store.put_blob(run_id, blob)
        except RunNotFoundError:
            return  # then the settlement is fenced too

    def _delivered(self, report: Report, verdict: Verdict) -> None:
        is_repeat = report.done is None
        if verdict is Verdict.FENCED and not is_repeat:
            self._counters.fenced += 1
            logger.info(
                "run %s: the end of task %d, attempt %d came too late: it was settled by others",
                report.run_id,
                report.settlement.task,
                report.settlement.attempt,
            )
        elif verdict is Verdict.SETTLED and is_repeat:
            self._counters.restored += 1
        self._remember(report)  # fenced, too: it counts again if the server forgets by what
        done, report.done = report.done, None
        if done is not None:
            done()

    # --- bookkeeping --------------------------------------------------------------------

    def _remember(self, report: Report) -> None:
        now = time.monotonic()
        self._recent.append((now, report))
        self._recent_bytes += report.size
        # Under suspicion nothing is forgotten: an outage may have been longer than the window.
        horizon = now - self._config.resettle_window_s
        while self._recent and (
            self._recent_bytes > RECENT_BYTES
            or (self._recent[0][0] < horizon and not self._store.loss.suspected)
        ):
            _, dropped = self._recent.popleft()
            self._recent_bytes -= dropped.size
            self._forget(dropped)

    def _forget(self, report: Report) -> None:
        times = self._known[report.key] - 1
        if times:
            self._known[report.key] = times
        else:
            del self._known[report.key]

    def _note(self) -> None:
        if self.unsettled:
            self._work.set()
            self._empty.clear()
        else:
            self._work.clear()
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
