"""A run's report for people and for programs: tables, plain lines, JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astrum.planning.run_inputs import HIDDEN
from astrum.runtime.durations import duration_text
from astrum.runtime.visible_text import visible_name
from astrum_coordinator.display.short_values import short_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from astrum.machine import ExecutionReport, TaskAttemptStatistics, TaskExecutionStatistics
    from astrum.view import UnfinishedTask
    from astrum_coordinator.display.texts import PlainTable, Text

MAX_ROWS = 50
MAX_SUMMARY_LINES = 30
MAX_RESULTS = 20
"""The most results that are shown."""
MAX_CHILDREN = 3
"""Rows of children that a task shows at most, unless all are shown."""

STATUS_STYLE = {
    "completed": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "running": "cyan",
    "pending": "dim",
    "lost": "magenta",
    "unserved": "bold yellow",
    "paused": "bold yellow",
    "retrying": "magenta",
    "stalled": "bold yellow",
    "delayed": "dim",
    "held": "bold yellow",
    "blocked": "yellow",
    "skipped": "dim",
}
_WORST_FIRST = (
    *("failed", "held", "running", "unserved", "retrying", "queued", "ready"),
    *("blocked", "cancelled", "pending", "waiting", "skipped", "completed"),
)
_ORDER = {status: place for place, status in enumerate(_WORST_FIRST)}
_TO_BE_SEEN = ("failed", "held", "unserved", "retrying")
Places = Mapping[str, "UnfinishedTask"]
"""The states of the unfinished tasks, by task id."""
_SAID = {
    "cancelled": "was cancelled",
    "running": "is under way",
    "pending": "waits for a coordinator (serve leads it, and so does resume)",
}


def rate_text(rate: float) -> str:
    """Return a rate in ends per second, or per minute if it is low.

    >>> [rate_text(rate) for rate in (1234.5, 2.34, 0.05)]
    ['1,234 ends/s', '2.3 ends/s', '3.0 ends/min']
    """
    if rate >= 10:
        return f"{rate:,.0f} ends/s"
    return f"{rate:.1f} ends/s" if rate >= 0.95 else f"{rate * 60:.1f} ends/min"


def estimate_text(left_s: float, unknown: int = 0) -> str:
    """Return how long a run will still take, no finer than an estimate is.

    ``unknown`` tasks are not part of it.

    >>> [estimate_text(s) for s in (3, 42, 95, 5000)]
    ['about 5 s left', 'about 40 s left', 'about 2 min left', 'about 1 h 20 min left']
    >>> estimate_text(42, 1)
    'about 40 s left, and 1 task of unknown length'
    """
    if left_s < 57.5:
        text = f"{max(round(left_s / 5) * 5, 5)} s"
    elif left_s < 3570:
        text = f"{max(round(left_s / 60), 1)} min"
    else:
        hours, minutes = divmod(round(left_s / 600) * 10, 60)
        text = f"{hours:,} h" + (f" {minutes} min" if minutes and hours < 10 else "")
    more = f", and {count_text(unknown, 'task')} of unknown length" if unknown else ""
    return f"about {text} left{more}"


def count_text(count: int, noun: str) -> str:
    """Return a number and its noun in the right form.

    >>> count_text(1, "task"), count_text(1500, "task")
    ('1 task', '1,500 tasks')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def end_line(report: ExecutionReport, waits_until: float | None = None) -> str:
    """Return the one line that says how the run ended, or until when it waits."""
    counts = f"{report.successful_tasks:,} of {count_text(report.total_tasks, 'task')} succeeded"
    counts += f" ({report.reused_tasks:,} taken over)" if report.reused_tasks else ""
    took = duration_text(report.total_duration)
    name = f"run {report.run_id}" if report.run_id else "the run"
    failed = f", {report.failed_tasks:,} failed" if report.failed_tasks else ""
    left_out = (("skipped", report.skipped_tasks), ("blocked", report.blocked_tasks))
    cancelled = ("cancelled", _count(report, "cancelled"))
    others = (*left_out, cancelled, ("held", _count(report, "held")))
    stopped = "".join(f", {count:,} {word}" for word, count in others if count)
    if waits_until is not None and report.execution_state == "pending":
        return f"{name} {wait_text(waits_until)}: {counts}"
    return f"{name} {state_text(report.execution_state)}: {counts}{failed}{stopped}, {took}"


