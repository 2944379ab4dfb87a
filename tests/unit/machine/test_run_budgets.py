"""Retries, lost workers and attempts handed back: what each costs a task."""

from __future__ import annotations

import pytest

from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Dispatch,
    Failure,
    Finish,
    Outcome,
    RetryFellDue,
    RunState,
    ScheduleRetry,
    TaskState,
    WorkerReturned,
)
from astrum.machine.budgets import FEW_SUSPECTS, HAND_BACK_BUDGET
from astrum.machine.failure import RESOURCE_FAILED, UNSERVED, VANISHED
from astrum.planning import RetryPolicy
from tests.unit.machine.events_of import A, B, end, fails, lost, plan, spec


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
    assert "died 3 times" in state.attempt_log.failures[A].message


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
    assert "died 3 times" in state.attempt_log.failures[A].message


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
        expected = Dispatch(A, attempt + 1, never_began=attempt)
        assert order == expected
        assert expected.try_number == 1
    assert state.attempt_log.settled == []
    [again] = state.handle(fails(A, 40))
    assert isinstance(again, Dispatch)
    assert (again.attempt, again.try_number) == (41, 2)
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
    assert "handed it back 101 times" in state.attempt_log.failures[A].message


@pytest.mark.parametrize("kind", [RESOURCE_FAILED, UNSERVED, VANISHED])
def test_attempts_that_no_worker_claimed_are_not_counted_as_handed_back_too_often(
    kind: str,
) -> None:
    state = RunState(plan(spec("a")))
    state.start()
    for attempt in range(1, 3 * HAND_BACK_BUDGET):
        state.handle(handed_back(attempt, kind))
        state.handle(RetryFellDue(A, attempt))
    assert state.states[A] == TaskState.OUTSTANDING
