"""The read model: what a run does now, for people and programs. Pure, like the machine."""

from astrum.view.unfinished import Place, Pool, RunMoment, Sent, Taken, UnfinishedTask, unfinished

__all__ = ["Place", "Pool", "RunMoment", "Sent", "Taken", "UnfinishedTask", "unfinished"]
