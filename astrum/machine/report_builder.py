"""Builds the `ExecutionReport` from a run's events: pure, and the same in every process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, NamedTuple

from astrum.machine.clocks import on_one_clock
from astrum.machine.error_summary import ATTEMPT_STATUS, error_summary, failure_text
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.report import (
    ExecutionReport,
    ExecutionState,
    ReopenedStatistics,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.machine.state import RunState
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    FAILED,
    HELD,
    OUTSTANDING,
    SKIPPED,
    SUCCEEDED,
)
from astrum.planning.axes import condition_text
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.run_inputs import NO_INPUTS

_TASK_STATUS: dict[int, str] = {
    SUCCEEDED: "completed",
    FAILED: "failed",
    CANCELLED: "cancelled",
    SKIPPED: "skipped",
    BLOCKED: "blocked",
}
NOT_STARTED = "not started"
_needs = attrgetter("needs")


class RunTimes(NamedTuple):
    """The times at which the run was requested, its plan was ready, and it ended (or now).

    All are on one clock: that of the store, or of the process that runs everything.
    """

    started_at: float
    planned_at: float
    ended_at: float

    @property
    def total_s(self) -> float:
        """The duration of the run, with its planning."""
        return max(self.ended_at - self.started_at, 0.0)


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
    counts = state.counts()
    return ExecutionReport(
        total_start_time=times.started_at,
        total_end_time=times.ended_at,
        total_duration=times.total_s,
        planning_duration=max(times.planned_at - times.started_at, 0.0),
        execution_duration=max(times.ended_at - times.planned_at, 0.0),
        total_tasks=sum(counts.values()),
        total_stages=len(stages),
        max_parallelism=_max_parallelism(plan, levels),
        successful_tasks=counts[SUCCEEDED],
        failed_tasks=counts[FAILED],
        skipped_tasks=counts[SKIPPED],
        blocked_tasks=counts[BLOCKED],
        execution_state=ExecutionState((ended_as or "running") if is_led else "pending"),
        stage_statistics=stages,
        task_statistics=list(filter(None, tasks)),
        error_summary=error_summary(state),
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


class _Rows:
    """Makes the rows of a run's tasks, each with its attempts."""

    def __init__(self, state: RunState, times: RunTimes, *, is_over: bool) -> None:
        self.state = state
        self.is_over = is_over
        self.names = names = state.tasks.names()
        self.attempts: list[list[TaskAttemptStatistics]] = [[] for _ in names]
        attempts, specs, retried = self.attempts, state.tasks.specs, state.attempt_log.retried
        for event in on_one_clock(state.attempt_log.settled, state.tasks, times.planned_at):
            task = event.task
            rows, max_retries = attempts[task], specs[task].retry.max_retries
            rows.append(_attempt_row(len(rows) + 1, event, names[task], max_retries, retried))

    def row(self, task: int, spec: TaskSpec, stage_id: int) -> TaskExecutionStatistics:
        """Return the row of a task of the plan, or of a child."""
        state, rows = self.state, self.attempts[task]
        start, end = (rows[0].start_time, rows[-1].end_time) if rows else (0.0, 0.0)
        task_state = state.states[task]
        error = because = None
        reused_from = ""
        if task_state != SUCCEEDED:
            error = _error_message(state, task, rows, self.is_over)
            root = state.because(task)
            because = None if root is None else self.names[root]
        elif not rows:
            reused_from = state.attempt_log.reused.get(task, "")
        return TaskExecutionStatistics(
            self.names[task],
            stage_id,
            start,
            end,
            end - start if end > start else 0.0,
            _TASK_STATUS.get(task_state) or _unended_status(task_state, self.is_over),
            error,
            spec.retry.max_retries,
            len(rows),
            rows,
            because,
            reused_from=reused_from,
        )

    def mapped(self, task: int, spec: TaskSpec, stage_id: int) -> TaskExecutionStatistics:
        """Return the row of a mapped task, with those of its children."""
        own, tasks = self.row(task, spec, stage_id), self.state.tasks
        has_keys = any(axis.key is not None for axis in spec.axes)
        for child in tasks.children(task):
            row = self.row(child, spec, stage_id)
            row.index = tasks.index(child)
            row.key = tasks.key(child) if has_keys else ""
            own.children.append(row)
        ran = [row for row in own.children if row.attempt_count]
        own.attempt_count = sum(row.attempt_count for row in ran)
        own.start_time = min([row.start_time for row in ran], default=0.0)
        own.end_time = max([row.end_time for row in ran], default=0.0)
        own.duration = max(own.end_time - own.start_time, 0.0)
        if self.state.states[task] not in _TASK_STATUS:
            own.status = _worst_status(own.children, own.status)
        if own.error_message == NOT_STARTED and ran:
            own.error_message = None
        return own


