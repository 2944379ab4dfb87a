"""The states of a task."""

from __future__ import annotations

from enum import IntEnum


class TaskState(IntEnum):
    """The state of a task; `astrum.machine.state` draws how it changes."""

    WAITING = 0
    READY = 1
    OUTSTANDING = 2
    BACKING_OFF = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6


# Plain numbers: before Python 3.12 finding an enum's member takes as long as a whole step.
WAITING, READY, OUTSTANDING, BACKING_OFF, SUCCEEDED, FAILED, CANCELLED = map(int, TaskState)
