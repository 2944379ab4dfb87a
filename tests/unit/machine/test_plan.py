"""Plans: dependents, stages, remaining paths, and their encoding."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.data_transport.bindings import Binding
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.planning.priorities import NUMBER_MASK, priority_in, remaining

DIAMOND = Plan(
    "shop",
    (
        TaskSpec(task_id="a"),
        TaskSpec(task_id="b", needs=("a",)),
        TaskSpec(task_id="c", needs=("a",)),
        TaskSpec(task_id="d", needs=("b", "c")),
        TaskSpec(task_id="e", needs=("d", "a")),
        TaskSpec(task_id="lone"),
    ),
)

specs = st.builds(
    TaskSpec,
    task_id=st.text(min_size=1),
    retry=st.builds(RetryPolicy, st.integers(0, 9), delay=st.floats(0, 9), jitter=st.floats(0, 1)),
    timeout_s=st.none() | st.floats(0.1, 9),
    queue=st.sampled_from(["default", "gpu"]),
    lane=st.sampled_from(["async", "thread"]),
    fingerprint=st.text(max_size=4),
    awaited=st.booleans(),
    needs=st.just(()),
    bindings=st.just(()),
    optional=st.lists(st.text(max_size=4) | st.integers(0, 9), max_size=2).map(tuple),
    priority=st.integers(-9, 9),
    axes=st.just(()),
    tolerant=st.just(()),
    conditions=st.just(()),
    watches=st.just(()),
    max_failed=st.none() | st.integers(0, 9) | st.floats(0, 1),
    at_once=st.none() | st.integers(1, 9),
)


def test_a_task_knows_its_dependents() -> None:
    assert DIAMOND.dependents == [[1, 2, 4], [3], [3], [4], [], []]


def test_a_stage_is_the_longest_chain_below_a_task() -> None:
    assert DIAMOND.levels == [0, 1, 1, 2, 3, 0]


def test_the_remaining_work_is_the_longest_path_to_the_end() -> None:
    assert remaining(DIAMOND.dependents) == [4, 3, 3, 2, 1, 1]


def test_the_longest_remaining_path_goes_first() -> None:
    first, *_ = sorted(range(len(DIAMOND.tasks)), key=DIAMOND.priorities.__getitem__)
    assert first == 0
    assert DIAMOND.priorities[1] == DIAMOND.priorities[2] < DIAMOND.priorities[3]
    assert not any(priority & NUMBER_MASK for priority in DIAMOND.priorities)


@given(st.lists(st.integers(-9, 9), min_size=6, max_size=6))
def test_a_higher_priority_goes_before_any_longer_path(chosen: list[int]) -> None:
    pairs = zip(DIAMOND.tasks, chosen, strict=True)
    ranked = replace(DIAMOND, tasks=tuple(one._replace(priority=p) for one, p in pairs))
    paths, places = remaining(DIAMOND.dependents), ranked.priorities
    order = sorted(range(6), key=lambda task: places[task] | task)
    assert order == sorted(range(6), key=lambda task: (-chosen[task], -paths[task], task))
    assert [priority_in(place) for place in places] == chosen
    assert all(place | NUMBER_MASK < 1 << 60 for place in places), "two digits of an integer"


def test_an_empty_plan_has_empty_results() -> None:
    plan = Plan("empty", ())
    assert (plan.index, plan.dependents, plan.levels, plan.priorities) == ({}, [], [], [])


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [TaskSpec(task_id="0")]
    chain += [TaskSpec(task_id=str(n), needs=(str(n - 1),)) for n in range(1, 20_000)]
    plan = Plan("chain", tuple(chain))
    assert plan.levels[-1] == 19_999
    assert remaining(plan.dependents)[0] == 20_000


@given(st.lists(specs, max_size=5, unique_by=lambda spec: spec.task_id), st.booleans())
def test_a_plan_travels_as_msgpack(tasks: list[TaskSpec], check_types: bool) -> None:
    plan = Plan("ns", tuple(tasks), concurrency_limit=3, check_types=check_types)
    assert Plan.from_data(msgpack.unpackb(msgpack.packb(plan.to_data()))) == plan


def test_needs_bindings_and_retries_travel() -> None:
    bindings = (Binding("x", "a", ("rows", 0)), Binding(1, "a"))
    retry = RetryPolicy(1, retry_on=("my.Error",), give_up_on=("my.Other",))
    last = TaskSpec(task_id="b", needs=("a",), bindings=bindings, retry=retry)
    plan = Plan("ns", (TaskSpec(task_id="a"), last))
    assert Plan.from_data(msgpack.unpackb(msgpack.packb(plan.to_data()))) == plan


def test_a_task_with_default_options_takes_no_room_for_them() -> None:
    assert Plan("ns", (TaskSpec("a"),)).to_data()["tasks"] == [["a", [], []]]


@given(st.lists(specs, max_size=5, unique_by=lambda spec: spec.task_id), st.data())
def test_fields_that_a_later_version_adds_to_a_plan_are_ignored(
    tasks: list[TaskSpec], data: st.DataObject
) -> None:
    last = TaskSpec(
        "last", ("first",), (Binding("x", "first", ("k",)),), RetryPolicy(2, retry_on=("E",))
    )
    plan = Plan("ns", (TaskSpec("first"), *tasks, last))
    later = msgpack.unpackb(msgpack.packb(plan.to_data()))
    more = st.lists(st.none() | st.integers(-9, 9) | st.text() | st.lists(st.text()), max_size=3)
    later["new"] = data.draw(more)
    for row in later["tasks"]:
        row[3:] = [dict(*row[3:4]) | {"new": data.draw(more)}, *data.draw(more)]
        for binding in row[2]:
            binding += [{"new": data.draw(more)}, *data.draw(more)]
        if "retry" in row[3]:
            row[3]["retry"] += data.draw(more)
    assert Plan.from_data(later) == plan


def test_a_plan_of_another_version_is_refused_by_number() -> None:
    with pytest.raises(ValueError, match="version 99, this process reads 3 and 4"):
        Plan.from_data({**DIAMOND.to_data(), "version": 99})
