"""A random walk over the product's own scripts and stores, against a real server.

Workers and coordinators are reduced to what the protocol asks of them; the walk decides who acts
next, loses replies, pauses and kills actors, and takes the server back to an earlier state, as a
crash with an unsynced log does. Then it grows calm: with no more faults the run must end. What
must hold is checked at the end and, where it can be seen, at once. The scripts read the walk's
clock, a millisecond a step, so that a seed gives the same walk on a fast machine as on a busy one.

``python -m tests.chaos.protocol_walk FROM TO`` walks the seeds by hand, with ``reopens`` behind
them with runs that are reopened after their ends.
"""

from __future__ import annotations

import asyncio
import collections
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from astrum.protocol.process_end import ProcessEnd
from astrum.redis import RedisSettings, RunStore, WorkerStore
from astrum.redis.script_library import ScriptLibrary, read_sources
from tests.chaos.actors import ERROR_RATE, QUEUES, RUN, Coordinator, Worker
from tests.chaos.reopening import Operator, Standing
from tests.contract.steps import create_run
from tests.keyspace import unowned_keys
from tests.servers import RedisServer

ROUGH_STEPS = 500
CALM_ROUNDS = 150
LEASE_S = 0.06
CALM_ROUND_MS = 10
WORKERS = 3
CLOCK = "clock"
BEGINNING_MS = 1_600_000_000_000
"""In the past: reapers, who ask the server for its time, suspect all; the scripts judge."""
SERVER_TIME = """local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)"""

ABLATIONS = (
    "gate",
    "entry-id",
    "dispatch-once",
    "epoch",
    "full-replay",
    "own-pel",
    "union",
    "guessed-stream",
    "unsettled-move",
    "reopen-epoch",
    "reopen-final",
)
"""Safeguards that can be taken away; each must be missed."""
OUTSTANDING = "state == attempt .. ':' .. id .. '/' .. ARGV[4]"
OUTSTANDING_UNDER_ANY_ENTRY = "state and string.sub(state, 1, #attempt + 1) == attempt .. ':'"
"""A fence that knows which attempt is out, but not by which of its messages."""
OUTSTANDING_IN_ANY_STREAM = "string.match(state or '', '^[^/]*') == attempt .. ':' .. id"
"""A fence that knows which message, but not in which stream it is: a leader has to guess."""


class Violation(AssertionError):
    """The protocol did not keep a promise."""


@dataclass
class World:
    """The server, the stores and all that the actors share."""

    client: redis.Redis
    runs: RunStore
    workers: WorkerStore
    rng: random.Random
    dag: dict[int, list[int]]
    ablation: str | None = None
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    serial: int = 0
    may_be_over: bool = False
    error_rate: float = ERROR_RATE
    lease_s: float = LEASE_S
    now_ms: int = BEGINNING_MS

    def pass_time(self, ms: int) -> None:
        """Let the scripts see a later time."""
        self.now_ms += ms
        self.client.set(CLOCK, self.now_ms)

    def next_id(self, kind: str) -> str:
        """Return an id that was never used."""
        self.serial += 1
        return f"{kind}{self.serial}"

    def violated(self, what: str) -> None:
        """Stop the walk."""
        raise Violation(what)


def with_the_walks_clock(script: str) -> str:
    """Return a script that reads the walk's clock instead of the server's."""
    assert SERVER_TIME in script, "the shared beginning changed: name the server's time again"
    return script.replace(SERVER_TIME, f'return tonumber(redis.call("GET", "{CLOCK}"))')


def library_without(ablation: str | None) -> ScriptLibrary:
    """Return the product's scripts, less one safeguard."""
    texts = {name: with_the_walks_clock(text) for name, text in read_sources().items()}
    cuts = {
        "gate": ("settle", f"elseif run_is_here and {OUTSTANDING} then", "elseif true then"),
        "entry-id": ("settle", OUTSTANDING, OUTSTANDING_UNDER_ANY_ENTRY),
        "guessed-stream": ("settle", OUTSTANDING, OUTSTANDING_IN_ANY_STREAM),
        "dispatch-once": (
            "dispatch",
            "if tonumber(attempt) > last and not (state and string.find(state, '[:!]')) then",
            "if true then",
        ),
        "reopen-epoch": ("reopen", "'ep', epoch, ", ""),
        "reopen-final": ("reopen", "attempt .. '='", "attempt .. '!'"),
        "epoch": ("dispatch", "if h[1] ~= ARGV[1] then return {'STALE', h[1]} end", ""),
    }
    if ablation in cuts:
        name, safeguard, instead = cuts[ablation]
        assert safeguard in texts[name], "the script changed: name its safeguard again"
        texts[name] = texts[name].replace(safeguard, instead)
    return ScriptLibrary(texts)


