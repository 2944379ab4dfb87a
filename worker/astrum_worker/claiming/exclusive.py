"""Runs attempts that must have no neighbour, since each of them may kill its worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from astrum.errors import StoreError
from astrum_worker.claim_gate import Reason
from astrum_worker.claiming.consumer import Consumer
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.service import PeriodicService
from astrum_worker.settling.settler import Settler

logger = logging.getLogger("astrum.worker")

LANE = "alone"
_LOOKS_WHILE_BUSY = 3
_LOOK_EVERY_S = 1.0
_HOLD_S = 5.0
"""How long the pool waits for a worker that died while it made room."""
_STAY_S = 5.0
"""How long a worker that has made room runs one lone attempt after the other."""
FIRST_DRAIN_S = 30.0


class ExclusiveLane(PeriodicService):
    """The claim loop of the lane "alone".

    While such an attempt waits, an idle worker takes it at the next look; a busy one leaves it to
    others for a few looks, then stops claiming, lets its attempts end, and takes it. While it
    runs, nothing else is claimed. Others that wait follow it, each alone as well.

    A worker that does so serves nobody else, so only a quarter of the pool may at a time. One
    whose attempts do not end in time goes on as before for as long as it has waited, and waits
    twice as long the next time: the lone attempt gets its turn, and others get half of the time.
    """

    name = "claiming (alone)"

    def __init__(
        self,
        context: WorkerContext,
        consumers: Sequence[Consumer],
        attempts: Attempts,
        reporter: Settler,
    ) -> None:
        super().__init__(context.config.solitude_every_s)
        self._store = context.store
        self._queues = context.config.queues
        self._gate = context.gate
        self._consumers = consumers
        self._attempts = attempts
        self._reporter = reporter
        self._looks = 0
        self._drain_s = FIRST_DRAIN_S
        self._busy_until = 0.0

    async def pass_once(self) -> None:
        """Look whether such an attempt waits, and take it if this worker is the right one."""
        if not self._gate.lets_claim() or not await self._is_waiting():
            self._looks = 0
            return
        self._looks += 1
        if self._attempts.running_count and not self._is_its_turn():
            return
        self._looks = 0
        if not await self._hold():
            return
        self._gate.close(Reason.ALONE)
        try:
            if await self._became_alone():
                await self._take_some()
        finally:
            self._gate.open(Reason.ALONE)
            with suppress(StoreError):
                await self._store.is_alone_no_more()

    def _is_its_turn(self) -> bool:
        return self._looks >= _LOOKS_WHILE_BUSY and time.monotonic() >= self._busy_until

    async def _take_some(self) -> None:
        """Run one after the other, now that there is room, and then let others have their turn."""
        until = time.monotonic() + _STAY_S
        while self._gate.reasons == [Reason.ALONE.value] and await self._take():
            if time.monotonic() >= until:
                return

    async def _take(self) -> bool:
        """Run one to its end; false if none waits any more, or this worker cannot run it."""
        claims = await self._store.claim(LANE, self._queues, 1, block_s=None)
        if not claims:
            return False
        runnable = [self._attempts.accept(LANE, claim) for claim in claims]
        # Settled too before neighbours come: if it kills the worker, it kills it now.
        while not await self._is_empty_soon():
            with suppress(StoreError):
                await self._hold()
        return all(runnable)

    async def _became_alone(self) -> bool:
        """Wait until nothing runs or is unsettled here; false if that is no use any more."""
        for consumer in self._consumers:
            await consumer.wait_quiet()
        began = time.monotonic()
        while not await self._is_empty_soon():
            if time.monotonic() - began > self._drain_s:
                self._give_up()
                return False
            if not (await self._is_waiting() and await self._hold()):
                return False
        self._drain_s = FIRST_DRAIN_S
        return True

    def _give_up(self) -> None:
        logger.warning(
            "an attempt that must run alone waits; what runs here did not end within %.0f s, so "
            "others are served for as long: start one more worker to have it run sooner",
            self._drain_s,
        )
        self._busy_until = time.monotonic() + self._drain_s
        self._drain_s *= 2

    async def _is_empty_soon(self) -> bool:
        """Wait a moment for everything here to end and to be recorded; tell whether it has."""
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._attempts.wait_idle()
                await self._reporter.flushed()
        except TimeoutError:
            return False
        return True

    async def _is_waiting(self) -> bool:
        return await self._store.waiting(LANE, self._queues) > 0

    async def _hold(self) -> bool:
        return await self._store.may_be_alone(_HOLD_S)
