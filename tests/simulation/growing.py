"""Random flows that grow: children of lists, gathers, skips, policies and tasks that clean up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from astrum.data_transport.bindings import Binding, Fill, TaskInputs
from astrum.errors import Skip
from astrum.execution.attempt import current_attempt
from astrum.execution.invoke import BoundTask, Flow
from astrum.planning.alignment import aligned, misaligned
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from tests.simulation.asked import ENDINGS, Asked, AskedRun
from tests.simulation.flows import FIRST, HANGS_S, Book, Draft, Nature, name_of, version_of

ITEMS, SERIAL, OK = ("items",), ("serial",), ("ok",)
"""Where in each result the list of its children's elements is, its number, and a bool."""
LENGTH, TRUTH = Watch("length", ITEMS), Watch("truth", OK)
LENGTHS = (0, 1, 2, 3, 5)


def draw_growing(rng: random.Random, book: Book) -> Asked:
    """Draw one growing flow, and one or two runs of it."""
    endings = [rng.choice((*ENDINGS, "cancel")) for _ in range(rng.choice((1, 2)))]
    flow = _Drawing(rng, may_hang=all(endings)).flow(book)
    runs = {f"r{number}": AskedRun(flow, ending) for number, ending in enumerate(endings)}
    return Asked(runs, [[flow]])


@dataclass
class _Drawing:
    """A flow that is being drawn, task by task."""

    rng: random.Random
    may_hang: bool
    specs: list[TaskSpec] = field(default_factory=list)
    inputs: list[TaskInputs] = field(default_factory=list)

    def flow(self, book: Book) -> Flow:
        for number in range(self.rng.randint(3, 8)):
            spec, inputs = self.task(number)
            self.specs.append(spec)
            self.inputs.append(inputs)
        natures = [self.nature() for _ in self.specs]
        drafts = [Draft(spec, nature) for spec, nature in zip(self.specs, natures, strict=True)]
        tasks = {
            spec.task_id: BoundTask(spec.task_id, _function(book, nature), inputs, "async")
            for (spec, nature), inputs in zip(
                [(draft.spec, draft.nature) for draft in drafts], self.inputs, strict=True
            )
        }
        limit = self.rng.choice((None, None, None, 2))
        version = version_of("growing", drafts)
        plan = Plan("growing", tuple(self.specs), concurrency_limit=limit, **version._asdict())
        return Flow(plan, tasks)

    def nature(self) -> Nature:
        pick = self.rng.choice
        return Nature(
            longest_s=pick((0.01, 0.2, 1.0, 4.0)),
            raises=pick((0.0, 0.0, 0.1, 0.3)),
            hangs=0.03 if self.may_hang else 0.0,
            skips=pick((0.0, 0.0, 0.1)),
        )

    def task(self, number: int) -> tuple[TaskSpec, TaskInputs]:
        pick, chance = self.rng.choice, self.chance
        axes, needs = self.axes()
        always = chance(0.25)
        own = list(needs)
        for other in self.specs:
            fits = misaligned(axes, other.axes) is None and (always or not other.always)
            if fits and chance(0.35):
                needs[other.task_id] = None
        tolerant = {need for need in needs if need not in own and self.is_tolerant(need, axes)}
        required = [need for need in needs if need not in tolerant]
        inputs = self.bind(axes, own, needs, tolerant)
        spec = TaskSpec(
            name_of(number),
            needs=tuple(needs),
            bindings=inputs.bindings,
            optional=tuple(inputs.defaults),
            retry=RetryPolicy(pick((0, 1, 2, 4)), delay=pick((0.0, 0.1, 1.0)), jitter=0.5),
            fingerprint=FIRST,
            axes=axes,
            tolerant=tuple(sorted(tolerant)),
            conditions=self.conditions(axes, required),
            on_failure=pick(("stop", "continue", "ignore")),
            always=always,
            max_failed=pick((None, None, 1, 0.5)) if axes else None,
            at_once=pick((None, None, 1, 3)) if axes else None,
        )
        return spec, inputs

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def axes(self) -> tuple[tuple[Axis, ...], dict[str, None]]:
        """Draw the axes of a task, and the tasks whose lists or children they are."""
        sources = [spec for spec in self.specs if not spec.always]
        if not sources or self.chance(0.3):
            return (), {}
        source = self.rng.choice(sources)
        if source.axes and (len(source.axes) > 1 or self.chance(0.4)):
            return source.axes, {source.task_id: None}
        self.watch(source.task_id, LENGTH)
        new = Axis((ListSource(source.task_id, ITEMS),))
        return (*source.axes, new), {source.task_id: None}

    def watch(self, task_id: str, watch: Watch) -> int:
        number = int(task_id[1:])
        spec = self.specs[number]
        if watch not in spec.watches:
            spec = self.specs[number] = spec._replace(watches=(*spec.watches, watch))
        return spec.watches.index(watch)

    def is_tolerant(self, need: str, axes: tuple[Axis, ...]) -> bool:
        """A gather of a task that may have failed children cannot demand them all."""
        source = self.specs[int(need[1:])]
        is_gather = len(aligned(axes, source.axes)) < len(source.axes)
        return self.chance(0.4) or (is_gather and source.max_failed is not None)

    def conditions(self, axes: tuple[Axis, ...], required: list[str]) -> tuple[Condition, ...]:
        return tuple(
            Condition(need, self.watch(need, TRUTH), 1)
            for need in required
            if len(aligned(axes, self.specs[int(need[1:])].axes))
            == len(self.specs[int(need[1:])].axes)
            and self.chance(0.15)
        )

    def bind(
        self, axes: tuple[Axis, ...], own: list[str], needs: dict[str, None], tolerant: set[str]
    ) -> TaskInputs:
        """Let a task read the element that it is for, and the numbers of all that it needs."""
        bindings: list[Binding] = []
        defaults: dict[str | int, Any] = {}
        fills: dict[str | int, Fill] = {}
        for one in axes[-1].lists if axes else ():
            if one.source in own:
                bindings.append(Binding("item", one.source, one.path, item=()))
        for need in needs:
            source = self.specs[int(need[1:])]
            depth = len(source.axes) - len(aligned(axes, source.axes))
            if not depth or need not in tolerant:
                bindings.append(Binding(need, need, SERIAL))
                if need in tolerant:
                    defaults[need] = None
            elif self.chance(0.5):
                bindings.append(Binding(need, need, SERIAL, holes="drop"))
            else:
                bindings.append(Binding(need, need, SERIAL, holes="fill"))
                fills[need] = Fill(None, depth)
        return TaskInputs(tuple(bindings), defaults=defaults, fills=fills)


def _function(book: Book, nature: Nature) -> Callable[..., Awaitable[Any]]:
    async def work(**read: Any) -> Any:
        serial, rng = book.enter(FIRST), book.rng
        seconds = nature.longest_s * rng.random() ** 3
        await asyncio.sleep(HANGS_S if rng.random() < nature.hangs else seconds)
        if rng.random() < nature.raises:
            raise ValueError("simulated")
        if rng.random() < nature.skips:
            raise Skip("simulated")
        return {
            "serial": serial,
            "who": current_attempt().name,
            "read": read,
            "items": [[serial, i] for i in range(rng.choice(LENGTHS))],
            "ok": rng.random() < 0.7,
        }

    return work
