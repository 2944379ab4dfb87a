"""A plan as tables, graphs and JSON."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from astrum import F, Ref, RetryPolicy, SchedulerRegistry
from astrum.execution.invoke import Flow
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


def rendered(flow: Flow) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(plan_view(flow))
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
    plan = registry.build_scheduler().flow().plan
    assert 't0["a #quot;b#quot; #lt;c#gt;\\"]' in mermaid(plan)
    assert "t0 --> t1" in mermaid(plan)
    assert r't0 [label="a \"b\" <c>\\"];' in dot(plan)
    assert "t0 -> t1;" in dot(plan)
