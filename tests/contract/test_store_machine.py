"""Both stores, compared with the model: the same calls, the same replies, the same state."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from astrum.errors import (
    LeadershipLostError,
    RunConflictError,
    RunNotFoundError,
    TakeOverRefusedError,
)
from astrum.machine.run_counter import RunCounts
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import decode_counts, encode_counts
from astrum.protocol.run_header import SeedPart
from astrum.protocol.status import (
    CoordinatorStatus,
    decode_coordinator_status,
    encode_coordinator_status,
)
from astrum.protocol.streams import Stream
from astrum.redis import RedisSettings, RunStore, Settlement, Verdict, WorkerStore, scripts
from astrum.redis.records import Dispatched
from astrum.redis.scripts import LedCounts
from astrum.values.references import digest_of
from tests.contract.model import GoneError, Model, StaleError, entry_of, outstanding
from tests.contract.steps import as_worker, create_run, new_run, stored
from tests.servers import Server, server_names

RUNS = st.sampled_from(["r", "r", "r", "s"])
OWNERS = st.sampled_from(["ann", "ann", "ann", "bob"])
WORKERS = st.sampled_from(["v", "w"])
TASKS = st.integers(0, 2)
VALUES = st.sampled_from([b"big", b"bigger"])
ATTEMPTS = st.sampled_from([1, 1, 2, 3])
RARELY = st.sampled_from([False, False, False, True])
PLACES = [
    Stream("one", "async"),
    Stream("one", "async", "0ff3r"),
    Stream("one", "async", "0ff3r", urgent=True),
    Stream("two", "thread", "0ff3r"),
    Stream("two", "exclusive", "0ff3r.c0d3"),
]
STREAMS = st.sampled_from(PLACES)
LEASES = st.sampled_from([1000.0, 1000.0, 0.001])
"""Live for longer than the test, or over at once."""

Result = TypeVar("Result")
STEP_MS = 1000
LONG_S, LONG_MS = 50.0, 10**9
"""Longer than a test lasts on the server's clock, and on the model's, which is faster."""
EXAMPLES = 50
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("ASTRUM_SHRINK") else [])]
"""To make a failure small takes longer than all else: on demand."""
_NUMBER = re.compile(r"\d+-\d+|\d{6,}")


class StoreMachine(RuleBasedStateMachine):
    """Does everything twice. Entry ids and epochs are the server's own: they are translated."""

    where: RedisSettings
    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        with self.server.client() as client:
            client.flushall()
        self.runs = RunStore(self.where)
        self.workers = WorkerStore(self.where, "w")
        self.clock_ms = 10**9
        self.model = Model(lambda: self.clock_ms)
        self.real_to_model: dict[str, str] = {}
        self.model_to_real: dict[str, str] = {}
        self.epochs = {"r": 0, "s": 0}
        self.entries: list[str] = ["1-1"]

    def teardown(self) -> None:
        self.run(self.runs.close())
        self.run(self.workers.close())
        self.runner.close()

    # --- both worlds ------------------------------------------------------------------------

    def run(self, work: Awaitable[Result]) -> Result:
        """Wait for a reply of the real store; the model's clock goes on."""

        async def awaited() -> Result:
            return await work

        self.clock_ms += STEP_MS
        return self.runner.run(awaited())

    def same(self, real: str, model: str) -> None:
        """Note that two numbers mean the same."""
        self.real_to_model[real], self.model_to_real[model] = model, real

    def translated(self, text: str) -> str:
        """Return a string of the real store as the model would say it."""
        return _NUMBER.sub(lambda found: self.real_to_model.get(found[0], found[0]), text)

    def real(self, model: str) -> str:
        """Return the real store's number for one of the model's."""
        return self.model_to_real.get(model, model)

    def pass_lease(self, lease_s: float) -> None:
        """After a lease that is over at once, wait until it is, by the server's clock."""
        if lease_s < 1:
            began = self.run(self.runs.server_time())
            while self.run(self.runs.server_time()) < began + 2 * lease_s:
                pass

    def key(self, stream: Stream) -> str:
        """Return the key of a stream."""
        return self.runs.keys.queue(stream)

    # --- runs -------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.create("r", b"plan")
        self.lead("r", "ann", 1000.0)
        self.register("v", 1000.0)

    @rule(run_id=RUNS, plan=st.sampled_from([b"plan", b"another"]))
    def create(self, run_id: str, plan: bytes) -> None:
        expected = self.model.create_run(new_run(run_id, plan, {"f": "x"}), plan)
        try:
            told = int(self.run(create_run(self.runs, run_id, plan, {"f": "x"})))
        except RunConflictError:
            told = -1
        assert told == expected

    @rule(run_id=RUNS, plan=st.sampled_from([b"plan", b"another"]), is_past=RARELY)
    def create_delayed(self, run_id: str, plan: bytes, is_past: bool) -> None:
        run, now_s = new_run(run_id, plan), self.run(self.runs.server_time())
        late = run._replace(start_at=1.0 if is_past else (self.clock_ms + LONG_MS) / 1000)
        expected = self.model.create_run(late, plan)
        real = run._replace(start_at=1.0 if is_past else now_s + LONG_S)
        try:
            told = int(self.run(self.runs.create_run(real, plan)))
        except RunConflictError:
            told = -1
        assert told == expected

    @rule(run_id=RUNS, data=VALUES)
    def store_value(self, run_id: str, data: bytes) -> None:
        run = self.model.state.runs.get(run_id)
        if run is not None:
            run.blobs[digest_of(data)] = data
        told = self.told(stored(self.workers, run_id, data))
        assert told == (RunNotFoundError if run is None else digest_of(data))

    @rule(
        run_id=st.sampled_from(["s", "s", "r"]),
        plan=st.sampled_from([b"plan", b"another"]),
        seeds=st.lists(st.tuples(st.sets(TASKS), st.sets(VALUES)), max_size=3),
    )
    def create_seeded(
        self, run_id: str, plan: bytes, seeds: list[tuple[set[int], set[bytes]]]
    ) -> None:
        parts = [
            SeedPart(b"\x91%d" % n, tuple(tasks), tuple(map(digest_of, values)))
            for n, (tasks, values) in enumerate(seeds)
        ]
        run, expected = new_run(run_id, plan), 0
        try:
            expected = self.model.create_seeded_run(run, plan, "r", parts)
        except GoneError:
            expected = -9
        try:
            told = int(self.run(self.runs.create_seeded_run(run, plan, "r", parts)))
        except RunConflictError:
            told = -1
        except TakeOverRefusedError:
            told = -9
        assert told == expected

    @rule(run_id=RUNS, owner=OWNERS, lease_s=LEASES)
    def lead(self, run_id: str, owner: str, lease_s: float) -> None:
        expected = self.model.acquire(run_id, owner, int(lease_s * 1000))
        told = self.run(self.runs.lead(run_id, owner, lease_s))
        assert (told is None) == (expected == 0)
        if told is not None:
            self.epochs[run_id] = expected
            self.same(str(told), str(expected))
        self.pass_lease(lease_s)

    @rule(run_id=RUNS, owner=OWNERS, lease_s=LEASES)
    def renew(self, run_id: str, owner: str, lease_s: float) -> None:
        epoch = self.epochs[run_id]
        expected = self.model.renew(run_id, owner, epoch, int(lease_s * 1000))
        epochs = {run_id: int(self.real(str(epoch)))}
        told = self.run(self.runs.renew(owner, epochs, lease_s))
        assert told == ({run_id} if expected else set())
        self.pass_lease(lease_s)

    @rule(run_id=RUNS, owner=OWNERS, really=RARELY)
    def release(self, run_id: str, owner: str, really: bool) -> None:
        if not really:
            return
        epoch = self.epochs[run_id]
        if self.model.release(run_id, owner, epoch):
            real = int(self.real(str(epoch)))
            self.same(str(real + 1), str(epoch + 1))
        self.run(self.runs.release(run_id, owner, int(self.real(str(epoch)))))

    @rule(run_id=RUNS, owner=OWNERS, said=st.integers(0, 3), succeeded=st.integers(0, 9))
    def announce(self, run_id: str, owner: str, said: int, succeeded: int) -> None:
        status, epoch = CoordinatorStatus(led_count=said), self.epochs[run_id]
        counts = encode_counts(RunCounts(succeeded))
        told = (owner, {"host": owner}, encode_coordinator_status(status))
        self.model.announce(*told, [(run_id, epoch, counts.decode())])
        led = [LedCounts(run_id, int(self.real(str(epoch))), counts)]
        self.run(self.runs.announce(owner, {"host": owner}, status, led, 1000.0))

    @rule(owner=OWNERS)
    def withdraw(self, owner: str) -> None:
        self.model.state.coordinators.pop(owner, None)
        self.run(self.runs.withdraw(owner))

    @rule(run_id=RUNS, is_led=st.booleans(), begins=RARELY)
    def fact(self, run_id: str, is_led: bool, begins: bool) -> None:
        epoch = self.epochs[run_id]
        real = int(self.real(str(epoch))) if is_led else None
        expected: object
        try:
            known_epoch = epoch if is_led else None
            expected = self.model.fact(run_id, b"\x90", known_epoch, begins=begins)
        except StaleError:
            expected = LeadershipLostError
        told = self.told(self.runs.append_event(run_id, b"\x90", epoch=real, begins=begins))
        assert told == expected

    @rule(
        run_id=RUNS,
        tails=st.booleans(),
        state=st.sampled_from(["completed", "failed"]),
        really=RARELY,
    )
    def finish(self, run_id: str, tails: bool, state: str, really: bool) -> None:
        run = self.model.state.runs.get(run_id)
        if run is not None and not run.outstanding and not really:
            return  # else most runs would be over before anything happened
        if run is not None and run.waits:
            return  # only leaders finish runs, and it has none
        epoch = self.epochs[run_id]
        expected: object
        try:
            expected = self.model.finish(
                run_id,
                epoch,
                state,
                tails=tails,
                counts="7 0 0 0 0",
                details={"e": "y", "reason": "z"},
            )
        except StaleError:
            expected = LeadershipLostError
        except GoneError:
            expected = RunNotFoundError
        work = self.runs.finish(
            run_id,
            int(self.real(str(epoch))),
            state,
            result_ttl_s=1000,
            tails=tails,
            counts=RunCounts(7),
            details={"e": "y", "reason": "z"},
        )
        assert self.told(work) == expected

    @rule(
        run_id=RUNS,
        state=st.sampled_from(["completed", "failed"]),
        again=st.sets(TASKS),
    )
    def reopen(self, run_id: str, state: str, again: set[int]) -> None:
        """Open an ended run; its last leader keeps its epoch, and must be refused from now on."""
        expected: object
        try:
            expected = self.model.reopen(run_id, b"\x91", state, again)
        except GoneError:
            expected = RunNotFoundError
        assert self.told(self.runs.reopen(run_id, b"\x91", state, again)) == expected
        if expected is True:
            info = self.run(self.runs.run_info(run_id))
            assert info is not None
            assert info.epoch > int(self.real(str(self.epochs[run_id])))
            self.same(str(info.epoch), str(self.model.state.runs[run_id].epoch))

    def told(self, work: Awaitable[Any]) -> object:
        """Return a reply, or the kind of its error."""
        try:
            return self.run(work)
        except (LeadershipLostError, RunNotFoundError) as error:
            return type(error)

    # --- attempts ---------------------------------------------------------------------------

    @rule(
        stream=STREAMS, items=st.lists(st.tuples(TASKS, ATTEMPTS), min_size=1), more=st.booleans()
    )
    def dispatch_more(self, stream: Stream, items: list[tuple[int, int]], more: bool) -> None:
        self.dispatch("r", stream, items, more)

    @rule(
        run_id=RUNS,
        stream=STREAMS,
        items=st.lists(st.tuples(TASKS, ATTEMPTS), max_size=3),
        more=st.booleans(),
        rank=st.integers(0, 9),
    )
    def dispatch(
        self, run_id: str, stream: Stream, items: list[tuple[int, int]], more: bool, rank: int = 0
    ) -> None:
        epoch = self.epochs[run_id]
        expected: object
        messages = [(task, attempt, b"m%d" % task, b"s%d" % attempt) for task, attempt in items]
        try:
            sent = self.model.dispatch(
                run_id, epoch, self.key(stream), messages, LONG_MS if more else 0, rank
            )
            expected = Dispatched(*sent)
        except StaleError:
            expected = LeadershipLostError
        except GoneError:
            expected = RunNotFoundError
        real = int(self.real(str(epoch)))
        call = self.runs.dispatch(run_id, real, stream, messages, has_more=more, rank=rank)
        told = self.told(call)
        if isinstance(told, Dispatched) and isinstance(expected, Dispatched):
            self.learn(told.states, expected.states)
            told = told._replace(states=[self.translated(state) for state in told.states])
        assert told == expected

    def learn(self, told: list[str], expected: list[str]) -> None:
        """Note the entry ids of what was dispatched."""
        for real, model in zip(told, expected, strict=True):
            if re.fullmatch(r"\d+-\d+", model) and model not in self.model_to_real:
                self.same(real, model)
                self.entries.append(model)

    @rule(
        data=st.data(),
        mode=st.sampled_from("wwwxcuu"),
        run_id=RUNS,
        worker_id=WORKERS,
        count=st.integers(1, 2),
    )
    def settle(self, data: Any, mode: str, run_id: str, worker_id: str, count: int) -> None:
        stream, attempts = self.some_attempts(data, run_id, count)
        ends = [Settlement(*one, data.draw(st.booleans()), b"\x01") for one in attempts]
        reals = [end._replace(entry_id=self.real(end.entry_id)) for end in ends]
        epoch, key = self.epochs[run_id], self.key(stream)
        who = str(epoch) if mode in "cu" else worker_id
        expected: object
        try:
            verdicts = self.model.settle(mode, who, run_id, key, ends)
            expected = [Verdict.FENCED] * count if verdicts is None else verdicts
        except StaleError:
            expected = LeadershipLostError
        real_epoch = int(self.real(str(epoch)))
        work = {
            "w": lambda: as_worker(self.workers, worker_id).settle(run_id, key, reals),
            "x": lambda: self.runs.settle_lost(run_id, key, worker_id, reals),
            "c": lambda: self.runs.revoke(run_id, real_epoch, stream, reals),
            "u": lambda: self.runs.take_back(run_id, real_epoch, stream, reals),
        }[mode]()
        assert self.told(work) == expected

    def some_attempts(
        self, data: Any, run_id: str, count: int
    ) -> tuple[Stream, list[tuple[int, int, str]]]:
        """Draw attempts and one stream, mostly that of the first."""
        drawn = [self.an_attempt(data, run_id) for _ in range(count)]
        own = drawn[0][1]
        stream = data.draw(st.sampled_from([own, own, own, *PLACES]))
        return stream, [attempt for attempt, _ in drawn]

    def an_attempt(self, data: Any, run_id: str) -> tuple[tuple[int, int, str], Stream]:
        """Draw an attempt, mostly one that is outstanding, and the stream that it is in."""
        run = self.model.state.runs.get(run_id)
        known = [
            ((task, int(state.partition(":")[0]), entry_of(state)), self.stream_of(state))
            for task, state in (run.attempts.items() if run else ())
            if ":" in state
        ]
        some = st.tuples(st.tuples(TASKS, ATTEMPTS, st.sampled_from(self.entries)), STREAMS)
        drawn: tuple[tuple[int, int, str], Stream] = data.draw(
            st.sampled_from(known) | some if known else some
        )
        return drawn

    def stream_of(self, fence: str) -> Stream:
        """Return the stream in the fence of an outstanding attempt."""
        keys = self.runs.keys
        return keys.stream_of(keys.stream_named(fence.partition("/")[2]))

    # --- workers ----------------------------------------------------------------------------

    @rule(worker_id=WORKERS, lease_s=LEASES)
    def register(self, worker_id: str, lease_s: float) -> None:
        self.model.register(worker_id, {"host": "h"}, b"served", int(lease_s * 1000))
        self.run(as_worker(self.workers, worker_id).register({"host": "h"}, b"served", lease_s))
        self.pass_lease(lease_s)

    @rule(worker_id=WORKERS, status=st.sampled_from([b"idle", b"busy"]))
    def say(self, worker_id: str, status: bytes) -> None:
        expected = self.model.set_status(worker_id, status)
        assert self.run(as_worker(self.workers, worker_id).set_status(status)) == expected

    @rule(worker_id=WORKERS)
    def die(self, worker_id: str) -> None:
        self.model.end_lease(worker_id)
        self.run(self.runs.end_lease(worker_id, ProcessEnd(-9)))

    @rule(data=st.data(), worker_id=WORKERS, final=RARELY)
    def work(self, data: Any, worker_id: str, final: bool) -> None:
        self.claim(worker_id, 2, PLACES)
        stream, [attempt] = self.some_attempts(data, "r", 1)
        end = Settlement(*attempt, final, b"\x02")
        real = end._replace(entry_id=self.real(end.entry_id))
        for _ in range(2):  # as after a lost reply
            [expected] = self.model.settle("w", worker_id, "r", self.key(stream), [end]) or []
            worker = as_worker(self.workers, worker_id)
            assert self.run(worker.settle("r", self.key(stream), [real])) == [expected]

    @rule(data=st.data(), worker_id=WORKERS, lease_s=LEASES)
    def reap(self, data: Any, worker_id: str, lease_s: float) -> None:
        self.claim(worker_id, 2, PLACES)
        self.register(worker_id, lease_s)
        self.bury(worker_id)
        stream, [attempt] = self.some_attempts(data, "r", 1)
        end = Settlement(*attempt, False, b"\x03")
        real = end._replace(entry_id=self.real(end.entry_id))
        expected = self.model.settle("x", worker_id, "r", self.key(stream), [end])
        work = self.runs.settle_lost("r", self.key(stream), worker_id, [real])
        assert self.run(work) == (expected or [Verdict.FENCED])

    @rule(worker_id=WORKERS, count=st.integers(1, 3), streams=st.permutations(PLACES))
    def claim(self, worker_id: str, count: int, streams: list[Stream]) -> None:
        keys = [self.key(stream) for stream in streams]
        if any(name not in self.model.state.streams for name in keys):
            self.model.make_groups(keys)
        expected = self.model.claim(keys, worker_id, count)
        told = self.run(
            as_worker(self.workers, worker_id).claim("async", streams, count, block_s=None)
        )
        assert [(c.stream, self.translated(c.entry_id)) for c in told] == expected
        assert not self.workers.loss.suspected

    @rule(worker_id=WORKERS)
    def find_own(self, worker_id: str) -> None:
        streams = sorted(self.model.state.queues)
        told = self.run(as_worker(self.workers, worker_id).own_claims(streams))
        held = [
            (name, entry_id)
            for name in streams
            for entry_id in self.model.state.streams[name].pending.get(worker_id, [])
        ]
        assert [(c.stream, self.translated(c.entry_id)) for c in told] == held

    @rule(data=st.data(), run_id=RUNS)
    def ask_still_mine(self, data: Any, run_id: str) -> None:
        stream, [(task, attempt, entry_id)] = self.some_attempts(data, run_id, 1)
        run, key = self.model.state.runs.get(run_id), self.key(stream)
        expected = run is not None and run.attempts.get(task) == outstanding(attempt, entry_id, key)
        reals = [(task, attempt, (key, self.real(entry_id)))]
        assert self.run(self.workers.are_still_held(run_id, reals)) == [expected]

    @rule(worker_id=WORKERS)
    def leave(self, worker_id: str) -> None:
        self.model.drop(worker_id, self.model.state.queues, leaves=True)
        self.run(as_worker(self.workers, worker_id).leave())

    @rule(worker_id=WORKERS)
    def bury(self, worker_id: str) -> None:
        expected = self.model.drop(worker_id, self.model.state.queues, leaves=False)
        assert self.run(self.runs.drop_worker(worker_id)) == expected

    # --- what can be seen -------------------------------------------------------------------

    @invariant()
    def runs_are_the_same(self) -> None:
        for run_id in ("r", "s"):
            info = self.run(self.runs.run_info(run_id))
            run = self.model.state.runs.get(run_id)
            assert (info is None) == (run is None)
            if info is None or run is None:
                continue
            told = (info.state, info.owner, info.outstanding, info.late_ends, dict(info.details))
            known = (run.state, run.owner, run.outstanding, run.late_ends, run.details)
            assert told == known
            assert info.counts == decode_counts(run.counts.encode())
            assert info.released_by == (run.released[1] if run.released else "")
            assert (info.released_at is None) == (run.released is None)
            assert self.translated(str(info.epoch)) == str(run.epoch)
            assert (info.lease_s > 0) == (run.lease_end > self.clock_ms)
            assert (info.waits_until is not None) == run.waits
            assert (info.start_at is None) == (run.start_at is None)
            told_attempts = {
                task: outstanding(
                    found.attempt,
                    self.translated(found.entry_id),
                    self.runs.keys.queue(found.stream),
                )
                for task, found in self.run(self.runs.outstanding(run_id)).items()
            }
            assert told_attempts == {t: s for t, s in run.attempts.items() if ":" in s}

    @invariant()
    def exclusive_streams_are_named_while_they_hold_something(self) -> None:
        alone = self.run(self.runs.client.execute("SMEMBERS", self.runs.keys.alone))
        assert {name.decode() for name in alone} == self.model.state.alone
        waiting = self.run(self.workers.waiting_alone(PLACES))
        streams = self.model.state.streams
        assert waiting == sum(len(streams[name].undelivered) for name in self.model.state.alone)

    @invariant()
    def coordinators_are_the_same(self) -> None:
        told = {c.owner: (c.details, c.status) for c in self.run(self.runs.coordinators())}
        assert told == {
            owner: (known.details, decode_coordinator_status(known.status))
            for owner, known in self.model.state.coordinators.items()
        }
        listed = {run.run_id for run in self.run(self.runs.list_runs())}
        assert listed == set(self.model.latest_runs())

    @invariant()
    def journals_are_the_same(self) -> None:
        for run_id, run in self.model.state.runs.items():
            work = self.runs.read_journal({run_id: "0-0"}, block_s=None, count=1000)
            assert [entry.data for entry in self.run(work)] == list(run.journal.values())

    @invariant()
    def values_are_the_same_and_nothing_else_is_left(self) -> None:
        blob = self.runs.keys.blob
        known = {
            blob(run_id, digest): data
            for run_id, run in self.model.state.runs.items()
            for digest, data in run.blobs.items()
        }
        with self.server.client() as client:
            names = [raw.decode() for raw in client.scan_iter()]
            assert not [name for name in names if ":seeds:" in name]
            found = {n: client.get(n) for n in names if n.startswith(blob("", "")[:-2] + ":")}
        assert found == known

    @invariant()
    def the_dead_are_the_same(self) -> None:
        told = self.run(self.runs.dead_claims())
        found = [(c.stream, c.worker_id, self.translated(c.entry_id), c.data) for c in told]
        assert sorted(found) == sorted(self.model.dead_claims())
        assert self.run(self.runs.orphans()).run_ids == self.model.orphans()
        alive = {worker.worker_id for worker in self.run(self.runs.workers())}
        assert alive == {w for w in self.model.state.leases if not self.model.is_dead(w)}


@pytest.mark.timeout(120)
def test_the_stores_do_what_the_model_says(
    request: pytest.FixtureRequest,
    any_server: Server,
    any_settings: RedisSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scripts, "WANT_S", LONG_S)
    is_default = request.node.callspec.params["any_server"] == server_names()[0]
    bound = type("Bound", (StoreMachine,), {"where": any_settings, "server": any_server})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=EXAMPLES if is_default else EXAMPLES // 4,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
            phases=PHASES,
        ),
    )
