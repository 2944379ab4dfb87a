"""Claims attempts of one lane, never more than there are free slots for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from astrum.protocol.status import LaneStatus
from astrum.redis import Claim
from astrum.runtime.service import PeriodicService, Service
from astrum_worker.claiming.claim_order import ClaimOrder
from astrum_worker.context import WorkerContext
from astrum_worker.doubt import Doubt
from astrum_worker.running.slots import Slots

logger = logging.getLogger("astrum.worker")

STUCK_AFTER_BLOCKS = 3
MODEST_WAIT_S = 0.5
"""The seconds for which a reader waits if it could run none of its last claims."""


class Consumer(Service):
    """The claim loop of one lane; a read waits at the server if the last one emptied the stream.

    ``accept`` is called with each claim and returns whether this worker can run it. The server
    gives new entries to the reader that has waited longest. So a reader that could run none of its
    claims waits only for a short time, then queues again behind the others, and they get what
    it handed back. The first claim after a failure sets `Doubt`: the reply of the failed one
    may have been lost.
    """

    def __init__(
        self,
        context: WorkerContext,
        lane: str,
        slots: Slots,
        accept: Callable[[Claim], bool],
    ) -> None:
        super().__init__()
        self.name = f"claiming ({lane})"
        self.lane = lane
        self._store = context.store
        self._order = ClaimOrder(context, lane)
        self._config = context.config
        self._gate = context.gate
        self._doubt = context.doubt
        self._slots = slots
        self._accept = accept
        self._expects_more = True
        self._is_modest = False
        self._claiming_since: float | None = None
        self._due_since: float | None = None
        self._read_at: float | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def run_once(self) -> None:
        """Wait until claiming is allowed and a slot is free, then claim once."""
        if not self._gate.is_open:
            self._due_since = None
            await self._gate.wait_open()
        free = await self._slots.wait_free()
        if self._gate.lets_claim():  # it may have closed while no slot was free
            if self._due_since is None:
                self._due_since = time.monotonic()
            await self._claim(free)
            self._due_since = None

    async def wait_quiet(self) -> None:
        """Wait until no claim is under way."""
        await self._quiet.wait()

    def is_stuck(self) -> bool:
        """Return whether a claim takes far longer than it may block, and no byte arrives."""
        limit_s = STUCK_AFTER_BLOCKS * self._config.claim_wait_s
        since = self._claiming_since
        if since is None or time.monotonic() - since <= limit_s:
            return False
        return self._store.silent_s(self.lane) > limit_s

    def due_s(self, now: float) -> float:
        """Return for how long a read has been due, with all that failed, at a monotonic time.

        While no slot is free, or the gate is closed, no read is due.
        """
        since = self._due_since
        return 0.0 if since is None or not self._gate.is_open else max(now - since, 0.0)

    def status(self, now: float) -> LaneStatus:
        """Return the lane's slots and the age of its last read, at a monotonic time."""
        slots, read_at = self._slots, self._read_at
        age_s = None if read_at is None else round(max(now - read_at, 0.0), 3)
        return LaneStatus(slots.limit, slots.used, slots.free, age_s, slots.ended)

    async def _claim(self, count: int) -> None:
        streams = self._order.next()
        block_s = None if self._expects_more else self._wait_s()
        self._claiming_since = time.monotonic()
        self._quiet.clear()
        try:
            claims = await self._store.claim(self.lane, streams, count, block_s=block_s)
        finally:
            self._claiming_since = None
            self._quiet.set()
        self._read_at = time.monotonic()
        if self._backoff.failures:
            self._doubt.note()
        # A read that waited gives each of several streams a part of the count.
        self._expects_more = len(claims) >= max(1, count // len(streams))
        if claims:
            runnable = [self._accept(claim) for claim in claims]
            self._is_modest = not any(runnable)

    def _wait_s(self) -> float:
        longest_s = self._config.claim_wait_s
        return min(longest_s, MODEST_WAIT_S) if self._is_modest else longest_s


class ReaderRestarter(PeriodicService):
    """Restarts readers that are stuck, for example on a connection whose peer is gone.

    A reader must be found stuck twice: after the event loop was blocked, the reply may have
    arrived but not have been read yet.
    """

    name = "reader watch"

    def __init__(self, consumers: Sequence[Consumer], every_s: float, doubt: Doubt) -> None:
        super().__init__(every_s)
        self._consumers = consumers
        self._doubt = doubt
        self._suspects: list[Consumer] = []

    async def pass_once(self) -> None:
        """Restart each reader that was stuck in the last pass and still is."""
        stuck = [consumer for consumer in self._consumers if consumer.is_stuck()]
        for consumer in stuck:
            if consumer in self._suspects:
                logger.warning(
                    "%s: no answer for %d times as long as a read may take; the connection is "
                    "closed and opened again",
                    consumer.name,
                    STUCK_AFTER_BLOCKS,
                )
                await consumer.stop()
                consumer.start()
                self._doubt.note()
        self._suspects = stuck
