"""A run at one moment, for programs and for people."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import cast

import click
import pytest
from rich.console import Console, RenderableType

from astrum.machine.report import (
    ExecutionState,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
)
from astrum.machine.report_builder import failed_planning_report
from astrum.machine.task_log import LogsLeftOut
from astrum.view import Code, RunSnapshot, UnfinishedState, UnfinishedTask
from astrum.view.report.chronicle import MAX_TASKS
from astrum_coordinator.cli.show import check_attempt
from astrum_coordinator.display.json_values import report_to_json
from astrum_coordinator.display.report_view import status_of
from astrum_coordinator.display.show_view import (
    Chosen,
    origin_text,
    snapshot_to_json,
    snapshot_view,
)


def test_show_adds_ends_that_came_too_late_to_the_report_of_run_only_if_there_are_any() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    on_time = RunSnapshot(report=report, unfinished=[], now=0.0)
    late = RunSnapshot(report=report, unfinished=[], now=0.0, late_ends=2)
    assert snapshot_to_json(on_time, Chosen()) == report_to_json(report)
    assert snapshot_to_json(late, Chosen()) == report_to_json(report) | {"late_ends": 2}


def test_show_says_who_submitted_a_run_and_its_labels_if_that_is_known() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    known = RunSnapshot(
        report=report, unfinished=[], now=0.0, submitted_by="ann@host:7", labels={"b": "2", "a": ""}
    )
    unknown = RunSnapshot(report=report, unfinished=[], now=0.0)
    assert origin_text(known) == "submitted by ann@host:7; labels: a= b=2"
    assert origin_text(unknown) == ""
    assert "submitted by ann@host:7; labels: a= b=2" in printed(snapshot_view(known, Chosen()))
    assert "submitted" not in printed(snapshot_view(known, Chosen(failed=True)))


@pytest.mark.parametrize(
    ("children", "status"),
    [(["waiting", "waiting"], "waiting"), (["ready", "queued"], "queued"), (["held"], "held")],
)
def test_a_mapped_task_has_the_state_that_a_plain_one_would_have(
    children: list[str], status: str
) -> None:
    names = [f"parse[{place}]" for place in range(len(children))]
    rows = [TaskExecutionStatistics(name, 1, 0.0, 0.0, 0.0, "pending") for name in names]
    stat = TaskExecutionStatistics("parse", 1, 0.0, 0.0, 0.0, "pending", children=rows)
    places = {
        name: UnfinishedTask(
            task_id=name,
            state=UnfinishedState(state),
            text="",
            attempt=1,
            queue="default",
            lane="async",
            code=Code.WAITS_UPSTREAM,
        )
        for name, state in zip(names, children, strict=True)
    }
    assert status_of(stat, places) == status


def test_show_says_of_an_ended_run_that_it_is_too_big_for_a_chronicle() -> None:
    ended = failed_planning_report(ValueError("no"), 0.0, 1.0)
    for tasks, state, is_said in (
        (MAX_TASKS + 1, ExecutionState.FAILED, True),
        (MAX_TASKS, ExecutionState.FAILED, False),
        (MAX_TASKS + 1, ExecutionState.RUNNING, False),
    ):
        report = replace(ended, total_tasks=tasks, execution_state=state)
        text = printed(snapshot_view(RunSnapshot(report=report, unfinished=[], now=0.0), Chosen()))
        assert ("more than 250,000 tasks leave no chronicle" in text) == is_said


def two_attempts() -> RunSnapshot:
    """A task that failed twice, the second time after blocking its worker, and runs again."""
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    attempts = [
        TaskAttemptStatistics(
            *("load", number, 3, 100.0 * number, 100.0 * number + 2.5, 2.5, "failed"),
            error_message=f"no row {number}",
            worker_id="host:1:w",
            blocked="blocked for 1.5 s at load.py:7" if number == 2 else "",
            traceback=f'Traceback\n  File "load.py", line {number}\nValueError: no row {number}',
            queued_s=0.3,
            prepared_s=0.04,
        )
        for number in (1, 2)
    ]
    row = TaskExecutionStatistics(
        *("load", 0, 100.0, 202.5, 5.0, "running", None, 3, 2), attempt_statistics=attempts
    )
    under_way = UnfinishedTask(
        task_id="load",
        state=UnfinishedState.RUNNING,
        text="runs on host:1:x for 7 s",
        attempt=3,
        queue="default",
        lane="thread",
        code=Code.RUNNING,
        since=300.0,
        worker_id="host:1:x",
    )
    running = replace(report, task_statistics=[row], execution_state=ExecutionState.RUNNING)
    return RunSnapshot(report=running, unfinished=[under_way], now=307.0)


def test_each_attempt_of_a_task_has_its_times_its_worker_and_its_traceback() -> None:
    text = printed(snapshot_view(two_attempts(), Chosen("load")))
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [(row[0], row[1]) for row in rows] == [
        ("1", "failed"),
        ("2", "failed"),
        ("3", "running"),
    ]
    for row in rows[:2]:
        assert "300 ms 40 ms 2.5 s host:1:w" in " ".join(row)
    assert "- - 7.0 s host:1:x" in " ".join(rows[2])
    assert "no row 2; blocked for 1.5 s at load.py:7" in " ".join(text.split())
    assert "task 'load', attempt 1:\n" in text
    assert "task 'load', attempt 2:\n" in text


def test_one_attempt_is_shown_alone() -> None:
    text = printed(snapshot_view(two_attempts(), Chosen("load", attempt=2)))
    assert [line.split()[0] for line in text.splitlines() if line.strip()[:1].isdigit()] == ["2"]
    assert "attempt 1" not in text
    assert "attempt 2" in text
    shown = snapshot_to_json(two_attempts(), Chosen("load", attempt=2))
    [task] = shown["task_statistics"]
    assert [row["attempt_number"] for row in task["attempt_statistics"]] == [2]
    text = printed(snapshot_view(two_attempts(), Chosen("load", attempt=3)))
    assert [line.split()[0] for line in text.splitlines() if line.strip()[:1].isdigit()] == ["3"]


def test_a_mapped_task_has_no_attempts_of_its_own() -> None:
    snapshot = two_attempts()
    [row] = snapshot.report.task_statistics
    mapped = replace(row, task_name="loads", attempt_statistics=[], children=[row])
    report = replace(snapshot.report, task_statistics=[mapped])
    with pytest.raises(click.UsageError, match="its children have: name one, such as 'load'"):
        check_attempt(replace(snapshot, report=report), Chosen("loads", attempt=1))
    with pytest.raises(click.UsageError, match="no attempt 7: it has had 2 attempts"):
        check_attempt(snapshot, Chosen("load", attempt=7))


def test_logs_are_said_to_be_left_out_only_if_one_is() -> None:
    parts = replace(two_attempts(), logs_left_out=LogsLeftOut(0, 1.0, 2**20))
    assert "left out" not in printed(snapshot_view(parts, Chosen()))
    assert "logs_left_out" not in snapshot_to_json(parts, Chosen())
    two = replace(two_attempts(), logs_left_out=LogsLeftOut(2, 1.0, 2**20))
    assert "logs of about 2 attempts left out" in printed(snapshot_view(two, Chosen()))
    assert snapshot_to_json(two, Chosen())["logs_left_out"]["attempts"] == 2


def test_results_are_cut() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    row = TaskExecutionStatistics("big", 0, 0.0, 1.0, 1.0, "completed", None, 0, 1)
    report = replace(report, task_statistics=[row], task_return_set={"big": "x" * 5_000})
    text = printed(snapshot_view(RunSnapshot(report=report, unfinished=[], now=0.0), Chosen()))
    [line] = [line for line in "".join(text.splitlines()).split("result of ") if "'big'" in line]
    assert line.count("x") < 2_060
    assert "(5,002 characters; --json has all of them)" in line


def printed(view: RenderableType) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(view)
    return cast("StringIO", console.file).getvalue()
