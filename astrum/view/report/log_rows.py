"""What attempts have logged, as rows of the columns of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrum.machine.events import WITHOUT_FAILURE
from astrum.machine.task_log import NONE_LEFT_OUT, LogsLeftOut, TaskLog
from astrum.view.report.attempt_columns import AttemptColumns
from astrum.view.report.strings import Strings

MOST_CHARACTERS = 4 * 1024 * 1024
"""The most of all logs together that the columns have: a page must stay small enough to open."""
MOST_LOGS = 2_000
_LINE_COSTS = 40


@dataclass(frozen=True, slots=True)
class RunLogs:
    """The logs of a run by task number and attempt, and how many were not kept.

    ``not_read`` more are kept and not here.
    """

    kept: Mapping[tuple[int, int], TaskLog] = field(default_factory=dict)
    left_out: LogsLeftOut = NONE_LEFT_OUT
    not_read: int = 0


class ShownLogs:
    """The logs that the columns have: those of failures first, as far as there is room."""

    def __init__(self, attempts: AttemptColumns, logs: RunLogs, strings: Strings) -> None:
        self._attempts = attempts
        self._logs = logs
        self._strings = strings
        self._room = MOST_CHARACTERS
        self._not_here = logs.not_read
        self.rows = self._made()

    def left_out(self) -> dict[str, Any]:
        """Return how many logs the run has not kept and since when, and how many are not here."""
        count, since, limit = self._logs.left_out
        return {
            "attempts": count,
            "since": self._attempts.ms(since) if count else None,
            "limit_bytes": limit,
            "not_here": self._not_here,
        }

    def _made(self) -> list[dict[str, Any]]:
        made: dict[int, dict[str, Any]] = {}
        for place in self._best_first():
            log = self._logs.kept[self._attempts.keys[place]]
            size = sum(len(line.text) + _LINE_COSTS for line in log.lines)
            if size > self._room or len(made) >= MOST_LOGS:
                self._not_here += 1
                continue
            self._room -= size
            made[place] = self._row(place, log)
        return [made[place] for place in sorted(made)]

    def _best_first(self) -> Sequence[int]:
        kept, rows = self._logs.kept, self._attempts.rows
        if not kept:
            return ()
        known = [place for place, key in enumerate(self._attempts.keys) if key in kept]
        return sorted(known, key=lambda place: rows[place].outcome in WITHOUT_FAILURE)

    def _row(self, place: int, log: TaskLog) -> dict[str, Any]:
        ms, add = self._attempts.ms, self._strings.add
        return {
            "attempt": place,
            "lines": [
                [ms(line.at), line.level_name, add(line.logger), line.text] for line in log.lines
            ],
            "left_out": log.left_out,
            "left_out_after": log.left_out_after,
            "is_whole": log.is_whole,
        }
