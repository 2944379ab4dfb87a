"""Looks again and again what a pool says about one run, for a display."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from astrum.errors import StoreError
from astrum.view.progress.pool_facts import PoolFacts, pool_facts
from astrum_coordinator.asking.operations import Operations

LOOK_EVERY_S = 1.0
SHARE = 0.05
"""The share of the time for looks: those at a large pool are rarer."""


class PoolWatch:
    """Looks after one run; ``queues`` returns those of its tasks, as soon as they are known."""

    def __init__(
        self, operations: Operations, run_id: str, queues: Callable[[], Iterable[str]]
    ) -> None:
        self._facts = PoolFacts()
        self._operations = operations
        self._run_id = run_id
        self._queues = queues

    def latest(self) -> PoolFacts:
        """Return the facts as of the last look; any thread may ask."""
        return self._facts

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look about every second while the context is open."""
        looking = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def look(self) -> None:
        """Look once; raises `StoreError` if the server does not answer."""
        ask = self._operations
        self._facts = pool_facts(
            self._run_id,
            time.monotonic(),
            await ask.run_info(self._run_id),
            self._queues(),
            await ask.workers(),
            await ask.coordinators(),
            await ask.queues(),
        )

    async def _keep_looking(self) -> None:
        while True:
            began = time.monotonic()
            with suppress(StoreError):
                await self.look()
            took_s = time.monotonic() - began
            await asyncio.sleep(max(LOOK_EVERY_S, took_s / SHARE))
