"""A coordinator's access to the store: create and lead runs, dispatch, read journals, reap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from astrum.errors import (
    LeadershipLostError,
    PlanNotFoundError,
    RunNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from astrum.machine.run_counter import RunCounts
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import NO_COUNTS, Holder, LastWord, Outstanding, encode_counts
from astrum.protocol.status import CoordinatorStatus, encode_coordinator_status
from astrum.protocol.streams import Stream
from astrum.redis import blobs, listing, reaping, scripts, worker_scripts
from astrum.redis.chronicles import ChronicleStore
from astrum.redis.creation import CreationStore
from astrum.redis.entries import names_of, pairs
from astrum.redis.fence import outstanding_in
from astrum.redis.flows import FlowStore
from astrum.redis.journals import JournalStore
from astrum.redis.listing import Adopted
from astrum.redis.operating import OperatingStore
from astrum.redis.records import DeadClaim, Dispatched
from astrum.redis.scripts import (
    MAX_ITEMS,
    STREAMS_PER_PART,
    DispatchItem,
    LedCounts,
    chunks,
)
from astrum.redis.settings import RedisSettings
from astrum.redis.settlement import Settlement, Verdict

FIRST_PART = b"0"
"""The cursor before the first part, and after the last."""
RUNS_PER_ADOPTION = 100
FENCE_PART = 2_000
"""The approximate number of a run's tasks in one reply."""


