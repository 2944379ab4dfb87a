"""The live workers as a run sees them: which tasks they serve, and which streams they read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from astrum.errors import listed, nearest
from astrum.planning import advice, difference
from astrum.planning.fingerprint import EXACT
from astrum.planning.plan import TaskSpec
from astrum.planning.resources import missing_resource
from astrum.protocol.streams import Stream
from astrum.view import Code, Lack
from astrum_coordinator.scheduling.live_workers import LivePool, LiveWorker, Readers

_NAMED = 8
_NEAREST_FIRST = (
    Code.UNSERVED_DRAINING,
    Code.UNSERVED_QUEUE,
    Code.UNSERVED_RESOURCE,
    Code.UNSERVED_VERSION,
)
"""Of several reasons the one that is easiest to remove names the code."""


class RunPool:
    """The live workers for the runs of one namespace under one version policy."""

    def __init__(self, pool: LivePool, namespace: str, versions: str) -> None:
        self._pool = pool
        self._namespace = namespace
        self._versions = versions
        self._is_exact = versions == EXACT
        self._candidates: dict[tuple[str, str], list[Readers]] = {}
        self._served_by: dict[tuple[str, str, str, str], tuple[Readers, ...]] = {}

    def serves(self, spec: TaskSpec) -> bool:
        """Return whether any live worker would run the task."""
        return bool(self.readers(spec))

    def readers(self, spec: TaskSpec) -> tuple[Readers, ...]:
        """Return the streams whose readers would run a task."""
        key = (spec.task_id, spec.fingerprint, spec.queue, spec.lane)
        found = self._served_by.get(key)
        if found is None:
            found = self._served_by[key] = tuple(self._find(spec))
        return found

    def _find(self, spec: TaskSpec) -> Iterator[Readers]:
        for readers in self.candidates(spec.queue, spec.lane):
            task = readers.served.get((self._namespace, spec.task_id))
            if task and not difference(spec.fingerprint, task.fingerprint, self._versions):
                yield readers

    def candidates(self, queue: str, lane: str) -> list[Readers]:
        """Return all streams of the namespace that have readers, in the order of their offers."""
        key = (queue, lane)
        candidates = self._candidates.get(key)
        if candidates is None:
            found = self._pool.readers(self._namespace, *key, exact=self._is_exact)
            candidates = self._candidates[key] = [found[offer] for offer in sorted(found)]
        return candidates

    def readers_of(self, stream: Stream) -> Readers | None:
        """Return who reads a stream, `None` if no live worker does."""
        lanes = (stream.queue, stream.lane)
        found = self._pool.readers(self._namespace, *lanes, exact=self._is_exact)
        return found.get(stream.offer)

    def servers(self, spec: TaskSpec) -> list[str]:
        """Return the ids of the live workers that serve a task, also of those that drain."""
        return [
            worker.worker_id
            for worker in self._pool.workers
            if (task := worker.served.get((self._namespace, spec.task_id)))
            and not difference(spec.fingerprint, task.fingerprint, self._versions)
            and (worker.queues is None or spec.queue in worker.queues)
        ]

    def why_not(self, spec: TaskSpec) -> str:
        """Return why no worker serves a task, and what to do about it."""
        task = f"task {spec.task_id!r} of namespace {self._namespace!r}"
        return f"no worker serves {task}: {self.lack(spec).text}"

    def lack(self, spec: TaskSpec) -> Lack:
        """Return why no worker serves a task, and what to do about it, with the code of that."""
        refusals = sorted(set(self._refusals(spec)))
        why = "; ".join(text for _, text in refusals)
        if self._pool.is_starting:
            code = Code.UNSERVED_STARTING
            why = "the local workers are still starting (does a module take long to import?)"
        elif not self._pool.workers:
            code = Code.UNSERVED_NO_WORKER
            why = "there is no live worker: start one with astrum-worker MODULE"
        elif not refusals:
            code, why = Code.UNSERVED_TASK, self._unknown(spec.task_id)
        else:
            code = min((code for code, _ in refusals), key=_NEAREST_FIRST.index)
        return Lack(code, why)

    def _refusals(self, spec: TaskSpec) -> Iterator[Lack]:
        """Yield why each worker that knows a task, or has its namespace, does not serve it."""
        for worker in self._kinds:
            task = worker.served.get((self._namespace, spec.task_id))
            if task is None:
                for name in spec.resources:
                    if (self._namespace, name) in worker.lacks:
                        text = f"worker {worker.worker_id}: {missing_resource(name)}"
                        yield Lack(Code.UNSERVED_RESOURCE, text)
                continue
            differs = difference(spec.fingerprint, task.fingerprint, self._versions)
            if differs:
                text = f"the live workers have {differs}: {advice(differs)}"
                yield Lack(Code.UNSERVED_VERSION, text)
            elif worker.queues is not None and spec.queue not in worker.queues:
                text = f"no live worker listens to its queue {spec.queue!r}: start one with "
                yield Lack(Code.UNSERVED_QUEUE, f"{text}--queue {spec.queue}")
            elif not worker.claims:
                text = "the live workers that serve it are draining: start another one"
                yield Lack(Code.UNSERVED_DRAINING, text)

    @cached_property
    def _kinds(self) -> list[LiveWorker]:
        """One worker of each kind: many workers of a pool serve and lack the same."""
        kinds: dict[object, LiveWorker] = {}
        for one in self._pool.workers:
            kinds.setdefault((id(one.served), one.queues, one.claims, tuple(one.lacks)), one)
        return list(kinds.values())

    def _unknown(self, task_id: str) -> str:
        known = sorted({t for one in self._kinds for n, t in one.served if n == self._namespace})
        return (
            f"the live workers serve {listed(known, _NAMED)} there{nearest(task_id, known)}; "
            "start one with the module that declares it"
        )
