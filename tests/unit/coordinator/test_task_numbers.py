"""Tasks and children by the names that people give them."""

from __future__ import annotations

import pytest

from astrum.errors import TaskNotFoundError
from astrum.machine import AttemptSettled, Outcome, RunState
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum_coordinator.asking.task_numbers import children_named, number_of

PLAN = Plan(
    "test",
    (
        TaskSpec(task_id="files", watches=(Watch("length"),)),
        TaskSpec(task_id="parse", needs=("files",), axes=(Axis((ListSource("files"),)),)),
    ),
)


def state_with(children: int | None, plan: Plan = PLAN) -> RunState:
    state = RunState(plan)
    state.start()
    if children is not None:
        seen = (children,)
        state.handle(AttemptSettled(0, 1, Outcome.SUCCEEDED, 1.0, 2.0, 2.0, "w", None, seen=seen))
    return state


def test_a_child_is_found_by_its_name() -> None:
    assert [number_of(state_with(3), name, "r") for name in ("parse", "parse[2]")] == [1, 4]


def test_a_child_is_found_by_its_name_if_the_id_of_its_task_has_brackets() -> None:
    files, parse = PLAN.tasks
    state = state_with(3, Plan("test", (files, parse._replace(task_id="parse[x]"))))
    assert [number_of(state, name, "r") for name in ("parse[x]", "parse[x][2]")] == [1, 4]
    assert list(children_named(state, "parse[x][", 9)) == [
        f"parse[x][{child}]" for child in (0, 1, 2)
    ]
    with pytest.raises(TaskNotFoundError, match="has 3 children, such as"):
        number_of(state, "parse[x][3]", "r")


@pytest.mark.parametrize(
    ("name", "children", "why"),
    [
        ("prase", 3, "run r has no task 'prase'; did you mean 'parse'?"),
        ("prase[1]", 3, "run r has no task 'prase[1]'; did you mean 'parse'?"),
        ("files[1]", 3, "run r has no task 'files[1]': task 'files' has no children"),
        ("parse[3]", 3, "'parse[3]': task 'parse' has 3 children, such as 'parse[0]'"),
        ("parse[0]", 0, "'parse[0]': task 'parse' has 0 children"),
        ("parse[0]", None, "'parse[0]': the children of task 'parse' are not known yet"),
    ],
)
def test_the_error_for_an_unknown_name_says_what_there_is(
    name: str, children: int | None, why: str
) -> None:
    with pytest.raises(TaskNotFoundError) as error:
        number_of(state_with(children), name, "r")
    assert str(error.value).endswith(why)


def test_children_are_offered_by_the_beginning_of_their_names_the_needed_first() -> None:
    state = state_with(30)
    for child, outcome in ((14, Outcome.SUCCEEDED), (15, Outcome.FAILED), (5, Outcome.SUCCEEDED)):
        state.handle(AttemptSettled(2 + child, 1, outcome, 1.0, 2.0, 2.0, "w", None))
    found = children_named(state, "parse[1", 100)
    first, *others, last = found
    assert (first, len(others), last) == ("parse[15]", 9, "parse[14]")
    assert (found["parse[15]"], found["parse[14]"]) == ("failed", "completed")
    assert list(children_named(state, "parse[", 3)) == ["parse[15]", "parse[0]", "parse[1]"]
    assert children_named(state, "files[", 9) == children_named(state, "none[", 9) == {}
    assert children_named(state_with(None), "parse[", 9) == {}
