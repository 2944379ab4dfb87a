"""Writes to a led run's record what its leader decides: journal entries, and the run's end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from astrum.errors import StoreError
from astrum.machine.run_counter import RunCounter, end_details
from astrum.machine.state import RunState
from astrum.protocol.messages import encode_record
from astrum.protocol.records import NO_HISTORY
from astrum.runtime.loops import Backoff
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.dispatch_calls import RunRef
from astrum_coordinator.leading.unsigned_ends import UnsignedEnds

logger = logging.getLogger("astrum.coordinator")

Answer = TypeVar("Answer")


class RunWriter:
    """Writes under one epoch, and tries again for as long as the server refuses.

    Raises `LeadershipLostError` when another epoch leads the run.
    """

    def __init__(self, context: CoordinatorContext, run: RunRef) -> None:
        self._context = context
        self._run = run

    async def append(self, row: bytes) -> None:
        """Add an encoded event or record to the journal."""
        run_id, epoch = self._run.run_id, self._run.epoch
        entry = self._context.seal.seal_entry(run_id, row)
        await self._insist(partial(self._context.store.append_event, run_id, entry, epoch=epoch))

    async def replace(self, ends: UnsignedEnds, state: RunState) -> None:
        """Settle again what was settled with an invalid signature.

        Raises `StoreUnavailableError`; the ends are kept then.
        """
        for record in await ends.replacements(self._context.store, self._run.run_id, state):
            await self.append(encode_record(record))

    async def finish(self, state: str, known: RunState) -> bool:
        """End the run; ``False`` if attempts are outstanding that the end must wait for.

        ``known`` is the run as its leader knows it: its counts and how it ended are kept for the
        list of runs. Raises `RunNotFoundError` if the run's record is gone.
        """
        run_id, epoch, plan, *_ = self._run
        unkept = {} if self._context.config.history_s else {NO_HISTORY: str(epoch)}
        write = partial(
            self._context.store.finish,
            run_id,
            epoch,
            state,
            result_ttl_s=self._context.config.result_ttl_s,
            tails=any(not spec.awaited for spec in plan.tasks),
            counts=RunCounter(known).counts(),
            details=end_details(known) | unkept,
        )
        return await self._insist(write)

    async def _insist(self, write: Callable[[], Awaitable[Answer]]) -> Answer:
        backoff = Backoff()
        while True:
            try:
                return await write()
            except StoreError as error:
                logger.warning("run %s: %s; trying again", self._run.run_id, error)
                await backoff.wait()
