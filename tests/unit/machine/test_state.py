"""The state machine of a run: what starts, stops and ends it."""

from __future__ import annotations

from astrum.machine import (
    AttemptFoundOutstanding,
    CancelRequested,
    CapacityChanged,
    Dispatch,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunState,
    RunTimedOut,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskState,
)
from astrum.machine.events import Event
from astrum.planning import RetryPolicy
from tests.unit.machine.events_of import A, B, C, D, end, fails, plan, spec

# --- what starts when ------------------------------------------------------------------------


def test_an_empty_plan_is_completed_at_once() -> None:
    assert RunState(plan()).start() == [Finish("completed")]


def test_a_task_is_dispatched_as_soon_as_its_own_needs_are_done() -> None:
    state = RunState(plan(spec("a"), spec("b"), spec("c", "a"), spec("d", "a", "b")))
    assert state.start() == [Dispatch(A, 1), Dispatch(B, 1)]
    assert state.handle(end(A)) == [Dispatch(C, 1)]
    assert state.handle(end(B)) == [Dispatch(D, 1)]
    assert state.handle(end(C)) == []
    assert state.handle(end(D)) == [Finish("completed")]


def test_the_longest_remaining_path_goes_first() -> None:
    state = RunState(plan(spec("a"), spec("b"), spec("c", "b"), spec("d", "c"), limit=1))
    assert state.start() == [Dispatch(B, 1)]
    assert state.handle(end(B)) == [Dispatch(C, 1)]
    assert state.handle(end(C)) == [Dispatch(A, 1)], "plan order among equals"


def test_the_smaller_of_both_limits_holds() -> None:
    tasks = [spec(name) for name in "abcd"]
    assert len(RunState(plan(*tasks, limit=3), capacity=2).start()) == 2
    assert len(RunState(plan(*tasks, limit=2), capacity=3).start()) == 2
    assert len(RunState(plan(*tasks)).start()) == 4


def test_more_capacity_is_used_at_once_and_less_revokes_nothing() -> None:
    state = RunState(plan(spec("a"), spec("b"), spec("c")), capacity=1)
    state.start()
    assert state.handle(CapacityChanged(0, 2)) == [Dispatch(B, 1)]
    assert state.handle(CapacityChanged(0, 1)) == []
    assert state.handle(end(A)) == []
    assert state.handle(end(B)) == [Dispatch(C, 1)]


# --- the fence -------------------------------------------------------------------------------


def test_an_event_of_an_attempt_that_is_not_current_changes_nothing() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1)), spec("b", "a")))
    state.start()
    assert state.handle(fails(A)) == [Dispatch(A, 2)]
    for stale in (end(A, 1), fails(A, 1), end(A, 3), end(A, 0), end(-1, 2), end(9, 1)):
        assert state.handle(stale) == []
    assert len(state.attempt_log.settled) == 1
    assert state.handle(end(A, 2)) == [Dispatch(B, 1)]
    assert state.handle(end(A, 2)) == []


# --- the end ---------------------------------------------------------------------------------


def test_after_a_final_failure_nothing_starts_and_the_outstanding_is_revoked() -> None:
    state = RunState(plan(spec("a"), spec("b"), spec("c"), spec("d", "b"), limit=2))
    state.start()
    assert state.handle(fails(A)) == [Revoke(B, 1)]
    assert state.handle(end(B)) == [Finish("failed")]
    assert state.states[B] == TaskState.SUCCEEDED, "it was faster than its revocation"
    assert list(state.ready()) == [C, D]


def test_a_revoked_task_is_cancelled_and_not_tried_again() -> None:
    state = RunState(plan(spec("a"), spec("b", retry=RetryPolicy(3))))
    state.start()
    state.handle(fails(A))
    assert state.handle(end(B, 1, Outcome.CANCELLED)) == [Finish("failed")]
    assert state.states[B] == TaskState.CANCELLED


def test_a_failure_while_stopping_is_a_failure_without_a_retry() -> None:
    for outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        state = RunState(plan(spec("a"), spec("b", retry=RetryPolicy(3))))
        state.start()
        state.handle(fails(A))
        assert state.handle(end(B, 1, outcome)) == [Finish("failed")]
        assert state.states[B] == TaskState.FAILED


def test_a_retry_that_falls_due_while_stopping_is_forgotten() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1, delay=1.0)), spec("b")))
    state.start()
    state.handle(fails(A))
    assert state.handle(CancelRequested(100.0)) == [Revoke(B, 1)]
    assert state.handle(RetryFellDue(A, 1)) == []
    assert state.states[A] == TaskState.BACKING_OFF


