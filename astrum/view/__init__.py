"""The present state of runs and queues as data, for people and programs. Pure, like `machine`.

`why/` has the reason for the state of a task or a run, `progress/` how far a run is, and `report/`
what happened in it. May import `protocol`, `machine`, `planning`, `runtime` and `errors`.
"""

from astrum.view.dead_letters import DeadLetterView, view_of
from astrum.view.progress.estimate import RunEstimate, Running
from astrum.view.progress.pool_facts import PoolFacts, pool_facts
from astrum.view.progress.run_counters import RunCounters
from astrum.view.queues import QueueState, queue_states
from astrum.view.snapshot import RunSnapshot
from astrum.view.why.codes import Code
from astrum.view.why.explain import explain
from astrum.view.why.explanation import Explanation, Group
from astrum.view.why.look import Look
from astrum.view.why.moment import Lack, NoPool, Pool, RunMoment, Sent, Taken
from astrum.view.why.run_why import explain_run
from astrum.view.why.unfinished import UnfinishedState, UnfinishedTask, unfinished

__all__ = [
    "Code",
    "DeadLetterView",
    "Explanation",
    "Group",
    "Lack",
    "Look",
    "NoPool",
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
    "explain",
    "explain_run",
    "pool_facts",
    "queue_states",
    "unfinished",
    "view_of",
]