class RunStore(CreationStore, FlowStore, OperatingStore, ChronicleStore, JournalStore):
    """A coordinator's side of the store."""

    @classmethod
    def open(cls, settings: RedisSettings) -> Self:
        """Return a store to enter: ``async with RunStore.open(settings) as store``."""
        return cls(settings)

    # --- the run -----------------------------------------------------------------------------

    async def adopt(
        self, run_ids: Sequence[str], owner: str, lease_s: float, *, versions: str = ""
    ) -> list[Adopted | StoreError | None]:
        """Acquire the leadership of runs, each under an epoch higher than any before it.

        ``None``: another owner's lease is live, or the run is over or gone. A run whose record is
        damaged has the error instead. Acquiring again as the same owner starts a new epoch.
        ``owner`` must be unique to the process. ``versions`` is kept as the run's policy from now
        on if it has none yet.
        """
        found: list[Adopted | StoreError | None] = []
        for part in chunks(run_ids, RUNS_PER_ADOPTION):
            call = scripts.adopt(self.keys, part, owner, lease_s, versions)
            time_ms, rows = await self.client.call(call)
            for run_id, row in zip(part, rows, strict=True):
                found.append(listing.read_adopted(run_id, time_ms, row, lease_s))
        return found

    async def lead(
        self, run_id: str, owner: str, lease_s: float, *, versions: str = ""
    ) -> int | None:
        """Acquire the leadership of one run and return its epoch; see `adopt`."""
        (found,) = await self.adopt([run_id], owner, lease_s, versions=versions)
        if isinstance(found, StoreError):
            raise found
        return None if found is None else found.info.epoch

    async def renew(self, owner: str, epochs: Mapping[str, int], lease_s: float) -> set[str]:
        """Renew the leases of runs (id to epoch); return those that the owner still leads.

        The others are led by another epoch, or are over, gone or damaged.
        """
        kept: set[str] = set()
        for part in chunks(list(epochs.items())):
            call = scripts.renew(self.keys, owner, part, lease_s)
            reply = await self.client.call(call)
            kept.update(run_id for (run_id, _), leads in zip(part, reply, strict=True) if leads)
        return kept

    async def release(self, run_id: str, owner: str, epoch: int) -> None:
        """End the leadership at once, so that others may adopt the run; repeatable."""
        await self.client.call(scripts.release(self.keys, run_id, owner, epoch))

    async def announce(
        self,
        owner: str,
        details: Mapping[str, str],
        status: CoordinatorStatus,
        led: Sequence[LedCounts],
        life_s: float,
    ) -> None:
        """Publish for ``life_s`` what a coordinator is and does, and the counts of its runs."""
        data = encode_coordinator_status(status)
        for part in list(chunks(led)) or [()]:
            call = scripts.announce(self.keys, owner, details, data, part, life_s)
            await self.client.call(call)

    async def withdraw(self, owner: str) -> None:
        """Take back what a coordinator published, since it ends."""
        commands = [("ZREM", self.keys.coordinators, owner), ("DEL", self.keys.coordinator(owner))]
        await self.client.pipeline(commands)

    async def orphans(self, limit: int = 100) -> listing.Orphans:
        """Let delayed runs begin that are due, and return open runs without a leader.

        Those longest without one come first.
        """
        asked = limit
        while True:
            reply = await self.client.call(scripts.orphans(self.keys, asked))
            found = listing.read_orphans(reply)
            if len(found.run_ids) >= limit or len(reply) // 2 < asked:
                return found._replace(run_ids=found.run_ids[:limit])
            asked *= 2  # some are not Astrum's

    async def load_plan(self, digest: str) -> bytes:
        """Return a plan in its stored form; raises `PlanNotFoundError`."""
        plan = await blobs.read_bounded(self.bulk, self.keys.plan(digest))
        if plan is None:
            raise PlanNotFoundError(f"the plan {digest} is gone: submit the run again")
        return plan

    async def outstanding(self, run_id: str) -> dict[int, Outstanding]:
        """Return the dispatched, unsettled attempts by task number.

        Raises `StoreError` if the fence holds something else.
        """
        return outstanding_in(run_id, await self._fence(run_id), self.keys)

    async def _fence(self, run_id: str) -> dict[bytes, bytes]:
        """Read the fence part by part: all of a big run at once would block the server for long.

        A change during the reading may or may not be seen.
        """
        fields: dict[bytes, bytes] = {}
        cursor = FIRST_PART
        while True:
            key = self.keys.attempts(run_id)
            cursor, part = await self.client.execute("HSCAN", key, cursor, "COUNT", FENCE_PART)
            fields |= pairs(part)
            if cursor == FIRST_PART:
                return fields

    async def attempt_state(self, run_id: str, task: int) -> str:
        """Return the fence of a task, ``""`` if it has none."""
        state = await self.client.execute("HGET", self.keys.attempts(run_id), task)
        return (state or b"").decode("utf-8", "replace")

    # --- attempts ----------------------------------------------------------------------------

    async def dispatch(
        self,
        run_id: str,
        epoch: int,
        stream: Stream,
        items: Sequence[tuple[int, int, bytes] | tuple[int, int, bytes, bytes]],
        *,
        has_more: bool = False,
        rank: int = 0,
    ) -> Dispatched:
        """Dispatch (task, attempt, message[, signature]) each at most once; repeatable.

        ``has_more``: the run has more ready for this stream, and counts for `scripts.WANT_S` as one
        that wants to dispatch there, with the weight of this ``rank``; without it, it does not any
        more. Without items this only asks how full the stream is, and the weight of all such runs.

        The state of each is the entry id if that very attempt is outstanding in this stream,
        else the fence instead: ``<attempt>=<who>`` or ``<attempt>!<who>`` was settled,
        ``<attempt>:<entry>/<stream>`` is another attempt, or in another stream (the leader's view
        of the run is wrong: read the journal again).
        Raises `LeadershipLostError`; `RunNotFoundError`; `StoreUnavailableError` with no
        attempt of the refused part dispatched while the server's memory is full, and while a
        suspected loss is not handled yet: a value that the server lost must not be used.
        """
        key = self.keys.queue(stream)
        rows = [item if type(item) is DispatchItem else DispatchItem(*item) for item in items]
        states: list[str] = []
        for part in chunks(rows[:-MAX_ITEMS] if len(rows) > MAX_ITEMS else ()):
            states += (await self._dispatch(run_id, epoch, key, part, True, rank)).states
        last = rows[len(states) :]
        sent = await self._dispatch(run_id, epoch, key, last, has_more, rank)
        return sent._replace(states=states + sent.states) if states else sent

    async def _dispatch(
        self,
        run_id: str,
        epoch: int,
        key: str,
        items: Sequence[DispatchItem],
        has_more: bool,
        rank: int,
    ) -> Dispatched:
        self._refuse_under_suspicion(run_id)
        call = scripts.dispatch(self.keys, run_id, epoch, key, items, has_more=has_more, rank=rank)
        return scripts.read_dispatched(run_id, epoch, await self.client.call(call))

    async def look(self, stream: Stream, ranks: Iterable[tuple[str, int]]) -> Dispatched:
        """Return how full a stream is, for runs (id, rank) that have more for it than they send."""
        call = scripts.look(self.keys, self.keys.queue(stream), ranks)
        return Dispatched([], *await self.client.call(call))

    async def revoke(
        self, run_id: str, epoch: int, stream: Stream, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        """Settle outstanding attempts as their leader, delivered or not; repeatable.

        Raises `LeadershipLostError`.
        """
        return await self._settle("c", epoch, run_id, self.keys.queue(stream), settlements)

    async def take_back(
        self, run_id: str, epoch: int, stream: Stream, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        """Settle outstanding attempts that no worker has claimed, as their leader; repeatable.

        The others are fenced, and stay as they are. Raises `LeadershipLostError`.
        """
        return await self._settle("u", epoch, run_id, self.keys.queue(stream), settlements)

    async def finish(
        self,
        run_id: str,
        epoch: int,
        state: str,
        *,
        result_ttl_s: float,
        tails: bool,
        counts: RunCounts = NO_COUNTS,
        details: Mapping[str, str] | None = None,
    ) -> bool:
        """End the run in ``state`` and limit the life of all that belongs to it; repeatable.

        ``False``: attempts are outstanding, which only ``tails`` allows. ``counts`` replace those
        that were announced, ``details`` are added to those of the creation. Raises
        `LeadershipLostError`, `RunNotFoundError`, and `StoreUnavailableError` while a loss is
        suspected: the run may not be over any more.
        """
        self._refuse_under_suspicion(run_id)
        call = scripts.finish(
            self.keys,
            run_id,
            epoch,
            state,
            result_ttl_s=result_ttl_s,
            tails=tails,
            counts=encode_counts(counts),
            details=details or {},
        )
        reply = await self.client.call(call)
        if reply == -1:
            raise LeadershipLostError(f"run {run_id!r} is not led under epoch {epoch} any more")
        if reply == -2:
            raise RunNotFoundError(f"run {run_id!r} is gone")
        if reply == 2:
            await self.tidy(run_id)
        return bool(reply)

    # --- lives -------------------------------------------------------------------------------

    async def prolong(self, run_id: str) -> None:
        """Let an open run and its values live on if half of their life is over; repeatable."""
        cursor = FIRST_PART
        while True:
            cursor = await self.client.call(scripts.prolong(self.keys, run_id, cursor))
            if cursor == FIRST_PART:
                return

    async def tidy(self, run_id: str) -> None:
        """Let the values of an ended run expire with its record; repeatable.

        `finish` does it. If a coordinator dies before that, others find the run by `untidied`.
        """
        cursor = FIRST_PART
        while True:
            cursor = await self.client.call(scripts.tidy(self.keys, run_id, cursor))
            if cursor == FIRST_PART:
                return

    async def untidied(self, limit: int = 10) -> list[str]:
        """Return ended runs whose values still have their old life."""
        return names_of(await self.client.execute("ZRANGE", self.keys.untidied, 0, limit - 1))

    async def keep_queues(self) -> None:
        """Let queues in use live on, and drop those that were idle for a day."""
        for part in chunks(await reaping.streams_of(self.client, self.keys), STREAMS_PER_PART):
            await self.client.call(scripts.queue_lives(self.keys, part))

    async def heal_leases(self, jumped_s: float = 0.0) -> int:
        """Correct leases after the server's clock was set; return how many.

        Those that end later than they can are shortened. With ``jumped_s``, by how much the clock
        has just jumped ahead, those that expired only because of it are given again.
        """
        return int(await self.client.call(scripts.heal(self.keys, jumped_s)))

    # --- reaping -----------------------------------------------------------------------------

    async def run_totals(self) -> listing.RunTotals:
        """Return how many workers and runs there are."""
        return await listing.run_totals(self.client, self.keys)

    async def dead_claims(self) -> list[DeadClaim]:
        """Return what dead workers hold, of any run; settle it by `settle_lost`."""
        return await reaping.dead_claims(self.client, self.keys)

    async def settle_lost(
        self, run_id: str, stream: str, worker_id: str, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        """Settle attempts of a dead worker as lost; all are fenced if it is alive after all."""
        return await self._settle("x", worker_id, run_id, stream, settlements)

    async def end_lease(self, worker_id: str, end: ProcessEnd) -> None:
        """End the lease of a worker whose process has ended."""
        await self.client.call(worker_scripts.end_lease(self.keys, worker_id, end))

    async def last_words(self, worker_ids: Iterable[str]) -> dict[str, LastWord]:
        """Return what is known of the last heartbeats of these workers."""
        return await reaping.last_words(self.client, self.keys, list(worker_ids))

    async def dead_workers(self) -> list[str]:
        """Return the ids of dead workers that hold nothing any more; drop them."""
        return await reaping.dead_workers(self.client, self.keys)

    async def drop_worker(self, worker_id: str) -> bool:
        """Forget a dead worker; ``False`` if it is alive or still holds something."""
        return await reaping.drop(self.client, self.keys, worker_id, leaves=False)

    async def set_aside(self, claim: DeadClaim, reason: str) -> None:
        """Move a dead worker's entry that cannot be read to the dead letters."""
        entry = (claim.stream, claim.entry_id, claim.data, claim.signature)
        await self.client.call(worker_scripts.set_aside(self.keys, *entry, reason))

    async def holders(self, stream: Stream, entry_ids: Sequence[str]) -> dict[str, Holder]:
        """Return who holds which of these dispatched attempts; those not held are left out."""
        return await reaping.holders(self.client, self.keys.queue(stream), entry_ids)

    async def vanished(
        self, run_id: str, stream: Stream, attempts: Sequence[tuple[int, int, str]]
    ) -> list[int]:
        """Return those of the tasks that are outstanding and whose stream entry is not there.

        ``attempts`` are (task, attempt, entry id). Only the leader can end them.
        """
        key, fence = self.keys.queue(stream), self.keys.outstanding
        marks = [(task, fence(attempt, entry, key)) for task, attempt, entry in attempts]
        found: list[int] = []
        for part in chunks(marks):
            found += await self.client.call(scripts.vanished(self.keys, run_id, key, part))
        return found

    def _refuse_under_suspicion(self, run_id: str) -> None:
        if self.loss.suspected:
            raise StoreUnavailableError(
                f"run {run_id!r}: the server may have lost its last writes; nothing is dispatched "
                "or ended until the run has been read again"
            )

    async def _settle(
        self,
        mode: str,
        who: str | int,
        run_id: str,
        stream: str,
        settlements: Sequence[Settlement],
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for part in chunks(settlements):
            call = scripts.settle(self.keys, mode, who, run_id, stream, part)
            reply: Any = await self.client.call(call)
            verdicts += scripts.read_verdicts(run_id, who, reply, len(part))
        return verdicts
