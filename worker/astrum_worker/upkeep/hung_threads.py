"""Ends a worker whose threads hang: a thread cannot be stopped, but its process can be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from astrum.execution.threads import ThreadPool
from astrum.runtime.exit_codes import ExitCode
from astrum.runtime.service import PeriodicService
from astrum_worker.config import WorkerConfig

logger = logging.getLogger("astrum.worker")

_LOOK_S = 0.5


class HungThreads(PeriodicService):
    """Counts the threads that still run although their attempt was given up.

    After a cancelled run many threads may need a moment to notice it. ``stop`` is called with the
    exit code only if too many run on for too long.
    """

    name = "hung threads"

    def __init__(self, pool: ThreadPool, config: WorkerConfig, stop: Callable[[int], None]) -> None:
        super().__init__(_LOOK_S)
        self._pool = pool
        self._limit = config.hung_limit
        self._patience_s = config.hung_patience_s
        self._stop = stop
        self._since: float | None = None

    async def pass_once(self) -> None:
        """Stop the worker if too many threads have hung for too long."""
        now = time.monotonic()
        if self._pool.hung < self._limit:
            self._since = None
            return
        if self._since is None:
            self._since = now
        if now - self._since >= self._patience_s:
            logger.error(
                "%d threads still run tasks that were given up; this worker drains and ends, "
                "so that a new process takes its place",
                self._pool.hung,
            )
            self._stop(ExitCode.FAILED)
