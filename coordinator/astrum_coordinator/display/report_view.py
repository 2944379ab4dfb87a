"""A run's report for people and for programs: tables, plain lines, JSON."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import math
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from astrum.planning.run_inputs import HIDDEN

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from astrum.machine import ExecutionReport, TaskAttemptStatistics, TaskExecutionStatistics
    from astrum.view import UnfinishedTask

MAX_ROWS = 50
MAX_SUMMARY_LINES = 30
MAX_DEPTH = 50
MAX_REPR_CHARS = 2_000
MAX_VALUE_CHARS = 100

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
}
_ORDER = {
    status: place
    for place, status in enumerate(
        ("failed", "running", "unserved", "retrying", "queued", "ready", "cancelled", "pending")
    )
} | {"waiting": 8, "completed": 9}
Places = Mapping[str, "UnfinishedTask"]
"""The states of the unfinished tasks, by task id."""
_SAID = {
    "cancelled": "was cancelled",
    "running": "is under way",
    "pending": "waits for a coordinator (serve leads it, and so does resume)",
}


def duration_text(seconds: float) -> str:
    """Return a duration with the unit that suits it.

    >>> [duration_text(s) for s in (0.0042, 3.14159, 65, 7380)]
    ['4 ms', '3.1 s', '1 min 05 s', '2 h 03 min']
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


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
    others = {
        "failed": report.failed_tasks,
        "skipped": report.skipped_tasks,
        "blocked": report.blocked_tasks,
        "cancelled": _cancelled_tasks(report),
    }
    rest = "".join(f", {count:,} {status}" for status, count in others.items() if count)
    if waits_until is not None and report.execution_state == "pending":
        return f"{name} {wait_text(waits_until)}: {counts}"
    return f"{name} {state_text(report.execution_state)}: {counts}{rest}, {took}"


def _cancelled_tasks(report: ExecutionReport) -> int:
    return sum(
        one.status == "cancelled"
        for stat in report.task_statistics
        for one in (stat.children or (stat,))
    )


def state_text(state: str) -> str:
    """Return a run's state as part of a sentence: "was cancelled"."""
    return _SAID.get(state, str(state))


def summary_lines(report: ExecutionReport, said: Collection[str] = ()) -> list[str]:
    """Return the error summary without lines ``said`` before, cut to a readable length.

    Its end is kept, since it has the final failures.
    """
    lines = [line for line in report.error_summary if line not in said]
    left_out = len(lines) - MAX_SUMMARY_LINES
    if left_out <= 0:
        return lines
    return [f"... {left_out:,} earlier lines", *lines[left_out:]]


def task_table(
    stats: Sequence[TaskExecutionStatistics],
    places: Places | None = None,
    limit: int | None = MAX_ROWS,
) -> Table:
    """Return a row per task: failures first, then unfinished tasks, at most ``limit`` rows.

    ``places`` are the states of the unfinished tasks.
    """
    from rich.text import Text

    places = places or {}
    shown = shown_tasks(stats, places, limit)
    has_workers = any(_worker(stat, places) for stat in shown)
    columns = ("Task", "Status", "Attempts", "Duration", *(["Worker"] if has_workers else []), "")
    table = plain_table(*columns)
    for stat in shown:
        status = status_of(stat, places)
        cells = [
            Text(stat.task_name),
            Text(status, STATUS_STYLE.get(status, "")),
            Text(str(stat.attempt_count)),
            Text(duration_text(stat.duration) if stat.attempt_count else "-"),
            *([Text(_worker(stat, places))] if has_workers else []),
            Text(_remark(stat, places)),
        ]
        table.add_row(*cells)
    return table


