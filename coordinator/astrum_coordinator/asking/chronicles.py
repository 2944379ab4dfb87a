"""Keeps chronicles: what is known of a run when its journal and its values are gone.

The leader of a run makes its chronicle after the end, from what it has in memory. Small runs may
end a thousand times a second, so their chronicles have a small share of the processor alone; where
it does not suffice, some runs have none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from astrum.errors import AstrumError
from astrum.machine.state import RunState
from astrum.protocol.records import RunInfo
from astrum.redis.chronicles import NO_ROOM
from astrum.runtime.collector import collector_paused
from astrum.runtime.loops import end_task
from astrum.view import Look, NoPool, RunMoment
from astrum.view.report.chronicle import encode_chronicle, unkept_text
from astrum.view.report.columns import run_columns
from astrum.view.report.kept_reasons import kept_reasons
from astrum.view.report.run_head import RunHead
from astrum_coordinator.asking.exports import head_of
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.fetching import learn_names
from astrum_coordinator.leading.leader import RunLeader

logger = logging.getLogger("astrum.coordinator")

SMALL_RUN_TASKS = 200
"""Chronicles of smaller runs are made on the event loop, others in a thread."""
MAX_WAITING = 100
"""So many small runs may wait for their chronicles; of those that end meanwhile none is made."""
SHARE = 0.01
"""The share of the time that chronicles of small runs take."""
STORE_S = 0.0005
"""What the calls of one chronicle cost in processor time, beside making it."""
CLOSING_S = 3.0
"""For how long a coordinator that closes makes the chronicles that wait."""
WARN_EVERY_S = 60.0


class _Ended(NamedTuple):
    """A run that has ended here."""

    leader: RunLeader
    is_small: bool


class Chronicles:
    """Makes the chronicles of the runs that end here, one after the other."""

    def __init__(self, context: CoordinatorContext) -> None:
        self._context = context
        self._waiting: deque[_Ended] = deque()
        self._work: asyncio.Task[None] | None = None
        self._small = 0
        self._left_out = 0
        self._warned_at = -WARN_EVERY_S
        self._closing = asyncio.Event()

    def add(self, leader: RunLeader) -> None:
        """Make the chronicle of a run that has just ended, in the background."""
        if not self._context.config.history_s:
            return
        if why := unkept_text(sum(leader.state.counts().values())):
            logger.warning("run %s has ended; %s", leader.run_id, why)
            return
        is_small = len(leader.state.states) < SMALL_RUN_TASKS
        if is_small and self._small >= MAX_WAITING:
            self._leave_out()
            return
        self._small += is_small
        self._waiting.append(_Ended(leader, is_small))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._keep_all())

    def _leave_out(self) -> None:
        self._left_out += 1
        now = time.monotonic()
        if now - self._warned_at < WARN_EVERY_S:
            return
        logger.info(
            "%d runs of few tasks have no chronicle: more of them end than %g %% of the time is "
            "enough for; their reports are kept for as long as their results",
            *(self._left_out, 100 * SHARE),
        )
        self._warned_at, self._left_out = now, 0

    async def _keep_all(self) -> None:
        while self._waiting:
            leader, is_small = self._waiting.popleft()
            self._small -= is_small
            try:
                cost_s = await self._keep(leader)
            except AstrumError as error:
                logger.info("run %s: its chronicle could not be kept: %s", leader.run_id, error)
                continue
            except Exception:
                logger.exception("run %s: its chronicle could not be made", leader.run_id)
                continue
            if is_small:
                await self._pause(cost_s / SHARE)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _keep(self, leader: RunLeader) -> float:
        """Keep one chronicle, and return what it cost, in seconds of the processor."""
        store = self._context.store
        info = await store.run_info(leader.run_id)
        if info is None or info.epoch != leader.epoch:
            return STORE_S
        await learn_names(leader.results.names, leader.run_id, store)
        return await self.keep(leader.state, info)

    async def keep(self, state: RunState, info: RunInfo) -> float:
        """Keep the chronicle of a run, by its record; nothing happens if it is open.

        Returns what it cost, in seconds of the processor.
        """
        if info.is_open or info.ended_at is None:
            return STORE_S
        run_id, config = info.run_id, self._context.config
        head = head_of(info, info.times(info.ended_at), info.ended_at)
        began = time.thread_time()
        if len(state.states) < SMALL_RUN_TASKS:
            data = made(state, head, info)
        else:
            data = await asyncio.to_thread(made, state, head, info)
        cost_s = time.thread_time() - began
        kept = await self._context.store.keep_chronicle(
            run_id,
            info.epoch,
            self._context.seal.seal_chronicle(run_id, data),
            life_s=config.history_s,
            max_bytes=config.history_bytes,
        )
        if kept == NO_ROOM:
            logger.warning(
                "run %s: its chronicle of %d bytes has no room (history_bytes)", run_id, len(data)
            )
        return cost_s + STORE_S

    async def close(self) -> None:
        """Make the chronicles that wait, as far as there is time."""
        self._closing.set()
        if self._work is None or self._work.done():
            return
        await asyncio.wait([self._work], timeout=CLOSING_S)
        if not self._work.done():
            logger.info("%d runs have no chronicle: this process ends", len(self._waiting) + 1)
            await end_task(self._work)


@collector_paused()
def made(state: RunState, head: RunHead, info: RunInfo) -> bytes:
    """Return the chronicle of a run that is over."""
    moment = RunMoment(state=state, info=info, now=head.times.ended_at)
    return encode_chronicle(run_columns(state, head), kept_reasons(Look(moment, NoPool())))
