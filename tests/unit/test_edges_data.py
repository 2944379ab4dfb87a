"""Edges of a plan as data: damaged plans are refused, and the rule of alignment."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum import Each, F, Ref, SchedulerRegistry
from astrum.planning.alignment import aligned, misaligned
from astrum.planning.axes import Axis, ListSource
from astrum.planning.plan import Plan


def nested_plan() -> dict[str, Any]:
    """Return the data of a plan with two axes, a condition and a tolerant need."""
    registry = SchedulerRegistry("data")

    @registry.task
    def files() -> list[str]:
        return []

    @registry.task
    def parse(path: Ref[str, Each(files)]) -> list[int]:
        return []

    @registry.task
    def inner(row: Ref[int, Each(Each("parse"))]) -> str:
        return ""

    @registry.task
    def is_due() -> bool:
        return True

    @registry.task(when=F(is_due))
    def last(own: Ref[list[list[str]], F(inner, default="")]) -> None: ...

    return registry.build_scheduler().flow().plan.to_data()


DAMAGE: list[tuple[int, str, Any, str]] = [
    (0, "watches", [], "nothing tells the number of children of task 'parse'"),
    (0, "watches", [["size", [], [], None]], "a watch has parts of the wrong type"),
    (0, "watches", [["length", ["a", 1.5], [], None]], "a path has parts of the wrong type"),
    (1, "axes", [[[], None]], "an axis has no list"),
    (1, "axes", [[[[1, []]], None]], "task 1 is damaged"),
    (1, "axes", [[[[0, 3]], None]], "a path has parts of the wrong type"),
    (2, "axes", [[[[1, []]], None]], "the axes of task 'inner' are not in order"),
    (4, "tolerant", [1], "tolerates a task that it does not need"),
    (4, "conditions", [[3, 1, 1]], "has a condition on nothing"),
    (4, "conditions", [[2, 0, 1]], "has a condition on nothing"),
    (4, "conditions", [[3, "0", 1]], "a condition has parts of the wrong type"),
    (4, "on_failure", "pause", "it has the unknown policy for failures 'pause'"),
    (4, "on_lost", None, "it has the unknown policy for lost attempts None"),
    (4, "max_failed", 2.5, "its bound of failed children is damaged"),
    (4, "at_once", 0, "its bound of children at once is damaged"),
]


@pytest.mark.parametrize(("number", "name", "value", "told"), DAMAGE)
def test_a_damaged_plan_is_refused(number: int, name: str, value: Any, told: str) -> None:
    data = copy.deepcopy(nested_plan())
    assert Plan.from_data(data).to_data() == nested_plan()
    data["tasks"][number][3][name] = value
    with pytest.raises(ValueError, match=told):
        Plan.from_data(data)


def test_a_binding_with_unknown_holes_is_refused() -> None:
    data = nested_plan()
    parameter, source, path, more = data["tasks"][4][2][0]
    data["tasks"][4][2][0] = (parameter, source, path, {**more, "holes": "some"})
    with pytest.raises(ValueError, match="holes of the unknown kind 'some'"):
        Plan.from_data(data)
    data["tasks"][4][2][0] = (parameter, source, path, {**more, "later": 1})
    assert Plan.from_data(data).to_data() == nested_plan()  # parts not known are ignored


names = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


def axes_of(found: list[str]) -> list[Axis]:
    return [Axis((ListSource(name),)) for name in found]


@given(names, names)
def test_aligned_axes_are_the_longest_shared_beginning(own: list[str], source: list[str]) -> None:
    places = aligned(axes_of(own), axes_of(source))
    assert [own[place] for place in places] == source[: len(places)]
    rest = source[len(places) :]
    assert not rest or rest[0] not in own
    wrong = misaligned(axes_of(own), axes_of(source))
    assert (wrong is not None) == any(name in own for name in rest)
