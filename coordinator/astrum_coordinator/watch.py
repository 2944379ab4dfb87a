"""Looks after what no journal entry will ever say: tasks nobody serves, workers that hang.

Both are judged by what live workers say of themselves in their status.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from itertools import islice

from astrum.errors import DecodeError, nearest
from astrum.machine.events import Outcome, TaskFoundUnserved
from astrum.machine.failure import TIMED_OUT, Failure
from astrum.machine.state import BACKING_OFF, OUTSTANDING, UNCHARGED, RunState
from astrum.redis.facts import WorkerFacts
from astrum.redis.run_store import RunStore
from astrum.wire.status import decode_served, decode_status
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.dispatcher import Revocation
from astrum_coordinator.leader import RunLeader
from astrum_coordinator.led_runs import LedRuns
from astrum_coordinator.service import PeriodicService

logger = logging.getLogger("astrum.coordinator")

MAX_LOOKED_AT = 200
"""Waiting tasks of a run that are held against what workers serve, per pass."""

Served = Mapping[tuple[str, str], str]
"""(namespace, task id) to fingerprint."""


class Watch(PeriodicService):
    """Compares led runs with live workers every few seconds."""

    name = "watch"

    def __init__(self, store: RunStore, led: LedRuns, config: CoordinatorConfig) -> None:
        super().__init__(config.watch_every_s)
        self._store = store
        self._led = led
        self._config = config
        self._served: dict[str, Served] = {}
        self._since: dict[tuple[str, int], float] = {}
        self._noted: set[tuple[str, int]] = set()

    async def run_once(self) -> None:
        """Look once."""
        if not len(self._led):
            return
        workers = await self._store.workers()
        await self._learn_served(workers)
        for leader in self._led:
            self._look_for_unserved(leader, workers)
            self._look_for_hung(leader, workers)
        led = {leader.run_id for leader in self._led}
        self._since = {key: since for key, since in self._since.items() if key[0] in led}

    async def _learn_served(self, workers: list[WorkerFacts]) -> None:
        alive = {worker.worker_id for worker in workers}
        self._served = {wid: served for wid, served in self._served.items() if wid in alive}
        for worker_id in alive - self._served.keys():
            self._served[worker_id] = self._read(worker_id, await self._store.served(worker_id))

    def _read(self, worker_id: str, data: bytes) -> Served:
        try:
            return decode_served(data)
        except DecodeError as error:
            logger.warning("worker %s counts as one that serves nothing: %s", worker_id, error)
            return {}

    # --- tasks that nobody serves -------------------------------------------------------

    def _look_for_unserved(self, leader: RunLeader, workers: list[WorkerFacts]) -> None:
        if leader.state.stopping:
            return
        now = time.monotonic()
        for task in islice(_on_offer(leader.state), MAX_LOOKED_AT):
            key = (leader.run_id, task)
            why = self._why_unserved(leader, task, workers)
            if why is None:
                self._since.pop(key, None)
                self._noted.discard(key)
                continue
            waited_s = now - self._since.setdefault(key, now)
            if waited_s >= self._config.unserved_notice_s and key not in self._noted:
                self._noted.add(key)
                logger.warning("run %s: %s; %s", leader.run_id, why, self._what_next())
            limit_s = self._config.unserved_limit_s
            if limit_s is not None and waited_s >= limit_s:
                at = time.time()
                leader.journal(TaskFoundUnserved(task, at, f"{why}; waited {waited_s:.0f} s"))

    def _what_next(self) -> str:
        limit_s = self._config.unserved_limit_s
        if limit_s is None:
            return "it waits until a worker does"
        return f"the run fails unless a worker does within {limit_s:g} s"

    def _why_unserved(self, leader: RunLeader, task: int, workers: list[WorkerFacts]) -> str | None:
        spec = leader.plan.tasks[task]
        namespace = leader.plan.namespace
        wanted = (namespace, spec.task_id)
        reasons: set[str] = set()
        for worker in workers:
            fingerprint = self._served.get(worker.worker_id, {}).get(wanted)
            if fingerprint is None:
                reasons.add("")
            elif spec.fingerprint and fingerprint and fingerprint != spec.fingerprint:
                reasons.add(
                    "the live workers have another version of its source: restart them with the "
                    "code that the run was planned with"
                )
            elif spec.queue not in worker.facts.get("queues", spec.queue).split(","):
                reasons.add(
                    f"no live worker listens to its queue {spec.queue!r}: start one with "
                    f"--queue {spec.queue}"
                )
            else:
                return None
        known = [t for s in self._served.values() for ns, t in s if ns == namespace]
        served = (
            f"the live workers serve {_listed(known)} there{nearest(spec.task_id, known)}; "
            "start one with the module that declares it"
        )
        if not workers:
            served = "there is no live worker: start one with astrum-worker MODULE"
        why = "; ".join(sorted(filter(None, reasons))) or served
        return f"no worker serves task {spec.task_id!r} of namespace {namespace!r}: {why}"

    # --- attempts whose worker does not end them ----------------------------------------

    def _look_for_hung(self, leader: RunLeader, workers: list[WorkerFacts]) -> None:
        if not any(spec.timeout_s is not None for spec in leader.plan.tasks):
            return
        outstanding = dict(leader.state.outstanding())
        for task, attempt, age_s in _running(workers, leader.run_id):
            if outstanding.get(task) != attempt:
                continue
            limit_s = leader.plan.tasks[task].timeout_s
            if limit_s is not None and age_s > limit_s + self._config.timeout_grace_s:
                text = f"the attempt took longer than its {limit_s:g} s"
                failure = Failure((TIMED_OUT, "builtins.TimeoutError", "builtins.Exception"), text)
                leader.revoke(Revocation(task, attempt, Outcome.TIMED_OUT, failure))


def _on_offer(state: RunState) -> Iterator[int]:
    """All tasks that a worker has or may take: dispatched, or soon again at nobody's charge.

    A worker that does not serve a task hands it back, so that it is hardly ever outstanding.
    """
    retried = state.chronicle.retried
    for task, place in enumerate(state.states):
        if place == OUTSTANDING or (
            place == BACKING_OFF and retried.get((task, state.attempts[task])) == UNCHARGED
        ):
            yield task


def _running(workers: list[WorkerFacts], run_id: str) -> Iterator[tuple[int, int, float]]:
    """All (task number, attempt, age in seconds) that live workers say they run."""
    for worker in workers:
        for row in decode_status(worker.status).get("running", ()):
            if row.get("run_id") == run_id:
                yield row["task"], row["attempt"], row["age_s"]


def _listed(names: list[str]) -> str:
    names = sorted(set(names))
    if not names:
        return "nothing"
    shown = ", ".join(repr(name) for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
