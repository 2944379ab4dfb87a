"""What a worker does that may have no lease any more; with a fake client."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from astrum.errors import StoreUnavailableError
from astrum.protocol.keys import Keys
from astrum.redis import LeaseClient, RedisSettings, ServerLossDetector
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.upkeep.lease import Lease, note_stand_still
from astrum_worker.upkeep.reconciler import Reconciler
from tests.eventually import eventually

CONFIG = WorkerConfig(modules=("m",), redis=RedisSettings())


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


def test_a_process_that_stood_still_says_so(caplog: pytest.LogCaptureFixture) -> None:
    note_stand_still(0.4)
    assert not caplog.records
    note_stand_still(30.2)
    assert "this process stood still for 30 s" in caplog.text
