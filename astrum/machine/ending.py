"""How the end of a task spreads to those that wait for it, and how children come into being.

An edge is judged when its source has ended: it is met, or its consumer ends too, without an
attempt. So ends spread from one to the next; they are handled one after the other, since a chain
may have 100,000 tasks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain

from astrum.machine.attempt_log import AttemptLog
from astrum.machine.lists import MET, PENDING, Lengths, Lists, Verdict
from astrum.machine.places import NO_ONE, Index, Place, find_place, matching, unknown_below
from astrum.machine.task_state import (
    CANCELLED,
    ENDED,
    FAILED,
    SKIPPED,
    SUCCEEDED,
    WAITING,
)
from astrum.planning.graph import Edge, ListEdge
from astrum.planning.plan import Plan


class Ending(Lists):
    """The part of a run's state in which tasks wait for others and end."""

    def __init__(self, plan: Plan, capacity: int | None, lengths: Lengths) -> None:
        super().__init__(plan, capacity, lengths)
        self.attempt_log = AttemptLog()
        self._is_plain = plan.is_plain
        self._needs_left: list[int] = []
        self._awaited_left = 0
        self._stopping: str | None = None
        self._stopped_at = 0.0
        self._ends_as = "completed"
        # Tasks that clean up (``always``): how many have not ended, and whether they are to stop.
        self._cleanup_left = 0 if plan.is_plain else sum(spec.always for spec in plan.tasks)
        self._has_cleanup = self._cleanup_left > 0
        self._cleanup_stopped = False
        # Children whose list has failed: their attempts are revoked, and they do not run again.
        self._revoked: set[int] = set()
        self._ends: deque[tuple[int | Place, int, int]] = deque()
        # The mapped tasks of which others read a single child: of the rest the whole end matters.
        self._read_by_child = {
            task
            for task in self.tasks.roots
            if task in plan.edges.lists_out
            or any(len(e.places) == len(plan.tasks[task].axes) for e in plan.edges.out[task])
        }

    # --- queries of a host --------------------------------------------------------------

    def because(self, task: int) -> int | None:
        """Return the task whose end is the reason why this one was skipped or blocked."""
        return self._because.get(task)

    def seen(self, task: int) -> tuple[int, ...]:
        """Return what was seen of a task's result, in the order of its watches."""
        return self._seen.get(task, ())

    def waits_for(self, task: int) -> list[str]:
        """Return the names of the tasks and children whose ends a waiting task waits for."""
        return [self.tasks.name(source) for source in self.pending_needs(task)]

    def pending_needs(self, task: int) -> list[int]:
        """Return the tasks and children whose ends a waiting task waits for, by number.

        A mapped task stands for those of its children that are read; of a mapped task itself, it
        is those that return the lists of its children.
        """
        template, index = self.tasks.template(task), self.tasks.index(task)
        if template in self.tasks.roots and not index:
            lists = self.plan.edges.lists_of[template]
            sources = {one.source for axis in lists for one in axis if isinstance(one, ListEdge)}
            return [source for source in sorted(sources) if self.states[source] not in ENDED]
        found = []
        for edge in self.plan.edges.into[template]:
            if self._verdict(edge, index) is PENDING:
                source = self.tasks.find(edge.source, [index[at] for at in edge.places])
                found.append(edge.source if source is None else source)
        return found

    def may_start(self, task: int) -> bool:
        """Return whether attempts of a task may still begin; some do while the run stops."""
        return self._may_run(task)

    def counts(self) -> Counter[int]:
        """Return how many tasks and children are in each state.

        A mapped task counts as its children, and as one task before they are known.
        """
        if not self.tasks.roots:
            return Counter(self.states)
        bare = (self.states[task] for task in self.tasks.roots if task not in self.tasks.counts)
        return Counter(chain((self.states[task] for task in self._current_tasks()), bare))

    def _current_tasks(self) -> Iterator[int]:
        """All tasks of the plan and their children, without those of lists that were made again."""
        for task in range(len(self.plan.tasks)):
            if task in self.tasks.roots:
                yield from self.tasks.children(task)
            else:
                yield task

    # --- ends ---------------------------------------------------------------------------

    def _end(self, task: int, state: int, because: int = NO_ONE) -> None:
        """End a task, and all that ends with it; what has all it needs then becomes ready."""
        self._ends.append((task, state, because))
        self._spread_ends()

    def _succeed_as_seen(self, task: int, seen: tuple[int, ...]) -> None:
        if seen:
            self._seen[task] = seen
        self._end_task(task, SUCCEEDED, NO_ONE)
        if self._ends:
            self._spread_ends()

    def _spread_ends(self) -> None:
        ends = self._ends
        while ends:
            unit, state, because = ends.popleft()
            if isinstance(unit, Place):
                self._end_place(unit, state, because)
            else:
                self._end_task(unit, state, because)

    def _end_task(self, task: int, state: int, because: int) -> None:
        if self.states[task] in ENDED:
            return
        self.states[task] = state
        if state != SUCCEEDED:
            self.attempt_log.unsuccessful.append(task)
        if because != NO_ONE:
            self._because[task] = because
        root = task if because == NO_ONE else because
        place = self.tasks.place_of(task)
        if place is None:
            self._end_of_plan_task(task)
            self._spread(task, (), state, root, task)
            return
        if state == SUCCEEDED:
            place.left -= 1
        else:
            place.note(self._as_noted(state, place), root)
        if not place.left:
            self._ends.append((place, place.worst, place.worst_because))
        if place.template in self._read_by_child:
            self._spread(place.template, (*place.index, task - place.first), state, root, task)

    def _as_noted(self, state: int, place: Place) -> int:
        """Return what the end of a child means for its list: some failures may be accepted."""
        if state != FAILED or self.plan.tasks[place.template].max_failed is None:
            return state
        place.failed += 1
        if place.failed <= self._accepted(place):
            return SUCCEEDED
        place.is_failing = True
        return state

    def _accepted(self, place: Place) -> int:
        """Return how many failed children of a list are accepted."""
        most = self.plan.tasks[place.template].max_failed or 0
        return most if isinstance(most, int) else int(most * place.count + 1e-9)

    def _end_place(self, place: Place, state: int, because: int) -> None:
        if place.state != WAITING:
            return
        place.state, place.because = state, because
        if place.parent is not None:
            place.parent.note(state, because)
            if not place.parent.left:
                above = place.parent
                self._ends.append((above, above.worst, above.worst_because))
        else:
            self.states[place.template] = state
            if state != SUCCEEDED and place.template not in self.tasks.counts:
                self.attempt_log.unsuccessful.append(place.template)
            if because != NO_ONE:
                self._because[place.template] = because
            self._end_of_plan_task(place.template)
        self._spread(place.template, place.index, state, because, place.template)

    def _end_of_plan_task(self, task: int) -> None:
        spec = self.plan.tasks[task]
        self._awaited_left -= spec.awaited
        self._cleanup_left -= spec.always

    def _spread(self, template: int, index: Index, state: int, root: int, unit: int) -> None:
        """Judge the edges that leave a task, or the children with these first indexes."""
        edges = self.plan.edges
        for edge in edges.out[template]:
            if len(edge.places) != len(index):
                continue
            verdict = self._judge(edge, state, root, unit)
            if edge.consumer in self.tasks.roots:
                for child in self.tasks.having(edge.consumer, edge.places, index):
                    self._apply(child, verdict)
            else:
                self._apply(edge.consumer, verdict)
        for one in edges.lists_out.get(template, ()):
            if len(one.places) == len(index):
                root_place = self.tasks.roots[one.consumer]
                for place in matching(root_place, one.axis, one.places, index):
                    self._grow(place)

    def _apply(self, task: int, verdict: Verdict) -> None:
        """Count an edge of a task that waits as met, or end the task."""
        if self.states[task] != WAITING:
            return
        if verdict.state != SUCCEEDED:
            if self._may_run(task):
                self._ends.append((task, verdict.state, verdict.because))
            else:  # in history: it was cancelled before, see `Stopping`
                self._ends.append((task, CANCELLED, NO_ONE))
            return
        self._needs_left[task] -= 1
        if not self._needs_left[task]:
            self._has_all_it_needs(task)

    def _has_all_it_needs(self, task: int) -> None:
        if self._may_run(task):
            self._make_ready(task)
        else:
            self._ends.append((task, CANCELLED, NO_ONE))

    def _may_run(self, task: int) -> bool:
        """Return whether attempts of a task may still begin; some do while the run stops."""
        if task in self._revoked:
            return False
        if self._stopping is None:
            return True
        return self.tasks.spec(task).always and not self._cleanup_stopped

    def _judge(self, edge: Edge, state: int, root: int, unit: int) -> Verdict:
        """Return what the end of an edge's source means for its consumer."""
        if not edge.is_required:
            return MET
        if state == SUCCEEDED:
            if not edge.conditions:
                return MET
            seen = self._seen.get(unit, ())
            if all(seen[watch] == value for watch, value in edge.conditions):
                return MET
            return Verdict(SKIPPED, unit)
        return self._without(edge.consumer, state, root)

    # --- children -----------------------------------------------------------------------

    def _grow(self, place: Place) -> None:
        """Add the children at a place as soon as the length of its next axis is known."""
        if place.count >= 0 or place.state != WAITING:
            return
        if not self._may_run(place.template):
            self._ends.append((place, CANCELLED, NO_ONE))
            return
        count = 0
        for one in self.plan.edges.lists_of[place.template][len(place.index)]:
            count, verdict = self._length(one, place.index)
            if verdict is not MET:
                if verdict is not PENDING:
                    self._ends.append((place, *verdict))
                return
        if not count:
            place.count = place.left = 0
            self.tasks.counts.setdefault(place.template, 0)
            self._ends.append((place, SUCCEEDED, NO_ONE))
        elif len(place.index) + 1 == len(self.plan.tasks[place.template].axes):
            self._add_children(place, count)
        else:
            place.count = place.left = count
            place.below = [Place(place.template, (*place.index, i), place) for i in range(count)]
            for below in place.below:
                self._grow(below)  # as deep as the task has axes

    def _add_children(self, place: Place, count: int) -> None:
        template = place.template
        self.tasks.add_block(place, count)
        self._extend(count, template)
        last = len(place.index)
        met_later = 0
        own: list[Edge] = []
        for edge in self.plan.edges.into[template]:
            if last in edge.places:
                own.append(edge)
                continue
            verdict = self._verdict(edge, place.index)
            met_later += verdict is not MET  # what ends without an attempt is never made ready
            if verdict not in (PENDING, MET):
                self._ends.extend((child, *verdict) for child in place.children())
        mixed = [edge for edge in own if not self._is_all_pending(edge, place)]
        met_later += len(own) - len(mixed)
        self._needs_left.extend([met_later] * count)
        for edge in mixed:
            for i, child in enumerate(place.children()):
                self._count_need(child, edge, (*place.index, i))
        if not met_later:
            needs_left = self._needs_left
            self._make_all_ready([n for n in place.children() if not needs_left[n]])

    def _is_all_pending(self, edge: Edge, place: Place) -> bool:
        """Return whether each new child waits for a source of its own, of which none has ended."""
        last = len(place.index)
        if edge.places[-1] != last or last in edge.places[:-1]:
            return False
        source = find_place(
            self.tasks.roots[edge.source], [place.index[p] for p in edge.places[:-1]]
        )
        return source.is_last and source.left == source.count == place.count

    def _count_need(self, task: int, edge: Edge, index: Index) -> None:
        """Count an edge that is not met yet; if it never will be, the task ends."""
        verdict = self._verdict(edge, index)
        if verdict is not MET:
            self._needs_left[task] += 1
        if verdict.state in ENDED and verdict is not MET:
            self._ends.append((task, *verdict))

    def _verdict(self, edge: Edge, index: Index) -> Verdict:
        """Return what an edge says now to the consumer's child, or place, with these indexes."""
        at = tuple([index[place] for place in edge.places])
        source = self.tasks.find(edge.source, at)
        if source is not None:
            state, root = self.states[source], self._because.get(source, source)
        else:
            source, place = edge.source, find_place(self.tasks.roots[edge.source], at)
            state, root = place.state, place.because
        return self._judge(edge, state, root, source) if state in ENDED else PENDING

    def _unfinished_places(self) -> Iterator[Place]:
        """All places whose children are not known yet, and that have not ended."""
        for root in self.tasks.roots.values():
            for place in unknown_below(root):
                if place.state == WAITING:
                    yield place
