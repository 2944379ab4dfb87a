from __future__ import annotations

import pytest

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    CapacityChanged,
    Dispatch,
    Failure,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunState,
    RunTimedOut,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskState,
    WorkerReturned,
)
from astrum.machine.budgets import FEW_SUSPECTS, HAND_BACK_BUDGET
from astrum.machine.events import Event
from astrum.machine.failure import UNSERVED, VANISHED
from astrum.planning import Plan, RetryPolicy, TaskSpec

ORDINARY = Failure(("builtins.ValueError", "builtins.Exception"), "no")
A, B, C, D = range(4)


def plan(*specs: TaskSpec, limit: int | None = None) -> Plan:
    return Plan("test", specs, concurrency_limit=limit)


def spec(name: str, *needs: str, retry: RetryPolicy | None = None, tail: bool = False) -> TaskSpec:
    return TaskSpec(task_id=name, needs=needs, retry=retry or RetryPolicy(), awaited=not tail)


def end(
    task: int,
    attempt: int = 1,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    at: float = 100.0,
    shared: int = 1,
) -> AttemptSettled:
    failure = ORDINARY if outcome in (Outcome.FAILED, Outcome.TIMED_OUT) else None
    return AttemptSettled(task, attempt, outcome, at - 1, at, at, "w", failure, shared)


def fails(task: int, attempt: int = 1, *, at: float = 100.0) -> AttemptSettled:
    return end(task, attempt, Outcome.FAILED, at=at)


def lost(task: int, attempt: int = 1, *, at: float = 100.0, shared: int = 1) -> AttemptSettled:
    return end(task, attempt, Outcome.LOST, at=at, shared=shared)


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
    assert state.handle(CapacityChanged(2)) == [Dispatch(B, 1)]
    assert state.handle(CapacityChanged(1)) == []
    assert state.handle(end(A)) == []
    assert state.handle(end(B)) == [Dispatch(C, 1)]


# --- the fence -------------------------------------------------------------------------------


def test_an_event_of_an_attempt_that_is_not_current_changes_nothing() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1)), spec("b", "a")))
    state.start()
    assert state.handle(fails(A)) == [Dispatch(A, 2)]
    for stale in (end(A, 1), fails(A, 1), end(A, 3), end(A, 0), end(-1, 2), end(9, 1)):
        assert state.handle(stale) == []
    assert len(state.chronicle.settled) == 1
    assert state.handle(end(A, 2)) == [Dispatch(B, 1)]
    assert state.handle(end(A, 2)) == []


# --- budgets ---------------------------------------------------------------------------------


def test_a_raised_attempt_is_tried_again_as_often_as_the_user_allows() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(2))))
    state.start()
    assert state.handle(fails(A, 1)) == [Dispatch(A, 2)]
    assert state.handle(end(A, 2, Outcome.TIMED_OUT)) == [Dispatch(A, 3)]
    assert state.handle(fails(A, 3)) == [Finish("failed")]


def test_a_retry_with_a_delay_is_scheduled_from_the_recorded_end() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1, delay=5.0))))
    state.start()
    assert state.handle(fails(A, at=100.0)) == [ScheduleRetry(A, 1, 105.0, 5.0)]
    assert state.handle(RetryFellDue(A, 1)) == [Dispatch(A, 2)]
    assert state.handle(RetryFellDue(A, 1)) == []


def test_a_task_that_backs_off_frees_its_slot_for_another() -> None:
    tasks = plan(spec("a", retry=RetryPolicy(1, delay=5.0)), spec("b"), limit=1)
    state = RunState(tasks)
    state.start()
    assert state.handle(fails(A)) == [ScheduleRetry(A, 1, 105.0, 5.0), Dispatch(B, 1)]
    assert state.handle(RetryFellDue(A, 1)) == []
    assert state.handle(end(B)) == [Dispatch(A, 2)]


def test_jitter_is_drawn_from_the_run_key() -> None:
    def due_at(run_key: str) -> float:
        jittered = RetryPolicy(1, delay=100.0, jitter=1.0)
        state = RunState(plan(spec("a", retry=jittered)), run_key=run_key)
        state.start()
        [order] = state.handle(fails(A, at=0.0))
        assert isinstance(order, ScheduleRetry)
        return order.due_at

    assert due_at("one") == due_at("one")
    assert len({due_at(str(n)) for n in range(20)}) == 20
    assert all(0.0 <= due_at(str(n)) <= 100.0 for n in range(20))


def test_lost_attempts_are_tried_again_alone_and_later_until_the_task_is_quarantined() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(5))))
    state.start()
    assert state.handle(lost(A, 1)) == [ScheduleRetry(A, 1, 101.0, 1.0)]
    assert state.handle(RetryFellDue(A, 1)) == [Dispatch(A, 2, exclusive=True)]
    assert state.handle(lost(A, 2)) == [ScheduleRetry(A, 2, 102.0, 2.0)]
    state.handle(RetryFellDue(A, 2))
    assert state.handle(lost(A, 3)) == [Finish("failed")]
    assert "died 3 times" in state.chronicle.failures[A].message


def test_a_task_lost_once_among_many_is_not_suspected() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    state.handle(lost(A, 1, shared=FEW_SUSPECTS + 1))
    assert state.handle(RetryFellDue(A, 1)) == [Dispatch(A, 2, exclusive=False)]
    state.handle(lost(A, 2, shared=FEW_SUSPECTS + 1))
    assert state.handle(RetryFellDue(A, 2)) == [Dispatch(A, 3, exclusive=True)]


