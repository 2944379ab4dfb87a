"""The part of a report that needs no script: head, stages, failures and the slowest tasks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from astrum.errors import listed
from astrum.runtime.durations import duration_text
from astrum.runtime.visible_text import visible_name, visible_text
from astrum.view.report.columns import RunColumns
from astrum.view.report.comparing import Comparison
from astrum_coordinator.display.compare_view import CHANGE_COLUMNS, change_cells, head_text
from astrum_coordinator.display.report_view import state_text
from astrum_coordinator.display.tracebacks import users_traceback

MAX_FAMILIES = 200
MAX_FAILURES = 50
MAX_SLOWEST = 20


def plain_report(columns: RunColumns, found: Comparison | None = None) -> str:
    """Return the tables as HTML; all texts of the run are escaped, and shown as they are."""
    parts = [_head(columns), _families(columns), _failures(columns), _slowest(columns)]
    parts += [] if found is None else [_compared(found)]
    return "\n".join(part for part in parts if part)


def _head(columns: RunColumns) -> str:
    run = columns["run"]
    counts = [f"{count:,} {name}" for name, count in run["counts"].items() if count]
    told, took = ", ".join(counts), duration_text(run["duration_ms"] / 1000)
    after = f" after {took}" if run["ended_at"] else f" for {took}"
    lines = [
        f"{run['namespace']}: run {run['run_id']} {state_text(run['state'])}{after}",
        f"began {run['created_at']}; {run['total_tasks']:,} tasks: {told}",
    ]
    lines += [f"reason: {run['reason']}"] if run["reason"] else []
    title, *rest = (_escaped(line) for line in lines)
    return f"<h1>{title}</h1>\n" + "\n".join(f"<p>{line}</p>" for line in rest)


def _compared(found: Comparison) -> str:
    rows = [change_cells(row) for row in found.changed]
    title = f"<p>{_escaped(head_text(found))}</p>\n"
    return title + _table("What changed", CHANGE_COLUMNS, rows, MAX_FAMILIES)


def _families(columns: RunColumns) -> str:
    families, tasks = columns["families"], columns["tasks"]
    counts: list[dict[str, int]] = [{} for _ in families["name"]]
    for family, code in zip(tasks["family"], tasks["state"], strict=True):
        state = columns["states"][code]
        counts[family][state] = counts[family].get(state, 0) + 1
    rows = [
        (columns["strings"][name], str(level), f"{count:,}", _counts(states))
        for name, level, count, states in zip(
            families["name"], families["level"], families["count"], counts, strict=True
        )
    ]
    headings = ("Tasks", "Stage", "Count", "States")
    return _table("Stages", headings, rows, MAX_FAMILIES)


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in states.items())


def _failures(columns: RunColumns) -> str:
    names = columns["tasks"]["name"]
    parts = []
    groups = sorted(columns["failures"], key=lambda group: -group["count"])
    for group in groups[:MAX_FAILURES]:
        tasks = listed([columns["strings"][names[task]] for task in group["tasks"]], 5)
        text = f"{group['type']}: {group['message']}" if group["message"] else group["type"]
        parts.append(f"<h3>{group['count']:,} × {_escaped(text)}</h3>\n<p>{_escaped(tasks)}</p>")
        trace = users_traceback(group["traceback"])
        if trace:
            parts.append(f"<pre>{html.escape(visible_text(trace))}</pre>")
    left_out = len(groups) - MAX_FAILURES + columns.get("failures_left_out", 0)
    if len(groups) > MAX_FAILURES or columns.get("failures_left_out", 0):
        parts.append(f"<p>and {left_out:,} more</p>")
    return "\n".join(["<h2>Failures</h2>", *parts]) if parts else ""


def _slowest(columns: RunColumns) -> str:
    attempts, strings = columns["attempts"], columns["strings"]
    took = [
        (end - start, attempt)
        for attempt, (start, end) in enumerate(
            zip(attempts["started_at"], attempts["ended_at"], strict=True)
        )
        if start is not None and end is not None
    ]
    rows = []
    for ms, attempt in sorted(took, key=lambda one: (-one[0], one[1]))[:MAX_SLOWEST]:
        name = strings[columns["tasks"]["name"][attempts["task"][attempt]]]
        worker = attempts["worker"][attempt]
        where = strings[columns["workers"]["id"][worker]] if worker >= 0 else ""
        outcome = columns["outcomes"][attempts["outcome"][attempt]]
        number = str(attempts["number"][attempt])
        rows.append((name, number, outcome, duration_text(ms / 1000), where))
    headings = ("Task", "Attempt", "Outcome", "Duration", "Worker")
    return _table("Slowest attempts", headings, rows, MAX_SLOWEST)


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> str:
    if not rows:
        return ""
    lines = [f"<h2>{title}</h2>", "<table>", f"<thead>{_row('th', headings)}</thead>", "<tbody>"]
    lines += [_row("td", row) for row in rows[:limit]]
    lines += ["</tbody>", "</table>"]
    if len(rows) > limit:
        lines.append(f"<p>and {len(rows) - limit:,} more</p>")
    return "\n".join(lines)


def _row(tag: str, cells: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(cell)}</{tag}>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    return html.escape(visible_name(text))
