"""What children, and those that gather their results, are given: as live values and as bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.data_transport.bindings import Binding, Fill, TaskInputs
from astrum.data_transport.task_failure import TaskFailure
from astrum.errors import RunInputError, Skip
from astrum.execution.attempt import current_attempt
from astrum.execution.in_process import InProcessRun
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.input_lists import list_mistakes
from astrum.execution.invoke import BoundTask, Flow
from astrum.execution.run_inputs import CheckedInputs
from astrum.machine.report import ExecutionReport
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch

DOCS = Axis((ListSource("docs"),))
PAGES = Axis((ListSource("pages_of"),))
LENGTH = (Watch("length"),)
BOTH = pytest.mark.parametrize("check_wire", [False, True])


class Declared:
    """Tasks and their functions, from which a flow is made."""

    def __init__(self) -> None:
        self.specs: list[TaskSpec] = []
        self.bound: dict[str, BoundTask] = {}

    def add(
        self,
        name: str,
        function: Callable[..., Any],
        *bindings: Binding,
        fills: dict[Any, Fill] | None = None,
        defaults: dict[Any, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Declare a task that needs what its bindings read."""

        async def task(**values: Any) -> Any:
            return function(**values)

        needs = dict.fromkeys(source for binding in bindings for source in binding.sources)
        inputs = TaskInputs(bindings=bindings, fills=fills or {}, defaults=defaults or {})
        self.specs.append(
            TaskSpec(name, tuple(needs), bindings, optional=tuple(defaults or ()), **spec)
        )
        self.bound[name] = BoundTask(name, task, inputs, "async")

    async def run(self, check_wire: bool, **inputs: Any) -> ExecutionReport:
        """Run all tasks in this process."""
        flow = Flow(Plan("test", tuple(self.specs)), self.bound)
        options = InProcessOptions(check_wire=check_wire)
        assert list_mistakes(flow.plan, inputs, frozenset()) == []
        return await InProcessRun(flow, options, CheckedInputs(inputs)).run()

    async def returned(self, check_wire: bool, **inputs: Any) -> dict[str, Any]:
        """Return the results of a run that is completed."""
        report = await self.run(check_wire, **inputs)
        assert report.error_summary == []
        return dict(report.task_return_set)


def element(name: str, source: str, *item: str | int, origin: Any = "task") -> Binding:
    return Binding(name, source, (), origin, item)


def documents(docs: list[list[int]], skipped: int = -1) -> Declared:
    """Return documents of pages; the text of a page is ten times its number."""

    def ocr(page: int) -> int:
        if page == skipped:
            raise Skip("an empty page")
        return page * 10

    flow = Declared()
    flow.add("docs", lambda: docs, watches=LENGTH)
    flow.add("pages_of", list, element("iterable", "docs"), axes=(DOCS,), watches=LENGTH)
    flow.bound["pages_of"] = flow.bound["pages_of"]._replace(function=pages_of)
    flow.add("ocr", ocr, element("page", "pages_of"), axes=(DOCS, PAGES))
    return flow


async def pages_of(iterable: list[int]) -> list[int]:
    return list(iterable)


# --- elements and gathered lists --------------------------------------------------------------


@BOTH
@settings(max_examples=25, deadline=None)
@given(docs=st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=4))
async def test_nested_lists_are_gone_through_and_gathered_as_in_plain_python(
    check_wire: bool, docs: list[list[int]]
) -> None:
    flow = documents(docs)
    flow.add(
        "doc_text",
        lambda doc, pages: (doc, pages),
        element("doc", "docs"),
        Binding("pages", "ocr"),
        axes=(DOCS,),
    )
    flow.add("again", lambda text: -text, Binding("text", "ocr"), axes=(DOCS, PAGES))
    flow.add("whole", lambda texts, docs: texts, Binding("texts", "ocr"), Binding("docs", "docs"))
    found = await flow.returned(check_wire)
    texts = [[page * 10 for page in doc] for doc in docs]
    assert found["whole"] == found["ocr"] == texts
    assert found["doc_text"] == list(zip(docs, texts, strict=True))
    assert found["again"] == [[-text for text in doc] for doc in texts]


@BOTH
async def test_a_product_and_a_zip_of_inputs_give_each_child_its_elements(
    check_wire: bool,
) -> None:
    models, seeds = (Axis((ListSource(name, (), "input"),)) for name in ("models", "seeds"))
    both = Axis((ListSource("models", (), "input"), ListSource("seeds", (), "input")))
    given_by = (
        element("model", "models", origin="input"),
        element("seed", "seeds", origin="input"),
    )
    flow = Declared()
    flow.add("grid", lambda model, seed: (model, seed), *given_by, axes=(models, seeds))
    flow.add("pairs", lambda model, seed: (model, seed), *given_by, axes=(both,))
    found = await flow.returned(check_wire, models=["a", "b"], seeds=(1, 2))
    assert found["grid"] == [[("a", 1), ("a", 2)], [("b", 1), ("b", 2)]]
    assert found["pairs"] == [("a", 1), ("b", 2)]


