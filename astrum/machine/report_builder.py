"""Builds the `ExecutionReport` from a run's events: pure, and the same in every process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from astrum.machine.clocks import on_one_clock
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.failure import Failure
from astrum.machine.report import (
    ExecutionReport,
    ExecutionState,
    ReopenedStatistics,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.machine.state import RunState
from astrum.machine.task_state import CANCELLED, FAILED, OUTSTANDING, SUCCEEDED
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.run_inputs import NO_INPUTS

_ATTEMPT_STATUS = {
    Outcome.SUCCEEDED: "completed",
    Outcome.FAILED: "failed",
    Outcome.LOST: "lost",
    Outcome.TIMED_OUT: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.HANDED_BACK: "handed_back",
}
_TASK_STATUS: dict[int, str] = {
    SUCCEEDED: "completed",
    FAILED: "failed",
    CANCELLED: "cancelled",
}
NOT_STARTED = "not started"


class RunTimes(NamedTuple):
    """The times at which the run was requested, its plan was ready, and it ended (or now).

    All are on one clock: that of the store, or of the process that runs everything.
    """

    started_at: float
    planned_at: float
    ended_at: float


def build_report(
    state: RunState,
    times: RunTimes,
    results: Mapping[str, Any],
    *,
    run_id: str = "",
    ended_as: str | None = None,
    is_led: bool = True,
    inputs: Mapping[str, Any] = NO_INPUTS,
    priority: int = 0,
) -> ExecutionReport:
    """Return the report of a run that is finished or under way.

    ``ended_as`` says how the run ended if that is known from elsewhere than its events. Without
    ``is_led`` the run is pending: it is open, and has no leader now. ``inputs`` are for people.
    """
    plan = state.plan
    levels = plan.levels
    ended_as = ended_as or state.finished
    tasks = _all_task_statistics(state, levels, times, is_over=ended_as is not None)
    stages = _stage_statistics(plan, levels, tasks)
    return ExecutionReport(
        total_start_time=times.started_at,
        total_end_time=times.ended_at,
        total_duration=max(times.ended_at - times.started_at, 0.0),
        planning_duration=max(times.planned_at - times.started_at, 0.0),
        execution_duration=max(times.ended_at - times.planned_at, 0.0),
        total_tasks=len(state.tasks),
        total_stages=len(stages),
        max_parallelism=_max_parallelism(plan, levels),
        successful_tasks=state.states.count(SUCCEEDED),
        failed_tasks=state.states.count(FAILED),
        execution_state=ExecutionState((ended_as or "running") if is_led else "pending"),
        stage_statistics=stages,
        task_statistics=[stat for stat in tasks if stat is not None],
        error_summary=_error_summary(state),
        original_tasks={spec.task_id: list(spec.needs) for spec in plan.tasks},
        tail_tasks=[spec.task_id for spec in plan.tasks if not spec.awaited],
        task_return_set=dict(results),
        run_id=run_id,
        inputs=dict(inputs),
        reused_tasks=len(state.attempt_log.reused),
        priority=priority,
        reopened=[
            ReopenedStatistics(event.at, event.by, [state.tasks.name(task) for task in event.tasks])
            for event in state.attempt_log.reopened
        ],
    )


def failed_planning_report(error: Exception, started_at: float, ended_at: float) -> ExecutionReport:
    """Return the report of a run that could not be planned."""
    duration = ended_at - started_at
    return ExecutionReport(
        total_start_time=started_at,
        total_end_time=ended_at,
        total_duration=duration,
        planning_duration=duration,
        execution_duration=0.0,
        total_tasks=0,
        total_stages=0,
        max_parallelism=0,
        successful_tasks=0,
        failed_tasks=0,
        execution_state=ExecutionState.FAILED,
        error_summary=[f"planning failed: {type(error).__name__}: {error}"],
    )


def _all_task_statistics(
    state: RunState, levels: list[int], times: RunTimes, *, is_over: bool
) -> list[TaskExecutionStatistics | None]:
    """Tasks by number; a tail that still runs when the run is over is in ``tail_tasks`` only."""
    log, states = state.attempt_log, state.states
    attempts: list[list[AttemptSettled] | None] = [None] * len(states)
    for event in on_one_clock(log.settled, state.tasks, times.planned_at):
        known = attempts[event.task]
        if known is None:
            attempts[event.task] = [event]
        else:
            known.append(event)
    return [
        _task_statistics(state, task, spec, levels[task], attempts[task] or (), is_over)
        if spec.awaited or states[task] in _TASK_STATUS
        else None
        for task, spec in enumerate(state.plan.tasks)
    ]


def _task_statistics(
    state: RunState,
    task: int,
    spec: TaskSpec,
    stage_id: int,
    attempts: Sequence[AttemptSettled],
    is_over: bool,
) -> TaskExecutionStatistics:
    task_id, max_retries, retried = spec.task_id, spec.retry.max_retries, state.attempt_log.retried
    rows: list[TaskAttemptStatistics] = []
    start = end = 0.0
    for event in attempts:
        rows.append(_attempt_statistics(len(rows) + 1, event, task_id, max_retries, retried))
    if rows:
        start, end = rows[0].start_time, rows[-1].end_time
    task_state = state.states[task]
    return TaskExecutionStatistics(
        task_id,
        stage_id,
        start,
        end,
        end - start if end > start else 0.0,
        _TASK_STATUS.get(task_state) or _unended_status(task_state, is_over),
        None if task_state == SUCCEEDED else _error_message(state, task, rows, is_over),
        max_retries,
        len(rows),
        rows,
        state.attempt_log.reused.get(task, ""),
    )


def _unended_status(task_state: int, is_over: bool) -> str:
    if is_over:
        return "cancelled"
    return "running" if task_state == OUTSTANDING else "pending"


def _error_message(
    state: RunState, task: int, rows: list[TaskAttemptStatistics], is_over: bool
) -> str | None:
    failure = state.attempt_log.failures.get(task)
    if failure is not None:
        return failure.summary
    if rows and rows[-1].error_message:
        return rows[-1].error_message
    return NOT_STARTED if is_over and not rows else None


def _attempt_statistics(
    number: int,
    event: AttemptSettled,
    task_id: str,
    max_retries: int,
    retried: Mapping[tuple[int, int], int],
) -> TaskAttemptStatistics:
    task, attempt, outcome, start, end, recorded_at, worker_id, failure, *_ = event
    blocked = event.blocked
    start, end = start or recorded_at, end or recorded_at
    return TaskAttemptStatistics(
        task_id,
        number,
        max_retries,
        start,
        end,
        end - start if end > start else 0.0,
        _ATTEMPT_STATUS[outcome],
        _failure_text(failure, blocked) if failure else None,
        (task, attempt) in retried if retried else False,
        worker_id,
        outcome is Outcome.TIMED_OUT,
        blocked,
        failure.traceback if failure else "",
        event.queued_s,
        event.prepared_s,
        event.code,
    )


def _failure_text(failure: Failure, blocked: str) -> str:
    return f"{failure.summary}; it {blocked}" if blocked else failure.summary


def _max_parallelism(plan: Plan, levels: list[int]) -> int:
    """Return the most tasks of any stage; each counts from its own to its first dependent's."""
    count = max(levels, default=-1) + 1
    changes = [0] * (count + 1)
    for level, dependents in zip(levels, plan.dependents, strict=True):
        changes[level] += 1
        if len(dependents) == 1:
            changes[levels[dependents[0]]] -= 1
        else:
            changes[min(map(levels.__getitem__, dependents)) if dependents else count] -= 1
    return max(accumulate(changes))


