"""Tasks and children by the names that people give them."""

from __future__ import annotations

import pytest

from astrum.errors import TaskNotFoundError
from astrum.machine import AttemptSettled, Outcome, RunState
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum_coordinator.asking.task_numbers import number_of

PLAN = Plan(
    "test",
    (
        TaskSpec(task_id="files", watches=(Watch("length"),)),
        TaskSpec(task_id="parse", needs=("files",), axes=(Axis((ListSource("files"),)),)),
    ),
)


def state_with(children: int | None) -> RunState:
    state = RunState(PLAN)
    state.start()
    if children is not None:
        seen = (children,)
        state.handle(AttemptSettled(0, 1, Outcome.SUCCEEDED, 1.0, 2.0, 2.0, "w", None, seen=seen))
    return state


def test_a_child_is_found_by_its_name() -> None:
    assert [number_of(state_with(3), name, "r") for name in ("parse", "parse[2]")] == [1, 4]


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
