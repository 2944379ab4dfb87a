"""A plan as tables, graphs and JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from astrum import DROP, Case, Each, F, Input, Ref, RetryPolicy, SchedulerRegistry
from astrum.execution.invoke import Flow
from astrum.planning.run_inputs import NO_INPUTS
from astrum_coordinator.cli import main
from astrum_coordinator.display.plan_view import dot, mermaid, plan_to_json, plan_view, transports


def invoices() -> Flow:
    registry = SchedulerRegistry("billing")

    @registry.task("fetch", retry=RetryPolicy(2, delay=1.0))
    async def fetch() -> dict[str, list[int]]:
        return {"rows": [1]}

    @registry.task("send", timeout=5, queue="mail")
    def send(first: Ref[int, F("fetch", "rows")], whole: Ref[dict, F("fetch")]) -> None: ...

    return registry.build_scheduler(skip_type_check=True).flow()


def wide(count: int) -> Flow:
    registry = SchedulerRegistry("wide")

    async def nothing() -> None: ...

    for number in range(count):
        registry.task(f"t{number}")(nothing)
    registry.task("end", depends_on=[f"t{number}" for number in range(count)])(nothing)
    return registry.build_scheduler().flow()


def rendered(flow: Flow, values: Mapping[str, Any] = NO_INPUTS) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(plan_view(flow, values))
    return out.getvalue()


def test_the_table_shows_stages_tree_and_where_each_parameter_comes_from() -> None:
    text = rendered(invoices())
    assert text.startswith("billing: 2 tasks in 2 stages, at most 1 at once")
    assert re.search(r"fetch\['rows'\] +send\.first +int", text)
    assert re.search(r"fetch +send\.whole +dict", text)
    assert "└── fetch\n    └── send" in text


def test_a_huge_plan_is_shown_in_part_with_what_is_left_out() -> None:
    text = rendered(wide(3_000))
    assert len(text.splitlines()) < 250
    assert "3,001 tasks in 2 stages" in text
    assert "more tasks" in text


def test_names_with_brackets_are_not_markup() -> None:
    registry = SchedulerRegistry("odd")

    @registry.task("load[red]")
    async def load() -> None: ...

    assert "load[red]" in rendered(registry.build_scheduler().flow())


def test_the_json_plan_holds_what_a_coordinator_needs_to_know() -> None:
    plan = json.loads(json.dumps(plan_to_json(invoices())))
    fetch, send = plan["tasks"]
    assert (plan["namespace"], plan["total_tasks"], plan["total_stages"]) == ("billing", 2, 2)
    assert (fetch["stage"], fetch["retry"]["max_retries"], fetch["lane"]) == (0, 2, "async")
    assert (send["needs"], send["queue"], send["timeout_s"]) == (["fetch"], "mail", 5)
    assert (send["retry"], send["lane"]) == (None, "thread")
    assert send["inputs"][0] == {
        "parameter": "first",
        "origin": "task",
        "source": "fetch",
        "path": ["rows"],
        "item": None,
        "others": [],
        "missing": None,
        "expected": "int",
    }


def test_every_binding_is_a_transport() -> None:
    found = list(transports(invoices()))
    assert [(t.source, t.path, t.task_id, t.parameter) for t in found] == [
        ("fetch", ("rows",), "send", "first"),
        ("fetch", (), "send", "whole"),
    ]


def test_graphs_quote_whatever_a_task_is_called() -> None:
    registry = SchedulerRegistry("q")

    async def nothing() -> None: ...

    registry.task('a "b" <c>\\')(nothing)
    registry.task("d", depends_on=['a "b" <c>\\'])(nothing)
    plan = registry.build_scheduler().flow()
    assert 't0["a #quot;b#quot; #lt;c#gt;\\"]' in mermaid(plan)
    assert "t0 --> t1" in mermaid(plan)
    assert r't0 [label="a \"b\" <c>\\"];' in dot(plan)
    assert "t0 -> t1;" in dot(plan)


def refunds() -> Flow:
    """Return a flow with children, a condition, an optional source, cleanup and policies."""
    registry = SchedulerRegistry("refunds")

    @registry.task
    def list_files() -> list[str]:
        return []

    @registry.task(max_failed=0.05, at_once=50, on_failure="continue")
    def parse(path: Ref[str, Each(list_files, key=True)]) -> int:
        return 0

    @registry.task(each="product", on_lost="hold")
    def grid(
        m: Ref[str, Each(Input("models"))], seed: Ref[int, Each(Input("seeds"))]
    ) -> dict[str, str]:
        return {}

    @registry.task
    def route(counts: Ref[list[int], F(parse, default=DROP)]) -> dict[str, str]:
        return {}

    @registry.task(when=Case(route, "kind", equals="refund"), on_failure="ignore")
    def refund(of: Ref[list[list[str]], F(grid, "total")]) -> bool:
        return True

    @registry.task(when=F(refund), always=True, after=[parse])
    def clean() -> None: ...

    return registry.build_scheduler().flow()


def test_children_are_not_counted_as_one_task_at_once() -> None:
    head, *lines = rendered(refunds()).splitlines()
    assert head == "refunds: 6 tasks in 5 stages, at most 2 at once, and children"
    cells = [re.split(" {2,}", line.strip())[-1] for line in lines[3:8]]
    assert cells == ["1 + children", "children", "1 + children", "1", "1"]


SIZES = {"models": ["a", "b"], "seeds": list(range(600))}


def test_the_tree_says_which_tasks_have_children_conditions_and_policies() -> None:
    lines = rendered(refunds()).splitlines()
    tree = [line.strip("│├└─ ") for line in lines[lines.index("Dependencies") + 1 :]][:6]
    assert tree == [
        "list_files",
        "parse ×n · each of list_files by itself · keeps going · at most 5 % failed · 50 at once",
        "? route",
        "refund · when route.kind = refund · may fail  (also after grid)",
        "clean · when refund · always  (also after parse?)",
        "grid ×n · each of [input models, input seeds] · if lost: hold",
    ]


def test_the_signs_that_occur_are_explained_and_no_others() -> None:
    told = (
        "×n: one child for each element of a list; ?: runs however that task ends; "
        "also after: it needs these too"
    )
    text = rendered(refunds())
    assert told in " ".join(text.split())
    assert text.endswith("\n?: may be missing\n")
    plain = rendered(invoices())
    assert not any(sign in plain for sign in ("×n", "?", "also after"))
    assert "also after: it needs these too\n" in rendered(wide(3))


def test_inputs_tell_the_number_of_children_and_what_a_gathered_list_may_weigh() -> None:
    text = rendered(refunds(), SIZES)
    assert "grid ×1,200 · each of [input models, input seeds]" in text
    told = "refund.of gathers ×1,200 results of grid: at most 64 MiB together, 54.6 KiB each"
    assert told in text
    assert re.search(r"each of list_files +parse.path +str", text)
    assert re.search(r"parse\? +route.counts +list\[int\]", text)


def test_the_json_plan_has_axes_conditions_and_policies() -> None:
    plan = json.loads(json.dumps(plan_to_json(refunds(), SIZES)))
    tasks = {task["task"]: task for task in plan["tasks"]}
    assert plan["max_children"] == 1_000_000
    assert tasks["parse"]["axes"] == [
        {"lists": [{"origin": "task", "source": "list_files", "path": []}], "key": []}
    ]
    assert (tasks["parse"]["children"], tasks["grid"]["children"]) == (None, 1_200)
    assert (tasks["parse"]["max_failed"], tasks["parse"]["at_once"]) == (0.05, 50)
    assert tasks["route"]["tolerant"] == ["parse"]
    assert tasks["route"]["inputs"][0]["missing"] == "drop"
    assert tasks["parse"]["inputs"][0]["item"] == []
    assert tasks["refund"]["conditions"] == [
        {"source": "route", "path": ["kind"], "equals": "refund"}
    ]
    assert tasks["clean"]["conditions"] == [{"source": "refund", "path": [], "equals": True}]
    assert (tasks["clean"]["always"], tasks["refund"]["on_failure"]) == (True, "ignore")
    assert tasks["grid"]["on_lost"] == "hold"


def test_graphs_show_optional_needs_as_broken_lines() -> None:
    flow = refunds()
    number = flow.plan.index
    parse, route = number["parse"], number["route"]
    assert f"t{parse} -.-> t{route}" in mermaid(flow)
    assert f"t{parse} -> t{route} [style=dashed];" in dot(flow)
    assert f't{number["clean"]}["clean · when refund · always"]' in mermaid(flow)


def test_a_part_of_each_element_is_not_shown_as_a_part_of_the_list() -> None:
    registry = SchedulerRegistry("parts")

    @registry.task
    def rows() -> list[dict[str, int]]:
        return []

    @registry.task
    def use(count: Ref[int | None, Each("rows", "count")]) -> None: ...

    text = rendered(registry.build_scheduler().flow())
    assert re.search(r"\['count'\] of each of rows +use.count +int \| None", text)


def test_the_length_of_a_secret_list_is_not_shown() -> None:
    registry = SchedulerRegistry("secret")

    @registry.task
    def use(token: Ref[str, Each(Input("tokens", secret=True))]) -> None: ...

    flow = registry.build_scheduler().flow()
    assert "use ×n · each of input tokens" in rendered(flow, {"tokens": ["a", "b"]})


def test_keep_going_is_shown_at_every_task_without_a_policy_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
from astrum import SchedulerRegistry

registry = SchedulerRegistry("going")

@registry.task
def first() -> None: ...

@registry.task(on_failure="ignore")
def second() -> None: ...
"""
    (tmp_path / "going_flow.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        main, ["plan", "going_flow.py", "-n", "going", "--keep-going", "--format", "json"]
    )
    found = {task["task"]: task["on_failure"] for task in json.loads(done.output)["tasks"]}
    assert found == {"first": "continue", "second": "ignore"}
