"""The attempts of a run as columns, and the workers that ran them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from astrum.machine.clocks import on_one_clock
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.state import RunState
from astrum.view.report.critical_path import PathAttempt
from astrum.view.report.failure_groups import FailureGroups
from astrum.view.report.lanes import lanes_of
from astrum.view.report.needs import ShownTasks
from astrum.view.report.run_head import RunHead
from astrum.view.report.strings import Strings

OUTCOMES = (
    *("succeeded", "failed", "lost", "timed out", "cancelled", "handed back", "never began"),
    *("reused", "skipped", "running"),
)
"""The outcomes of attempts; the numbers are those of `Outcome`, and one more."""
RUNNING = OUTCOMES.index("running")
THIS_PROCESS = "this process"
"""The worker of all attempts of a run in one process."""
_COLUMNS = (
    *("task", "number", "outcome", "worker", "queued_at", "claimed_at", "started_at", "ended_at"),
    *("failure", "blocked"),
)


class OpenAttempt(NamedTuple):
    """An attempt that has not ended; times are seconds since the epoch, `None`: not yet."""

    task: int
    queued_at: float | None
    claimed_at: float | None
    worker_id: str = ""


class Row(NamedTuple):
    """One attempt; all but the times are numbers of the format."""

    task: int
    number: int
    outcome: int
    worker: int
    queued_at: int | None
    claimed_at: int | None
    started_at: int | None
    ended_at: int | None
    failure: int
    blocked: int


class AttemptColumns:
    """The attempts of a run in the order in which their ends were recorded, then what runs."""

    def __init__(
        self,
        state: RunState,
        head: RunHead,
        tasks: ShownTasks,
        strings: Strings,
        failures: FailureGroups,
    ) -> None:
        self._head = head
        self._tasks = tasks
        self._strings = strings
        self._failures = failures
        self._base = head.times.started_at
        self._worker_ids: dict[str, int] = {}
        self._numbers: dict[int, int] = {}
        log = state.attempt_log
        settled = on_one_clock(log.settled, state.tasks, head.times.planned_at)
        shown = [event for event in settled if event.task in tasks.places]
        self.rows = [self._row(event) for event in shown]
        self.keys = [(event.task, event.attempt) for event in shown]
        """The task number and the attempt of each row of one that has ended."""
        for task, failure in log.failures.items():  # not all are those of attempts
            failures.add_if_new(failure, tasks.place(task), self.ms(head.times.ended_at))

    def _row(self, event: AttemptSettled) -> Row:
        task = self._tasks.places[event.task]
        ended = self.ms(event.ended_at or event.recorded_at)
        started = min(self.ms(event.started_at), ended) if event.started_at else ended
        claimed = max(started - round(event.prepared_s * 1000), 0)
        queued = max(claimed - round(event.queued_s * 1000), 0)
        failure = -1
        if event.failure is not None and event.outcome is not Outcome.SKIPPED:
            failure = self._failures.add(event.failure, task, ended)
        return Row(
            task,
            self._number(task),
            int(event.outcome),
            self._worker(event.worker_id),
            queued,
            claimed,
            started,
            ended,
            failure,
            self._strings.add(event.blocked),
        )

    def add_running(self, attempts: Iterable[OpenAttempt]) -> None:
        """Add attempts that have not ended."""
        for one in attempts:
            task = self._tasks.places.get(one.task)
            if task is None:
                continue
            claimed = None if one.claimed_at is None else self.ms(one.claimed_at)
            queued = claimed if one.queued_at is None else self.ms(one.queued_at)
            if queued is not None and claimed is not None:
                queued = min(queued, claimed)  # the server tells both in whole ms, not at once
            worker = self._worker(one.worker_id)
            times = (queued, claimed, claimed, None)
            self.rows.append(Row(task, self._number(task), RUNNING, worker, *times, -1, 0))

    def _number(self, task: int) -> int:
        self._numbers[task] = self._numbers.get(task, 0) + 1
        return self._numbers[task]

    def _worker(self, worker_id: str) -> int:
        if not worker_id:
            if not self._head.is_local:
                return -1
            worker_id = THIS_PROCESS
        return self._worker_ids.setdefault(worker_id, len(self._worker_ids))

    def ms(self, at: float) -> int:
        """Return a time in seconds since the epoch as ms since the run began."""
        return max(round((at - self._base) * 1000), 0)

    def for_path(self) -> Iterator[PathAttempt]:
        """The attempts that have ended, for the critical path."""
        for row in self.rows:
            if row.ended_at is not None:
                yield PathAttempt(
                    row.task,
                    row.number,
                    row.queued_at or 0,
                    row.claimed_at or 0,
                    row.started_at or 0,
                    row.ended_at,
                    row.outcome == Outcome.LOST,
                )

    def columns(self) -> dict[str, Any]:
        """Return the columns of all attempts."""
        found: dict[str, Any] = dict.fromkeys(_COLUMNS)
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(_COLUMNS)
        for name, column in zip(_COLUMNS, columns, strict=True):
            found[name] = list(column)
        found["lane"] = self._lanes[0]
        return found

    def worker_columns(self) -> dict[str, Any]:
        """Return the columns of the workers: ids, hosts, and how many rows each needs."""
        ids = list(self._worker_ids)
        hosts = [self._strings.add("" if self._head.is_local else host_of(one)) for one in ids]
        return {
            "id": [self._strings.add(one) for one in ids],
            "host": hosts,
            "lanes": self._lanes[1],
        }

    @cached_property
    def _lanes(self) -> tuple[list[int], list[int]]:
        end = self.ms(self._head.times.ended_at)
        workers = [row.worker for row in self.rows]
        begins = [end if row.claimed_at is None else row.claimed_at for row in self.rows]
        ends = [end if row.ended_at is None else row.ended_at for row in self.rows]
        return lanes_of(workers, begins, ends, len(self._worker_ids))


def host_of(worker_id: str) -> str:
    """Return the host of a worker, which its id begins with.

    >>> host_of("host-a.example.812.9f3c")
    'host-a.example'
    """
    return worker_id.rsplit(".", 2)[0]
