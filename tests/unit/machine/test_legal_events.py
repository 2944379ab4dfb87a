"""Which events change a task in which state: the table, the picture of it, and what happens."""

from __future__ import annotations

import re
from itertools import product
from typing import Any, get_args

import pytest

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptSettled,
    AttemptWithdrawn,
    CancelRequested,
    Event,
    Outcome,
    Released,
    RetryFellDue,
    RunState,
    TaskFoundUnserved,
    TaskReused,
    TaskState,
)
from astrum.machine import state as state_module
from astrum.machine.task_state import LEGAL, TaskEvent
from astrum.planning import Plan, RetryPolicy, TaskSpec

NEED, TASK, OTHER = range(3)
PLAN = Plan(
    "test",
    (
        TaskSpec(task_id="need"),
        TaskSpec(task_id="task", needs=("need",), retry=RetryPolicy(1, delay=5.0)),
        TaskSpec(task_id="other"),
    ),
)
EVENTS: dict[type, Any] = {
    AttemptFoundOutstanding: lambda attempt: AttemptFoundOutstanding(TASK, attempt + 1),
    AttemptSettled: lambda attempt: settled(TASK, attempt, Outcome.SUCCEEDED),
    AttemptWithdrawn: lambda attempt: AttemptWithdrawn(TASK, attempt),
    RetryFellDue: lambda attempt: RetryFellDue(TASK, attempt),
    Released: lambda _: Released(TASK, "retry", 9.0),
    TaskFoundUnserved: lambda attempt: TaskFoundUnserved(TASK, 9.0, "no worker serves it"),
    TaskReused: lambda attempt: TaskReused(TASK, "earlier"),
}
IN_HISTORY = (AttemptFoundOutstanding, TaskReused)


def settled(task: int, attempt: int, outcome: Outcome) -> AttemptSettled:
    return AttemptSettled(task, attempt, outcome, 1.0, 1.0, 1.0)


MET = settled(NEED, 1, Outcome.SUCCEEDED)
FIRST_FAILED = settled(TASK, 1, Outcome.FAILED)
HISTORIES: dict[TaskState, list[Event]] = {
    TaskState.WAITING: [],
    TaskState.READY: [MET],
    TaskState.OUTSTANDING: [MET, AttemptFoundOutstanding(TASK, 1)],
    TaskState.BACKING_OFF: [MET, FIRST_FAILED],
    TaskState.SUCCEEDED: [MET, settled(TASK, 1, Outcome.SUCCEEDED)],
    TaskState.FAILED: [MET, FIRST_FAILED, settled(TASK, 2, Outcome.FAILED)],
    TaskState.CANCELLED: [
        MET,
        AttemptFoundOutstanding(TASK, 1),
        CancelRequested(2.0),
        settled(TASK, 1, Outcome.CANCELLED),
    ],
    TaskState.SKIPPED: [settled(NEED, 1, Outcome.SKIPPED)],
    TaskState.BLOCKED: [settled(NEED, 1, Outcome.FAILED)],
    TaskState.HELD: [MET, settled(TASK, 1, Outcome.LOST)],
}
"""How a task gets into each state, while another one keeps the run open."""
GOES_ON = PLAN.tasks[NEED]._replace(on_failure="continue")
HOLDS = PLAN.tasks[TASK]._replace(on_lost="hold")
PLANS = {
    TaskState.BLOCKED: Plan("test", (GOES_ON, *PLAN.tasks[TASK:])),
    TaskState.HELD: Plan("test", (PLAN.tasks[NEED], HOLDS, PLAN.tasks[OTHER])),
}
"""The plans with the policies that lead to a state."""


def run_with_the_task(is_in: TaskState, *, started: bool) -> RunState:
    state = RunState(PLANS.get(is_in, PLAN), capacity=0)  # what is ready stays so
    for event in HISTORIES[is_in]:
        state.handle(event)
    state.handle(AttemptFoundOutstanding(OTHER, 1))
    if started:
        state.start()
    assert state.states[TASK] == is_in
    assert state.finished is None
    return state


def picture(state: RunState) -> tuple[Any, ...]:
    log = state.attempt_log
    seen = (bytes(state.states), list(state.attempts), state.outstanding_count, state.stopping)
    return (*seen, len(log.settled), dict(log.retried), dict(log.failures))


@pytest.mark.parametrize(("task_state", "kind"), list(product(TaskState, EVENTS)))
def test_an_event_changes_a_task_exactly_where_the_table_says_so(
    task_state: TaskState, kind: type[TaskEvent]
) -> None:
    state = run_with_the_task(task_state, started=kind not in IN_HISTORY)
    before = picture(state)
    state.handle(EVENTS[kind](state.attempts[TASK]))
    assert (picture(state) != before) == (kind in LEGAL[task_state])


@pytest.mark.parametrize("task_state", list(TaskState))
def test_dispatches_and_seeds_are_found_in_history_alone(task_state: TaskState) -> None:
    state = run_with_the_task(task_state, started=True)
    before = picture(state)
    state.handle(AttemptFoundOutstanding(TASK, state.attempts[TASK] + 1))
    state.handle(TaskReused(TASK, "earlier"))
    assert picture(state) == before


@pytest.mark.parametrize("kind", [AttemptSettled, AttemptWithdrawn, RetryFellDue])
@pytest.mark.parametrize("step", [-1, 1])
def test_an_event_about_another_attempt_changes_nothing(kind: type[TaskEvent], step: int) -> None:
    for task_state in TaskState:
        state = run_with_the_task(task_state, started=True)
        before = picture(state)
        state.handle(EVENTS[kind](state.attempts[TASK] + step))
        assert picture(state) == before


@pytest.mark.parametrize("number", [-1, len(PLAN.tasks)])
def test_an_event_about_no_task_of_the_run_changes_nothing(number: int) -> None:
    for kind in EVENTS:
        state = run_with_the_task(TaskState.OUTSTANDING, started=False)
        before = picture(state)
        state.handle(EVENTS[kind](1)._replace(task=number))
        assert picture(state) == before


def test_the_table_is_complete() -> None:
    assert list(LEGAL) == list(TaskState)
    assert frozenset().union(*LEGAL.values()) == frozenset(get_args(TaskEvent)) == EVENTS.keys()


def test_the_pictures_of_the_module_show_the_table_and_all_states() -> None:
    text = state_module.__doc__ or ""
    names = dict(TaskState.__members__)
    drawn, _, listed = text.partition("An event about a task")
    assert names.keys() == set(re.findall(r"\b[A-Z_]{4,}\b", drawn))
    rows = re.findall(r"^    (\w+) +([A-Z_, ]+)", listed, re.MULTILINE)
    told = {kind: {names[name] for name in re.findall(r"[A-Z_]+", states)} for kind, states in rows}
    assert told == {
        kind.__name__: {state for state in TaskState if kind in LEGAL[state]} for kind in EVENTS
    }
