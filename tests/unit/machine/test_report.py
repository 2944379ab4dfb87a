"""Reports of runs, built from the events of their tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    ExecutionReport,
    Failure,
    Outcome,
    RetryFellDue,
    RunState,
    RunTimes,
    build_report,
    failed_planning_report,
)
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.planning.execution_plan import build_execution_plan

TIMES = RunTimes(10.0, 12.0, 20.0)
BROKEN = Failure(("builtins.ValueError", "builtins.Exception"), "no such row")


def a_b_then_c(*, retries: int = 0) -> RunState:
    retry = RetryPolicy(retries)
    state = RunState(
        Plan(
            "test",
            (
                TaskSpec(task_id="a", retry=retry),
                TaskSpec(task_id="b", retry=retry),
                TaskSpec(task_id="c", needs=("a", "b"), retry=retry),
            ),
        )
    )
    state.start()
    return state


def end(
    state: RunState, task: int, attempt: int, outcome: Outcome, began: float, ended: float
) -> None:
    failure = BROKEN if outcome in (Outcome.FAILED, Outcome.TIMED_OUT) else None
    state.handle(AttemptSettled(task, attempt, outcome, began, ended, ended, "host:1", failure))


def report_of(state: RunState, **results: object) -> ExecutionReport:
    return build_report(state, TIMES, results, run_id="r1")


def completed() -> ExecutionReport:
    state = a_b_then_c()
    end(state, 0, 1, Outcome.SUCCEEDED, 12.0, 13.0)
    end(state, 1, 1, Outcome.SUCCEEDED, 12.0, 15.0)
    end(state, 2, 1, Outcome.SUCCEEDED, 15.0, 17.0)
    return report_of(state, a=1, b=2, c=3)


def test_the_report_of_a_completed_run_has_its_times_and_counts() -> None:
    report = completed()
    assert report.execution_state == "completed"
    assert (report.total_start_time, report.total_end_time) == (10.0, 20.0)
    assert report.planning_duration == 2.0
    assert report.execution_duration == 8.0
    assert report.total_duration == 10.0
    assert (report.total_tasks, report.successful_tasks, report.failed_tasks) == (3, 3, 0)
    assert report.task_return_set == {"a": 1, "b": 2, "c": 3}
    assert report.original_tasks == {"a": [], "b": [], "c": ["a", "b"]}
    assert report.error_summary == []
    assert report.tail_tasks == []
    assert report.run_id == "r1"


def test_the_stages_of_a_and_b_before_c() -> None:
    report = completed()
    assert (report.total_stages, report.max_parallelism) == (2, 2)
    first, second = report.stage_statistics
    assert (first.stage_id, first.parallel_tasks, first.wait_tasks) == (0, ["a", "b"], [])
    assert (first.start_time, first.end_time, first.duration) == (12.0, 15.0, 3.0)
    assert (second.stage_id, second.parallel_tasks, second.wait_tasks) == (1, ["c"], ["a", "b"])
    assert (second.parallel_task_count, second.wait_task_count) == (1, 2)
    assert [stat.task_name for stat in report.get_task_statistics_by_stage(0)] == ["a", "b"]


@given(st.lists(st.sets(st.integers(1, 6), max_size=3), max_size=9))
def test_parallelism_is_counted_as_the_plan_counts_it(distances: list[set[int]]) -> None:
    needs = {
        f"t{number}": tuple(sorted({f"t{number - d}" for d in back if d <= number}))
        for number, back in enumerate(distances)
    }
    specs = tuple(TaskSpec(task_id=name, needs=names) for name, names in needs.items())
    report = report_of(RunState(Plan("test", specs)))
    assert report.max_parallelism == build_execution_plan(needs).max_parallelism


def test_the_longest_task_and_the_average() -> None:
    report = completed()
    longest = report.get_longest_task()
    assert longest is not None
    assert longest.task_name == "b"
    assert report.get_average_task_duration() == pytest.approx(2.0)


def test_a_run_in_which_nothing_ran_has_no_longest_task() -> None:
    report = failed_planning_report(ValueError("cycle"), 1.0, 2.0)
    assert report.get_longest_task() is None
    assert report.get_average_task_duration() == 0.0
    assert report.error_summary == ["planning failed: ValueError: cycle"]
    assert report.execution_state == "failed"


def test_each_retried_attempt_is_reported_with_the_retries_left() -> None:
    state = a_b_then_c(retries=2)
    end(state, 0, 1, Outcome.FAILED, 12.0, 13.0)
    end(state, 0, 2, Outcome.TIMED_OUT, 13.0, 14.0)
    end(state, 0, 3, Outcome.FAILED, 14.0, 15.0)
    end(state, 1, 1, Outcome.CANCELLED, 12.0, 15.0)
    report = report_of(state)
    assert report.error_summary == [
        "task 'a' attempt 1 failed: ValueError: no such row; 1 retry left",
        "task 'a' attempt 2 failed: ValueError: no such row; 0 retries left",
        "task 'a' failed: ValueError: no such row",
        "task 'a' exhausted its 2 retries",
    ]


def test_the_attempts_of_a_failed_run_are_reported_one_by_one() -> None:
    state = a_b_then_c(retries=1)
    end(state, 0, 1, Outcome.TIMED_OUT, 12.0, 13.0)
    end(state, 0, 2, Outcome.FAILED, 13.0, 14.0)
    end(state, 1, 1, Outcome.CANCELLED, 12.0, 15.0)
    report = report_of(state)
    a, b, c = report.task_statistics
    assert report.execution_state == "failed"
    assert (a.status, a.attempt_count, a.retry, a.duration) == ("failed", 2, 1, 2.0)
    assert a.error_message == "ValueError: no such row"
    first, second = a.attempt_statistics
    assert (first.attempt_number, first.max_retries, first.duration) == (1, 1, 1.0)
    assert (first.status, first.timed_out, first.will_retry) == ("failed", True, True)
    assert (second.status, second.timed_out, second.will_retry) == ("failed", False, False)
    assert (first.worker_id, first.task_name) == ("host:1", "a")
    assert (b.status, b.attempt_count, b.error_message) == ("cancelled", 1, None)
    assert (c.status, c.attempt_count, c.error_message) == ("cancelled", 0, "not started")
    assert (report.failed_tasks, report.successful_tasks) == (1, 0)


def test_a_loss_is_reported_and_charges_no_retry() -> None:
    state = a_b_then_c(retries=1)
    end(state, 0, 1, Outcome.LOST, 12.0, 13.0)
    report = report_of(state)
    assert report.error_summary == ["task 'a' attempt 1 was lost: lost; no retry is charged"]
    assert report.task_statistics[0].attempt_statistics[0].status == "lost"
    assert report.execution_state == "running"


def test_attempts_that_never_began_are_not_reported_and_not_counted() -> None:
    state = a_b_then_c(retries=1)
    end(state, 0, 1, Outcome.NEVER_BEGAN, 0.0, 0.0)
    end(state, 0, 2, Outcome.FAILED, 12.0, 13.0)
    end(state, 0, 3, Outcome.NEVER_BEGAN, 0.0, 0.0)
    end(state, 0, 4, Outcome.SUCCEEDED, 13.0, 14.0)
    report = report_of(state)
    a = report.task_statistics[0]
    assert [row.attempt_number for row in a.attempt_statistics] == [1, 2]
    assert [row.will_retry for row in a.attempt_statistics] == [True, False]
    assert (a.attempt_count, a.start_time, a.end_time) == (2, 12.0, 14.0)
    assert report.error_summary == [
        "task 'a' attempt 1 failed: ValueError: no such row; 0 retries left"
    ]


def test_a_handed_back_attempt_is_not_an_error() -> None:
    state = a_b_then_c()
    end(state, 0, 1, Outcome.HANDED_BACK, 12.0, 13.0)
    end(state, 1, 1, Outcome.CANCELLED, 12.0, 13.0)  # by a leader that died before it said why
    report = report_of(state)
    assert report.error_summary == []
    assert report.task_statistics[0].attempt_statistics[0].status == "handed_back"


def test_the_report_of_an_open_run_has_its_running_and_waiting_tasks() -> None:
    state = a_b_then_c()
    end(state, 0, 1, Outcome.SUCCEEDED, 12.0, 13.0)
    statuses = [stat.status for stat in report_of(state).task_statistics]
    assert statuses == ["completed", "running", "pending"]


def test_a_cancelled_run_says_so() -> None:
    state = a_b_then_c()
    state.handle(CancelRequested(12.5, "by hand"))
    for task in (0, 1):
        end(state, task, 1, Outcome.CANCELLED, 12.0, 13.0)
    report = report_of(state)
    assert report.execution_state == "cancelled"
    assert report.error_summary == ["the run was cancelled: by hand"]


def test_a_tail_is_reported_only_when_it_has_ended() -> None:
    tail = TaskSpec(task_id="t", awaited=False)
    state = RunState(Plan("test", (TaskSpec(task_id="a"), tail)))
    state.start()
    end(state, 0, 1, Outcome.SUCCEEDED, 12.0, 13.0)
    report = report_of(state)
    assert report.tail_tasks == ["t"]
    assert [stat.task_name for stat in report.task_statistics] == ["a"]
    assert report.total_tasks == 2


def test_a_resumed_run_reports_all_its_attempts() -> None:
    plan = Plan("test", (TaskSpec(task_id="a", retry=RetryPolicy(2, delay=1.0)),))
    first = AttemptSettled(0, 1, Outcome.FAILED, 1.0, 2.0, 2.0, "w1", BROKEN)
    state = RunState(plan)
    state.handle(first)
    state.start()
    state.handle(RetryFellDue(0, 1))
    end(state, 0, 2, Outcome.SUCCEEDED, 3.0, 4.0)
    [stat] = report_of(state).task_statistics
    assert [row.attempt_number for row in stat.attempt_statistics] == [1, 2]
    assert stat.status == "completed"
    assert stat.error_message is None


def test_an_attempt_that_blocked_the_event_loop_says_so_however_it_ended() -> None:
    state = a_b_then_c(retries=1)
    blocked = "blocked the event loop for 14.2 s at pdf.py:88 in parse"
    for task, outcome, failure in ((0, Outcome.SUCCEEDED, None), (1, Outcome.FAILED, BROKEN)):
        state.handle(
            AttemptSettled(task, 1, outcome, 12.0, 13.0, 13.0, "w", failure, blocked=blocked)
        )
    report = report_of(state)
    [well], [badly] = (stat.attempt_statistics for stat in report.task_statistics[:2])
    assert (well.blocked, well.error_message) == (blocked, None)
    assert (badly.blocked, badly.error_message) == (
        blocked,
        f"ValueError: no such row; it {blocked}",
    )
    assert report.error_summary == [
        f"task 'b' attempt 1 failed: ValueError: no such row; it {blocked}; 0 retries left"
    ]
