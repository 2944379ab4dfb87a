"""Settles the attempts of dead workers as lost, for any run, whoever leads it.

The verdict is the settle script's, under the server's clock: a worker whose lease is alive can
not be judged, and two reapers do no harm.
"""

from __future__ import annotations

import logging
from collections import Counter

from astrum.errors import DecodeError
from astrum.machine.events import Outcome
from astrum.machine.failure import LOST, Failure
from astrum.redis.facts import DeadClaim
from astrum.redis.run_store import RunStore
from astrum.redis.settlement import Settlement
from astrum.wire.messages import Record, TaskMessage, decode_message, encode_record
from astrum.wire.sealing import Seal
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.service import PeriodicService

logger = logging.getLogger("astrum.coordinator")


class Reaper(PeriodicService):
    """Looks for dead workers every few seconds."""

    name = "reaper"

    def __init__(self, store: RunStore, config: CoordinatorConfig, seal: Seal) -> None:
        super().__init__(config.reap_every_s)
        self._store = store
        self._seal = seal

    async def run_once(self) -> None:
        """Settle what dead workers hold and drop their consumers."""
        claims = await self._store.dead_claims()
        held = Counter(claim.worker_id for claim in claims)
        for worker_id, count in held.items():
            logger.warning(
                "worker %s is dead: its lease ended; the attempts that it was running (%d) are "
                "settled as lost and run again",
                worker_id,
                count,
            )
        by_place: dict[tuple[str, str, str], list[Settlement]] = {}
        for claim in claims:
            message = await self._message(claim)
            if message is not None:
                place = (message.run_id, claim.stream, claim.worker_id)
                settlement = self._lost(claim, message, held[claim.worker_id])
                by_place.setdefault(place, []).append(settlement)
        for (run_id, stream, worker_id), settlements in by_place.items():
            await self._store.settle_lost(run_id, stream, worker_id, settlements)
        for worker_id in await self._store.dead_workers():
            await self._store.drop_worker(worker_id)

    async def _message(self, claim: DeadClaim) -> TaskMessage | None:
        try:
            return decode_message(claim.data)
        except DecodeError as error:
            logger.error(
                "entry %s of a dead worker is unreadable and discarded: %s", claim.entry_id, error
            )
            await self._store.discard(claim)
            return None

    def _lost(self, claim: DeadClaim, message: TaskMessage, shared: int) -> Settlement:
        failure = Failure((LOST,), f"worker {claim.worker_id} died, its lease ended")
        record = Record(
            message.task,
            message.attempt,
            Outcome.LOST,
            worker_id=claim.worker_id,
            failure=failure,
            shared_loss=shared,
        )
        return Settlement(
            message.task,
            message.attempt,
            claim.entry_id,
            False,
            self._seal.seal_row(message.run_id, encode_record(record)),
        )
