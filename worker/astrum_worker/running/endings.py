"""The end of an attempt as a record, ready to be settled: one function per way to end."""

from __future__ import annotations

import asyncio
import time

from astrum.errors import ResourceError
from astrum.execution.endings import AttemptResult
from astrum.machine.events import Outcome
from astrum.machine.failure import (
    LOST,
    NOT_DESCRIBED,
    RESOURCE_FAILED,
    UNDESCRIBED,
    UNSERVED,
    Failure,
)
from astrum.protocol.messages import Record
from astrum.values.references import Blob
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.settling.ending import Ending

WORKER_STOPPING = "astrum.WorkerStopping"
A_COPY = "no leader waits for this entry; it is a copy of an old message, or settled by others"


def ended(
    held: ClaimedAttempt,
    result: AttemptResult,
    value: bytes | None = None,
    blob: Blob | None = None,
) -> Ending:
    """Return the end of an attempt with this result, whose value is encoded already."""
    outcome, _, failure, started_at, ended_at, seen = result
    record = Record(
        task=held.task,
        attempt=held.attempt,
        outcome=outcome,
        worker_id=held.context.worker_id,
        started_at=started_at,
        ended_at=ended_at,
        value=value,
        failure=failure,
        prepared_ms=max(round((started_at - held.started_at) * 1000), 0),
        blocked=held.blocked(),
        seen=seen,
        code=held.code,
    )
    return Ending(record, blob)


def unrun(held: ClaimedAttempt, outcome: Outcome, failure: Failure) -> Ending:
    """Return the end of an attempt whose code this worker does not start."""
    now = time.time()
    return ended(held, AttemptResult(outcome, None, failure, now, now))


def never_began(held: ClaimedAttempt) -> Ending:
    """Return the end of an attempt that goes to other workers and is not counted."""
    return Ending(Record(held.task, held.attempt, Outcome.NEVER_BEGAN))


def handed_back_as_copy(held: ClaimedAttempt) -> Ending:
    """Return the end of an entry that repeats an old message."""
    return unrun(held, Outcome.HANDED_BACK, Failure((UNSERVED,), A_COPY))


def stopped(held: ClaimedAttempt, why: str = "is stopping") -> Ending:
    """Return the end of an attempt that its worker interrupts: others run it again, uncharged."""
    failure = Failure((WORKER_STOPPING,), f"worker {held.context.worker_id} {why}")
    now = time.time()
    result = AttemptResult(Outcome.HANDED_BACK, None, failure, held.started_at, now)
    return ended(held, result)


def without_resource(held: ClaimedAttempt, error: ResourceError) -> Ending:
    """Return the end of an attempt that never got a resource: others run it again, uncharged."""
    failure = Failure((RESOURCE_FAILED,), f"worker {held.context.worker_id}: {error}")
    return unrun(held, Outcome.HANDED_BACK, failure)


def lost(held: ClaimedAttempt, why: str, shared: int) -> Ending:
    """Return the end of an attempt whose worker process ends, perhaps because of it.

    ``shared`` is how many attempts are suspected of that, this one included.
    """
    failure = Failure((LOST,), f"worker {held.context.worker_id} {why}")
    result = AttemptResult(Outcome.LOST, None, failure, held.started_at, time.time())
    record = ended(held, result).record
    return Ending(record._replace(shared_loss=shared))


def undescribed(held: ClaimedAttempt) -> Ending:
    """Return the end of an attempt that is over but cannot be described."""
    now = time.time()
    failure = Failure((UNDESCRIBED,), NOT_DESCRIBED)
    record = Record(
        *(held.task, held.attempt, Outcome.FAILED, held.context.worker_id),
        *(held.started_at, now, None, failure),
    )
    return Ending(record)


def raised(error: BaseException, started_at: float) -> AttemptResult:
    """Return the result of an attempt that ended by an error."""
    is_cancellation = issubclass(type(error), asyncio.CancelledError)
    describe = Failure.from_cancellation if is_cancellation else Failure.from_exception
    failure = describe(error)
    return AttemptResult(Outcome.FAILED, None, failure, started_at, time.time())