def _stage_statistics(
    plan: Plan, levels: list[int], tasks: list[TaskExecutionStatistics | None]
) -> list[TaskStageStatistics]:
    members: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
    for task, level in enumerate(levels):
        members[level].append(task)
    return [_stage(stage_id, numbers, plan, tasks) for stage_id, numbers in enumerate(members)]


def _stage(
    stage_id: int,
    numbers: list[int],
    plan: Plan,
    tasks: list[TaskExecutionStatistics | None],
) -> TaskStageStatistics:
    if len(numbers) == 1:  # a chain has as many stages as tasks
        spec = plan.tasks[numbers[0]]
        names, waits = [spec.task_id], list(spec.needs)
        stat = tasks[numbers[0]]
        start, end = (stat.start_time, stat.end_time) if stat and stat.attempt_count else (0.0, 0.0)
    else:
        specs = [plan.tasks[task] for task in numbers]
        ran = [stat for task in numbers if (stat := tasks[task]) and stat.attempt_count]
        names, waits = [spec.task_id for spec in specs], list(dict.fromkeys(_needs(specs)))
        start = min([stat.start_time for stat in ran], default=0.0)
        end = max([stat.end_time for stat in ran], default=0.0)
    return TaskStageStatistics(
        stage_id,
        f"stage {stage_id}",
        start,
        end,
        end - start,
        len(names),
        len(waits),
        names,
        waits,
    )


def _needs(specs: list[TaskSpec]) -> Iterator[str]:
    for spec in specs:
        yield from spec.needs


def _error_summary(state: RunState) -> list[str]:
    log = state.attempt_log
    numbers: Counter[int] = Counter()
    lines = []
    for event in log.settled if log.retried else ():
        numbers[event.task] += 1
        if log.was_retried(event):
            lines.append(_retried_line(state, event, numbers[event.task]))
    used = Counter(task for (task, _), left in log.retried.items() if left >= 0)
    for task, failure in log.failures.items():
        name, retries = state.tasks.name(task), state.tasks.spec(task).retry.max_retries
        lines.append(f"task {name!r} failed: {failure.summary}")
        if retries and used[task] >= retries:
            lines.append(f"task {name!r} exhausted its {_retries(retries)}")
    if log.stop_reason:
        lines.append(log.stop_reason)
    return lines


def _retried_line(state: RunState, event: AttemptSettled, number: int) -> str:
    name = state.tasks.name(event.task)
    failure = event.failure
    why = _failure_text(failure, event.blocked) if failure else _ATTEMPT_STATUS[event.outcome]
    left = state.attempt_log.retried[event.task, event.attempt]
    if event.outcome is Outcome.LOST:
        return f"task {name!r} attempt {number} was lost: {why}; no retry is charged"
    return f"task {name!r} attempt {number} failed: {why}; {_retries(left)} left"


def _retries(count: int) -> str:
    return "1 retry" if count == 1 else f"{count} retries"
