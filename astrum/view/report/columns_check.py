"""Checks that a map is the columns of a run: whatever wrote it, its readers can rely on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from astrum.errors import DecodeError
from astrum.machine.report import ExecutionState
from astrum.view.report.columns import FORMAT, RunColumns

_FAMILY_OF_FORMATS = FORMAT.partition("/")[0] + "/"
_ANY = None
"""The bound of numbers that name nothing."""
_END = 2**53
"""All numbers are below: JavaScript has no exact ones beyond it."""
_END_MS = 10**13
"""All times are below: 300 years."""
_YEARS = range(1970, 3000)
_STATES = tuple(ExecutionState)
_COUNTS = ("completed", "failed", "skipped", "blocked", "cancelled", "unfinished")
_TOTALS = ("run_ms", "transfer_ms", "queued_ms", "idle_ms", "lost_ms")
_TASKS: dict[str, tuple[int, str | None]] = {
    "name": (0, "strings"),
    "family": (0, "families"),
    "state": (0, "states"),
    "level": (0, "tasks"),
    "queue": (0, "strings"),
    "because": (-1, "tasks"),
    "failure": (-1, "failures"),
    "note": (0, "strings"),
}
_FAMILIES: dict[str, tuple[int, str | None]] = {
    "name": (0, "strings"),
    "count": (1, _ANY),
    "tasks": (0, "tasks"),
    "level": (0, "tasks"),
    "mapped": (0, _ANY),
}
_ATTEMPTS: dict[str, tuple[int, str | None]] = {
    "task": (0, "tasks"),
    "number": (1, _ANY),
    "outcome": (0, "outcomes"),
    "worker": (-1, "workers"),
    "failure": (-1, "failures"),
    "blocked": (0, "strings"),
    "lane": (-1, _ANY),
}
_WORKERS: dict[str, tuple[int, str | None]] = {
    "id": (0, "strings"),
    "host": (0, "strings"),
    "lanes": (0, "rows"),
}
_TIMES = ("queued_at", "claimed_at", "started_at", "ended_at")
_RUN: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("run_id", "namespace", "state", "created_at"), str),
    **dict.fromkeys(("duration_ms", "total_tasks", "taken_at", "late_ends", "reused"), int),
    **dict.fromkeys(("counts", "labels", "inputs"), dict),
    **dict.fromkeys(("submitted_by", "reason", "ended_at"), (str, type(None))),
    "priority": int,
}
_FAILURE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("type", "message", "traceback"), str),
    **dict.fromkeys(("count", "first_at", "last_at"), int),
    "tasks": list,
}
_OBJECTS = ("run", "tasks", "families", "attempts", "workers", "totals", "audit", "layout")
_LISTS = ("strings", "states", "outcomes", "failures", "path", "path_gain", "reused")


def checked_columns(data: Any, what: str) -> RunColumns:
    """Return ``data`` if it is the columns of a run; raises `DecodeError` that names ``what``.

    Members that are not known are ignored. Another version than `FORMAT` is refused.
    """
    known = data.get("format") if isinstance(data, dict) else None
    if isinstance(known, str) and known != FORMAT and known.startswith(_FAMILY_OF_FORMATS):
        raise DecodeError(
            f"{what} has the format {known[:40]!r}, which is of another version of Astrum: this "
            f"one reads {FORMAT!r}"
        )
    try:
        if known != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        _check(data)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DecodeError(f"{what} is damaged: {why}") from None
    checked: RunColumns = data
    return checked


def _check(data: dict[str, Any]) -> None:
    _check_kinds(data)
    sizes = {name: len(data[name]) for name in ("strings", "states", "outcomes", "failures")}
    for name, first in (("tasks", "name"), ("families", "name"), ("workers", "id")):
        sizes[name] = len(data[name][first])
    sizes["rows"] = len(data["attempts"]["task"]) + 1
    _check_run(data["run"])
    if data["run"]["total_tasks"] > sizes["tasks"]:
        raise ValueError("it has fewer tasks than it says")
    for row in data["failures"]:
        check_fields("a failure", row, _FAILURE)
        _check_numbers("the tasks of a failure", row["tasks"], 0, sizes["tasks"])
    for name, bounds in (("tasks", _TASKS), ("families", _FAMILIES), ("workers", _WORKERS)):
        check_columns(name, data[name], bounds, sizes, sizes[name])
    attempts = data["attempts"]
    check_columns("attempts", attempts, _ATTEMPTS, sizes, len(attempts["task"]))
    _check_times(attempts)
    _check_needs("tasks", data["tasks"]["needs"], sizes["tasks"])
    _check_needs("families", data["families"]["needs"], sizes["families"])
    _check_rest(data, sizes)


def _check_kinds(data: Mapping[str, Any]) -> None:
    for names, kind in ((_OBJECTS, dict), (_LISTS, list)):
        for name in names:
            if type(data[name]) is not kind:
                raise ValueError(f"{name} is not of type {kind.__name__}")
    check_fields("it", data, {"version": str})
    for name in ("strings", "states", "outcomes"):
        if not data[name] or not all(type(text) is str for text in data[name]):
            raise ValueError(f"{name} are not texts")


def _check_run(run: Mapping[str, Any]) -> None:
    check_fields("run", run, _RUN)
    if run["state"] not in _STATES:
        raise ValueError(f"no run has the state {run['state'][:40]!r}")
    numbers = (run["duration_ms"], run["total_tasks"], run["taken_at"], run["reused"])
    _check_numbers("run", (*numbers, run["late_ends"], *run["counts"].values()), 0, None)
    check_fields("run.counts", run["counts"], dict.fromkeys(_COUNTS, int))
    for texts in (run["labels"], run["inputs"]):
        if not all(type(text) is str for text in texts.values()):
            raise ValueError("its labels or inputs are not texts")
    for at in (run["created_at"], run["ended_at"]):
        if at is not None and not _is_moment(at):
            raise ValueError(f"{at[:40]!r} is not a moment")


def _is_moment(text: str) -> bool:
    at = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.tzinfo is not None and at.year in _YEARS


def check_fields(what: str, row: Any, fields: Mapping[str, type | tuple[type, ...]]) -> None:
    """Raise ``KeyError`` or ``ValueError`` if a row lacks one of these fields of these types."""
    for name, kinds in fields.items():
        if not isinstance(row[name], kinds) or isinstance(row[name], bool):
            raise ValueError(f"{name} of {what} has another type")


def check_columns(
    what: str,
    columns: Mapping[str, Any],
    bounds: Mapping[str, tuple[int, str | None]],
    sizes: Mapping[str, int],
    length: int,
) -> None:
    """Raise ``KeyError`` or ``ValueError`` if not all columns have ``length`` numbers in bounds.

    A bound is the least number, and in which of ``sizes`` all have to be below it.
    """
    for name, (least, of) in bounds.items():
        column = columns[name]
        if type(column) is not list or len(column) != length:
            raise ValueError(f"{what}.{name} has another length than the other columns")
        _check_numbers(f"{what}.{name}", column, least, None if of is None else sizes[of])


def _check_numbers(what: str, numbers: Iterable[Any], least: int, end: int | None) -> None:
    for number in numbers:
        if type(number) is not int or not least <= number < (_END if end is None else end):
            raise ValueError(f"{what} holds {str(number)[:40]}")


def _check_times(attempts: Mapping[str, Any]) -> None:
    for name in _TIMES:
        column = attempts[name]
        if type(column) is not list or len(column) != len(attempts["task"]):
            raise ValueError(f"attempts.{name} has another length than the other columns")
        _check_numbers(f"attempts.{name}", [ms for ms in column if ms is not None], 0, _END_MS)


def _check_needs(what: str, column: Any, count: int) -> None:
    """Check what each task or family needs, of so many there are."""
    what, end = f"{what}.needs", count + 1
    if type(column) is not list or len(column) != count:
        raise ValueError(f"{what} has another length than the other columns")
    for needs in column:
        for need in needs:
            if type(need) is not dict:
                _check_numbers(what, (need,), 0, count)
                continue
            first, size = need["r"]
            _check_numbers(what, (first, size, first + size), 0, end)


def _check_rest(data: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    tasks = sizes["tasks"]
    for segment in data["path"]:
        check_fields("the path", segment, {"kind": str, "task": int, "attempt": int})
        _check_numbers("the path", (segment["task"],), -1, tasks)
        _check_numbers("the path", (segment["begin"], segment["end"]), 0, None)
    for gain in data["path_gain"]:
        _check_numbers("path_gain", (gain["task"],), 0, tasks)
        _check_numbers("path_gain", (gain["saves_ms"],), 0, None)
    for task, run_id in data["reused"]:
        _check_numbers("reused", (task,), 0, tasks)
        _check_numbers("reused", (run_id,), 0, sizes["strings"])
    _check_numbers("totals", [data["totals"][name] for name in _TOTALS], 0, None)
    audit = data["audit"]
    for task, count in (*audit["twice"], *audit["handed_back"]):
        _check_numbers("audit", (task,), 0, tasks)
        _check_numbers("audit", (count, audit["late_ends"]), 0, None)
    for task, number, worker, _ in audit["losses"]:
        _check_numbers("audit", (task,), 0, tasks)
        _check_numbers("audit", (number,), 1, None)
        _check_numbers("audit", (worker,), -1, sizes["workers"])
    for axis in ("x", "y"):
        if len(data["layout"][axis]) != sizes["families"]:
            raise ValueError(f"layout.{axis} has another length than families")
