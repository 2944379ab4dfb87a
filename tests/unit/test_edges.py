"""What a plan holds of fan-out, optional upstreams, conditions and policies."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import pytest

from astrum import DROP, AstrumConfig, Case, Each, F, Input, Ref
from astrum import SchedulerRegistry as Registry
from astrum.data_transport import TaskFailure
from astrum.data_transport.bindings import Binding, Fill
from astrum.planning.alignment import aligned
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.plan import PLAIN_VERSION, PLAN_VERSION, Plan
from tests.flows.edges import files, flow_of, inner, parse, specs_of


class Kind(StrEnum):
    REFUND = "refund"
    SALE = "sale"


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
