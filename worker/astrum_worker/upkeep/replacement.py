"""Ends this worker in order when it has run enough attempts or uses too much memory."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from astrum.runtime.exit_codes import ExitCode
from astrum.runtime.service import Service
from astrum_worker.claim_gate import Reason
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.supervisor_link import say_drains
from astrum_worker.upkeep.memory import rss_bytes

logger = logging.getLogger("astrum.worker")

_LOOK_S = 0.25
"""The time between two looks at the memory."""
_MIB = 1024 * 1024


class Limits:
    """The limits of one process, each a little lower than asked for.

    How much is random, so that processes that started together are not replaced together.
    """

    def __init__(self, max_attempts: int | None, max_rss_bytes: int | None) -> None:
        self._attempts = max_attempts and max(1, round(max_attempts * random.uniform(0.9, 1.0)))
        self._rss_bytes = max_rss_bytes and round(max_rss_bytes * random.uniform(0.97, 1.0))

    def reached(self, attempts: int, rss: int | None) -> str:
        """Return which limit is reached, "" if none is."""
        if self._attempts and attempts >= self._attempts:
            return f"it has run {attempts:,} attempt{'s' if attempts > 1 else ''}"
        if self._rss_bytes and rss is not None and attempts and rss > self._rss_bytes:
            return f"it uses {rss / _MIB:,.0f} MiB of memory"
        return ""


class Replacement(Service):
    """Stops claiming at a limit, waits for what runs, and ends the worker by ``stop``.

    It waits without limit: nothing is taken from a task because the process is to be replaced.
    A signal or an operator's request ends the worker within its grace as always.
    """

    name = "replacement"

    def __init__(
        self, context: WorkerContext, attempts: Attempts, stop: Callable[[int], None]
    ) -> None:
        super().__init__()
        config = context.config
        self._limits = Limits(config.max_attempts, config.max_rss_bytes)
        self._gate = context.gate
        self._counters = context.counters
        self._attempts = attempts
        self._stop = stop
        self._due = asyncio.Event()
        self._look_at = 0.0
        context.gate.before_claim(self._look)

    def _look(self) -> None:
        """Close the gate if a limit is reached; called before each claim."""
        now = time.monotonic()
        rss = rss_bytes() if now >= self._look_at else None
        if rss is not None:
            self._look_at = now + _LOOK_S
        why = self._limits.reached(self._counters.ended, rss)
        if why and not self._due.is_set():
            logger.info(
                "this worker claims nothing more, since %s; it ends when what it runs has ended, "
                "and a new process takes its place",
                why,
            )
            self._due.set()
            self._gate.close(Reason.REPLACED)

    async def run_once(self) -> None:
        """Wait for a limit and for all that runs, then end the worker."""
        await self._due.wait()
        await self._attempts.wait_idle()
        say_drains(is_replaced=True)
        self._stop(ExitCode.DONE)
        await asyncio.Event().wait()
