"""What each task of a run needs, task by task, short also where a task needs all of many children.

Tasks are numbered as in a report: those of the plan in its order, then all children. A mapped task
that has children is left out: they stand for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from astrum.machine.places import Place
from astrum.machine.state import RunState


class Span(NamedTuple):
    """Consecutive tasks: ``size`` of them from ``first`` on."""

    first: int
    size: int


Needs = list[int | Span]


class ShownTasks:
    """The tasks of a run that reports show, and their numbers there.

    ``numbers`` has for each of them its number in the run, ``places`` the reverse. ``mapped`` are
    the mapped tasks for which their children stand.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._tasks = state.tasks
        self.mapped = {
            task for task, root in state.tasks.roots.items() if any(True for _ in root.children())
        }
        of_plan = len(state.plan.tasks)
        own = [task for task in range(of_plan) if task not in self.mapped]
        children = [child for task in self.mapped for child in self._tasks.children(task)]
        self.numbers: list[int] = own + sorted(children)
        self.places: dict[int, int] = {task: place for place, task in enumerate(self.numbers)}

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, task: int | None) -> int:
        """Return the number of a task in the report, -1 for none.

        A mapped task is its first child that has the same end.
        """
        if task is None:
            return -1
        if task not in self.mapped:
            return self.places.get(task, -1)
        states = self._state.states
        children = self._tasks.children(task)
        found = next((child for child in children if states[child] == states[task]), None)
        return -1 if found is None else self.places[found]

    def needs(self) -> list[Needs]:
        """Return what each task needs, in the order of the report."""
        into = self._state.plan.edges.into if self._tasks.roots else None
        if into is None:
            numbers = self._state.plan.index
            return [[numbers[need] for need in spec.needs] for spec in self._state.plan.tasks]
        whole: dict[int, Needs] = {}
        found: list[Needs] = []
        for task in self.numbers:
            template, index = self._tasks.template(task), self._tasks.index(task)
            needs: Needs = []
            for edge in into[template]:
                places = edge.places if index else ()
                if places:
                    needs += self._below(edge.source, tuple([index[place] for place in places]))
                else:
                    if edge.source not in whole:
                        whole[edge.source] = self._below(edge.source, ())
                    needs += whole[edge.source]
            found.append(needs)
        return found

    def _below(self, source: int, index: tuple[int, ...]) -> Needs:
        """Return a task, or the children of a mapped one that have these first indexes."""
        if source not in self.mapped:
            return [self.places[source]]
        place = self._tasks.roots[source]
        for depth, i in enumerate(index):
            if place.is_last:
                is_child = depth == len(index) - 1 and i < place.count
                return [self.places[place.first + i]] if is_child else []
            if i >= len(place.below):
                return []
            place = place.below[i]
        return list(self._spans(place))

    def _spans(self, place: Place) -> Iterator[int | Span]:
        if not place.is_last:
            for below in place.below:
                yield from self._spans(below)
        elif place.count > 1:
            yield Span(self.places[place.first], place.count)
        elif place.count == 1:
            yield self.places[place.first]
