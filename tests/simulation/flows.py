"""Random task graphs of real async functions, whose values show their inputs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.attempt import current_attempt
from astrum.execution.invoke import BoundTask, Flow
from astrum.planning.offer import NamespaceVersion, namespace_version
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from astrum.values.codec import Codec
from astrum_worker.running.catalog import Catalog, Served

HANGS_S = 10_000.0


@dataclass
class Book:
    """What the tasks' functions did.

    ``entry`` names the entry that dispatched who calls; ``check`` gets the fingerprint of the code.
    """

    rng: random.Random
    entry: Callable[[], str]
    check: Callable[[str], None]
    serial: int = 0
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Executions by (entry, worker id)."""

    def enter(self, fingerprint: str) -> int:
        """Note an execution and return a number that no other execution has."""
        self.check(fingerprint)
        context = current_attempt()
        self.runs[f"{context.attempt_key} {self.entry()}", context.worker_id] += 1
        self.serial += 1
        return self.serial


@dataclass(frozen=True)
class Nature:
    """How the executions of one task go."""

    longest_s: float
    raises: float = 0.0
    hangs: float = 0.0
    skips: float = 0.0


@dataclass(frozen=True)
class Draft:
    """One task as it is in all versions of its code."""

    spec: TaskSpec
    nature: Nature


FIRST = f"{0:016x}.{0:016x}"
"""The fingerprint of every task in the first version of the code."""


def random_drafts(rng: random.Random, *, may_hang: bool) -> list[Draft]:
    """Return a few tasks; some hang if they have a time limit, or something else ends the run."""
    size = rng.randint(3, 13)
    density = rng.choice((0.15, 0.3, 0.6))
    timeout_s = 4.0 if rng.random() < 0.4 else None
    hangs = 0.15 if timeout_s or may_hang else 0.0
    drafts = []
    for task in range(size):
        needs = [name_of(n) for n in range(task) if rng.random() < density]
        nature = Nature(
            longest_s=rng.choice((0.01, 0.5, 3.0, 8.0)),
            raises=rng.choice((0.0, 0.0, 0.1, 0.3)),
            hangs=hangs,
        )
        retry = RetryPolicy(rng.randint(1, 5), delay=rng.choice((0.0, 0.1, 1.0)), jitter=0.5)
        spec = TaskSpec(
            task_id=name_of(task),
            needs=tuple(needs),
            bindings=tuple(Binding(need, need) for need in needs),
            retry=retry,
            timeout_s=timeout_s,
            fingerprint=FIRST,
        )
        drafts.append(Draft(spec, nature))
    return drafts


def crowd_drafts(size: int, chain: int) -> list[Draft]:
    """Return many tasks that need nothing, behind a few that need one another."""
    drafts = []
    for task in range(size):
        needs = (name_of(task - 1),) if 0 < task < chain else ()
        bindings = tuple(Binding(need, need) for need in needs)
        spec = TaskSpec(name_of(task), needs=needs, bindings=bindings, fingerprint=FIRST)
        drafts.append(Draft(spec, Nature(longest_s=8.0)))
    return drafts


def other_code(rng: random.Random, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the tasks with other bodies of some, and perhaps other parameters of one."""
    last = len(drafts) - 1
    extended = rng.choice((-1, last, last, rng.randrange(len(drafts))))
    found = []
    for task, draft in enumerate(drafts):
        source = int(task == 0 or rng.random() < 0.3)
        name = f"{source:016x}.{int(task == extended):016x}"
        found.append(replace(draft, spec=draft.spec._replace(fingerprint=name)))
    return found


def flow_of(
    book: Book, namespace: str, drafts: Sequence[Draft], *, size: int = 0, limit: int | None = None
) -> Flow:
    """Return the flow of the first tasks of a namespace, by default of all."""
    version = version_of(namespace, drafts)
    wanted = drafts[: size or len(drafts)]
    tasks = {
        spec.task_id: BoundTask(
            spec.task_id,
            _function(book, draft.nature, spec.fingerprint),
            TaskInputs(spec.bindings),
            "async",
        )
        for draft in wanted
        for spec in (draft.spec,)
    }
    specs = tuple(draft.spec for draft in wanted)
    return Flow(Plan(namespace, specs, concurrency_limit=limit, **version._asdict()), tasks)


def version_of(namespace: str, drafts: Sequence[Draft]) -> NamespaceVersion:
    """Return the offer and the code of a namespace."""
    return namespace_version(namespace, {d.spec.task_id: d.spec.fingerprint for d in drafts})


def name_of(task: int) -> str:
    """Return a task's id."""
    return f"t{task}"


def catalog_of(flows: Collection[Flow]) -> Catalog:
    """Return what a worker that serves the flows, which are whole namespaces, serves."""
    codec = Codec()
    return Catalog(
        {
            (flow.plan.namespace, spec.task_id): Served(
                flow.tasks[spec.task_id], spec.fingerprint, codec, code=flow.plan.code
            )
            for flow in flows
            for spec in flow.plan.tasks
        },
        {flow.plan.namespace: NamespaceVersion(flow.plan.offer, flow.plan.code) for flow in flows},
    )


def _function(book: Book, nature: Nature, fingerprint: str) -> Callable[..., Awaitable[Any]]:
    async def work(**consumed: Any) -> Any:
        serial = book.enter(fingerprint)
        rng = book.rng
        seconds = nature.longest_s * rng.random() ** 3
        await asyncio.sleep(HANGS_S if rng.random() < nature.hangs else seconds)
        if rng.random() < nature.raises:
            raise ValueError("simulated")
        return [serial, [[name, value[0]] for name, value in sorted(consumed.items())]]

    return work
