"""Every mistake in fan-out, optional upstreams, conditions and policies, found before a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from astrum import DROP, Case, Each, F, Input, Ref, SchedulerRegistry, TaskFailure
from astrum.errors import SchedulerError, TaskRegistrationError
from tests.flows.mistakes import BASE, Color, Page, built, task_with, text, two

any_f: Any = F  # for what type checkers refuse
any_each: Any = Each
PARAMETERS: list[tuple[Any, str]] = [
    # What Each goes through.
    (Ref[str, Each("names")], "task 'names' returns set[str], which is not a list: return sorted("),
    (Ref[str, Each("table")], "returns dict[str, int], which is not a list: return list("),
    (
        Ref[str, Each(text)],
        "task 'text' returns str, which is not a list: return a list or a tuple",
    ),
    (Ref[int, Each("files")], "expects int, but task 'files' gives str as each element"),
    (Ref[str, Each(F("pages", "number"))], "'bad', parameter 'x'"),
    (Ref[str, Each("pages", "numbr")], "no field 'numbr'"),
    (Ref[int, Each("pages", "weight")], "expects int, but task 'pages' gives float"),
    (Ref[str, Each("filse")], "there is no task 'filse'; did you mean 'files'?"),
    (
        Ref[str, any_each(["a", "b"])],
        "Each over ['a', 'b']: Each goes through one list that a task",
    ),
    (Ref[str, any_each(7)], "Each over 7: name a task by its id or function"),
    (Ref[str, Each], 'names no list: write Ref[type, Each("task")]'),
    (Each("files"), 'stands where a type belongs: write Ref[type, Each("task")]'),
    (list[Ref[str, Each("files")]], "stands inside list"),
    (Ref[str, Each(F("files", default=[]))], "default= or failures= inside Each"),
    (Ref[str, Each(F(["files", "names"]))], "Each over ('files', 'names')"),
    (
        Ref[int, Each(Each("files"))],
        "has Each(Each('files')), but 'files' has no children: write a",
    ),
    (Ref[int, Each(Each(Each("parse")))], "an Each in an Each in an Each: write a task in between"),
    (Ref[str, any_each("files", 1.5)], "has the locator 1.5; use a str, an int or None"),
    (Ref[str, any_each("files", key=1.5)], "has key=1.5: write the name or index of the part"),
    (Ref[str, Each("files", key=False)], "has key=False: write the name or index of the part"),
    (Ref[Page, Each("pages", key=True)], "has key=True: that is Page, and only a str or an int"),
    (Ref[Page, Each("pages", key="weight")], "has key='weight': that is float, and only a str or"),
    (Ref[Page, Each("pages", key="nubmer")], "has key='nubmer': each element is Page, which has"),
    (Ref[Page, Each(Input("books"), key="weight")], "has key='weight': that is float, and only a"),
    (
        Ref[Page, Each(Input("books"), key="nubmer")],
        "has key='nubmer': each element is Page, which",
    ),
    (Ref[float, Each(Input("sizes"), key=True)], "has key=True: that is float, and only a str or"),
    (Ref[list[int], Each("parse", key=True)], "'parse' has children already, so their names are"),
    (
        Ref[int, Each(Each("parse", key=0))],
        "has a key inside another Each: write key=0 in the task",
    ),
    # What F gathers.
    (Ref[int, F("parse")], "expects int, but task 'parse' gives list[list[int]], one result per"),
    (Ref[list[str], F("parse")], "expects list[str], but task 'parse' gives list[list[int]]"),
    (Ref[list[int], F("lines")], "expects list[int], but task 'lines' gives list[list[int]]"),
    (Ref[set[int], F("lines")], "expects set[int], but task 'lines' gives list[list[int]]"),
    (
        Ref[list[int], F("accepts")],
        "F('accepts', default=DROP) to leave them out, F('accepts', def",
    ),
    (
        Ref[int, F("files", default=DROP)],
        "default=DROP, which leaves elements out of a list, but it",
    ),
    (
        Ref[str, F("text", default=None)],
        "does not fit, expected str, got None: annotate it with str",
    ),
    (
        Ref[str, F("text", default=3)],
        "the default of F('text') does not fit, expected str, got int",
    ),
    (
        Ref[list[int], F("accepts", default="")],
        "the default of F('accepts'), which stands for each result that is missing, does not fit, "
        "expected",
    ),
    (
        Ref[list[int], F("accepts", default=None)],
        "annotate it with list[int | None], or write a default of that type",
    ),
    (Ref[str, F("text", failures=True)], "annotate it with str | TaskFailure"),
    (Ref[list[int], F("accepts", failures=True)], "annotate it with list[int | TaskFailure]"),
    (Ref[str, any_f("text", failures=1)], "has failures=1; use True or False"),
    (Ref[str, F("text", default="", failures=True)], "has default= and failures=True"),
    (
        Ref[str, any_f(Input())],
        "not by Input(name=None, locator=None, secret=False); write Ref[type, Input(",
    ),
    (
        Ref[str, any_f(Each("files"))],
        "a relation names a task by id or function, not by Each(source='files'",
    ),
    (Ref[str, F([])], "names no task: a list names two tasks or more"),
    (Ref[str, F(["text"])], "names one task: a list names two tasks or more, and F('task') reads"),
    (Ref[list[str], F(["text", "text"])], "names 'text' twice"),
    (
        Ref[list[str], any_f(["text", 3])],
        "has 3 in From(task=['text', 3], locator=None): name each",
    ),
    (Ref[list[str], F(["text", "txet"])], "there is no task 'txet'; did you mean 'text'?"),
    (
        Ref[list[str], F(["text", "is_new"])],
        "expects list[str], but task 'is_new' gives list[bool]",
    ),
    (
        Ref[list[str], F(["text", "parse"])],
        "'parse' has many results: gather them in a task of the",
    ),
    (Ref[str, Case("route", equals="x")], "is a condition of the task: write @task(when=Case("),
    # Inputs.
    (Ref[str, Each(Input("the paths"))], "names the input 'the paths'"),
]


@pytest.mark.parametrize(("annotation", "told"), PARAMETERS)
def test_a_mistake_in_a_parameter_names_task_and_parameter(annotation: Any, told: str) -> None:
    with pytest.raises(SchedulerError, match=re.escape(told)) as caught:
        built(task_with(annotation), {})
    assert "task 'bad'" in str(caught.value)
    assert "'x'" in str(caught.value)
    assert "\n" not in str(caught.value)


TWO_PARAMETERS: list[tuple[Any, Any, dict[str, Any], str]] = [
    (
        Ref[str, Each("files")],
        Ref[int, Each("sizes")],
        {},
        "goes through two lists, files (parameter 'x') and sizes (parameter 'y'): write "
        'each="zip" for one child per pair, or each="product" for one per combination',
    ),
    (
        Ref[str, Each("files")],
        Ref[int, Each(Input("days"))],
        {},
        "goes through two lists, files (parameter 'x') and input days (parameter 'y')",
    ),
    (
        Ref[list[int], Each("parse")],
        Ref[int, Each("sizes")],
        {"each": "zip"},
        "parameter 'x': each=\"zip\" pairs lists that belong to the same children, and files",
    ),
    (
        Ref[str, Each("files", key=True)],
        Ref[int, Each("sizes", key=True)],
        {"each": "zip"},
        "parameter 'y' has key=True, but the first of the zipped lists names the children",
    ),
    (
        Ref[Page, Each("pages", key="number")],
        Ref[Page, Each("pages", key=0)],
        {},
        "by key=0, and task 'bad' by key='number': write one key in both",
    ),
    (
        Ref[int, Each("sizes")],
        Ref[list[int], F("misaligned")],
        {},
        "reads 'misaligned', whose children go through files first",
    ),
]


@pytest.mark.parametrize(("first", "second", "options", "told"), TWO_PARAMETERS)
def test_a_mistake_in_how_two_parameters_go_together_is_found(
    first: Any, second: Any, options: dict[str, Any], told: str
) -> None:
    registry = SchedulerRegistry("mistakes")
    for one, own in BASE:
        registry.task(**own)(one)

    @registry.task(each="product")
    def misaligned(x: Ref[str, Each("files")], y: Ref[int, Each("sizes")]) -> int:
        return 0

    registry.task("bad", **options)(two(first, second))
    with pytest.raises(SchedulerError, match=re.escape(told)) as caught:
        registry.build_scheduler()
    assert "task 'bad'" in str(caught.value)


@pytest.mark.parametrize("name", ["parse[0]", "parse[a][0]", "parse[]"])
def test_a_task_that_a_child_of_another_one_may_be_called_as_is_refused(name: str) -> None:
    told = f"task '{name}': a child of task 'parse' may have this name too; give the task an id"
    with pytest.raises(TaskRegistrationError, match=re.escape(told)):
        built(text, {}, name)


@pytest.mark.parametrize("name", ["text[0]", "parse[0].log", "parser[0]", "[0]"])
def test_a_bracket_in_any_other_id_is_accepted(name: str) -> None:
    built(text, {}, name)


RIGHT: list[tuple[Any, dict[str, Any]]] = [
    (Ref[int, Each("sizes")], {}),
    (Ref[int, Each("pages", "number")], {}),
    (Ref[list[int], Each("parse")], {}),
    (Ref[int, Each(Each("parse"))], {}),
    (Ref[list[list[int]], F("parse")], {}),
    (Ref[list[int], F("parse", 0)], {}),
    (Ref[list[int], F("accepts", default=DROP)], {}),
    (Ref[list[int | TaskFailure], F("accepts", failures=True)], {}),
    (Ref[list[int | None], F("accepts", default=None)], {}),
    (Ref[str | TaskFailure, F("text", failures=True)], {}),
    (Ref[list[str | bool], F(["text", "is_new"])], {}),
    (Ref[str, F("text")], {"when": Case("color", equals=Color.RED)}),
    (Ref[str, F("text")], {"when": Case("color", equals="b")}),
    (Ref[str, F("text")], {"when": Case("color", equals=None)}),
    (Ref[str, F("text")], {"when": Case("table", "x", equals=3)}),
    (Ref[list[int], Each("parse")], {"when": Case("parse", 0, equals=3)}),
    (Ref[str, F("text")], {"always": True, "depends_on": ["cleanup"]}),
]


@pytest.mark.parametrize(("annotation", "options"), RIGHT)
def test_what_is_right_is_accepted(annotation: Any, options: dict[str, Any]) -> None:
    built(task_with(annotation), options)