class Walk:
    """One run, from its creation to its end, through one seed's faults."""

    def __init__(self, world: World, operator: Operator) -> None:
        self.world = world
        self.rng = world.rng
        self.operator = operator
        self.crew: list[Worker] = []
        self.leaders = [Coordinator(world) for _ in range(2)]
        self.snapshot: tuple[list[tuple[bytes, int, bytes]], int] | None = None
        self.step = 0

    async def run(self) -> None:
        """Walk to the end and check; raises `Violation`."""
        self.world.pass_time(0)
        await create_run(self.world.runs, RUN)
        for _ in range(WORKERS):
            await self.hire()
        while self.step < ROUGH_STEPS and not await self.is_over():
            self.step += 1
            self.world.pass_time(1)
            await self.rough_step()
        for _ in range(CALM_ROUNDS):
            if await self.is_over():
                break
            self.world.pass_time(CALM_ROUND_MS)
            await self.calm_round()
        await self.check()

    async def is_over(self) -> bool:
        """Whether the run has ended for the last time."""
        if self.operator.left or not self.world.may_be_over:
            return False
        info = await self.world.runs.run_info(RUN)
        return info is not None and not info.is_open

    async def hire(self) -> None:
        """Start a worker."""
        worker = Worker(self.world)
        await worker.register()
        self.crew.append(worker)

    async def rough_step(self) -> None:
        """Let one actor do one thing, or one thing go wrong."""
        worker, leader = self.rng.choice(self.crew), self.rng.choice(self.leaders)
        worker.paused = max(0, worker.paused - 1)
        leader.paused = max(0, leader.paused - 1)
        if leader.paused == 1:
            await leader.dispatch()  # it goes on in the middle of what it was doing
        if self.operator.left:
            await self.operator_step(leader)
        dice = self.rng.random()
        if dice < 0.62:
            await self.worker_step(worker, dice)
        elif dice < 0.955:
            await self.leader_step(leader, dice)
        else:
            await self.fault(worker, leader, dice)

    async def worker_step(self, worker: Worker, dice: float) -> None:
        """Let a worker claim, work, settle, beat or reconcile."""
        if worker.paused:
            return
        if dice < 0.20:
            await worker.claim(loses_reply=self.rng.random() < 0.08)
        elif dice < 0.38:
            worker.work()
        elif dice < 0.54:
            await worker.settle(loses_reply=self.rng.random() < 0.1)
        elif dice < 0.60:
            await worker.beat()
        else:
            await worker.reconcile()

    async def leader_step(self, leader: Coordinator, dice: float) -> None:
        """Let a coordinator read, dispatch, move, renew, reap or revoke."""
        if leader.paused:
            return
        if leader.told_end:
            await leader.finish(loses_reply=self.rng.random() < 0.3)
        elif dice < 0.70:
            await (leader.read() if leader.epoch else leader.acquire())
        elif dice < 0.82:
            await leader.dispatch(loses_reply=self.rng.random() < 0.1)
        elif dice < 0.84:
            await leader.move_some(loses_reply=self.rng.random() < 0.1)
        elif dice < 0.89:
            await leader.renew()
        elif dice < 0.94:
            await leader.reap()
        elif dice < 0.945:
            await leader.revoke_one()
        else:
            await leader.finish()

    async def operator_step(self, leader: Coordinator) -> None:
        """Let a run that will be reopened end soon, and reopen it after a while."""
        dice = self.operator.rng.random()
        if dice < 0.3 and not leader.paused:
            await leader.finish(loses_reply=dice < 0.2)
        elif dice > (0.6 if leader.told_end else 0.9) and self.world.may_be_over:
            await self.operator.reopen(loses_reply=dice > 0.98)

    async def fault(self, worker: Worker, leader: Coordinator, dice: float) -> None:
        """Kill, pause, or lose the server's last writes."""
        counts = self.world.counts
        if dice < 0.961:
            self.crew.remove(worker)  # kill -9: its claims and its lease stay behind
            counts["worker killed"] += 1
            if self.operator.rng.random() < 0.5:  # as its supervisor does
                await self.world.runs.end_lease(worker.worker_id, ProcessEnd(-9))
                counts["death reported"] += 1
            await self.hire()
        elif dice < 0.964:
            self.crew.remove(worker)
            await worker.store.leave()
            counts["worker left"] += 1
            await self.hire()
        elif dice < 0.974:
            worker.paused = self.rng.randint(20, 120)
        elif dice < 0.978:
            self.leaders.remove(leader)
            self.leaders.append(Coordinator(self.world))
            counts["leader killed"] += 1
        elif dice < 0.985:
            leader.paused = self.rng.randint(20, 120)
        elif dice < 0.994:
            self.snapshot = (dump(self.world.client), self.step)
        elif self.snapshot is not None and self.step - self.snapshot[1] < 60:
            await self.roll_back(self.snapshot[0])

    async def roll_back(self, snapshot: list[tuple[bytes, int, bytes]]) -> None:
        """Take the server back, as after a crash; who holds a connection learns of it."""
        restore(self.world.client, snapshot)
        self.world.pass_time(0)  # clocks go on
        self.snapshot = None
        self.world.counts["rollback"] += 1
        for worker in self.crew:
            worker.suspects_loss = True
        for leader in self.leaders:
            leader.suspects_loss = True
        if self.rng.random() < 0.5:  # a claim that was under way before the news got round
            await self.rng.choice(self.crew).claim(loses_reply=True, unaware=True)

    async def calm_round(self) -> None:
        """Let each process do everything, in order, without faults."""
        for worker in self.crew:
            worker.paused = 0
            await worker.beat()
            await worker.reconcile()
            await worker.claim()
            worker.work(most=10)
            await worker.settle()
        for leader in self.leaders:
            leader.paused = 0
            await (leader.renew() if leader.epoch else leader.acquire())
            await leader.read()
            await leader.reap()
            await leader.move_some()  # no worker that is left may read where it is
            await leader.dispatch()
            await leader.finish()
        await self.operator.reopen()

    async def check(self) -> None:
        """Raise `Violation` unless every promise was kept."""
        info = await self.world.runs.run_info(RUN)
        if info is None or info.is_open:
            raise Violation(f"the run did not end: {info}")
        if info.outstanding:
            raise Violation(f"{info.outstanding} attempts are outstanding after the end")
        Standing.of_journal(self.world).check_end(info.state)
        await self.check_streams()
        if unowned := unowned_keys(self.world.client):
            raise Violation(str(unowned))

    async def check_streams(self) -> None:
        """Nothing dispatched is left in any stream."""
        for stream, backlog in (await self.world.runs.backlog()).items():
            if backlog != (0, 0):
                raise Violation(f"{stream} still holds {backlog}")


