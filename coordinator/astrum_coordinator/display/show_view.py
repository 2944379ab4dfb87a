"""The output of ``show``: tasks and their states, tracebacks, errors, the end line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from astrum.errors import listed
from astrum.runtime.durations import duration_text
from astrum.view.task_log import left_out_logs_text
from astrum_coordinator.display.json_values import report_to_json, to_json
from astrum_coordinator.display.report_view import (
    MAX_ROWS,
    STATUS_STYLE,
    code_text,
    end_text,
    error_lines,
    inputs_text,
    plain_table,
    status_of,
    summary_lines,
    task_table,
    time_text,
)
from astrum_coordinator.display.tracebacks import MAX_TRACEBACKS, users_traceback

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from astrum.machine import ExecutionReport, TaskAttemptStatistics, TaskExecutionStatistics
    from astrum.machine.report import ReopenedStatistics
    from astrum.view import RunSnapshot, UnfinishedTask

MAX_RESULT_CHARS = 2_048
CHRONICLE_TEXT = "the results have expired; this is the chronicle of the run"
_NAMED = 8
_TROUBLED = ("failed", "retrying")
_UNDER_WAY = ("running", "queued", "unserved", "paused")
"""The states of a task of which an attempt may have been sent."""


class Chosen(NamedTuple):
    """The part of a run to show: one task, failed tasks, all, or the most important.

    Of the one task only one attempt is shown if that is named.
    """

    task_id: str | None = None
    failed: bool = False
    everything: bool = False
    attempt: int | None = None

    @property
    def is_part(self) -> bool:
        """True if other tasks are left out."""
        return self.task_id is not None or self.failed


def chosen_tasks(snapshot: RunSnapshot, chosen: Chosen) -> list[TaskExecutionStatistics]:
    """Return the statistics of the chosen tasks; a child is one if it is named, or has failed."""
    places = {task.task_id: task for task in snapshot.unfinished}
    stats = snapshot.report.task_statistics
    if chosen.is_part:
        stats = [row for stat in stats for row in (stat, *stat.children)]
    return [
        stat
        for stat in stats
        if chosen.task_id in (None, stat.task_name)
        and not (chosen.failed and (stat.children or status_of(stat, places) not in _TROUBLED))
    ]


def snapshot_to_json(snapshot: RunSnapshot, chosen: Chosen) -> dict[str, Any]:
    """Return the report as ``run --json`` prints it, with the chosen tasks and results only.

    While the run is open, ``unfinished_tasks`` has the state of each task that has not ended, and
    ``waits_until`` the time of a delayed start that has not come.
    ``is_chronicle``: the record has expired; this is its chronicle, without results.
    ``late_ends``, if there are any, counts the ends that workers reported after others had been
    recorded. ``logs_left_out``, if there are any, counts the logs that are not kept, and says since
    when and because of which limit.
    """
    report = report_to_json(snapshot.report)
    if snapshot.late_ends:
        report["late_ends"] = snapshot.late_ends
    if snapshot.is_chronicle:
        report["is_chronicle"] = True
    if snapshot.logs_left_out.attempts:
        report["logs_left_out"] = snapshot.logs_left_out._asdict()
    stats = chosen_tasks(snapshot, chosen)
    names = {row.task_name for stat in stats for row in (stat, *stat.children)}
    if chosen.is_part:
        report["task_statistics"] = [_stat_to_json(stat, chosen) for stat in stats]
    if snapshot.waits_until is not None:
        report["waits_until"] = snapshot.waits_until
    if snapshot.report.execution_state in ("running", "pending"):
        tasks = [t for t in snapshot.unfinished if t.task_id in names or not chosen.is_part]
        report["unfinished_tasks"] = [to_json(task) for task in tasks]
    return report


def _stat_to_json(stat: TaskExecutionStatistics, chosen: Chosen) -> Any:
    return to_json(replace(stat, attempt_statistics=attempts_of(stat, chosen)))


def snapshot_view(snapshot: RunSnapshot, chosen: Chosen) -> RenderableType:
    """Return the chosen view of a run, for a terminal or a pipe."""
    from rich.console import Group

    from astrum_coordinator.display.texts import Text

    stats = chosen_tasks(snapshot, chosen)
    inputs = {} if chosen.is_part else snapshot.report.inputs
    parts: list[RenderableType] = [Text(inputs_text(inputs), "dim")] if inputs else []
    parts += _table(snapshot, stats, chosen)
    if chosen.task_id is not None:
        parts += [table for stat in stats if (table := _attempts(snapshot, stat, chosen))]
    parts += _results(snapshot.report, [stat.task_name for stat in stats], chosen)
    parts += [Text(text) for text in _tracebacks(stats, chosen)]
    if not chosen.is_part:
        lines = (
            error_lines(snapshot.report) if chosen.everything else summary_lines(snapshot.report)
        )
        parts += [Text(line, "red") for line in lines]
        parts += [Text(text, "dim") for text in [origin_text(snapshot)] if text]
        parts += [Text(text, "dim") for text in [kept_text(snapshot)] if text]
        left_out = left_out_logs_text(snapshot.logs_left_out)
        parts += [Text(left_out, "yellow")] if left_out else []
    parts.append(end_text(snapshot.report, snapshot.waits_until))
    return Group(*parts)


def origin_text(snapshot: RunSnapshot) -> str:
    """Return who submitted a run, its priority and labels, and who retried it; "" of none."""
    labels = " ".join(f"{name}={value}" for name, value in sorted(snapshot.labels.items()))
    priority = snapshot.report.priority
    texts = (
        snapshot.submitted_by and f"submitted by {snapshot.submitted_by}",
        priority and f"priority {priority}",
        labels and f"labels: {labels}",
        *map(_reopening_text, snapshot.report.reopened),
    )
    return "; ".join(text for text in texts if text)


def kept_text(snapshot: RunSnapshot) -> str:
    """Return that this is a chronicle, or that an ended run will leave none; else ""."""
    if snapshot.is_chronicle:
        return CHRONICLE_TEXT
    from astrum.view.report.chronicle import unkept_text

    is_over = snapshot.report.execution_state not in ("running", "pending")
    return unkept_text(snapshot.report.total_tasks) if is_over else ""


def _reopening_text(reopened: ReopenedStatistics) -> str:
    by = f" by {reopened.by}" if reopened.by else ""
    named = f" ({listed(reopened.tasks, _NAMED)})" if reopened.tasks else ""
    return f"retried {time_text(reopened.at)}{by}{named}"


def _table(
    snapshot: RunSnapshot, stats: Sequence[TaskExecutionStatistics], chosen: Chosen
) -> list[RenderableType]:
    from astrum_coordinator.display.texts import Text

    if not stats:
        return [Text("no task failed")] if chosen.failed else []
    limit = None if chosen.everything else MAX_ROWS
    places = {task.task_id: task for task in snapshot.unfinished}
    parts: list[RenderableType] = [task_table(stats, places, limit)]
    left_out = 0 if limit is None else len(stats) - limit
    if left_out > 0:
        parts.append(Text(f"... and {left_out:,} more; --all shows them\n", "dim"))
    return parts


def _attempts(snapshot: RunSnapshot, stat: TaskExecutionStatistics, chosen: Chosen) -> Table | None:
    """Return one row per attempt, the one under way included, `None` if there is none."""
    from astrum_coordinator.display.texts import Text

    table = plain_table("Attempt", "Status", "Began", "Queued", "Transfer", "Run", "Worker", "")
    cells = [_ended_attempt(row) for row in attempts_of(stat, chosen)]
    under_way = [task for task in snapshot.unfinished if task.task_id == stat.task_name]
    for task in under_way:
        if chosen.attempt in (None, task.attempt) and task.state in _UNDER_WAY:
            cells.append(_attempt_under_way(task, snapshot.now))
    for number, status, *rest in cells:
        table.add_row(Text(number), Text(status, STATUS_STYLE.get(status, "")), *map(Text, rest))
    return table if cells else None


def attempts_of(stat: TaskExecutionStatistics, chosen: Chosen) -> list[TaskAttemptStatistics]:
    """Return the chosen attempts of a task that have ended."""
    rows = stat.attempt_statistics
    return [row for row in rows if chosen.attempt in (None, row.attempt_number)]


def _ended_attempt(row: TaskAttemptStatistics) -> tuple[str, ...]:
    blocked = row.blocked if row.blocked not in (row.error_message or "") else ""
    return (
        str(row.attempt_number),
        row.status,
        time_text(row.start_time),
        duration_text(row.queued_s),
        duration_text(row.prepared_s),
        duration_text(row.duration),
        row.worker_id,
        "; ".join(filter(None, (_first_line(row), blocked, code_text(row)))),
    )


def _attempt_under_way(task: UnfinishedTask, now: float) -> tuple[str, ...]:
    is_running = task.state == "running"
    since = "-" if task.since is None else time_text(task.since)
    age = "-" if task.since is None else duration_text(max(now - task.since, 0.0))
    ages = ("-", "-", age) if is_running else (age, "-", "-")
    return (str(task.attempt), str(task.state), since, *ages, task.worker_id, task.text)


def _first_line(row: TaskAttemptStatistics) -> str:
    return (row.error_message or "").partition("\n")[0]


def _results(report: ExecutionReport, names: Sequence[str], chosen: Chosen) -> list[RenderableType]:
    """Return the results of tasks that were read, each shortened, without their types' code."""
    from astrum_coordinator.display.texts import Text

    found = report.task_return_set
    head = "result" if chosen.task_id is not None else "result of {}"
    lines = [f"{head.format(repr(n))}: {result_text(found[n])}" for n in names if n in found]
    return [Text("\n".join(lines) + "\n")] if lines else []


def result_text(value: Any) -> str:
    """Return a value for people, cut to a readable length."""
    from astrum.values.opaque import plain_repr  # with it comes the codec, which is slow to import

    text = plain_repr(value)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    return f"{text[:MAX_RESULT_CHARS]}... ({len(text):,} characters; --json has all of them)"


def _tracebacks(stats: Sequence[TaskExecutionStatistics], chosen: Chosen) -> list[str]:
    """The tracebacks of failures: of each task's last attempt, or of all of one task's."""
    found = []
    for stat in [row for one in stats for row in (one, *one.children)]:
        rows = attempts_of(stat, chosen)
        if chosen.task_id is None:
            rows = rows[-1:] if stat.status == "failed" or chosen.failed else []
        for row in rows:
            text = users_traceback(row.traceback)
            if text:
                head = f"task {stat.task_name!r}, attempt {row.attempt_number}:"
                found.append(f"{head}\n{text.rstrip()}\n")
    limit = None if chosen.is_part or chosen.everything else MAX_TRACEBACKS
    left_out = 0 if limit is None else len(found) - limit
    more = [f"... and {left_out:,} more tracebacks; --failed shows them\n"] if left_out > 0 else []
    return found[:limit] + more
