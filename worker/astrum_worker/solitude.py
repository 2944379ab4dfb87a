"""Runs attempts that must have no neighbour, since each of them may kill its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from astrum.redis import Claim, WorkerStore
from astrum_worker.attempts import Attempts
from astrum_worker.config import WorkerConfig
from astrum_worker.consumer import Consumer
from astrum_worker.gate import Gate, Reason
from astrum_worker.reporter import Reporter
from astrum_worker.service import PeriodicService

LANE = "alone"
_LOOKS_WHILE_BUSY = 3
_DRAIN_LOOK_S = 1.0


class Solitude(PeriodicService):
    """The claim loop of the lane "alone".

    While such an attempt waits, an idle worker takes it at the next look; a busy one leaves it to
    others for a few looks, then stops claiming, lets its attempts end, and takes it. While it
    runs, nothing else is claimed.
    """

    name = "claiming (alone)"

    def __init__(
        self,
        store: WorkerStore,
        worker_id: str,
        config: WorkerConfig,
        gate: Gate,
        consumers: Sequence[Consumer],
        attempts: Attempts,
        reporter: Reporter,
        *,
        accept: Callable[[Claim], None],
    ) -> None:
        super().__init__(config.solitude_every_s)
        self._store = store
        self._worker_id = worker_id
        self._queues = config.queues
        self._gate = gate
        self._consumers = consumers
        self._attempts = attempts
        self._reporter = reporter
        self._accept = accept
        self._looks = 0

    async def pass_once(self) -> None:
        """Look whether such an attempt waits, and take it if this worker is the right one."""
        if not self._gate.lets_claim() or not await self._is_waiting():
            self._looks = 0
            return
        self._looks += 1
        if self._attempts.running_count and self._looks < _LOOKS_WHILE_BUSY:
            return
        self._looks = 0
        self._gate.close(Reason.ALONE)
        try:
            if await self._became_alone():
                await self._take()
        finally:
            self._gate.open(Reason.ALONE)

    async def _take(self) -> None:
        claims = await self._store.claim(LANE, self._queues, self._worker_id, 1, block_s=None)
        for claim in claims:
            self._accept(claim)
        await self._attempts.wait_idle()
        # Settled too before neighbours come: if it kills the worker, it kills it now.
        await self._reporter.flushed()

    async def _is_waiting(self) -> bool:
        return await self._store.waiting(LANE, self._queues) > 0

    async def _became_alone(self) -> bool:
        """Wait until nothing runs or is unsettled here; false if another worker was faster."""
        for consumer in self._consumers:
            await consumer.wait_quiet()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_LOOK_S):
                    await self._attempts.wait_idle()
                    await self._reporter.flushed()
                    return True
            if not await self._is_waiting():
                return False
