"""The tasks of a run as rows by name, with the children of a mapped task as one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrum.view.report.attempt_columns import OUTCOMES
from astrum.view.report.columns import RunColumns
from astrum.view.report.critical_path import CriticalPath, PathAttempt
from astrum.view.report.needs import Needs, Span

WORST = ("failed", "blocked", "cancelled", "skipped")
"""The states that one child gives its mapped task, the worst first."""
MAX_EFFECTS, LEAST_EFFECTS = 100, 10
_WORK = 2_000_000
"""Of how many tasks the end is computed for all effects together, beside the least number."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a critical path: consecutive segments of one task, "" for what is of none."""

    name: str
    ms: int


@dataclass(slots=True)
class TaskRow:
    """One task, or all children of a mapped one; ``members`` are their numbers in the columns.

    ``run_ms`` and ``queued_ms`` are of all attempts, ``total_ms`` from the first dispatch of each
    member to its end.
    """

    name: str
    is_mapped: bool
    members: list[int] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    run_ms: int = 0
    queued_ms: int = 0
    total_ms: int = 0
    attempts: int = 0

    @property
    def state(self) -> str:
        """The state of the task; of several children the worst."""
        if len(self.states) == 1:
            return next(iter(self.states))
        return next((one for one in WORST if one in self.states), "completed")

    @property
    def mean_ms(self) -> int:
        """How long a member took from its first dispatch to its end, on average."""
        return round(self.total_ms / len(self.members))


class RunRows:
    """The rows of one run, by name, and what they mean for its end."""

    def __init__(self, columns: RunColumns) -> None:
        self._columns = columns
        self.rows: dict[str, TaskRow] = {}
        self._of_task = [self._row(task) for task in range(len(columns["tasks"]["name"]))]
        self._attempts = list(_attempts(columns["attempts"]))
        for attempt in self._attempts:
            self._add(attempt)
        self._add_totals()

    def _row(self, task: int) -> TaskRow:
        columns, tasks = self._columns, self._columns["tasks"]
        families, family = columns["families"], tasks["family"][task]
        is_mapped = bool(families["mapped"][family])
        number = families["name"][family] if is_mapped else tasks["name"][task]
        name = columns["strings"][number]
        row = self.rows.setdefault(name, TaskRow(name, is_mapped))
        row.members.append(task)
        row.states.add(columns["states"][tasks["state"][task]])
        return row

    def _add(self, attempt: PathAttempt) -> None:
        row = self._of_task[attempt.task]
        row.attempts += 1
        row.run_ms += max(attempt.ended_at - attempt.started_at, 0)
        row.queued_ms += max(attempt.claimed_at - attempt.queued_at, 0)

    def _add_totals(self) -> None:
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for attempt in self._attempts:
            first.setdefault(attempt.task, attempt.queued_at)
            last[attempt.task] = attempt.ended_at
        for task, begin in first.items():
            self._of_task[task].total_ms += max(last[task] - begin, 0)

    def path(self) -> list[Step]:
        """Return the critical path, with consecutive segments of one row as one step."""
        steps: list[Step] = []
        for segment in self._columns["path"]:
            task, took = segment["task"], segment["end"] - segment["begin"]
            name = "" if task < 0 else self._of_task[task].name
            if steps and steps[-1].name == name:
                took += steps.pop().ms
            steps.append(Step(name, took))
        return steps

    def effects(self, grown: Mapping[str, int]) -> dict[str, int]:
        """Return by how much each row moved the end of the run.

        ``grown`` are the ms that each member of a row took more than before. The others are taken
        to be as they are. Of the rows that grew least, what is left out is not computed.
        """
        tasks = len(self._of_task)
        most = max(min(_WORK // max(tasks, 1), MAX_EFFECTS), LEAST_EFFECTS)
        largest = sorted((name for name in grown if grown[name]), key=lambda one: -abs(grown[one]))
        path = self._critical_path()
        return {
            name: path.saved_by(dict.fromkeys(self.rows[name].members, grown[name]))
            for name in largest[:most]
        }

    def _critical_path(self) -> CriticalPath:
        columns = self._columns
        needs = [_needs(row) for row in columns["tasks"]["needs"]]
        levels, duration = columns["tasks"]["level"], columns["run"]["duration_ms"]
        return CriticalPath(self._attempts, needs, levels, duration)


def _needs(row: Sequence[Any]) -> Needs:
    return [Span(*need["r"]) if isinstance(need, dict) else need for need in row]


def _attempts(columns: Mapping[str, Sequence[Any]]) -> list[PathAttempt]:
    """Return the attempts that have begun and ended, in the order of their ends."""
    names = ("task", "number", "outcome", "queued_at", "claimed_at", "started_at", "ended_at")
    rows = zip(*(columns[name] for name in names), strict=True)
    return [
        PathAttempt(task, number, queued or 0, claimed or 0, started or 0, ended)
        for task, number, outcome, queued, claimed, started, ended in rows
        if ended is not None and outcome != _NEVER
    ]


_NEVER = OUTCOMES.index("never began")
