"""The report of a run from its columns, where its events are gone: without results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from astrum.machine.report import (
    ExecutionReport,
    ExecutionState,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.view.report.columns import RunColumns, beginning
from astrum.view.report.task_rows import WORST
from astrum.view.snapshot import RunSnapshot

_STATUS = {"timed out": "failed", "succeeded": "completed", "handed back": "handed_back"}
"""The status of attempts in reports, where it is not the outcome."""
_TRIED_AGAIN = ("failed", "lost", "handed_back")
_ATTEMPT = (
    *("number", "outcome", "worker", "failure", "blocked"),
    *("queued_at", "claimed_at", "started_at", "ended_at"),
)
MAX_LINES = 200


def snapshot_of(columns: RunColumns) -> RunSnapshot:
    """Return what `show` prints of a run by its columns."""
    run = columns["run"]
    report = report_of(columns)
    return RunSnapshot(
        report=report,
        unfinished=[],
        now=report.total_end_time,
        late_ends=run["late_ends"],
        submitted_by=run["submitted_by"] or "",
        labels=run["labels"],
        is_chronicle=True,
    )


def report_of(columns: RunColumns) -> ExecutionReport:
    """Return the report of a run by its columns.

    Times are whole ms. A failure has the message and traceback of the first one of its group.
    """
    return _Reporter(columns).report()


class _Reporter:
    """Makes the report of one run."""

    def __init__(self, columns: RunColumns) -> None:
        self._columns = columns
        self._strings = columns["strings"]
        self._tasks = columns["tasks"]
        self._names = [self._strings[name] for name in self._tasks["name"]]
        self._begin = beginning(columns)
        self._attempts: list[list[TaskAttemptStatistics]] = [[] for _ in self._names]
        for attempt, task in enumerate(columns["attempts"]["task"]):
            self._attempts[task].append(self._attempt(attempt, task))

    def report(self) -> ExecutionReport:
        """Return the report."""
        run, columns = self._columns["run"], self._columns
        counts, duration = run["counts"], run["duration_ms"] / 1000
        rows = [self._row(task) for task in range(len(self._names))]
        levels = range(max(self._tasks["level"], default=-1) + 1)
        members: list[list[int]] = [[] for _ in levels]
        for task, level in enumerate(self._tasks["level"]):
            members[level].append(task)
        reused = dict(columns["reused"])
        for task, run_id in reused.items():
            rows[task].reused_from = self._strings[run_id]
        return ExecutionReport(
            total_start_time=self._begin,
            total_end_time=self._begin + duration,
            total_duration=duration,
            planning_duration=0.0,
            execution_duration=duration,
            total_tasks=run["total_tasks"],
            total_stages=len(levels),
            max_parallelism=max(map(len, members), default=0),
            successful_tasks=counts["completed"],
            failed_tasks=counts["failed"],
            skipped_tasks=counts["skipped"],
            blocked_tasks=counts["blocked"],
            execution_state=ExecutionState(run["state"]),
            stage_statistics=[
                self._stage(level, rows, tasks) for level, tasks in enumerate(members)
            ],
            task_statistics=self._folded(rows),
            error_summary=self._errors(),
            original_tasks={},
            run_id=run["run_id"],
            reused_tasks=run["reused"],
            priority=run["priority"],
        )

    def _at(self, ms: int | None) -> float:
        return 0.0 if ms is None else self._begin + ms / 1000

    def _attempt(self, attempt: int, task: int) -> TaskAttemptStatistics:
        columns = self._columns["attempts"]
        row = {name: columns[name][attempt] for name in _ATTEMPT}
        outcome = self._columns["outcomes"][row["outcome"]]
        queued, claimed, start, end = (
            row[name] for name in ("queued_at", "claimed_at", "started_at", "ended_at")
        )
        failure = self._columns["failures"][row["failure"]] if row["failure"] >= 0 else None
        known = None not in (queued, claimed, start)
        return TaskAttemptStatistics(
            self._names[task],
            row["number"],
            0,
            self._at(start),
            self._at(end),
            0.0 if None in (start, end) else (end - start) / 1000,
            _STATUS.get(outcome, outcome),
            self._error(task, outcome, failure),
            False,
            self._worker(row["worker"]),
            outcome == "timed out",
            self._strings[row["blocked"]],
            "" if failure is None else failure["traceback"],
            (claimed - queued) / 1000 if known else 0.0,
            (start - claimed) / 1000 if known else 0.0,
        )

    def _error(self, task: int, outcome: str, failure: dict[str, Any] | None) -> str | None:
        if failure is not None:
            return _summary(failure)
        note = self._strings[self._tasks["note"][task]]
        return f"Skip: {note}" if outcome == "skipped" and note else None

    def _worker(self, worker: int) -> str:
        return "" if worker < 0 else self._strings[self._columns["workers"]["id"][worker]]

    def _row(self, task: int) -> TaskExecutionStatistics:
        attempts = self._attempts[task]
        status = self._columns["states"][self._tasks["state"][task]]
        for attempt in attempts[:-1]:
            attempt.will_retry = attempt.status in _TRIED_AGAIN
        start = attempts[0].start_time if attempts else 0.0
        end = attempts[-1].end_time if attempts else 0.0
        because = self._tasks["because"][task]
        return TaskExecutionStatistics(
            self._names[task],
            self._tasks["level"][task],
            start,
            end,
            max(end - start, 0.0),
            status,
            None if status == "completed" else self._message(task),
            0,
            len(attempts),
            attempts,
            self._names[because] if because >= 0 else None,
        )

    def _message(self, task: int) -> str | None:
        failure, note = self._tasks["failure"][task], self._strings[self._tasks["note"][task]]
        if failure >= 0:
            return _summary(self._columns["failures"][failure])
        attempts = self._attempts[task]
        return note or (attempts[-1].error_message if attempts else None)

    def _folded(self, rows: Sequence[TaskExecutionStatistics]) -> list[TaskExecutionStatistics]:
        """Put children below a row of their mapped task, at the place of the first of them."""
        families = self._columns["families"]
        parents: dict[int, TaskExecutionStatistics] = {}
        folded = []
        for task, row in enumerate(rows):
            family = self._tasks["family"][task]
            if not families["mapped"][family]:
                folded.append(row)
                continue
            if family not in parents:
                parents[family] = _parent(self._strings[families["name"][family]], row.stage_id)
                folded.append(parents[family])
            parents[family].children.append(row)
        for parent in parents.values():
            _sum_up(parent)
        return folded

    def _stage(
        self, level: int, rows: Sequence[TaskExecutionStatistics], tasks: Sequence[int]
    ) -> TaskStageStatistics:
        ran = [rows[task] for task in tasks if rows[task].attempt_count]
        start = min([row.start_time for row in ran], default=0.0)
        end = max([row.end_time for row in ran], default=0.0)
        names = [self._names[task] for task in tasks]
        took = max(end - start, 0.0)
        return TaskStageStatistics(
            level, f"stage {level}", start, end, took, len(names), 0, names, []
        )

    def _errors(self) -> list[str]:
        lines = []
        for task, failure in enumerate(self._tasks["failure"]):
            if failure >= 0:
                text = _summary(self._columns["failures"][failure])
                lines.append(f"task {self._names[task]!r} failed: {text}")
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"{len(lines) - MAX_LINES:,} more tasks failed"]
        reason = self._columns["run"]["reason"]
        return [*lines, reason] if reason else lines


def _parent(name: str, level: int) -> TaskExecutionStatistics:
    return TaskExecutionStatistics(name, level, 0.0, 0.0, 0.0, "completed")


def _sum_up(parent: TaskExecutionStatistics) -> None:
    ran = [row for row in parent.children if row.attempt_count]
    parent.attempt_count = sum(row.attempt_count for row in ran)
    parent.start_time = min([row.start_time for row in ran], default=0.0)
    parent.end_time = max([row.end_time for row in ran], default=0.0)
    parent.duration = max(parent.end_time - parent.start_time, 0.0)
    states = {row.status for row in parent.children}
    parent.status = next((state for state in WORST if state in states), "completed")


def _summary(failure: dict[str, Any]) -> str:
    kind = failure["type"].rpartition(".")[2]
    return f"{kind}: {failure['message']}" if failure["message"] else kind