def _count(report: ExecutionReport, status: str) -> int:
    rows = (row for stat in report.task_statistics for row in stat.children or [stat])
    return sum(row.status == status for row in rows)


def state_text(state: str) -> str:
    """Return a run's state as part of a sentence: "was cancelled"."""
    return _SAID.get(state, str(state))


def summary_lines(report: ExecutionReport, said: Collection[str] = ()) -> list[str]:
    """Return the error summary without lines ``said`` before, cut to a readable length.

    Its end is kept, since it has the final failures.
    """
    lines = error_lines(report, said)
    left_out = len(lines) - MAX_SUMMARY_LINES
    if left_out <= 0:
        return lines
    return [f"... {left_out:,} earlier lines", *lines[left_out:]]


def error_lines(report: ExecutionReport, said: Collection[str] = ()) -> list[str]:
    """Return the error summary without lines ``said`` before, each of them on one line."""
    return [line for line in map(visible_name, report.error_summary) if line not in said]


def task_table(
    stats: Sequence[TaskExecutionStatistics],
    places: Places | None = None,
    limit: int | None = MAX_ROWS,
) -> Table:
    """Return a row per task: failures first, then unfinished tasks, at most ``limit`` rows.

    ``places`` are the states of the unfinished tasks. Children are folded under their task, which
    has their counts: those that failed first or are held have rows, all without a ``limit``.
    """
    from astrum_coordinator.display.texts import Text

    places = places or {}
    shown = [
        (stat, *children_to_see(stat, places, limit)) for stat in shown_tasks(stats, places, limit)
    ]
    rows = [row for stat, children, _ in shown for row in (stat, *children)]
    has_workers = any(_worker(stat, places) for stat in rows)
    columns = ("Task", "Status", "Attempts", "Duration", *(["Worker"] if has_workers else []), "")
    table = plain_table(*columns)
    for stat, children, left_out in shown:
        for row in (stat, *children):
            status = status_of(row, places)
            cells = [
                Text(task_text(row)),
                Text(status, STATUS_STYLE.get(status, "")),
                Text(f"{row.attempt_count:,}"),
                Text(duration_text(row.duration) if row.attempt_count else "-"),
                *([Text(_worker(row, places))] if has_workers else []),
                Text(_remark(row, places)),
            ]
            table.add_row(*cells)
        if left_out:
            table.add_row(Text(f"  ... and {left_out:,} more", "dim"))
    return table


def children_to_see(
    stat: TaskExecutionStatistics, places: Places, limit: int | None
) -> tuple[list[TaskExecutionStatistics], int]:
    """Return the children of a task that get rows, and how many like them do not.

    Without a ``limit`` all of them get one.
    """
    if limit is None:
        return stat.children, 0
    troubled = [row for row in stat.children if status_of(row, places) in _TO_BE_SEEN]
    shown = shown_tasks(troubled, places, MAX_CHILDREN)
    return shown, len(troubled) - len(shown)


def task_text(stat: TaskExecutionStatistics) -> str:
    """Return the name of a task as a table has it: with its number of children, or as a child."""
    if stat.children:
        return f"{stat.task_name} ×{len(stat.children):,}"
    return f"  {stat.task_name}" if stat.index else stat.task_name


def children_text(stat: TaskExecutionStatistics, places: Places) -> str:
    """Return how many children of a task are in which state: ``"97 completed, 3 failed"``."""
    counts = Counter(status_of(row, places) for row in stat.children)
    return ", ".join(
        f"{counts[status]:,} {status}" for status in reversed(_WORST_FIRST) if counts[status]
    )


def plain_table(*columns: str) -> PlainTable:
    """Return an empty table in the one style of this command line."""
    from astrum_coordinator.display.texts import PlainTable

    return PlainTable(*columns)


def status_of(stat: TaskExecutionStatistics, places: Places) -> str:
    """Return the state of a task, or how it ended.

    A mapped task of which no child runs has the state of its child that matters most.
    """
    place = places.get(stat.task_name)
    if place is not None:
        return place.state
    waits = [places[row.task_name].state for row in stat.children if row.task_name in places]
    if stat.status != "pending" or not waits:
        return stat.status
    return min(waits, key=lambda state: _ORDER.get(state, 0))


