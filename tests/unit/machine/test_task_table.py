"""The tasks of a run by number and by name: those of the plan, and the children of mapped ones."""

from __future__ import annotations

from astrum.machine import (
    AttemptSettled,
    Dispatch,
    Finish,
    RunState,
    RunTimes,
    TaskTable,
    build_report,
)
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from tests.unit.machine.events_of import end

LIST, PARSE, TOTAL = range(3)
LENGTH = (Watch("length"),)
PLAN = Plan(
    "test",
    (
        TaskSpec(task_id="list", watches=LENGTH),
        TaskSpec("parse", ("list",), axes=(Axis((ListSource("list"),)),), timeout_s=9.0),
        TaskSpec(task_id="total", needs=("parse",)),
    ),
)
PAGES = Plan(
    "test",
    (
        TaskSpec("docs", watches=LENGTH),
        TaskSpec("pages", ("docs",), axes=(Axis((ListSource("docs"),)),), watches=LENGTH),
        TaskSpec(
            "ocr",
            ("docs", "pages"),
            axes=(Axis((ListSource("docs"),)), Axis((ListSource("pages"),))),
        ),
    ),
)


def seen(task: int, *lengths: int) -> AttemptSettled:
    return end(task)._replace(seen=lengths)


def test_a_table_begins_with_the_tasks_of_the_plan() -> None:
    table = TaskTable(PLAN)
    assert len(table) == 3
    assert [table.name(task) for task in range(3)] == ["list", "parse", "total"]
    assert table.index(PARSE) == ()
    assert list(table.dependents) == [[PARSE], [TOTAL], []]


def test_children_get_the_next_numbers_and_the_data_of_their_template() -> None:
    state = RunState(PLAN)
    state.start()
    assert state.handle(seen(LIST, 2)) == [Dispatch(3, 1), Dispatch(4, 1)]
    table = state.tasks
    assert len(table) == len(list(table)) == 5
    assert [table.name(task) for task in range(2, 5)] == ["total", "parse[0]", "parse[1]"]
    assert [table.index(task) for task in range(2, 5)] == [(), (0,), (1,)]
    assert table.spec(4) is PLAN.tasks[PARSE]
    assert table.priorities[4] == table.priorities[PARSE]
    assert [table.find_name(name) for name in ("total", "parse[1]", "parse[2]", "x[0]")] == [
        *(2, 4),
        *(None, None),
    ]


def test_keys_name_children() -> None:
    state = RunState(PLAN)
    state.handle(seen(LIST, 2))
    state.tasks.set_keys(ListSource("list"), (), ["A-17", "7"])
    assert [state.tasks.name(task) for task in (3, 4)] == ["parse[A-17]", "parse[7]"]
    assert state.tasks.find_name("parse[A-17]") == 3
    assert state.tasks.find_name("parse[7]") == 4
    assert state.tasks.find_name("parse[1]") is None


def test_a_growing_table_changes_no_other_run_of_its_plan() -> None:
    RunState(PLAN).handle(seen(LIST, 2))
    assert len(PLAN.dependents) == len(PLAN.priorities) == len(TaskTable(PLAN)) == 3


def test_children_run_before_what_gathers_them() -> None:
    state = RunState(PLAN)
    state.start()
    state.handle(seen(LIST, 3))
    assert state.handle(end(3)) == state.handle(end(5)) == []
    assert state.handle(end(4)) == [Dispatch(TOTAL, 1)]
    assert state.handle(end(TOTAL)) == [Finish("completed")]


def test_an_empty_list_goes_on() -> None:
    state = RunState(PLAN)
    state.start()
    assert state.handle(seen(LIST, 0)) == [Dispatch(TOTAL, 1)]
    assert list(state.tasks.children(PARSE)) == state.tasks.below(PARSE, ()) == []


def test_ragged_lists_have_children_in_blocks() -> None:
    state = RunState(PAGES)
    state.start()
    state.handle(seen(0, 3))
    for pages, length in ((5, 1), (3, 2), (4, 0)):
        state.handle(seen(pages, length))
    assert state.tasks.below(2, ()) == [[7, 8], [], [6]]
    assert [state.tasks.name(task) for task in state.tasks.children(2)] == [
        "ocr[0,0]",
        "ocr[0,1]",
        "ocr[2,0]",
    ]
    assert state.tasks.find(2, (2, 0)) == 6
    assert state.tasks.find(2, (1, 0)) is None
    for task in (6, 7):
        assert state.handle(end(task)) == []
    assert state.handle(end(8)) == [Finish("completed")]


def test_a_report_counts_children_and_has_a_row_per_task_of_the_plan() -> None:
    state = RunState(PLAN)
    state.start()
    state.handle(seen(LIST, 2))
    state.handle(end(3))
    report = build_report(state, RunTimes(0.0, 0.0, 1.0), {})
    assert [row.task_name for row in report.task_statistics] == ["list", "parse", "total"]
    assert (report.total_tasks, report.successful_tasks) == (4, 2)  # list, total and two children
