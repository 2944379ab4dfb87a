"""The tasks that this worker serves, by address: function, fingerprint of the source, codec."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from astrum.errors import FlowImportError, listed, nearest
from astrum.execution.invoke import BoundTask, Flow
from astrum.flow.loading import Workflow, load_workflows
from astrum.planning import VERSION_POLICIES, advice, difference
from astrum.planning.fingerprint import fits
from astrum.planning.offer import NamespaceVersion, namespace_version
from astrum.planning.resources import missing_resource
from astrum.protocol.status import ServedTask, encode_served
from astrum.protocol.task_message import TaskMessage
from astrum.values.codec import Codec

logger = logging.getLogger("astrum.worker")

_KNOWN_POLICIES = ("", *VERSION_POLICIES)
_NAMED = 5
Address = tuple[str, str]
"""Namespace and task id."""


class Served(NamedTuple):
    """One task as this process has it; ``is_wanted`` as `Plan.wanted_results`.

    ``code`` is that of its namespace, as in `astrum.planning.offer`.
    """

    task: BoundTask
    fingerprint: str
    codec: Codec
    is_wanted: bool = True
    code: str = ""


class Catalog:
    """All that this worker serves, by address; ``versions`` are those of its namespaces.

    ``lacking`` are the tasks that it does not serve because no function here gives a resource
    that they need, with the name of that.
    """

    def __init__(
        self,
        served: Mapping[Address, Served],
        versions: Mapping[str, NamespaceVersion] = MappingProxyType({}),
        lacking: Mapping[Address, str] = MappingProxyType({}),
    ) -> None:
        self._served = dict(served)
        self._lacking = {at: name for at, name in lacking.items() if at not in served}
        self._versions = {
            namespace: versions.get(namespace, NamespaceVersion()) for namespace, _ in served
        }

    @classmethod
    def load(cls, modules: Iterable[str]) -> Catalog:
        """Import the modules and return all that they declare; raises `SchedulerError` kinds."""
        names = list(modules)
        catalog = cls.of(load_workflows(names))
        if not len(catalog):
            for _, name in catalog.missing_resources:
                raise FlowImportError(
                    f"no task of {' '.join(names)} can be served here: {missing_resource(name)}"
                )
            raise FlowImportError(
                f"{' '.join(names)} declares no task that a worker can run: expected @task "
                "functions, or a SchedulerRegistry or DynamicScheduler at module level"
            )
        return catalog

    @classmethod
    def of(cls, workflows: Iterable[Workflow]) -> Catalog:
        """Return all that these workflows declare; raises `FlowImportError`."""
        flows = [_servable(workflow) for workflow in workflows]
        versions = _versions(flows)
        lacking = {
            (flow.plan.namespace, task_id): name
            for flow in flows
            for task_id, name in flow.lacking.items()
        }
        served: dict[Address, Served] = {}
        for flow in flows:
            served.update(_serve(flow, versions[flow.plan.namespace].code))
        catalog = cls(served, versions, lacking)
        for (namespace, name), tasks in catalog.missing_resources.items():
            logger.info(
                "%s of namespace %r cannot be served here: no function gives the resource %r",
                *(listed(tasks, _NAMED), namespace, name),
            )
        return catalog

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

    @property
    def missing_resources(self) -> dict[tuple[str, str], list[str]]:
        """The tasks that are not served here, by the namespace and name of a missing resource."""
        found: dict[tuple[str, str], list[str]] = {}
        for (namespace, task_id), name in self._lacking.items():
            found.setdefault((namespace, name), []).append(task_id)
        return found

    def offers(self) -> dict[str, str]:
        """Return the offer of each namespace, "" where it is not known."""
        return {namespace: version.offer for namespace, version in self._versions.items()}

    def codes(self) -> dict[str, str]:
        """Return the code of each namespace, "" where it is not known."""
        return {namespace: version.code for namespace, version in self._versions.items()}

    def advertisement(self) -> bytes:
        """Return the catalog for the store; see `astrum.protocol.status.ServedTask`."""
        return encode_served(
            {
                (namespace, task_id): ServedTask(served.fingerprint, *self._versions[namespace])
                for (namespace, task_id), served in self._served.items()
            }
        )

    def find(self, message: TaskMessage) -> Served | None:
        """Return the task that a message names, `None` if it is unknown or its code does not fit.

        A policy of a later version fits no code.
        """
        served = self._served.get((message.namespace, message.task_id))
        if served is None or message.versions not in _KNOWN_POLICIES:
            return None
        return served if fits(message.fingerprint, served.fingerprint, message.versions) else None

    def why_not(self, message: TaskMessage) -> str:
        """Return why `find` returned `None`, and what to do."""
        what = f"task {message.task_id!r} of namespace {message.namespace!r}"
        served = self._served.get((message.namespace, message.task_id))
        if message.versions not in _KNOWN_POLICIES:
            return (
                f"{what}: this worker does not know the version policy {message.versions!r}: "
                "run the same Astrum version on all hosts"
            )
        if served is not None:
            differs = difference(message.fingerprint, served.fingerprint, message.versions)
            return f"{what}: this worker has {differs} than the plan; {advice(differs)}"
        lacks = self._lacking.get((message.namespace, message.task_id))
        if lacks is not None:
            return f"{what} is not served by this worker: {missing_resource(lacks)}"
        known = [task_id for namespace, task_id in self._served if namespace == message.namespace]
        hint = nearest(message.task_id, known)
        return (
            f"{what} is not served by this worker{hint}; start a worker with the module that "
            "declares it, or give its tasks a queue of their own"
        )


def _servable(workflow: Workflow) -> Flow:
    flow, unbound = workflow.servable()
    for task_id in unbound:
        logger.warning(
            "task %r of namespace %r is an instance method, whose instance is in another "
            "process; it is not served here",
            task_id,
            workflow.namespace,
        )
    return flow


def _versions(flows: Iterable[Flow]) -> dict[str, NamespaceVersion]:
    """Return the version of each namespace: what its plans say, of all tasks if they differ."""
    said: dict[str, set[NamespaceVersion]] = {}
    fingerprints: dict[str, dict[str, str]] = {}
    for flow in flows:
        plan = flow.plan
        said.setdefault(plan.namespace, set()).add(NamespaceVersion(plan.offer, plan.code))
        known = fingerprints.setdefault(plan.namespace, {})
        known.update(
            (s.task_id, s.fingerprint) for s in plan.tasks if s.task_id not in flow.lacking
        )
    return {
        name: versions.pop() if len(versions) == 1 else namespace_version(name, fingerprints[name])
        for name, versions in said.items()
    }


def _serve(flow: Flow, code: str) -> dict[Address, Served]:
    codec = Codec(flow.types)
    namespace = flow.plan.namespace
    fingerprints = {spec.task_id: spec.fingerprint for spec in flow.plan.tasks}
    return {
        (namespace, task_id): Served(
            task, fingerprints[task_id], codec, task_id in flow.plan.wanted_results, code
        )
        for task_id, task in flow.tasks.items()
    }