def test_a_cancelled_run_ends_as_cancelled_and_says_why() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    assert state.handle(CancelRequested(100.0, "enough")) == [Revoke(A, 1)]
    assert state.handle(CancelRequested(100.0)) == []
    assert state.handle(end(A, 1, Outcome.CANCELLED)) == [Finish("cancelled")]
    assert state.attempt_log.stop_reason == "the run was cancelled: enough"


def test_a_run_that_takes_too_long_has_failed() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    assert state.handle(RunTimedOut(100.0, 2.5)) == [Revoke(A, 1)]
    assert state.handle(end(A, 1, Outcome.CANCELLED)) == [Finish("failed")]
    assert state.attempt_log.stop_reason == "the run took longer than its limit of 2.5 s"


def test_a_run_that_times_out_on_an_unserved_task_says_so() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    state.handle(RunTimedOut(100.0, 2.5, "no one serves a"))
    told = "the run took longer than its limit of 2.5 s: no one serves a"
    assert state.attempt_log.stop_reason == told


def test_an_unserved_task_fails_the_run() -> None:
    state = RunState(plan(spec("a"), spec("b")))
    state.start()
    assert state.handle(TaskFoundUnserved(A, 100.0, "no one")) == [Revoke(A, 1), Revoke(B, 1)]
    state.handle(end(A, 1, Outcome.CANCELLED))
    assert state.handle(end(B, 1, Outcome.CANCELLED)) == [Finish("failed")]
    assert [state.states[A], state.states[B]] == [TaskState.FAILED, TaskState.CANCELLED]


def test_a_ready_task_that_is_unserved_fails_without_having_run() -> None:
    state = RunState(plan(spec("a"), spec("b")), capacity=1)
    state.start()
    assert state.handle(TaskFoundUnserved(B, 100.0, "no one")) == [Revoke(A, 1)]
    assert state.handle(end(A)) == [Finish("failed")]
    assert state.states[B] == TaskState.FAILED


def test_a_task_that_waits_for_others_cannot_be_unserved() -> None:
    state = RunState(plan(spec("a"), spec("b", "a")))
    state.start()
    assert state.handle(TaskFoundUnserved(B, 100.0, "no one")) == []


def test_no_event_is_handled_after_the_end() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    state.handle(end(A))
    for late in (CancelRequested(1.0), RunTimedOut(1.0, 1.0), end(A), CapacityChanged(0, 3)):
        assert state.handle(late) == []
    assert state.finished == "completed"


# --- tails -----------------------------------------------------------------------------------


def test_a_tail_is_started_and_not_waited_for() -> None:
    state = RunState(plan(spec("a"), spec("b", "a", tail=True)))
    state.start()
    assert state.handle(end(A)) == [Dispatch(B, 1), Finish("completed")]


def test_a_failed_tail_fails_nothing() -> None:
    state = RunState(plan(spec("a"), spec("b", tail=True)))
    state.start()
    assert state.handle(fails(B)) == []
    assert state.handle(end(A)) == [Finish("completed")]


# --- history ---------------------------------------------------------------------------------


def test_events_before_the_start_give_no_commands_and_the_start_gives_those_that_are_left() -> None:
    tasks = plan(
        spec("a"), spec("b", "a"), spec("c", "a", retry=RetryPolicy(1, delay=5.0)), spec("d", "a")
    )
    state = RunState(tasks)
    history: list[Event] = [end(A), fails(C, at=100.0), AttemptFoundOutstanding(D, 1)]
    assert [state.handle(fact) for fact in history] == [[], [], []]
    assert state.start() == [ScheduleRetry(C, 1, 105.0, 5.0), Dispatch(B, 1)]


def test_a_run_that_was_stopping_goes_on_stopping() -> None:
    state = RunState(plan(spec("a"), spec("b"), spec("c")))
    for fact in (fails(A), AttemptFoundOutstanding(B, 1)):
        state.handle(fact)
    assert state.start() == [Revoke(B, 1)]
    assert state.handle(end(B, 1, Outcome.CANCELLED)) == [Finish("failed")]


def test_a_run_that_was_over_is_finished_again() -> None:
    state = RunState(plan(spec("a")))
    state.handle(end(A))
    assert state.start() == [Finish("completed")]


def test_a_cancellation_that_came_after_the_last_success_changes_nothing() -> None:
    state = RunState(plan(spec("a")))
    state.handle(end(A))
    state.handle(CancelRequested(101.0))
    assert state.start() == [Finish("completed")]


def test_an_unserved_task_that_was_found_outstanding_is_revoked() -> None:
    state = RunState(plan(spec("a")))
    state.handle(TaskFoundUnserved(A, 100.0, "no one"))
    state.handle(AttemptFoundOutstanding(A, 1))
    assert state.start() == [Revoke(A, 1)]
    assert state.handle(end(A, 1, Outcome.CANCELLED)) == [Finish("failed")]
    assert state.states[A] == TaskState.FAILED
