"""Orders, the planner, the stages and the plan."""

import functools
import inspect
import pickle
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.errors import TaskDependencyError, TaskOrderLoopError, TaskOrderNoExitError
from astrum.planning import (
    AttemptOptions,
    ExecutionPlan,
    ExecutionPlanner,
    Plan,
    RetryPolicy,
    TaskOrder,
    TaskSpec,
    build_plan,
    fingerprint,
    lane_of,
)
from astrum.planning.order import MAX_CYCLES, walk_upstream_first
from astrum.planning.planner import upstream_first


def orders_of(**needs: list[str]) -> list[TaskOrder]:
    orders = {name: TaskOrder(name) for name in needs}
    for name, upstream in needs.items():
        orders[name].dependencies = [orders.get(need) or TaskOrder(need) for need in upstream]
    return list(orders.values())


def plan_of(**needs: list[str]) -> ExecutionPlan:
    return ExecutionPlanner(orders_of(**needs)).get_execute_timeline()


# --- TaskOrder -----------------------------------------------------------------------------------


def test_depend_is_the_first_dependency() -> None:
    a, b = TaskOrder("a"), TaskOrder("b")
    assert TaskOrder("c", dependencies=[a, b]).depend is a
    assert a.depend is None


def test_setting_depend_replaces_the_first_dependency() -> None:
    a, b, c = TaskOrder("a"), TaskOrder("b"), TaskOrder("c")
    order = TaskOrder("d", [a, b])
    order.depend = c
    assert order.dependencies == [c, b]


def test_setting_depend_gives_an_order_without_dependencies_its_first() -> None:
    a, b = TaskOrder("a"), TaskOrder("b")
    b.depend = a
    assert b.dependencies == [a]
    b.depend = None
    assert b.dependencies == []


def test_orders_do_not_share_a_default_list_of_dependencies() -> None:
    TaskOrder("a").dependencies.append(TaskOrder("b"))
    assert TaskOrder("c").dependencies == []


