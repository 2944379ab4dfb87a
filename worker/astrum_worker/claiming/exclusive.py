"""Runs exclusive attempts: nothing else runs beside them, since each may kill its worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle

from astrum.errors import StoreError
from astrum.runtime.service import PeriodicService
from astrum_worker.claim_gate import Reason
from astrum_worker.claiming.consumer import Consumer
from astrum_worker.context import EXCLUSIVE, WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.settling.settler import Settler

logger = logging.getLogger("astrum.worker")

LANE = EXCLUSIVE
_LOOKS_WHILE_BUSY = 3
_RARE = 2
"""As long as no exclusive attempt waits, a worker looks less often by this factor."""
_LOOK_EVERY_S = 1.0
_HOLD_S = 5.0
"""The seconds for which the pool waits for a worker that died while it made room."""
_STAY_S = 5.0
"""The seconds for which a worker that has made room runs one exclusive attempt after another."""
FIRST_DRAIN_S = 30.0


class ExclusiveLane(PeriodicService):
    """The claim loop of the exclusive lane.

    While an exclusive attempt waits, an idle worker claims it at its next look. A busy worker
    leaves it to others for a few looks, then claims nothing else, waits for its attempts to end,
    and claims it. Nothing else is claimed while it runs. Other exclusive attempts that wait are
    run after it, one at a time.

    At most a quarter of the pool may do so at a time, since such a worker runs nothing else. If
    a worker's attempts do not end in time, it claims normally again for as long as it has waited,
    and waits twice as long the next time. So the exclusive attempt gets its turn, and others get
    half of the time.
    """

    name = "claiming (exclusive)"

    def __init__(
        self,
        context: WorkerContext,
        consumers: Sequence[Consumer],
        attempts: Attempts,
        settler: Settler,
    ) -> None:
        super().__init__(context.config.exclusive_every_s)
        self._store = context.store
        self._streams = context.exclusive_streams()
        self._in_turn = cycle([context.exclusive_streams(turn) for turn in range(context.turns)])
        self._gate = context.gate
        self._consumers = consumers
        self._attempts = attempts
        self._settler = settler
        self._looks = 0
        self._drain_s = FIRST_DRAIN_S
        self._busy_until = 0.0

    async def pass_once(self) -> None:
        """If an exclusive attempt waits and it is this worker's turn, drain and run it."""
        if not self._gate.lets_claim() or not await self._is_waiting():
            self._looks = 0
            self._wait_s *= _RARE  # hardly ever does one wait, and all workers look
            return
        self._looks += 1
        if self._attempts.running_count and not self._is_its_turn():
            return
        self._looks = 0
        if not await self._hold():
            return
        self._gate.close(Reason.EXCLUSIVE)
        try:
            if await self._acquired():
                await self._take_some()
        finally:
            self._gate.open(Reason.EXCLUSIVE)
            with suppress(StoreError):
                await self._store.release_exclusive()

    def _is_its_turn(self) -> bool:
        return self._looks >= _LOOKS_WHILE_BUSY and time.monotonic() >= self._busy_until

    async def _take_some(self) -> None:
        """Run one after another for `_STAY_S` seconds; then other attempts have their turn."""
        until = time.monotonic() + _STAY_S
        while self._gate.reasons == [Reason.EXCLUSIVE.value] and await self._take():
            if time.monotonic() >= until:
                return

    async def _take(self) -> bool:
        """Run one exclusive attempt; false if none waits any more, or this worker cannot run it."""
        claims = await self._store.claim(LANE, next(self._in_turn), 1, block_s=None)
        if not claims:
            return False
        runnable = [self._attempts.accept(LANE, claim) for claim in claims]
        # Its end is settled before other attempts are claimed. If it kills the worker, it
        # does so now, and no other attempt is lost with it.
        while not await self._is_empty_soon():
            with suppress(StoreError):
                await self._hold()
        return all(runnable)

    async def _acquired(self) -> bool:
        """Wait until nothing runs or is unsettled; false if it takes too long or is not needed."""
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
        """Wait briefly for everything here to end and be recorded; return whether it has."""
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._attempts.wait_idle()
                await self._settler.flushed()
        except TimeoutError:
            return False
        return True

    async def _is_waiting(self) -> bool:
        return await self._store.waiting_alone(self._streams) > 0

    async def _hold(self) -> bool:
        return await self._store.acquire_exclusive(_HOLD_S)
