"""A snapshot of the live workers: the tasks they serve, what they run, the streams they read.

Made once per pass, for all runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from astrum.machine.failure import blocking_text
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LoopBlock, RunningAttempt, ServedTask, WorkerStatus
from astrum.protocol.streams import Stream
from astrum_coordinator.scheduling.work_rates import WorkRates

Served = Mapping[tuple[str, str], ServedTask]
"""By namespace and task id."""

DRAINING = "draining"


class Running(NamedTuple):
    """An attempt that a worker reports to run.

    ``blocked`` says how it blocks the worker's event loop, ``held_up`` how another task does; ""
    if none does.
    """

    task: int
    attempt: int
    age_s: float
    blocked: str = ""
    held_up: str = ""


@dataclass(slots=True)
class Readers:
    """The live workers that read one stream.

    ``slots`` is how many attempts of its lane they run at once, ``rate`` how many they end there
    per second. ``served`` has what they serve: all of them serve the same.
    """

    stream: Stream
    served: Served
    slots: int = 0
    rate: float = 0.0


class LiveWorker(NamedTuple):
    """A live worker: what it serves, and the queues it listens to (`None`: it does not say).

    ``codes`` has the offer and the code of each namespace that it serves.
    """

    worker_id: str
    served: Served
    queues: frozenset[str] | None
    status: WorkerStatus
    codes: Mapping[str, tuple[str, str]]

    def reads(self, namespace: str, queue: str) -> bool:
        """Return whether it claims attempts of a namespace from a queue."""
        listens = self.queues is None or queue in self.queues
        return listens and namespace in self.codes and self.claims

    @property
    def claims(self) -> bool:
        """True unless it drains."""
        return DRAINING not in self.status.not_claiming


class LivePool:
    """All live workers at one moment. ``served`` are the tasks that each advertises, by worker id.

    ``is_starting``: there are processes that will serve, but none of them does yet. ``rates`` has
    how many attempts the workers end per second.
    """

    def __init__(
        self,
        workers: Sequence[WorkerInfo],
        served: Mapping[str, Served],
        rates: WorkRates | None = None,
        *,
        is_starting: bool = False,
    ) -> None:
        self.is_starting = is_starting
        self.workers = [_live_worker(one, served.get(one.worker_id, {})) for one in workers]
        self._rates = rates or WorkRates()
        self._running: dict[str, list[Running]] = {}
        self._readers: dict[tuple[str, str, str, bool], Mapping[str, Readers]] = {}
        for worker in workers:
            self._take_in_status(worker.status)

    def running(self, run_id: str) -> Sequence[Running]:
        """Return the attempts of a run that workers report to run."""
        return self._running.get(run_id, ())

    def readers(
        self, namespace: str, queue: str, lane: str, *, exact: bool = False
    ) -> Mapping[str, Readers]:
        """Return the streams with attempts of a namespace that live workers read, by offer.

        Those of exact runs are streams of their own. Workers that drain do not count.
        """
        key = (namespace, queue, lane, exact)
        found = self._readers.get(key)
        if found is None:
            # Looked up on demand: workers listen to many more queues than are asked about.
            found = self._readers[key] = self._find_readers(*key)
        return found

    def _find_readers(
        self, namespace: str, queue: str, lane: str, exact: bool
    ) -> Mapping[str, Readers]:
        found: dict[str, Readers] = {}
        for worker in self.workers:
            if not worker.reads(namespace, queue):
                continue
            offer, code = worker.codes[namespace]
            name = f"{offer}.{code}" if exact else offer
            readers = found.setdefault(name, Readers(Stream(queue, lane, name), worker.served))
            status = worker.status.lanes.get(lane)
            readers.slots += status.slots if status else 1
            readers.rate += self._rates.of(worker.worker_id, lane)
        return found

    def _take_in_status(self, status: WorkerStatus) -> None:
        for row in status.running:
            attempt = Running(row.task, row.attempt, row.age_s, *_blame(row, status.blocked))
            self._running.setdefault(row.run_id, []).append(attempt)


def _live_worker(worker: WorkerInfo, served: Served) -> LiveWorker:
    queues = worker.details.get("queues")
    listens = None if queues is None else frozenset(queues.split(","))
    codes = {namespace: (task.offer, task.code) for (namespace, _), task in served.items()}
    return LiveWorker(worker.worker_id, served, listens, worker.status, codes)


def _blame(row: RunningAttempt, block: LoopBlock | None) -> tuple[str, str]:
    if block is None:
        return "", ""
    text = blocking_text(block.age_s, block.where, at_least=True)
    if row.blocks:
        return text, ""
    who = f"task {block.task_id!r}" if block.task_id else "something"
    return "", f"{who} on its worker {text}"