@BOTH
async def test_parts_of_elements_of_lists_in_parts_of_results_are_read(check_wire: bool) -> None:
    rows = Axis((ListSource("load", ("rows",)),))
    flow = Declared()
    flow.add(
        "load",
        lambda: {"rows": [{"path": "x", "size": 1}, {"path": "y"}]},
        watches=(Watch("length", ("rows",)),),
    )
    flow.add(
        "read",
        lambda path, size=None: {"path": path, "size": size},
        Binding("path", "load", ("rows",), "task", ("path",)),
        Binding("size", "load", ("rows",), "task", ("size",)),
        axes=(rows,),
        defaults={"size": 7},
    )
    flow.add("paths", lambda paths: paths, Binding("paths", "read", ("path",)))
    found = await flow.returned(check_wire)
    assert found["read"] == [{"path": "x", "size": 1}, {"path": "y", "size": 7}]
    assert found["paths"] == ["x", "y"]


@BOTH
async def test_an_empty_list_gives_an_empty_list(check_wire: bool) -> None:
    flow = documents([])
    flow.add("whole", lambda texts: texts, Binding("texts", "ocr"))
    found = await flow.returned(check_wire)
    assert found == {"docs": [], "pages_of": [], "ocr": [], "whole": []}


@BOTH
async def test_big_elements_and_gathered_lists_travel_by_reference(check_wire: bool) -> None:
    docs = [os.urandom(100_000), b"small", os.urandom(70_000)]
    flow = Declared()
    flow.add("docs", lambda: docs, watches=LENGTH)
    flow.add("same", lambda doc: doc, element("doc", "docs"), axes=(DOCS,))
    flow.add("first", lambda docs: docs, Binding("docs", "same"))
    flow.add("second", lambda docs, one: one, Binding("docs", "same"), Binding("one", "same", (0,)))
    report = await flow.run(check_wire)
    assert report.task_return_set["same"] == report.task_return_set["first"] == docs
    assert "no index 0" in report.error_summary[0]


# --- what did not come ------------------------------------------------------------------------


@BOTH
async def test_what_did_not_come_is_filled_dropped_or_told_as_its_reader_says(
    check_wire: bool,
) -> None:
    flow = documents([[1, 2], [3]], skipped=2)
    tolerant: dict[str, Any] = {"tolerant": ("ocr",)}
    flow.add(
        "filled",
        lambda texts: texts,
        Binding("texts", "ocr", holes="fill"),
        fills={"texts": Fill(-1, 2)},
        **tolerant,
    )
    flow.add("dropped", lambda texts: texts, Binding("texts", "ocr", holes="drop"), **tolerant)
    flow.add("told", lambda texts: texts, Binding("texts", "ocr", holes="failure"), **tolerant)
    for name, holes, defaults in (("one", "", {"text": "none"}), ("one_told", "failure", None)):
        flow.add(
            name,
            lambda text="left out": text,
            Binding("text", "ocr", holes=holes),  # type: ignore[arg-type]
            defaults=defaults,
            axes=(DOCS, PAGES),
            **tolerant,
        )
    found = await flow.returned(check_wire)
    skipped = TaskFailure("ocr[0,1]", "skipped", "an empty page", ("astrum.errors.Skip",))
    assert found["filled"] == [[10, -1], [30]]
    assert found["dropped"] == [[10], [30]]
    assert found["told"] == [[10, skipped], [30]]
    assert found["one"] == [[10, "none"], [30]]
    assert found["one_told"] == [[10, skipped], [30]]


@BOTH
async def test_named_tasks_are_listed_in_order(check_wire: bool) -> None:
    def skip() -> None:
        raise Skip("nothing")

    flow = Declared()
    flow.add("a", lambda: 1)
    flow.add("b", skip)
    flow.add("c", lambda: {"n": 3})
    for holes, fill in (("fill", {"all": Fill(None, 1)}), ("drop", {})):
        flow.add(
            holes,
            lambda all: all,
            Binding("all", "a", others=("b", "c"), holes=holes),  # type: ignore[arg-type]
            fills=fill,
            tolerant=("a", "b", "c"),
        )
    found = await flow.returned(check_wire)
    assert found["fill"] == [1, None, {"n": 3}]
    assert found["drop"] == [1, {"n": 3}]


