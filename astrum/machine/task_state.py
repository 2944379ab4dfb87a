"""The states of a task, and the events that may change it in each of them."""

from __future__ import annotations

from enum import IntEnum

from astrum.machine.events import (
    AttemptFoundOutstanding,
    AttemptSettled,
    AttemptWithdrawn,
    Released,
    RetryFellDue,
    TaskFoundUnserved,
    TaskReused,
)


class TaskState(IntEnum):
    """The state of a task; `astrum.machine.state` draws how it changes."""

    WAITING = 0
    READY = 1
    OUTSTANDING = 2
    BACKING_OFF = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6
    SKIPPED = 7
    BLOCKED = 8
    HELD = 9


# Plain numbers: before Python 3.12 finding an enum's member takes as long as a whole step.
WAITING, READY, OUTSTANDING, BACKING_OFF, SUCCEEDED, FAILED, CANCELLED, *_ = map(int, TaskState)
SKIPPED, BLOCKED, HELD = int(TaskState.SKIPPED), int(TaskState.BLOCKED), int(TaskState.HELD)
ENDED = frozenset((SUCCEEDED, FAILED, CANCELLED, SKIPPED, BLOCKED))
"""The states of tasks that have ended."""

TaskEvent = (
    AttemptSettled
    | TaskReused
    | AttemptWithdrawn
    | AttemptFoundOutstanding
    | RetryFellDue
    | TaskFoundUnserved
    | Released
)
"""An event about one task."""

LEGAL: dict[int, frozenset[type[TaskEvent]]] = {
    WAITING: frozenset(),
    READY: frozenset((AttemptFoundOutstanding, TaskFoundUnserved, TaskReused)),
    OUTSTANDING: frozenset((AttemptSettled, AttemptWithdrawn, TaskFoundUnserved)),
    BACKING_OFF: frozenset((AttemptFoundOutstanding, RetryFellDue, TaskFoundUnserved)),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
    SKIPPED: frozenset(),
    BLOCKED: frozenset(),
    HELD: frozenset((Released,)),
}
"""For each state, the events that may change the task. All others change nothing."""
