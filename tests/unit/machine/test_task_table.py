from __future__ import annotations

from collections.abc import Sequence

from astrum.machine import (
    AttemptSettled,
    Command,
    Dispatch,
    Finish,
    Outcome,
    RunState,
    RunTimes,
    TaskTable,
    build_report,
)
from astrum.planning import Plan, TaskSpec

LIST, PARSE, TOTAL = range(3)
PLAN = Plan(
    "test",
    (
        TaskSpec(task_id="list"),
        TaskSpec(task_id="parse", needs=("list",), timeout_s=9.0),
        TaskSpec(task_id="total", needs=("parse",)),
    ),
)


def succeed(state: RunState, dispatched: Sequence[Command]) -> list[Command]:
    """End what was dispatched in success; return the commands that follow."""
    return [
        after
        for command in dispatched
        if isinstance(command, Dispatch)
        for after in state.handle(
            AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1.0, 1.0, 1.0)
        )
    ]


def test_a_table_begins_with_the_tasks_of_the_plan() -> None:
    table = TaskTable(PLAN)
    assert len(table) == 3
    assert [table.name(task) for task in range(3)] == ["list", "parse", "total"]
    assert table.index(PARSE) is None
    assert list(table.dependents) == [[PARSE], [TOTAL], []]


def test_children_get_the_next_numbers_and_the_data_of_their_template() -> None:
    table = TaskTable(PLAN)
    assert table.add_children(PARSE, 2) == range(3, 5)
    assert table.add_children(PARSE, 1) == range(5, 6)
    assert len(table) == len(list(table)) == 6
    assert [table.name(task) for task in range(2, 6)] == [
        "total",
        "parse[0]",
        "parse[1]",
        "parse[0]",
    ]
    assert [table.index(task) for task in range(2, 6)] == [None, 0, 1, 0]
    assert table.spec(4) is PLAN.tasks[PARSE]
    assert table.priorities[4] == table.priorities[PARSE]
    assert list(table.dependents[4]) == [PARSE]


def test_a_growing_table_changes_no_other_run_of_its_plan() -> None:
    TaskTable(PLAN).add_children(PARSE, 2)
    assert len(PLAN.dependents) == len(PLAN.priorities) == len(TaskTable(PLAN)) == 3


def test_a_run_that_grows_runs_its_children_before_their_template() -> None:
    state = RunState(PLAN)
    started = state.start()
    children = state.add_children(PARSE, 3)
    assert len(state.states) == len(state.attempts) == 6
    assert list(state.ready()) == list(children)
    dispatched = succeed(state, started)
    assert [command.task for command in dispatched if isinstance(command, Dispatch)] == [3, 4, 5]
    dispatched = succeed(state, dispatched)
    assert dispatched == [Dispatch(PARSE, 1)]
    assert succeed(state, succeed(state, dispatched)) == [Finish("completed")]


def test_a_report_counts_children_and_has_a_row_per_task_of_the_plan() -> None:
    state = RunState(PLAN)
    state.add_children(PARSE, 1)
    succeed(state, state.start())
    report = build_report(state, RunTimes(0.0, 0.0, 1.0), {})
    assert [row.task_name for row in report.task_statistics] == ["list", "parse", "total"]
    assert (report.total_tasks, report.successful_tasks) == (4, 2)
