"""The reopening of an ended run: which tasks run again, and how their states begin again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from astrum.machine.ending import Ending
from astrum.machine.events import Reopened
from astrum.machine.places import NO_ONE, Index, Place, find_place, unknown_below
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    ENDED,
    FAILED,
    OUTSTANDING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
)
from astrum.planning.graph import Edge, ListEdge


@dataclass(slots=True)
class _Again:
    """What runs again: tasks, the places with any of them, and those whose children are new.

    ``with_cleanup``: all tasks that clean up do.
    """

    with_cleanup: bool
    tasks: set[int] = field(default_factory=set)
    places: set[Place] = field(default_factory=set)
    regrown: list[Place] = field(default_factory=list)


class Reopening(Ending):
    """The part of a run's state that begins again when the run is reopened."""

    def tasks_to_run(self, named: Collection[int] = ()) -> list[int]:
        """Return the tasks that run when this run, which has ended, is reopened, upstream first.

        Without ``named`` that is all that did not succeed. Else it is the named ones, what they
        need that did not succeed, and of what needs them all whose other needs have succeeded or
        run too. A task that reads a result which is made again runs again as well, and tasks that
        clean up always do. What a task has skipped stays so. An attempt that is still outstanding,
        of a tail task, goes on.
        """
        return sorted(self._again(named).tasks)

    # --- the choice ---------------------------------------------------------------------

    def _again(self, named: Collection[int]) -> _Again:
        chosen = self._with_upstream(named) if named else None
        again = self._choose(chosen, with_cleanup=False)
        # Tasks that clean up run at the end of each run, and also if it was reopened.
        return self._choose(chosen, with_cleanup=True) if again.tasks else again

    def _choose(self, chosen: set[int | Place] | None, *, with_cleanup: bool) -> _Again:
        again = _Again(with_cleanup)
        for task in range(len(self.plan.tasks)):
            root = self.tasks.roots.get(task)
            if root is None:
                if self._runs_again(task, task, (), chosen, again):
                    again.tasks.add(task)
            elif self._choose_below(root, chosen, again):
                again.tasks.add(task)
        return again

    def _choose_below(self, place: Place, chosen: set[int | Place] | None, again: _Again) -> bool:
        """Choose among the children at a place; return whether any of them runs again."""
        if self._is_grown_again(place, chosen, again):
            again.regrown.append(place)
            is_any = True
        elif place.is_last:
            is_any = False
            for i, child in enumerate(place.children()):
                index = (*place.index, i)
                if self._runs_again(child, place.template, index, chosen, again):
                    again.tasks.add(child)
                    is_any = True
        else:
            chosen_below = [self._choose_below(below, chosen, again) for below in place.below]
            is_any = any(chosen_below)
        if is_any:
            again.places.add(place)
        return is_any

    def _is_grown_again(self, place: Place, chosen: set[int | Place] | None, again: _Again) -> bool:
        """Return whether the lists of the children at a place are made, or looked at, again."""
        axis = len(place.index)
        if axis == len(self.plan.tasks[place.template].axes):
            return False
        for one in self.plan.edges.lists_of[place.template][axis]:
            if isinstance(one, ListEdge):
                source = self.tasks.find(one.source, [place.index[at] for at in one.places])
                if source is not None and source in again.tasks:
                    return True
        is_chosen = place.state != SKIPPED if chosen is None else place in chosen
        return place.count < 0 and is_chosen

    def _runs_again(
        self, task: int, template: int, index: Index, chosen: set[int | Place] | None, again: _Again
    ) -> bool:
        state = self.states[task]
        if state == OUTSTANDING:
            return False
        edges = self.plan.edges.into[template]
        if chosen is not None:
            is_chosen = task in chosen
        else:
            # What was skipped runs again only if what it was skipped for does.
            is_chosen = state not in (SUCCEEDED, SKIPPED)
        is_chosen |= again.with_cleanup and self.plan.tasks[template].always
        if not is_chosen:
            is_chosen = any(self._is_again(edge, index, again) for edge in edges)
        if is_chosen and chosen is None and state != SKIPPED:
            return True  # if what it needs was skipped, it ends so too
        return is_chosen and all(self._can_be_met(edge, index, again) for edge in edges)

    def _is_again(self, edge: Edge, index: Index, again: _Again) -> bool:
        unit = self._unit(edge, index)
        return unit in again.places if isinstance(unit, Place) else unit in again.tasks

    def _can_be_met(self, edge: Edge, index: Index, again: _Again) -> bool:
        if not edge.is_required or self._is_again(edge, index, again):
            return True
        unit = self._unit(edge, index)
        return (unit.state if isinstance(unit, Place) else self.states[unit]) == SUCCEEDED

    def _unit(self, edge: Edge, index: Index) -> int | Place:
        """Return the task, or the place of the children, at the source of an edge.

        ``index`` may be that of a place: then it is what all children below it read from.
        """
        known = len(index)
        at = [index[place] for place in takewhile(known.__gt__, edge.places)]
        source = self.tasks.find(edge.source, at)
        return find_place(self.tasks.roots[edge.source], at) if source is None else source

    def _with_upstream(self, named: Collection[int]) -> set[int | Place]:
        """Return the named tasks with all that they need and that has not succeeded.

        A place stands for children that are not known yet.
        """
        left = [unit for task in named for unit in self._named(task)]
        found = set(left)
        while left:
            unit = left.pop()
            if isinstance(unit, Place):
                template, index = unit.template, unit.index
            else:
                template, index = self.tasks.template(unit), self.tasks.index(unit)
            for edge in self.plan.edges.into[template]:
                for need in self._missing(self._unit(edge, index)) if edge.is_required else ():
                    if need not in found:
                        found.add(need)
                        left.append(need)
        return found

    def _named(self, task: int) -> Iterable[int | Place]:
        """Return a named task, or all children of a mapped one."""
        if task in self.tasks.roots:
            return [*self.tasks.children(task), *unknown_below(self.tasks.roots[task])]
        return [task] if 0 <= task < len(self.states) else []

    def _missing(self, unit: int | Place) -> Iterable[int | Place]:
        if isinstance(unit, int):
            return [unit] if self.states[unit] != SUCCEEDED else []
        missing = [child for child in unit.children() if self.states[child] != SUCCEEDED]
        return [*missing, *unknown_below(unit)]

    # --- the new beginning --------------------------------------------------------------

    def _reopen(self, event: Reopened) -> None:
        """Begin again after an end, in history; what is left out counts as cancelled or failed."""
        again = self._again(event.tasks)
        for place in again.regrown:
            self._forget_children(place)
        self._ends_as = "completed" if self._is_whole(again) else "failed"
        self._stopping = None
        self._cleanup_stopped = False
        self._revoked.clear()
        self.attempt_log.stop_reason = ""
        self.attempt_log.reopened.append(event)
        for task in again.tasks:
            self._forget_end(task)
        for root in self.tasks.roots.values():
            self._count_again(root, again)
        specs = self.plan.tasks
        of_plan = [task for task in again.tasks if task < len(specs)]
        self._awaited_left = sum(specs[task].awaited for task in of_plan)
        self._cleanup_left = sum(specs[task].always for task in of_plan)
        for task in sorted(again.tasks):
            if task not in self.tasks.roots:
                self._wait_again(task)
        for place in list(self._unfinished_places()):
            self._grow(place)
        self._spread_ends()

    def _is_whole(self, again: _Again) -> bool:
        """Return whether the run can complete; note as cancelled what never ran and is left out."""
        is_whole = True
        for task in self._current_tasks():
            state, spec = self.states[task], self.tasks.spec(task)
            if state in (SUCCEEDED, OUTSTANDING, SKIPPED, BLOCKED) or task in again.tasks:
                continue
            is_whole &= not spec.awaited or self._is_told(task)
            if state not in ENDED:
                failed = task in self.attempt_log.failures
                self.states[task] = FAILED if failed else CANCELLED
        return is_whole and not any(map(self._is_left_out, self.tasks.roots.values()))

    def _is_left_out(self, root: Place) -> bool:
        """Return whether a run was stopped before it knew the children of a task."""
        return self.plan.tasks[root.template].awaited and any(
            place.state == CANCELLED and place.because == NO_ONE for place in unknown_below(root)
        )

    def _is_told(self, task: int) -> bool:
        """Return whether the end of a failed or cancelled task does not fail the run."""
        place, spec = self.tasks.place_of(task), self.tasks.spec(task)
        if self.states[task] == FAILED:
            is_accepted = place is not None and not place.is_failing
            return spec.on_failure == "ignore" or (spec.max_failed is not None and is_accepted)
        # It was cancelled since others of its list, or of a list that it needs, have failed.
        return task in self._because or (place is not None and place.is_failing)

    def _forget_children(self, place: Place) -> None:
        for child in place.children():
            self._forget_end(child)
            self.states[child] = CANCELLED
        self.tasks.regrow(place)

    def _forget_end(self, task: int) -> None:
        self.states[task] = WAITING
        self._budgets.renew(task)
        self.attempt_log.failures.pop(task, None)
        self._because.pop(task, None)
        self._seen.pop(task, None)
        self.attempt_log.reused.pop(task, None)

    def _count_again(self, place: Place, again: _Again) -> None:
        """Count what is left at a place where anything runs again."""
        if place not in again.places or place.count < 0:
            return
        place.begin_again()
        if place.is_last:
            for child in place.children():
                if self.states[child] in ENDED:
                    root = self._because.get(child, child)
                    place.note(self._as_noted(self.states[child], place), root)
            return
        for below in place.below:
            self._count_again(below, again)
            if below.state != WAITING:
                place.note(below.state, below.because)

    def _wait_again(self, task: int) -> None:
        template, index = self.tasks.template(task), self.tasks.index(task)
        self._needs_left[task] = 0
        for edge in self.plan.edges.into[template]:
            self._count_need(task, edge, index)
        if not self._needs_left[task]:
            self._has_all_it_needs(task)