def test_an_attempt_lost_with_others_is_not_charged_for_them() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt in (1, 2, 3, 4):
        state.handle(lost(A, attempt, shared=2))
        assert state.handle(RetryFellDue(A, attempt)) == [Dispatch(A, attempt + 1, exclusive=True)]
    state.handle(lost(A, 5))
    assert state.handle(RetryFellDue(A, 5)) == [Dispatch(A, 6, exclusive=True)]
    assert state.handle(lost(A, 6)) == [Finish("failed")]


def test_a_task_that_kills_its_worker_with_others_and_then_alone_is_quarantined() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt, shared in ((1, 5), (2, 1)):
        state.handle(lost(A, attempt, shared=shared))
        assert state.handle(RetryFellDue(A, attempt)) == [Dispatch(A, attempt + 1, exclusive=True)]
    assert state.handle(lost(A, 3)) == [Finish("failed")]
    assert "died 3 times" in state.chronicle.failures[A].message


def test_a_worker_that_turns_out_to_be_alive_was_not_killed_by_its_tasks() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt in range(1, 9):
        state.handle(lost(A, attempt))
        assert list(state.lost_workers) == ["w"]
        assert state.handle(WorkerReturned("w", 100.0)) == []
        assert not state.lost_workers
        [order] = state.handle(RetryFellDue(A, attempt))
        assert order == Dispatch(A, attempt + 1, exclusive=True)
    for attempt in (9, 10):
        state.handle(lost(A, attempt))
        state.handle(RetryFellDue(A, attempt))
    assert state.handle(lost(A, 11)) == [Finish("failed")]


def test_a_lost_attempt_uses_no_retry_of_the_user() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1))))
    state.start()
    state.handle(lost(A, 1))
    state.handle(RetryFellDue(A, 1))
    assert state.handle(fails(A, 2)) == [Dispatch(A, 3, exclusive=True)]


def test_an_attempt_that_never_began_is_sent_again_at_once_and_not_counted() -> None:
    state = RunState(plan(spec("a", retry=RetryPolicy(1))))
    state.start()
    for attempt in range(1, 40):
        [order] = state.handle(end(A, attempt, Outcome.NEVER_BEGAN))
        expected = Dispatch(A, attempt + 1, skipped=attempt)
        assert order == expected
        assert expected.number == 1
    assert state.chronicle.settled == []
    [again] = state.handle(fails(A, 40))
    assert isinstance(again, Dispatch)
    assert (again.attempt, again.number) == (41, 2)
    assert state.handle(end(A, 41)) == [Finish("completed")]


def test_an_attempt_that_never_began_before_a_stop_did_not_start() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    state.handle(CancelRequested(1.0))
    assert state.handle(end(A, 1, Outcome.NEVER_BEGAN)) == [Finish("cancelled")]
    assert state.states[A] == TaskState.CANCELLED


def test_a_handed_back_attempt_is_not_charged_and_waits_longer_each_time() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    assert state.handle(end(A, 1, Outcome.HANDED_BACK)) == [Dispatch(A, 2)]
    waits = []
    for attempt in range(2, 12):
        [order] = state.handle(end(A, attempt, Outcome.HANDED_BACK, at=0.0))
        assert isinstance(order, ScheduleRetry)
        waits.append(order.due_at)
        state.handle(RetryFellDue(A, attempt))
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    assert state.states[A] == TaskState.OUTSTANDING


def handed_back(attempt: int, *types: str) -> AttemptSettled:
    why = Failure(types, "worker w is stopping") if types else None
    return end(A, attempt, Outcome.HANDED_BACK)._replace(failure=why)


@pytest.mark.parametrize("types", [(), ("astrum.WorkerStopping",)])
def test_a_task_that_workers_hand_back_again_and_again_fails_and_says_so(
    types: tuple[str, ...],
) -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt in range(1, HAND_BACK_BUDGET + 1):
        state.handle(handed_back(attempt, *types))
        state.handle(RetryFellDue(A, attempt))
        assert state.states[A] == TaskState.OUTSTANDING
    assert state.handle(handed_back(HAND_BACK_BUDGET + 1, *types)) == [Finish("failed")]
    assert "handed it back 101 times" in state.chronicle.failures[A].message


@pytest.mark.parametrize("kind", [UNSERVED, VANISHED])
def test_attempts_that_no_worker_claimed_are_not_counted_as_handed_back_too_often(
    kind: str,
) -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt in range(1, 3 * HAND_BACK_BUDGET):
        state.handle(handed_back(attempt, kind))
        state.handle(RetryFellDue(A, attempt))
    assert state.states[A] == TaskState.OUTSTANDING


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
    assert state.chronicle.stop_reason == "the run was cancelled: enough"


def test_a_run_that_takes_too_long_has_failed() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    assert state.handle(RunTimedOut(100.0, 2.5)) == [Revoke(A, 1)]
    assert state.handle(end(A, 1, Outcome.CANCELLED)) == [Finish("failed")]
    assert state.chronicle.stop_reason == "the run took longer than its limit of 2.5 s"


def test_a_run_that_times_out_on_an_unserved_task_says_so() -> None:
    state = RunState(plan(spec("a")))
    state.start()
    state.handle(RunTimedOut(100.0, 2.5, "no one serves a"))
    told = "the run took longer than its limit of 2.5 s: no one serves a"
    assert state.chronicle.stop_reason == told


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
    for late in (CancelRequested(1.0), RunTimedOut(1.0, 1.0), end(A), CapacityChanged(3)):
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
