"""The tasks that this worker serves, by address: function, fingerprint of the source, codec."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from astrum.errors import FlowImportError, nearest
from astrum.execution.invoke import BoundTask
from astrum.flow.loading import Workflow, load_workflows
from astrum.planning import advice, difference
from astrum.planning.offer import OfferedTask, offer
from astrum.protocol.messages import TaskMessage
from astrum.protocol.status import ServedTask, encode_served
from astrum.values.codec import Codec

logger = logging.getLogger("astrum.worker")

Address = tuple[str, str]
"""Namespace and task id."""


class Served(NamedTuple):
    """One task as this process has it; ``is_wanted`` as `Plan.wanted_results`."""

    task: BoundTask
    fingerprint: str
    codec: Codec
    is_wanted: bool = True


class Catalog:
    """All that this worker serves, by address."""

    def __init__(self, served: Mapping[Address, Served]) -> None:
        self._served = dict(served)

    @classmethod
    def load(cls, modules: Iterable[str]) -> Catalog:
        """Import the modules and return all that they declare; raises `SchedulerError` kinds."""
        names = list(modules)
        served: dict[Address, Served] = {}
        for workflow in load_workflows(names):
            served.update(_serve(workflow))
        if not served:
            raise FlowImportError(
                f"{' '.join(names)} declares no task that a worker can run: expected @task "
                "functions, or a SchedulerRegistry or DynamicScheduler at module level"
            )
        return cls(served)

    def __len__(self) -> int:
        return len(self._served)

    @property
    def namespaces(self) -> dict[str, int]:
        """The number of tasks by namespace."""
        counts: dict[str, int] = {}
        for namespace, _ in self._served:
            counts[namespace] = counts.get(namespace, 0) + 1
        return counts

    @property
    def summary(self) -> str:
        """The namespaces served and the number of tasks in each: ``"billing (4), default (2)"``."""
        return ", ".join(f"{name} ({count})" for name, count in self.namespaces.items())

    def advertisement(self) -> bytes:
        """Return the catalog for the store; see `astrum.protocol.status.ServedTask`."""
        offers = self._offers()
        return encode_served(
            {
                (namespace, task_id): ServedTask(served.fingerprint, offers[namespace])
                for (namespace, task_id), served in self._served.items()
            }
        )

    def _offers(self) -> dict[str, str]:
        """Return the offer of each namespace."""
        tasks: dict[str, list[OfferedTask]] = {}
        for (namespace, task_id), (task, fingerprint, *_) in self._served.items():
            row = OfferedTask(task_id, task.lane, task.function, fingerprint)
            tasks.setdefault(namespace, []).append(row)
        return {namespace: offer(rows) for namespace, rows in tasks.items()}

    def find(self, message: TaskMessage) -> Served | None:
        """Return the task that a message names, `None` if it is unknown or has another source."""
        served = self._served.get((message.namespace, message.task_id))
        if served is None:
            return None
        wanted = message.fingerprint
        is_other = wanted and served.fingerprint and wanted != served.fingerprint
        return None if is_other else served

    def why_not(self, message: TaskMessage) -> str:
        """Return why `find` returned `None`, and what to do."""
        what = f"task {message.task_id!r} of namespace {message.namespace!r}"
        served = self._served.get((message.namespace, message.task_id))
        if served is not None:
            differs = difference(message.fingerprint, served.fingerprint)
            return f"{what}: this worker has {differs} than the plan; {advice(differs)}"
        known = [task_id for namespace, task_id in self._served if namespace == message.namespace]
        hint = nearest(message.task_id, known)
        return (
            f"{what} is not served by this worker{hint}; start a worker with the module that "
            "declares it, or give its tasks a queue of their own"
        )


def _serve(workflow: Workflow) -> dict[Address, Served]:
    flow, unbound = workflow.servable()
    for task_id in unbound:
        logger.warning(
            "task %r of namespace %r is an instance method, whose instance is in another "
            "process; it is not served here",
            task_id,
            workflow.namespace,
        )
    codec = Codec(flow.types)
    namespace = flow.plan.namespace
    fingerprints = {spec.task_id: spec.fingerprint for spec in flow.plan.tasks}
    return {
        (namespace, task_id): Served(
            task, fingerprints[task_id], codec, task_id in flow.plan.wanted_results
        )
        for task_id, task in flow.tasks.items()
    }
