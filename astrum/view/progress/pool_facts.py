"""What a pool says about one run at one moment: what runs where, what waits, what holds it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from astrum.machine.progress import Progress
from astrum.protocol.records import CoordinatorInfo, RunInfo, WorkerInfo
from astrum.protocol.status import LedRun
from astrum.view.queues import QueueState


class RunningFacts(NamedTuple):
    """An attempt that a worker runs, for ``age_s`` so far, with what its task told last."""

    worker_id: str
    age_s: float
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What a pool says about one run; all of it may be some seconds old.

    ``at`` is the time of the look, by the clock of the process that looked. ``running`` has the
    attempts that workers run, by task number and attempt. ``queues`` are those of the run's tasks.
    ``troubles`` say in a line each what holds the run back.
    """

    at: float = 0.0
    running: Mapping[tuple[int, int], RunningFacts] = field(default_factory=dict)
    queues: tuple[QueueState, ...] = ()
    troubles: tuple[str, ...] = ()


def pool_facts(
    run_id: str,
    at: float,
    info: RunInfo | None,
    names: Iterable[str],
    workers: Iterable[WorkerInfo],
    coordinators: Iterable[CoordinatorInfo],
    queues: Iterable[QueueState],
) -> PoolFacts:
    """Return what is said about a run whose tasks have these queues."""
    wanted = set(names)
    own = tuple(queue for queue in queues if queue.queue in wanted)
    led = [one for who in coordinators for one in who.status.leaderships if one.run_id == run_id]
    running = {
        (row.task, row.attempt): RunningFacts(worker.worker_id, row.age_s, row.progress)
        for worker in workers
        for row in worker.status.running
        if row.run_id == run_id
    }
    troubles = (*_leader_troubles(info, led), *(queue.paused for queue in own if queue.paused))
    return PoolFacts(at=at, running=running, queues=own, troubles=troubles)


def _leader_troubles(info: RunInfo | None, led: Iterable[LedRun]) -> list[str]:
    if info is not None and info.is_open and info.lease_s <= 0 and info.waits_until is None:
        return ["no coordinator leads the run: `serve` or `resume` would"]
    troubles = []
    for one in led:
        if one.refused:
            troubles.append(f"the server refuses what is to be dispatched: {one.refused}")
        if one.unserved:
            troubles.append(one.unserved)
        if one.is_in_doubt:
            troubles.append(
                "the server holds another state than the leader expects; the run is read again"
            )
    return troubles
