"""Stores the logs of attempts before their ends, and never delays an end for long.

A log is worth less than the end that it belongs to. While the server cannot be reached neither of
them gets through, so both wait. A server that answers and does not take a log (its memory is full,
access rules forbid it) never gets it: the log is dropped and counted, and the end goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from astrum.errors import StoreError, StoreRefusesWritesError, StoreUnavailableError
from astrum.redis import StoredLog
from astrum.runtime.service import Service
from astrum_worker.context import WorkerContext
from astrum_worker.settling.storing import Outgoing

logger = logging.getLogger("astrum.worker")

PATIENCE_S = 5.0
"""How long an end waits for its log while the server cannot be reached."""
BATCH_ITEMS = 100
BATCH_BYTES = 1024 * 1024
DROPPED_LOGGED_EVERY_S = 60.0


class LogStoring(Service):
    """Stores logs in batches. ``stored`` is called with each end whose log is stored or dropped."""

    name = "storing logs"

    def __init__(self, context: WorkerContext, stored: Callable[[Outgoing], None]) -> None:
        super().__init__()
        self._store = context.store
        self._counters = context.counters
        self._stored = stored
        self._queue: deque[tuple[float, Outgoing]] = deque()
        self._without_end: deque[StoredLog] = deque()
        self._work = asyncio.Event()
        self._logged_at = self._left_out_logged_at = -DROPPED_LOGGED_EVERY_S

    def waiting(self) -> Iterable[Outgoing]:
        """Return the ends whose logs are not stored yet."""
        return [report for _, report in list(self._queue)]

    def add(self, report: Outgoing) -> None:
        """Store the log of an end, then pass the end on."""
        self._queue.append((time.monotonic(), report))
        self._work.set()

    def add_without_end(self, log: StoredLog) -> None:
        """Store the log of an attempt that others have settled; it is dropped if that fails."""
        if len(self._without_end) < BATCH_ITEMS:
            self._without_end.append(log)
            self._work.set()
        else:
            self._drop(1, "too many logs wait")

    async def run_once(self) -> None:
        """Wait for logs and store a batch of them."""
        await self._work.wait()
        while self._without_end:
            await self._tried([self._without_end.popleft()])
        batch = self._next_batch()
        if batch:
            await self._store_batch(batch)
        if not self._queue and not self._without_end:
            self._work.clear()

    def _next_batch(self) -> list[StoredLog]:
        batch: list[StoredLog] = []
        size = 0
        for _, report in self._queue:
            assert report.log is not None
            size += len(report.log.data)
            if batch and (size > BATCH_BYTES or len(batch) >= BATCH_ITEMS):
                break
            batch.append(report.log)
        return batch

    async def _store_batch(self, batch: Sequence[StoredLog]) -> None:
        try:
            self._note_left_out(await self._store.put_logs(batch))
        except StoreRefusesWritesError as error:
            self._drop(len(batch), str(error))
        except StoreUnavailableError as error:
            late = self._late(len(batch))
            if not late:
                raise
            self._drop(late, str(error))
            batch = batch[:late]
        except StoreError:
            # One run's keys may be out of order; the logs of others are stored all the same.
            for log in batch:
                await self._tried([log])
        for _ in batch:
            self._stored(self._queue.popleft()[1])

    def _late(self, count: int) -> int:
        """Return how many of the first logs have waited for too long; the oldest are first."""
        horizon = time.monotonic() - PATIENCE_S
        return sum(since < horizon for since, _ in islice(self._queue, count))

    async def _tried(self, logs: Sequence[StoredLog]) -> None:
        try:
            self._note_left_out(await self._store.put_logs(logs))
        except StoreError as error:
            self._drop(len(logs), str(error))

    def _note_left_out(self, logs: Sequence[StoredLog]) -> None:
        """Count logs that are left out; say so of one run a minute at most."""
        self._counters.logs_left_out += len(logs)
        now = time.monotonic()
        if not logs or now - self._left_out_logged_at < DROPPED_LOGGED_EVERY_S:
            return
        self._left_out_logged_at = now
        logger.warning(
            "run %s: logs of attempts are left out: those that are stored have reached their limit "
            "of %.3g MiB, see --task-logs-limit; further ones are only counted for %.0f s",
            *(logs[0].run_id, logs[0].limit_bytes / 1024 / 1024, DROPPED_LOGGED_EVERY_S),
        )

    def _drop(self, count: int, why: str) -> None:
        self._counters.logs_dropped += count
        now = time.monotonic()
        if now - self._logged_at < DROPPED_LOGGED_EVERY_S:
            return
        self._logged_at = now
        logger.warning(
            "%d logs of attempts are dropped, %d since the start; further ones are only counted "
            "for %.0f s: %s",
            *(count, self._counters.logs_dropped, DROPPED_LOGGED_EVERY_S, why),
        )
