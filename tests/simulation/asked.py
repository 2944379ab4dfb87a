"""The runs that a simulated installation is asked for, and the versions of its workers' code."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from astrum.execution.invoke import Flow
from astrum.planning.fingerprint import COMPATIBLE, EXACT, fits
from tests.simulation.flows import Book, Draft, crowd_drafts, flow_of, other_code, random_drafts

ENDINGS = ("", "", "", "cancel", "timeout")
"""What is to end a run but itself."""
RUN_TIMEOUT_S = 20.0
PRIORITIES = (0, 0, 0, 1, 9, -2)
CROWD, CHAIN = 40, 4
"""The tasks of a big run, and of a small one beside it that must have its turn again and again."""


@dataclass(frozen=True)
class AskedRun:
    """One run: its flow as it was planned, what ends it, its policy, its begin and priority."""

    flow: Flow
    ending: str = ""
    versions: str = COMPATIBLE
    after_calm_s: float | None = None
    priority: int = 0

    @property
    def timeout_s(self) -> float | None:
        """The run's time limit."""
        return RUN_TIMEOUT_S if self.ending == "timeout" else None


@dataclass
class Asked:
    """All runs by id, and by version of the code what a worker serves."""

    runs: dict[str, AskedRun] = field(default_factory=dict)
    editions: list[list[Flow]] = field(default_factory=list)

    @property
    def has_crowd(self) -> bool:
        """Whether a big and a small run share streams in calm times."""
        return any(run.after_calm_s is not None for run in self.runs.values())

    def runs_task(self, edition: int, run_id: str, task_id: str) -> bool:
        """Tell whether workers with a version of the code may run a task."""
        asked = self.runs[run_id]
        planned = asked.flow.plan
        served = next(f for f in self.editions[edition] if f.plan.namespace == planned.namespace)
        mine, other = (_fingerprints(flow)[task_id] for flow in (asked.flow, served))
        return fits(mine, other, asked.versions)

    def sufficient(self, editions: Iterable[int]) -> list[int]:
        """Return so many of these versions, the first ones, that each task has one that runs it."""
        chosen: list[int] = []
        order = list(editions)
        for run_id, asked in self.runs.items():
            for spec in asked.flow.plan.tasks:
                fitting = [e for e in order if self.runs_task(e, run_id, spec.task_id)]
                if not set(fitting) & set(chosen):
                    chosen.append(fitting[0])
        return chosen


def _fingerprints(flow: Flow) -> dict[str, str]:
    return {spec.task_id: spec.fingerprint for spec in flow.plan.tasks}


def draw(rng: random.Random, book: Book) -> Asked:
    """Draw namespaces, two versions of their code or one, and runs, some of one namespace."""
    asked = Asked(editions=[[] for _ in range(rng.choice((1, 2)))])
    for number in range(rng.choice((1, 1, 2))):
        ending = rng.choice(ENDINGS)
        limit = rng.choice((None, None, 1, 3))
        drafts = random_drafts(rng, may_hang=bool(ending))
        flows = _served(asked, rng, book, f"n{number}", drafts, limit)
        for _ in range(rng.choice((1, 1, 2))):
            policy = rng.choice((COMPATIBLE, COMPATIBLE, EXACT))
            run = AskedRun(rng.choice(flows), ending, policy)
            asked.runs[f"r{len(asked.runs)}"] = run
    if rng.random() < 0.3:
        _crowd(asked, rng, book)
    _rank(asked, random.Random(rng.getstate()[1][0]))
    return asked


def _rank(asked: Asked, rng: random.Random) -> None:
    """Give priorities to some runs, by numbers of their own: other draws stay as they are."""
    for run_id, run in asked.runs.items():
        asked.runs[run_id] = replace(run, priority=rng.choice(PRIORITIES))


def _served(
    asked: Asked,
    rng: random.Random,
    book: Book,
    namespace: str,
    drafts: Sequence[Draft],
    limit: int | None = None,
) -> list[Flow]:
    """Let the workers of each version serve a namespace; return its flows for runs.

    The last task is in no run: a version may differ in it, and yet be able to go on with all runs.
    """
    flows = []
    for edition in asked.editions:
        flows.append(flow_of(book, namespace, drafts, size=len(drafts) - 1, limit=limit))
        edition.append(flow_of(book, namespace, drafts))
        drafts = other_code(rng, drafts)
    return flows


def _crowd(asked: Asked, rng: random.Random, book: Book) -> None:
    """Ask for a big run in calm times, and a small one of the same namespace behind it."""
    drafts = crowd_drafts(CROWD, CHAIN)
    big = _served(asked, rng, book, "crowd", drafts)[0]
    small = flow_of(book, "crowd", drafts, size=CHAIN)
    for flow, begins_s in ((big, 18.0), (small, 21.0)):
        asked.runs[f"r{len(asked.runs)}"] = AskedRun(flow, after_calm_s=begins_s)
