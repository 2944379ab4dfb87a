"""Steps that the contract tests share: lead a run, dispatch, claim, settle."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from astrum.protocol.keys import Keys
from astrum.protocol.run_header import NewRun, plan_digest
from astrum.protocol.streams import Stream
from astrum.redis import Claim, RunStore, Settlement, WorkerStore
from astrum.values.references import Blob, digest_of

LEASE_S = 30.0
NO_DETAILS: Mapping[str, str] = {}
ALREADY_OVER_S = 0.001
STREAM = Keys().queue(Stream("default", "async"))


def new_run(run_id: str, plan: bytes = b"plan", details: Mapping[str, str] = NO_DETAILS) -> NewRun:
    """Return a run to create, of no readable plan; two with another one have other identities."""
    return NewRun(run_id, plan_digest(plan), b"header", plan.decode(), details)


async def create_run(
    runs: RunStore, run_id: str, plan: bytes = b"plan", details: Mapping[str, str] = NO_DETAILS
) -> bool:
    """Create a `new_run`."""
    return await runs.create_run(new_run(run_id, plan, details), plan)


async def led_run(runs: RunStore, run_id: str = "r") -> int:
    """Create a run and lead it; return the epoch."""
    await create_run(runs, run_id, b"plan of " + run_id.encode(), {"namespace": "n"})
    epoch = await runs.lead(run_id, "leader", LEASE_S)
    assert epoch is not None
    return epoch


async def dispatched(runs: RunStore, epoch: int, *tasks: int, run_id: str = "r") -> list[str]:
    """Dispatch the first attempt of each task; return the entry ids."""
    items = [(task, 1, b"message %d" % task) for task in tasks]
    sent = await runs.dispatch(run_id, epoch, Stream("default", "async"), items)
    return sent.states


async def stored(store: RunStore | WorkerStore, run_id: str, data: bytes) -> str:
    """Store a big value as it is, without compression; return its digest."""
    digest = digest_of(data)
    await store.put_blob(run_id, Blob(digest, data))
    return digest


def as_worker(store: WorkerStore, worker_id: str) -> WorkerStore:
    """Return a store of another worker over the same connections."""
    other = copy.copy(store)
    other.worker_id = worker_id
    return other


async def registered(workers: WorkerStore, worker_id: str, lease_s: float = LEASE_S) -> str:
    """Register a worker and return its id."""
    await as_worker(workers, worker_id).register({"host": "h"}, b"served", lease_s)
    return worker_id


async def claimed(workers: WorkerStore, worker_id: str, count: int = 10) -> list[Claim]:
    """Claim what waits, without waiting."""
    worker = as_worker(workers, worker_id)
    return await worker.claim("async", [Stream("default", "async")], count, block_s=None)


async def one_held(runs: RunStore, workers: WorkerStore) -> tuple[int, str]:
    """Lead a run of which the worker "w" holds one attempt; return the epoch and the entry id."""
    epoch = await led_run(runs)
    [entry] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    return epoch, entry


def settlement(
    task: int, entry_id: str, *, attempt: int = 1, final: bool = True, record: bytes = b"\x01"
) -> Settlement:
    """Return the end of an attempt with a one-byte record."""
    return Settlement(task, attempt, entry_id, final, record)
