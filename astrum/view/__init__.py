"""The read model: what runs and queues do now, for people and programs. Pure, like the machine."""

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
