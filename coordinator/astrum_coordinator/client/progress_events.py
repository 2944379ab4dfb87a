"""What the running tasks of a run tell of their progress, as events for users."""

from __future__ import annotations

import time
from collections.abc import Iterable

from astrum.machine.progress import Progress
from astrum.protocol.records import WorkerInfo
from astrum.redis.run_store import RunStore
from astrum_coordinator.client.run_events import RunEvent

LOOK_EVERY_S = 1.0
"""Seconds between two looks at the workers of a run, which report about twice as often."""


class ProgressWatch:
    """Finds what is new in the progress of a run's attempts.

    It asks the live workers, not the journal: progress is gone with its attempt.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._known: dict[tuple[int, int], Progress] = {}
        self._next_at = 0.0

    async def look(self, store: RunStore, cursor: str) -> list[RunEvent]:
        """Return the news since the last look, none before it is time for the next one.

        ``cursor`` is that of the event before them: there is nothing to go on behind these.
        """
        if time.monotonic() < self._next_at:
            return []
        workers = await store.workers()
        self._next_at = time.monotonic() + LOOK_EVERY_S
        return self._news(workers, await store.server_time(), cursor)

    def _news(self, workers: Iterable[WorkerInfo], now: float, cursor: str) -> list[RunEvent]:
        known, self._known = self._known, {}
        news = []
        for row in (row for worker in workers for row in worker.status.running):
            if row.run_id != self._run_id or row.progress is None:
                continue
            self._known[row.task, row.attempt] = row.progress
            if known.get((row.task, row.attempt)) != row.progress:
                text = str(row.progress)
                news.append(RunEvent(now, "task_progress", row.name, row.attempt, text, cursor))
        return news
