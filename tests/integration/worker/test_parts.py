"""The parts of a worker, one by one, on fake stores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import msgpack
import pytest

from astrum.errors import (
    EncodeError,
    PayloadTooLargeError,
    StoreUnavailableError,
)
from astrum.execution.invoke import BoundTask
from astrum.machine.events import Outcome
from astrum.planning.build import NO_INPUTS
from astrum.protocol.keys import Keys
from astrum.protocol.messages import Record
from astrum.protocol.task_message import attribute
from astrum.redis import Claim, LeaseClient, RedisSettings, ServerLossDetector, Settlement, Verdict
from astrum.redis.server_clock import ServerClock
from astrum.values.codec import Codec
from astrum_worker.claim_gate import ClaimGate, Reason
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.catalog import Served
from astrum_worker.running.values import encode_result
from astrum_worker.settling.ending import Ending
from astrum_worker.settling.settler import Settler
from astrum_worker.upkeep.lease import Lease
from astrum_worker.upkeep.reconciler import Reconciler
from tests.eventually import eventually

CONFIG = WorkerConfig(modules=("m",), redis=RedisSettings())


# --- settler -------------------------------------------------------------------------------------


class SettlingStore:
    """Records batches; fails as often as the test says; may delay each batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.failures = 0
        self.loss = ServerLossDetector()
        self.clock = ServerClock()
        self.called = asyncio.Event()
        self.may_pass = asyncio.Event()
        self.may_pass.set()

    async def settle(
        self, run_id: str, stream: str, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.batches.append((run_id, [s.task for s in settlements]))
        self.called.set()
        await self.may_pass.wait()
        return [Verdict.SETTLED] * len(settlements)


def settler_of(store: Any, gate: ClaimGate | None = None, config: WorkerConfig = CONFIG) -> Settler:
    return Settler(WorkerContext(store, config, gate or ClaimGate()))


def settle(
    settler: Settler,
    task: int,
    run_id: str = "r",
    value: bytes = b"x",
    done: Callable[[], None] = lambda: None,
) -> None:
    ending = Ending(Record(task, 1, Outcome.SUCCEEDED, value=value))
    settler.settle(run_id, Claim("q", "1-0", b""), ending, done)


async def test_ends_during_a_flush_are_sent_together_in_the_next() -> None:
    store = SettlingStore()
    store.may_pass.clear()
    settler = settler_of(store)
    settler.start()
    settle(settler, 0)
    await store.called.wait()
    for task in range(1, 300):
        settle(settler, task)
    store.may_pass.set()
    await settler.flushed()
    await settler.stop()
    assert [len(tasks) for _, tasks in store.batches] == [1, 256, 43]
    assert [task for _, tasks in store.batches for task in tasks] == list(range(300))


async def test_the_ends_of_many_runs_are_sent_at_the_same_time() -> None:
    store = SettlingStore()
    store.may_pass.clear()
    settler = settler_of(store)
    for number in range(300):
        settle(settler, number % 2, run_id=f"r{number // 2}")
    settler.start()
    await eventually(lambda: sum(len(tasks) for _, tasks in store.batches) == 256, "a batch")
    store.may_pass.set()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [(f"r{number}", [0, 1]) for number in range(150)]


async def test_an_end_that_the_server_refuses_delays_no_end_of_another_run() -> None:
    class Refusing(SettlingStore):
        async def settle(
            self, run_id: str, stream: str, settlements: Sequence[Settlement]
        ) -> list[Verdict]:
            if run_id == "damaged":
                raise StoreUnavailableError("refused")
            return await super().settle(run_id, stream, settlements)

    settler = settler_of(store := Refusing())
    for run_id in ("damaged", "a", "b"):
        settle(settler, 0, run_id=run_id)
    settler.start()
    await eventually(lambda: settler.unsettled == 1, "the other ends")
    await settler.stop()
    assert store.batches == [("a", [0]), ("b", [0])]


async def test_a_batch_is_bounded_by_bytes_too() -> None:
    store = SettlingStore()
    settler = settler_of(store)
    for task in range(5):
        settle(settler, task, value=b"x" * 100_000)
    settler.start()
    await settler.flushed()
    await settler.stop()
    assert [tasks for _, tasks in store.batches] == [[0, 1], [2, 3], [4]]


async def test_an_unreachable_server_loses_no_result_and_none_is_done_twice() -> None:
    store = SettlingStore()
    store.failures = 3
    settler = settler_of(store)
    done: list[int] = []
    settle(settler, 1, done=lambda: done.append(1))
    settle(settler, 2, run_id="other", done=lambda: done.append(2))
    settler.start()
    await settler.flushed()
    await settler.stop()
    assert sorted(done) == [1, 2]
    assert sorted(store.batches) == [("other", [2]), ("r", [1])]


async def test_too_many_undelivered_results_stop_the_claiming() -> None:
    store, gate = SettlingStore(), ClaimGate()
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), unsettled_items=4)
    settler = settler_of(store, gate, config)
    for task in range(4):
        assert gate.is_open
        settle(settler, task)
    assert gate.reasons == ["backlog"]
    settler.start()
    await gate.wait_open()
    await settler.stop()


