"""The present state of runs and queues as data, for people and programs. Pure, like `machine`.

May import `protocol`, `machine`, `planning` and `errors`.
"""

from astrum.view.dead_letters import DeadLetterView, view_of
from astrum.view.estimate import RunEstimate, Running
from astrum.view.pool_facts import PoolFacts, pool_facts
from astrum.view.queues import QueueState, queue_states
from astrum.view.run_counters import RunCounters
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
    "PoolFacts",
    "QueueState",
    "RunCounters",
    "RunEstimate",
    "RunMoment",
    "RunSnapshot",
    "Running",
    "Sent",
    "Taken",
    "UnfinishedState",
    "UnfinishedTask",
    "pool_facts",
    "queue_states",
    "unfinished",
    "view_of",
]
