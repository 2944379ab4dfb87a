"""What runs again when an ended run is reopened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    Reopened,
    RetryFellDue,
    RetryHurried,
    RunState,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskState,
    WorkerReturned,
)
from astrum.machine.error_summary import error_summary
from astrum.planning import Plan, RetryPolicy, TaskSpec
from tests.unit.machine.events_of import A, B, C, D, end, fails, lost, plan, spec

DIAMOND = plan(spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c"))


def resumed(of: Plan, events: Sequence[Event]) -> tuple[RunState, list[Command]]:
    state = RunState(of, run_key="r")
    for event in events:
        state.handle(event)
    return state, state.start()


def reopen(*tasks: int) -> Reopened:
    return Reopened(tasks, 200.0, "ann@host:7")


def test_only_what_did_not_succeed_runs_again_and_attempts_go_on_counting() -> None:
    history: list[Event] = [end(A), fails(B), end(C, outcome=Outcome.CANCELLED)]
    assert resumed(DIAMOND, history)[1] == [Finish("failed")]
    state, commands = resumed(DIAMOND, [*history, reopen()])
    assert commands == [Dispatch(B, 2), Dispatch(C, 2)]
    assert state.attempt_log.failures == {}
    assert state.attempt_log.reopened == [reopen()]
    assert state.handle(end(B, 2)) == []
    assert state.handle(end(C, 2)) == [Dispatch(D, 1)]
    assert state.handle(end(D, 1)) == [Finish("completed")]
    assert len(state.attempt_log.settled) == 6


def test_the_summary_keeps_failures_that_were_before_a_retry() -> None:
    of = plan(spec("a", retry=RetryPolicy(1)), spec("b", "a"))
    state, _ = resumed(of, [fails(A), fails(A, 2), reopen()])
    before = [
        "task 'a' attempt 1 failed: ValueError: no; 0 retries left",
        "task 'a' attempt 2 failed: ValueError: no; the run was retried after that",
    ]
    assert error_summary(state) == before
    state.handle(fails(A, 3, at=300.0))
    again = ["task 'a' attempt 3 failed: ValueError: no; 0 retries left"]
    assert error_summary(state) == [*before, *again]
    state.handle(fails(A, 4, at=301.0))
    final = ["task 'a' failed: ValueError: no", "task 'a' exhausted its 1 retry"]
    assert error_summary(state) == [*before, *again, *final]


def test_a_failure_of_a_task_that_a_retry_leaves_out_is_listed_once() -> None:
    of = plan(spec("a"), spec("b"), spec("c", "a"), spec("d", "b"))
    state, _ = resumed(of, [fails(A), end(B, outcome=Outcome.CANCELLED), reopen(B)])
    assert error_summary(state) == ["task 'a' failed: ValueError: no"]


def test_a_named_task_runs_with_what_needs_it_and_the_rest_keeps_the_run_failed() -> None:
    of = plan(spec("a"), spec("b"), spec("c", "a"), spec("d", "b"))
    history: list[Event] = [fails(A), end(B, outcome=Outcome.CANCELLED)]
    state, commands = resumed(of, [*history, reopen(A)])
    assert commands == [Dispatch(A, 2)]
    assert state.handle(end(A, 2)) == [Dispatch(C, 1)]
    assert state.handle(end(C, 1)) == [Finish("failed")]
    assert state.states[D] == TaskState.CANCELLED


def test_what_was_left_out_runs_at_the_next_opening() -> None:
    of = plan(spec("a"), spec("b"), spec("c", "a"), spec("d", "b"))
    history: list[Event] = [fails(A), reopen(B), end(B, 1), end(D, 1), reopen()]
    state, commands = resumed(of, history)
    assert commands == [Dispatch(A, 2)]
    state.handle(end(A, 2))
    assert state.handle(end(C, 1)) == [Finish("completed")]


def test_a_named_task_runs_with_what_it_needs() -> None:
    state, commands = resumed(DIAMOND, [end(A), fails(B), reopen(D)])
    assert [command.task for command in commands if isinstance(command, Dispatch)] == [B, C]
    assert not state.stopping


def test_tasks_of_a_completed_run_run_again_with_all_that_needs_them() -> None:
    done = [end(A), end(B), end(C), end(D)]
    assert resumed(DIAMOND, done)[1] == [Finish("completed")]
    state, commands = resumed(DIAMOND, [*done, reopen(B)])
    assert commands == [Dispatch(B, 2)]
    assert state.states[C] == TaskState.SUCCEEDED
    assert state.handle(end(B, 2)) == [Dispatch(D, 2)]
    assert state.handle(end(D, 2)) == [Finish("completed")]


def test_budgets_are_new_after_a_reopening() -> None:
    of = plan(spec("a", retry=RetryPolicy(1, delay=5.0)))
    failed = [fails(A), fails(A, 2)]
    assert resumed(of, failed)[1] == [Finish("failed")]
    state, commands = resumed(of, [*failed, reopen()])
    assert commands == [Dispatch(A, 3)]
    assert isinstance(state.handle(fails(A, 3))[0], ScheduleRetry)
    quarantined = [lost(A), lost(A, 2), lost(A, 3)]
    state, commands = resumed(of, [*quarantined, reopen()])
    assert commands == [Dispatch(A, 4)]
    state.handle(WorkerReturned("w", 300.0))  # its losses are counted no more


def test_a_task_that_no_worker_served_runs_again() -> None:
    history: list[Event] = [end(A), TaskFoundUnserved(B, 9.0, "no worker serves it"), reopen()]
    state, commands = resumed(DIAMOND, history)
    assert commands == [Dispatch(B, 1), Dispatch(C, 1)]
    assert state.attempt_log.failures == {}


def test_a_cancelled_run_goes_on_and_forgets_the_reason() -> None:
    state, commands = resumed(DIAMOND, [end(A), CancelRequested(5.0, "no time"), reopen()])
    assert commands == [Dispatch(B, 1), Dispatch(C, 1)]
    assert state.attempt_log.stop_reason == ""


@pytest.mark.parametrize("history", [[], [end(A)]])
def test_an_open_run_is_not_reopened(history: list[Event]) -> None:
    assert resumed(DIAMOND, [*history, reopen()])[0].attempt_log.reopened == []


def test_a_hurried_retry_begins_at_once_and_its_timer_changes_nothing() -> None:
    of = plan(spec("a", retry=RetryPolicy(3, delay=60.0)), spec("b"))
    state = RunState(of, run_key="r")
    state.start()
    (due,) = state.handle(fails(A))
    assert isinstance(due, ScheduleRetry)
    assert state.handle(RetryHurried((A, B, 99), 101.0)) == [Dispatch(A, 2)]
    assert state.handle(RetryFellDue(A, 1)) == []
    assert resumed(of, [fails(A), RetryHurried((A,), 101.0)])[1] == [Dispatch(A, 2), Dispatch(B, 1)]


def picture(state: RunState) -> tuple[Any, ...]:
    log = state.attempt_log
    return (
        bytes(state.states),
        list(state.attempts),
        list(state._needs_left),
        state._awaited_left,
        state._ends_as,
        dict(log.failures),
        log.stop_reason,
    )


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 7))
    specs = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1))) if number else set()
        specs.append(
            TaskSpec(
                task_id=f"t{number}",
                needs=tuple(f"t{need}" for need in sorted(needs)),
                awaited=draw(st.booleans()) or number == 0,
            )
        )
    return Plan("test", tuple(specs))


@given(of=graphs(), data=st.data())
def test_over_any_history_of_openings_nothing_succeeds_twice_and_a_replay_is_the_same(
    of: Plan, data: st.DataObject
) -> None:
    """Runs that end in any way and are reopened until all has succeeded."""
    journal: list[Event] = []
    succeeded: set[int] = set()
    for opening in range(20):
        live, commands = resumed(of, journal)
        out = [c for c in commands if isinstance(c, Dispatch)]
        while live.finished is None:
            command = out.pop(data.draw(st.integers(0, len(out) - 1)))
            assert command.task not in succeeded
            assert all(need in succeeded for need in numbers(of, command.task))
            fine = opening > 10 or data.draw(st.integers(0, 3)) > 0
            outcome = Outcome.SUCCEEDED if fine else Outcome.FAILED
            if live.stopping:
                outcome = Outcome.CANCELLED
            event = end(command.task, command.attempt, outcome)
            journal.append(event)
            if outcome is Outcome.SUCCEEDED:
                succeeded.add(command.task)
            out += [c for c in live.handle(event) if isinstance(c, Dispatch)]
        for command in out:  # tail tasks that go on after the end of the run
            event = end(command.task, command.attempt, Outcome.SUCCEEDED)
            journal.append(event)
            succeeded.add(command.task)
        again, replay = RunState(of, run_key="r"), RunState(of, run_key="r")
        for each in journal:
            again.handle(each)
            replay.handle(each)
        assert picture(again) == picture(replay)
        left = again.tasks_to_run()
        if not left:
            break
        named = data.draw(st.sets(st.sampled_from(left), max_size=2))
        journal.append(Reopened(tuple(sorted(named)), 200.0))
    assert len(succeeded) == len(of.tasks)
    settled = [(e.task, e.attempt) for e in journal if isinstance(e, AttemptSettled)]
    assert len(set(settled)) == len(settled)


def numbers(of: Plan, task: int) -> list[int]:
    return [of.index[need] for need in of.tasks[task].needs]