async def test_only_recent_results_are_settled_again() -> None:
    store = SettlingStore()
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), resettle_window_s=0.0)
    settler = settler_of(store, config=config)
    settler.start()
    for task in range(2):
        settle(settler, task)
        await settler.flushed()
    store.loss.suspect()  # from now on nothing is forgotten
    settle(settler, 2)
    await settler.flushed()
    store.batches.clear()
    settler.resettle()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [("r", [1, 2])]


async def test_ends_that_were_settled_within_the_window_are_settled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server loses two seconds of its writes when it dies, and is not back at once."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("astrum_worker.settling.settler.time", clock)
    store = SettlingStore()
    settler = settler_of(store)
    settler.start()
    for task, at_s in enumerate((0.0, 3.0, 6.0)):
        clock.now = at_s
        settle(settler, task)
        await settler.flushed()
    store.batches.clear()
    settler.resettle()
    await settler.flushed()
    await settler.stop()
    assert store.batches == [("r", [1, 2])]


# --- gate -------------------------------------------------------------------------------


async def test_a_gate_opens_when_its_last_reason_is_gone() -> None:
    closings: list[int] = []
    gate = ClaimGate()
    gate.on_close(lambda: closings.append(1))
    gate.close(Reason.NO_LEASE)
    gate.close(Reason.EXCLUSIVE)
    gate.close(Reason.EXCLUSIVE)
    gate.open(Reason.EXCLUSIVE)
    assert not gate.is_open
    gate.open(Reason.NO_LEASE)
    await gate.wait_open()
    assert len(closings) == 2


# --- blobs ----------------------------------------------------------------------------------------


class Transfers:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.called = asyncio.Event()
        self.may_pass = asyncio.Event()

    async def fetch(self, run_id: str, digest: str) -> bytes:
        self.asked.append(digest)
        self.called.set()
        await self.may_pass.wait()
        return digest.encode() * 10


async def test_readers_of_one_value_share_a_transfer_and_survive_each_others_cancellation() -> None:
    transfers = Transfers()
    cache = BlobCache(transfers.fetch, 1000)
    first, second = (asyncio.create_task(cache.get(run_id, "aa")) for run_id in ("r1", "r2"))
    await transfers.called.wait()
    first.cancel()
    transfers.may_pass.set()
    assert await second == b"aa" * 10
    assert await cache.get("r3", "aa") == b"aa" * 10
    assert transfers.asked == ["aa"]


async def test_the_value_that_was_used_longest_ago_goes_first() -> None:
    transfers = Transfers()
    transfers.may_pass.set()
    cache = BlobCache(transfers.fetch, 50)
    for digest in ("aa", "bb", "aa", "cc", "aa", "bb"):
        await cache.get("r", digest)
    assert transfers.asked == ["aa", "bb", "cc", "bb"]
    assert cache.size_bytes <= 50


# --- values and messages --------------------------------------------------------------------------


def served() -> Served:
    return Served(BoundTask("make", print, NO_INPUTS, "thread"), "", Codec())


def test_a_result_beyond_the_hard_limit_names_its_task() -> None:
    with pytest.raises(PayloadTooLargeError, match=r"task 'make'.*limit is 1,000"):
        encode_result(b"x" * 2000, served(), inline_bytes=100, max_bytes=1000)


def test_a_result_is_shrunk_before_it_is_judged_too_big_for_the_message() -> None:
    value, blob = encode_result(b"x" * 100_000, served(), inline_bytes=65536, max_bytes=10**6)
    assert blob is None
    assert len(value) < 2000


def test_a_result_that_cannot_be_encoded_says_so() -> None:
    with pytest.raises(EncodeError):
        encode_result(object(), served(), inline_bytes=100, max_bytes=1000)


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (msgpack.packb([1, "r", 3, 2, "ns"]), (1, "r", 3, 2)),
        (msgpack.packb([1, "r", 3, 2, "a long text"])[:-5], (1, "r", 3, 2)),
        (msgpack.packb([7, "r", 3, 2]), (7, "r", 3, 2)),
        (msgpack.packb([1, "r", 3]), None),
        (msgpack.packb([1, 5, 3, 2]), None),
        (msgpack.packb([1, "r", True, 2]), None),
        (msgpack.packb({"a": 1}), None),
        (b"\xdd\xff\xff\xff\xff", None),
        (b"", None),
    ],
)
def test_an_attempt_is_known_from_the_first_fields_alone(data: bytes, known: object) -> None:
    assert attribute(data) == known


