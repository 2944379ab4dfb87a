"""The events about the progress of running tasks, from what workers report."""

from __future__ import annotations

from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import RunningAttempt, WorkerStatus
from astrum_coordinator.client.progress_events import ProgressWatch


def worker(*rows: RunningAttempt) -> WorkerInfo:
    return WorkerInfo(worker_id="w", lease_s=9.0, details={}, status=WorkerStatus(running=rows))


def news(watch: ProgressWatch, *rows: RunningAttempt) -> list[tuple[str, int, str]]:
    found = watch._news([worker(*rows)], 5.0, "1-0/1")
    assert all((one.at, one.kind, one.cursor) == (5.0, "task_progress", "1-0/1") for one in found)
    return [(one.task, one.attempt, one.detail) for one in found]


def test_progress_is_news_once_until_it_changes() -> None:
    watch = ProgressWatch("r")
    first = RunningAttempt("r", 0, "load", 1, 0.5, "", 1.0, 2.0, "half")
    assert news(watch, first) == [("load", 1, "1 of 2 (50 %), half")]
    assert news(watch, first) == []
    assert news(watch, first._replace(done=2.0)) == [("load", 1, "2 of 2 (100 %), half")]
    again = first._replace(attempt=2)
    assert news(watch, again) == [("load", 2, "1 of 2 (50 %), half")]


def test_other_runs_and_tasks_that_tell_nothing_are_no_news() -> None:
    watch = ProgressWatch("r")
    silent = RunningAttempt("r", 0, "load", 1, 0.5)
    other = RunningAttempt("other", 0, "load", 1, 0.5, "", 1.0)
    assert news(watch, silent, other) == []
