"""The present state of runs and queues as data, for people and programs. Pure, like `machine`.

May import `protocol`, `machine`, `planning` and `errors`. `explain` and `explain_run` say why a
task or a run is as it is, `unfinished` gives the same for all unfinished tasks in brief.
"""

from astrum.view.codes import Code
from astrum.view.dead_letters import DeadLetterView, view_of
from astrum.view.estimate import RunEstimate, Running
from astrum.view.explain import explain
from astrum.view.explanation import Explanation, Group
from astrum.view.look import Look
from astrum.view.moment import Lack, NoPool, Pool, RunMoment, Sent, Taken
from astrum.view.pool_facts import PoolFacts, pool_facts
from astrum.view.queues import QueueState, queue_states
from astrum.view.run_counters import RunCounters
from astrum.view.run_why import explain_run
from astrum.view.snapshot import RunSnapshot
from astrum.view.unfinished import UnfinishedState, UnfinishedTask, unfinished

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