# --- lease ----------------------------------------------------------------------------------------


class Beats:
    """A lease client with answers set by the test, `None` for no answer."""

    def __init__(self) -> None:
        self.answer: bool | None = True
        self.beaten = 0

    def beat(self, worker_id: str, lease_s: float, status: bytes = b"") -> bool:
        if self.answer is None:
            raise StoreUnavailableError("away")
        self.beaten += 1
        return self.answer

    def set_status(self, worker_id: str, status: bytes) -> bool:
        return True

    def close(self) -> None:
        return None


class NoStatus:
    def snapshot(self) -> bytes:
        return b""

    def version(self) -> object:
        return 0


class Listener:
    """Notes the calls of the lease."""

    def __init__(self, told: list[str]) -> None:
        self.lapsed = partial(told.append, "lapsed")
        self.distrusted = partial(told.append, "distrusted")
        self.trusted = partial(told.append, "trusted")


def lease_of(beats: Beats, config: WorkerConfig, told: list[str]) -> Lease:
    client = cast(LeaseClient, beats)
    return Lease("w", client, config, NoStatus(), Listener(told))


async def test_a_worker_without_a_heartbeat_distrusts_its_lease_before_the_server_would() -> None:
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), lease_s=0.6, status_every_s=0.01)
    beats, told = Beats(), list[str]()
    lease = lease_of(beats, config, told)
    loop = asyncio.get_running_loop()
    beats.answer = None
    started_at = loop.time()
    lease.start(started_at)
    await eventually(lambda: told == ["distrusted"])
    assert not lease.is_trusted
    assert config.trust_s <= loop.time() - started_at < config.lease_s
    beats.answer = False  # the server is back, and the lease had been over
    await eventually(lambda: len(told) > 2)
    assert told[:3] == ["distrusted", "lapsed", "trusted"]  # in this order, or it claims too early
    await lease.stop()


async def test_the_lease_is_trusted_from_the_beginning_of_the_beat_that_renewed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server may have renewed it as soon as the beat was sent, however late its reply."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    beats = Beats()
    lease = lease_of(beats, CONFIG, [])

    def beat_slowly(*_: object) -> bool:
        clock.now += 4.0
        return True

    monkeypatch.setattr("astrum_worker.upkeep.lease.time", clock)
    monkeypatch.setattr(lease, "begin", lambda: None)
    monkeypatch.setattr(beats, "beat", beat_slowly)
    lease.start(clock.now)
    clock.now = beat_at = CONFIG.beat_every_s
    lease.pass_once()
    clock.now = beat_at + CONFIG.trust_s - 0.01
    assert lease.is_trusted
    clock.now = beat_at + CONFIG.trust_s + 0.01
    assert not lease.is_trusted


async def test_after_a_pause_nothing_is_claimed_before_the_heartbeat_looked_at_the_lease() -> None:
    """The event loop may run again long before the thread that keeps the lease does."""
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), status_every_s=600)
    told: list[str] = []
    lease = lease_of(Beats(), config, told)
    gate = ClaimGate()
    gate.before_claim(lease.judge)
    lease.start(time.monotonic())
    assert gate.lets_claim()
    await lease.stop()
    lease.start(time.monotonic() - config.lease_s)  # as after a stop of that length
    gate.lets_claim()
    assert told == ["distrusted"]
    await lease.stop()


async def test_a_worker_that_the_server_lost_claims_nothing_before_it_registers_again() -> None:
    gate, registering, known = ClaimGate(), asyncio.Event(), asyncio.Event()

    async def register() -> None:
        registering.set()
        await known.wait()

    store: Any = SimpleNamespace(loss=ServerLossDetector(), keys=Keys("t"))
    reconciler = Reconciler(
        WorkerContext(store, WorkerConfig(modules=("m",), redis=RedisSettings()), gate),
        SimpleNamespace(running=list, end_forgotten=lambda: None),  # type: ignore[arg-type]
        SimpleNamespace(),  # type: ignore[arg-type]
        register,
    )
    reconciler.lapsed()
    assert gate.reasons == ["unregistered"]
    one_pass = asyncio.create_task(reconciler.pass_once())
    await registering.wait()
    assert not gate.is_open
    known.set()
    await one_pass
    assert gate.is_open
