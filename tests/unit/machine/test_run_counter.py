"""Counts of a run, and how it ended in brief."""

from __future__ import annotations

from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Failure,
    Outcome,
    RunState,
)
from astrum.machine.events import RoutesChanged
from astrum.machine.routes import Routes
from astrum.machine.run_counter import LONGEST_FAILURE, RunCounter, RunCounts, end_details
from astrum.machine.task_state import FAILED, SUCCEEDED
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.retry_policy import RetryPolicy

AGAIN = RetryPolicy(max_retries=1, delay=0.0)
NO_ROW = Failure(("builtins.ValueError", "builtins.Exception"), "no\nsuch   row")


def state_of(*specs: TaskSpec, capacity: int = 100) -> RunState:
    state = RunState(Plan("n", specs), run_key="r", capacity=capacity)
    state.start()
    return state


def settle(
    state: RunState, task: int, outcome: Outcome, took_s: float = 1.0, attempt: int = 1
) -> None:
    failure = NO_ROW if outcome is Outcome.FAILED else None
    state.handle(AttemptSettled(task, attempt, outcome, 10.0, 10.0 + took_s, 20.0, "w", failure))


def test_tasks_and_attempts_are_counted_as_they_end() -> None:
    state = state_of(*(TaskSpec(task_id=f"t{n}", retry=AGAIN) for n in range(4)))
    counter = RunCounter(state)
    assert counter.counts() == RunCounts(outstanding=4, total=4)
    settle(state, 0, Outcome.SUCCEEDED)
    settle(state, 1, Outcome.FAILED)
    settle(state, 2, Outcome.LOST)
    assert counter.counts() == RunCounts(1, 0, 2, 1, 2, retrying=2, last_end_at=20, total=4)
    settle(state, 1, Outcome.FAILED, attempt=2)
    settle(state, 3, Outcome.SUCCEEDED)
    expected = RunCounts(2, 1, retried=2, lost=1, retrying=1, last_end_at=20, total=4)
    assert counter.counts() == counter.counts() == expected
    assert RunCounter(state).counts() == expected


def test_an_attempt_that_was_handed_back_is_not_counted_as_retried() -> None:
    """Nothing failed: its worker did not serve the task, or had to leave."""
    state = state_of(TaskSpec(task_id="a"))
    counter = RunCounter(state)
    settle(state, 0, Outcome.HANDED_BACK)
    settle(state, 0, Outcome.SUCCEEDED, attempt=2)
    assert counter.counts() == RunCounts(1, last_end_at=20, total=1)


def test_what_waits_for_capacity_is_counted_by_queue() -> None:
    queues = ["cpu", "default", "cpu", "gpu", "default", "cpu"]
    specs = [TaskSpec(task_id=f"t{n}", queue=queue) for n, queue in enumerate(queues)]
    state = state_of(*specs, capacity=2)
    counter = RunCounter(state)
    ready = [task for task in range(6) if task in set(state.ready())]
    assert sum(counter.ready().values()) == len(ready) == 4
    assert counter.ready() == {
        queue: count
        for queue in ("cpu", "default", "gpu")
        if (count := sum(queues[task] == queue for task in ready))
    }
    state.handle(CancelRequested(1.0))
    assert counter.ready() == {}


def test_an_ended_run_says_its_first_failure_and_its_longest_task() -> None:
    state = state_of(TaskSpec(task_id="a"), TaskSpec(task_id="b"), TaskSpec(task_id="c"))
    settle(state, 0, Outcome.SUCCEEDED, took_s=2.5)
    settle(state, 1, Outcome.FAILED)
    settle(state, 2, Outcome.FAILED, took_s=2.0)
    assert end_details(state) == {"failure": "b: ValueError: no such row", "longest": "2.500 a"}


def test_a_cancelled_run_says_why_and_no_text_is_long() -> None:
    state = state_of(TaskSpec(task_id="a"))
    state.handle(CancelRequested(1.0, "x" * 10_000))
    [text] = end_details(state).values()
    assert text.startswith("the run was cancelled: xxx")
    assert len(text) == LONGEST_FAILURE


def test_what_pauses_hold_back_is_counted_by_queue() -> None:
    specs = [TaskSpec(task_id=f"t{n}", queue=queue) for n, queue in enumerate(["cpu", "io", "cpu"])]
    state = state_of(*specs, capacity=0)
    counter = RunCounter(state)
    assert counter.paused() == {}
    state.handle(RoutesChanged(Routes(choices=((), (0,)), alone=((), (0,)), of=(0, 1, 0))))
    assert (counter.ready(), counter.paused()) == ({"cpu": 2, "io": 1}, {"cpu": 2})


def test_children_are_counted_in_place_of_the_task_that_stands_for_them() -> None:
    axis = Axis((ListSource("list"),))
    listing = TaskSpec("list", watches=(Watch("length"),))
    parse = TaskSpec("parse", ("list",), axes=(axis,), on_failure="continue")
    state = state_of(listing, parse, TaskSpec("other"))
    counter = RunCounter(state)
    assert counter.counts().total == state.counts().total() == 3
    state.handle(AttemptSettled(0, 1, Outcome.SUCCEEDED, 1.0, 1.0, 1.0, "w", seen=(3,)))
    settle(state, 2, Outcome.SUCCEEDED)
    children = [task for task, _ in state.outstanding()]
    for task, outcome in zip(
        children, (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.SUCCEEDED), strict=True
    ):
        settle(state, task, outcome)
    counts, in_all = counter.counts(), state.counts()
    assert (counts.total, counts.succeeded, counts.failed) == (5, 4, 1)
    assert (in_all.total(), in_all[SUCCEEDED], in_all[FAILED]) == (5, 4, 1)
