"""The present state of runs and queues as data, for people and programs. Pure, like `machine`.

May import `protocol`, `machine`, `planning` and `errors`.
"""

from astrum.view.dead_letters import DeadLetterView, view_of
from astrum.view.queues import QueueState, queue_states
from astrum.view.snapshot import RunSnapshot
from astrum.view.unfinished import (
    Pool,
    RunMoment,
    Sent,
    Taken,
    UnfinishedState,
    UnfinishedTask,
    unfinished,
)

__all__ = [
    "DeadLetterView",
    "Pool",
    "QueueState",
    "RunMoment",
    "RunSnapshot",
    "Sent",
    "Taken",
    "UnfinishedState",
    "UnfinishedTask",
    "queue_states",
    "unfinished",
    "view_of",
]
