"""What a plan holds of fan-out, optional upstreams, conditions and policies."""

from __future__ import annotations

import copy
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum import DROP, AstrumConfig, Case, DynamicScheduler, Each, F, Input, Ref, TaskOrder
from astrum import SchedulerRegistry as Registry
from astrum.data_transport import DataItem, DTRela, TaskData, TaskFailure
from astrum.data_transport.bindings import Binding, Fill
from astrum.errors import TaskOrderLoopError, TaskRegistrationError
from astrum.execution.invoke import Flow
from astrum.planning.alignment import aligned, misaligned
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.plan import PLAIN_VERSION, PLAN_VERSION, Plan, TaskSpec


class Kind(StrEnum):
    REFUND = "refund"
    SALE = "sale"


def files() -> list[str]:
    return []


def parse(path: Ref[str, Each(files)]) -> list[int]:
    return []


def inner(row: Ref[int, Each(Each("parse"))]) -> str:
    return ""


def flow_of(*tasks: Any, **settings: Any) -> Flow:
    """Return the flow of functions, or of pairs of a function and its options."""
    registry = Registry("edges")
    for one in tasks:
        function, options = one if isinstance(one, tuple) else (one, {})
        registry.task(**options)(function)
    return registry.build_scheduler(**settings).flow()


def specs_of(flow: Flow) -> dict[str, TaskSpec]:
    return {spec.task_id: spec for spec in flow.plan.tasks}


FILES = ListSource("files")
OVER_FILES = Axis((FILES,))


def test_a_task_over_a_list_has_its_axis_and_the_producer_is_watched() -> None:
    specs = specs_of(flow_of(files, parse))
    assert specs["parse"].axes == (OVER_FILES,)
    assert specs["parse"].bindings == (Binding("path", "files", item=()),)
    assert specs["files"].watches == (Watch("length"),)
    assert specs["files"].axes == ()


def test_the_list_may_be_a_part_of_a_result_and_the_value_a_part_of_an_element() -> None:
    def scan() -> dict[str, list[dict[str, str]]]:
        return {}

    def read(
        path: Ref[str, Each(F("scan", "files"), "path", key="path")],
        owner: Ref[str, Each(F("scan", "files"), "owner")],
    ) -> None: ...

    specs = specs_of(flow_of(scan, read))
    assert specs["read"].axes == (Axis((ListSource("scan", ("files",)),), ("path",)),)
    assert specs["read"].bindings == (
        Binding("path", "scan", ("files",), item=("path",)),
        Binding("owner", "scan", ("files",), item=("owner",)),
    )
    assert specs["scan"].watches == (Watch("length", ("files",), key=("path",)),)


def test_each_of_a_task_with_children_reads_their_results_on_the_same_axis() -> None:
    def check(rows: Ref[int, Each("parse", 0)]) -> int:
        return 0

    specs = specs_of(flow_of(files, parse, check))
    assert specs["check"].axes == (OVER_FILES,)
    assert specs["check"].bindings == (Binding("rows", "parse", (0,)),)
    assert specs["check"].needs == ("parse",)


def test_each_of_each_adds_the_axis_of_the_inner_lists() -> None:
    specs = specs_of(flow_of(files, parse, inner))
    assert specs["inner"].axes == (OVER_FILES, Axis((ListSource("parse"),)))
    assert specs["parse"].watches == (Watch("length"),)


def test_a_reader_aligns_on_shared_axes_and_gathers_the_others() -> None:
    def whole(all_of: Ref[list[list[str]], F(inner)]) -> None: ...

    def per_file(path: Ref[str, Each(files)], own: Ref[list[str], F(inner)]) -> None: ...

    def same(row: Ref[int, Each(Each("parse"))], one: Ref[str, F(inner)]) -> None: ...

    flow = flow_of(files, parse, inner, whole, per_file, same)
    depths = {name: dict(task.inputs.depths) for name, task in flow.tasks.items()}
    assert depths["whole"] == {"all_of": 2}
    assert depths["per_file"] == {"own": 1}
    assert depths["same"] == {}
    axes = {name: spec.axes for name, spec in specs_of(flow).items()}
    assert aligned(axes["per_file"], axes["inner"]) == (0,)
    assert aligned(axes["same"], axes["inner"]) == (0, 1)


