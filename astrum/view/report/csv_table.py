"""A run as a table for spreadsheets: a row for each attempt, and for each task without any."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from astrum.view.report.columns import RunColumns

HEADINGS = (
    *("task", "state", "family", "queue", "note", "attempt", "outcome", "worker", "host"),
    *("queued_at", "claimed_at", "started_at", "ended_at"),
    *("queued_ms", "transfer_ms", "run_ms", "error", "blocked"),
)
_TIMES = ("queued_at", "claimed_at", "started_at", "ended_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_table(columns: RunColumns) -> str:
    """Return the table with its headings.

    What a spreadsheet would take for a formula has an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(_rows(columns))
    return out.getvalue()


def _rows(columns: RunColumns) -> Iterator[list[Any]]:
    attempts = columns["attempts"]
    of_task: dict[int, list[int]] = {}
    for attempt, task in enumerate(attempts["task"]):
        of_task.setdefault(task, []).append(attempt)
    for task in range(len(columns["tasks"]["name"])):
        first = _of_task(columns, task)
        for attempt in of_task.get(task, ()):
            yield [*first, *_of_attempt(columns, attempt)]
        if task not in of_task:
            yield [*first, *[""] * (len(HEADINGS) - len(first))]


def _of_task(columns: RunColumns, task: int) -> list[str]:
    strings, tasks = columns["strings"], columns["tasks"]
    family = columns["families"]["name"][tasks["family"][task]]
    return [
        _text(strings[tasks["name"][task]]),
        columns["states"][tasks["state"][task]],
        *(_text(strings[number]) for number in (family, tasks["queue"][task], tasks["note"][task])),
    ]


def _of_attempt(columns: RunColumns, attempt: int) -> list[Any]:
    strings, workers, attempts = columns["strings"], columns["workers"], columns["attempts"]
    names = ("number", "outcome", "worker", "failure", "blocked")
    number, outcome, worker, group, blocked = (attempts[name][attempt] for name in names)
    times = [attempts[name][attempt] for name in _TIMES]
    begin = dt.datetime.fromisoformat(columns["run"]["created_at"].replace("Z", "+00:00"))
    failure = columns["failures"][group] if group >= 0 else None
    error = "" if failure is None else f"{failure['type']}: {failure['message']}"
    return [
        number,
        columns["outcomes"][outcome],
        _text(strings[workers["id"][worker]]) if worker >= 0 else "",
        _text(strings[workers["host"][worker]]) if worker >= 0 else "",
        *("" if ms is None else _iso(begin, ms) for ms in times),
        *_spans(times),
        _text(error),
        _text(strings[blocked]),
    ]


def _spans(times: Sequence[int | None]) -> list[Any]:
    return ["" if a is None or b is None else b - a for a, b in pairwise(times)]


def _iso(begin: dt.datetime, ms: int) -> str:
    at = begin + dt.timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
