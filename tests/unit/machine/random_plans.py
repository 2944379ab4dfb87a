"""Random plans with children, tolerant edges, conditions and policies, and how their tasks end."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.planning.alignment import aligned, misaligned
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.task_spec import OnFailure
from tests.unit.machine.reference import End, Index

INPUTS = {ListSource(f"in{n}", (), "input"): n for n in range(3)}
"""Inputs of the run, by their lengths."""
LENGTH, TRUTH = Watch("length"), Watch("truth")


class Fate(NamedTuple):
    """What a child comes to: so many attempts fail and are lost before it ends as ``end``.

    ``release`` is what a person decides if it is held after a loss.
    """

    end: End
    failures: int
    losses: int
    release: str


class RandomPlan:
    """A plan, and the fate of each of its children; the same for the same seed."""

    def __init__(
        self,
        seed: int,
        policies: tuple[OnFailure, ...] = ("continue", "ignore"),
        *,
        tails: bool = True,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.policies = policies
        self.all_succeed = False
        self.specs: list[TaskSpec] = []
        for number in range(self.random.randint(1, 8)):
            self.specs.append(self.draw(number))
        needed = {need for spec in self.specs for need in spec.needs}
        for number, spec in enumerate(self.specs):
            is_tail = tails and spec.task_id not in needed and not spec.always and self.chance(0.15)
            self.specs[number] = spec._replace(awaited=not is_tail)
        limit = self.random.choice([None, None, None, 1, 3])
        self.plan = Plan("random", tuple(self.specs), concurrency_limit=limit)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    # --- tasks --------------------------------------------------------------------------

    def draw(self, number: int) -> TaskSpec:
        axes, needs = self.axes()
        always = self.chance(0.15)
        tolerant: set[str] = set()
        for other in self.specs:
            fits = misaligned(axes, other.axes) is None and (always or not other.always)
            if fits and other.task_id not in needs and self.chance(0.3):
                needs[other.task_id] = None
                tolerant |= {other.task_id} if self.chance(0.4) else set()
        pick = self.random.choice
        return TaskSpec(
            task_id=f"t{number}",
            needs=tuple(needs),
            axes=axes,
            tolerant=tuple(sorted(tolerant)),
            conditions=self.conditions(axes, [need for need in needs if need not in tolerant]),
            retry=RetryPolicy(pick([0, 1, 2]), delay=pick([0.0, 0.0, 1.0])),
            on_failure=pick(self.policies),
            always=always,
            on_lost=pick(["retry", "retry", "fail", "hold"]),
            max_failed=pick([None, None, 0, 1, 0.5]) if axes else None,
            at_once=pick([None, None, 1, 2]) if axes else None,
            priority=pick([0, 0, 1]),
        )

    def axes(self) -> tuple[tuple[Axis, ...], dict[str, None]]:
        """Draw axes, and the tasks that they come from: some of each of one another's lists."""
        axes: list[Axis] = []
        needs: dict[str, None] = {}
        for _ in range(self.random.choice([0, 0, 1, 1, 1, 2])):
            sources = [spec for spec in self.specs if not spec.always]
            if not sources or self.chance(0.1):
                axes.append(Axis((self.random.choice(list(INPUTS)),)))
            else:
                source = self.random.choice(sources)
                axes += source.axes
                needs[source.task_id] = None
                if not source.axes or self.chance(0.5):
                    axes.append(Axis(self.lists(source, sources, needs)))
        return tuple(dict.fromkeys(axes))[:3], needs

    def lists(
        self, source: TaskSpec, sources: list[TaskSpec], needs: dict[str, None]
    ) -> tuple[ListSource, ...]:
        """Return one list, or several of equal length."""
        self.watch(source, LENGTH)
        alike = [s for s in sources if s is not source and s.axes == source.axes]
        if not alike or self.chance(0.7):
            return (ListSource(source.task_id),)
        other = self.random.choice(alike)
        needs[other.task_id] = None
        self.watch(other, LENGTH)
        return ListSource(source.task_id), ListSource(other.task_id)

    def conditions(self, axes: tuple[Axis, ...], required: list[str]) -> tuple[Condition, ...]:
        conditions = []
        for need in required:
            source = next(spec for spec in self.specs if spec.task_id == need)
            if len(aligned(axes, source.axes)) == len(source.axes) and self.chance(0.15):
                place = self.watch(source, TRUTH)
                conditions.append(Condition(need, place, self.random.randint(0, 1)))
        return tuple(conditions)

    def watch(self, spec: TaskSpec, watch: Watch) -> int:
        number = next(n for n, one in enumerate(self.specs) if one.task_id == spec.task_id)
        watches = self.specs[number].watches
        if watch not in watches:
            watches = (*watches, watch)
            self.specs[number] = self.specs[number]._replace(watches=watches)
        return watches.index(watch)

    # --- ends ---------------------------------------------------------------------------

    def fate(self, task_id: str, index: Index, opening: int = 0) -> Fate:
        spec = next(spec for spec in self.specs if spec.task_id == task_id)
        random = Random(f"{self.seed} {task_id} {index} {opening}")
        state = random.choices(["succeeded", "failed", "skipped"], [7, 2, 1])[0]
        failures = random.randint(0, spec.retry.max_retries) if state != "failed" else 9
        losses = random.choice([0, 0, 0, 1])
        release = random.choice(["retry", "fail", "succeed"])
        if losses and spec.on_lost != "retry":
            how = "fail" if spec.on_lost == "fail" else release
            state = {"fail": "failed", "succeed": "succeeded"}.get(how, state)
        seen = self.seen(spec, index, opening) if state == "succeeded" else ()
        if self.all_succeed:
            return Fate(End("succeeded", self.seen(spec, index, opening)), 0, 0, "retry")
        return Fate(End(state, seen), failures, losses, release)

    def seen(self, spec: TaskSpec, index: Index, opening: int) -> tuple[int, ...]:
        # Lists of tasks with the same axes have the same length, so that they can be zipped.
        if any(len(axis.lists) > 1 for spec in self.specs for axis in spec.axes):
            opening = 0
        length = Random(f"{self.seed} {len(index)} {index} {opening}").choice([0, 1, 2, 3])
        truth = Random(f"{self.seed} {spec.task_id} {index} {opening} truth").randint(0, 1)
        return tuple(length if watch.kind == "length" else truth for watch in spec.watches)