def test_zip_makes_one_axis_of_two_lists_and_product_two() -> None:
    def pair(path: Ref[str, Each(files)], n: Ref[int, Each(Input("sizes"))]) -> int:
        return 0

    sizes = ListSource("sizes", (), "input")
    zipped = specs_of(flow_of(files, (pair, {"each": "zip"})))
    assert zipped["pair"].axes == (Axis((FILES, sizes)),)
    product = specs_of(flow_of(files, (pair, {"each": "product"})))
    assert product["pair"].axes == (OVER_FILES, Axis((sizes,)))


def test_a_list_that_is_zipped_elsewhere_is_the_same_axis_beside_that_task() -> None:
    def pair(path: Ref[str, Each(files)], n: Ref[int, Each(Input("sizes"))]) -> int:
        return 0

    def beside(path: Ref[str, Each(files)], n: Ref[int, Each(pair)]) -> int:
        return 0

    specs = specs_of(flow_of(files, (pair, {"each": "zip"}), beside))
    assert specs["beside"].axes == specs["pair"].axes


def test_two_lists_in_each_parent_may_be_zipped() -> None:
    def other(path: Ref[str, Each(files)]) -> list[str]:
        return []

    def both(n: Ref[int, Each(Each(parse))], s: Ref[str, Each(Each(other))]) -> int:
        return 0

    specs = specs_of(flow_of(files, parse, other, (both, {"each": "zip"})))
    assert specs["both"].axes == (OVER_FILES, Axis((ListSource("parse"), ListSource("other"))))


def test_a_key_given_once_names_the_children_of_all_tasks_on_the_axis() -> None:
    def named(path: Ref[str, Each(files, key=True)]) -> int:
        return 0

    specs = specs_of(flow_of(files, parse, named, inner))
    assert [specs[name].axes[0].key for name in ("parse", "named", "inner")] == [(), (), ()]
    assert specs["files"].watches == (Watch("length", key=()),)


def test_the_declared_type_of_an_input_read_element_by_element_is_a_list() -> None:
    def use(path: Ref[str, Each(Input("paths"))], day: Ref[int, Input()] = 3) -> None: ...

    def rows(name: Ref[str, Each(Input("rows"), "name")]) -> None: ...

    flow = flow_of(use, rows)
    assert {name: one.type for name, one in flow.inputs.items()} == {
        "day": int,
        "paths": list[str],
        "rows": list,
    }

    def whole(paths: Ref[tuple[str, ...], Input()]) -> None: ...

    assert flow_of(use, whole).inputs["paths"].type == tuple[str, ...]


def test_a_default_makes_a_need_tolerant_and_fills_what_it_reads() -> None:
    def read(
        one: Ref[str | None, F("text", default=None)],
        many: Ref[list[int], F("count", default=0)],
        some: Ref[list[int], F("count", default=DROP)],
        what: Ref[list[int | TaskFailure], F("count", failures=True)],
        failure: Ref[str | TaskFailure, F("text", failures=True)],
        listed: Ref[list[str | None], F(["text", "other"], default=None)],
    ) -> None: ...

    def text() -> str:
        return ""

    def other() -> str:
        return ""

    def count(path: Ref[str, Each(files)]) -> int:
        return 0

    flow = flow_of(files, text, other, count, read)
    spec, inputs = specs_of(flow)["read"], flow.tasks["read"].inputs
    assert spec.tolerant == ("text", "count", "other")
    assert [binding.holes for binding in spec.bindings] == [
        *("", "fill", "drop", "failure", "failure", "fill")
    ]
    assert spec.bindings[-1].others == ("other",)
    assert spec.optional == ("one",)
    assert inputs.defaults == {"one": None}
    assert inputs.fills == {"many": Fill(0, 1), "listed": Fill(None, 1)}