def plain_table(*columns: str) -> Table:
    """Return an empty table in the one style of this command line."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def status_of(stat: TaskExecutionStatistics, places: Places) -> str:
    """Return the state of a task, or how it ended."""
    place = places.get(stat.task_name)
    return stat.status if place is None else place.state


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
    blocked = [row.blocked for row in stat.attempt_statistics if row.blocked]
    error = _first_line(stat.error_message or "")
    said = [error] if not blocked or blocked[-1] in error else [error, blocked[-1]]
    said += [f"taken over from run {stat.reused_from}"] if stat.reused_from else []
    said += [code_text(row) for row in stat.attempt_statistics[-1:]]
    return "; ".join(filter(None, said))


def code_text(attempt: TaskAttemptStatistics) -> str:
    """Return which code ran an attempt, "" if it was that of the plan."""
    return f"ran code {attempt.code}, not the plan's" if attempt.code else ""


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 200 else line[:197] + "..."


def report_view(
    report: ExecutionReport, *, with_errors: bool = True, said: Collection[str] = ()
) -> RenderableType:
    """Return the whole of a report for a terminal: tasks, error summary, and the end line.

    Lines of the summary that were ``said`` before are left out.
    """
    from rich.console import Group
    from rich.text import Text

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
    parts.append(end_text(report))
    return Group(*parts)


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """Return the inputs of a run in one line each.

    >>> inputs_text({"day": dt.date(2026, 1, 2), "limit": 5})
    'input day = "2026-01-02"\\ninput limit = 5'
    """
    return "\n".join(f"input {name} = {value_text(value)}" for name, value in inputs.items())


def value_text(value: Any) -> str:
    """Return a value as JSON in one short line; what stands for a secret one stays as it is."""
    text = value if value == HIDDEN else json.dumps(to_json(value), ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 3] + "..."


def end_text(report: ExecutionReport, waits_until: float | None = None) -> Text:
    """Return the end line, coloured by how the run ended."""
    from rich.text import Text

    return Text(end_line(report, waits_until), STATUS_STYLE.get(report.execution_state, ""))


# --- JSON -----------------------------------------------------------------------------------


def report_to_json(report: ExecutionReport) -> dict[str, Any]:
    """Return all fields of a report as a value for JSON; see `to_json` for the results."""
    fields = {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name != "run_id"
    }
    return {"run_id": report.run_id, **{name: to_json(value) for name, value in fields.items()}}


def to_json(value: Any, depth: int = 0) -> Any:
    """Convert any value to a value for JSON: readable, but it cannot be converted back.

    Dataclasses, named tuples and pydantic models become objects, dates ISO strings, bytes base64,
    numbers that JSON lacks strings; any other object becomes its ``repr``. Keys become
    strings. A dict of which two keys would become the same string becomes a list of pairs.

    >>> to_json({"at": dt.date(2026, 1, 2), "of": (1, {b"x"})})
    {'at': '2026-01-02', 'of': [1, ['eA==']]}
    >>> to_json({1: "a", 2: "b"}), to_json({1: "a", "1": "b"})
    ({'1': 'a', '2': 'b'}, [[1, 'a'], ['1', 'b']])
    """
    if depth > MAX_DEPTH:
        return _repr(value)
    try:
        return _to_json(value, depth)
    except Exception:  # a value of the user's own class may raise at any access
        return _repr(value)


def _to_json(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return to_json(value.value, depth + 1)
    if value is None or isinstance(value, (bool, int, str)):
        return value if type(value) in (bool, str, type(None)) else _plain(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    parts = _parts(value)
    if isinstance(parts, Mapping):
        return _mapping(parts, depth)
    if parts is not None:
        return [to_json(item, depth + 1) for item in parts]
    shown = _of_opaque(value)
    return _text(value) if shown is None else to_json(shown, depth + 1)


def _of_opaque(value: Any) -> Any:
    """Return the parts of a value whose type is not here, `None` for others."""
    from astrum.values.opaque import Opaque  # it imports the codec, which is slow

    if not isinstance(value, Opaque):
        return None
    if not value.is_member:
        return value.fields
    plain = value.fields.get("value")
    return value.fields["name"] if plain is None else plain


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    number = int(value)
    try:
        str(number)
    except ValueError:  # Python writes, and reads, only so many digits
        return hex(number)
    return number


def _mapping(parts: Mapping[Any, Any], depth: int) -> Any:
    items = [(key, to_json(item, depth + 1)) for key, item in parts.items()]
    named = {_key(key): item for key, item in items}
    if len(named) == len(items):
        return named
    return [[to_json(key, depth + 1), item] for key, item in items]


def _parts(value: Any) -> Mapping[Any, Any] | Iterable[Any] | None:
    """Return the parts of a value, `None` if it has none."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name, None) for name in names}
    if hasattr(type(value), "model_fields") and hasattr(value, "__dict__"):
        return {**value.__dict__, **(getattr(value, "__pydantic_extra__", None) or {})}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, (list, tuple, deque)):
        return value
    if isinstance(value, AbstractSet):
        return sorted(value, key=_repr)
    return None


def _key(key: Any) -> str:
    return key if type(key) is str else str(to_json(key))


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    return _repr(value)


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # the user's __repr__ may raise anything
        return f"<{type(value).__name__}, its __repr__ raised {type(error).__name__}>"
    return text if len(text) <= MAX_REPR_CHARS else text[:MAX_REPR_CHARS] + "..."


def wait_text(until: float) -> str:
    """Return what a delayed run does, as part of a sentence."""
    return f"waits until {time_text(until)}"


def time_text(at: float | None) -> str:
    """Return seconds since the epoch as local date and time, ``-`` for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else "-"
