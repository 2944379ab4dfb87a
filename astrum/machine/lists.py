"""The lists that tasks have children for: their lengths, and which lengths cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from astrum.machine.dispatching import Dispatching
from astrum.machine.places import NO_ONE, Index, Place, find_place, matching
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    ENDED,
    SKIPPED,
    SUCCEEDED,
    WAITING,
)
from astrum.planning.axes import ListSource
from astrum.planning.graph import ListEdge
from astrum.planning.plan import Plan

Lengths = Mapping[ListSource, int]
"""The lengths of the lists that are in the inputs of a run."""


class Verdict(NamedTuple):
    """What an edge says: `WAITING`, `SUCCEEDED` if it is met, or how its consumer ends."""

    state: int
    because: int = NO_ONE


PENDING, MET = Verdict(WAITING), Verdict(SUCCEEDED)


class Lists(Dispatching):
    """The part of a run's state that knows the lengths of lists."""

    def __init__(self, plan: Plan, capacity: int | None, lengths: Lengths) -> None:
        super().__init__(plan, capacity)
        self.plan = plan
        self._lengths = lengths
        self._seen: dict[int, tuple[int, ...]] = {}
        self._because: dict[int, int] = {}

    def _length(self, one: ListEdge | ListSource, index: Index) -> tuple[int, Verdict]:
        """Return the length of one of the lists of an axis, and whether it is known."""
        if isinstance(one, ListSource):
            return self._lengths[one], MET
        source = self.tasks.find(one.source, [index[place] for place in one.places])
        if source is None:  # its own children are not known, or never will be
            return 0, self._verdict_of_place(one, index)
        state = self.states[source]
        if state == SUCCEEDED:
            return self._seen[source][one.watch], MET
        if state not in ENDED:
            return 0, PENDING
        return 0, self._without(one.consumer, state, self._because.get(source, source))

    def _verdict_of_place(self, one: ListEdge, index: Index) -> Verdict:
        root = self.tasks.roots[one.source]
        place = find_place(root, [index[at] for at in one.places])
        if place.state in (WAITING, SUCCEEDED):
            return PENDING
        return self._without(one.consumer, place.state, place.because)

    def _without(self, consumer: int, state: int, root: int) -> Verdict:
        """Return how a task ends that needs a success where there is none."""
        if state == SKIPPED or self.plan.tasks[consumer].always:
            return Verdict(SKIPPED, root)
        return Verdict(CANCELLED if state == CANCELLED else BLOCKED, root)

    # --- what cannot be -----------------------------------------------------------------

    def _misfit(self, task: int, seen: tuple[int, ...]) -> str:
        """Return why the children that a result stands for cannot be, "" if they can."""
        if not seen and not self.tasks.spec(task).watches:
            return ""
        if len(seen) != len(self.tasks.spec(task).watches):
            return (
                "the process that ran it did not report what the run depends on: it has an "
                "older version of astrum; update it"
            )
        template, index = self.tasks.template(task), self.tasks.index(task)
        for one in self.plan.edges.lists_out.get(template, ()):
            text = self._misfit_of(one, index, seen[one.watch])
            if text:
                return text
        return ""

    def _misfit_of(self, own: ListEdge, index: Index, length: int) -> str:
        """Return why the children of one task cannot be, if one of its lists has this length."""
        more = 0
        for place in matching(self.tasks.roots[own.consumer], own.axis, own.places, index):
            if text := self._unequal(place, own, length):
                return text
            more += self._count_below(own, place.index, length)
        spec = self.plan.tasks[own.consumer]
        count = self.tasks.counts.get(own.consumer, 0) + more
        if not more or count <= self.plan.max_children:
            return ""
        return (
            f"task {spec.task_id!r} would have {count} children, and at most "
            f"{self.plan.max_children} are allowed: set AstrumConfig(max_children=...)"
        )

    def _unequal(self, place: Place, own: ListEdge, length: int) -> str:
        spec = self.plan.tasks[place.template]
        lists = self.plan.edges.lists_of[place.template][own.axis]
        for one, source in zip(lists, spec.axes[own.axis].lists, strict=True):
            if one is own:
                continue
            other, verdict = self._length(one, place.index)
            if verdict is MET and other != length:
                return (
                    f"task {spec.task_id!r} goes through two lists together, but this one has "
                    f"{length:,} {'element' if length == 1 else 'elements'} and that of "
                    f"{_name(source)} has {other:,}"
                )
        return ""

    def _count_below(self, own: ListEdge, index: Index, length: int) -> int:
        """Return how many children come with these first indexes, if ``own`` has this length.

        Those below lists that are not known yet do not count.
        """
        axes, axis = self.plan.edges.lists_of[own.consumer], len(index)
        if axis == len(axes):
            return 1
        count, verdict = (length, MET) if own in axes[axis] else self._length(axes[axis][0], index)
        if verdict is not MET:
            return 0
        further = [one for lists in axes[axis + 1 :] for one in lists if isinstance(one, ListEdge)]
        if not any(axis in one.places for one in further):  # the same below each
            return count * self._count_below(own, (*index, 0), length)
        return sum(self._count_below(own, (*index, i), length) for i in range(count))


def _name(source: ListSource) -> str:
    return f"input {source.source!r}" if source.origin == "input" else f"task {source.source!r}"
