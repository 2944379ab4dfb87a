"""The state of each unfinished task of a run, and the reason, as `show` prints them; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from astrum.machine.progress import Progress
from astrum.machine.task_state import BACKING_OFF
from astrum.view.why.codes import UNSERVED, Code
from astrum.view.why.explain import explain_briefly
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import EXCLUSIVE, Look
from astrum.view.why.moment import Pool, RunMoment


class UnfinishedState(StrEnum):
    """The state of an unfinished task: what it does, or what it waits for."""

    WAITING = "waiting"
    """For tasks that it needs, or for the start of a delayed run."""
    READY = "ready"
    """For a coordinator that sends it to a queue."""
    RETRYING = "retrying"
    """For the end of the delay before its next attempt."""
    QUEUED = "queued"
    """For a worker that takes it from its queue."""
    RUNNING = "running"
    """A worker has taken it."""
    UNSERVED = "unserved"
    """For a worker that serves it: there is none."""
    PAUSED = "paused"
    """For the end of a pause of its queue, its namespace or the task."""
    HELD = "held"
    """For a person: its worker was lost, and it may have had effects."""


_STATES = {
    **dict.fromkeys(UNSERVED, UnfinishedState.UNSERVED),
    Code.PAUSED: UnfinishedState.PAUSED,
    Code.HELD: UnfinishedState.HELD,
    **dict.fromkeys(
        (
            Code.RUN_NOT_BEGUN,
            Code.NO_LEADER,
            Code.LEADER_REFUSED,
            Code.LEADER_IN_DOUBT,
            Code.LIMIT_OF_RUN,
            Code.LIMIT_OF_TASK,
            Code.LIMIT_OF_LEADER,
            Code.READY_MOMENT,
            Code.READY_OVERDUE,
        ),
        UnfinishedState.READY,
    ),
    **dict.fromkeys(
        (
            Code.BACKING_OFF_RAISED,
            Code.BACKING_OFF_LOST,
            Code.BACKING_OFF_HANDED_BACK,
            Code.UNBELIEVED,
            Code.RETRY_OVERDUE,
        ),
        UnfinishedState.RETRYING,
    ),
    **dict.fromkeys(
        (
            Code.QUEUED,
            Code.QUEUED_MOMENT,
            Code.QUEUED_SLOTS_FULL,
            Code.QUEUED_NOT_CLAIMING,
            Code.QUEUED_READER_STUCK,
            Code.QUEUED_ALONE,
            Code.VANISHED,
        ),
        UnfinishedState.QUEUED,
    ),
    **dict.fromkeys(
        (
            Code.CLAIMED_WAITING,
            Code.RUNNING,
            Code.RUNNING_BLOCKED,
            Code.RUNNING_BLOCKS,
            Code.RUNNING_OVERDUE,
            Code.DELIVERING,
            Code.WORKER_SILENT,
            Code.REVOKED_RUNNING,
        ),
        UnfinishedState.RUNNING,
    ),
}
"""All codes of tasks that have not ended; those that are missing are of tasks that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedTask:
    """The state of one unfinished task.

    ``code`` and ``text`` are code and sentence of its `Explanation`. ``attempt`` is the number of
    the attempt that is under way or comes next. ``since`` is when it was sent to its queue, was
    taken by ``worker_id`` or paused, ``due_at`` when its next attempt, or its delayed run, begins.
    ``position`` counts from 1 in its queue and is `None` where it is not known for sure.
    ``exclusive``: its attempt is the only one on its worker. ``waits_for`` are needs that have not
    succeeded. ``progress`` is what the running task told last.
    """

    task_id: str
    state: UnfinishedState
    text: str
    attempt: int
    queue: str
    lane: str
    code: Code
    since: float | None = None
    worker_id: str = ""
    exclusive: bool = False
    position: int | None = None
    due_at: float | None = None
    waits_for: tuple[str, ...] = ()
    progress: Progress | None = None


def unfinished(moment: RunMoment, pool: Pool) -> list[UnfinishedTask]:
    """Return the state of every unfinished task, in plan order."""
    look = Look(moment, pool)
    return [_task(look, task, explain_briefly(look, task)) for task in look.unended()]


def _task(look: Look, task: int, why: Explanation) -> UnfinishedTask:
    state = _state(look, task, why.code)
    queue, lane, *_ = look.stream(task)
    begins = state is UnfinishedState.RETRYING or why.code is Code.DELAYED
    return UnfinishedTask(
        task_id=why.task_id,
        state=state,
        text=why.sentence,
        attempt=look.attempt_number(task),
        queue=queue,
        lane=lane,
        code=why.code,
        since=why.since,
        worker_id=why.worker_id,
        exclusive=lane == EXCLUSIVE,
        position=why.position,
        due_at=why.until if begins else None,
        waits_for=why.waits_for,
        progress=why.progress,
    )


def _state(look: Look, task: int, code: Code) -> UnfinishedState:
    if code is Code.STOPPING and look.sent(task) is not None:
        return UnfinishedState.QUEUED
    state = _STATES.get(code, UnfinishedState.WAITING)
    is_retry = state is UnfinishedState.READY and look.state.states[task] == BACKING_OFF
    return UnfinishedState.RETRYING if is_retry else state
