"""Why a task of a run that is over has no result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from astrum.errors import RunCancelledError, TaskFailedError, TaskNotFoundError
from astrum.machine.report import ExecutionState, TaskExecutionStatistics
from astrum.machine.report_builder import failed_planning_report
from astrum_coordinator.client.handle import why_there_is_none

REPORT = replace(failed_planning_report(ValueError("other"), 0.0, 1.0), run_id="r")
AGAIN = "; `retry r` runs what did not succeed"


def why(task: str, state: ExecutionState = ExecutionState.COMPLETED) -> Exception:
    def row(name: str, status: str, **more: Any) -> TaskExecutionStatistics:
        return TaskExecutionStatistics(name, 0, 0.0, 1.0, 1.0, status, **more)

    rows = [
        row("read", "failed", error_message="no row", children=[row("read[0]", "completed")]),
        row("few", "skipped", because="verdict"),
        row("mail", "skipped"),
        row("total", "blocked", because="read"),
        row("late", "cancelled"),
    ]
    return why_there_is_none(replace(REPORT, task_statistics=rows, execution_state=state), task)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("few", "task 'few' of run r has no result: it was skipped because of 'verdict'"),
        ("mail", "task 'mail' of run r has no result: it was skipped"),
        ("total", "task 'total' of run r has no result: it was blocked because of 'read'"),
        ("read", "task 'read' of run r failed: no row; `retry r` tries it again"),
    ],
)
def test_the_reason_is_that_of_the_task_and_not_of_another(task: str, text: str) -> None:
    assert isinstance(why(task), TaskFailedError)
    assert str(why(task)) == text


def test_a_child_that_its_list_does_not_have_is_not_there() -> None:
    assert isinstance(why("read[9]"), TaskNotFoundError)
    assert str(why("read[9]")) == "run r has no task 'read[9]'; did you mean 'read[0]'?"


def test_a_run_that_did_not_complete_can_be_retried() -> None:
    assert str(why("few", ExecutionState.FAILED)).endswith(AGAIN)
    cancelled = why("late", ExecutionState.CANCELLED)
    assert isinstance(cancelled, RunCancelledError)
    assert str(cancelled).endswith(AGAIN)