def test_a_need_that_is_demanded_as_well_is_not_tolerant() -> None:
    def text() -> dict[str, str]:
        return {}

    def read(
        a: Ref[dict[str, str], F(text)], b: Ref[str | None, F(text, "b", default=None)]
    ) -> None: ...

    assert specs_of(flow_of(text, read))["read"].tolerant == ()

    def after() -> None: ...

    specs = specs_of(flow_of(text, (after, {"after": [text]})))
    assert (specs["after"].needs, specs["after"].tolerant) == (("text",), ("text",))


def test_conditions_share_the_watches_of_their_source() -> None:
    def route() -> dict[str, Literal["refund", "sale"]]:
        return {}

    def is_big() -> bool:
        return True

    def work() -> None: ...

    registry = Registry("conditions")
    registry.task(route)
    registry.task(is_big)
    conditions: dict[str, Any] = {
        "a": Case("route", "kind", equals="refund"),
        "b": Case(route, "kind", equals="sale"),
        "c": Case("route", "kind", equals="refund"),
        "d": F("is_big"),
        "e": Case("is_big", equals=False),
    }
    for name, when in conditions.items():
        registry.task(name, when=when)(work)
    specs = specs_of(registry.build_scheduler().flow())
    assert specs["route"].watches == (Watch("choice", ("kind",), ("refund", "sale")),)
    assert specs["is_big"].watches == (Watch("truth"), Watch("choice", (), (False,)))
    assert [specs[name].conditions for name in "abcde"] == [
        (Condition("route", 0, 0),),
        (Condition("route", 0, 1),),
        (Condition("route", 0, 0),),
        (Condition("is_big", 0, 1),),
        (Condition("is_big", 1, 0),),
    ]
    assert specs["a"].needs == ("route",)


@pytest.mark.parametrize("equals", [Kind.REFUND, "refund", "REFUND"])
def test_an_enum_is_compared_by_the_name_of_its_member(equals: Any) -> None:
    def route() -> Kind:
        return Kind.SALE

    def work() -> None: ...

    specs = specs_of(flow_of(route, (work, {"when": Case(route, equals=equals)})))
    assert specs["route"].watches == (Watch("choice", (), ("REFUND",)),)


def test_one_and_true_are_two_choices() -> None:
    def route():  # type: ignore[no-untyped-def]
        return 1

    def one() -> None: ...

    def true() -> None: ...

    flow = flow_of(
        route, (one, {"when": Case(route, equals=1)}), (true, {"when": Case(route, equals=True)})
    )
    (watch,) = specs_of(flow)["route"].watches
    assert [type(choice) for choice in watch.choices] == [int, bool]
    assert specs_of(flow)["true"].conditions == (Condition("route", 0, 1),)


def test_policies_of_tasks_take_precedence_over_that_of_the_flow() -> None:
    def work() -> None: ...

    registry = Registry("policies")
    registry.task("plain")(work)
    registry.task("own", on_failure="ignore", on_lost="hold", always=True)(work)
    config = AstrumConfig(on_failure="continue", max_children=10)
    plan = registry.build_scheduler(config=config).flow().plan
    assert [spec.on_failure for spec in plan.tasks] == ["continue", "ignore"]
    assert (plan.tasks[1].on_lost, plan.tasks[1].always) == ("hold", True)
    assert plan.max_children == 10
    assert Plan.from_data(plan.to_data()) == plan


def test_a_flow_without_these_features_has_the_plan_that_older_processes_read() -> None:
    plan = flow_of(files).plan
    assert plan.is_plain
    assert plan.to_data()["version"] == PLAIN_VERSION
    for more in (parse, (parse, {"at_once": 3})):
        plan = flow_of(files, more).plan
        assert not plan.is_plain
        assert plan.to_data()["version"] == PLAN_VERSION
        assert Plan.from_data(plan.to_data()) == plan

    def both(of: Ref[list[list[str]], F(["files", "again"])]) -> None: ...

    def again() -> list[str]:
        return []

    listed = flow_of(files, again, both).plan
    assert not listed.is_plain
    assert listed.to_data()["version"] == PLAN_VERSION
    assert Plan.from_data(listed.to_data()) == listed


