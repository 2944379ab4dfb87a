"""Random task graphs of real async functions, whose values show their inputs."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.attempt import current_attempt
from astrum.execution.invoke import BoundTask, Flow
from astrum.planning.offer import NamespaceVersion
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from astrum.values.codec import Codec
from astrum_worker.running.catalog import Catalog, Served

HANGS_S = 10_000.0


@dataclass
class Book:
    """What the tasks' functions did. ``entry`` names the entry that dispatched who calls."""

    rng: random.Random
    entry: Callable[[], str]
    serial: int = 0
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Executions by (entry, worker id)."""

    def enter(self) -> int:
        """Note an execution and return a number that no other execution has."""
        context = current_attempt()
        self.runs[f"{context.attempt_key} {self.entry()}", context.worker_id] += 1
        self.serial += 1
        return self.serial


@dataclass(frozen=True)
class Nature:
    """How the executions of one task go."""

    longest_s: float
    raises: float
    hangs: float


ENDINGS = ("", "", "", "cancel", "timeout")
"""What is to end a run but itself."""


def random_flow(rng: random.Random, book: Book, namespace: str, ending: str) -> Flow:
    """Return a flow of a few tasks; some hang if they or their run have a time limit."""
    size = rng.randint(2, 12)
    density = rng.choice((0.15, 0.3, 0.6))
    timeout_s = 4.0 if rng.random() < 0.4 else None
    hangs = 0.15 if timeout_s or ending else 0.0
    specs, tasks = [], {}
    for task in range(size):
        needs = [name_of(n) for n in range(task) if rng.random() < density]
        bindings = tuple(Binding(need, need) for need in needs)
        nature = Nature(
            longest_s=rng.choice((0.01, 0.5, 3.0, 8.0)),
            raises=rng.choice((0.0, 0.0, 0.1, 0.3)),
            hangs=hangs,
        )
        retry = RetryPolicy(rng.randint(1, 5), delay=rng.choice((0.0, 0.1, 1.0)), jitter=0.5)
        spec = TaskSpec(
            task_id=name_of(task),
            needs=tuple(needs),
            bindings=bindings,
            retry=retry,
            timeout_s=timeout_s,
        )
        specs.append(spec)
        inputs = TaskInputs(bindings)
        tasks[spec.task_id] = BoundTask(spec.task_id, _function(book, nature), inputs, "async")
    limit = rng.choice((None, None, 1, 3))
    version = version_of(namespace)
    plan = Plan(namespace, tuple(specs), concurrency_limit=limit, **version._asdict())
    return Flow(plan, tasks)


def version_of(namespace: str) -> NamespaceVersion:
    """Return an offer and a code that no other namespace has."""
    names = (f"{what} of {namespace}".encode() for what in NamespaceVersion._fields)
    return NamespaceVersion(*(hashlib.blake2b(name, digest_size=8).hexdigest() for name in names))


def name_of(task: int) -> str:
    """Return a task's id."""
    return f"t{task}"


def catalog_of(flows: Collection[Flow]) -> Catalog:
    """Return what a worker that serves the flows serves."""
    codec = Codec()
    return Catalog(
        {
            (flow.plan.namespace, spec.task_id): Served(flow.tasks[spec.task_id], "", codec)
            for flow in flows
            for spec in flow.plan.tasks
        },
        {flow.plan.namespace: version_of(flow.plan.namespace) for flow in flows},
    )


def _function(book: Book, nature: Nature) -> Callable[..., Awaitable[Any]]:
    async def work(**consumed: Any) -> Any:
        serial = book.enter()
        rng = book.rng
        seconds = nature.longest_s * rng.random() ** 3
        await asyncio.sleep(HANGS_S if rng.random() < nature.hangs else seconds)
        if rng.random() < nature.raises:
            raise ValueError("simulated")
        return [serial, [[name, value[0]] for name, value in sorted(consumed.items())]]

    return work
