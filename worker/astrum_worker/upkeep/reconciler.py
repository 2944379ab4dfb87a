"""Reconciles this worker's claimed attempts with the server's pending list."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from astrum.runtime.service import PeriodicService
from astrum_worker.claim_gate import Reason
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.settling.settler import Settler

logger = logging.getLogger("astrum.worker")

KEEP_QUEUES_EVERY_S = 600.0
"""An idle queue lives for a day from then on."""


class Reconciler(PeriodicService):
    """Cancels attempts that others have settled, and runs claims whose delivery was lost.

    Calls `verify` every beat, and `reconcile` every half minute, after a lost reply and after a
    restart of the server. ``register`` registers the worker again. As the listener of the lease it
    stops claims while the lease may be lost.
    """

    name = "reconciler"

    def __init__(
        self,
        context: WorkerContext,
        attempts: Attempts,
        settler: Settler,
        register: Callable[[], Awaitable[None]],
    ) -> None:
        config, store = context.config, context.store
        super().__init__(config.beat_every_s, hurry=context.doubt.event)
        self._store = store
        self._gate = context.gate
        self._doubt = context.doubt
        self._attempts = attempts
        self._settler = settler
        self._register = register
        self._reconcile_every_s = config.reconcile_every_s
        self._reconcile_due = time.monotonic() + config.reconcile_every_s
        self._keep_queues_due = 0.0
        self._must_register = False
        self._context = context

    def lapsed(self) -> None:
        """Note that the lease had expired: claim nothing until the worker is registered again."""
        self._must_register = True
        self._gate.close(Reason.UNREGISTERED)
        self.hurry()

    def distrusted(self) -> None:
        """Claim nothing while the lease may have expired."""
        self._gate.close(Reason.NO_LEASE)

    def trusted(self) -> None:
        """Claim again, since the lease holds."""
        self._gate.open(Reason.NO_LEASE)

    async def pass_once(self) -> None:
        """Run the checks that are due."""
        if self._store.loss.acknowledge():
            logger.warning(
                "the server was restarted or replaced and may have lost its last writes; recent "
                "results are sent to it again"
            )
            self._settler.resettle()
            self._must_register = True
            self._reconcile_due = 0.0
        if self._must_register:
            await self._register()
            self._must_register = False
            self._gate.open(Reason.UNREGISTERED)
        await self.verify()
        self._attempts.end_forgotten()
        if self._doubt.take():
            self._reconcile_due = 0.0
        if time.monotonic() >= self._reconcile_due:
            await self.reconcile()
            await self._context.look_for_rare_streams()
            await self._keep_queues()
            self._reconcile_due = time.monotonic() + self._reconcile_every_s

    async def _keep_queues(self) -> None:
        if time.monotonic() >= self._keep_queues_due:
            await self._store.keep_queues(self._lanes())
            self._keep_queues_due = time.monotonic() + KEEP_QUEUES_EVERY_S

    def _lanes(self) -> dict[str, str]:
        """Return the lane of each stream that the worker reads, by key."""
        streams, queue = self._context.all_streams(), self._store.keys.queue
        return {queue(stream): stream.lane for stream in streams}

    async def verify(self) -> None:
        """Cancel attempts that run here and were settled by others."""
        by_run: dict[str, list[ClaimedAttempt]] = {}
        for held in self._attempts.running():
            by_run.setdefault(held.run_id, []).append(held)
        for run_id, group in by_run.items():
            items = [(held.task, held.attempt, held.claim.key) for held in group]
            answers = await self._store.are_still_held(run_id, items)
            for held, is_mine in zip(group, answers, strict=True):
                if not is_mine:
                    self._attempts.cancel(held)

    async def reconcile(self) -> None:
        """Run the attempts that the server delivered here but the worker never received."""
        self._attempts.begin_audit()
        settled_again = self._settler.on_the_way()  # after a loss they are pending again
        lanes = self._lanes()
        claims = await self._store.own_claims(lanes)
        if self._store.loss.suspected:  # since just now: recent ends are settled again first
            self.hurry()
            return
        unknown = [claim for claim in claims if claim.key not in settled_again]
        found = self._attempts.adopt(lanes, unknown)
        if found:
            logger.warning("%d claimed attempts had been lost on the way; they run now", found)
