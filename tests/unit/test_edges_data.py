"""Edges of a plan as data: damaged plans are refused, and the rule of alignment."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum import Each, F, Ref, SchedulerRegistry
from astrum.errors import SchedulerError
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


reads = st.sampled_from(["each", "inner", "all", "filled", "after"])
flows = st.lists(
    st.tuples(
        st.lists(st.tuples(reads, st.integers(0, 9)), max_size=3),
        st.sampled_from(["zip", "product"]),
    ),
    min_size=2,
    max_size=8,
)
MARKS: dict[str, Any] = {
    "each": Each,
    "inner": lambda task: Each(Each(task)),
    "all": F,
    "filled": lambda task: F(task, default=None),
}
Wanted = list[tuple[str, int]]


def declare(registry: SchedulerRegistry, number: int, wanted: Wanted, each: Any) -> None:
    parameters = {
        f"p{place}": Ref[Any, MARKS[how](f"t{source % number}")]
        for place, (how, source) in enumerate(wanted)
        if number and how in MARKS
    }
    space: dict[str, Any] = {}
    exec(f"def made({', '.join(parameters)}): ...", space)
    made = space["made"]
    made.__annotations__ = parameters
    after = [f"t{source % number}" for how, source in wanted if number and how == "after"]
    registry.task(f"t{number}", each=each, after=after)(made)


def random_registry(flow: list[tuple[Wanted, Any]]) -> SchedulerRegistry:
    """Return a registry that can be built: of each task as much as there can be."""
    chosen: list[tuple[Wanted, Any]] = []
    for wanted, each in flow:
        for attempt in ((wanted, None), (wanted, each), (wanted[:1], None), ([], None)):
            registry = SchedulerRegistry("random")
            for number, (one, own) in enumerate([*chosen, attempt]):
                declare(registry, number, one, own)
            try:
                registry.build_scheduler()
            except SchedulerError as error:
                if f"task 't{len(chosen)}'" not in str(error):
                    raise
            else:
                chosen.append(attempt)
                break
    return registry


@given(flows)
def test_every_flow_that_can_be_built_has_a_plan_that_can_be_read_again(flow: Any) -> None:
    built = random_registry(flow).build_scheduler().flow()
    plan = built.plan
    assert Plan.from_data(plan.to_data()) == plan  # which checks the order of axes, and watches
    axes = {spec.task_id: [axis.lists for axis in spec.axes] for spec in plan.tasks}
    for spec in plan.tasks:
        own = axes[spec.task_id]
        assert len(set(own)) == len(own)
        for binding in spec.bindings:
            one = ListSource(binding.source, binding.path)
            if binding.item is not None:
                place = next(place for place, lists in enumerate(own) if one in lists)
                assert set(axes[binding.source]) <= set(own[:place])
                continue
            depth = built.tasks[spec.task_id].inputs.depths.get(binding.parameter, 0)
            assert depth == len([lists for lists in axes[binding.source] if lists not in own])


@given(flows)
def test_the_order_of_declaration_changes_no_edge(flow: Any) -> None:
    registry = random_registry(flow)
    forward = registry.build_scheduler().flow()
    turned = SchedulerRegistry("random")
    for task_id, task in reversed(registry.get_all_tasks().items()):
        each, after = task.edges.each, task.edges.after
        turned.task(task_id, each=each, after=after)(task.function)
    backward = turned.build_scheduler().flow().plan
    by_name = {spec.task_id: spec for spec in backward.tasks}
    for spec in forward.plan.tasks:
        other = by_name[spec.task_id]
        assert (spec.axes, spec.bindings, set(spec.tolerant)) == (
            *(other.axes, other.bindings),
            set(other.tolerant),
        )