_STATUSES = ("failed", "running", "held", "blocked", "cancelled")


def _worst_status(children: Sequence[TaskExecutionStatistics], own: str) -> str:
    """Return the status of a mapped task that has not ended as a whole."""
    statuses = {row.status for row in children}
    return next((status for status in _STATUSES if status in statuses), own)


def _all_task_statistics(
    state: RunState, levels: list[int], times: RunTimes, *, is_over: bool
) -> list[TaskExecutionStatistics | None]:
    """Tasks by number; a tail that still runs when the run is over is in ``tail_tasks`` only."""
    rows, states, roots = _Rows(state, times, is_over=is_over), state.states, state.tasks.roots
    return [
        (rows.mapped if task in roots else rows.row)(task, spec, levels[task])
        if spec.awaited or states[task] in _TASK_STATUS
        else None
        for task, spec in enumerate(state.plan.tasks)
    ]


def _unended_status(task_state: int, is_over: bool) -> str:
    if is_over:
        return "cancelled"
    if task_state == HELD:
        return "held"
    return "running" if task_state == OUTSTANDING else "pending"


def _error_message(
    state: RunState, task: int, rows: list[TaskAttemptStatistics], is_over: bool
) -> str | None:
    failure = state.attempt_log.failures.get(task)
    if failure is not None:
        return failure.summary
    if rows and rows[-1].error_message:
        return rows[-1].error_message
    root = state.because(task)
    if root is not None:
        return not_run_because(state, task, root)
    return NOT_STARTED if is_over and not rows else None


def not_run_because(state: RunState, task: int, root: int) -> str:
    """Return why a task ended without an attempt: what it needs failed or was skipped."""
    name = state.tasks.name(root)
    if state.states[root] == SUCCEEDED:
        return f"its condition {_conditions_text(state, task, root)!r} is not met"
    how = "failed" if state.states[root] == FAILED else _TASK_STATUS.get(state.states[root], "")
    return f"{name!r} {'was ' if how != 'failed' else ''}{how}"


def _conditions_text(state: RunState, task: int, root: int) -> str:
    """Return what the conditions of a task demand of the result of ``root``."""
    source, name = state.tasks.spec(root), state.tasks.name(root)
    return " and ".join(
        condition_text(name, source.watches[one.watch], one.value)
        for one in state.tasks.spec(task).conditions
        if one.source == source.task_id
    )


def _attempt_row(
    number: int,
    event: AttemptSettled,
    name: str,
    max_retries: int,
    retried: Mapping[tuple[int, int], int],
) -> TaskAttemptStatistics:
    task, attempt, outcome, start, end, recorded_at, worker_id, failure, _, blocked, *_ = event
    start, end = start or recorded_at, end or recorded_at
    return TaskAttemptStatistics(
        name,
        number,
        max_retries,
        start,
        end,
        end - start if end > start else 0.0,
        ATTEMPT_STATUS[outcome],
        failure_text(failure, blocked) if failure else None,
        (task, attempt) in retried if retried else False,
        worker_id,
        outcome is Outcome.TIMED_OUT,
        blocked,
        failure.traceback if failure else "",
        event.queued_s,
        event.prepared_s,
        event.code,
        event.log != b"",
    )


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
        (number,) = numbers
        spec, stat = plan.tasks[number], tasks[number]
        names, waits = [spec.task_id], list(spec.needs)
        start, end = (stat.start_time, stat.end_time) if stat and stat.attempt_count else (0.0, 0.0)
    else:
        specs = [plan.tasks[task] for task in numbers]
        ran = [stat for task in numbers if (stat := tasks[task]) and stat.attempt_count]
        names, waits = [spec.task_id for spec in specs], _once(map(_needs, specs))
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


def _once(names: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(names)))
