"""The present state of runs and queues as data, for people and programs. Pure, like `machine`.

May import `machine`, `values` and everything below.
"""

from astrum.view.queues import QueueLook, StreamSize, queue_looks
from astrum.view.unfinished import Place, Pool, RunMoment, Sent, Taken, UnfinishedTask, unfinished

__all__ = [
    "Place",
    "Pool",
    "QueueLook",
    "RunMoment",
    "Sent",
    "StreamSize",
    "Taken",
    "UnfinishedTask",
    "queue_looks",
    "unfinished",
]
