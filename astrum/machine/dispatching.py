"""The dispatching of a run's ready tasks: which goes next, and into which stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from sys import maxsize

from astrum.machine.budgets import TaskBudget, TaskBudgets
from astrum.machine.events import Command, Dispatch
from astrum.machine.gates import gates_of
from astrum.machine.routes import FIRST_STREAM, Routes
from astrum.machine.task_state import OUTSTANDING, READY
from astrum.machine.task_table import TaskTable
from astrum.planning.plan import Plan
from astrum.planning.priorities import NUMBER_MASK, priority_in

# The constructor of a named tuple is a function that calls this one.
_new_tuple = tuple.__new__


class Dispatching:
    """The states of a run's tasks, and the order of their dispatch; the base of `RunState`.

    There is one heap of ready tasks per route, then one per route for exclusive attempts. In
    history they are empty, since a ready task may still turn out to be outstanding. From the start
    on, a task leaves its heap only with its dispatch, or with all others when the routes change.
    """

    def __init__(self, plan: Plan, capacity: int | None) -> None:
        self.tasks = TaskTable(plan)
        self.states = bytearray()
        self.attempts: list[int] = []
        self.outstanding_count = 0
        self._started = False
        self._budgets = TaskBudgets()
        self._limit = maxsize if plan.concurrency_limit is None else plan.concurrency_limit
        self._default_capacity = maxsize if capacity is None else capacity
        self._capacities: dict[int, int] = {}
        self._first_bound = min(self._limit, self._capacity(FIRST_STREAM))
        # By task: the stream of an outstanding attempt that is not in the first stream. Most runs
        # use no other one, and then an attempt costs nothing here.
        self._elsewhere: dict[int, int] = {}
        self._counts_elsewhere: dict[int, int] = {}
        self._ended_elsewhere: dict[int, int] = {}
        self._routes = Routes()
        self._route_of: list[int] = []
        self._streams: Sequence[tuple[int, ...]] = ()
        self._is_simple = True
        self._heaps: list[list[int]] = []
        self._heaps_of: dict[int, list[int]] = {}
        # The heaps that may have a task for a stream with room. All others are empty, or all of
        # their streams are full: with hundreds of routes to look at each would take too long.
        self._candidates: set[int] = set()
        self._gates = gates_of(self.tasks)
        self._set_routes(self._routes)

    def _extend(self, count: int, template: int | None = None) -> None:
        """Take in the next tasks of the table: those of the plan, or children of a task."""
        self.states.extend(bytes(count))
        self.attempts.extend([0] * count)
        if template is None:
            self._route_of = self._routes_of_all()
        elif self._route_of:
            self._route_of.extend([self._route_of[template]] * count)

    # --- queries of a host --------------------------------------------------------------

    def outstanding(self) -> Iterator[tuple[int, int]]:
        """All (task, attempt) that are dispatched and not settled."""
        return ((task, self.attempts[task]) for task in self.tasks_in(OUTSTANDING))

    def ready(self) -> Iterator[int]:
        """All tasks that only wait for capacity."""
        return self.tasks_in(READY)

    def ready_without_stream(self) -> Iterator[int]:
        """All ready tasks whose routes lead to no stream, since an operator paused them."""
        for heap, streams in zip(self._heaps, self._streams, strict=True):
            if not streams:
                yield from (entry & NUMBER_MASK for entry in heap)

    def tasks_in(self, place: int) -> Iterator[int]:
        """All tasks in that state; fast also for a million tasks."""
        task = self.states.find(place)
        while task >= 0:
            yield task
            task = self.states.find(place, task + 1)

    def is_exclusive(self, task: int) -> bool:
        """Return whether the task's attempts must be the only ones on their worker."""
        return task in self._budgets.exclusive

    def budget(self, task: int) -> TaskBudget:
        """Return the budget of a task, to read it."""
        return self._budgets.peek(task)

    def has_stream(self, task: int) -> bool:
        """Return whether the task's route leads to any stream, so that it may be dispatched."""
        return bool(self._streams[self._heap_number(task)])

    def has_more(self, stream: int) -> bool:
        """Return whether more attempts would go to a stream if it had more capacity."""
        if self.outstanding_count >= self._limit:
            return False
        heaps = self._heaps
        for number in self._heaps_of.get(stream, ()):  # noqa: SIM110 - asked for every dispatch
            if heaps[number]:
                return True
        return False

    def waiting_priority(self, stream: int) -> int | None:
        """Return the highest priority among the tasks that would go to a stream, `None` of none.

        It is the tasks' own, without that of the run.
        """
        if self.outstanding_count >= self._limit:
            return None
        heaps = [self._heaps[number] for number in self._heaps_of.get(stream, ())]
        first = min((heap[0] for heap in heaps if heap), default=None)
        return None if first is None else priority_in(first)

    def outstanding_in(self, stream: int) -> int:
        """Return the number of outstanding attempts in a stream."""
        if stream == FIRST_STREAM:
            return self.outstanding_count - len(self._elsewhere)
        return self._counts_elsewhere.get(stream, 0)

    # --- routes and streams -------------------------------------------------------------

    def _set_capacity(self, stream: int, capacity: int) -> None:
        self._capacities[stream] = capacity
        self._candidates.update(self._heaps_of.get(stream, ()))
        if stream == FIRST_STREAM:
            self._first_bound = min(self._limit, self._capacity(stream))

    def _capacity(self, stream: int) -> int:
        return self._capacities.get(stream, self._default_capacity)

    def _set_routes(self, routes: Routes) -> None:
        """Replace the routes, and sort what is ready by them; the rest stays where it is."""
        self._routes = routes
        self._route_of = self._routes_of_all()
        self._streams = (*routes.choices, *routes.alone)
        # If so, and as long as no attempt is elsewhere, what is outstanding is in the first stream.
        self._is_simple = list(routes.choices) == [(FIRST_STREAM,)]
        self._heaps = [[] for _ in self._streams]
        self._heaps_of = {}
        for number, streams in enumerate(self._streams):
            for stream in streams:
                self._heaps_of.setdefault(stream, []).append(number)
        self._candidates = set(range(len(self._heaps)))
        if self._started:
            self._sort_ready()

    def _routes_of_all(self) -> list[int]:
        """Return the route of each task, empty if all have route 0."""
        of, tasks = self._routes.of, self.tasks
        children = range(len(of), len(tasks)) if of else ()
        return [*of, *(of[tasks.template(child)] for child in children)]

    def _room(self, stream: int) -> int:
        """Return how many more attempts may go to a stream, below 0 after its capacity fell."""
        return self._capacity(stream) - self.outstanding_in(stream)

    def _heap_number(self, task: int) -> int:
        route = self._route_of[task] if self._route_of else 0
        return route + len(self._routes.choices) if self.is_exclusive(task) else route

    def _enter(self, task: int, stream: int) -> None:
        """Note that an attempt is in a stream."""
        if stream != FIRST_STREAM:
            self._elsewhere[task] = stream
            self._counts_elsewhere[stream] = self._counts_elsewhere.get(stream, 0) + 1

    def _leave(self, task: int) -> int:
        """Note that the attempt of a task has left its stream, and return the stream."""
        stream = self._elsewhere.pop(task, FIRST_STREAM)
        if stream != FIRST_STREAM:
            self._counts_elsewhere[stream] -= 1
            self._candidates.update(self._heaps_of.get(stream, ()))
        return stream

    # --- ready tasks --------------------------------------------------------------------

    def _sort_ready(self) -> None:
        """Put all ready tasks into their heaps, which are empty."""
        heaps, priorities = self._heaps, self.tasks.priorities
        ready: Iterable[int] = self.ready()
        if self._gates is not None:
            ready = self._gates.begin_again(self.tasks_in(OUTSTANDING), list(ready))
        if self._route_of or self._budgets.exclusive:
            for task in ready:
                heaps[self._heap_number(task)].append(priorities[task] | task)
        else:
            heaps[0] += [priorities[task] | task for task in ready]
        for heap in heaps:
            heapify(heap)

    def _sort_again(self) -> None:
        """Sort what is ready again, after ready tasks have ended without an attempt."""
        for heap in self._heaps:
            heap.clear()
        self._candidates = set(range(len(self._heaps)))
        self._sort_ready()

    def _make_ready(self, task: int) -> None:
        self.states[task] = READY
        if self._started and (self._gates is None or self._gates.admit(task)):
            is_routed = self._route_of or self._budgets.exclusive
            number = self._heap_number(task) if is_routed else 0
            self._candidates.add(number)
            heappush(self._heaps[number], self.tasks.priorities[task] | task)

    def _make_all_ready(self, tasks: Sequence[int]) -> None:
        """As `_make_ready` for each of many tasks of one route, which have no attempts yet."""
        if not self._started or self._gates is not None or not tasks:
            for task in tasks:
                self._make_ready(task)
            return
        states, priorities = self.states, self.tasks.priorities
        number = self._heap_number(tasks[0])
        heap = self._heaps[number]
        self._candidates.add(number)
        entries = [priorities[task] | task for task in tasks]
        for task in tasks:
            states[task] = READY
        if 4 * len(tasks) > len(heap):
            heap += entries
            heapify(heap)
        else:
            for entry in entries:
                heappush(heap, entry)

    def _pass_gate(self, task: int) -> None:
        """Note that an attempt has ended: a child that waits for that may go on."""
        following = self._gates.leave(task) if self._gates is not None else None
        if following is not None:
            self._make_ready(following)

    def _dispatch_ready(self) -> list[Command]:
        """Dispatch what is ready, as far as there is room, in the order of `plan.priorities`."""
        commands: list[Command] = []
        states, attempts, budgets = self.states, self.attempts, self._budgets.by_task
        heap, stream = self._heaps[0], FIRST_STREAM
        exclusive, never_began = False, 0
        is_simple = self._is_simple and not self._elsewhere and not self._budgets.exclusive
        bound = self._first_bound if is_simple else self._limit
        if not is_simple:  # what left the first stream was not noted, see `_elsewhere`
            self._candidates.update(self._heaps_of.get(FIRST_STREAM, ()))
        while self.outstanding_count < bound:
            if not is_simple:
                choice = self._next_choice()
                if choice is None:
                    break
                heap, stream, exclusive = choice
            elif not heap:
                break
            task = heappop(heap) & NUMBER_MASK
            states[task] = OUTSTANDING
            self.outstanding_count += 1
            attempts[task] = attempt = attempts[task] + 1
            if not is_simple:
                self._enter(task, stream)
            if budgets:
                never_began = self._budgets.peek(task).never_began
            commands.append(_new_tuple(Dispatch, (task, attempt, exclusive, never_began, stream)))
        return commands

    def _next_choice(self) -> tuple[list[int], int, bool] | None:
        """Return the heap that is next, a stream, and whether the attempt is exclusive.

        The heap with the best first task is next, among those whose route has a stream with room;
        the attempt goes into the one with the most room. `None` if there is no room for any.
        """
        best: list[int] | None = None
        into, number_of_best = FIRST_STREAM, 0
        for number in tuple(self._candidates):
            heap, streams = self._heaps[number], self._streams[number]
            if best is not None and heap and heap[0] > best[0]:
                continue
            stream = streams[0] if len(streams) == 1 else max(streams, key=self._room, default=-1)
            if heap and streams and self._room(stream) > 0:
                best, into, number_of_best = heap, stream, number
            else:
                self._candidates.discard(number)
        if best is None:
            return None
        return best, into, number_of_best >= len(self._routes.choices)
