"""Routes: which stream an attempt goes to, and what waits for which stream."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptWithdrawn,
    CancelRequested,
    CapacityChanged,
    Command,
    Dispatch,
    Event,
    Outcome,
    RetryFellDue,
    Routes,
    RoutesChanged,
    RunState,
    TaskState,
)
from astrum.machine.routes import FIRST_STREAM
from astrum.planning import Plan, RetryPolicy
from astrum.planning.axes import Axis, ListSource, Watch
from tests.unit.machine.events_of import A, B, C, D, end, lost, plan, spec

HOME, OTHER, ALONE = 1, 2, 3
TWO_QUEUES = Routes(choices=((HOME,), (OTHER,)), alone=((ALONE,), (ALONE,)), of=(0, 0, 1, 1))
FOUR = plan(spec("a"), spec("b"), spec("c"), spec("d"))


def routed(tasks: Plan, routes: Routes, **capacities: int) -> RunState:
    """Return a run with these routes, before its start; ``s1=2`` is the capacity of stream 1."""
    state = RunState(tasks)
    for name, capacity in capacities.items():
        assert state.handle(CapacityChanged(int(name[1:]), capacity)) == []
    assert state.handle(RoutesChanged(routes)) == []
    return state


def sent(commands: list[Command]) -> list[tuple[int, int]]:
    return [(c.task, c.stream) for c in commands if isinstance(c, Dispatch)]


def test_an_idle_stream_is_served_beside_a_full_one_of_the_same_run() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1, s2=1)
    assert sent(state.start()) == [(A, HOME), (C, OTHER)]
    assert sent(state.handle(end(C))) == [(D, OTHER)], "the stream of A and B is full"
    assert sent(state.handle(end(A))) == [(B, HOME)]


def test_an_attempt_goes_to_the_stream_with_the_most_room() -> None:
    state = routed(FOUR, Routes(choices=((HOME, OTHER),)), s1=2, s2=3)
    assert sent(state.start()) == [(A, OTHER), (B, HOME), (C, OTHER), (D, HOME)]


def test_the_best_task_goes_first_among_routes_that_share_a_stream() -> None:
    tasks = plan(spec("a"), spec("b"), spec("c", "b"), spec("d"))
    routes = Routes(choices=((HOME,), (HOME,)), alone=((), ()), of=(0, 1, 1, 0))
    state = routed(tasks, routes, s1=1)
    assert sent(state.start()) == [(B, HOME)], "it has the longest path"
    assert sent(state.handle(end(B))) == [(A, HOME)]
    assert sent(state.handle(end(A))) == [(C, HOME)]
    assert sent(state.handle(end(C))) == [(D, HOME)]


def test_the_concurrency_limit_of_the_plan_bounds_all_streams_together() -> None:
    tasks = Plan("test", FOUR.tasks, concurrency_limit=3)
    state = routed(tasks, TWO_QUEUES)
    assert sent(state.start()) == [(A, HOME), (B, HOME), (C, OTHER)]
    assert not state.has_more(OTHER), "more capacity would change nothing"
    assert sent(state.handle(end(A))) == [(D, OTHER)]


def test_a_task_without_a_stream_is_held_until_its_route_has_one() -> None:
    paused = Routes(((HOME,), ()), ((ALONE,), ()), TWO_QUEUES.of)
    state = routed(FOUR, paused)
    assert sent(state.start()) == [(A, HOME), (B, HOME)]
    assert [state.has_stream(task) for task in (A, B, C, D)] == [True, True, False, False]
    assert list(state.ready()) == [C, D]
    assert sent(state.handle(RoutesChanged(TWO_QUEUES))) == [(C, OTHER), (D, OTHER)]
    assert state.has_stream(C)


def test_new_routes_leave_what_is_outstanding_where_it_is() -> None:
    state = routed(FOUR, Routes(choices=((HOME,),)), s1=1, s2=1)
    assert sent(state.start()) == [(A, HOME)]
    assert sent(state.handle(RoutesChanged(Routes(choices=((OTHER,),))))) == [(B, OTHER)]
    assert state.handle(end(A)) == [], "it has freed the old stream"
    assert sent(state.handle(RoutesChanged(Routes(choices=((HOME,),))))) == [(C, HOME)]


def test_the_first_stream_is_counted_apart_from_the_others() -> None:
    state = RunState(FOUR, capacity=1)
    assert sent(state.start()) == [(A, 0)]
    assert sent(state.handle(RoutesChanged(Routes(choices=((OTHER,),))))) == [(B, OTHER)]
    assert state.handle(RoutesChanged(Routes())) == [], "A is still in the first stream"
    assert sent(state.handle(end(A))) == [(C, 0)], "though B is elsewhere"


def test_more_capacity_of_one_stream_lets_nothing_into_another() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1, s2=1)
    state.start()
    assert sent(state.handle(CapacityChanged(OTHER, 2))) == [(D, OTHER)]
    assert sent(state.handle(CapacityChanged(HOME, 2))) == [(B, HOME)]


def test_a_stream_of_unknown_capacity_has_that_of_the_run() -> None:
    state = RunState(FOUR, capacity=1)
    state.handle(RoutesChanged(TWO_QUEUES))
    assert sent(state.start()) == [(A, HOME), (C, OTHER)]


def test_has_more_says_whether_capacity_alone_holds_a_task_back() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1)
    assert not state.has_more(HOME), "nothing is dispatched in history"
    state.start()
    assert [state.has_more(stream) for stream in (HOME, OTHER, ALONE)] == [True, False, False]
    state.handle(end(A))
    assert not state.has_more(HOME)
    blocked = routed(FOUR, TWO_QUEUES, s1=1)
    blocked.start()
    blocked.handle(CancelRequested(1.0))
    assert not blocked.has_more(HOME), "nothing starts any more"


def test_an_exclusive_attempt_has_its_own_streams() -> None:
    state = routed(plan(spec("a"), spec("b")), Routes(((HOME,),), ((ALONE,),)), s1=1, s3=1)
    assert sent(state.start()) == [(A, HOME)]
    assert sent(state.handle(lost(A))) == [(B, HOME)]
    assert state.handle(RetryFellDue(A, 1)) == [Dispatch(A, 2, exclusive=True, stream=ALONE)]
    held = state.handle(RoutesChanged(Routes(((HOME,),), ((),))))
    assert held == []
    assert not state.has_stream(A)
    assert state.has_stream(B)


def test_a_task_that_was_lost_in_history_is_dispatched_alone_after_the_start() -> None:
    state = routed(plan(spec("a"), spec("b")), Routes(((HOME,),), ((ALONE,),)))
    state.handle(lost(A, at=1.0))
    state.handle(end(A, 2, Outcome.HANDED_BACK))  # a delay that was over leaves no other trace
    commands = state.start()
    assert Dispatch(A, 3, exclusive=True, stream=ALONE) in commands
    assert Dispatch(A, 3, stream=HOME) not in commands


def test_an_attempt_that_was_found_outstanding_fills_its_stream() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1, s2=2)
    state.handle(AttemptFoundOutstanding(B, 1, HOME))
    state.handle(AttemptFoundOutstanding(C, 1, OTHER))
    assert sent(state.start()) == [(D, OTHER)]
    assert sent(state.handle(end(B))) == [(A, HOME)]


def test_a_withdrawn_attempt_frees_its_stream() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1, s2=1)
    state.start()
    assert sent(state.handle(AttemptWithdrawn(A, 1))) == [(A, HOME)]


def test_a_child_has_the_route_of_its_template() -> None:
    listed = spec("list")._replace(watches=(Watch("length"),))
    mapped = spec("b", "list")._replace(axes=(Axis((ListSource("list"),)),))
    routes = Routes(((HOME,), (OTHER,)), ((), ()), of=(0, 1))
    state = routed(plan(listed, mapped), routes)
    assert sent(state.start()) == [(A, HOME)]
    assert sent(state.handle(end(A)._replace(seen=(2,)))) == [(2, OTHER), (3, OTHER)]
    assert sent(state.handle(RoutesChanged(routes))) == []


# --- any routes at any time --------------------------------------------------------------------

TASKS = 6
STREAMS = range(4)
streams = st.lists(st.sampled_from(STREAMS), max_size=3, unique=True).map(tuple)


@st.composite
def any_routes(draw: st.DrawFn) -> Routes:
    count = draw(st.integers(1, 3))
    choices = draw(st.lists(streams, min_size=count, max_size=count))
    alone = draw(st.lists(streams, min_size=count, max_size=count))
    of = draw(st.lists(st.integers(0, count - 1), min_size=TASKS, max_size=TASKS))
    return Routes(choices, alone, of)


class Step(NamedTuple):
    """What happens next; ``pick`` says to which of the tasks, as far as it is about one."""

    kind: str
    pick: int
    change: Event


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["end", "end", "end", "lose", "withdraw", "due", "change", "change"]),
        st.integers(0, TASKS),
        st.one_of(
            st.builds(RoutesChanged, any_routes()),
            st.builds(CapacityChanged, st.sampled_from(STREAMS), st.integers(0, 3)),
        ),
    ),
    max_size=25,
)


class Watched:
    """A run, and what a host knows of it: what it has told it, and where each attempt is."""

    def __init__(self, limit: int | None, capacity: int | None, chosen: list[int]) -> None:
        specs = [spec(f"t{number}", *(["t0"] if number > 3 else [])) for number in range(TASKS)]
        eternal = RetryPolicy(99)
        pairs = zip(specs, chosen, strict=True)
        ranked = [one._replace(retry=eternal, priority=priority) for one, priority in pairs]
        self.chosen = chosen
        self.plan = plan(*ranked, limit=limit)
        self.state = RunState(self.plan, capacity=capacity)
        self.routes = Routes()
        self.capacity = dict.fromkeys(STREAMS, 99 if capacity is None else capacity)
        self.limit = 99 if limit is None else limit
        self.where: dict[int, int] = {}
        self.said: list[list[Command]] = []

    def take_in(self, event: Event) -> None:
        if isinstance(event, RoutesChanged):
            self.routes = event.routes
        elif isinstance(event, CapacityChanged):
            self.capacity[event.stream] = event.capacity
        self.obey(self.state.handle(event))

    def obey(self, commands: list[Command]) -> None:
        self.said.append(commands)
        for command in commands:
            if isinstance(command, Dispatch):
                self.obey_dispatch(command)
        self.check_order([c.task for c in commands if isinstance(c, Dispatch)])

    def check_order(self, begun: list[int]) -> None:
        """Of one route, the best tasks went first: those with higher priorities."""
        priorities = self.plan.priorities
        for ready in self.state.ready():
            for other in begun:
                if self.heap(ready) == self.heap(other):
                    assert self.chosen[other] >= self.chosen[ready]
        for task in self.state.ready():
            for other in begun:
                if self.heap(task) == self.heap(other):
                    assert priorities[other] + other < priorities[task] + task
        for first, second in pairwise(begun):
            if self.heap(first) == self.heap(second):
                assert priorities[first] + first < priorities[second] + second

    def heap(self, task: int) -> tuple[int, bool]:
        return self.routes.of[task] if self.routes.of else 0, self.state.is_exclusive(task)

    def obey_dispatch(self, order: Dispatch) -> None:
        assert order.stream in self.streams(order.task)
        assert order.exclusive == self.state.is_exclusive(order.task)
        assert self.room(order.stream) > 0
        assert self.room(order.stream) == max(map(self.room, self.streams(order.task)))
        self.where[order.task] = order.stream
        assert len(self.where) <= self.limit

    def streams(self, task: int) -> tuple[int, ...]:
        route, is_exclusive = self.heap(task)
        return (self.routes.alone if is_exclusive else self.routes.choices)[route]

    def room(self, stream: int) -> int:
        return self.capacity[stream] - list(self.where.values()).count(stream)

    def do(self, step: Step) -> None:
        attempts = self.state.attempts
        out, waiting = sorted(self.where), list(self.state.tasks_in(TaskState.BACKING_OFF))
        if step.kind == "change":
            self.take_in(step.change)
        elif step.kind == "due" and waiting:
            task = waiting[step.pick % len(waiting)]
            self.take_in(RetryFellDue(task, attempts[task]))
        elif step.kind in ("end", "lose", "withdraw") and out:
            task = out[step.pick % len(out)]
            del self.where[task]
            self.take_in(_event_of(step.kind, task, attempts[task]))

    def check(self) -> None:
        """What is ready waits for a reason, and the queries say for which."""
        if self.state.finished is not None or self.state.stopping:
            return
        is_open = len(self.where) < self.limit
        for task in self.state.ready():
            assert self.state.has_stream(task) == bool(self.streams(task))
            assert not is_open or all(self.room(stream) <= 0 for stream in self.streams(task))
        wanted = {stream for task in self.state.ready() for stream in self.streams(task)}
        for stream in STREAMS:
            assert self.state.has_more(stream) == (is_open and stream in wanted)
            asked = self.state.waiting_priority(stream)
            waiting = [t for t in self.state.ready() if stream in self.streams(t) and is_open]
            assert asked == max((self.chosen[task] for task in waiting), default=None)


def _event_of(kind: str, task: int, attempt: int) -> Event:
    if kind == "withdraw":
        return AttemptWithdrawn(task, attempt)
    return lost(task, attempt) if kind == "lose" else end(task, attempt)


@settings(max_examples=60, deadline=None)
@given(
    limit=st.sampled_from([None, None, 1, 3]),
    capacity=st.sampled_from([None, 1, 2]),
    history=steps,
    found=st.dictionaries(st.integers(0, 3), st.sampled_from(STREAMS), max_size=3),
    life=steps,
    chosen=st.lists(st.sampled_from([-9, -1, 0, 0, 5, 9]), min_size=TASKS, max_size=TASKS),
)
def test_any_routes_at_any_time(
    limit: int | None,
    capacity: int | None,
    history: list[Step],
    found: dict[int, int],
    life: list[Step],
    chosen: list[int],
) -> None:
    def lived() -> Watched:
        run = Watched(limit, capacity, chosen)
        for step in history:
            if step.kind == "change":
                run.do(step)
        for task, stream in found.items():
            run.take_in(AttemptFoundOutstanding(task, 1, stream))
            run.where[task] = stream
        run.obey(run.state.start())
        run.check()
        for step in life:
            run.do(step)
            run.check()
        return run

    assert lived().said == lived().said, "the same events give the same commands"


def test_what_never_began_is_an_end_in_no_stream() -> None:
    state = routed(FOUR, TWO_QUEUES, s1=1, s2=1)
    state.start()
    state.handle(end(C, 1, Outcome.NEVER_BEGAN))
    assert [state.ended_in(stream) for stream in (FIRST_STREAM, HOME, OTHER)] == [0, 0, 0]
    state.handle(end(C, 2))
    assert [state.ended_in(stream) for stream in (FIRST_STREAM, HOME, OTHER)] == [0, 0, 1]