# --- names and failures -----------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("key", [None, ("id",)])
async def test_a_child_sees_its_index_and_key(check_wire: bool, key: Any) -> None:
    orders = [{"id": "A-17"}, {"id": "B-1"}]
    axis = Axis((ListSource("docs"),), key)

    def seen(doc: Any) -> Any:
        attempt = current_attempt()
        own = attempt.idempotency_key.removeprefix(attempt.run_id)
        return attempt.index, attempt.key, own, attempt.attempt_key.endswith(f"{own}/1")

    flow = Declared()
    flow.add("docs", lambda: orders, watches=(Watch("length", key=key),))
    flow.add("seen", seen, element("doc", "docs"), axes=(axis,))
    flow.add("plain", lambda: seen(None))
    found = await flow.returned(check_wire)
    if key is None:
        assert found["seen"] == [(0, "", "/seen[0]", True), (1, "", "/seen[1]", True)]
    else:
        wanted = [(0, "A-17", "/seen[A-17]", True), (1, "B-1", "/seen[B-1]", True)]
        assert found["seen"] == wanted
    assert found["plain"] == (None, "", "/plain", True)


@BOTH
async def test_a_result_without_what_the_run_depends_on_fails_its_task_once(
    check_wire: bool,
) -> None:
    calls: list[int] = []
    flow = Declared()

    def docs() -> set[int]:
        calls.append(1)
        return {1, 2}

    flow.add("docs", docs, watches=LENGTH)
    flow.add("parse", lambda doc: doc, element("doc", "docs"), axes=(DOCS,))
    report = await flow.run(check_wire)
    assert report.execution_state == "failed"
    assert calls == [1]
    assert "docs" in report.error_summary[0]
    assert "is a set of 2, without order" in report.error_summary[0]
    assert report.task_return_set == {}


@BOTH
async def test_a_task_that_failed_because_of_its_result_has_none(check_wire: bool) -> None:
    flow = Declared()
    flow.add("days", lambda: [1, 2])
    flow.specs[0] = flow.specs[0]._replace(watches=LENGTH)
    flow.add("docs", lambda days: [1], Binding("days", "days"), watches=LENGTH)
    both = Axis((ListSource("days"), ListSource("docs")))
    pair = element("day", "days"), element("doc", "docs")
    flow.add("parse", lambda day, doc: doc, *pair, axes=(both,))
    flow.add(
        "told",
        lambda docs: docs,
        Binding("docs", "docs", holes="failure"),
        tolerant=("docs",),
        always=True,
    )
    report = await flow.run(check_wire)
    assert report.execution_state == "failed"
    assert "this one has 1 element and that of" in report.error_summary[0]
    told = report.task_return_set.pop("told")
    assert (told.task, told.status) == ("docs", "failed")
    assert report.task_return_set == {"days": [1, 2]}


def test_mistakes_in_lists_of_inputs_are_found_before_the_run() -> None:
    one = ListSource("orders", ("rows",), "input")
    other = ListSource("days", (), "input")
    plan = Plan(
        "test",
        (
            TaskSpec("pay", axes=(Axis((one,), ("id",)),)),
            TaskSpec("both", axes=(Axis((one, other)),)),
        ),
        max_children=3,
    )

    def mistakes(*secrets: str, **values: Any) -> list[str]:
        return list_mistakes(plan, values, frozenset(secrets))

    rows = [{"id": 1}, {"id": 2}]
    assert mistakes(orders={"rows": rows}, days=(1, 2)) == []
    assert mistakes(orders={"rows": rows}) == []
    [text] = mistakes(orders={"rows": rows}, days=[1])
    assert text == (
        "task 'both' goes through its lists together, but the input 'orders'['rows'] has 2 and the "
        "input 'days' has 1 elements: give lists of the same length"
    )
    [text] = mistakes(days={1: 2})
    assert "the input 'days' is a dict with the key 1; task 'both' runs once for each" in text
    [text] = mistakes(days=[0] * 4)
    assert "has 4 elements, and task 'both' may have 3 children" in text
    [text] = mistakes(orders={"rows": [{"id": 1}, {"id": "1"}]})
    assert "has the key '1' twice" in text
    [text] = mistakes(orders={})
    assert text.startswith("the input 'orders' has no field 'rows'")
    [text] = mistakes("orders", orders={"rows": "secret"})
    assert text == "the input 'orders' does not have what task 'pay' runs once for each of"


def test_the_lists_of_inputs_are_checked_with_the_inputs() -> None:
    from astrum.execution.planned_inputs import checked_against_plan
    from astrum.planning.run_inputs import InputSpec

    axes = (Axis((ListSource("days", (), "input"),)),)
    spec = TaskSpec("read", (), (element("day", "days", origin="input"),), axes=axes)
    plan = Plan("test", (spec,), inputs=(InputSpec("days", "Any"),))
    with pytest.raises(RunInputError, match="'days' is an int; task 'read' runs once for each"):
        checked_against_plan(plan, {"days": 7})
