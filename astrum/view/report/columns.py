"""The shape of a run as columns: its tasks, attempts, failures and workers, in `FORMAT`.

Reports, exports and the chronicle are made of it. It is one map of lists, numbers and texts that
any serializer takes; docs/schemas/run-1.json describes it. All times are integer ms since the run
began, `None` where they are not known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrum.machine.report_builder import not_run_because
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
from astrum.view.report.attempt_columns import OUTCOMES, AttemptColumns, OpenAttempt
from astrum.view.report.audit import audit_of, totals_of
from astrum.view.report.critical_path import CriticalPath, Gain, Segment, shortened
from astrum.view.report.failure_groups import FailureGroups
from astrum.view.report.families import FamilyMember, families_of
from astrum.view.report.layout import layout
from astrum.view.report.log_rows import RunLogs, ShownLogs
from astrum.view.report.needs import Needs, ShownTasks, Span
from astrum.view.report.run_head import RunHead
from astrum.view.report.strings import Strings

FORMAT = "astrum.run/1"
STATES = (
    *("completed", "failed", "skipped", "blocked", "cancelled"),
    *("waiting", "ready", "retrying", "queued", "running", "unserved", "paused", "held", "pending"),
)
"""The states of tasks; the numbers of the format are places in this list."""
_CODE = {name: code for code, name in enumerate(STATES)}
_ENDED = {
    SUCCEEDED: _CODE["completed"],
    FAILED: _CODE["failed"],
    SKIPPED: _CODE["skipped"],
    BLOCKED: _CODE["blocked"],
    CANCELLED: _CODE["cancelled"],
}
_COUNTED = ("completed", "failed", "skipped", "blocked", "cancelled")

RunColumns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenTasks:
    """The tasks of an open run that have not ended: their states by name, and what runs."""

    states: Mapping[str, str] = field(default_factory=dict)
    running: Sequence[OpenAttempt] = ()


def run_columns(
    state: RunState,
    head: RunHead,
    unfinished: OpenTasks | None = None,
    logs: RunLogs | None = None,
) -> RunColumns:
    """Return the columns of a run that is over or under way; without ``logs`` they have none."""
    return _Builder(state, head, unfinished or OpenTasks()).build(logs)


class _Builder:
    """Puts the columns of one run together."""

    def __init__(self, state: RunState, head: RunHead, unfinished: OpenTasks) -> None:
        self._state = state
        self._head = head
        self._open = unfinished
        self._tasks = ShownTasks(state)
        self._strings = Strings()
        self._failures = FailureGroups()
        self._names = [state.tasks.name(task) for task in self._tasks.numbers]
        self._levels = [
            state.plan.levels[state.tasks.template(task)] for task in self._tasks.numbers
        ]

    def build(self, logs: RunLogs | None) -> RunColumns:
        """Return all columns."""
        head, needs = self._head, self._tasks.needs()
        attempts = AttemptColumns(self._state, head, self._tasks, self._strings, self._failures)
        attempts.add_running(self._open.running)
        duration = self._ms(head.times.ended_at)
        families = families_of(self._members(), needs)
        tasks = self._task_columns(needs, families.of_task)
        path, gains = self._path(attempts, needs, duration)
        places = layout(families.levels, families.needs)
        run = self._run(duration, tasks["state"])
        workers = attempts.worker_columns()
        found = None if logs is None else ShownLogs(attempts, logs, self._strings)
        return {
            "format": FORMAT,
            "version": head.version,
            "run": run,
            "tasks": tasks,
            "families": {
                "name": [self._strings.add(name) for name in families.names],
                "count": families.counts,
                "tasks": families.firsts,
                "level": families.levels,
                "needs": families.needs,
                "mapped": [int(self._is_child(first)) for first in families.firsts],
            },
            "states": list(STATES),
            "attempts": attempts.columns(),
            "outcomes": list(OUTCOMES),
            "failures": self._failures.rows(),
            "failures_left_out": self._failures.left_out,
            "workers": workers,
            "path": [segment._asdict() for segment in path],
            "path_gain": [gain._asdict() for gain in gains],
            "totals": totals_of(attempts, workers["lanes"], duration),
            "audit": audit_of(attempts, head.late_ends),
            "reused": self._reused(),
            "layout": {"x": places.x, "y": places.y},
            "strings": self._strings.all,
            **({"logs": found.rows, "logs_left_out": found.left_out()} if found else {}),
        }

    def _path(
        self, attempts: AttemptColumns, needs: Sequence[Needs], duration: int
    ) -> tuple[list[Segment], list[Gain]]:
        """Return the critical path of a run that is over, and what shortening it would save."""
        if not self._head.is_over:
            return [], []
        found = CriticalPath(list(attempts.for_path()), needs, self._levels, duration)
        path = found.segments()
        return shortened(path), found.gains(path)

    def _ms(self, at: float) -> int:
        return max(round((at - self._head.times.started_at) * 1000), 0)

    def _members(self) -> list[FamilyMember]:
        members = []
        for place, (name, level) in enumerate(zip(self._names, self._levels, strict=True)):
            spec = self._state.tasks.spec(self._tasks.numbers[place])
            template = spec.task_id if self._is_child(place) else ""
            members.append(FamilyMember(name, template, spec.queue, level))
        return members

    def _is_child(self, place: int) -> bool:
        return self._tasks.numbers[place] >= len(self._state.plan.tasks)

    def _task_columns(self, needs: Sequence[Needs], families: list[int]) -> dict[str, Any]:
        state, numbers, strings = self._state, self._tasks.numbers, self._strings
        return {
            "name": [strings.add(name) for name in self._names],
            "family": families,
            "state": self._states(),
            "level": self._levels,
            "queue": [strings.add(state.tasks.spec(task).queue) for task in numbers],
            "needs": [_plain(one) for one in needs],
            "because": [self._because(task) for task in numbers],
            "failure": [self._failure(task) for task in numbers],
            "note": [strings.add(self._note(task)) for task in numbers],
        }

    def _states(self) -> list[int]:
        states, unfinished = self._state.states, self._open.states
        codes = []
        for task, name in zip(self._tasks.numbers, self._names, strict=True):
            code = _ENDED.get(states[task])
            codes.append(
                self._unended(states[task], unfinished.get(name)) if code is None else code
            )
        return codes

    def _unended(self, task_state: int, told: str | None) -> int:
        if self._head.is_over:
            return _CODE["cancelled"]
        if told is not None:
            return _CODE.get(told, _CODE["pending"])
        return _CODE[_UNENDED.get(task_state, "pending")]

    def _because(self, task: int) -> int:
        state = self._state
        succeeded = state.states[task] == SUCCEEDED
        return -1 if succeeded else self._tasks.place(state.because(task))

    def _failure(self, task: int) -> int:
        """Return the group of the failure for which a task failed; it may be that of no attempt."""
        failure = self._state.attempt_log.failures.get(task)
        return -1 if failure is None else self._failures.number(failure)

    def _note(self, task: int) -> str:
        """Return why a task did not succeed, if its attempts do not say it."""
        state = self._state
        if state.states[task] == SUCCEEDED:
            return ""
        root = state.because(task)
        if root is not None:
            return not_run_because(state, task, root)
        reason = state.attempt_log.skips.get(task)
        return "" if reason is None else reason.message

    def _run(self, duration: int, codes: Sequence[int]) -> dict[str, Any]:
        head, times = self._head, self._head.times
        counts = dict.fromkeys((*_COUNTED, "unfinished"), 0)
        known = self._state.tasks.counts
        for task, code in zip(self._tasks.numbers, codes, strict=True):
            if task not in known:  # a mapped task of an empty list is a row, and counts as none
                counts[STATES[code] if STATES[code] in counts else "unfinished"] += 1
        reason = self._state.attempt_log.stop_reason
        return {
            "run_id": head.run_id,
            "namespace": self._state.plan.namespace,
            "state": head.state,
            "created_at": _iso(times.started_at),
            "ended_at": _iso(times.ended_at) if head.is_over else None,
            "duration_ms": duration,
            "total_tasks": sum(counts.values()),
            "counts": counts,
            "labels": dict(head.labels),
            "inputs": dict(head.inputs),
            "submitted_by": head.submitted_by or None,
            "reason": reason or None,
            "reused": len(self._state.attempt_log.reused),
            "late_ends": head.late_ends,
            "taken_at": self._ms(head.taken_at),
            "priority": head.priority,
            "redacted": False,
        }

    def _reused(self) -> list[list[int]]:
        reused = self._state.attempt_log.reused
        rows = ((self._tasks.place(task), run_id) for task, run_id in reused.items())
        return [[place, self._strings.add(run_id)] for place, run_id in rows if place >= 0]


_UNENDED = {OUTSTANDING: "queued", HELD: "held"}


def _plain(needs: Iterable[int | Span]) -> list[Any]:
    return [{"r": [need.first, need.size]} if isinstance(need, Span) else need for need in needs]


def beginning(columns: RunColumns) -> float:
    """Return when a run began by its columns, in seconds since the epoch."""
    return dt.datetime.fromisoformat(
        columns["run"]["created_at"].replace("Z", "+00:00")
    ).timestamp()


def _iso(at: float) -> str:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
