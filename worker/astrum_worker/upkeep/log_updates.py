"""Stores the logs of running attempts while they grow, for ``--task-logs all``.

So they can be read while the attempt runs, and if its worker dies: at most the last second is
missing. One pipelined write a second has them all.
"""

from __future__ import annotations

import logging
import time

from astrum.errors import StoreError
from astrum.redis import StoredLog
from astrum.runtime.service import PeriodicService
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.task_logs import TaskLogs

logger = logging.getLogger("astrum.worker")

EVERY_S = 1.0
FULL_FOR_S = 60.0
"""How long nothing is sent for a run whose logs have reached their limit, until the next look."""
MOST_BYTES = 2 * 1024 * 1024
"""The most that is written at once; what is left then has its turn first the next time."""


class LogUpdates(PeriodicService):
    """Stores what running attempts have logged since the last pass."""

    name = "log updates"

    def __init__(self, context: WorkerContext, attempts: Attempts, logs: TaskLogs) -> None:
        super().__init__(EVERY_S)
        self._store = context.store
        self._attempts = attempts
        self._logs = logs
        self._full_runs: set[str] = set()
        """The runs whose logs have reached their limit, as far as was seen lately."""
        self._full_until = 0.0

    async def pass_once(self) -> None:
        """Store the logs that have grown, those first that have waited longest."""
        now = time.monotonic()
        if now >= self._full_until:
            self._full_runs, self._full_until = set(), now + FULL_FOR_S
        grown = [
            (held, log)
            for held in self._attempts.running()
            if (log := held.context.log) is not None and log.count != log.stored_count
            if held.run_id not in self._full_runs
        ]
        grown.sort(key=lambda pair: pair[1].stored_at)
        updates: list[StoredLog] = []
        size = 0
        for held, log in grown:
            if size > MOST_BYTES:
                break
            log.note_stored()
            updates.append(self._logs.stored(held, log, is_whole=False))
            size += len(updates[-1].data)
        if updates:
            await self._store_all(updates)

    async def _store_all(self, updates: list[StoredLog]) -> None:
        try:
            left_out = await self._store.put_logs(updates)
            self._full_runs.update(log.run_id for log in left_out)
        except StoreError as error:
            # The whole log is stored again when it has grown, and at the end of the attempt.
            logger.debug("logs of running attempts are not stored now: %s", error)
