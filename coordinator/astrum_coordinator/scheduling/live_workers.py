"""A snapshot of the live workers: the tasks they serve, what they run, the streams they read.

Made once per pass, for all runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from astrum.machine.failure import blocking_text
from astrum.protocol.lacking import lacking_from_details
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import RunningAttempt, ServedTask, WorkerStatus
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

    ``lacks`` are the resources that it does not have, by namespace and name.
    """

    worker_id: str
    served: Served
    queues: frozenset[str] | None
    status: WorkerStatus
    lacks: Sequence[tuple[str, str]] = ()

    @property
    def claims(self) -> bool:
        """True unless it drains."""
        return DRAINING not in self.status.not_claiming


class _Equals:
    """Workers that serve the same, listen to the same queues, and claim.

    ``codes`` has the offer and the code of each namespace that they serve.
    """

    def __init__(self, served: Served, queues: frozenset[str] | None, rates: WorkRates) -> None:
        self.served = served
        self.workers: list[LiveWorker] = []
        self.codes = {namespace: (task.offer, task.code) for (namespace, _), task in served.items()}
        self._queues = queues
        self._rates = rates
        self._by_lane: dict[str, tuple[int, float]] = {}

    def read(self, namespace: str, queue: str) -> bool:
        """Return whether they claim attempts of a namespace from a queue."""
        return namespace in self.codes and (self._queues is None or queue in self._queues)

    def at_work(self, lane: str) -> tuple[int, float]:
        """Return how many attempts of a lane they run at once, and end per second."""
        found = self._by_lane.get(lane)
        if found is None:
            lanes = [worker.status.lanes.get(lane) for worker in self.workers]
            slots = sum(status.slots if status else 1 for status in lanes)
            rate = sum(self._rates.of(worker.worker_id, lane) for worker in self.workers)
            found = self._by_lane[lane] = slots, rate
        return found


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
        self._equals = _equals(self.workers, rates or WorkRates())
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
        for equals in self._equals:
            if not equals.read(namespace, queue):
                continue
            offer, code = equals.codes[namespace]
            name = f"{offer}.{code}" if exact else offer
            readers = found.setdefault(name, Readers(Stream(queue, lane, name), equals.served))
            slots, rate = equals.at_work(lane)
            readers.slots += slots
            readers.rate += rate
        return found

    def _take_in_status(self, status: WorkerStatus) -> None:
        for row in status.running:
            attempt = Running(row.task, row.attempt, row.age_s, *_blame(row, status))
            self._running.setdefault(row.run_id, []).append(attempt)


def _live_worker(worker: WorkerInfo, served: Served) -> LiveWorker:
    queues = worker.details.get("queues")
    listens = None if queues is None else _queues(queues)
    lacks = lacking_from_details(worker.details)
    return LiveWorker(worker.worker_id, served, listens, worker.status, lacks)


@lru_cache(maxsize=128)
def _queues(text: str) -> frozenset[str]:
    return frozenset(text.split(","))


def _equals(workers: Iterable[LiveWorker], rates: WorkRates) -> list[_Equals]:
    """Group the workers that claim: a big pool has many workers, but of a few kinds.

    Workers that advertise the same share one object for it, see `PoolView`.
    """
    found: dict[tuple[int, frozenset[str] | None], _Equals] = {}
    for worker in workers:
        if worker.claims:
            key = (id(worker.served), worker.queues)
            equals = found.get(key)
            if equals is None:
                equals = found[key] = _Equals(worker.served, worker.queues, rates)
            equals.workers.append(worker)
    return list(found.values())


def _blame(row: RunningAttempt, status: WorkerStatus) -> tuple[str, str]:
    block = status.blocked
    if block is None:
        return "", ""
    text = blocking_text(block.age_s, block.where, at_least=True)
    if row.blocks:
        return text, ""
    who = f"task {status.blocker!r}" if status.blocker else "something"
    return "", f"{who} on its worker {text}"
