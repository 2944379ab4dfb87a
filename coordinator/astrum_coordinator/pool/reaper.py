"""Settles the attempts of dead workers as lost, for all runs, with or without a leader.

The settle script decides by the server's clock. It refuses if the worker's lease is alive, and two
reapers at once do no harm.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from astrum.machine.events import Outcome
from astrum.machine.failure import LOST, Failure
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.records import LastWord
from astrum.protocol.task_message import attribute
from astrum.redis.records import DeadClaim, queued_ms
from astrum.redis.settlement import Settlement, Verdict
from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.clock_watch import ClockWatch

logger = logging.getLogger("astrum.coordinator")


class Death(NamedTuple):
    """The way a worker died, the number of attempts it held, and what these logged last."""

    how: str
    held: int
    said: Mapping[tuple[str, int, int], str]


def last_word_text(word: LastWord) -> str:
    """Return what the last heartbeat of a dead worker says, to be added to how it died.

    >>> last_word_text(LastWord(16.2, 8 * 2**30))
    '; its last heartbeat was 16 s earlier, its process used 8192 MiB then'
    """
    age = "" if word.age_s is None else f"its last heartbeat was {word.age_s:.0f} s earlier"
    if word.rss_bytes is None:
        return age and f"; {age}"
    memory = f"its process used {word.rss_bytes / 2**20:.0f} MiB"
    return f"; {age}, {memory} then" if age else f"; {memory} at its last heartbeat"


def _death(word: LastWord, held: int) -> Death:
    how = f"its process ended with {word.ended}" if word.ended else "its lease ended"
    return Death(how + last_word_text(word), held, word.said)


class Reaper(PeriodicService):
    """Looks for dead workers every few seconds, at once when one was reported dead."""

    name = "reaper"

    def __init__(self, context: CoordinatorContext) -> None:
        super().__init__(context.config.reap_every_s)
        self._store = context.store
        self._seal = context.seal
        self._counters = context.counters
        self._grace_s = context.config.reap_grace_s
        self._looked_at = float("-inf")
        self._judges_from = 0.0
        self._clock = ClockWatch()

    async def pass_once(self) -> None:
        """Settle what dead workers hold and drop their consumers."""
        await self._check_clock()
        claims = await self._store.dead_claims()
        holders = {claim.worker_id for claim in claims}
        last_words = await self._store.last_words(holders) if claims else {}
        may_judge = self._may_judge(time.monotonic())
        known = [claim for claim in claims if may_judge or last_words[claim.worker_id].ended]
        await self._settle(known, last_words)
        if not may_judge:
            return
        for worker_id in await self._store.dead_workers():
            await self._store.drop_worker(worker_id)

    async def _settle(
        self, claims: Sequence[DeadClaim], last_words: Mapping[str, LastWord]
    ) -> None:
        deaths = {
            worker_id: _death(last_words[worker_id], count)
            for worker_id, count in Counter(claim.worker_id for claim in claims).items()
        }
        for worker_id, (how, count, _) in deaths.items():
            logger.warning(
                "worker %s is dead: %s; the attempts that it was running (%d) are settled as lost "
                "and run again",
                *(worker_id, how, count),
            )
        by_place: dict[tuple[str, str, str], list[Settlement]] = {}
        for claim in claims:
            known = attribute(claim.data)
            if known is None:
                await self._set_aside(claim)
                continue
            _, run_id, task, attempt = known
            settlement = self._lost(claim, run_id, task, attempt, deaths[claim.worker_id])
            by_place.setdefault((run_id, claim.stream, claim.worker_id), []).append(settlement)
        for (run_id, stream, worker_id), settlements in by_place.items():
            verdicts = await self._store.settle_lost(run_id, stream, worker_id, settlements)
            settled = verdicts.count(Verdict.SETTLED)
            self._counters.note_losses(last_words[worker_id].ended, settled)

    async def _check_clock(self) -> None:
        """Renew leases that expired only because the server's clock jumped ahead."""
        asked_at = time.monotonic()
        server_s = await self._store.server_time()
        jumped_s = self._clock.jumped_s(server_s, asked_at, time.monotonic())
        if jumped_s:
            given = await self._store.heal_leases(jumped_s)
            logger.warning(
                "the server's clock jumped ahead by %.1f s: %d leases that expired by that are "
                "renewed",
                jumped_s,
                given,
            )

    def _may_judge(self, now: float) -> bool:
        """Return whether the server has answered this process for long enough.

        If this process could not reach the server, live workers may not have reached it either,
        and their leases have expired. A process that is known to have ended needs no such doubt.
        """
        if now - self._looked_at > 2 * self._every_s:
            self._judges_from = now + self._grace_s
        self._looked_at = now
        return now >= self._judges_from

    async def _set_aside(self, claim: DeadClaim) -> None:
        why = f"it is not a task message; worker {claim.worker_id}, which held it, is dead"
        logger.error("entry %s of %s is set aside: %s", claim.entry_id, claim.stream, why)
        await self._store.set_aside(claim, why)

    def _lost(
        self, claim: DeadClaim, run_id: str, task: int, attempt: int, death: Death
    ) -> Settlement:
        said = death.said.get((run_id, task, attempt), "")
        last_line = f"; the last line that it logged was {said!r}" if said else ""
        failure = Failure((LOST,), f"worker {claim.worker_id} died, {death.how}{last_line}")
        record = Record(
            task,
            attempt,
            Outcome.LOST,
            worker_id=claim.worker_id,
            started_at=claim.claimed_at,
            queued_ms=queued_ms(claim.entry_id, claim.claimed_at),
            failure=failure,
            shared_loss=death.held,
        )
        row = self._seal.seal_row(run_id, encode_record(record))
        return Settlement(task, attempt, claim.entry_id, False, row)