@pytest.mark.parametrize("name", [5, None, b"a"])
def test_the_name_of_an_order_must_be_a_string(name: object) -> None:
    with pytest.raises(TypeError, match=r"task_name .* must be a string, got"):
        TaskOrder(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("dependencies", [["a"], "a", 5, [TaskOrder("x"), None]])
def test_dependencies_that_are_not_orders_are_refused(dependencies: object) -> None:
    with pytest.raises(TypeError, match="'b': dependencies must be a list of TaskOrder objects"):
        TaskOrder("b", dependencies=dependencies)  # type: ignore[arg-type]


def test_orders_advise_how_to_depend_on_a_name() -> None:
    with pytest.raises(TypeError, match=r"dependencies=\[TaskOrder\('a'\)\]$"):
        TaskOrder("b", ["a"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"TaskOrder\('a'\)"):
        TaskOrder("b").depend = "a"  # type: ignore[assignment]
    changed = TaskOrder("b")
    changed.dependencies.append("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"'b'.*TaskOrder\('a'\)"):
        ExecutionPlanner([TaskOrder("a"), changed]).validate()


def test_a_value_that_is_not_an_order_is_refused() -> None:
    with pytest.raises(TypeError, match="must hold TaskOrder objects, got 'a'"):
        ExecutionPlanner(["a"])  # type: ignore[list-item]


def test_the_repr_of_orders_in_a_cycle_ends() -> None:
    a = TaskOrder("a")
    a.dependencies = [a]
    assert repr(a) == "TaskOrder('a', dependencies=['a'])"


# --- stages --------------------------------------------------------------------------------------


def test_two_sources_and_their_reader_make_two_stages() -> None:
    plan = plan_of(a=[], b=[], c=["a", "b"])
    first, second = plan.stages
    assert (first.stage_id, first.start_tasks, first.wait_for_tasks) == (0, ["a", "b"], [])
    assert first.parallel_tasks == ["a", "b"]
    assert (second.stage_id, second.start_tasks) == (1, ["c"])
    assert second.wait_for_tasks == ["a", "b"]
    assert second.parallel_tasks == ["c"]
    assert (plan.total_tasks, plan.max_parallelism) == (3, 2)
    assert plan.original_tasks == {"a": [], "b": [], "c": ["a", "b"]}


def test_a_task_whose_end_is_not_needed_yet_runs_during_the_next_stage_too() -> None:
    plan = plan_of(slow=[], quick=[], after=["quick"], end=["slow", "after"])
    assert [stage.start_tasks for stage in plan.stages] == [["slow", "quick"], ["after"], ["end"]]
    assert plan.stages[1].parallel_tasks == ["slow", "after"]
    assert plan.stages[2].parallel_tasks == ["end"]


def test_an_empty_order_has_an_empty_plan() -> None:
    plan = ExecutionPlanner([]).get_execute_timeline()
    assert (plan.stages, plan.total_tasks, plan.max_parallelism) == ([], 0, 0)


def test_orders_may_stand_downstream_first() -> None:
    plan = plan_of(c=["b"], b=["a"], a=[])
    assert [stage.start_tasks for stage in plan.stages] == [["a"], ["b"], ["c"]]
    assert list(plan.original_tasks) == ["a", "b", "c"]


def test_dependencies_are_matched_by_name() -> None:
    orders = [TaskOrder("a"), TaskOrder("b", [TaskOrder("a")])]
    assert len(ExecutionPlanner(orders).get_execute_timeline().stages) == 2


def test_a_plan_shows_itself_as_plain_text() -> None:
    plan = plan_of(extract=[], load=["extract"])
    table = plan.get_visualization_table()
    assert "extract" in table
    assert "load" in table
    assert "\x1b" not in table
    assert plan.get_dependency_graph_info() == "extract\nload <- extract"
    everything = plan.get_full_visualization()
    assert "2 tasks in 2 stages" in everything
    assert table in everything


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    plan = ExecutionPlanner([TaskOrder("load[2024]")]).get_execute_timeline()
    assert "load[2024]" in plan.get_visualization_table()
    assert "load[2024]" in plan.get_dependency_graph_info()


@given(st.lists(st.lists(st.integers(0, 30), max_size=4, unique=True), max_size=30))
def test_running_tasks_are_those_started_whose_end_is_not_needed_yet(rows: list[list[int]]) -> None:
    needs = {str(i): [str(n) for n in row if n < i] for i, row in enumerate(rows)}
    plan = ExecutionPlanner(orders_of(**needs)).get_execute_timeline()
    started: list[str] = []
    waited: set[str] = set()
    for stage in plan.stages:
        waited.update(stage.wait_for_tasks)
        started += stage.start_tasks
        assert set(stage.parallel_tasks) == set(started) - waited
    most = max((len(stage.parallel_tasks) for stage in plan.stages), default=0)
    assert plan.max_parallelism == most
    assert set(started) == set(needs)


# --- what is wrong with an order -------------------------------------------------------------


def test_a_cycle_is_spelt_out() -> None:
    with pytest.raises(TaskOrderLoopError) as caught:
        ExecutionPlanner(orders_of(a=["b"], b=["a"], end=["b"])).get_execute_timeline()
    assert caught.value.errors == ["a -> b -> a"]
    assert "a -> b -> a; remove one of these dependencies" in str(caught.value)


def test_a_cycle_is_spelt_in_the_order_in_which_data_would_flow() -> None:
    with pytest.raises(TaskOrderLoopError) as caught:
        ExecutionPlanner(orders_of(a=["c"], b=["a"], c=["b"])).detect_cycle()
    assert caught.value.errors == ["a -> b -> c -> a"]


def test_a_task_that_needs_itself_is_a_cycle() -> None:
    with pytest.raises(TaskOrderLoopError) as caught:
        ExecutionPlanner(orders_of(a=["a"])).validate()
    assert caught.value.errors == ["a -> a"]


def test_every_separate_cycle_is_named() -> None:
    with pytest.raises(TaskOrderLoopError) as caught:
        ExecutionPlanner(orders_of(a=["b"], b=["a"], c=["d"], d=["c"])).validate()
    assert caught.value.errors == ["a -> b -> a", "c -> d -> c"]


def test_a_graph_that_nothing_ends_is_a_loop_and_has_no_exit() -> None:
    with pytest.raises(TaskOrderNoExitError) as caught:
        ExecutionPlanner(orders_of(a=["b"], b=["a"])).validate()
    assert isinstance(caught.value, TaskOrderLoopError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.errors == ["a -> b -> a"]


def test_a_graph_with_a_cycle_and_an_exit_is_only_a_loop() -> None:
    with pytest.raises(TaskOrderLoopError) as caught:
        ExecutionPlanner(orders_of(a=["b"], b=["a"], c=["a"])).validate()
    assert not isinstance(caught.value, TaskOrderNoExitError)


def test_an_acyclic_order_is_valid() -> None:
    planner = ExecutionPlanner(orders_of(a=[], b=["a"], c=["a"], d=["b", "c"]))
    planner.validate()
    planner.detect_cycle()


def test_an_unknown_dependency_is_named_with_the_nearest_name() -> None:
    with pytest.raises(TaskDependencyError, match=r"'load'.*'extrct'.*did you mean 'extract'"):
        ExecutionPlanner(orders_of(extract=[], load=["extrct"])).get_execute_timeline()


def test_two_orders_of_one_name_are_refused() -> None:
    with pytest.raises(TaskDependencyError, match="'a' twice"):
        ExecutionPlanner([TaskOrder("a"), TaskOrder("a")]).validate()


def test_a_dependency_named_twice_by_one_task_is_refused() -> None:
    a = TaskOrder("a")
    with pytest.raises(TaskDependencyError, match="'a' twice"):
        ExecutionPlanner([a, TaskOrder("b", [a, a])]).validate()


def test_a_cycle_of_a_hundred_thousand_tasks_is_found_without_recursion() -> None:
    count = 100_000
    needs = {str(i): [str((i - 1) % count)] for i in range(count)}
    with pytest.raises(TaskOrderLoopError) as caught:
        upstream_first(needs)
    assert len(str(caught.value)) < 2_000


def test_only_so_many_cycles_are_spelt_out() -> None:
    needs = {str(i): [str(i)] for i in range(1_000)}
    assert len(walk_upstream_first(needs).cycles) == MAX_CYCLES


# --- the walk --------------------------------------------------------------------------------


def test_an_order_that_is_upstream_first_already_is_kept() -> None:
    needs = {"a": [], "b": ["a"], "x": [], "c": ["b"], "y": ["x"]}
    assert walk_upstream_first(needs).ids == ["a", "b", "x", "c", "y"]


def test_a_walk_from_a_target_visits_only_what_is_upstream() -> None:
    needs = {"a": [], "b": ["a"], "c": ["b"], "other": ["a"]}
    assert walk_upstream_first(needs, ["b"]).ids == ["a", "b"]


@given(st.lists(st.lists(st.integers(0, 40), max_size=4), max_size=40), st.randoms())
def test_any_acyclic_graph_comes_out_complete_and_upstream_first(
    rows: list[list[int]], random: Random
) -> None:
    pairs = [(str(i), [str(n) for n in row if n < i]) for i, row in enumerate(rows)]
    random.shuffle(pairs)
    ids, cycles = walk_upstream_first(dict(pairs))
    assert not cycles
    assert sorted(ids) == sorted(name for name, _ in pairs)
    place = {name: i for i, name in enumerate(ids)}
    assert all(place[need] < place[name] for name, needs in pairs for need in needs)


# --- Plan ------------------------------------------------------------------------------------


async def coroutine_function() -> None: ...


def plain_function() -> None: ...


class AsyncCall:
    async def __call__(self) -> None: ...


class SyncCall:
    def __call__(self) -> None: ...

    async def method(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "lane"),
    [
        (coroutine_function, "async"),
        (functools.partial(coroutine_function), "async"),
        (functools.partial(functools.partial(coroutine_function)), "async"),
        (AsyncCall(), "async"),
        (functools.partial(AsyncCall()), "async"),
        (SyncCall().method, "async"),
        (plain_function, "thread"),
        (functools.partial(plain_function), "thread"),
        (SyncCall(), "thread"),
        (AsyncCall, "thread"),
        (len, "thread"),
    ],
)
def test_functions_that_give_coroutines_go_to_the_async_lane(
    function: Callable[..., Any], lane: str
) -> None:
    assert lane_of(function) == lane


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the mark came with Python 3.12")
def test_a_function_that_is_marked_to_give_coroutines_goes_to_the_async_lane() -> None:
    def gives_one() -> object:
        return coroutine_function()

    mark: Callable[..., Any] = inspect.markcoroutinefunction  # type: ignore[attr-defined, unused-ignore]
    assert lane_of(mark(gives_one)) == "async"


def test_a_plan_holds_what_each_declaration_says() -> None:
    policy = RetryPolicy(2, delay=1.0)
    plan = build_plan(
        "nightly",
        {"a": (), "b": ("a",)},
        {"a": coroutine_function, "b": plain_function},
        {"b": TaskInputs(bindings=(Binding("x", "a", ("id",)),))},
        options={"b": AttemptOptions(retry=policy, timeout_s=3.0, queue="gpu")},
        tail_tasks=["b"],
        concurrency_limit=4,
        check_types=False,
    )
    a, b = plan.tasks
    assert (plan.namespace, plan.concurrency_limit, plan.check_types) == ("nightly", 4, False)
    assert (a.task_id, a.needs, a.lane, a.awaited, a.queue) == ("a", (), "async", True, "default")
    assert (b.needs, b.bindings[0].path, b.lane) == (("a",), ("id",), "thread")
    assert (b.retry, b.timeout_s, b.queue, b.awaited) == (policy, 3.0, "gpu", False)
    assert a.fingerprint == b.fingerprint == ""


def test_fingerprints_are_in_the_plan_only_when_asked_for() -> None:
    functions = {"a": coroutine_function}
    plan = build_plan("x", {"a": ()}, functions, {}, options={}, fingerprints=True)
    assert plan.tasks[0].fingerprint == fingerprint(coroutine_function)


# --- the results of a run ------------------------------------------------------------------------


def test_the_last_tasks_are_those_that_only_clean_up_needs() -> None:
    load, total = TaskSpec("load"), TaskSpec("total", needs=("load",))
    clean = TaskSpec("clean", needs=("total", "load"), always=True)
    assert Plan("n", (load, total)).last_tasks == ("total",)
    assert Plan("n", (load, total, clean)).last_tasks == ("total",)
    assert Plan("n", (load, TaskSpec("mail", needs=("load",)), total)).last_tasks == (
        "mail",
        "total",
    )


def test_a_plan_that_only_cleans_up_ends_with_its_clean_up() -> None:
    assert Plan("n", (TaskSpec("clean", always=True),)).last_tasks == ("clean",)


def test_the_result_of_a_last_task_is_wanted_also_if_a_clean_up_waits_for_it() -> None:
    clean = TaskSpec("clean", needs=("total",), always=True)
    assert Plan("n", (TaskSpec("total"), clean)).wanted_results == {"total", "clean"}
