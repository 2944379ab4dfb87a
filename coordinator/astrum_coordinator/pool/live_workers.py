"""A snapshot of the live workers: the tasks they serve, what they run, how many slots they have.

Made once per pass, for all runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from astrum.errors import listed, nearest
from astrum.machine.failure import blocking_text
from astrum.planning import advice, difference
from astrum.planning.plan import TaskSpec
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LoopBlock, RunningAttempt, ServedTask, WorkerStatus

Served = Mapping[tuple[str, str], ServedTask]
"""By namespace and task id."""

_NAMED = 8


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


class _Offer(NamedTuple):
    fingerprint: str
    queues: frozenset[str] | None

    def refusal(self, spec: TaskSpec, versions: str) -> str:
        """Return why this worker does not serve a task whose name it knows, "" if it serves it."""
        differs = difference(spec.fingerprint, self.fingerprint, versions)
        if differs:
            return f"the live workers have {differs}: {advice(differs)}"
        if self.queues is not None and spec.queue not in self.queues:
            return (
                f"no live worker listens to its queue {spec.queue!r}: start one with "
                f"--queue {spec.queue}"
            )
        return ""


class LivePool:
    """All live workers at one moment. ``served`` are the tasks that each advertises, by worker id.

    ``slots`` is the number of attempts that the workers can run at once. ``is_starting``: there
    are processes that will serve, but none of them does yet.
    """

    def __init__(
        self,
        workers: Sequence[WorkerInfo],
        served: Mapping[str, Served],
        *,
        is_starting: bool = False,
    ) -> None:
        self.slots = 0
        self.is_starting = is_starting
        self._is_empty = not workers
        self._running: dict[str, list[Running]] = {}
        self._served: list[tuple[Served, frozenset[str] | None]] = []
        self._verdicts: dict[tuple[str, ...], bool] = {}
        for worker in workers:
            self._take_in_status(worker.status)
            queues = worker.details.get("queues")
            listens = None if queues is None else frozenset(queues.split(","))
            self._served.append((served.get(worker.worker_id, {}), listens))

    def running(self, run_id: str) -> Sequence[Running]:
        """Return the attempts of a run that workers report to run."""
        return self._running.get(run_id, ())

    def serves(self, namespace: str, spec: TaskSpec, versions: str) -> bool:
        """Return whether any live worker would run the task; ``versions`` says with which code."""
        key = (namespace, spec.task_id, spec.fingerprint, spec.queue, versions)
        verdict = self._verdicts.get(key)
        if verdict is None:
            offers = self._offers(namespace, spec)
            verdict = self._verdicts[key] = any(not o.refusal(spec, versions) for o in offers)
        return verdict

    def _offers(self, namespace: str, spec: TaskSpec) -> Iterator[_Offer]:
        # Looked up on demand: workers serve many more tasks than are asked about.
        for served, queues in self._served:
            task = served.get((namespace, spec.task_id))
            if task is not None:
                yield _Offer(task.fingerprint, queues)

    def why_not(self, namespace: str, spec: TaskSpec, versions: str) -> str:
        """Return why no worker serves a task, and what to do about it."""
        offers = self._offers(namespace, spec)
        why = "; ".join(sorted({offer.refusal(spec, versions) for offer in offers}))
        if self.is_starting:
            why = "the local workers are still starting (does a module take long to import?)"
        elif self._is_empty:
            why = "there is no live worker: start one with astrum-worker MODULE"
        elif not why:
            known = sorted({t for served, _ in self._served for n, t in served if n == namespace})
            why = (
                f"the live workers serve {listed(known, _NAMED)} there"
                f"{nearest(spec.task_id, known)}; "
                "start one with the module that declares it"
            )
        return f"no worker serves task {spec.task_id!r} of namespace {namespace!r}: {why}"

    def _take_in_status(self, status: WorkerStatus) -> None:
        self.slots += len(status.running) + sum(lane.free for lane in status.lanes.values())
        for row in status.running:
            attempt = Running(row.task, row.attempt, row.age_s, *_blame(row, status.blocked))
            self._running.setdefault(row.run_id, []).append(attempt)


def _blame(row: RunningAttempt, block: LoopBlock | None) -> tuple[str, str]:
    if block is None:
        return "", ""
    text = blocking_text(block.age_s, block.where, at_least=True)
    if row.blocks:
        return text, ""
    who = f"task {block.task_id!r}" if block.task_id else "something"
    return "", f"{who} on its worker {text}"
