"""A worker and a coordinator, reduced to what the protocol asks of them."""

from __future__ import annotations

import collections
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgpack

from astrum.errors import LeadershipLostError
from astrum.protocol.streams import Stream
from astrum.redis import Claim, Settlement, Verdict, worker_scripts
from tests.contract.steps import as_worker

if TYPE_CHECKING:
    from tests.chaos.protocol_walk import World

RUN = "r"
QUEUES = ("one", "two")
LANES = ("async", "thread")
OFFERS = ("0ld", "new")
RESEND_S = 5.0
REOPENED = "reopened"
"""In the place of an outcome: the row opens the run again, and its value names tasks."""
ERROR_RATE = 0.2
MAX_ERRORS = 3
"""A task that raised this often fails the run; a leader that forgets errors exceeds it."""


def place_of(task: int, offer: str = OFFERS[0]) -> Stream:
    """Return the stream of a task for workers with an offer."""
    return Stream(QUEUES[task % 2], LANES[task // 2 % 2], offer, urgent=task % 3 == 2)


def runs_again(
    dag: Mapping[int, Sequence[int]], succeeded: Collection[int], named: Collection[int]
) -> set[int]:
    """Return what runs after a reopening: the named tasks and all below, else what did not succeed.

    Tasks are named only of a run in which all have succeeded.
    """
    if not named:
        return {task for task in dag if task not in succeeded}
    again: set[int] = set()
    for task, needs in dag.items():
        if task in named or again.intersection(needs):
            again.add(task)
    return again


def record(task: int, attempt: int, outcome: str, value: Any = None) -> bytes:
    """Return the bytes of a journal record."""
    packed: bytes = msgpack.packb([task, attempt, outcome, value])
    return packed


class Worker:
    """Claims, works, settles; keeps results until the server took them, and a while longer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.worker_id = world.next_id("w")
        self.store = as_worker(world.workers, self.worker_id)
        self.held: dict[tuple[str, str], Claim] = {}
        self.results: list[tuple[str, Settlement]] = []
        self.sent: list[tuple[float, str, Settlement]] = []
        self.offers = world.rng.choice((OFFERS, OFFERS, OFFERS[:1], OFFERS[1:]))
        self.paused = 0
        self.suspects_loss = False

    async def register(self) -> None:
        """Become known, with a lease."""
        await self.store.register({}, b"", self.world.lease_s)

    async def beat(self) -> None:
        """Renew the lease; if it had been over, drop what others settled meanwhile."""
        await self.face_loss()
        call = worker_scripts.beat(self.store.keys, self.worker_id, self.world.lease_s)
        if await self.store.client.call(call) > 0:
            return
        await self.register()
        self.world.counts["lease had been over"] += 1
        claims = list(self.held.values())
        items = [(task, attempt, c.key) for c in claims for task, attempt in [_head(c)]]
        for claim, mine in zip(claims, await self.store.are_still_held(RUN, items), strict=True):
            if not mine:
                del self.held[claim.stream, claim.entry_id]

    async def claim(self, *, loses_reply: bool = False, unaware: bool = False) -> None:
        """Take a few attempts of one lane."""
        if not unaware:
            await self.face_loss()
        lane, count = self.world.rng.choice(LANES), self.world.rng.randint(1, 3)
        streams = [
            Stream(queue, lane, offer, urgent)
            for urgent in (True, False)
            for queue in QUEUES
            for offer in self.offers
        ]
        claims = await self.store.claim(lane, streams, count, block_s=None)
        if loses_reply:
            self.world.counts["claim reply lost"] += 1
            return
        self.held.update({(claim.stream, claim.entry_id): claim for claim in claims})

    async def reconcile(self) -> None:
        """Run what is pending here and unknown: the reply with it was lost."""
        await self.face_loss()
        if self.world.ablation == "own-pel":
            return
        known = {(stream, end.entry_id) for stream, end in self.results} | set(self.held)
        streams = await self.store.streams()
        for claim in await self.store.own_claims(streams):
            if (claim.stream, claim.entry_id) not in known:
                self.held[claim.stream, claim.entry_id] = claim
                self.world.counts["own claim found"] += 1

    def work(self, most: int = 3) -> None:
        """Finish a few attempts: a value made of nothing but luck, and what was consumed."""
        rng = self.world.rng
        for place in list(self.held)[: rng.randint(0, most)]:
            claim = self.held.pop(place)
            _, task, attempt, arguments = msgpack.unpackb(claim.data)
            if rng.random() < self.world.error_rate:
                end = record(task, attempt, "error")
                settlement = Settlement(task, attempt, claim.entry_id, False, end)
            else:
                end = record(task, attempt, "ok", [rng.getrandbits(40), arguments])
                settlement = Settlement(task, attempt, claim.entry_id, True, end)
            self.results.append((claim.stream, settlement))

    async def settle(self, *, loses_reply: bool = False) -> None:
        """Hand over the results, all of one stream in one batch."""
        await self.face_loss()
        results, self.results = self.results, []
        by_stream: dict[str, list[Settlement]] = {}
        for stream, settlement in results:
            by_stream.setdefault(stream, []).append(settlement)
        for stream, batch in by_stream.items():
            for verdict in await self.store.settle(RUN, stream, batch):
                self.world.counts[f"settle {verdict.name.lower()}"] += 1
        now = time.monotonic()
        self.sent += [(now, stream, settlement) for stream, settlement in results]
        if loses_reply:
            self.results += results
            self.world.counts["settle reply lost"] += 1

    async def face_loss(self) -> None:
        """After the server may have lost writes: beat, send recent results again, reconcile."""
        if not self.suspects_loss:
            return
        self.suspects_loss = False
        recent = [sent for sent in self.sent if time.monotonic() - sent[0] < RESEND_S]
        self.results += [(stream, settlement) for _, stream, settlement in recent]
        self.sent = []
        await self.beat()
        await self.reconcile()


def _head(claim: Claim) -> tuple[int, int]:
    _, task, attempt, _ = msgpack.unpackb(claim.data)
    return task, attempt


class Coordinator:
    """Leads the run by its journal; reaps for any run, leading or not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.runs
        self.owner = world.next_id("c")
        self.epoch = 0
        self.paused = 0
        self.suspects_loss = False
        self._forget()

    def _forget(self) -> None:
        self.cursor = "0-0"
        self.told_end = ""
        self.values: dict[int, int] = {}
        self.errors: collections.Counter[int] = collections.Counter()
        self.attempts: collections.Counter[int] = collections.Counter()
        self.out: dict[int, tuple[int, str, Stream]] = {}
        self.chosen: dict[tuple[int, int], str] = {}

    @property
    def has_failed(self) -> bool:
        """Whether some task used up its budget."""
        return any(count >= MAX_ERRORS for count in self.errors.values())

    async def acquire(self) -> None:
        """Lead if no other actor does."""
        epoch = await self.store.lead(RUN, self.owner, self.world.lease_s)
        if epoch is not None:
            self.world.counts["epoch"] += 1
            self.epoch, self.suspects_loss = epoch, False
            await self.resume()

    async def resume(self) -> None:
        """Build the state again from what the server holds."""
        self._forget()
        for task, found in (await self.store.outstanding(RUN)).items():
            self.out[task] = (found.attempt, found.entry_id, found.stream)
            self.attempts[task] = found.attempt
        if self.world.ablation == "full-replay":
            self.cursor = self._end_of_journal()
        await self.read()

    def _end_of_journal(self) -> str:
        newest: Any = self.world.client.xrevrange(self.store.keys.journal(RUN), count=1)
        return newest[0][0].decode() if newest else "0-0"

    async def read(self) -> None:
        """Apply the journal to its end."""
        if not await self.leads():
            return
        while entries := await self.store.read_journal({RUN: self.cursor}, block_s=None, count=50):
            for entry in entries:
                self.cursor = entry.entry_id
                for row in msgpack.unpackb(entry.data):
                    self._apply(*row)

    def _apply(self, task: int, attempt: int, outcome: str, value: Any) -> None:
        if outcome == REOPENED:
            for again in runs_again(self.world.dag, self.values, value):
                self.values.pop(again, None)
                del self.errors[again]
            return
        if task in self.out and self.out[task][0] <= attempt:
            del self.out[task]
        self.attempts[task] = max(self.attempts[task], attempt)
        if outcome == "ok":
            self.values[task] = value[0]
        self.errors[task] += outcome == "error"

    async def leads(self) -> bool:
        """Tell whether this may act; after a suspected loss, only with a confirmed epoch."""
        if self.epoch and self.suspects_loss:
            self.suspects_loss = False
            await self.renew()
            if self.epoch:
                await self.resume()
        return self.epoch != 0

    async def renew(self) -> None:
        """Prolong the lease or step down."""
        if self.epoch and not await self.store.renew(
            self.owner, {RUN: self.epoch}, self.world.lease_s
        ):
            self.epoch = 0
            self.world.counts["deposed"] += 1

    def _ready(self) -> list[int]:
        return [
            task
            for task, needs in self.world.dag.items()
            if task not in self.values
            and task not in self.out
            and all(need in self.values for need in needs)
        ][:6]

    async def dispatch(self, *, loses_reply: bool = False) -> None:
        """Dispatch ready tasks, one script per stream."""
        if not await self.leads() or self.has_failed:
            return
        by_place: dict[Stream, list[tuple[int, int, bytes]]] = {}
        for task in self._ready():
            attempt = self.attempts[task] + 1
            arguments = [self.values[need] for need in self.world.dag[task]]
            message = msgpack.packb([RUN, task, attempt, arguments])
            # Sent again after a lost reply, an attempt goes where it went before.
            offer = self.chosen.setdefault((task, attempt), self.world.rng.choice(OFFERS))
            place = place_of(task, offer)
            by_place.setdefault(place, []).append((task, attempt, message))
        for stream, items in by_place.items():
            await self._deliver(stream, items, loses_reply)

    async def _deliver(
        self, stream: Stream, items: list[tuple[int, int, bytes]], loses_reply: bool
    ) -> None:
        try:
            sent = await self.store.dispatch(RUN, self.epoch, stream, items)
        except LeadershipLostError:
            self.epoch = 0
            self.world.counts["stale dispatch"] += 1
            return
        info = await self.store.run_info(RUN)
        if info is None or info.epoch != self.epoch:
            self.world.violated("a deposed leader dispatched")
        if loses_reply:
            self.world.counts["dispatch reply lost"] += 1
            return
        for (task, attempt, _), state in zip(items, sent.states, strict=True):
            if ":" in state:
                self.world.violated(f"task {task} was believed free but is {state}")
            self.out[task] = (attempt, state, stream)  # settled already: the journal will tell

    async def reap(self) -> None:
        """Settle what dead workers hold, then drop those that hold nothing."""
        for claim in await self.store.dead_claims():
            if self.world.ablation == "union" and not self._was_leased(claim.worker_id):
                continue
            task, attempt = _head(Claim(claim.stream, claim.entry_id, claim.data))
            end = record(task, attempt, "lost")
            settlement = Settlement(task, attempt, claim.entry_id, False, end)
            [verdict] = await self.store.settle_lost(
                RUN, claim.stream, claim.worker_id, [settlement]
            )
            self.world.counts["reaped"] += verdict is Verdict.SETTLED
        for worker_id in await self.store.dead_workers():
            self.world.counts["dropped"] += await self.store.drop_worker(worker_id)

    def _was_leased(self, worker_id: str) -> bool:
        return self.world.client.zscore(self.store.keys.leases, worker_id) is not None

    async def revoke_one(self) -> None:
        """Settle some outstanding attempt from here, as a timeout does."""
        if await self.leads() and self.out:
            await self._revoke(self.world.rng.choice(list(self.out)), "timeout")

    async def _revoke(self, task: int, outcome: str) -> None:
        attempt, entry_id, _ = self.out[task]
        end = Settlement(task, attempt, entry_id, False, record(task, attempt, outcome))
        try:
            await self.store.revoke(RUN, self.epoch, self._stream(task), [end])
        except LeadershipLostError:
            self.epoch = 0

    def _stream(self, task: int) -> Stream:
        is_guessed = self.world.ablation == "guessed-stream"
        return place_of(task) if is_guessed else self.out[task][2]

    async def move_some(self, *, loses_reply: bool = False) -> None:
        """Take back what waits in a stream, to send it to another one."""
        if not await self.leads() or not self.out:
            return
        stream = self._stream(self.world.rng.choice(list(self.out)))
        tasks = [task for task in self.out if self._stream(task) == stream]
        for task in await self._taken_back(stream, tasks):
            if not loses_reply:
                self.attempts[task] = self.out.pop(task)[0]
                self.world.counts["moved"] += 1

    async def _taken_back(self, stream: Stream, tasks: list[int]) -> list[int]:
        if self.world.ablation == "unsettled-move":
            return tasks
        ends = [
            Settlement(task, attempt, entry_id, False, record(task, attempt, "moved"))
            for task in tasks
            for attempt, entry_id, _ in [self.out[task]]
        ]
        try:
            verdicts = await self.store.take_back(RUN, self.epoch, stream, ends)
        except LeadershipLostError:
            self.epoch = 0
            return []
        self.world.counts["move fenced"] += verdicts.count(Verdict.FENCED)
        pairs = zip(tasks, verdicts, strict=True)
        return [task for task, verdict in pairs if verdict is not Verdict.FENCED]

    async def finish(self, *, loses_reply: bool = False) -> None:
        """End the run when all succeeded, or when one task failed for good."""
        if not await self.leads():
            return
        self.told_end = self.told_end or await self._end()
        if not self.told_end:
            return
        self.world.may_be_over = True
        try:
            is_over = await self.store.finish(
                RUN, self.epoch, self.told_end, result_ttl_s=60, tails=False
            )
        except LeadershipLostError:
            self.epoch, self.told_end = 0, ""
            return
        if loses_reply:  # it sends the same request again
            self.world.counts["finish reply lost"] += is_over
            return
        self.told_end = ""
        if is_over:
            self.epoch = 0

    async def _end(self) -> str:
        """Return the state that the run ends in, "" for none yet."""
        if not self.has_failed:
            return "completed" if set(self.values) == set(self.world.dag) else ""
        for task in list(self.out):
            if self.epoch:
                await self._revoke(task, "cancelled")
        return "failed"
