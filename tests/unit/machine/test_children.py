"""Lists that fail, growth, clean-up and release, one case each; and runs with 100,000 tasks."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    Released,
    Reopened,
    Revoke,
    RunState,
    TaskReused,
    TaskState,
)
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from tests.unit.machine.events_of import end, fails, lost

LENGTH = (Watch("length"),)
EACH = (Axis((ListSource("list"),)),)
MANY = 100_000


def started(*specs: TaskSpec, events: Sequence[Event] = (), most: int = 1000) -> RunState:
    state = RunState(Plan("test", specs, max_children=most), run_key="r")
    for event in events:
        state.handle(event)
    state.start()
    return state


def seen(task: int, *lengths: int) -> AttemptSettled:
    return end(task)._replace(seen=lengths)


def cancelled(task: int) -> AttemptSettled:
    return end(task, outcome=Outcome.CANCELLED)


def failing(**options: Any) -> tuple[TaskSpec, TaskSpec]:
    """A list, and a task with a child for each of its elements."""
    base = TaskSpec("parse", ("list",), axes=EACH)
    return TaskSpec("list", watches=LENGTH), base._replace(**options)


# --- lists that fail ------------------------------------------------------------------------


def test_a_list_that_fails_with_its_last_child_stops_the_run() -> None:
    state = started(*failing(max_failed=0))
    state.handle(seen(0, 2))
    state.handle(end(2))
    assert state.handle(fails(3)) == [Finish("failed")]


def test_a_list_that_fails_revokes_its_other_children_and_runs_none_of_them_again() -> None:
    specs = failing(max_failed=1, on_failure="ignore", at_once=3)
    state = started(*specs, TaskSpec("after", ("parse",), tolerant=("parse",)))
    state.handle(seen(0, 5))
    assert state.handle(fails(3)) == [Dispatch(6, 1)]
    assert state.handle(fails(4)) == [Revoke(5, 1), Revoke(6, 1)]
    assert state.states[7] == TaskState.CANCELLED
    assert state.handle(lost(5)) == []
    assert state.handle(cancelled(6)) == [Dispatch(2, 1)]
    assert state.handle(end(2)) == [Finish("completed")]


def test_children_that_fail_within_the_share_that_is_accepted_do_not_fail_the_run() -> None:
    state = started(*failing(max_failed=0.5))
    state.handle(seen(0, 4))
    for task in (2, 3):
        assert state.handle(fails(task)) == []
    state.handle(end(4))
    assert state.handle(end(5)) == [Finish("completed")]
    assert state.states[1] == TaskState.SUCCEEDED


def test_a_child_that_cleans_up_does_not_run_when_its_list_has_failed_and_the_run_stops() -> None:
    cleanup = TaskSpec("clean", ("list",), axes=EACH, always=True, max_failed=0, at_once=1)
    state = started(TaskSpec("list", watches=LENGTH), cleanup, TaskSpec("other"))
    state.handle(seen(0, 2))
    state.handle(fails(3))
    assert state.handle(fails(2)) == [Finish("failed")]
    assert state.attempts[4] == 0


# --- growth ---------------------------------------------------------------------------------


def test_lists_of_different_lengths_fail_the_later_producer() -> None:
    zipped = (Axis((ListSource("a"), ListSource("b"))),)
    both = TaskSpec("both", ("a", "b"), axes=zipped)
    state = started(TaskSpec("a", watches=LENGTH), TaskSpec("b", watches=LENGTH), both)
    state.handle(seen(1, 3))
    assert state.handle(seen(0, 2)) == [Finish("failed")]
    message = state.attempt_log.failures[0].message
    assert message == (
        "task 'both' goes through two lists together, but this one has 2 elements and that of "
        "task 'b' has 3"
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_product_with_too_many_children_fails_the_producer_of_its_last_list(
    order: tuple[int, int],
) -> None:
    axes = (Axis((ListSource("a"),)), Axis((ListSource("b"),)))
    product = TaskSpec("product", ("a", "b"), axes=axes)
    specs = (TaskSpec("a", watches=LENGTH), TaskSpec("b", watches=LENGTH), product)
    state = started(*specs, most=11)
    lengths = (4, 3)
    state.handle(seen(order[0], lengths[order[0]]))
    assert state.handle(seen(order[1], lengths[order[1]])) == [Finish("failed")]
    assert "would have 12 children, and at most 11" in state.attempt_log.failures[order[1]].message


def test_a_result_of_which_nothing_was_seen_fails_its_task() -> None:
    state = started(*failing())
    assert state.handle(end(0)) == [Finish("failed")]
    assert "older version" in state.attempt_log.failures[0].message


def test_a_seed_of_which_nothing_was_seen_runs() -> None:
    state = started(*failing(), events=[TaskReused(0, "earlier")])
    assert dict(state.outstanding()) == {0: 1}
    state = started(*failing(), events=[TaskReused(0, "earlier", seen=(2,))])
    assert dict(state.outstanding()) == {2: 1, 3: 1}


# --- clean-up -------------------------------------------------------------------------------

CLEAN = TaskSpec("clean", ("made", "work"), tolerant=("work",), always=True)
WORK = (TaskSpec("made"), TaskSpec("work", ("made",)), CLEAN)


def test_a_task_that_cleans_up_runs_after_a_stop_and_the_run_waits_for_it() -> None:
    state = started(*WORK, events=[end(0)])
    assert state.handle(CancelRequested(1.0)) == [Revoke(1, 1)]
    assert state.handle(cancelled(1)) == [Dispatch(2, 1)]
    assert state.handle(end(2)) == [Finish("cancelled")]


def test_a_task_that_cleans_up_is_skipped_if_what_it_requires_is_missing() -> None:
    state = started(*WORK)
    state.handle(CancelRequested(1.0))
    assert state.handle(cancelled(0)) == [Finish("cancelled")]
    assert state.states[2] == TaskState.SKIPPED


def test_clean_up_that_is_stopped_is_revoked() -> None:
    state = started(*WORK, events=[end(0), end(1), CancelRequested(1.0)])
    assert state.handle(CleanupStopped(2.0, "too long")) == [Revoke(2, 1)]
    assert state.handle(cancelled(2)) == [Finish("cancelled")]


def test_a_failed_clean_up_fails_a_run_that_would_be_complete() -> None:
    state = started(*WORK, events=[end(0), end(1)])
    assert state.handle(fails(2)) == [Finish("failed")]


def test_a_new_leader_does_not_clean_up_before_what_is_outstanding_has_ended() -> None:
    """What waited only for tasks that were cancelled leaves no trace before it has ended."""
    list_, parse = failing(max_failed=0, at_once=1, on_failure="continue")
    after = TaskSpec("after", ("parse",), tolerant=("parse",))
    clean = TaskSpec("clean", ("after",), tolerant=("after",), always=True)
    state = RunState(Plan("test", (list_, parse, after, clean)), run_key="r")
    for event in (seen(0, 2), fails(4), CancelRequested(1.0), AttemptFoundOutstanding(2, 1)):
        state.handle(event)
    assert state.start() == [Revoke(2, 1)]
    assert state.handle(cancelled(2)) == [Dispatch(3, 1)]


# --- tasks that are held --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "commands"),
    [("retry", [Dispatch(0, 2)]), ("fail", [Finish("failed")]), ("succeed", [Dispatch(1, 1)])],
)
def test_a_held_task_does_what_a_person_decides(how: str, commands: list[Command]) -> None:
    state = started(TaskSpec("pay", on_lost="hold"), TaskSpec("next", ("pay",)))
    assert state.handle(lost(0)) == []
    assert state.states[0] == TaskState.HELD
    assert state.handle(Released(0, how, 1.0)) == commands


def test_a_release_after_a_stop_changes_nothing() -> None:
    history: list[Event] = [lost(0), CancelRequested(1.0), Released(0, "succeed", 2.0)]
    state = started(TaskSpec("pay", on_lost="hold"), TaskSpec("next", ("pay",)), events=history)
    assert state.states[0] == TaskState.CANCELLED
    assert state.attempt_log.released == []


def test_a_release_with_a_result_that_has_no_list_fails_the_task() -> None:
    list_, parse = failing()
    state = started(list_._replace(on_lost="hold"), parse)
    state.handle(lost(0))
    assert state.handle(Released(0, "succeed", 1.0)) == [Finish("failed")]


# --- reopening ------------------------------------------------------------------------------


def test_a_task_that_was_cancelled_and_needs_a_skipped_one_does_not_fail_a_reopened_run() -> None:
    specs = (TaskSpec("a"), TaskSpec("b"), TaskSpec("c", ("a",)), TaskSpec("d", on_lost="fail"))
    skipped = end(0, outcome=Outcome.SKIPPED)
    history: list[Event] = [CancelRequested(1.0), skipped, cancelled(1), cancelled(3)]
    state = started(*specs, events=[*history, Reopened((), 2.0)])
    assert dict(state.outstanding()) == {1: 2, 3: 2}
    assert state.states[2] == TaskState.SKIPPED
    state.handle(end(1, 2))
    assert state.handle(end(3, 2)) == [Finish("completed")]


def test_a_mapped_task_without_children_is_reopened_by_its_name() -> None:
    list_, parse = failing()
    state = started(list_, parse, TaskSpec("x"), events=[fails(0), cancelled(2)])
    assert state.tasks_to_run([1]) == [0, 1]
    state = started(list_, parse, TaskSpec("x"), events=[fails(0), cancelled(2), Reopened((1,), 1)])
    assert state.handle(end(0, 2)._replace(seen=(1,))) == [Dispatch(3, 1)]
    assert state.handle(end(3)) == [Finish("failed")]
    assert state.states[2] == TaskState.CANCELLED


# --- many -----------------------------------------------------------------------------------


def run_out(state: RunState, commands: Sequence[Command], length: int = 0) -> RunState:
    """Let all attempts succeed, in the order of their dispatch."""
    left = deque(commands)
    while left:
        command = left.popleft()
        if isinstance(command, Dispatch):
            has_list = bool(state.tasks.spec(command.task).watches)
            event = end(command.task, command.attempt)._replace(seen=(length,) if has_list else ())
            left.extend(state.handle(event))
    assert state.finished == "completed"
    return state


def test_a_child_takes_less_than_a_kibibyte() -> None:
    plan = Plan("test", (*failing(), TaskSpec("total", ("parse",))))
    tracemalloc.start()
    try:
        state = RunState(plan, run_key="r", capacity=2_000)
        run_out(state, state.start(), 20_000)
        assert tracemalloc.get_traced_memory()[0] / 20_000 < 1024
    finally:
        tracemalloc.stop()


def test_the_end_of_the_first_of_a_long_chain_ends_all_of_it() -> None:
    chain = [TaskSpec("t0", on_failure="continue")]
    chain += [TaskSpec(f"t{n}", (f"t{n - 1}",)) for n in range(1, MANY)]
    state = RunState(Plan("test", tuple(chain)), run_key="r")
    state.start()
    assert state.handle(fails(0)) == [Finish("failed")]
    assert state.counts()[TaskState.BLOCKED] == MANY - 1


def test_a_run_is_resumed_in_the_middle_of_its_children() -> None:
    plan = Plan("test", (*failing(), TaskSpec("total", ("parse",))))
    events = [seen(0, MANY), *(end(3 + child) for child in range(MANY // 2))]
    state = RunState(plan, run_key="r", capacity=1)
    for event in events:
        state.handle(event)
    commands = state.start()
    assert commands == [Dispatch(3 + MANY // 2, 1)]
    run_out(state, commands)
