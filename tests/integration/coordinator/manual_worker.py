"""A worker whose claims and settlements a test makes one by one, and plans for it."""

from __future__ import annotations

import time
from typing import Any

import msgpack

from astrum.execution.invoke import Flow
from astrum.machine.events import Outcome
from astrum.machine.failure import Failure
from astrum.planning import Plan, TaskSpec
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.status import LaneStatus, RunningAttempt, WorkerStatus, encode_status
from astrum.protocol.streams import Stream
from astrum.protocol.task_message import TaskMessage, decode_message
from astrum.redis import Claim, RunStore, Settlement, WorkerStore
from astrum.values.codec import Codec
from astrum_coordinator import Coordinator, CoordinatorConfig
from tests.contract.steps import as_worker
from tests.eventually import DEADLINE_S, eventually

NAMESPACE = "test"
FAST = CoordinatorConfig(
    lease_s=2.0,
    renew_every_s=0.2,
    step_down_after_s=1.5,
    adopt_every_s=0.05,
    watch_every_s=0.05,
    reap_every_s=0.1,
    unserved_notice_s=0.05,
    timeout_grace_s=0.1,
    vanished_after_s=0.2,
    reap_grace_s=0.01,
)


def flow(*specs: TaskSpec) -> Flow:
    """Return a flow of a plan whose tasks have no code."""
    return Flow(Plan(NAMESPACE, specs), {})


SLOTS = 1_000


class ManualClaim:
    """A claimed attempt."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.message: TaskMessage = decode_message(claim.data)

    @property
    def place(self) -> tuple[str, int]:
        """Task id and attempt."""
        return self.message.task_id, self.message.attempt


class ManualWorker:
    """A registered worker that claims and settles only when the test calls it."""

    def __init__(self, store: WorkerStore, worker_id: str = "hand") -> None:
        self.store = as_worker(store, worker_id)
        self.worker_id = worker_id

    async def register(
        self, *task_ids: str, queues: str = "default", lease_s: float = 60.0, **details: str
    ) -> None:
        """Register, serving these tasks."""
        served = msgpack.packb([(NAMESPACE, task_id, "") for task_id in task_ids])
        details["queues"] = queues
        await self.store.register(details, served, lease_s)
        lanes = {lane: LaneStatus(SLOTS, 0) for lane in ("async", "thread")}
        await self.store.set_status(encode_status(WorkerStatus(lanes=lanes)))

    async def claim(self, lane: str = "async", block_s: float = DEADLINE_S) -> ManualClaim:
        """Wait for one attempt and claim it."""
        [claim] = await self.store.claim(lane, [Stream("default", lane)], 1, block_s=block_s)
        return ManualClaim(claim)

    async def claim_all(self, lane: str = "async") -> list[ManualClaim]:
        """Claim all attempts that wait."""
        claims = await self.store.claim(lane, [Stream("default", lane)], 10_000, block_s=None)
        return [ManualClaim(claim) for claim in claims]

    async def succeed(self, held: ManualClaim, value: object = None) -> None:
        """End an attempt with a result."""
        data = Codec().encode(value)
        await self.settle(held, self.record(held, Outcome.SUCCEEDED, value=data))

    async def fail(self, held: ManualClaim, message: str = "no") -> None:
        """End an attempt with an error."""
        failure = Failure(("builtins.ValueError", "builtins.Exception"), message)
        await self.settle(held, self.record(held, Outcome.FAILED, failure=failure))

    def record(self, held: ManualClaim, outcome: Outcome, **fields: Any) -> bytes:
        """Return the journal row of an attempt's end."""
        now = time.time()
        message = held.message
        return encode_record(
            Record(message.task, message.attempt, outcome, self.worker_id, now, now, **fields)
        )

    async def settle(self, held: ManualClaim, row: bytes, *, final: bool = False) -> None:
        """Record an attempt's end, whatever the row says."""
        message = held.message
        end = Settlement(message.task, message.attempt, held.claim.entry_id, final, row)
        await self.store.settle(message.run_id, held.claim.stream, [end])

    async def report_running(self, *attempts: tuple[ManualClaim, float]) -> None:
        """Report which attempts run, and for how many seconds."""
        rows = [
            RunningAttempt(held.message.run_id, held.message.task, "", held.message.attempt, age_s)
            for held, age_s in attempts
        ]
        await self.store.set_status(encode_status(WorkerStatus(running=tuple(rows))))


async def take_over(runs: RunStore, successor: Coordinator) -> None:
    """Expire the leader's lease and let another coordinator lead the run."""

    async def taken() -> bool:  # unless the leader renews it just then
        await runs.client.execute("ZADD", runs.keys.runs, 0, "r")
        return await successor._parts.leaderships.adopt("r") is not None

    await eventually(taken, "another leader")
    successor._begin_to_lead()