def dump(client: redis.Redis) -> list[tuple[bytes, int, bytes]]:
    """Return all keys with their remaining life and content."""
    keys: Any = client.keys("*")
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
            pipe.dump(key)
        replies: list[Any] = pipe.execute()
    return [
        (key, max(0, life), content)
        for key, life, content in zip(keys, replies[::2], replies[1::2], strict=True)
    ]


def restore(client: redis.Redis, snapshot: list[tuple[bytes, int, bytes]]) -> None:
    """Make the server hold exactly a snapshot."""
    with client.pipeline(transaction=True) as pipe:
        pipe.flushall()
        for key, life, content in snapshot:
            pipe.restore(key, life, content)
        pipe.execute()
    time.sleep(0.002)  # no restart is so fast that it could use an entry id twice


def random_dag(rng: random.Random) -> dict[int, list[int]]:
    """Return a few tasks and what each needs."""
    size = rng.randint(5, 14)
    return {task: [need for need in range(task) if rng.random() < 0.25] for task in range(size)}


async def walk(
    server: RedisServer,
    seeds: Sequence[int],
    ablation: str | None = None,
    *,
    reopens: bool = False,
) -> collections.Counter[str]:
    """Walk the seeds and return what happened; raises `Violation` with the seed.

    With ``reopens`` a smaller run is reopened again and again after its end.
    """
    counts: collections.Counter[str] = collections.Counter()
    settings = RedisSettings(url=server.url)
    library = library_without(ablation)
    runs, workers = RunStore(settings, library=library), WorkerStore(settings, "w", library=library)
    try:
        with server.client() as client:
            for seed in seeds:
                client.flushall()
                rng = random.Random(seed)
                world = World(client, runs, workers, rng, random_dag(rng), ablation, counts)
                try:
                    operator = Operator(world, random.Random(~seed), reopens=reopens)
                    await Walk(world, operator).run()
                except Violation as violation:
                    raise Violation(f"seed {seed}: {violation}") from violation
                counts["runs"] += 1
    finally:
        await runs.close()
        await workers.close()
    return counts


def main() -> None:
    """Walk the seeds FROM to TO (exclusive) and print what happened."""
    first, last = int(sys.argv[1]), int(sys.argv[2])
    reopens = "reopens" in sys.argv
    began = time.monotonic()
    with RedisServer() as server:
        counts = asyncio.run(walk(server, range(first, last), reopens=reopens))
    print(dict(sorted(counts.items())), f"{time.monotonic() - began:.1f} s")


__all__ = ["ABLATIONS", "QUEUES", "Violation", "World", "walk"]

if __name__ == "__main__":
    main()