def shown_tasks(
    stats: Sequence[TaskExecutionStatistics],
    places: Places | None = None,
    limit: int | None = MAX_ROWS,
) -> list[TaskExecutionStatistics]:
    """Return the most important rows, the worst first, otherwise in plan order."""
    known = places or {}
    by_need = sorted(
        stats,
        key=lambda stat: (_ORDER.get(status_of(stat, known), 0), stat.attempt_count <= 1),
    )
    return by_need[:limit]


def _worker(stat: TaskExecutionStatistics, places: Places) -> str:
    place = places.get(stat.task_name)
    if place is not None:
        return place.worker_id
    return stat.attempt_statistics[-1].worker_id if stat.attempt_statistics else ""


def _remark(stat: TaskExecutionStatistics, places: Places) -> str:
    place = places.get(stat.task_name)
    if place is not None:
        return place.text
    if stat.children:
        return "; ".join(filter(None, (children_text(stat, places), _own_error(stat))))
    blocked = [row.blocked for row in stat.attempt_statistics if row.blocked]
    error = _first_line(stat.error_message or "", 80 if stat.index else 200)
    said = [error] if not blocked or blocked[-1] in error else [error, blocked[-1]]
    said += [f"taken over from run {stat.reused_from}"] if stat.reused_from else []
    said += [code_text(row) for row in stat.attempt_statistics[-1:]]
    return "; ".join(filter(None, said))


def _own_error(stat: TaskExecutionStatistics) -> str:
    """Return the error of a mapped task that is not that of one of its children."""
    error = _first_line(stat.error_message or "")
    return (
        "" if any(error == _first_line(row.error_message or "") for row in stat.children) else error
    )


def code_text(attempt: TaskAttemptStatistics) -> str:
    """Return which code ran an attempt, "" if it was that of the plan."""
    return f"ran code {attempt.code}, not the plan's" if attempt.code else ""


def _first_line(text: str, longest: int = 200) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= longest else line[: longest - 3] + "..."


def report_view(
    report: ExecutionReport,
    *,
    with_errors: bool = True,
    said: Collection[str] = (),
    targets: Sequence[str] = (),
) -> RenderableType:
    """Return the whole of a report for a terminal: tasks, errors, results, and the end line.

    Lines of the summary that were ``said`` before are left out. The results are of ``targets``.
    """
    from rich.console import Group

    from astrum_coordinator.display.texts import Text

    parts: list[RenderableType] = []
    if report.inputs:
        parts.append(Text(inputs_text(report.inputs), "dim"))
    if report.task_statistics:
        parts.append(task_table(report.task_statistics))
    left_out = len(report.task_statistics) - MAX_ROWS
    if left_out > 0:
        parts.append(Text(f"... and {left_out:,} more\n", "dim"))
    if with_errors:
        parts += [Text(line, "red") for line in summary_lines(report, said)]
    lines = result_lines(report, targets)
    parts += [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
    parts.append(end_text(report))
    return Group(*parts)


def result_lines(report: ExecutionReport, targets: Sequence[str]) -> list[str]:
    """Return the results of these tasks in a short line each; without those that are `None`."""
    results = report.task_return_set
    names = [name for name in targets if results.get(name) is not None]
    shown = names if len(names) <= MAX_RESULTS else names[: MAX_RESULTS - 1]
    lines = [f"result {visible_name(name)} = {short_text(results[name])}" for name in shown]
    left_out = len(names) - len(shown)
    return [*lines, f"... and {left_out:,} more results; --json has all"] if left_out else lines


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """Return the inputs of a run in one line each.

    >>> inputs_text({"day": dt.date(2026, 1, 2), "limit": 5})
    'input day = "2026-01-02"\\ninput limit = 5'
    """
    return "\n".join(f"input {name} = {value_text(value)}" for name, value in inputs.items())


def value_text(value: Any) -> str:
    """Return a value as JSON in one short line; what stands for a secret one stays as it is."""
    return value if isinstance(value, str) and value == HIDDEN else short_text(value)


def end_text(report: ExecutionReport, waits_until: float | None = None) -> Text:
    """Return the end line, coloured by how the run ended."""
    from astrum_coordinator.display.texts import Text

    return Text(end_line(report, waits_until), STATUS_STYLE.get(report.execution_state, ""))


def wait_text(until: float) -> str:
    """Return what a delayed run does, as part of a sentence."""
    return f"waits until {time_text(until)}"


def time_text(at: float | None) -> str:
    """Return seconds since the epoch as local date and time, ``-`` for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else "-"