def test_explicit_data_beside_them_changes_nothing_of_what_annotations_say() -> None:
    def read(
        row: Ref[int, Each(Each("parse"))],
        own: Ref[list[str] | None, F(["word", "word2"], default=None)],
        x: int = 0,
    ) -> None: ...

    def word() -> str:
        return ""

    def word2() -> str:
        return ""

    def number() -> int:
        return 1

    item = DataItem(
        from_relation=DTRela(related_task="number"),
        to_relation=DTRela(key="x", related_task="read"),
    )
    data = TaskData(input_data_item=[item])
    without = flow_of(files, parse, word, word2, number, read, skip_type_check=True)
    beside = flow_of(
        files, parse, word, word2, number, (read, {"data": data}), skip_type_check=True
    )
    one, other = specs_of(without)["read"], specs_of(beside)["read"]
    assert (one.axes, one.tolerant) == (other.axes, other.tolerant)
    assert set(other.bindings) == {*one.bindings, Binding("x", "number")}


def test_explicit_data_goes_through_lists_and_tolerates_too() -> None:
    def read(path: str, sizes: list[int]) -> None: ...

    def size(path: Ref[str, Each(files)]) -> int:
        return 0

    items = [
        DataItem(
            from_relation=DTRela(related_task="files", each=True),
            to_relation=DTRela(key="path", related_task="read"),
        ),
        DataItem(
            from_relation=DTRela(related_task="files", also=["files2"], missing="drop"),
            to_relation=DTRela(key="sizes", related_task="read"),
        ),
    ]

    def files2() -> list[str]:
        return []

    data = TaskData(input_data_item=items)
    spec = specs_of(flow_of(files, files2, size, (read, {"data": data}), skip_type_check=True))[
        "read"
    ]
    assert spec.axes == (OVER_FILES,)
    assert spec.bindings[1] == Binding("sizes", "files", others=("files2",), holes="drop")
    assert spec.tolerant == ("files2",)


def test_a_scheduler_made_by_hand_reads_the_same_annotations() -> None:
    orders = [TaskOrder("files")]
    orders.append(TaskOrder("parse", [orders[0]]))
    scheduler = DynamicScheduler([("files", files), ("parse", parse)], orders)
    assert scheduler.flow().plan.tasks == flow_of(files, parse).plan.tasks


def test_a_cycle_through_a_condition_has_the_error_of_a_cycle() -> None:
    def one(x: Ref[int, F("two")]) -> bool:
        return True

    def two() -> int:
        return 1

    with pytest.raises(TaskOrderLoopError, match=r"one -> two -> one|two -> one -> two"):
        flow_of(one, (two, {"when": F("one")}))


def test_what_workers_serve_has_the_same_fills() -> None:
    def total(counts: Ref[list[list[int]], F(parse, default=[])]) -> int:
        return 0

    registry = Registry("served")
    for one in (files, parse, total):
        registry.task(one)
    config = AstrumConfig(skip_type_check=True)
    served = registry.scheduler_to_serve(config).flow(fingerprints=True)
    assert served.tasks["total"].inputs.fills == {"counts": Fill([], 1)}


def test_a_task_with_a_mistake_does_not_keep_a_worker_from_serving_the_others() -> None:
    def wrong(x: Ref[str, Each(Each(files))], y: Ref[str, F(files, default=DROP)]) -> None: ...

    def total(counts: Ref[list[list[int]], F(parse, default=[])]) -> int:
        return 0

    registry = Registry("served")
    for one in (files, wrong, parse, total):
        registry.task(one)
    with pytest.raises(TaskRegistrationError):
        registry.build_scheduler()
    served = registry.scheduler_to_serve(AstrumConfig(skip_type_check=True)).flow()
    assert served.tasks["total"].inputs.fills == {"counts": Fill([], 1)}


def nested_plan() -> dict[str, Any]:
    def cond() -> bool:
        return True

    def last(own: Ref[list[list[str]], F(inner, default="")]) -> None: ...

    flow = flow_of(files, parse, inner, cond, (last, {"when": F(cond)}))
    return flow.plan.to_data()


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
